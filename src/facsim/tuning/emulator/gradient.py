"""Whether an emulator's gradient leads where the simulator goes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from facsim.simulators.parametric import ParametricSimulator
from facsim.tuning.emulator.judges import Reader
from facsim.tuning.emulator.train import points_of

__all__ = ["gradient_check"]

WIDTH = 0.05  # half the interval of the difference, in units of the box
JITTERS = 16  # places within it at which the emulator's gradient is averaged
TRIES = 20


def gradient_check(
    emulator: nn.Module,
    simulator: ParametricSimulator,
    reader: Reader,
    *,
    points: int = 64,
    repeats: int = 4,
    seed: int,
) -> dict[str, float]:
    r"""Compare the emulator's gradients with finite differences of the simulator.

    The mean of a derivative over an interval is the difference of its ends over its length,

    .. math:: \frac1{2\delta} \int_{-\delta}^{\delta} f'(\theta + t)\, dt = \frac{f(\theta + \delta) - f(\theta - \delta)}{2\delta},

    so that both sides are smoothed alike. f is what a network reads from the event (`Reader`): p numbers, of order one.

    Parameters
    ----------
    emulator : Module
        ``forward(conditions, noise) -> features``, differentiable.
    simulator : ParametricSimulator
    reader : Reader
    points, repeats : int, optional
        Points of parameter space, and calls at each end of an interval (one without randomness): ``2 p points repeats``
        calls.
    seed : int

    Returns
    -------
    dict
        ``cosine`` between all gradients of emulator and simulator, ``cosine_floor`` of the simulator with itself (both
        from half of the calls each; 1 without randomness), ``ratio`` of their lengths, ``points`` and ``calls``.
    """  # noqa: E501
    space, p = simulator.space, len(simulator.space)
    repeats = repeats if simulator.stochastic else 1
    step = np.where(space.whole, 1 / (space.high - space.low + 1), WIDTH)  # of whole parameters by one
    base = points_of(simulator, points * TRIES, seed, stream=3)
    unit = space.to_unit(base[:, :p])
    ends = [[space.from_unit(unit + sign * step * np.eye(p)[j]) for sign in (-1, 1)] for j in range(p)]
    good = np.all([space.contains(end) for pair in ends for end in pair], axis=0)
    # Ends that the box cuts off would shorten the interval.
    good &= ((unit > step) & (unit < 1 - step)).all(axis=1)
    chosen = np.flatnonzero(good)[:points]
    if len(chosen) == 0:
        return {"points": 0.0, "calls": 0.0}
    given = base[chosen, p:]
    true = np.empty((len(chosen), repeats, p, p))  # points, repeats, read, moved
    calls = 0
    for j, (low, high) in enumerate(ends):
        read: list[NDArray[np.float64]] = []
        for number, end in enumerate((low, high)):
            rows = np.column_stack([end[chosen], given]).repeat(repeats, axis=0)
            events = simulator.sample(rows, seed=seed + 2 * j + number)
            calls += len(rows)
            read.append(reader(events).reshape(len(chosen), repeats, p))
        true[:, :, :, j] = (read[1] - read[0]) / (2 * step[j])
    copy = _slopes(emulator, reader, simulator, unit[chosen], step, given, seed)
    mean = true.mean(axis=1)
    out = {
        "cosine": _cosine(copy, mean),
        "cosine_floor": 1.0,
        "ratio": _length(copy) / max(_length(mean), 1e-30),
        "points": float(len(chosen)),
        "calls": float(calls),
    }
    if repeats > 1:
        half = repeats // 2
        out["cosine_floor"] = _cosine(true[:, :half].mean(axis=1), true[:, half:].mean(axis=1))
    return out


def _slopes(
    emulator: nn.Module,
    reader: Reader,
    simulator: ParametricSimulator,
    unit: NDArray[np.float64],
    step: NDArray[np.float64],
    given: NDArray[np.float64],
    seed: int,
) -> NDArray[np.float64]:
    """Gradients (points, read, moved) of the emulator, for each parameter averaged over its interval."""
    space, p = simulator.space, len(simulator.space)
    low = torch.from_numpy(space.low - 0.5 * space.whole).float()
    span = torch.from_numpy(space.high - space.low + space.whole).float()
    noise = torch.Generator().manual_seed(seed)
    found = np.empty((len(unit), p, p))
    rest = torch.from_numpy(given).float().repeat_interleave(JITTERS, 0)
    emulator.eval()
    for j in range(p):
        shift = (2 * (torch.arange(JITTERS) + 0.5) / JITTERS - 1) * step[j]
        at = torch.from_numpy(unit).float().repeat_interleave(JITTERS, 0)
        at[:, j] += shift.float().repeat(len(unit))
        at.requires_grad_()
        drawn = torch.randn(len(at), emulator.latent, generator=noise)  # type: ignore[call-overload]
        features = emulator(torch.cat([low + at * span, rest], 1), drawn)
        read = reader.of_features(features, rest)
        for k in range(p):
            (slope,) = torch.autograd.grad(read[:, k].sum(), at, retain_graph=k < p - 1)
            found[:, k, j] = slope[:, j].view(len(unit), JITTERS).mean(1).double().numpy()
    return found


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float((a * b).sum()) / max(_length(a) * _length(b), 1e-30)


def _length(a: NDArray[np.float64]) -> float:
    return float(np.sqrt((a * a).sum()))
