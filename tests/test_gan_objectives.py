"""Laws of objectives, over everything registered, and closed forms."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from facsim import Block, Events, Schema
from facsim.errors import DataError, RecipeError, WeightError
from facsim.models.draw import Draw
from facsim.models.gan.objectives import DIVERGENCES, OBJECTIVES, Objective, Pointwise, bound
from facsim.models.gan.objectives.base import flip, smooth, weighted_mean
from facsim.models.gan.objectives.energy import energy_distance
from facsim.models.gan.objectives.moments import discrepancy
from facsim.models.gan.objectives.pairs import distances
from facsim.models.gan.objectives.score import EnergyScore, whitener
from facsim.training.sweights import class_probabilities

N = 12

SETTINGS: dict[str, list[dict[str, object]]] = {
    "f-divergence": [{"divergence": name, "heuristic": h} for name in DIVERGENCES for h in (False, True)],
    "cramer": [{"outputs": 4}, {"outputs": 4, "surrogate": True}, {"outputs": 4, "joint": True}],
    "mmd": [{"relative": False}],  # a median over the batch knows copies, not weights
    "energy": [{"outputs": 1}, {"outputs": 4}],
    "energy-score": [{"outputs": 4}, {"outputs": 4, "exponent": 0.3}],
}
ALL = [OBJECTIVES.parse({"kind": k, **s}) for k in OBJECTIVES.names() for s in SETTINGS.get(k, [{}])]
PAIRED = ("energy", "mmd")  # means over pairs of events, not over events


def name_of(objective: Objective) -> str:
    return objective.kind + "".join(f"-{k}={v}" for k, v in objective if v != type(objective).model_fields[k].default)


every = pytest.mark.parametrize("objective", ALL, ids=name_of)
EXACT = [
    o for o in ALL if not getattr(o, "joint", False)
]  # pairs of neighbours in a batch obey the laws on average only
exact = pytest.mark.parametrize("objective", EXACT, ids=name_of)


def scores(objective: Objective, seed: int, n: int = N) -> tuple[Tensor, Tensor]:
    """Real scores, and generated ones, of the shapes that the objective asks for."""
    rng = torch.Generator().manual_seed(seed)
    shape = (n,) if objective.outputs == 1 else (n, objective.outputs)
    real = torch.randn(shape, generator=rng, dtype=torch.float64)
    fake = torch.randn((2, *shape) if objective.fakes == 2 else shape, generator=rng, dtype=torch.float64) + 0.5
    if objective.balanced:  # reconstruction errors
        real, fake = real.abs(), fake.abs()
    return real, fake


def rows(x: Tensor, index: Tensor) -> Tensor:
    """Take events of scores (n, ...) or (2, n, ...)."""
    return x[:, index] if x.ndim == 3 else x[index]


def some_weights(objective: Objective, seed: int = 0) -> Tensor:
    weights = torch.randn(N, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 1
    return weights if objective.signed else weights.abs()


@exact
@pytest.mark.parametrize("player", ["critic", "generator"])
def test_repeating_an_event_is_doubling_its_weight(objective: Objective, player: str) -> None:
    real, fake = scores(objective, 1)
    weights = some_weights(objective)
    double, repeat = weights.clone(), torch.arange(-1, N).clamp(min=0)
    double[0] *= 2
    one = getattr(objective, player)(real, fake, double)
    two = getattr(objective, player)(rows(real, repeat), rows(fake, repeat), weights[repeat])
    sums = (one * N, two * (N + 1))
    if objective.kind in PAIRED:
        # A copy beside its original is no independent pair, and an event beside itself is none either.
        both = (rows(real, repeat[:2]), rows(fake, repeat[:2]))
        among = getattr(objective, player)(*both, weights[repeat[:2]]) * 2
        sums = (one * N * (N - 1), two * N * (N + 1) - among)
    assert sums[0].item() == pytest.approx(sums[1].item(), rel=1e-9)


@every
def test_permuted_weights_change_the_gradient(objective: Objective) -> None:
    """(n,) losses times (n, 1) weights would be an (n, n) table, whose mean has lost which event had which weight."""
    real, fake = scores(objective, 2)
    weights = some_weights(objective)
    gradients = []
    for w in (weights, weights.roll(3)):
        x = fake.clone().requires_grad_(True)
        gradients.append(torch.autograd.grad(objective.generator(real, x, w), x)[0])
        y = real.clone().requires_grad_(True)
        gradients.append(torch.autograd.grad(objective.critic(y, fake, w), y)[0])
    assert (gradients[0] - gradients[2]).abs().max() > 1e-3
    assert (gradients[1] - gradients[3]).abs().max() > 1e-3


@exact
def test_weights_of_zero_remove_events(objective: Objective) -> None:
    real, fake = scores(objective, 3)
    weights = some_weights(objective)
    weights[N // 2 :] = 0
    first = torch.arange(N // 2)
    pairs = N * (N - 1) / (N // 2 * (N // 2 - 1)) if objective.kind in PAIRED else 2
    for player in ("critic", "generator"):
        whole = getattr(objective, player)(real, fake, weights)
        part = getattr(objective, player)(rows(real, first), rows(fake, first), weights[first])
        assert whole.item() * pairs == pytest.approx(part.item(), rel=1e-9)


SIGNED = [o for o in EXACT if o.signed]


@pytest.mark.parametrize("objective", SIGNED, ids=name_of)
def test_negative_weights_take_a_background_away(objective: Objective) -> None:
    """Signal, background, and the same background with the opposite weight: the gradient is the signal's."""
    real, fake = scores(objective, 4)
    signal, background = torch.arange(6), torch.arange(6, 9)
    index = torch.cat([signal, background, background])
    weights = torch.cat([torch.ones(6), 0.7 * torch.ones(3), -0.7 * torch.ones(3)]).double()
    pairs = N * (N - 1) / 30 if objective.kind in PAIRED else 2
    for player in ("critic", "generator"):
        found = getattr(objective, player)(rows(real, index), rows(fake, index), weights) * pairs
        wanted = getattr(objective, player)(rows(real, signal), rows(fake, signal), torch.ones(6).double())
        if objective.kind in PAIRED:  # each background event beside its own negative is left with its own pairs
            among = torch.cat([background, background])
            left = getattr(objective, player)(rows(real, among), rows(fake, among), weights[6:])  # 30 pairs, too
            found = found - left
        assert found.item() == pytest.approx(wanted.item(), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("objective", [o for o in ALL if isinstance(o, Pointwise)], ids=name_of)
def test_an_undecided_critic_has_no_reason_to_move(objective: Pointwise) -> None:
    """Real and generated event at one place: what one adds to the score's gradient the other takes, at `zero`."""
    at = 0.3 if objective.zero is None else objective.zero
    score = torch.full((1,), at, dtype=torch.float64, requires_grad=True)
    real, fake = objective.on_real(score), objective.on_fake(score)
    (gradient,) = torch.autograd.grad((real + fake).sum(), score)
    assert gradient.item() == pytest.approx(0, abs=1e-12)
    # And it is a minimum of the critic's loss, or (Wasserstein) flat.
    losses = [(objective.on_real(s) + objective.on_fake(s)).item() for s in (score - 0.1, score, score + 0.1)]
    assert losses[1] <= min(losses[0], losses[2]) + 1e-12


@pytest.mark.parametrize("objective", [o for o in ALL if not isinstance(o, Pointwise)], ids=name_of)
def test_gradients_vanish_where_generated_equals_real(objective: Objective) -> None:
    """Comparing objectives: what the critic's loss asks of real and of generated scores cancels where they coincide."""
    real, fake = scores(objective, 5)
    weights = some_weights(objective)
    a = real.clone().requires_grad_(True)
    b = (torch.stack([real, fake[1]]) if objective.fakes == 2 else real.clone()).requires_grad_(True)
    (on_a, on_b) = torch.autograd.grad(objective.critic(a, b, weights), (a, b))
    assert (on_a + (on_b[0] if objective.fakes == 2 else on_b)).abs().max() < 1e-12
    if objective.fakes == 2:
        assert on_b[1].abs().max() < 1e-12


@pytest.mark.parametrize("kind", ["cramer", "energy", "mmd"])
def test_the_generator_of_a_distance_rests_at_the_truth(kind: str) -> None:
    """Exact for pairs: generated events that are the real ones in another order feel nothing on average over orders."""
    objective = OBJECTIVES.parse({"kind": kind, "outputs": 2})
    rng = torch.Generator().manual_seed(6)
    truth = torch.randn(7, 2, generator=rng, dtype=torch.float64)
    grid = torch.cartesian_prod(*[torch.arange(7)] * 3)
    if kind == "cramer":
        # Every triple of (real, generated, generated), so that the mean is the expectation over the empirical truth.
        moved = torch.zeros(7, 2, dtype=torch.float64, requires_grad=True)
        model = truth + moved
        loss = objective.generator(
            truth[grid[:, 0]], torch.stack([model[grid[:, 1]], model[grid[:, 2]]]), torch.ones(343)
        )
        assert torch.autograd.grad(loss, moved)[0].abs().max() < 1e-12
        biased = objective.model_copy(update={"surrogate": True})
        model = truth + moved
        loss = biased.generator(truth[grid[:, 0]], torch.stack([model[grid[:, 1]], model[grid[:, 2]]]), torch.ones(343))
        assert torch.autograd.grad(loss, moved)[0].abs().max() > 1e-2
    else:
        x = truth.clone().requires_grad_(True)
        assert torch.autograd.grad(objective.generator(truth, x, torch.ones(7).double()), x)[0].abs().max() < 1e-12


def test_a_relativistic_loss_knows_differences_only() -> None:
    objective = OBJECTIVES.parse("relativistic")
    real, fake = scores(objective, 7)
    one = torch.ones(N).double()
    for player in ("critic", "generator"):
        loss = getattr(objective, player)
        assert loss(real + 5, fake + 5, one).item() == pytest.approx(loss(real, fake, one).item(), rel=1e-12)


# Divergences ---------------------------------------------------------------------------------------------------------

MEAN, A, B = 0.6, 0.8, 1.0  # Q is the wider one, so that p^2 / q has a finite integral
P, Q = stats.norm(0.0, A), stats.norm(MEAN, B)


def closed_form(name: str) -> float:
    """Divergence of the two Gaussians, by the textbook or (Jensen-Shannon) by quadrature."""
    mean, a, b = MEAN, A, B
    if name == "kl":
        return np.log(b / a) + (a**2 + mean**2) / (2 * b**2) - 0.5
    if name == "reverse-kl":
        return np.log(a / b) + (b**2 + mean**2) / (2 * a**2) - 0.5
    if name == "pearson":  # int p^2 / q - 1, finite for 2 b^2 > a^2
        s = 2 * b**2 - a**2
        return b**2 / (a * np.sqrt(s)) * np.exp(mean**2 / s) - 1
    if name == "hellinger":
        return 2 - 2 * np.sqrt(2 * a * b / (a**2 + b**2)) * np.exp(-(mean**2) / (4 * (a**2 + b**2)))
    if name == "total-variation":
        ends = np.roots([1 / b**2 - 1 / a**2, -2 * mean / b**2, mean**2 / b**2 + 2 * np.log(b / a)])
        low, high = np.sort(ends.real)
        return float(abs((Q.cdf(high) - Q.cdf(low)) - (P.cdf(high) - P.cdf(low))))

    def entropy(x: float) -> float:
        p, q = P.pdf(x), Q.pdf(x)
        return p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))

    value = float(integrate.quad(entropy, -8, 8, epsabs=1e-10)[0])
    return value - 2 * np.log(2) if name == "gan" else value


