"""How well an ensemble knows a quantity: the spread of its members, calibrated on held-out events."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, RangeWarning
from facsim.events import Events
from facsim.runtime.members import Member, members
from facsim.sampler import as_conditions

__all__ = ["Spread", "held_out", "held_out_all", "joined", "spread"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]
Quantity = str | Callable[[Events], ArrayLike]

LARGEST = 1e3  # factor


@dataclass(frozen=True)
class Spread:
    """What members say about the mean of a quantity, bin by bin.

    Parameters
    ----------
    values : array (members, bins)
        Mean of the quantity by each member; NaN where a bin has no weight.
    spread : array (bins,)
        Standard deviation over members, without what finite samples add to it.
    statistical : array (bins,)
        Statistical error of the mean over members; with truth, of its difference from the truth.
    truth : array (bins,), optional
        Mean of the quantity in held-out events.
    factor : float
        By which the spread is multiplied; see `calibrated`.
    """

    values: Array = field(repr=False)
    spread: Array
    statistical: Array
    truth: Array | None = None
    factor: float = 1.0

    @property
    def mean(self) -> Array:
        """What the mixture says."""
        return np.asarray(self.values.mean(0))

    @property
    def sigma(self) -> Array:
        """Uncertainty of the model: the spread times the factor."""
        return self.factor * self.spread

    @property
    def error(self) -> Array:
        """Uncertainty with the statistical one."""
        return np.hypot(self.sigma, self.statistical)

    @property
    def pulls(self) -> Array:
        """Truth minus mean in units of the error; without bins that have no weight."""
        if self.truth is None:
            msg = "this spread was made without truth: pulls and coverage need held_out(ensemble, events, ...)"
            raise DataError(msg)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = (self.truth - self.mean) / self.error
        return np.asarray(found[np.isfinite(found)])

    def scaled(self, factor: float) -> Spread:
        """The same with another factor, such as that found on other events."""
        return replace(self, factor=factor)

    def of_bins(self, bins: ArrayLike) -> Spread:
        """The same for some of the bins: their numbers, or a mask."""
        one = np.asarray(bins)
        truth = None if self.truth is None else self.truth[one]
        return replace(
            self, values=self.values[:, one], spread=self.spread[one], statistical=self.statistical[one], truth=truth
        )

    def pooled(self, share: float = 0.5) -> Spread:
        r"""The same with every variance drawn towards their mean over bins.

        .. math:: \sigma_b^2 \to (1 - s)\, \sigma_b^2 + s\, \overline{\sigma^2}

        K members tell the variance of one bin to :math:`\sqrt{2/(K-1)}`, 71 % for five, and it may come out as nothing
        where they agree by chance: then no factor helps there (`calibrated`). The mean is known better. Variances of
        few repetitions are treated so elsewhere (Smyth, Stat. Appl. Genet. Mol. Biol. 3 (2004) 3). Pool bins of one
        quantity, and leave out bins without data, whose spread is of another kind.

        Raises
        ------
        DataError
            If the share is not between 0 and 1.
        """
        if not 0 <= share <= 1:
            msg = f"share={share}: must be between 0, every bin for itself, and 1, one variance for all bins"
            raise DataError(msg)
        square = self.spread**2
        return replace(self, spread=np.sqrt((1 - share) * square + share * np.nanmean(square)))

    def calibrated(self) -> Spread:
        r"""The same with the factor s that gives the pulls unit width.

        .. math:: \frac1B \sum_b \frac{(q_b - \bar q_b)^2}{s^2 \sigma_b^2 + \sigma_{\mathrm{stat},b}^2} = 1

        Where the statistical errors alone are enough, held-out events do not say how wrong the model is: the factor
        then stays 1, and a warning is logged.

        Raises
        ------
        DataError
            If there is no truth, or if members agree in bins where they are wrong, so that no factor helps.
        """
        from scipy.optimize import brentq

        def excess(factor: float) -> float:
            return float(np.mean(self.scaled(factor).pulls ** 2)) - 1

        if excess(0.0) <= 0:
            log.warning("held-out events do not resolve the error of the model: its spread stays as it is")
            return self.scaled(1.0)
        if excess(LARGEST) > 0:
            msg = (
                f"even {LARGEST:g} times the spread leaves pulls wider than 1: the members agree where they are wrong. "
                "Fit more of them, to bootstrap samples or with another recipe; in single bins it may be chance: "
                "pool bins, as in spread.pooled().calibrated()"
            )
            raise DataError(msg)
        return self.scaled(float(brentq(excess, 0.0, LARGEST)))

    def coverage(self, width: float = 1.0) -> tuple[float, float]:
        """Share of bins whose truth is within `width` errors of the mean, and the share's binomial error.

        One error should hold 68.3 %.
        """
        inside = np.abs(self.pulls) <= width
        share = float(inside.mean())
        return share, float(np.sqrt(max(share * (1 - share), 1 / (4 * len(inside))) / len(inside)))


def spread(
    ensemble: Any,
    conditions: ArrayLike | Events | Mapping[str, ArrayLike],
    quantity: Quantity,
    bins: ArrayLike | None = None,
    *,
    weights: ArrayLike | None = None,
    seed: int = 0,
) -> Spread:
    r"""How much the members of an ensemble disagree about the mean of a quantity.

    All members get the same conditions and the same noise. With :math:`e_{ki}` the deviation of member k from the mean
    of all in event i, and :math:`E_k` its weighted mean in a bin,

    .. math:: \sigma^2 = \frac{1}{K-1} \sum_k \Big( E_k^2 - \frac{\sum_i w_i^2 (e_{ki} - E_k)^2}{(\sum_i w_i)^2} \Big),

    or 0 if that is negative: the second term is what finite samples add.

    Parameters
    ----------
    ensemble : sampler
        A fitted ensemble of any family, or an exported one.
    conditions : Events, mapping or array
        See `facsim.sampler.as_conditions`.
    quantity : str or callable
        Name of a block of one number, or a function of `Events` that gives numbers (n,): ``lambda e: e["PIDK"] > 0``
        for an efficiency, ``lambda e: e["DLL"] ** 2`` for a second moment.
    bins : array (n,) of int, optional
        Bin of every event, from 0; a negative number leaves it out. By default all are in one.
    weights : array (n,), optional
        Of the events, perhaps negative; by default those of `conditions`, if these are events.
    seed : int, optional

    Raises
    ------
    CapabilityError
        If it is no ensemble.
    DataError
        If shapes do not fit.

    Examples
    --------
    >>> found = spread(model, tracks, lambda e: e["PIDK"] > 0, bins)  # doctest: +SKIP
    >>> found.mean, found.scaled(1.7).sigma  # doctest: +SKIP
    """
    if weights is None and isinstance(conditions, Events):
        weights = conditions.weights
    drawn = _drawn(ensemble, as_conditions(conditions, ensemble.schema), {"": quantity}, seed)[""]
    n = drawn.shape[1]
    return _spread(drawn, np.ones(n) if weights is None else np.asarray(weights, np.float64), _binned(bins, n))


def held_out(
    ensemble: Any, events: Events, quantity: Quantity, bins: ArrayLike | None = None, *, seed: int = 0
) -> Spread:
    """The spread beside the truth of events that no member was fitted to; parameters as for `spread`.

    The ensemble draws under the conditions of the events, so the statistical error is that of the differences event by
    event. `Spread.calibrated`, `Spread.coverage` and `Spread.pulls` judge the result.
    """
    return held_out_all(ensemble, events, {"": quantity}, bins, seed=seed)[""]


def held_out_all(
    ensemble: Any,
    events: Events,
    quantities: Mapping[str, Quantity],
    bins: ArrayLike | None = None,
    *,
    seed: int = 0,
) -> dict[str, Spread]:
    """`held_out` for several quantities by name, of events that are drawn once.

    Examples
    --------
    >>> found = held_out_all(model, tracks, {"k": lambda e: e["DLLk"] > 0, "p": "DLLp"}, bins)  # doctest: +SKIP
    >>> joined([found["k"], found["p"]]).calibrated().coverage()  # doctest: +SKIP
    """
    conditions, number = as_conditions(events, ensemble.schema), _binned(bins, len(events))
    w = np.ones(len(events)) if events.weights is None else events.weights
    out = {}
    for name, drawn in _drawn(ensemble, conditions, quantities, seed).items():
        truth, found = _quantity(events, quantities[name]), _spread(drawn, w, number)
        error = _mean(truth - drawn.mean(0), w, number)[1]
        out[name] = replace(found, truth=_mean(truth, w, number)[0], statistical=error)
    return out


def joined(found: Sequence[Spread]) -> Spread:
    """One spread with the bins of several, of the same ensemble: for one factor, and one coverage, of many quantities.

    Raises
    ------
    DataError
        If some have truth and others do not, or their factors differ.
    """
    truths = [s.truth for s in found if s.truth is not None]
    if len(truths) not in {0, len(found)} or len({s.factor for s in found}) != 1:
        msg = "spreads to join need one factor, and truth in all or in none"
        raise DataError(msg)
    return Spread(
        np.concatenate([s.values for s in found], axis=1),
        np.concatenate([s.spread for s in found]),
        np.concatenate([s.statistical for s in found]),
        np.concatenate(truths) if truths else None,
        found[0].factor,
    )


def _drawn(
    ensemble: Any, conditions: NDArray[np.float32], quantities: Mapping[str, Quantity], seed: int
) -> dict[str, Array]:
    """Every quantity by every member (members, n)."""
    count = max(members(ensemble), 1)  # of no ensemble the first member says so
    out: dict[str, list[Array]] = {name: [] for name in quantities}
    with warnings.catch_warnings():  # beyond the training range is where a spread is asked for
        warnings.simplefilter("ignore", RangeWarning)
        for k in range(count):
            sample = Member(ensemble, k).sample(conditions, seed=seed)
            for name, quantity in quantities.items():
                out[name].append(_quantity(sample, quantity))
    return {name: np.stack(values) for name, values in out.items()}


def _spread(drawn: Array, weights: Array, number: NDArray[np.int64]) -> Spread:
    values, middle = np.stack([_mean(q, weights, number)[0] for q in drawn]), drawn.mean(0)
    square = np.zeros(values.shape[1])
    for q in drawn:
        mean, error = _mean(q - middle, weights, number)
        square += mean**2 - error**2
    sigma = np.sqrt(np.maximum(square, 0) / (len(drawn) - 1))
    return Spread(values, np.asarray(sigma), _mean(middle, weights, number)[1])


def _quantity(events: Events, quantity: Quantity) -> Array:
    values = np.asarray(events[quantity] if isinstance(quantity, str) else quantity(events), np.float64)
    if values.shape != (len(events),) or not np.isfinite(values).all():
        msg = f"the quantity has shape {values.shape}: one finite number per event, ({len(events)},), is needed"
        raise DataError(msg)
    return values


def _binned(bins: ArrayLike | None, n: int) -> NDArray[np.int64]:
    number = np.zeros(n, np.int64) if bins is None else np.asarray(bins)
    if number.shape != (n,) or number.dtype.kind not in "iu" or not (number >= 0).any():
        msg = f"bins have shape {number.shape} and type {number.dtype}: a whole number for each of {n} events is needed"
        raise DataError(msg)
    return number.astype(np.int64)


def _mean(values: Array, weights: Array, number: NDArray[np.int64]) -> tuple[Array, Array]:
    """Weighted mean in every bin, and its statistical error; NaN without a positive sum of weights."""
    inside = number >= 0
    size = int(number.max()) + 1
    values, weights, number = values[inside], weights[inside], number[inside]

    def total(terms: Array) -> Array:
        return np.asarray(np.bincount(number, terms, size), np.float64)

    sums = total(weights)
    sums = np.where(sums > 0, sums, np.nan)
    mean = total(weights * values) / sums
    error = np.sqrt(total(weights**2 * (values - mean[number]) ** 2)) / sums
    return mean, error
