"""Extended unbinned maximum-likelihood fit of a peak over a background, by MINUIT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, FitError, nearest
from facsim.sweights.shapes import Model, parse
from facsim.sweights.start import starting_values
from facsim.sweights.weights import signal_yield

__all__ = ["Goodness", "MassFit", "fit_mass"]

Array = NDArray[np.float64]

FEWEST = 50
"""Events that a fit needs."""
START_BINS = 200
PER_BIN = 25
"""Fewest expected events per bin of the test of goodness, on average."""
NEAR = 1e-4
"""A parameter that is nearer to its limit, as share of the distance of its limits, is said to be there."""
TINY = 1e-12
"""Least density, times the width of the range."""


@dataclass(frozen=True)
class Goodness:
    """Pearson's test of the binned spectrum against the fitted curve; bins of equal expected content."""

    chi2: float
    dof: int
    pvalue: float


@dataclass(frozen=True)
class MassFit:
    """A fitted spectrum.

    Parameters
    ----------
    model : Model
    low, high : float
        Range.
    values, errors : mapping of str to float
        Parameters of the shapes, in the unit of the mass; an error of zero where fixed.
    signal, background : float
        Yields; they add up to the number of events.
    signal_error, background_error : float
        From the curvature of the likelihood, shapes free.
    goodness : Goodness
    at_limit : tuple of str
        Parameters that went to the end of what is allowed, and were fixed there.
    calls : int
        Of the likelihood.
    """

    model: Model
    low: float
    high: float
    values: Mapping[str, float]
    errors: Mapping[str, float]
    signal: float
    background: float
    signal_error: float
    background_error: float
    goodness: Goodness
    at_limit: tuple[str, ...]
    calls: int

    def densities(self, mass: ArrayLike) -> tuple[Array, Array]:
        """Normalised densities of peak and background (n,), (n,) at masses within the range."""
        values = [self.values[n] for n in self.model.names]
        peak, smooth = self.model.densities(np.asarray(mass, np.float64), self.low, self.high, values)
        least = TINY / (self.high - self.low)  # far from the peak, where a line ends at zero, both could vanish
        return np.maximum(peak, least), np.maximum(smooth, least)

    def signal_chance(self, mass: ArrayLike) -> Array:
        """Probability (n,) of an event at a mass to be signal."""
        peak, smooth = self.densities(mass)
        return np.asarray(self.signal * peak / (self.signal * peak + self.background * smooth))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "model": str(self.model),
            "range": [self.low, self.high],
            "signal": {"value": self.signal, "error": self.signal_error},
            "background": {"value": self.background, "error": self.background_error},
            "parameters": {n: {"value": v, "error": self.errors[n]} for n, v in self.values.items()},
            "goodness": asdict(self.goodness),
            "at_limit": list(self.at_limit),
            "calls": self.calls,
        }


