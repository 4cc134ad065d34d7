"""Observables of calorimeter showers, for any schema whose layers have a geometry.

Energies are in MeV, lengths in mm, whatever the unit of the blocks. Cells below ``Block.threshold`` count as empty
everywhere, also in the sums. A layer without energy gives 0 for all of its quantities.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, SchemaMismatch
from facsim.events import Events
from facsim.observables.depth import depth_width, lateral_depth, layer_fractions, max_depth, response, shower_depth
from facsim.observables.layer import brightest, e_ratio, lateral_moments, occupancy, per_energy
from facsim.schema import Block, Grid

__all__ = [
    "BRIGHTEST",
    "brightest",
    "cell_energies",
    "chunks",
    "depth_width",
    "e_ratio",
    "extended_observables",
    "incident_energy",
    "lateral_depth",
    "lateral_moments",
    "layer_energies",
    "layer_fractions",
    "max_depth",
    "observables",
    "occupancy",
    "response",
    "shower_depth",
]

Array = NDArray[np.float64]

BRIGHTEST = 5
"""Brightest cells per layer among the extended observables (CaloFlow, arXiv:2106.05285)."""

MEV = {"keV": 1e-3, "MeV": 1.0, "GeV": 1e3, "TeV": 1e6}
CHUNK_VALUES = 2**18  # 2 MiB of float64: a chunk of one layer stays in the cache


def observables(events: Events, *, threshold: float | None = None) -> dict[str, Array]:
    """Compute the observables of CaloGAN (arXiv:1712.10321): 5 per layer and 5 more, 20 for its three layers.

    Parameters
    ----------
    events : Events
        Showers; the schema needs at least one energy block with a `Grid`.
    threshold : float, optional
        Cells below this energy (MeV) count as empty. Default: each block's own threshold.

    Returns
    -------
    dict of array (n,)
        ``E_k`` energy of layer k (MeV), ``E_tot`` their sum, ``f_k`` their fractions of the sum, ``occupancy_k``,
        ``max_depth``, ``l_d`` (MeV), ``s_d``, ``sigma_sd``, ``width_x_k`` (mm; ``width_r_k`` where a layer has one
        alpha bin) and ``E_ratio_k``; k is the number in the block's name ``layer_k``. `describe` explains each.

    Raises
    ------
    SchemaMismatch
        If the schema has no layers with a geometry.

    Examples
    --------
    >>> from facsim import Block, Events, Grid, Schema
    >>> grid = Grid(("x", "y"), ((-2, 0, 2), (-1, 1)), (0, 10))
    >>> schema = Schema((Block("layer_0", (2, 1), "energy", "MeV", grid=grid),))
    >>> values = observables(Events([[3, 1]], [[]], schema))
    >>> {name: float(value[0]) for name, value in values.items() if name in ("E_tot", "E_ratio_0", "occupancy_0")}
    {'E_tot': 4.0, 'occupancy_0': 1.0, 'E_ratio_0': 0.5}
    """
    return _compute(events, threshold, extended=False)


def extended_observables(events: Events, *, threshold: float | None = None) -> dict[str, Array]:
    """Compute `observables` and what CaloFlow (arXiv:2106.05285) adds: 45 quantities for CaloGAN's three layers.

    Parameters
    ----------
    events : Events
    threshold : float, optional
        As in `observables`.

    Returns
    -------
    dict of array (n,)
        `observables`, then ``brightest1_k`` ... ``brightest5_k`` (fractions of the layer's energy), ``centre_x_k``,
        ``centre_y_k`` and ``width_y_k`` (mm), for layers with (alpha, r) cells also ``centre_r_k`` and ``width_r_k``
        (only these where there is one alpha bin), and ``response`` = E_tot / E_inc if the schema has an
        incident energy.
    """
    return _compute(events, threshold, extended=True)


def layer_energies(events: Events, *, threshold: float | None = None) -> Array:
    """Energy of every layer, (n, layers), MeV, summed in float64; `threshold` as in `observables`."""
    out = np.zeros((len(events), len(events.schema.layers)))
    for column, block in enumerate(events.schema.layers):
        for rows in chunks(len(events), block.size):
            out[rows, column] = cell_energies(events, block, rows, threshold).sum(axis=1)
    return out


def incident_energy(events: Events) -> Array | None:
    """Incident energy (n,) in MeV: the first condition that is a single energy; None if there is none."""
    for block in events.schema.conditions:
        if block.kind == "energy" and block.size == 1:
            return events[block.name].reshape(-1).astype(np.float64) * _in_mev(block)
    return None


def _compute(events: Events, threshold: float | None, *, extended: bool) -> dict[str, Array]:
    layers = events.schema.layers
    if not layers:
        known = [str(b) for b in events.schema.features]
        msg = f"shower observables need energy blocks with a grid, there are {known}. Use facsim.observables.tables"
        raise SchemaMismatch(msg)
    energies = layer_energies(events, threshold=threshold)
    total = energies.sum(axis=1)
    labels = [_label(block) for block in layers]
    base = [_base(events, block, threshold) for block in layers]

    def named(parts: list[dict[str, Array]], stem: str) -> dict[str, Array]:
        families = dict.fromkeys(name for part in parts for name in part if name.startswith(stem))
        pairs = list(zip(labels, parts, strict=True))
        return {f"{name}_{k}": part[name] for name in families for k, part in pairs if name in part}

    out = {f"E_{k}": energy for k, energy in zip(labels, energies.T, strict=True)} | {"E_tot": total}
    out |= {f"f_{k}": fraction for k, fraction in zip(labels, layer_fractions(energies).T, strict=True)}
    out |= named(base, "occupancy")
    out |= {"max_depth": max_depth(energies), "l_d": lateral_depth(energies)}
    out |= {"s_d": shower_depth(energies), "sigma_sd": depth_width(energies)}
    out |= named(base, "width") | named(base, "E_ratio")
    if extended:
        out |= named([_more(events, block, threshold) for block in layers], "")
        incident = incident_energy(events)
        if incident is not None:
            out["response"] = response(total, incident)
    return out


def _base(events: Events, block: Block, threshold: float | None) -> dict[str, Array]:
    """Quantities of one layer among the observables of CaloGAN."""
    axis, *_ = _axes(block)
    names = ("occupancy", f"width_{axis}", "E_ratio")
    out = {name: np.zeros(len(events)) for name in names}
    positions = _positions(block, (axis,))
    for rows in chunks(len(events), block.size):
        cells = cell_energies(events, block, rows, threshold)
        width = lateral_moments(cells, positions)[1][:, 0]
        for name, values in zip(names, (occupancy(cells), width, e_ratio(brightest(cells, 2))), strict=True):
            out[name][rows] = values
    return out


def _more(events: Events, block: Block, threshold: float | None) -> dict[str, Array]:
    """Quantities of one layer that `extended_observables` adds."""
    axes = _axes(block)
    positions = _positions(block, axes)
    table = np.zeros((BRIGHTEST + 2 * len(axes), len(events)))
    for rows in chunks(len(events), block.size):
        cells = cell_energies(events, block, rows, threshold)
        bright = per_energy(brightest(cells, BRIGHTEST), cells.sum(axis=1, keepdims=True))
        table[:, rows] = np.hstack([bright, *lateral_moments(cells, positions)]).T
    names = (
        [f"brightest{i + 1}" for i in range(BRIGHTEST)] + [f"centre_{a}" for a in axes] + [f"width_{a}" for a in axes]
    )
    return {name: row for name, row in zip(names, table, strict=True) if name != f"width_{axes[0]}"}


def _axes(block: Block) -> tuple[str, ...]:
    """Directions in which a layer has a width; x and y of a ring are all the same, so one alpha bin leaves r alone."""
    grid = _grid(block)
    if grid.axes == ("x", "y"):
        return ("x", "y")
    return ("x", "y", "r") if grid.shape[grid.axes.index("alpha")] > 1 else ("r",)


def _positions(block: Block, axes: tuple[str, ...]) -> Array:
    return np.column_stack([_grid(block).centres(axis) for axis in axes])  # (cells, axes)


def _grid(block: Block) -> Grid:
    if block.grid is None:
        msg = f"block {block} has no grid, so its cells have no position"
        raise SchemaMismatch(msg)
    return block.grid


def _label(block: Block) -> str:
    number = re.fullmatch(r"layer_(\d+)", block.name)
    return number[1] if number else block.name


def _in_mev(block: Block) -> float:
    if block.unit not in MEV:
        msg = f"block {block}: energies must be in one of {list(MEV)}, got the unit '{block.unit}'"
        raise SchemaMismatch(msg)
    return MEV[block.unit]


def chunks(n: int, cells: int) -> Iterator[slice]:
    """Row ranges of n events that keep one layer of that many cells in the cache."""
    step = max(1, CHUNK_VALUES // cells)
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def cell_energies(events: Events, block: Block, rows: slice = slice(None), threshold: float | None = None) -> Array:
    """Cells of one layer as the observables see them: (rows, cells), MeV, float64, 0 below the threshold."""
    if threshold is not None and not threshold >= 0:
        msg = f"threshold={threshold}: must be an energy in MeV, at least 0"
        raise DataError(msg)
    raw = events[block.name][rows].reshape(-1, block.size)
    unit = _in_mev(block)
    # the comparison is made in float32 and the block's unit, so that a cell stored as exactly the threshold is lit
    limit = np.float32(block.threshold if threshold is None else threshold / unit)
    cells = raw.astype(np.float64) * unit
    cells[raw < limit] = 0.0  # written this way round, a NaN stays one and is found by the metrics
    return cells