@pytest.mark.parametrize("name", DIVERGENCES)
def test_the_best_critic_finds_the_divergence(name: str) -> None:
    """The best of many scores at every place of a grid: the bound is the divergence, by f there and in closed form.

    Scores are 0.005 apart and end at 5: the bound is flat at its top, and tanh(5) is 1 - 9e-5, so that 2e-5 are missed
    at most. The grid's sums are exact for smooth integrands; total variation has two kinks, each of width^2 / 8
    times the jump of the slope at most, below 1e-3.
    """
    x, scores = np.linspace(-6, 6, 241), torch.arange(-25, 5, 0.005, dtype=torch.float64)
    p, q = (torch.from_numpy(d.pdf(x) / d.pdf(x).sum()) for d in (P, Q))
    part = DIVERGENCES[name]
    values = p[:, None] * part.activation(scores) - q[:, None] * part.penalised(scores)
    best = scores[values.argmax(1)]
    found = bound(name, best, best, 241 * p, 241 * q).item()
    assert found == pytest.approx(values.amax(1).sum().item(), rel=1e-12)
    shift = 2 * np.log(2) if name == "gan" else 0
    on_grid = (q * part.f(p / q)).sum().item() - shift
    assert found <= on_grid + 1e-12  # it is a lower bound
    assert found == pytest.approx(on_grid, abs=2e-5)
    assert on_grid == pytest.approx(closed_form(name), abs=1e-3 if name == "total-variation" else 1e-6)
    undecided = torch.full((241,), part.zero, dtype=torch.float64)
    assert bound(name, undecided, undecided, 241 * p, 241 * q).item() == pytest.approx(-shift, abs=1e-12)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_conjugates_are_conjugate(name: str) -> None:
    part = DIVERGENCES[name]
    v = torch.linspace(-2, 2, 9, dtype=torch.float64)
    t = part.activation(v)
    assert torch.allclose(part.conjugate(t), part.penalised(v), atol=1e-12)
    u = torch.logspace(-6, 6, 100_001, dtype=torch.float64)  # f* = sup_u (u t - f(u))
    shift = 2 * np.log(2) if name == "gan" else 0
    best = torch.stack([(u * one - part.f(u)).max() for one in t]) + shift
    # At the supremum the slope is zero: a grid of relative width 3e-4 misses less than 1e-6.
    assert torch.allclose(best, part.conjugate(t), atol=2e-6)
    assert part.f(torch.ones(1, dtype=torch.float64)).item() == pytest.approx(0, abs=1e-12)


