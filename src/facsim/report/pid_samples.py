"""What the evaluation of particle identification works on: which conditions, and the tracks of one species."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, SchemaMismatch, nearest
from facsim.events import Events
from facsim.metrics import Scored, Tracks
from facsim.observables.tables import column_names
from facsim.schema import Schema

__all__ = ["Binning", "Side", "Species"]

Array = NDArray[np.float64]

MOMENTUM = re.compile(r"(.*_)?(p|momentum|energy)", re.IGNORECASE)
PSEUDORAPIDITY = re.compile(r"(.*_)?(eta|pseudorapidity)", re.IGNORECASE)
OCCUPANCY = re.compile(r"n_?tracks.*|n_?spd.*|.*occupancy|.*multiplicity", re.IGNORECASE)
BINS = 6


@dataclass(frozen=True)
class Binning:
    """Conditions whose bins are judged.

    Parameters
    ----------
    names : (str, str)
        Such as momentum and pseudorapidity.
    bins : (int, int), optional
        How many.
    occupancy : str or None, optional
        Condition along which the response is followed.
    """

    names: tuple[str, str]
    bins: tuple[int, int] = (BINS, BINS)
    occupancy: str | None = None

    @classmethod
    def of(cls, given: str | Sequence[str] | None, schema: Schema) -> Binning | None:
        """Read ``"P,ETA"``, ``"P:6,ETA:4,nTracks"`` or the like; without, recognise the conditions by their names.

        Parameters
        ----------
        given : str or sequence of str, optional
            Two conditions, each with the number of its bins after a colon, and perhaps the occupancy.
        schema : Schema

        Returns
        -------
        Binning or None
            None if nothing is given, and the events have other features than numbers, or no conditions called like
            momentum and pseudorapidity.

        Raises
        ------
        SchemaMismatch, DataError
            If a name is unknown, or the text cannot be read.

        Examples
        --------
        >>> from facsim import Block
        >>> schema = Schema((Block("dll"),), (Block("P"), Block("ETA"), Block("nTracks", (), "count")))
        >>> Binning.of("P:8,ETA", schema)
        Binning(names=('P', 'ETA'), bins=(8, 6), occupancy='nTracks')
        >>> Binning.of(None, schema).names
        ('P', 'ETA')
        """
        known = [n for b in schema.conditions if b.kind != "category" for n in column_names(b)]
        occupancy = next((n for n in known if OCCUPANCY.fullmatch(n)), None)
        if given is None:
            if any(b.size > 1 for b in schema.features) or not schema.features:
                return None
            found = [next((n for n in known if kind.fullmatch(n)), None) for kind in (MOMENTUM, PSEUDORAPIDITY)]
            return None if found[0] is None or found[1] is None else cls((found[0], found[1]), occupancy=occupancy)
        parts = [p.strip().partition(":") for p in (given.split(",") if isinstance(given, str) else given)]
        names, counts = [name for name, _, _ in parts], [count for _, _, count in parts]
        if len(names) not in {2, 3} or len(set(names)) != len(names) or any(c and not c.isdecimal() for c in counts):
            msg = f"binning='{given}': write two conditions and perhaps the occupancy, such as 'P:6,ETA:6,nTracks'"
            raise DataError(msg)
        for name in names:
            if name not in known:
                msg = (
                    f"binning: no condition '{name}'; there are {known}.{nearest(name, known)} Columns become "
                    f"conditions with --conditions {','.join(names)}"
                )
                raise SchemaMismatch(msg)
        bins = tuple(int(c) if c else BINS for c in counts)
        if min(bins) < 1:
            msg = f"binning='{given}': at least one bin of each condition"
            raise DataError(msg)
        return cls((names[0], names[1]), (bins[0], bins[1]), names[2] if len(names) > 2 else occupancy)


@dataclass(frozen=True)
class Side:
    """Tracks of one sample.

    Parameters
    ----------
    features, conditions : dict of array (n,)
    weights : array (n,) or None
    """

    features: dict[str, Array]
    conditions: dict[str, Array]
    weights: Array | None

    @classmethod
    def of(cls, events: Events) -> Side:
        """Columns of events."""
        out = []
        for blocks, values in (
            (events.schema.features, events.features),
            (events.schema.conditions, events.conditions),
        ):
            names = [n for b in blocks for n in column_names(b)]
            out.append({n: c.astype(np.float64) for n, c in zip(names, values.T, strict=True)})
        return cls(out[0], out[1], events.weights)

    def __len__(self) -> int:
        return len(next(iter(self.conditions.values())))

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Side:
        """Some of the tracks."""
        features, conditions = ({n: c[rows] for n, c in part.items()} for part in (self.features, self.conditions))
        return Side(features, conditions, None if self.weights is None else self.weights[rows])

    def matrix(self) -> Array:
        """Features (n, d)."""
        return np.column_stack(list(self.features.values()))

    def places(self, binning: Binning) -> Array:
        """The two conditions of the bins (n, 2)."""
        return np.column_stack([self.conditions[n] for n in binning.names])

    def tracks(self, binning: Binning) -> Tracks:
        """For `facsim.metrics.usable_bins`."""
        return Tracks(self.matrix(), self.places(binning), self.weights)


@dataclass(frozen=True)
class Species:
    """One species, or all tracks together.

    Parameters
    ----------
    reference, generated, second : Side
        The second truth is for the floors.
    result, floor : (Scored, Scored) or None
        Held-out scores of reference against generated, and of reference against second, with conditions (n, 2).
    """

    reference: Side
    generated: Side
    second: Side
    result: tuple[Scored, Scored] | None = None
    floor: tuple[Scored, Scored] | None = None
