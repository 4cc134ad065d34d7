"""From a file with a mass peak to sWeights and their checks, and to the same file with the weights."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim import io
from facsim.errors import DataError, FitWarning, SchemaMismatch, nearest
from facsim.events import Events
from facsim.io.selection import all_blocks
from facsim.metrics.samples import effective_size
from facsim.schema import Block, Schema
from facsim.sweights.fit import MassFit, fit_mass
from facsim.sweights.independence import Independence, independence
from facsim.sweights.weights import sweights

__all__ = ["SPlot", "weigh"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]
StrPath = str | os.PathLike[str]

BATCH = 4096
NUMBERS = 1 << 25  # of control variables in memory at a time
POOR = 1e-3
"""p-value below which the fit is said not to describe the spectrum."""
DEPENDENT = 0.01
"""The same for a control variable, divided by the number of these: one false alarm in a hundred files."""
SIGNIFICANT = 3.0
SPECTRUM_BINS = 100


@dataclass(frozen=True)
class SPlot:
    """sWeights of events, the fit they come from, and their checks.

    Parameters
    ----------
    mass : str
        Name of the fitted column.
    unit : str
        Of it.
    fit : MassFit
    weights : array (n,)
        Of the events within the range, in their order.
    inside : array (m,)
        Which of the file's events are within the range.
    controls : mapping of str to Independence
        Test of every control variable, the worst first.
    warnings : tuple of str
        What should be looked at before the weights are used.
    spectrum : mapping
        Bin edges, counts, and expected peak and background, for a figure.
    """

    mass: str
    unit: str
    fit: MassFit
    weights: Array = field(repr=False)
    inside: NDArray[np.bool_] = field(repr=False)
    controls: Mapping[str, Independence]
    warnings: tuple[str, ...]
    spectrum: Mapping[str, list[float]] = field(repr=False)

    def apply(self, events: Events) -> Events:
        """The events within the range, with their weights.

        Raises
        ------
        DataError
            If these are not as many events as were weighed.
        """
        if len(events) != len(self.inside):
            msg = f"{len(events)} events, but {len(self.inside)} were weighed: give the same ones, in their order"
            raise DataError(msg)
        return events[self.inside].with_weights(self.weights)

    def to_json(self) -> dict[str, Any]:
        """Everything but the weights, in plain values."""
        return {
            "mass": self.mass,
            "unit": self.unit,
            **self.fit.to_json(),
            "weights": {
                "events": len(self.weights),
                "outside": int((~self.inside).sum()),
                "sum": float(self.weights.sum()),
                "effective": effective_size(len(self.weights), self.weights),
                "negative": float((self.weights < 0).mean()),
                "min": float(self.weights.min()),
                "max": float(self.weights.max()),
            },
            "controls": {name: asdict(test) for name, test in self.controls.items()},
            "warnings": list(self.warnings),
            "spectrum": dict(self.spectrum),
        }


def weigh(
    data: StrPath | Sequence[StrPath] | Events,
    mass: str,
    *,
    model: str = "gauss+exp",
    range: tuple[float, float] | None = None,  # noqa: A002 - what numpy.histogram calls it
    start: Mapping[str, float] | None = None,
    fix: Mapping[str, float] | None = None,
    controls: Iterable[str] | None = None,
    output: StrPath | None = None,
    name: str = "sweight",
    progress: Callable[[int, int], None] | None = None,
) -> SPlot:
    """Fit the mass, weigh every event, test the control variables, and write the file; see `facsim.api.splot`."""
    table = _Table(data, mass)
    if output is not None:
        _require_place(table, data, Path(output), name)
    values = table.columns([mass])[mass]
    fit = fit_mass(values, model, range=range, start=start, fix=fix)
    inside = (values >= fit.low) & (values <= fit.high)
    x = values[inside]
    weights = sweights(*fit.densities(x), fit.signal, fit.background)
    names = table.controls(controls)
    chance = fit.signal_chance(x)
    tests: dict[str, Independence] = {}
    group = max(1, NUMBERS // len(values))
    for first in np.arange(0, len(names), group):
        columns = table.columns(names[first : first + group])
        tests |= {n: independence(x, chance, t[inside]) for n, t in columns.items() if len(x) >= 150}
    ordered = dict(sorted(tests.items(), key=lambda item: item[1].pvalue))
    found = SPlot(mass, table.block.unit, fit, weights, inside, ordered, _doubts(fit, ordered, mass), _spectrum(fit, x))
    for words in found.warnings:
        warnings.warn(words, FitWarning, stacklevel=3)
    if output is not None:
        _write(found, table, Path(output), name, progress)
    return found


class _Table:
    """Columns of a file or of events in memory."""

    def __init__(self, data: StrPath | Sequence[StrPath] | Events, mass: str) -> None:
        self.data, self.origin = data, "the events" if isinstance(data, Events) else str(data)
        if isinstance(data, Events):
            self.schema, weighted = data.schema, data.weights is not None
            block = next((b for b in data.schema.features + data.schema.conditions if b.name == mass), None)
            if block is None:
                known = [b.name for b in data.schema.features + data.schema.conditions]
                msg = f"no block '{mass}' among {known}.{nearest(mass, known)}"
                raise SchemaMismatch(msg)
        else:
            with io.open(data, features=[mass], conditions=()) as reader:
                (block,), weighted = reader.schema.features, reader.weighted
            with io.open(data, features=all_blocks(data)) as reader:
                self.schema = reader.schema
        if block.size != 1:
            msg = f"{self.origin}: '{mass}' has {block.size} numbers per event; the mass is one: choose a column"
            raise DataError(msg)
        if weighted:
            msg = f"{self.origin}: the events have weights, and the fit counts events: give the file without weights"
            raise DataError(msg)
        self.block: Block = block

    def controls(self, wanted: Iterable[str] | None) -> list[str]:
        """Names of the control variables: the wanted ones, or every column of one number beside the mass."""
        if wanted is not None:
            return list(wanted)
        return [b.name for b in _blocks(self.schema) if b.size == 1 and b.name != self.block.name]

    def columns(self, names: Sequence[str]) -> dict[str, Array]:
        """Columns (n,) by name."""
        if isinstance(self.data, Events):
            found = {n: self.data[n] for n in names}
        else:
            with io.open(self.data, features=list(names), conditions=()) as reader:
                events = reader.read()
            found = {n: events[n] for n in names}
        wide = [n for n, values in found.items() if values[:1].size > 1]
        if wide:
            msg = f"{self.origin}: '{wide[0]}' has several numbers per event: define a column of one (--define) to test"
            raise DataError(msg)
        return {n: values.reshape(len(values)).astype(np.float64) for n, values in found.items()}


def _blocks(schema: Schema) -> tuple[Block, ...]:
    return schema.features + schema.conditions


def _doubts(fit: MassFit, tests: Mapping[str, Independence], mass: str) -> tuple[str, ...]:
    """Sentences about what should be looked at, with the cure."""
    out = []
    if fit.goodness.pvalue < POOR:
        out.append(
            f"{fit.model} does not describe '{mass}': chi2 = {fit.goodness.chi2:.1f} for {fit.goodness.dof} degrees of "
            f"freedom, p {_chance(fit.goodness.pvalue)}. Look at the figure; take another model (2gauss, cb, poly2) or "
            "a narrower range"
        )
    for kind in ("signal", "background"):
        value, error = getattr(fit, kind), getattr(fit, f"{kind}_error")
        if value < SIGNIFICANT * error:
            out.append(
                f"the yield of the {kind}, {value:.1f} ± {error:.1f}, is not clear of zero: weights of so little mean "
                "nothing. Take more events, or fix the shapes (fix)"
            )
    out += [
        f"parameter {name} = {fit.values[name]:.4g} is at its limit and was fixed there: take a model without it, or "
        "fix it where other knowledge has it"
        for name in fit.at_limit
    ]
    out += [
        f"'{name}' depends on '{mass}' within signal or background (p {_chance(test.pvalue)}): its weighted "
        "distribution is not the signal's. Leave it out, fit in bins of it, or take a narrower range"
        for name, test in tests.items()
        if test.pvalue * len(tests) < DEPENDENT
    ]
    return tuple(out)


def _chance(pvalue: float) -> str:
    return f"= {pvalue:.2g}" if pvalue > 1e-12 else "< 1e-12"


def _spectrum(fit: MassFit, x: Array) -> dict[str, list[float]]:
    counts, edges = np.histogram(x, SPECTRUM_BINS, (fit.low, fit.high))
    fine = np.linspace(fit.low, fit.high, 8 * SPECTRUM_BINS + 1)
    peak, smooth = (
        d.reshape(SPECTRUM_BINS, 8).mean(1) * (edges[1] - edges[0]) for d in fit.densities((fine[1:] + fine[:-1]) / 2)
    )
    return {
        "edges": edges.tolist(),
        "counts": counts.astype(float).tolist(),
        "signal": (fit.signal * peak).tolist(),
        "background": (fit.background * smooth).tolist(),
    }


def _require_place(table: _Table, data: Any, output: Path, name: str) -> None:
    """What would go wrong after minutes of fitting is said before."""
    if name in {b.name for b in _blocks(table.schema)}:
        msg = f"{table.origin}: has a column '{name}' already: give the weights another name"
        raise DataError(msg)
    if isinstance(data, (str, os.PathLike)) and Path(data).resolve() == output.resolve():
        msg = f"{output}: is the file to be read; write the weighted events to another one"
        raise DataError(msg)


def _write(found: SPlot, table: _Table, output: Path, name: str, progress: Callable[[int, int], None] | None) -> None:
    """Write the events within the range with their weights, in pieces."""
    summary = {k: v for k, v in found.to_json().items() if k != "spectrum"}
    if isinstance(table.data, Events):
        form = {"layout": "root", "weights": name}
        io.write(output, found.apply(table.data), attrs={"splot": summary}, form=form)
        return
    with io.open(table.data, features=all_blocks(table.data)) as reader:
        form = {"layout": "root", **reader.form, "weights": name}
        done, at = 0, 0
        with io.create(output, reader.schema, attrs={**reader.attrs, "splot": summary}, form=form) as writer:
            for events in reader.batches(BATCH):
                keep = found.inside[done : done + len(events)]
                done += len(events)
                many = int(keep.sum())
                writer.append(events[keep].with_weights(found.weights[at : at + many]))
                at += many
                if progress is not None:
                    progress(done, len(reader))
    if found.mass in {b.name for b in _blocks(reader.schema)}:
        log.info(
            "%s keeps '%s': leave it out where a model is fitted (--features), since the weights depend on it",
            output,
            found.mass,
        )
