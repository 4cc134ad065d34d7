"""Laws of penalties, over everything registered, and closed forms for linear and quadratic critics."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from facsim import Block, Schema
from facsim.errors import RecipeError
from facsim.models.draw import Draw
from facsim.models.gan.game import Game
from facsim.models.gan.layout import Layout
from facsim.models.gan.objectives import OBJECTIVES
from facsim.models.gan.penalties import PENALTIES, Penalty
from facsim.nets.activations import Activation
from facsim.nets.perceptron import Perceptron

N, WIDTH, CONTEXT = 64, 5, 3
LAYOUT = Layout(Schema((Block("y", (WIDTH,)),), (Block("x", (CONTEXT,)),)), WIDTH, CONTEXT)

every = pytest.mark.parametrize("kind", PENALTIES.names())


class Scalar(nn.Module):
    """A critic from a formula, with one parameter so that it can learn."""

    def __init__(self, formula: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.formula, self.scale = formula, nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return self.scale * self.formula(x, context)


def game(critic: nn.Module, *, step: int = 0, seed: int = 1, dtype: torch.dtype = torch.float64, n: int = N) -> Game:
    rng = torch.Generator().manual_seed(seed)
    real, fake, context = (torch.randn(n, k, generator=rng).to(dtype) for k in (WIDTH, WIDTH, CONTEXT))
    return Game(
        layout=LAYOUT,
        context=context,
        conditions=context,
        weights=torch.ones(n, dtype=dtype),
        critic=critic,
        generator=nn.Identity(),
        potential=critic,
        decode=lambda x: x,
        draw=Draw(seed, step),
        step=step,
        real=real,
        fake=fake,
    )


DIRECTION = torch.tensor([3.0, 0.0, 0.0, 4.0, 0.0], dtype=torch.float64)


def linear(x: Tensor, context: Tensor) -> Tensor:
    """Slope 5 in the event, 12 in the conditions."""
    return x @ DIRECTION + 12 * context[:, 0]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"kind": "gradient"}, 16.0),
        ({"kind": "gradient", "sides": 1}, 16.0),
        ({"kind": "gradient", "centre": 0}, 25.0),
        ({"kind": "gradient", "on": "features+conditions"}, 144.0),  # |(5, 12)| = 13
        ({"kind": "r1"}, 12.5),
        ({"kind": "r2"}, 12.5),
        ({"kind": "dragan"}, 16.0),
        ({"kind": "clipping"}, 0.0),
        # One power iteration finds a linear critic's direction; the sign is no matter.
        ({"kind": "adversarial-lipschitz"}, 16.0),
    ],
)
def test_linear_critics_in_closed_form(settings: dict[str, object], expected: float) -> None:
    assert PENALTIES.parse(settings)(game(Scalar(linear))).item() == pytest.approx(expected, rel=1e-9)


def test_a_gentle_slope_is_free_on_one_side() -> None:
    gentle = Scalar(lambda x, context: linear(x, context) / 10)
    for kind in ("gradient", "adversarial-lipschitz"):
        assert PENALTIES.parse({"kind": kind, "sides": 1})(game(gentle)).item() == 0
        assert PENALTIES.parse({"kind": kind, "sides": 2})(game(gentle)).item() == pytest.approx(0.25)


def test_quadratic_critics_in_closed_form() -> None:
    """f = |y|^2 / 2 has the gradient y: R1 is half the mean square of real events, R2 of generated ones."""
    round_game = game(Scalar(lambda x, _: x.square().sum(1) / 2))
    assert round_game.real is not None
    assert round_game.fake is not None
    for kind, x in (("r1", round_game.real), ("r2", round_game.fake)):
        assert PENALTIES.parse(kind)(round_game).item() == pytest.approx(x.square().sum(1).mean().item() / 2)
    # Roth: each event's share falls with the critic's certainty.
    doubts = ((1 - torch.sigmoid(x.square().sum(1) / 2)) if real else torch.sigmoid(x.square().sum(1) / 2)
              for real, x in ((True, round_game.real), (False, round_game.fake)))  # fmt: skip
    wanted = sum(
        (d**2 * x.square().sum(1)).mean() / 2 for d, x in zip(doubts, (round_game.real, round_game.fake), strict=True)
    )
    assert PENALTIES.parse("roth")(round_game).item() == pytest.approx(float(wanted))


def test_interpolates_lie_between_events_of_different_conditions() -> None:
    """f = c^2 / 2 on the first condition has the slope c: between two conditions, never beyond."""
    seen = []

    def watching(x: Tensor, context: Tensor) -> Tensor:
        seen.append((x.detach(), context.detach()))
        return x.sum(1) + context.sum(1)

    mixed = game(Scalar(watching))
    assert mixed.real is not None
    assert mixed.fake is not None
    PENALTIES.parse({"kind": "gradient", "on": "features+conditions"})(mixed)
    x, context = seen[0]
    # The same share of the way in events and in conditions.
    share = (context - mixed.context.roll(1, 0)) / (mixed.context - mixed.context.roll(1, 0))
    assert share.std(1).max() < 1e-6
    expected = share[:, :1] * mixed.real + (1 - share[:, :1]) * mixed.fake.roll(1, 0)
    assert torch.allclose(x, expected, atol=1e-6)
    assert 0 <= share.min() <= share.max() <= 1
    assert share.max() - share.min() > 0.9


def test_the_steepest_direction_is_found() -> None:
    """A critic that is steep along one column only: power iteration comes close, a random direction would not."""
    slopes = torch.full((WIDTH,), 0.4, dtype=torch.float64)
    slopes[2] = 4.0
    critic = Scalar(lambda x, _: (slopes * x).square().sum(1).add(1).sqrt())  # |gradient| -> |slopes * ...|, curved
    settings = {"kind": "adversarial-lipschitz", "shortest": 0.01, "longest": 0.01}
    found = PENALTIES.parse({**settings, "iterations": 3})(game(critic)).item()
    x = torch.cat([game(critic).real, game(critic).fake]).requires_grad_(True)  # type: ignore[list-item]
    (gradient,) = torch.autograd.grad(critic(x, x).sum(), x)
    steepest = (gradient.norm(dim=1) - 1).clamp(min=0).square().mean().item()
    assert 0.5 * steepest < found < 1.05 * steepest  # the gradient halfway along a finite step is not the one at x


def test_clipping_clips() -> None:
    critic = Perceptron(WIDTH, 1, 16, 2)
    clipping = PENALTIES.parse({"kind": "clipping", "limit": 0.03})
    clipping.after(critic)
    assert max(p.abs().max().item() for p in critic.parameters()) == pytest.approx(0.03)
    for kind in set(PENALTIES.names()) - {"clipping"}:
        before = [p.clone() for p in critic.parameters()]
        PENALTIES.parse(kind).after(critic)
        assert all(torch.equal(a, b) for a, b in zip(before, critic.parameters(), strict=True))


@pytest.mark.parametrize("kind", sorted(set(PENALTIES.names()) - {"clipping"}))
def test_penalties_push_a_steep_critic_down(kind: str) -> None:
    critic = Scalar(linear)
    penalty = PENALTIES.parse(kind)(game(critic))
    (gradient,) = torch.autograd.grad(penalty, critic.scale)
    if kind != "roth":  # certainty grows with the scale, too
        assert gradient > 0
    assert torch.isfinite(gradient)


@every
def test_penalties_are_reproducible_and_blind_to_weights(kind: str) -> None:
    critic = Scalar(lambda x, context: linear(x, context).tanh() * 3)
    one, two = game(critic), game(critic)
    two.weights = -3 * two.weights
    penalty = PENALTIES.parse(kind)
    assert penalty(one).item() == penalty(two).item()


@every
def test_penalties_say_what_they_need(kind: str) -> None:
    part: Penalty = PENALTIES.parse(kind)
    assert part.summary
    assert "arXiv" in part.reference
    assert PENALTIES.parse(part.model_dump()) == part
    partial = game(Scalar(linear))
    assert part.applies(partial)
    partial.fake = None
    assert part.applies(partial) == ("fake" not in part.needs)
    if part.applies(partial):
        assert torch.isfinite(part(partial))


@pytest.mark.parametrize("kind", ["gradient", "r1", "dragan", "adversarial-lipschitz"])
def test_vector_critics_are_limited_through_their_potential(kind: str) -> None:
    """Cramér: f = |h - h'| - |h| with h linear has a gradient; the penalty and its parameter gradient are finite."""
    torch.manual_seed(3)
    net = Perceptron(WIDTH + CONTEXT, 8, 16, 2).double()
    cramer, other = OBJECTIVES.parse({"kind": "cramer", "outputs": 8}), torch.randn(N, 8, dtype=torch.float64)
    vector = game(nn.Sequential(net))
    vector.potential = lambda x, context: cramer.potential(100 * net(torch.cat([x, context], 1)), other)
    gradients = torch.autograd.grad(PENALTIES.parse(kind)(vector), list(net.parameters()), allow_unused=True)
    assert all(torch.isfinite(g).all() for g in gradients if g is not None)
    assert sum(g.abs().sum() for g in gradients if g is not None) > 0


