"""The four data sets of the challenge: names, energy cut, and the ranges of the published histograms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from facsim.detectors import get
from facsim.errors import DataError, SchemaMismatch, nearest
from facsim.events import Events
from facsim.schema import Block, Schema

__all__ = ["DATA_SETS", "Array", "DataSet", "Source", "batches", "data_set", "of_schema"]

Array = NDArray[np.float64]

# Upper ends in mm: data sets 2 and 3, data set 1, its layers 12 and 13.
REACH = {"EC_eta": (30, 100, 500), "width_eta": (30, 100, 400), "EC_r": (42, 500, 1500), "width_r": (20, 500, 1500)}
MOST_VALUES = 2**22  # cells of one batch: 16 MiB as they are stored


class Source(Protocol):
    """Showers that may be larger than memory: `facsim.io.open`, or `Events`."""

    @property
    def schema(self) -> Schema:
        """Columns of the events."""
        ...

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class DataSet:
    """What the published evaluation fixes for one data set (arXiv:2410.21611).

    Parameters
    ----------
    name : str
        ``"1-photons"``, ``"1-pions"``, ``"2"`` or ``"3"``; empty for any other showers.
    cut : float or None
        MeV; voxels below it are set to 0 in reference and copy alike. None: the threshold of each layer.
    parts : (int, int, int)
        How the events are shared out for the classifiers: training, choice of the epoch and calibration, score.
    discrete : bool
        Whether the incident energies are the powers of two from 256 MeV to 4 TeV.
    """

    name: str
    cut: float | None
    parts: tuple[int, int, int]
    discrete: bool

    @property
    def schema(self) -> Schema:
        """Voxels, as `facsim.detectors` has them."""
        return get(f"calochallenge-{self.name}")

    def layers(self, source: Source) -> tuple[Block, ...]:
        """Layers of a sample, or `SchemaMismatch` if they are not those of the data set."""
        theirs = source.schema.layers
        if not self.name and theirs:
            return theirs
        mine = self.schema.layers if self.name else ()
        if [(b.name, b.grid) for b in mine] != [(b.name, b.grid) for b in theirs]:
            known = [str(b) for b in source.schema.features[:3]]
            msg = (
                f"the events are not showers of CaloChallenge {self.name} ({len(mine)} layers, {self.schema.width} "
                f"voxels): there are {len(theirs)} layers, the blocks begin with {known}. Choose another data set of "
                f"{list(DATA_SETS)}, or read the file with detector='calochallenge-{self.name}'"
                if self.name
                else f"showers need energy blocks with a grid, the blocks begin with {known}. Use high_level_auc"
            )
            raise SchemaMismatch(msg)
        return theirs

    def binned(self, layers: tuple[Block, ...]) -> tuple[int, ...]:
        """Positions of the layers that are cut into sectors, or (x, y) cells: only these have centres in two axes."""
        return tuple(i for i, b in enumerate(layers) if b.grid and (b.grid.axes == ("x", "y") or b.shape[0] > 1))

    def bins(self, quantity: str, layer: int = 0) -> Array:
        """Edges of the published histogram of one quantity; lengths in mm. Energies have other rules.

        Parameters
        ----------
        quantity : str
            ``EC_eta``, ``EC_phi``, ``width_eta``, ``width_phi``, ``EC_r``, ``width_r`` or ``sparsity``.
        layer : int
            Number of the layer, as in its name.
        """
        if quantity == "sparsity":
            return np.linspace(0.0, 1.0, 21)
        column = 0 if self.name in {"2", "3"} else 2 if layer in {12, 13} else 1
        reach = {
            "EC_eta": (30, 100, 500),
            "width_eta": (30, 100, 400),
            "EC_r": (42, 500, 1500),
            "width_r": (20, 500, 1500),
        }
        high = reach[quantity.replace("phi", "eta")][column]
        return np.linspace(-high if quantity in {"EC_eta", "EC_phi"} else 0.0, high, 101)


DATA_SETS: dict[str, DataSet] = {
    d.name: d
    for d in (
        DataSet("1-photons", 1.0, (8, 2, 2), discrete=True),  # published: 80,000 + 20,000 + 21,000
        DataSet("1-pions", 1.0, (8, 2, 2), discrete=True),  # 80,000 + 20,000 + 20,800
        DataSet("2", 0.5e-3 / 0.033, (3, 1, 1), discrete=False),  # 60,000 + 20,000 + 20,000
        DataSet("3", 0.5e-3 / 0.033, (3, 1, 1), discrete=False),
    )
}
"""The data sets by name."""


def data_set(which: str | int | DataSet) -> DataSet:
    """Return a data set by any of its names.

    Parameters
    ----------
    which : str or int
        ``1-photons``, ``ds1-photons`` or ``calochallenge-1-photons``, and likewise ``1-pions``, ``2`` and ``3``.

    Raises
    ------
    DataError
        For another name.

    Examples
    --------
    >>> data_set("ds2").name, data_set("calochallenge-1-pions").cut
    ('2', 1.0)
    """
    if isinstance(which, DataSet):
        return which
    name = re.sub(r"^(calochallenge[-_]?|dataset[-_]?|ds)", "", str(which).strip().lower()).replace("_", "-")
    if name not in DATA_SETS:
        known = [f"ds{n}" for n in DATA_SETS]
        msg = f"no CaloChallenge data set '{which}'; there are {known}.{nearest(f'ds{name}', known)}"
        raise DataError(msg)
    return DATA_SETS[name]


def of_schema(schema: Schema) -> DataSet:
    """Data set that a schema belongs to; for any other showers one without name, with the layers' own thresholds.

    Examples
    --------
    >>> of_schema(get("calochallenge-2")).name, of_schema(get("calogan")).cut
    ('2', None)
    """
    cells = [(b.name, b.grid) for b in schema.layers]
    for known in DATA_SETS.values():
        if [(b.name, b.grid) for b in known.schema.layers] == cells:
            return known
    return DataSet("", None, (3, 1, 1), discrete=False)


def batches(source: Source) -> Iterator[Events]:
    """Yield the events of a source in order, as many at a time as keep the memory small."""
    step = max(1, MOST_VALUES // source.schema.width)
    if isinstance(source, Events):
        return (source[start : start + step] for start in range(0, len(source), step))
    from facsim.io.reader import Reader

    return cast("Reader", source).batches(step)
