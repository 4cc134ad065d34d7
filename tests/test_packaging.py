"""What an installation promises: light imports, no torch where none is needed, honest declarations."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import facsim

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "facsim").rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = (
    "torch h5py onnxruntime onnx sklearn scipy matplotlib uproot awkward pydantic yaml rich jinja2 geant4_pybind "
    "pythia8mc fastjet"
)

# Import name -> name of the distribution, where they differ.
DISTRIBUTIONS = {"PIL": "pillow", "yaml": "pyyaml", "sklearn": "scikit-learn", "geant4_pybind": "geant4-pybind"}


def run(code: str) -> str:
    """What `code` prints in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "module", ["facsim", "facsim.cli", "facsim.io", "facsim.simulators", "facsim.report", "facsim.api"]
)
def test_importing_takes_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted(set('{HEAVY}'.split()) & set(sys.modules)))"
    assert run(code) == ""


def test_what_stands_above_the_torch_line_works_without_torch():
    code = """
import sys
sys.modules["torch"] = None  # importing it is now an ImportError
import facsim
for room in ("detectors", "io", "datasets", "observables", "metrics", "simulators", "runtime", "report"):
    getattr(facsim, room)
print("cfm" in facsim.recipes.names(), facsim.recipes.summary("cfm").split(",")[0])
for verb in (lambda: facsim.fit("x.h5", output="run"), lambda: facsim.load("run")):
    try:
        verb()
    except facsim.FacsimError as error:
        print(type(error).__name__, str(error).split(": ")[1])
"""
    assert run(code).splitlines() == [
        "True conditional flow matching",
        'MissingExtra pip install "facsim[train]"',
        'MissingExtra pip install "facsim[train]"',
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_every_module_says_what_it_is_and_what_is_public(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    # `__all__` may stand with a type annotation.
    targets = [t for n in tree.body if isinstance(n, ast.Assign) for t in n.targets]
    targets += [n.target for n in tree.body if isinstance(n, ast.AnnAssign)]
    assert "__all__" in {t.id for t in targets if isinstance(t, ast.Name)}


def test_the_facade_gives_everything_it_names():
    for name in facsim.__all__:
        if name not in {"models", "nets", "training", "transforms"}:  # these import torch, others test them
            assert getattr(facsim, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'smaple'"):
        facsim.smaple  # noqa: B018


def test_no_room_escapes_the_import_contract():
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    known = {name.strip() for layer in layers for name in layer.split("|")}
    rooms = {f"facsim.{p.stem}" for p in (ROOT / "src" / "facsim").glob("*") if p.suffix == ".py" or p.is_dir()}
    assert rooms - {"facsim.__init__", "facsim.__main__", "facsim.__pycache__"} == known


def test_every_imported_package_is_declared():
    project = PROJECT["project"]
    requirements = project["dependencies"] + [r for e in project["optional-dependencies"].values() for r in e]
    declared = {re.match(r"[A-Za-z0-9_-]+", r)[0].lower() for r in requirements}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in {n.split(".")[0] for n in names} - sys.stdlib_module_names - {"facsim"}:
                assert DISTRIBUTIONS.get(name, name) in declared, f"{path}: {name}"


def test_versions_agree():
    assert importlib.metadata.version("facsim") == facsim.__version__
    assert f"\nversion: {facsim.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"## [{facsim.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