def test_the_gan_divergence_is_the_first_gan() -> None:
    logits = torch.linspace(-3, 3, N).double()
    weights = some_weights(OBJECTIVES.parse("minimax"))
    for heuristic, kind in ((False, "minimax"), (True, "non-saturating")):
        one = OBJECTIVES.parse({"kind": "f-divergence", "divergence": "gan", "heuristic": heuristic})
        two = OBJECTIVES.parse(kind)
        for player in ("critic", "generator"):
            values = [getattr(o, player)(logits, -logits, weights).item() for o in (one, two)]
            assert values[0] == pytest.approx(values[1], rel=1e-12)


# Distances -----------------------------------------------------------------------------------------------------------


def test_the_energy_distance_is_scipys() -> None:
    """scipy takes the root and counts all n^2 pairs; the diagonal of the cross term is left out by us."""
    rng = np.random.default_rng(8)
    n = 60
    x, y = rng.normal(size=n), rng.normal(0.7, 1.3, n)
    found = energy_distance(torch.tensor(x)[:, None], torch.tensor(y)[:, None], torch.ones(n).double()).item()
    everything = stats.energy_distance(x, y) ** 2
    assert found == pytest.approx((everything * n - 2 * np.abs(x - y).mean()) / (n - 1), rel=1e-9)


