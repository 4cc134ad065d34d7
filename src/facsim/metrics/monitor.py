"""Watching a running production: a test against a reference that may be looked at any time, in bounded memory."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError, FileFormatError, WeightError
from facsim.events import Events
from facsim.files import atomic
from facsim.metrics.monitor_result import MonitorResult, MonitorRow
from facsim.metrics.samples import Array, as_sample, require_non_negative
from facsim.metrics.sequential import block_numbers, log_evidence, reference_blocks
from facsim.observables import compute
from facsim.observables.showers import incident_energy, response

__all__ = ["Monitor"]

FEWEST_REFERENCE = 100
CHECKS_PER_WINDOW = 10
FORMAT = 1
OF_REFERENCE = ("cuts", "cut_ties", "size", "points", "means", "reference")
OF_STREAM = ("counts", "window_counts", "closed", "highest", "sums")


class Monitor:
    """Test a stream of events against a reference, batch by batch.

    Parameters
    ----------
    reference : Events, or mapping of name to array (n,)
        Truth, or the validated first events of the production, at least 100 events at the conditions of the stream;
        it is not kept. Of `Events` the observables are used, and the response where there is an incident energy.
    alpha : float, optional
        Chance that a stream of the truth ever raises an alarm, however long it runs and however often one looks.
    window : int, optional
        A drift that starts late would drown in the good events before it. Besides the whole run, each stretch of so
        many events is therefore tested for itself.
    largest_weight : float, optional
        For weighted events: no weight of the stream may exceed it. Events are then kept with probability
        weight / largest_weight, which gives unweighted events of the same distribution. Default: weights are refused.
    weights : array (n,), optional
        Of a reference given as arrays; taken into account likewise.
    seed : int, optional
        Orders equal values, and keeps weighted events.

    Notes
    -----
    Repeated looks at an ordinary p-value raise false alarms without limit. Here each observable has an e-value
    (`facsim.metrics.sequential.log_evidence`), half from the whole run and half from the windows, the j-th with weight
    1/(j (j + 1)); an alarm is raised when the mean over the observables reaches 1/alpha. All of this is exact for
    independent events of any distribution, with the finite size of the reference. Evidence is weighed every
    ``window / 10`` events, independent of how the stream is cut into batches. Memory: about 3 kB per observable.
    Blind to correlations between observables, and to drifts of less than about 1 % in the shares of the blocks.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> monitor = Monitor({"mass": rng.normal(91, 3, 5000)})
    >>> for _ in range(10):
    ...     monitor.update({"mass": rng.normal(91, 3, 500)})
    >>> monitor.result().alarm
    False
    >>> for _ in range(10):
    ...     monitor.update({"mass": rng.normal(92, 3, 500)})
    >>> monitor.result().alarm_at
    5500
    """

    def __init__(
        self,
        reference: Events | Mapping[str, ArrayLike],
        *,
        alpha: float = 0.01,
        window: int = 5000,
        largest_weight: float | None = None,
        weights: ArrayLike | None = None,
        seed: int = 0,
    ) -> None:
        if not 0 < alpha < 1 or window < 2 * CHECKS_PER_WINDOW:
            msg = f"alpha={alpha}, window={window}: need 0 < alpha < 1 and a window of at least {2 * CHECKS_PER_WINDOW}"
            raise DataError(msg)
        table = _table(reference)
        given = reference.weights if isinstance(reference, Events) else weights
        n = len(next(iter(table.values()))) if table else 0
        kept = np.ones(n, bool)
        if given is not None:
            w = _checked_weights(given, n)
            kept = np.random.default_rng([seed, 0x3EF0]).random(n) * w.max() < w
        if kept.sum() < FEWEST_REFERENCE:
            msg = f"the reference has {int(kept.sum())} events (after its weights): at least {FEWEST_REFERENCE} needed"
            raise DataError(msg)
        self.names = tuple(table)
        self.alpha, self.window, self.largest_weight, self.seed = alpha, window, largest_weight, seed
        columns = [column[kept] for column in table.values()]
        ties = [np.random.default_rng([seed, k, 0x71E5]).random(len(c)) for k, c in enumerate(columns)]
        blocks = [reference_blocks(c, t) for c, t in zip(columns, ties, strict=True)]
        cuts, cut_ties, size = (np.array(part) for part in zip(*blocks, strict=True))
        ends = np.array([[c.min(), c.max()] for c in columns])
        means = [_block_means(*each) for each in zip(columns, ties, cuts, cut_ties, strict=True)]
        self._state: dict[str, Array] = {
            "cuts": cuts,
            "cut_ties": cut_ties,
            "size": size,
            "counts": np.zeros_like(size),
            "window_counts": np.zeros_like(size),
            "closed": np.zeros(len(size)),  # evidence of the windows that ended
            "highest": np.zeros(len(size) + 1),  # logarithm of the largest evidence so far; the last one is of the mean
            "points": np.column_stack([ends[:, 0], cuts, ends[:, 1]]),
            "means": np.array(means),
            "reference": np.array([[c.mean(), c.std(ddof=1)] for c in columns]),
            "sums": np.zeros((2, len(size))),  # of the stream, relative to the reference's mean and spread
        }
        self._events = self._offered = 0
        self._alarm_at: int | None = None

    def update(self, batch: Events | Mapping[str, ArrayLike], weights: ArrayLike | None = None) -> None:
        """Take the next events of the stream.

        Parameters
        ----------
        batch : Events, or mapping of name to array
            The same observables as the reference.
        weights : array, optional
            Of arrays (`Events` carry theirs); see `largest_weight`.

        Raises
        ------
        DataError
            If observables are missing, not finite, or of different length.
        WeightError
            If weights are negative, above `largest_weight`, or that is not set.
        """
        table = _table(batch)
        if set(table) != set(self.names):
            missing, unknown = sorted(set(self.names) - set(table)), sorted(set(table) - set(self.names))
            msg = f"the batch must hold the reference's observables; missing {missing}, unknown {unknown}"
            raise DataError(msg)
        columns = np.array([table[name] for name in self.names])
        kept = self._thin(batch.weights if isinstance(batch, Events) else weights, columns.shape[1])
        columns = columns[:, kept]
        state, n = self._state, columns.shape[1]
        numbers = np.empty(columns.shape, np.intp)
        for k, column in enumerate(columns):
            ties = _uniform([self.seed, k, 0x57E4], self._events, n)
            numbers[k] = block_numbers(column, ties, state["cuts"][k], state["cut_ties"][k])
        mean, spread = state["reference"].T[:, :, None]
        scaled = (columns - mean) / np.where(spread > 0, spread, 1.0)
        state["sums"] += [scaled.sum(axis=1), (scaled**2).sum(axis=1)]
        stride, start = self.window // CHECKS_PER_WINDOW, 0
        while start < n:
            stop = min(n, start + stride - self._events % stride)
            for k in range(len(columns)):
                state["window_counts"][k] += np.bincount(numbers[k, start:stop], minlength=state["size"].shape[1])
            self._events += stop - start
            start = stop
            if self._events % stride == 0:
                self._weigh()

    def result(self) -> MonitorResult:
        """Look at the state; does not change it."""
        state, n = self._state, self._events
        highest = state["highest"]
        if n:
            highest = np.maximum(highest, self._evidence())
        pvalues = np.exp(-highest)
        seen = bool(pvalues[-1] <= self.alpha)
        rows = {}
        for k in np.argsort(pvalues[:-1], kind="stable"):
            mean, spread = state["reference"][k]
            first, second = state["sums"][:, k] / max(n, 1)
            rows[self.names[k]] = MonitorRow(
                *self._distances(int(k)),
                mean=float(mean + first * (spread if spread > 0 else 1.0)),
                spread=float(np.sqrt(max(0.0, second - first**2)) * (spread if spread > 0 else 1.0)),
                reference_mean=float(mean),
                reference_spread=float(spread),
                pvalue=float(pvalues[k]),
                alarm=bool(pvalues[k] <= self.alpha / len(self.names)),
            )
        alarm_at = self._alarm_at if self._alarm_at is not None else (n if seen else None)
        return MonitorResult(n, seen, alarm_at, float(pvalues[-1]), rows)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state to an ``.npz`` file, from which `load` goes on."""
        meta = {name: getattr(self, name) for name in ("names", "alpha", "window", "largest_weight", "seed")}
        meta |= {"format": FORMAT, "events": self._events, "offered": self._offered, "alarm_at": self._alarm_at}
        with atomic(path) as temporary, temporary.open("wb") as file:
            np.savez(file, meta=np.array(json.dumps(meta)), **self._state)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Monitor:
        """Read a state that `save` wrote.

        Raises
        ------
        FileFormatError
            If the file is none.
        """
        try:
            # opened here, since numpy leaves a broken file open
            with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                meta = json.loads(str(file["meta"]))
                version = meta["format"]
                self = cls.__new__(cls)
                self.names = tuple(meta["names"])
                self.alpha, self.window, self.seed = meta["alpha"], meta["window"], meta["seed"]
                self.largest_weight = meta["largest_weight"]
                self._events, self._offered, self._alarm_at = meta["events"], meta["offered"], meta["alarm_at"]
                self._state = {name: file[name] for name in OF_REFERENCE + OF_STREAM}
            self.result()  # arrays that do not belong together show here
        except (OSError, EOFError, LookupError, ValueError, TypeError, AttributeError, BadZipFile, zlib.error) as error:
            msg = f"{path}: not the state of a monitor, or not all of it ({error}). Begin anew with the reference"
            raise FileFormatError(msg) from error
        if version != FORMAT:
            msg = f"{path}: a monitor of format {version}, this version reads {FORMAT}. Begin anew with the reference"
            raise FileFormatError(msg)
        return self

    def _weigh(self) -> None:
        """Update the largest evidence, and begin a new window if one is full."""
        state = self._state
        state["highest"] = np.maximum(state["highest"], self._evidence())
        if self._alarm_at is None and state["highest"][-1] >= -np.log(self.alpha):
            self._alarm_at = self._events
        if self._events % self.window == 0:
            state["closed"] += self._window_share()
            state["counts"] += state["window_counts"]
            state["window_counts"] = np.zeros_like(state["window_counts"])

    def _evidence(self) -> Array:
        """Logarithm of the evidence of each observable, and of their mean."""
        state = self._state
        total = state["counts"] + state["window_counts"]
        whole = log_evidence(total, state["size"], state["size"])
        # windows to come have evidence 1 and together the weight 1 / (j + 1)
        windows = np.log(state["closed"] + self._window_share() + 1 / (self._window_number() + 1))
        each = np.logaddexp(whole, windows) - np.log(2)
        return np.append(each, np.logaddexp.reduce(each) - np.log(len(each)))

    def _window_number(self) -> int:
        return int(self._state["counts"][0].sum()) // self.window + 1

    def _window_share(self) -> Array:
        """Evidence of the current window, times its weight."""
        state, j = self._state, self._window_number()
        found = log_evidence(state["window_counts"], state["size"] + state["counts"], state["size"])
        return np.asarray(np.exp(np.minimum(found, 600)) / (j * (j + 1)))

    def _distances(self, k: int) -> tuple[float, float, float]:
        """W1, its floor, and KS of one observable on the reference's quantiles."""
        state, n = self._state, self._events
        expected = np.concatenate([[0.0], np.cumsum(state["size"][k])]) / state["size"][k].sum()
        counts = state["counts"][k] + state["window_counts"][k]
        gap = np.abs(np.concatenate([[0.0], np.cumsum(counts)]) / max(n, 1) - expected) if n else 0 * expected
        noise = np.sqrt(2 / np.pi * (1 / max(n, 1) + 1 / state["size"][k].sum()) * expected * (1 - expected))
        # inside a block a difference counts as linear in F, whose integral only needs the reference's mean there
        after, before = np.diff(state["points"][k]), state["means"][k] - state["points"][k][:-1]
        w1, floor = (float(before @ y[:-1] + (after - before) @ y[1:]) for y in (gap, noise))
        return w1, floor, float(gap.max())

    def _thin(self, weights: ArrayLike | None, n: int) -> Any:
        """Keep each event with a probability proportional to its weight."""
        chance = _uniform([self.seed, 0x7415], self._offered, n)
        self._offered += n
        if weights is None:
            return np.ones(n, bool)
        w = _checked_weights(weights, n)
        if self.largest_weight is None or w.max(initial=0.0) > self.largest_weight:
            msg = (
                f"weights up to {w.max(initial=0.0):g}, but largest_weight={self.largest_weight}. Give Monitor the "
                "largest weight that the production can have, or monitor unweighted events"
            )
            raise WeightError(msg)
        return chance * self.largest_weight < w