def test_the_factor_ramps_up() -> None:
    part = PENALTIES.parse({"kind": "gradient", "weight": 20, "ramp": 1e4, "floor": 0.02})
    assert [part.factor(s) for s in (0, 10_000)] == pytest.approx([0.02, 10.0])
    assert part.factor(10**9) == pytest.approx(20, rel=1e-4)
    assert PENALTIES.parse({"kind": "gradient", "weight": 3}).factor(0) == 3


def test_bad_settings_say_what_to_do() -> None:
    with pytest.raises(RecipeError, match=r"unknown penalty 'gradent'.*Did you mean 'gradient'"):
        PENALTIES.parse("gradent")
    with pytest.raises(RecipeError, match=r"has no setting 'side'.*Did you mean 'sides'"):
        PENALTIES.parse({"kind": "gradient", "side": 1})
    with pytest.raises(RecipeError, match="sides = 3"):
        PENALTIES.parse({"kind": "gradient", "sides": 3})
    with pytest.raises(RecipeError, match="shortest = 2 is above longest = 1"):
        PENALTIES.parse({"kind": "adversarial-lipschitz", "shortest": 2})
    with pytest.raises(RecipeError, match="limit"):
        PENALTIES.parse({"kind": "clipping", "limit": 0})
    lacking = game(Scalar(linear))
    lacking.real = None
    with pytest.raises(TypeError, match="lacks a sample"):
        PENALTIES.parse("r1")(lacking)