def test_the_cramer_generator_loss_estimates_the_energy_distance() -> None:
    """Plus E|X - X'|, which the generator cannot change: 2 / sqrt(pi) for the standard normal."""
    n = 200_000
    rng = torch.Generator().manual_seed(9)
    real, one, two = (torch.randn(n, 1, generator=rng, dtype=torch.float64) for _ in range(3))
    fake = torch.stack([one, two]) + 0.8
    found = OBJECTIVES.parse("cramer").generator(real, fake, torch.ones(n).double()).item() - 2 / np.sqrt(np.pi)
    shift, s = 0.8, np.sqrt(2)  # |N(0.8, 2)| has this mean
    cross = s * np.sqrt(2 / np.pi) * np.exp(-(shift**2) / (2 * s**2)) + shift * (1 - 2 * stats.norm.cdf(-shift / s))
    wanted = 2 * cross - 2 * 2 / np.sqrt(np.pi)
    assert found == pytest.approx(wanted, abs=5 * 2 / np.sqrt(n))  # a term has a spread below 2


def test_distances_are_distances() -> None:
    rng = torch.Generator().manual_seed(10)
    for columns in (3, 40):  # both ways to compute them
        a, b = (torch.randn(9, columns, generator=rng, dtype=torch.float64) + 100 for _ in range(2))
        assert torch.allclose(distances(a, b), torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist"))
        x = a.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(distances(x, x.detach()).sum(), x)
        assert torch.isfinite(gradient).all()


def test_the_discrepancy_is_unbiased_and_grows() -> None:
    """400 pairs of samples of one truth: the mean is zero within four of its errors, half of the values negative."""
    rng = torch.Generator().manual_seed(11)
    weights = torch.ones(40).double()
    nothing, shifted = [], []
    for _ in range(400):
        x, y = (torch.randn(40, 2, generator=rng, dtype=torch.float64) for _ in range(2))
        nothing.append(discrepancy(x, y, weights, [0.5, 1.0]).item())
        shifted.append(discrepancy(x, y + 0.5, weights, [0.5, 1.0]).item())
    error = np.std(nothing) / 20
    assert abs(np.mean(nothing)) < 4 * error
    assert np.mean(shifted) > 20 * error


def test_mmd_of_a_gaussian_kernel_in_closed_form() -> None:
    """E exp(-(X - Y)^2 / 2 h^2) = h / sqrt(h^2 + 2) exp(-m^2 / 2 (h^2 + 2)) for unit Gaussians m apart."""
    n, h, m = 1500, 0.7, 1.0
    rng = torch.Generator().manual_seed(12)
    x, y = (torch.randn(n, 1, generator=rng, dtype=torch.float64) for _ in range(2))
    found = discrepancy(x, y + m, torch.ones(n).double(), [h]).item()
    wanted = 2 * h / np.sqrt(h**2 + 2) * (1 - np.exp(-(m**2) / (2 * (h**2 + 2))))
    assert found == pytest.approx(wanted, abs=4 * 2 / np.sqrt(n))  # kernels lie in [0, 1]


# Labels, balance, bad input -------------------------------------------------------------------------------------------


def test_smoothing_and_flips_are_what_they_say() -> None:
    objective = OBJECTIVES.parse({"kind": "non-saturating", "smoothing": 0.1, "flips": 0.05})
    score, draw = torch.linspace(-2, 2, 20_000), Draw(1, 2)
    plain = OBJECTIVES.parse("non-saturating")
    fake = objective.pointwise_loss(score, Draw(1, 2), real=False)
    other = fake == plain.on_real(score)
    own = fake == plain.on_fake(score)
    assert bool((other | own).all())
    assert other.float().mean().item() == pytest.approx(0.05, abs=5 * np.sqrt(0.05 * 0.95 / 20_000))
    real = objective.pointwise_loss(score, draw, real=True)
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits(
        score, torch.full_like(score, 0.9), reduction="none"
    )
    agree = torch.isclose(real, cross_entropy, atol=1e-5)
    assert agree.float().mean().item() == pytest.approx(0.95, abs=0.01)
    assert smooth(torch.zeros(1), torch.ones(1), 0.25).item() == 0.25
    assert flip(torch.zeros(5), torch.ones(5), 0.0, draw).sum() == 0


def test_the_balance_follows_the_errors() -> None:
    objective = OBJECTIVES.parse({"kind": "boundary-equilibrium", "gamma": 0.5, "rate": 0.1})
    one = torch.ones(4)
    balances = [torch.tensor(0.0)]
    for _ in range(5):  # generated events are restored too well: the critic must look at them more
        balances.append(objective.update(2 * one, 0.5 * one, one, balances[-1]))
    assert all(a < b for a, b in pairwise(b.item() for b in balances))
    assert objective.update(one, 100 * one, one, torch.tensor(0.5)).item() == 0
    loss = objective.critic_loss(2 * one, one, one, Draw(0, 0), torch.tensor(0.25))
    assert loss.item() == 1.75


@every
def test_every_objective_says_what_it_is(objective: Objective) -> None:
    assert objective.summary
    assert "arXiv" in objective.reference
    assert OBJECTIVES.parse(objective.model_dump()) == objective
    if objective.lipschitz:
        real, fake = scores(objective, 1)
        other = fake[1] if objective.fakes == 2 else None
        assert objective.potential(real, other).shape == (N,)


def test_bad_settings_say_what_to_do() -> None:
    with pytest.raises(RecipeError, match="Did you mean 'wasserstein'"):
        OBJECTIVES.parse("waserstein")
    with pytest.raises(RecipeError, match=r"flips = 0\.7"):
        OBJECTIVES.parse({"kind": "hinge", "flips": 0.7})
    with pytest.raises(RecipeError, match="leave out smoothing and flips"):
        OBJECTIVES.parse({"kind": "cramer", "flips": 0.1})
    with pytest.raises(RecipeError, match="divergence"):
        OBJECTIVES.parse({"kind": "f-divergence", "divergence": "renyi"})
    with pytest.raises(RecipeError, match=r"schedule\.separate must be false"):
        OBJECTIVES.parse("relativistic").pointwise_loss(torch.zeros(2), Draw(0, 0), real=True)
    with pytest.raises(DataError, match="one number per event"):
        weighted_mean(torch.zeros(3), torch.ones(3, 1))
    with pytest.raises(DataError, match="pairs"):
        OBJECTIVES.parse("energy").generator(torch.zeros(3, 1), torch.zeros(3, 1), torch.ones(3, 1))
    with pytest.raises(DataError, match="n at least two"):
        OBJECTIVES.parse("mmd").generator(torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(1))


# Negative weights for log-losses ------------------------------------------------------------------------------------


def sweighted(n: int, seed: int) -> tuple[Events, np.ndarray]:
    """Signal exp(-x) in m ~ N(0, 1), background flat in x and in m; sWeights of m, and the true E[w | x]."""
    rng = np.random.default_rng(seed)
    signal = rng.random(n) < 0.4
    x = np.where(signal, rng.exponential(1.0, n), rng.uniform(0, 4, n))
    m = np.where(signal, rng.normal(0, 1, n), rng.uniform(-4, 4, n))
    densities = np.stack([stats.norm.pdf(m), np.full(n, 1 / 8) * (np.abs(m) < 4)])
    total = 0.4 * densities[0] + 0.6 * densities[1]
    inverse = np.einsum("in,jn,n->ij", densities, densities, 1 / (n * total**2)) / n
    covariance = np.linalg.inv(inverse)
    weights = (covariance[0] @ densities) / (n * total)
    both = 0.4 * np.exp(-x), 0.6 * 0.25 * (x < 4)
    events = Events(x[:, None], np.empty((n, 0)), Schema((Block("x"),)), weights)
    return events, both[0] / (both[0] + both[1])


def test_negative_weights_become_class_probabilities() -> None:
    events, truth = sweighted(20_000, 13)
    assert events.weights is not None
    assert (events.weights < 0).mean() > 0.2
    found = class_probabilities(events, seed=1)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(events.weights.sum(), rel=1e-9)
    # sWeights (spread 0.92) averaged over the 160 events and more of a leaf scatter by 0.07; a constant is 0.22 away.
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.09
    assert truth.std() > 0.2
    assert np.array_equal(found, class_probabilities(events, seed=1))
    # The mean of x over the signal is the same, where that of the unweighted sample is 0.4 + 1.2.
    signal = truth / truth.sum()
    x = events.features[:, 0]
    mean, spread = np.average(x, weights=found), np.sqrt((events.weights**2).sum()) / events.weights.sum() * x.std()
    assert mean == pytest.approx((signal * x).sum(), abs=4 * spread)
    with pytest.raises(WeightError, match="no weights"):
        class_probabilities(events.with_weights(None))
    with pytest.raises(WeightError, match="sum of weights of -"):
        class_probabilities(events.with_weights(-events.weights))


def test_an_autoencoder_finds_real_what_it_restores():
    potential = OBJECTIVES.parse("boundary-equilibrium").potential(torch.tensor([0.1, 2.0]))
    assert potential[0] > potential[1]


# Energy score ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [0.3, 1.0, 1.5])
@pytest.mark.parametrize("whiten", [False, True])
def test_the_energy_score_is_lowest_for_the_true_law(exponent: float, whiten: bool) -> None:
    """Widths, places and correlations that are wrong by a fifth cost more than four errors."""
    rng = torch.Generator().manual_seed(3)
    real, *fakes = torch.randn(3, 20_000, 2, generator=rng, dtype=torch.float64)
    fake = torch.stack(fakes)
    score = EnergyScore(exponent=exponent, whiten=whiten)

    def cost(events: Tensor) -> float:
        return score.generator(real, events, torch.ones(len(real))).item()

    turned = fake + 0.4 * fake.flip(2)
    wrong = {"narrow": 0.8 * fake, "wide": 1.25 * fake, "moved": fake + 0.25, "correlated": turned / turned.std()}
    # the same events before and after, so that the difference is known to a tenth of this
    assert {name: cost(events) > cost(fake) for name, events in wrong.items()} == dict.fromkeys(wrong, True)


def test_whitened_scores_do_not_know_the_units() -> None:
    rng = torch.Generator().manual_seed(4)
    real, *fakes = torch.randn(3, 500, 3, generator=rng, dtype=torch.float64)
    mix = torch.tensor([[3.0, 2.9, 0.0], [0.0, 0.1, 0.5], [0.0, 0.0, 0.3]], dtype=torch.float64)
    fake, weights = torch.stack(fakes), torch.ones(500)
    score = EnergyScore(exponent=0.3, whiten=True)
    # the ridge, 1e-4 of the mean variance, is small beside the smallest one, so a little remains
    one, two = (score.generator(*pair, weights).item() for pair in ((real, fake), (real @ mix, fake @ mix)))
    assert two == pytest.approx(one, rel=0.05)
    plain = EnergyScore(exponent=0.3)
    assert plain.generator(real @ mix, fake @ mix, weights).item() != pytest.approx(
        plain.generator(real, fake, weights).item(), rel=0.05
    )


def test_beside_their_context_events_are_measured_by_what_it_leaves() -> None:
    """x = c + e / 10: the spread of x is 1, what c leaves is 0.1."""
    rng = torch.Generator().manual_seed(5)
    c, e = torch.randn(2, 50_000, 1, generator=rng, dtype=torch.float64)
    step = torch.tensor([[0.1, 0.0]], dtype=torch.float64) @ whitener(torch.cat([c + e / 10, c], 1)).T
    assert step.norm().item() == pytest.approx(1, rel=0.02)  # ridge 1e-4 of 0.01, and 1 / sqrt(2 n)
    assert torch.isfinite(whitener(torch.ones(5, 3))).all()