def _table(sample: Events | Mapping[str, ArrayLike]) -> dict[str, Array]:
    """Observables by name, checked."""
    if isinstance(sample, Events):
        found = dict(compute(sample))
        energy = incident_energy(sample)
        if energy is not None and "E_tot" in found:
            found["response"] = response(found["E_tot"], energy)
    else:
        found = {name: np.asarray(values, np.float64) for name, values in sample.items()}
    lengths = {len(np.atleast_1d(values)) for values in found.values()}
    if len(lengths) != 1:
        msg = f"observables must have one length, there are {sorted(lengths)}"
        raise DataError(msg)
    return {name: values if lengths == {0} else as_sample(values, name) for name, values in found.items()}


def _block_means(column: Array, ties: Array, cuts: Array, cut_ties: Array) -> Array:
    number = block_numbers(column, ties, cuts, cut_ties)
    return np.asarray(np.bincount(number, column, len(cuts) + 1) / np.bincount(number, minlength=len(cuts) + 1))


def _uniform(seed: list[int], start: int, n: int) -> Array:
    """Random numbers of the events from `start` on: an event has the same one, whatever its batch."""
    return np.random.Generator(np.random.PCG64(seed).advance(start)).random(n)


def _checked_weights(weights: ArrayLike, n: int) -> Array:
    cure = "Monitor the events that the background subtraction starts from"
    require_non_negative(weights, "weights", "a running test", cure)
    w = np.asarray(weights, np.float64)
    if w.shape != (n,) or not np.isfinite(w).all():
        msg = f"need {n} finite weights, got shape {w.shape}"
        raise WeightError(msg)
    return w
