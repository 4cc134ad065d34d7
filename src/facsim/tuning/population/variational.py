"""Adversarial variational optimisation: a Gaussian of parameters is moved until the simulator gives the data."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from facsim.errors import DataError
from facsim.events import Events
from facsim.simulators.parametric import ParametricSimulator, Space, require_calls
from facsim.training.sweights import class_probabilities
from facsim.tuning.calls import Account, observed
from facsim.tuning.population.bayes import minimise
from facsim.tuning.population.divergence import LN2, Critic, CriticKind, Networks, Trees, Verdict
from facsim.tuning.pushforward import pushforward
from facsim.tuning.result import Tuned, central_point

__all__ = ["Rolling", "VariationalSettings", "tune_variational"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]

LEAST = 1000  # calls
TESTED = 1000  # most calls for the last test
SAMPLES = 4000
LONGEST = 20_000  # steps
ENVELOPE = 1.5  # of the ratio of two successive Gaussians


class VariationalSettings(BaseModel):
    """Settings of `tune_variational`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["variational", "bayes"] = "variational"
    """Move a Gaussian along the score-function gradient, or search one point by Bayesian optimisation."""
    critic: CriticKind = "trees"
    """``trees`` for columns, ``network`` for many of them."""
    adaptive: bool = True
    """Adaptive divergence; otherwise the plain Jensen-Shannon divergence of the full critic."""
    covariance: Literal["full", "diagonal"] = "full"
    """Of the Gaussian, in units of the box."""
    width: float = Field(default=0.2, gt=0)
    """Its first standard deviation."""
    rate: float = Field(default=1e-2, gt=0)
    """Learning rate of Adam for the mean, in units of the box; three times that for the logarithms of the widths."""
    tight: float = Field(default=0.0, ge=0)
    """Weight of the Gaussian's entropy, which is then made small, too: for data of one point, 0.02 or so."""
    first: int = Field(default=64, ge=20)
    """Events of a sample to begin with."""
    grow: int = Field(default=128, ge=1)
    """By how many it is extended as long as the critic overfits."""
    most: int = Field(default=1024, ge=20)
    """At most so many."""
    gap: float = Field(default=0.1, gt=0)
    """Cross entropy of unseen less that of known events, nats, below which a sample is large enough."""
    reuse: bool = True
    """Take over events of the step before, each with the chance that the moved Gaussian would have drawn its point."""
    enough: float = Field(default=0.01, ge=0)
    """Divergence, nats, at which the search stops, if it is the mean of `patience` steps."""
    patience: int = Field(default=10, ge=1)
    """Steps that the stop looks at."""


