"""Profiles of showers: how the energy is shared out over depth and over the distance from the axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, SchemaMismatch
from facsim.events import Events
from facsim.observables.layer import per_energy
from facsim.observables.showers import cell_energies, chunks, layer_energies
from facsim.observables.weights import band
from facsim.schema import Block, Grid

__all__ = ["Profile", "energy_shares", "longitudinal_profile", "radial_edges", "radial_profile", "radial_shares"]

Array = NDArray[np.float64]

RINGS = 10


@dataclass(frozen=True)
class Profile:
    """Mean shares of the energy over k bins.

    Parameters
    ----------
    axis : str
        ``"layer"`` or ``"r"``.
    unit : str
        Of the edges: empty for layers, ``"mm"`` for r.
    edges : array (k + 1,)
    mean, error : array (k,)
        Mean share per bin over the events and its statistical error.
    low, high : array (k,)
        Range that holds the central 68 % of the events.
    events : int
        Events with energy; the others have no shares and do not count.
    """

    axis: str
    unit: str
    edges: Array
    mean: Array
    error: Array
    low: Array
    high: Array
    events: int


def longitudinal_profile(events: Events, *, threshold: float | None = None) -> Profile:
    """Share of every layer in the deposited energy, averaged over events.

    Parameters
    ----------
    events : Events
        Showers; weights may be negative.
    threshold : float, optional
        Cells below this energy (MeV) count as empty. Default: each block's own threshold.

    Returns
    -------
    Profile
        Bins are layers 0, 1, 2, ... in storage order, around whole numbers.

    Raises
    ------
    SchemaMismatch
        If the schema has no layers with a geometry.
    DataError
        If no event has energy.
    """
    shares, lit = energy_shares(events, threshold=threshold)
    return _profile("layer", "", np.arange(shares.shape[1] + 1) - 0.5, shares, lit, events)


def radial_profile(
    events: Events, edges: ArrayLike | None = None, *, layer: str | None = None, threshold: float | None = None
) -> Profile:
    """Share of every ring around the shower axis in the deposited energy, averaged over events.

    Parameters
    ----------
    events : Events
        Showers of any mesh; weights may be negative.
    edges : array (k + 1,), optional
        Ascending distances from the axis, mm; default: `radial_edges`. A cell counts where its centre lies, so rings
        narrower than the cells have gaps.
    layer : str, optional
        Name of the only layer to look at; default: all together.
    threshold : float, optional
        As for `longitudinal_profile`.

    Returns
    -------
    Profile
        Shares are of all the energy, that beyond the last edge included: they then sum to less than 1.

    Raises
    ------
    SchemaMismatch
        If the schema has no layers with a geometry, or none of that name.
    DataError
        If the edges do not ascend, or no event has energy.
    """
    cuts = radial_edges(events, layer=layer) if edges is None else np.asarray(edges, np.float64)
    shares, lit = radial_shares(events, cuts, layer=layer, threshold=threshold)
    return _profile("r", "mm", cuts, shares, lit, events)


def energy_shares(events: Events, *, threshold: float | None = None) -> tuple[Array, NDArray[np.bool_]]:
    """Shares of the layers (n, layers), event by event, and which events have energy (n,)."""
    if not events.schema.layers:
        _no_layers(events)
    energies = layer_energies(events, threshold=threshold)
    total = energies.sum(axis=1, keepdims=True)
    return per_energy(energies, total), total[:, 0] > 0


def radial_shares(
    events: Events, edges: ArrayLike, *, layer: str | None = None, threshold: float | None = None
) -> tuple[Array, NDArray[np.bool_]]:
    """Shares of the rings (n, k), event by event, and which events have energy (n,); see `radial_profile`."""
    cuts = np.asarray(edges, np.float64)
    if cuts.ndim != 1 or len(cuts) < 2 or not (np.diff(cuts) > 0).all():
        msg = f"edges={edges!r}: need at least two ascending distances in mm"
        raise DataError(msg)
    sums, total = np.zeros((len(events), len(cuts) - 1)), np.zeros(len(events))
    for block, grid in _chosen(events, layer):
        bins = np.searchsorted(cuts, grid.centres("r"), side="right") - 1
        ring = (bins[:, None] == np.arange(len(cuts) - 1)).astype(np.float64)  # (cells, k)
        for rows in chunks(len(events), block.size):
            cells = cell_energies(events, block, rows, threshold)
            sums[rows] += cells @ ring
            total[rows] += cells.sum(axis=1)
    return per_energy(sums, total[:, None]), total > 0


def radial_edges(events: Events, *, layer: str | None = None) -> Array:
    """Edges of rings that suit the mesh, mm.

    Those of the cells where all layers have the same ones in r; else ten rings of one width that hold every cell.

    Examples
    --------
    >>> from facsim import detectors
    >>> mesh = detectors.cylinder_mesh((2, 4, 3), (10.0, 30.0))
    >>> radial_edges(Events(np.zeros((1, 24)), [[1.0]], mesh))
    array([ 0., 10., 20., 30.])
    """
    grids = [grid for _, grid in _chosen(events, layer)]
    own = {grid.edges[grid.axes.index("r")] if "r" in grid.axes else None for grid in grids}
    only = own.pop() if len(own) == 1 else None
    if only is not None:
        return np.array(only)
    farthest = max(float(grid.centres("r").max()) for grid in grids)
    return np.linspace(0.0, farthest * (1 + 1e-9), RINGS + 1)


def _profile(axis: str, unit: str, edges: Array, shares: Array, lit: NDArray[np.bool_], events: Events) -> Profile:
    if not lit.any():
        msg = "no event has energy above the threshold, so there are no shares. Is the threshold in MeV?"
        raise DataError(msg)
    found = band(shares[lit], None if events.weights is None else events.weights[lit])
    return Profile(axis, unit, edges, found.mean, found.error, found.low, found.high, int(lit.sum()))


def _chosen(events: Events, layer: str | None) -> list[tuple[Block, Grid]]:
    blocks = events.schema.layers if layer is None else (events.schema.block(layer),)
    found = [(block, block.grid) for block in blocks if block.grid is not None]
    if not found:
        _no_layers(events)
    return found


def _no_layers(events: Events) -> None:
    known = [str(b) for b in events.schema.features]
    msg = f"profiles need energy blocks with a grid, there are {known}"
    raise SchemaMismatch(msg)
