"""The tutorial from a mass peak to an exported chain: its commands and its Python, in order, at tiny sizes."""

import re
import runpy
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

import facsim
from facsim.cli import cli

PAGE = Path(__file__).parents[1] / "docs" / "tutorial-pid.md"
SMALL = """
family: chain
summary: two small stages in place of five, since writing graphs takes long
reference: none
training: {negative_weights: regress}
stages:
  ismuon:
    recipe: ismuon
    model: {net: {hidden: 8, blocks: 1}}
    features: [isMuon]
    given: [P, ETA, nTracks, charge]
  global:
    recipe: pid-flow
    model: {components: 2, hidden: 8, blocks: 1}
    features: [RichDLLk, PIDK]
    given: [P, ETA, nTracks, charge, isMuon]
"""
LESS = {"-n 20000": "-n 3000", "steps=600": "steps=2", "of=pid-chain-flow": "of=small.yaml", "members=3": "members=2"}


@pytest.mark.filterwarnings("ignore::facsim.errors.RangeWarning")  # 300 held-out tracks may lie outside the others
@pytest.mark.filterwarnings("ignore::facsim.errors.FitWarning")  # so few events may look dependent by chance
def test_the_page_runs(tmp_path, monkeypatch, capsys):
    """Commands first, then the Python of all blocks as one script."""
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SMALL)
    text, script = PAGE.read_text(encoding="utf-8"), ""
    for large, small in LESS.items():
        assert large in text
        text = text.replace(large, small)
    for kind, block in re.findall(r"^```(console|python)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        if kind == "python":
            script += block.replace(".calibrated()", "")  # models that learnt nothing agree where they are wrong
        for line in re.findall(r"^\$ facsim (.*)$", block, flags=re.MULTILINE):
            done = CliRunner().invoke(cli, shlex.split(line))
            assert done.exit_code == 0, f"{line}\n{done.output}{done.exception!r}"
    Path("page.py").write_text(script)
    runpy.run_path("page.py")
    shown = capsys.readouterr().out
    assert shown.count("statistical") == 5
    assert "± by member" in shown
    exported, member = facsim.load("chain.onnx"), facsim.load(Path("chain", "members", "1"))
    assert exported.members == 2
    assert exported.schema == member.schema
    assert exported.metadata["members"] == pytest.approx([-0.674490, 0.674490], abs=1e-6)
