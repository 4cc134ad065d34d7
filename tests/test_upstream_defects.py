"""Defects of code that facsim learnt from, where no other suite has them; CONTRIBUTING lists all, with their tests."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

import facsim
from facsim import Block, Events, Schema, recipes
from facsim.metrics import high_level_auc, ks
from facsim.models import Surrogate, family
from facsim.models.gan.objectives import OBJECTIVES
from facsim.training.loop import optimisers_of
from facsim.training.validation import Validation

ROOT = Path(__file__).parents[1]
SCHEMA = Schema((Block("a"), Block("b")), (Block("P", (), "real", "GeV"),))
QUICK = {"training.steps": 2, "training.batch": 16, "training.validate_every": 2, "training.warmup": 0}


def events(n, seed=0, correlation=0.9):
    rng = np.random.default_rng(seed)
    features = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], n)
    return Events(features, rng.uniform(3, 100, (n, 1)), SCHEMA)


def test_defect_the_transform_had_seen_the_test_events(tmp_path, monkeypatch):
    """The DIRC exercise and the RICH notebooks fitted their quantiles before, or without, parting the sample."""
    seen, held = [], []
    prepare, init = Surrogate.prepare, Validation.__init__

    def watched(self, given):
        seen.append(given.features[:, 0])
        prepare(self, given)

    def validated(self, given, seed):
        held.append(given.features[:, 0])
        init(self, given, seed)

    monkeypatch.setattr(Surrogate, "prepare", watched)
    monkeypatch.setattr(Validation, "__init__", validated)
    facsim.fit(events(200), "gan", output=tmp_path / "run", overrides=QUICK)
    fitted_to, tested_on = (set(np.concatenate(parts).tolist()) for parts in (seen, held))
    assert len(tested_on) == 20
    assert len(fitted_to) == 180
    assert not fitted_to & tested_on


@pytest.mark.parametrize("name", ["rich-cramer", "rich-2024", "wgan"])
def test_defect_both_players_had_one_optimiser(name):
    """pidgan gives generator and critic one and the same object, where both are asked for by name."""
    recipe = recipes.load(name, {"model.differences": []} if name == "rich-2024" else {})
    model = family(recipe.family)(SCHEMA, recipe.config)
    optimisers = optimisers_of(model, recipe.training)
    assert {"generator", "critic"} <= set(optimisers)
    owned = [{id(p) for group in o.param_groups for p in group["params"]} for o in optimisers.values()]
    assert len({id(o) for o in optimisers.values()}) == len(optimisers)
    assert sum(map(len, owned)) == len(set.union(*owned))  # nobody's parameter is another's, too
    assert set.union(*owned) == {id(p) for p in model.parameters()}


def test_defect_clipped_weights_were_never_assigned(tmp_path):
    """pidgan's WGAN says `w = clip(w)`: after training weights reached 0.247, where 0.01 was asked for."""
    model = facsim.fit(events(100), "wgan", output=tmp_path / "run", overrides=QUICK)
    assert 0 < max(p.abs().max().item() for p in model.critic.parameters()) <= 0.01


def test_defect_half_a_batch_was_real(tmp_path, monkeypatch):
    """Of pidgan's batch of 2n events n are compared as real: here every event of a batch is, with as many generated."""
    objective = type(OBJECTIVES.parse("wasserstein"))
    loss, sizes = objective.critic_loss, []

    def counted(self, real, fake, weights, *others):
        sizes.append((len(real), len(fake), len(weights)))
        return loss(self, real, fake, weights, *others)

    monkeypatch.setattr(objective, "critic_loss", counted)
    facsim.fit(events(100), "wgan", output=tmp_path / "run", overrides=QUICK)
    assert set(sizes) == {(16, 16, 16)}


def test_defect_figures_of_one_variable_alone_were_shown():
    """Right marginals, lost correlation: no distance of one variable sees it, the classifier does."""
    truth, copy = events(1500, 1), events(1500, 2, correlation=0.0)
    assert min(ks(truth[n], copy[n]).pvalue for n in ("a", "b")) > 1e-3
    assert high_level_auc(truth, copy, folds=2).auc > 0.7


def test_defect_the_generators_loss_of_the_slide():
    """1 - log D is printed, log(1 - D) is meant, with D the sigmoid of the score."""
    minimax, weights = OBJECTIVES.parse("minimax"), torch.ones(3)
    scores = torch.tensor([-2.0, 0.0, 3.0])
    found = minimax.generator(torch.zeros(3), scores, weights)
    torch.testing.assert_close(found, torch.log1p(-torch.sigmoid(scores)).mean())


def test_defect_no_newer_python_was_allowed():
    """pidgan cannot be installed with Python 3.13: a library names the oldest version alone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"


def test_every_test_that_the_list_of_defects_names_is_there():
    listed = re.findall(r"`(test_\w+)::(test_\w+)`", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert len(listed) > 20
    for file, name in listed:
        assert f"def {name}(" in (ROOT / "tests" / f"{file}.py").read_text(encoding="utf-8"), f"{file}::{name}"
    own = re.findall(r"^def (test_defect_\w+)", Path(__file__).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(own) <= {name for _, name in listed}