# Written-out gradients -----------------------------------------------------------------------------------------------


class Body(nn.Module):
    """A perceptron with a linear head, with and without the written-out gradient."""

    def __init__(self, activation: Activation, outputs: int, *, fast: bool) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.net = Perceptron(WIDTH + CONTEXT, outputs, 32, 3, activation)
        self.head = nn.Linear(self.net.outputs, 1)
        if fast:
            self.input_gradient = self._input_gradient

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        score: Tensor = self.head(self.net(torch.cat([x, context], 1)))
        return score[:, 0]

    def _input_gradient(self, x: Tensor, context: Tensor) -> Tensor:
        return self.net.input_gradient(torch.cat([x, context], 1), self.head.weight, x.shape[1])


@pytest.mark.parametrize("outputs", [0, 7])
@pytest.mark.parametrize("activation", ["leaky_relu", "relu", "silu", "tanh"])
@pytest.mark.parametrize("kind", ["gradient", "r1"])
def test_written_out_gradients_are_those_of_double_backward(kind: str, activation: Activation, outputs: int) -> None:
    results = []
    for fast in (False, True):
        body = Body(activation, outputs, fast=fast)
        value = PENALTIES.parse(kind)(game(body, dtype=torch.float32))
        gradients = torch.autograd.grad(value, list(body.parameters()), allow_unused=True)
        # A rectifier's biases have no part in the gradient: None or zero.
        results.append(
            (
                value.item(),
                [torch.zeros_like(p) if g is None else g for p, g in zip(body.parameters(), gradients, strict=True)],
            )
        )
    (one, plain), (two, fast_ones) = results
    assert one == pytest.approx(two, rel=1e-5)
    for a, b in zip(plain, fast_ones, strict=True):
        assert (a - b).abs().max() < 1e-5


def test_every_row_may_have_its_own_head() -> None:
    body = Body("silu", 0, fast=True)
    x, context, factor = torch.randn(N, WIDTH), torch.randn(N, CONTEXT), torch.linspace(1, 2, N)[:, None]
    both = torch.cat([x, context], 1)
    one, many = (body.net.input_gradient(both, w, WIDTH) for w in (body.head.weight, body.head.weight * factor))
    assert one.shape == (N, WIDTH)
    assert torch.allclose(many, one * factor, atol=1e-6)
    assert torch.allclose(one, body.net.input_gradient(both, body.head.weight)[:, :WIDTH], atol=1e-6)
