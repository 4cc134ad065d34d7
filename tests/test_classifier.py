"""Flags and categories: drawn with the right probabilities, and refused where they are something else."""

import numpy as np
import pytest
import torch

from facsim import Block, Events, Schema
from facsim.errors import DataError, SchemaMismatch, WeightError
from facsim.models import Batch, Classifier, ClassifierConfig, Draw
from facsim.transforms import Code

SMALL = {"net": {"kind": "mlp", "hidden": 16, "layers": 2}}
SCHEMA = Schema(
    (Block("isMuon", (), "mask"), Block("species", (), "category", names=("pi", "K", "p"))), (Block("P", (), "real"),)
)


def chances(p):
    """True probabilities of isMuon (n,) and of species (n, 3)."""
    flag = 1 / (1 + np.exp(-p))
    odds = np.exp(np.stack([np.zeros_like(p), p / 2, -p / 2], 1))
    return flag, odds / odds.sum(1, keepdims=True)


def tracks(n, seed):
    rng = np.random.default_rng(seed)
    p = rng.uniform(-3, 3, n)
    flag, species = chances(p)
    kind = (rng.random((n, 1)) > species.cumsum(1)[:, :-1]).sum(1)
    return Events(np.column_stack([rng.random(n) < flag, kind]), p[:, None], SCHEMA)


@pytest.fixture(scope="module")
def fitted():
    events = tracks(20_000, 0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Classifier(SCHEMA, ClassifierConfig(**SMALL))
    model.prepare(events)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    x, c = torch.from_numpy(events.features), torch.from_numpy(events.conditions)
    for step in range(200):
        rows = torch.arange(500) + 500 * (step % 40)
        batch = Batch(Code(x[rows], x[rows]), c[rows], torch.ones(500))
        for _, loss, _ in model.turns(batch, step, Draw(0, step)):
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model.eval()


def test_probabilities_are_the_true_ones(fitted):
    p = np.linspace(-2.5, 2.5, 11)
    flag, species = chances(p)
    found = fitted.probabilities(p[:, None])
    np.testing.assert_allclose(found[:, :2].sum(1), 1, rtol=1e-6)
    # 20,000 events over five such ranges of P: a rate is known to 0.008 at best, a small network adds a little
    np.testing.assert_allclose(found[:, 1], flag, atol=0.05)
    np.testing.assert_allclose(found[:, 2:], species, atol=0.05)


def test_drawn_rates_are_the_probabilities(fitted):
    p = np.full((40_000, 1), 1.0)
    drawn, said = fitted.sample(p, seed=1).features, fitted.probabilities(p[:1])[0]
    rates = [np.mean(drawn[:, 0] == 1), *(np.mean(drawn[:, 1] == k) for k in range(3))]
    # binomial error 0.0025
    np.testing.assert_allclose(rates, [said[1], *said[2:]], atol=0.01)


def test_smoothing_moves_rates(fitted):
    """Label smoothing of published isMuon networks: minimum at 0.95 p + 0.025 instead of p."""
    logits = torch.zeros(1, 2, requires_grad=True)
    labels = torch.tensor([0] * 99 + [1])
    optimiser = torch.optim.LBFGS([logits], max_iter=100)

    def closure():
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits.expand(100, 2), labels, label_smoothing=0.05)
        loss.backward()
        return loss

    optimiser.step(closure)
    assert logits.softmax(1)[0, 1].item() == pytest.approx(0.95 * 0.01 + 0.025, abs=1e-3)
    assert fitted.config.smoothing == 0


def test_negative_weights_and_wrong_values_are_refused():
    events = tracks(100, 1)
    model = Classifier(SCHEMA, ClassifierConfig(**SMALL))
    with pytest.raises(WeightError, match="negative_weights=regress"):
        model.prepare(events.with_weights(np.where(np.arange(100) == 3, -1.0, 1.0)))
    features = events.features.copy()
    features[7, 1] = 3
    with pytest.raises(DataError, match=r"'species' of event 7 .* 0 to 2"):
        model.prepare(Events(features, events.conditions, SCHEMA))
    with pytest.raises(SchemaMismatch, match="of kind real"):
        Classifier(Schema((Block("DLL"),), SCHEMA.conditions), ClassifierConfig())
