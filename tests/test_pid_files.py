"""Every recipe of identification and of the detectors beside it, from its simulator's file, by the command line."""

import numpy as np
import pytest
from click.testing import CliRunner

import facsim
from facsim import recipes
from facsim.cli import cli

QUICK = ["training.steps=2", "training.batch=16", "training.validate_every=2", "training.warmup=0"]
DLLS = "RichDLLe,RichDLLmu,RichDLLk,RichDLLp"
GLOBAL = "PIDe,PIDK,PIDp,PIDmu,ProbNNe,ProbNNpi,ProbNNk,ProbNNp,ProbNNmu"
TRACK = "P,ETA,nTracks,charge"
RICH = f"{TRACK},{DLLS},RichDLLbt"
SHALLOW = ["--set", "model.generator.blocks=1", "--set", "model.critic.blocks=1"]
THIN = ["--set", "model.generator.channels=4"]
CASES = {
    "rich-cramer": ("rich", ["--conditions", "P,ETA,nTracks"]),
    "rich-cramer-10": ("rich", ["--conditions", "P,ETA,nTracks"]),
    "rich-cramer+": ("rich", []),
    "rich-2024": ("rich", ["--features", DLLS, *SHALLOW]),
    "muon": ("muon", ["--features", "MuonMuLL,MuonBgLL", "--cut", "isMuon == 1", *SHALLOW]),
    "ismuon": ("muon", ["--features", "isMuon", "--set", "model.net.blocks=1"]),
    "global-pid": (
        "pid",
        ["--features", GLOBAL, "--conditions", f"{RICH},MuonMuLL,MuonBgLL", "--cut", "isMuon == 1", *SHALLOW],
    ),
    "global-pid-nm": ("pid", ["--features", GLOBAL, "--conditions", RICH, "--cut", "isMuon == 0", *SHALLOW]),
    "pid-flow": ("pid", ["--set", "model.blocks=1"]),
    "dirc": ("dirc", []),
    "tpc": ("tpc", []),
    "tpc+": ("tpc", []),
    "zdc": ("zdc", [*THIN, "--set", "model.critic.channels=4"]),
}


def run(*words):
    done = CliRunner().invoke(cli, [str(w) for w in words])
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Real files of every simulator: muons, of which most have isMuon, and some have not."""
    folder = tmp_path_factory.mktemp("simulated")
    for name in ("rich", "muon", "pid", "dirc", "tpc", "zdc"):
        kind = ["--set", "particle=mu"] if name in {"rich", "muon", "pid"} else []
        run("simulate", name, *kind, "-n", 600 if name == "pid" else 120, "--seed", 1, "-o", folder / f"{name}.root")
    return folder


@pytest.mark.parametrize("name", CASES)
def test_a_recipe_learns_from_its_simulators_file(name, files, tmp_path):
    """The same seed twice is the same model; events are finite, and in the units of the file."""
    simulator, options = CASES[name]
    sets = [word for value in QUICK for word in ("--set", value)]
    data = files / f"{simulator}.root"
    models = []
    for out in ("one", "two"):
        run("fit", name, "--data", data, *options, *sets, "-o", tmp_path / out)
        models.append(facsim.load(tmp_path / out))
    low, high = models[0].condition_range
    conditions = np.random.default_rng(0).uniform(low, high, (20, len(low)))
    for block in models[0].schema.conditions:
        if block.kind in {"category", "count", "mask"}:
            columns = models[0].schema.columns(block.name)
            conditions[:, columns] = np.round(conditions[:, columns])
    drawn = [model.sample(conditions, seed=1) for model in models]
    np.testing.assert_array_equal(drawn[0].features, drawn[1].features)
    assert np.isfinite(drawn[0].features).all()
    known = facsim.io.select(data, features="all")
    units = {b.name: (b.unit, b.kind) for b in (*facsim.read(known).schema.features,)}
    for block in models[0].schema.features:
        assert (block.unit, block.kind) == units[block.name]


def test_every_recipe_of_identification_is_tried_here():
    """A recipe whose reference is one of these systems' must be among the cases, or a chain of them."""
    words = ("rich", "muon", "global-pid", "pid-", "dirc", "tpc", "zdc")
    named = {n for n in recipes.names() if n.startswith(words) or n == "ismuon"}
    chains = {n for n in named if recipes.load(n).family == "chain"}
    assert named - chains == set(CASES)
