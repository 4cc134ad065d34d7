"""Training with sWeights: what published code got wrong does not come back, and the background is gone."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

import facsim
from facsim import Block, Events, Schema, recipes
from facsim.errors import DataError, WeightError
from facsim.metrics import energy_distance
from facsim.models import family
from facsim.models.gan.objectives import OBJECTIVES, Objective
from facsim.models.gan.objectives.base import weighted_mean
from facsim.simulators.toys import SWeightsMixture
from facsim.sweights import fit_mass, sweights
from facsim.training.data import TrainingData, encode
from facsim.transforms import for_schema

N = 12
SIGNED = [OBJECTIVES.parse(k) for k in OBJECTIVES.names() if OBJECTIVES.parse(k).signed]
CRAMER = [OBJECTIVES.parse({"kind": "cramer", "outputs": 2, "joint": joint}) for joint in (False, True)]


def scores(objective: Objective, n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    shape = (n,) if objective.outputs == 1 else (n, objective.outputs)
    real = torch.randn(shape, generator=rng, dtype=torch.float64)
    fake = torch.randn((2, *shape) if objective.fakes == 2 else shape, generator=rng, dtype=torch.float64)
    return (real.abs(), fake.abs()) if objective.balanced else (real, fake)


# Estimators -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.7, 0.3])
def test_the_background_is_gone(share: float) -> None:
    """From the mass fit, shapes and all, to the distance: 4,000 weighted events against 4,000 of pure signal.

    The distance has no bias and may be negative; it lies within twice its error, which knows what the weights cost.
    """
    toy = SWeightsMixture(signal=share)
    features, mass, _ = toy.mixture(4000, seed=3)
    fit = fit_mass(mass, "gauss+exp", range=(-5, 5))
    weights = sweights(*fit.densities(mass), fit.signal, fit.background)
    assert weights.sum() == pytest.approx(fit.signal, rel=1e-9)
    truth = toy.pure(4000, seed=4).features
    weighted, plain = energy_distance(features, truth, wx=weights), energy_distance(features, truth)
    assert abs(weighted.value) < 2 * weighted.error
    assert plain.value > 10 * weighted.error


@pytest.mark.parametrize("objective", CRAMER, ids=["one weight", "product"])
def test_a_weighted_loss_is_that_of_the_signal(objective: Objective) -> None:
    """Both forms of the Cramér loss on signal and background with weights: within four errors of the signal's alone.

    The score of an event is its two features; weights depend on a third number that is independent of them, as sWeights
    do: 1.5 and -0.5 for the signal (mean 1), 0.5 and -0.5 for the background (mean 0), scaled to a mean of 1.
    """
    n = 60_000
    rng = np.random.default_rng(5)
    signal = rng.random(n) < 0.5
    raw = np.where(rng.random(n) < np.where(signal, 0.75, 0.5), np.where(signal, 1.5, 0.5), -0.5)
    real = torch.from_numpy(rng.normal(np.where(signal, 0.0, 3.0)[:, None], size=(n, 2)))
    fake = torch.from_numpy(rng.normal(0.5, 1, (2, n, 2)))
    weights = torch.from_numpy(raw / raw[signal].mean() / 0.5)  # a mean of 1 over the sample
    parts = torch.stack([
        objective.generator(real[i::60], fake[:, i::60], weights[i::60]) for i in range(60)
    ])  # fmt: skip
    truth = torch.from_numpy(rng.normal(size=(n, 2)))
    wanted = objective.generator(truth, fake, torch.ones(n, dtype=torch.float64))
    # E |h_g - h_g'| is common to both; terms of the truth scatter by less than 2
    error = float(np.hypot(parts.std().item() / np.sqrt(60), 2 / np.sqrt(n)))
    assert parts.mean().item() == pytest.approx(wanted.item(), abs=4 * error)
    assert abs(objective.generator(real, fake, torch.ones(n)).item() - wanted.item()) > 20 * error


# Defects of published code --------------------------------------------------------------------------------------------


def test_losses_of_one_shape_and_weights_of_another_are_refused() -> None:
    """(n,) times (n, 1) is an (n, n) table, whose mean is mean(loss) x mean(weight): the weights have cancelled."""
    loss, weights = torch.tensor([1.0, 5.0, 2.0]), torch.tensor([2.0, -1.0, 2.0])
    assert (loss * weights[:, None]).mean() == pytest.approx(loss.mean() * weights.mean())
    assert weighted_mean(loss, weights) != (loss * weights[:, None]).mean()
    with pytest.raises(DataError, match="one number per event"):
        weighted_mean(loss, weights[:, None])


@pytest.mark.parametrize("objective", SIGNED, ids=lambda o: o.kind)
def test_a_batch_whose_weights_cancel_has_a_finite_loss(objective: Objective) -> None:
    """Division by the batch's sum of weights, as in self-normalised losses, would be one by zero here."""
    real, fake = scores(objective, N)
    weights = torch.tensor([1.0, -1.0] * (N // 2)).double()
    for player in ("critic", "generator"):
        x, y = real.clone().requires_grad_(True), fake.clone().requires_grad_(True)
        loss = getattr(objective, player)(x, y, weights)
        assert torch.isfinite(loss)
        assert loss.abs() < 100
        assert torch.isfinite(torch.autograd.grad(loss, y)[0]).all()


@pytest.mark.parametrize("objective", [OBJECTIVES.parse(k) for k in OBJECTIVES.names()], ids=lambda o: o.kind)
def test_the_scale_of_a_loss_is_that_of_the_weights_and_not_of_the_batch(objective: Objective) -> None:
    """A sum over the batch, as in a published non-saturating loss, grows with it; doubled weights double a mean."""
    real, fake = scores(objective, 800)
    weights = torch.ones(800, dtype=torch.float64)
    few = (real[:200], fake[:, :200] if objective.fakes == 2 else fake[:200], weights[:200])
    for player in ("critic", "generator"):
        loss = getattr(objective, player)
        # 200 terms, whose spread is below 3, give their mean within 4 x 3 / sqrt(200) = 0.85
        assert loss(*few).item() == pytest.approx(loss(real, fake, weights).item(), abs=0.85)


def test_weights_are_scaled_by_the_whole_samples_mean(tmp_path) -> None:
    """And not by a batch's: over an epoch their mean is 1, and batches differ."""
    events = SWeightsMixture(signal=0.3).sample(1024, seed=1)
    chosen = recipes.load("cramer-gan")
    model = family(chosen.family)(events.schema, chosen.config)
    model.prepare(events)
    rows = encode(model, [events], len(events), 100, tmp_path)
    data = TrainingData(rows, model, np.arange(2)[None], batch=64, seed=0)
    means = torch.stack([data[step].weights.mean() for step in range(16)])
    assert means.mean().item() == pytest.approx(1, abs=1e-5)
    assert means.std() > 0.1


@pytest.mark.parametrize("recipe", ["gan", "lsgan"])
def test_unbounded_losses_refuse_negative_weights_and_offer_the_regression(recipe: str, tmp_path) -> None:
    """-w ln D and -w D^2 fall without limit for w < 0."""
    events = SWeightsMixture(signal=0.5).sample(300, seed=1)
    settings = {"training.steps": 2, "training.batch": 32, "training.validate_every": 2}
    with pytest.raises(WeightError, match=r"negative weights of 2\d\d\..*training\.negative_weights=regress"):
        facsim.fit(events, recipe, output=tmp_path / "run", overrides=settings)
    facsim.fit(events, recipe, output=tmp_path / "run", overrides=settings | {"training.negative_weights": "regress"})


# Transforms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.7, 0.3])
def test_quantiles_are_those_of_the_signal(share: float) -> None:
    """Encoded, pure signal has the latent law: Kolmogorov's distance within 3 % (a twentieth of all is mixed in).

    Quantiles of the positive weights alone are off by more, at 30 % signal by a fifth.
    """
    toy = SWeightsMixture(signal=share)
    events, pure = toy.sample(20_000, seed=1), toy.pure(20_000, seed=2)
    found = {}
    for name, weights in {"signed": events.weights, "positive": np.maximum(events.weights, 0)}.items():
        transform = for_schema(events.schema)
        transform.fit(events.features, events.conditions, weights)
        given = torch.from_numpy(pure.conditions)
        code = transform.encode(torch.from_numpy(pure.features), given).high
        z = code.numpy() * np.pi / np.sqrt(3)  # unit variance to the standard logistic law
        found[name] = max(stats.kstest(column, "logistic").statistic for column in z.T)
        assert np.abs(transform.decode(code, given).numpy() - pure.features).max() < 1e-4
        every = transform.encode(torch.from_numpy(events.features), torch.from_numpy(events.conditions)).high
        assert every.abs().max() <= 14 / (np.pi / np.sqrt(3)) + 1e-5  # none is out of reach, background neither
    assert found["signed"] < 0.03
    assert found["positive"] > 0.05


def test_weights_that_cancel_a_background_leave_the_quantiles() -> None:
    """Signal of weight one, and twice the same background with weights of both signs."""
    rng = np.random.default_rng(6)
    signal, background = rng.normal(size=4000), rng.normal(4, 0.5, 4000)
    x = np.concatenate([signal, background, background])[:, None]
    weights = np.repeat([1.0, 0.8, -0.8], 4000)
    schema = Schema((Block("x"),))
    code = []
    for values, w in ((x, weights), (signal[:, None], None)):
        transform = for_schema(schema)
        events = Events(values, np.empty((len(values), 0)), schema, w)
        transform.fit(events.features, events.conditions, events.weights)
        code.append(transform.encode(torch.linspace(-2, 2, 41)[:, None], torch.empty(41, 0)).high[:, 0])
    chance = [torch.sigmoid(c * np.pi / np.sqrt(3)) for c in code]
    assert (chance[0] - chance[1]).abs().max() < 0.05  # a twentieth of all events is mixed in