def fit_mass(
    mass: ArrayLike,
    model: str | Model = "gauss+exp",
    *,
    range: tuple[float, float] | None = None,  # noqa: A002 - what numpy.histogram calls it
    start: Mapping[str, float] | None = None,
    fix: Mapping[str, float] | None = None,
) -> MassFit:
    r"""Fit yields and shapes to a spectrum.

    .. math:: -\ln L = N_s + N_b - \sum_e \ln\left( N_s f_s(m_e) + N_b f_b(m_e) \right)

    Parameters
    ----------
    mass : array (n,)
    model : str, optional
        Peak and background, of `facsim.sweights.PEAKS` and `BACKGROUNDS`: ``gauss``, ``2gauss``, ``cb`` (Crystal Ball)
        or ``bw`` (Breit-Wigner); ``exp``, ``poly1``, ``poly2`` or ``flat``.
    range : (float, float), optional
        Events outside do not count; that of the sample by default.
    start : mapping, optional
        Starting values of parameters; read off the spectrum by default.
    fix : mapping, optional
        Parameters that are not fitted, and their values.

    Returns
    -------
    MassFit

    Raises
    ------
    DataError
        For an unknown model or parameter, a value outside its limits, an empty or reversed range, too few events.
    FitError
        If the fit does not converge, or finds no signal or no background; says what it found and what to change.

    Notes
    -----
    A fit of the histogram comes first, from several starting points; the likelihood of all events then starts at the
    best of them. Yields are polished at the end, so that sums of sWeights equal them to rounding.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> mass = np.concatenate([rng.normal(5280, 20, 600), rng.uniform(5100, 5500, 900)])
    >>> found = fit_mass(mass, "gauss+flat", range=(5100, 5500))
    >>> abs(found.signal - 600) < 3 * found.signal_error, abs(found.values["mu"] - 5280) < 3 * found.errors["mu"]
    (True, True)
    """
    chosen = parse(model) if isinstance(model, str) else model
    x, low, high = _within(mass, range)
    guess, fixed = dict(start or {}), dict(fix or {})
    limits = {p.name: (p.absolute(p.low, low, high), p.absolute(p.high, low, high)) for p in chosen.parameters}
    for name, value in {**guess, **fixed}.items():
        if name not in limits:
            msg = f"{chosen} has no parameter '{name}'; there are {', '.join(limits)}.{nearest(name, limits)}"
            raise DataError(msg)
        if not limits[name][0] <= value <= limits[name][1]:
            msg = f"{name}={value:g}: must lie between {limits[name][0]:g} and {limits[name][1]:g}"
            raise DataError(msg)
    counts, edges = np.histogram(x, START_BINS, (low, high))
    middles, full = (edges[1:] + edges[:-1]) / 2, counts > 0

    def run(at: Array, many: Array, signal: float, values: Mapping[str, float]) -> Any:
        return _minimise(chosen, at, many, (low, high), signal, values, limits, fixed)

    tried = [
        run(middles[full], counts[full].astype(np.float64), signal, {**values, **guess, **fixed})
        for signal, values in starting_values(counts.astype(np.float64), low, high, chosen)
    ]
    best = min(tried, key=lambda m: m.fval)
    fitted = run(x, np.ones(len(x)), best.values["signal"], {n: best.values[n] for n in chosen.names})
    _require_both(fitted, len(x), chosen)
    at_limit = tuple(n for n in chosen.names if not fitted.fixed[n] and _ends(fitted.values[n], limits[n]))
    for name in at_limit:  # where the likelihood still falls, it has no curvature to take errors from
        low_end, high_end = limits[name]
        fitted.values[name] = low_end if fitted.values[name] < (low_end + high_end) / 2 else high_end
        fitted.fixed[name] = True
    if at_limit or not fitted.valid:
        fitted.simplex().migrad()
    fitted.hesse()
    _require_valid(fitted, chosen, len(x))
    values = {n: float(fitted.values[n]) for n in chosen.names}
    least = TINY / (high - low)
    signal = signal_yield(*(np.maximum(d, least) for d in chosen.densities(x, low, high, list(values.values()))))
    return MassFit(
        model=chosen,
        low=low,
        high=high,
        values=values,
        errors={n: 0.0 if fitted.fixed[n] else float(fitted.errors[n]) for n in chosen.names},
        signal=signal,
        background=len(x) - signal,
        signal_error=float(fitted.errors["signal"]),
        background_error=float(fitted.errors["background"]),
        goodness=_goodness(x, chosen, (low, high), list(values.values()), signal, int(fitted.nfit)),
        at_limit=at_limit,
        calls=sum(int(m.nfcn) for m in (*tried, fitted)),
    )


def _within(mass: ArrayLike, wanted: Sequence[float] | None) -> tuple[Array, float, float]:
    """Masses within the range, and its ends."""
    x = np.asarray(mass, np.float64)
    if x.ndim != 1 or not np.isfinite(x).all():
        what = f"has shape {x.shape}" if x.ndim != 1 else f"holds {int((~np.isfinite(x)).sum())} NaN or infinities"
        msg = f"mass {what}: give one finite number per event; remove the others with a cut first"
        raise DataError(msg)
    if len(x) == 0:
        msg = "mass is empty: there are no events to fit"
        raise DataError(msg)
    low, high = (float(x.min()), float(x.max())) if wanted is None else (float(wanted[0]), float(wanted[1]))
    if not low < high:
        what = f"all masses are {low:g}: nothing to fit" if wanted is None else f"range=({low:g}, {high:g}): must rise"
        raise DataError(what + ". Check the column, and the range")
    inside = x[(x >= low) & (x <= high)]
    if len(inside) < FEWEST:
        msg = (
            f"{len(inside)} of {len(x)} events have a mass between {low:g} and {high:g}; masses run from {x.min():g} "
            f"to {x.max():g}. A fit needs {FEWEST}: give another range (in the unit of the column), or more events"
        )
        raise DataError(msg)
    return inside, low, high


