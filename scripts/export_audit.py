"""Which recipes ROOT's SOFIE and lwtnn can hold: each sampler, tiny and untrained, is exported and checked.

Usage: python scripts/export_audit.py [RECIPE ...] [--sofie PYTHON]
Prints rows of the table in docs/howto/root-export.md. Recipes that differ in their training only are one row. With a
Python that has the package sofie, SOFIE's own code is run, too (scripts/sofie_run.py).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sofie_run import NotRead, agreement

from facsim import Block, Events, Schema, detectors, recipes
from facsim.deploy import audit, export
from facsim.deploy.agreement import RTOL
from facsim.deploy.operators import SOFIE
from facsim.errors import ExportError
from facsim.models import family
from facsim.nets.layout import network_of
from facsim.tmva import parse_layout
from facsim.transforms import LinearTransform

LABEL = Block("label", (), "category", names=("a", "b"))
SMALL = {
    "calogan": {"model.generator.noise": 8},
    "lagan": {"model.generator.noise": 8},
    "magan": {"model.generator.channels": 4},
}
IMAGES = {"lagan": 25, "lagan+": 12, "dcgan": 8, "acgan": 8, "progressive-gan": 16, "regression": 8}
PLANES = (
    "DENSE|32|RELU,UNFLAT|2|4|4,DECONV|4|4|4|2|2|1|1|LRELU,BNORM,UPSAMPLE|2|2,CONV|4|3|3|1|1|1|1|GAUSS,MAXPOOL|2|2|2|2"
)
LAYOUTS = {
    "TMVA: DENSE, UNFLAT, DECONV, BNORM, UPSAMPLE, CONV, MAXPOOL": (
        f"{PLANES},RESHAPE|FLAT,DENSE|6|SOFTSIGN",
        (1, 1, 12),
    ),
    "TMVA: LOCAL": ("UNFLAT|1|4|3,LOCAL|2|2|2|1|1|0|0|RELU,RESHAPE|FLAT,DENSE|6|TANH", (1, 1, 12)),
    "TMVA: LSTM": ("LSTM|5|4|3|0|1,RESHAPE|FLAT,DENSE|6|LINEAR", (1, 3, 4)),
    "TMVA: GRU": ("GRU|5|4|3|0|1|1,RESHAPE|FLAT,DENSE|6|LINEAR", (1, 3, 4)),
    "TMVA: RNN": ("RNN|5|4|3|0|1,RESHAPE|FLAT,DENSE|6|LINEAR", (1, 3, 4)),
    "TMVA: DENSE alone": ("DENSE|16|RELU,DENSE|16|LRELU,DENSE|6|TANH", (1, 1, 12)),
}
STRINGS = {  # what `facsim fit` makes of MethodGAN's strings
    "MethodGAN: DENSE": "Layout=DENSE|16|RELU,DENSE|6|TANH##DENSE|16|RELU,DENSE|1|SIGMOID:Latent=12",
    "MethodGAN: DENSE, UNFLAT, DECONV": (
        "InputLayout=1|1|12##1|4|4:Layout=DENSE|32|LRELU,UNFLAT|8|2|2,DECONV|1|4|4|2|2|1|1|TANH"
        "##CONV|8|4|4|2|2|1|1|LRELU,RESHAPE|FLAT,DENSE|1|LINEAR"
    ),
}


class Sampler(torch.nn.Module):
    """A network of TMVA's notation between noise and the inverse transform."""

    def __init__(self, body: torch.nn.Module, transform: LinearTransform) -> None:
        super().__init__()
        self.net, self.transform = NoiseAlone(body), transform

    def forward(self, conditions: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return self.transform.decode(self.net(noise, conditions), conditions)


class NoiseAlone(torch.nn.Module):
    def __init__(self, body: torch.nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, noise: torch.Tensor, context: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return self.body(noise)


class Layout:
    """What `export` asks for."""

    provenance: dict[str, Any] = {}  # noqa: RUF012
    latent, condition_range = 12, (np.zeros(0), np.zeros(0))
    schema = Schema((Block("x", (6,)),))

    def __init__(self, layout: str, inputs: tuple[int, int, int]) -> None:
        self.sampler = Sampler(network_of(parse_layout(layout), inputs), LinearTransform(self.schema, centred=True))

    def generator(self) -> torch.nn.Module:
        return self.sampler


def events(name: str, n: int = 60) -> Events:
    """Random events of a shape that the recipe takes."""
    rng = np.random.default_rng(0)
    if name.startswith("calogan"):
        schema = detectors.get("calogan")
        energies = rng.uniform(10, 90, (n, 1))
        cells = rng.exponential(1.0, (n, schema.width)) * (rng.random((n, schema.width)) < 0.5)
        return Events(1000 * energies * cells / cells.sum(1, keepdims=True), energies, schema)
    if name in IMAGES:
        side = IMAGES[name]
        schema = Schema((Block("image", (side, side), "energy", "GeV", threshold=1e-3),), (LABEL,))
        pixels = rng.exponential(1.0, (n, side**2)) * (rng.random((n, side**2)) < 0.3)
        return Events(pixels, rng.integers(0, 2, (n, 1)), schema)
    if name == "magan":
        return Events(
            rng.random((n, 72)), rng.uniform(1, 3, (n, 1)), Schema((Block("image", (9, 8)),), (Block("scale"),))
        )
    if recipes.load(name).family == "visibility":
        schema = Schema((Block("hits", (6,), "count"),), tuple(Block(k) for k in "xyz"))
        return Events(rng.poisson(3, (n, 6)), rng.random((n, 3)), schema)
    schema = Schema((Block("dll", (3,)), Block("hits", (), "count")), (Block("eta"), LABEL))
    features = np.column_stack([rng.normal(size=(n, 3)), rng.poisson(3, n)])
    return Events(features, np.column_stack([rng.normal(size=n), rng.integers(0, 2, n)]), schema)


def plain(size: int, n: int = 60) -> Events:
    """Random events of `size` numbers, without conditions."""
    return Events(np.random.default_rng(0).normal(size=(n, size)), np.empty((n, 0)), Schema((Block("x", (size,)),)))


def same_sampler() -> dict[str, list[str]]:
    """Recipes by the first that has the same sampler."""
    groups: dict[Any, list[str]] = {}
    for name in recipes.names():
        recipe = recipes.load(name)
        key = (recipe.config.generator, recipe.config.transform) if recipe.family == "gan" else name
        groups.setdefault(repr(key), []).append(name)
    return {names[0]: names for names in groups.values()}


def row(label: str, model: Any, python: str = "") -> str:
    """One row: verdicts of both profiles, and of SOFIE's code."""
    with tempfile.TemporaryDirectory() as folder:
        usual = set(audit(export(model, Path(folder) / "usual.onnx", check=False, opset=18)).operators)
        try:
            path = export(model, Path(folder) / "sofie.onnx", profile="sofie")
            sofie = f"yes, {sum(audit(path).operators.values())} nodes"
            ran = _ran(path, python) if python else "not run"
        except ExportError as error:
            sofie, ran = "no: " + str(error).splitlines()[-1].strip(), ""
        try:
            export(model, Path(folder) / "lwtnn.json", profile="lwtnn")
            lwtnn = "yes"
        except ExportError as error:
            lwtnn = "no: " + str(error).split(":")[0].split(", which stands")[0].removeprefix("lwtnn ")
    return f"| {label} | {sofie} | {ran} | {', '.join(sorted(usual - SOFIE)) or 'nothing'} | {lwtnn} |"


def _ran(path: Path, python: str) -> str:
    try:
        found = agreement(path, python)
    except NotRead as error:
        return f"no: {error}"
    verdict = "agrees" if found.passed else "DIFFERS"
    return f"{verdict}: {found.flipped} of {found.events} flipped, {RTOL * found.worst:.0e}"


def fitted(recipe: Any, sample: Events) -> Any:
    """A model that has seen its data, but was not trained; no weight is zero, so that all layers count."""
    model = family(recipe.family)(sample.schema, recipe.config).eval()
    model.prepare(sample)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these rows, by the first recipe or the layout's name")
    parser.add_argument("--sofie", default="", metavar="PYTHON", help="a Python that has the package sofie")
    options = parser.parse_args()
    asked = options.names
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for first, names in same_sampler().items():
        if asked and first not in asked:
            continue
        model = fitted(recipes.load(first, SMALL.get(first, {})), events(first))
        print(row(", ".join(f"`{n}`" for n in names), model, options.sofie), flush=True)
    for label, (layout, inputs) in LAYOUTS.items():
        if not asked or label in asked:
            print(row(label, Layout(layout, inputs), options.sofie), flush=True)
    for label, string in STRINGS.items():
        if not asked or label in asked:
            model = fitted(recipes.load(string), plain(16 if "UNFLAT" in label else 6))
            print(row(label, model, options.sofie), flush=True)


if __name__ == "__main__":
    main()