def tune_variational(
    simulator: ParametricSimulator,
    data: Events,
    *,
    calls: int,
    seed: int = 0,
    settings: VariationalSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tuned:
    r"""Fit a Gaussian population of parameters to data, with the simulator itself in the loop and no emulator.

    .. math:: \min_\psi \; AD\Big(p_{data}, \int p(x|\theta) q_\psi(\theta) d\theta\Big), \quad
              \nabla_\psi = E_{q_\psi}\big[\nabla_\psi \ln q_\psi(\theta) \, \big(\ln F(x) - b\big)\big]

    with the critic's probability F of being generated, the batch's mean as baseline b, and the adaptive divergence AD.
    This asks for fewer calls while the population is far from the data.

    Parameters
    ----------
    simulator : ParametricSimulator
    data : Events
        Features of the simulator, and what is given; negative weights are replaced by their regression on the events.
    calls : int
        Budget, at least 1000; up to 1000 of them are kept for the last test.
    seed : int, optional
    settings : VariationalSettings, optional
        ``engine="bayes"`` minimises the divergence of single points with a Gaussian process.
    progress : callable, optional
        Called with (calls spent, calls in all).

    Returns
    -------
    Tuned
        ``kind="population"``: points of the Gaussian inside the valid region (its width is no uncertainty); for
        ``bayes`` ``kind="point"``, the samples being where functions drawn from the Gaussian process have a minimum.
        ``details``: ``divergence`` (mean of the last steps, nats), ``stopped`` (why), ``steps``, ``path`` (the mean at
        every step), ``path_calls`` (calls until then) and ``pushforward``.

    Raises
    ------
    DataError
        If the budget is too small or the data do not fit.

    Notes
    -----
    Louppe, Hermans and Cranmer, arXiv:1707.07113; adaptive divergence and growing ("rolling") samples:
    arXiv:1912.00520. Points outside the valid region cost no call; they count as worse than the worst of the batch.

    Examples
    --------
    >>> from facsim.simulators.parametric.table import parametric
    >>> simulator = parametric("two-moons")
    >>> data = simulator.sample(np.full((1000, 2), 0.2), seed=1)
    >>> tune_variational(simulator, data, calls=20_000).estimate  # doctest: +SKIP
    """
    require_calls(calls, LEAST, "adversarial variational optimisation")
    chosen = settings or VariationalSettings()
    begun = time.perf_counter()
    data = observed(simulator, data)
    account = Account(simulator, calls, seed)
    test = min(TESTED, calls // 10)
    rolling = Rolling(account, data, chosen, seed, reserve=test)
    space, place = simulator.space, np.random.default_rng([seed, 0x7A51])
    tell = (lambda: progress(account.spent, calls)) if progress else (lambda: None)
    details: dict[str, Any]
    if chosen.engine == "bayes":
        samples, estimate, details = minimise(rolling, space, seed, tell)
        points = np.repeat(estimate[None], test, 0)
    else:
        samples, details = _search(rolling, space, chosen, seed, tell)
        estimate, points = central_point(samples, space), samples[place.permutation(len(samples))[:test]]
    events = rolling.simulate(points[: account.left])
    details["pushforward"] = pushforward(data, rolling.bare(events), seed=seed)
    return Tuned(
        method=chosen.engine,
        kind="point" if chosen.engine == "bayes" else "population",
        space=space,
        samples=samples,
        estimate=estimate,
        calls=account.spent,
        failed=account.failed,
        seconds=time.perf_counter() - begun,
        label="Bayesian optimisation" if chosen.engine == "bayes" else "adversarial variational optimisation",
        details=details,
    )


class Rolling:
    """Judges laws of parameters by as few calls as the critic needs.

    Parameters
    ----------
    account : Account
    data : Events
        See `observed`.
    settings : VariationalSettings
    seed : int
    reserve : int, optional
        Calls to leave.
    """

    def __init__(
        self, account: Account, data: Events, settings: VariationalSettings, seed: int, *, reserve: int = 0
    ) -> None:
        self.account, self.data, self.settings, self.seed, self.reserve = account, data, settings, seed, reserve
        weights = data.weights
        if weights is not None and (weights < 0).any():
            weights = class_probabilities(data, seed)
        self.share = None if weights is None else weights / weights.sum()
        self.columns = self._columns(data)
        self.place = np.random.default_rng([seed, 0x2011])
        self.number = 0
        width = self.columns.shape[1]
        self.network = Networks(width, seed, adaptive=settings.adaptive) if settings.critic == "network" else None

    @property
    def affordable(self) -> bool:
        """Whether another sample can be judged."""
        return self.account.left - self.reserve >= self.settings.first

    def judge(
        self, draw: Callable[[int], Array], known: tuple[Array, Array] | None = None
    ) -> tuple[Array, Array, Verdict]:
        """Simulate points from `draw` until the critic does not overfit.

        Parameters
        ----------
        draw : callable
            ``draw(n)`` gives valid points (n, p).
        known : (array, array), optional
            Points of the same law and columns of their events, to begin with.

        Returns
        -------
        points, columns : array (n, p), (n, k)
            Points that gave events, and these.
        verdict : Verdict
        """
        s, self.number = self.settings, self.number + 1
        points, columns = known or (np.empty((0, len(self.account.simulator.space))), self.columns[:0])
        most = min(s.most, len(self.data))
        points, columns = points[:most], columns[:most]
        step = max(min(s.first, most) - len(points), 0)
        while True:
            if step:
                events = self.simulate(draw(step))
                points = np.concatenate([points, events.conditions[:, : points.shape[1]].astype(np.float64)])
                columns = np.concatenate([columns, self._columns(self.bare(events))])
            verdict = self._critic()(self._real(len(columns)), columns)
            step = min(s.grow, most - len(points), self.account.left - self.reserve)
            if verdict.gap < s.gap or step <= 0:
                return points, columns, verdict

    def simulate(self, points: Array) -> Events:
        """Events at points, with what is given drawn from the data's."""
        k = self.data.schema.condition_width
        given = self.data.conditions[self.place.choice(len(self.data), len(points), p=self.share)] if k else None
        return self.account.call(points, given)

    def bare(self, events: Events) -> Events:
        """Events without their parameters."""
        p = len(self.account.simulator.space)
        return Events(events.features, events.conditions[:, p:], self.data.schema)

    def _columns(self, events: Events) -> Array:
        return np.column_stack([events.features, events.conditions]).astype(np.float64)

    def _real(self, n: int) -> Array:
        return self.columns[self.place.choice(len(self.columns), n, replace=self.share is not None, p=self.share)]

    def _critic(self) -> Critic:
        return self.network or Trees(self.seed + self.number, adaptive=self.settings.adaptive)


class _Gaussian(nn.Module):
    """Gaussian in the unit cube's coordinates, its lower triangle L with the logarithm of its diagonal."""

    def __init__(self, parameters: int, width: float, *, full: bool) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.full((parameters,), 0.5, dtype=torch.float64))
        self.log_width = nn.Parameter(torch.full((parameters,), math.log(width), dtype=torch.float64))
        self.lower = nn.Parameter(torch.zeros(parameters, parameters, dtype=torch.float64), requires_grad=full)

    def law(self) -> torch.distributions.MultivariateNormal:
        # Correlations in units of the widths: L = diag(w) (1 + lower)
        unit = torch.tril(self.lower, -1) + torch.eye(len(self.mean), dtype=torch.float64)
        return torch.distributions.MultivariateNormal(self.mean, scale_tril=self.log_width.exp()[:, None] * unit)


def _search(
    rolling: Rolling, space: Space, settings: VariationalSettings, seed: int, tell: Callable[[], None]
) -> tuple[Array, dict[str, Any]]:
    """Points of the fitted Gaussian, and how it went."""
    gaussian = _Gaussian(len(space), settings.width, full=settings.covariance == "full")
    moved = [p for p in gaussian.parameters() if p.requires_grad]
    others = [p for p in moved if p is not gaussian.mean]
    groups: list[dict[str, Any]] = [{"params": [gaussian.mean]}, {"params": others, "lr": 3 * settings.rate}]
    optimiser = torch.optim.Adam(groups, lr=settings.rate, betas=(0.9, 0.99))
    place = np.random.default_rng([seed, 0x6A55])
    recent: deque[float] = deque(maxlen=settings.patience)
    path: list[list[float]] = []
    spent: list[int] = []
    trail: list[list[Array]] = []
    stopped = "budget"
    known: tuple[Array, Array] | None = None
    law = gaussian.law()
    for _ in range(LONGEST):
        if not rolling.affordable:
            break
        before, law = law, gaussian.law()
        if known is not None:
            kept = _accepted(known[0], before, law, space, place)
            known = (known[0][kept], known[1][kept]) if settings.reuse else None
        points, columns, verdict = rolling.judge(lambda n, law=law: _valid(law, space, n, place)[0], known)  # type: ignore[misc]
        known = points, columns
        # ln(fake) is the critic's confidence: its mean falls as events look real. Refused points: worse than the worst.
        loss = np.log(np.clip(verdict.fake, 1e-3, 1))
        bad = _valid(law, space, len(points), place)[1][: len(points)]
        worst = float(loss.max()) + 0.1
        unit = torch.from_numpy(np.concatenate([space.to_unit(points), bad]))
        value = torch.from_numpy(np.concatenate([loss, np.full(len(bad), worst)]))
        score: Tensor = law.log_prob(_off_whole(unit, space, place))  # type: ignore[no-untyped-call]
        objective = ((value - value.mean()) * score).mean() + settings.tight * gaussian.log_width.sum()
        for parameter, gradient in zip(moved, torch.autograd.grad(objective, moved, allow_unused=True), strict=True):
            parameter.grad = gradient
        optimiser.step()
        with torch.no_grad():
            gaussian.mean.clamp_(0, 1)
            gaussian.log_width.clamp_(math.log(1e-4), math.log(0.5))
        recent.append(verdict.divergence if verdict.capacity > 0.5 else LN2)
        spent.append(rolling.account.spent)
        path.append(space.from_unit(gaussian.mean.detach().numpy()).tolist())
        trail.append([p.detach().numpy().copy() for p in gaussian.parameters()])
        tell()
        if len(recent) == settings.patience and np.mean(recent) <= settings.enough:
            stopped = "divergence"
            break
    if not trail:
        msg = f"{rolling.account.calls} calls are not enough for one step: lower settings.first, or raise --calls"
        raise DataError(msg)
    with torch.no_grad():  # the mean of the last steps is quieter than the last
        last = trail[-max(len(trail) // 4, min(settings.patience, len(trail))) :]
        for parameter, values in zip(gaussian.parameters(), zip(*last, strict=True), strict=True):
            parameter.copy_(torch.from_numpy(np.mean(values, axis=0)))
    samples, _ = _valid(gaussian.law(), space, SAMPLES, place)
    return samples, {
        "divergence": float(np.mean(recent)),
        "stopped": stopped,
        "steps": len(path),
        "path": path,
        "path_calls": spent,
    }


def _valid(
    law: torch.distributions.MultivariateNormal, space: Space, n: int, place: np.random.Generator
) -> tuple[Array, Array]:
    """Valid points (n, p) of the law by rejection; and those refused, in unit coordinates."""
    found, refused = [np.empty((0, len(space)))], [np.empty((0, len(space)))]
    middle, triangle = law.loc.detach().numpy(), law.scale_tril.detach().numpy()
    for _ in range(1000):
        if sum(map(len, found)) >= n:
            return np.concatenate(found)[:n], np.concatenate(refused)
        unit = middle + place.standard_normal((max(n, 16), len(space))) @ triangle.T
        inside = ((unit >= 0) & (unit <= 1)).all(1)
        points = space.from_unit(unit)
        inside &= space.contains(points)
        found.append(points[inside])
        refused.append(unit[~inside])
    msg = f"the population has left the valid region ({space.rule}): lower settings.rate or choose smaller ranges"
    raise DataError(msg)


def _accepted(
    points: Array,
    before: torch.distributions.MultivariateNormal,
    now: torch.distributions.MultivariateNormal,
    space: Space,
    place: np.random.Generator,
) -> NDArray[np.bool_]:
    """Which points of one law make a sample of the next: rejection, with ratios above `ENVELOPE` cut."""
    unit = torch.from_numpy(space.to_unit(points))
    with torch.no_grad():
        ratio = (now.log_prob(unit) - before.log_prob(unit)).exp().numpy()  # type: ignore[no-untyped-call]
    return np.asarray(place.random(len(points)) * ENVELOPE < ratio)


def _off_whole(unit: Tensor, space: Space, place: np.random.Generator) -> Tensor:
    """Whole parameters spread over their share again, as if they had not been rounded."""
    if not space.whole.any():
        return unit
    share = 1 / (space.high - space.low + 1) * space.whole
    return unit + torch.from_numpy((place.random(tuple(unit.shape)) - 0.5) * share)