def _minimise(
    model: Model,
    x: Array,
    counts: Array,
    ends: tuple[float, float],
    signal: float,
    values: Mapping[str, float],
    limits: Mapping[str, tuple[float, float]],
    fixed: Mapping[str, float],
) -> Any:
    """Minuit after migrad, over signal, background and the model's parameters."""
    from iminuit import Minuit

    total = float(counts.sum())

    def cost(*numbers: float) -> float:
        peak, smooth = model.densities(x, *ends, numbers[2:])
        expected = numbers[0] * peak + numbers[1] * smooth
        return float(numbers[0] + numbers[1] - (counts * np.log(np.maximum(expected, 1e-300))).sum())

    found = Minuit(
        cost, signal, total - signal, *(values[n] for n in model.names), name=("signal", "background", *model.names)
    )
    found.errordef = Minuit.LIKELIHOOD
    for name in ("signal", "background"):
        found.limits[name] = (0, 2 * total)
        found.errors[name] = max(1.0, np.sqrt(total))
    for name in model.names:
        found.limits[name] = limits[name]
        found.errors[name] = 0.02 * (limits[name][1] - limits[name][0])
        found.fixed[name] = name in fixed
    return found.migrad()


def _ends(value: float, limits: tuple[float, float]) -> bool:
    return min(abs(value - end) for end in limits) < NEAR * (limits[1] - limits[0])


def _require_both(fitted: Any, events: int, model: Model) -> None:
    """Raise `FitError` where only one of the components is there."""
    yields = {n: float(fitted.values[n]) for n in ("signal", "background")}
    for name, value in yields.items():
        if value < max(1.0, 1e-4 * events):
            other = next(n for n in yields if n != name)
            cure = (
                "Is the peak in the range? Give another range, another model, or start values: start={'mu': ...}"
                if name == "signal"
                else "If there is none, no weights are needed; else widen the range to both sides of the peak"
            )
            what = f"no {name} ({value:.3g}; {other} {yields[other]:.5g})"
            msg = f"the fit of {model} to {events} events finds {what}. {cure}"
            raise FitError(msg)


def _require_valid(fitted: Any, model: Model, events: int) -> None:
    """Raise `FitError` if migrad did not arrive, or the curvature there is not positive."""
    if fitted.valid and fitted.accurate:
        return
    how = (
        "it ran out of calls" if fitted.fmin.has_reached_call_limit
        else "the curvature at the minimum is not positive" if fitted.valid
        else f"the estimated distance to the minimum is {fitted.fmin.edm:.2g}"
    )  # fmt: skip
    at = ", ".join(f"{n}={fitted.values[n]:.4g}" for n in fitted.parameters)
    msg = (
        f"the fit of {model} to {events} events did not converge: {how}, at {at}. Take a simpler model or a range "
        "around the peak, give starting values (start), or fix what the data do not determine (fix)"
    )
    raise FitError(msg)


def _goodness(
    x: Array, model: Model, ends: tuple[float, float], values: Sequence[float], signal: float, fitted: int
) -> Goodness:
    """Pearson's chi2; bins hold equally many expected events, so that none is empty."""
    from scipy import stats

    low, high = ends
    bins = int(np.clip(len(x) // PER_BIN, fitted + 2, 100))
    grid = np.linspace(low, high, 20_001)
    peak, smooth = model.densities((grid[1:] + grid[:-1]) / 2, low, high, values)
    share = np.concatenate([[0.0], np.cumsum(signal * peak + (len(x) - signal) * smooth)])
    edges = np.interp(np.linspace(0, share[-1], bins + 1), share, grid)
    edges[0], edges[-1] = low, high
    counts, expected = np.histogram(x, edges)[0], len(x) / bins
    chi2, dof = float(((counts - expected) ** 2 / expected).sum()), bins - fitted
    return Goodness(chi2, dof, float(stats.chi2.sf(chi2, dof)))
