"""High-level features and classifier inputs of CaloChallenge, exactly as its evaluation defines them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, SchemaMismatch, nearest
from facsim.events import Events
from facsim.metrics.calochallenge.dataset import Array, DataSet, Source, batches, data_set
from facsim.observables.showers import cell_energies, chunks, incident_energy
from facsim.schema import Block

__all__ = ["Features", "Inputs", "classifier_inputs", "features", "prdc_inputs"]

Inputs = Literal["low", "low-normed", "high"]
TINY, TINY_LOG = 1e-16, 1e-8  # of the published code: in denominators, and under logarithms of MeV
EMPTY = 0.1  # MeV that an empty voxel counts as among the inputs of precision and recall


@dataclass(frozen=True)
class Features:
    r"""High-level features of n showers with L layers, A of which are cut into sectors.

    With the energies :math:`E_j` (MeV) of the voxels of a layer after the cut, and :math:`\eta = r \cos\alpha`,
    :math:`\phi = r \sin\alpha`, r at the voxels' centres (mm):

    .. math::

        EC_\eta = \frac{\sum_j \eta_j E_j}{\sum_j E_j + 10^{-16}}, \qquad
        \sigma_\eta = \sqrt{\max(\langle \eta^2 \rangle - EC_\eta^2, 0)}

    and sparsity the share of empty voxels. An empty layer gives 0 for centres and widths, and 1 for the sparsity.

    Parameters
    ----------
    which : str
        Name of the data set.
    layers : tuple of int
        Numbers of the layers.
    binned : tuple of int
        Positions among them of those with sectors.
    incident, total, brightest : array (n,)
        Incident and deposited energy and that of the brightest voxel, MeV.
    energy, sparsity, centre_r, width_r : array (n, L)
    centre_eta, centre_phi, width_eta, width_phi : array (n, A)
        mm.
    weights : array (n,) or None

    Notes
    -----
    arXiv:2410.21611 and its evaluation script (CaloChallenge/homepage, 9b41df7).
    """

    which: str
    layers: tuple[int, ...]
    binned: tuple[int, ...]
    incident: Array
    total: Array
    brightest: Array
    energy: Array
    sparsity: Array
    centre_r: Array
    width_r: Array
    centre_eta: Array
    centre_phi: Array
    width_eta: Array
    width_phi: Array
    weights: Array | None = None

    def __len__(self) -> int:
        return len(self.incident)

    def __getitem__(self, rows: NDArray[Any] | slice) -> Features:
        """Some of the showers."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        values |= {name: value[rows] for name, value in values.items() if isinstance(value, np.ndarray)}
        return Features(**values)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of `matrix`."""
        sectors = [self.layers[i] for i in self.binned]
        out = ["log10_E_inc", *(f"log10_E_{k}" for k in self.layers)]
        out += [f"{stem}_{k}" for stem in ("EC_eta", "EC_phi", "width_eta", "width_phi") for k in sectors]
        out += ["log10_E_tot", *(f"{stem}_{k}" for stem in ("sparsity", "EC_r", "width_r") for k in self.layers)]
        return tuple(out)

    def matrix(self) -> Array:
        """Inputs of the high-level classifier, of FPD and of KPD: (n, 30) photons, (n, 46) pions, else (n, 362).

        Logarithms of the energies in MeV (1e-8 added to deposits), lengths in units of 100 mm, sparsities.
        """
        return np.column_stack(
            [
                np.log10(self.incident),
                np.log10(self.energy + TINY_LOG),
                *(v / 100 for v in (self.centre_eta, self.centre_phi, self.width_eta, self.width_phi)),
                np.log10(self.total + TINY_LOG),
                self.sparsity,
                self.centre_r / 100,
                self.width_r / 100,
            ]
        )


def features(source: Source, which: str | int | DataSet) -> Features:
    """Compute the high-level features of showers, in one pass and bounded memory.

    Parameters
    ----------
    source : Events or open file
        Showers of the data set, with their incident energy as a condition.
    which : str
        Data set, as in `facsim.metrics.calochallenge.data_set`.

    Returns
    -------
    Features

    Raises
    ------
    SchemaMismatch
        If the showers have other voxels or no incident energy.
    DataError
        If there are none, or a number is not finite.

    Examples
    --------
    >>> from facsim import Events, detectors
    >>> showers = Events(np.full((3, 368), 2.0), np.full((3, 1), 1024.0), detectors.get("calochallenge-1-photons"))
    >>> features(showers, "ds1-photons").matrix().shape
    (3, 30)
    """
    chosen = data_set(which)
    layers = chosen.layers(source)
    binned = chosen.binned(layers)
    parts = [_of_batch(events, chosen, layers, binned) for events in batches(source)]
    if not parts:
        msg = "no showers: at least one is needed"
        raise DataError(msg)
    merged = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    for name, values in merged.items():
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))[0])
            msg = f"{name} of shower {row} is not finite. Remove such events first (Events.check finds them)"
            raise DataError(msg)
    found = [re.fullmatch(r"layer_(\d+)", block.name) for block in layers]
    numbers = tuple(int(match[1]) if match else i for i, match in enumerate(found))
    return Features(chosen.name, numbers, binned, **merged)


def _of_batch(events: Events, chosen: DataSet, layers: tuple[Block, ...], binned: tuple[int, ...]) -> dict[str, Array]:
    n, count = len(events), len(layers)
    out: dict[str, Array] = {name: np.empty((n, count)) for name in ("energy", "sparsity", "centre_r", "width_r")}
    out |= {name: np.empty((n, len(binned))) for name in ("centre_eta", "centre_phi", "width_eta", "width_phi")}
    out["brightest"] = np.zeros(n)
    for i, block in enumerate(layers):
        grid = block.grid
        assert grid is not None  # noqa: S101 - `layers` are blocks with a grid
        positions = np.column_stack([grid.centres(axis) for axis in ("x", "y", "r")])
        moments = np.column_stack([np.ones(block.size), positions, positions**2])
        for rows in chunks(n, block.size):
            cells = cell_energies(events, block, rows, chosen.cut)
            sums = cells @ moments
            energy = sums[:, 0]
            means = sums[:, 1:] / (energy + TINY)[:, None]
            widths = np.sqrt(np.maximum(means[:, 3:] - means[:, :3] ** 2, 0.0))
            out["energy"][rows, i] = energy
            out["sparsity"][rows, i] = 1.0 - np.count_nonzero(cells > 0, axis=1) / block.size
            out["centre_r"][rows, i], out["width_r"][rows, i] = means[:, 2], widths[:, 2]
            out["brightest"][rows] = np.maximum(out["brightest"][rows], cells.max(axis=1))
            if i in binned:
                j = binned.index(i)
                out["centre_eta"][rows, j], out["centre_phi"][rows, j] = means[:, 0], means[:, 1]
                out["width_eta"][rows, j], out["width_phi"][rows, j] = widths[:, 0], widths[:, 1]
    out["total"] = out["energy"].sum(axis=1)
    out["incident"] = _incident(events)
    if events.weights is not None:
        out["weights"] = events.weights
    return out


def classifier_inputs(
    events: Events, which: str | int | DataSet, inputs: str = "high", dtype: str = "float64"
) -> NDArray[Any]:
    """Inputs of the published classifiers, one row per shower.

    Parameters
    ----------
    events : Events
    which : str
        Data set.
    inputs : str
        ``"high"``: `Features.matrix`. ``"low"``: log10 E_inc (MeV), voxels / E_inc, after the cut.
        ``"low-normed"``: log10 E_inc, voxels / (energy of their layer + 1e-16), log10(E_layer + 1e-8); of
        the voxels as they are in the file, without the cut.
    dtype : str

    Returns
    -------
    array (n, d)
        d is 30, 46 or 362 for ``high``, 1 + voxels for ``low``, 1 + voxels + layers for ``low-normed``.

    Raises
    ------
    SchemaMismatch
        If the showers are not of the data set.
    DataError
        For other inputs.
    """
    if inputs not in get_args(Inputs):
        msg = f"inputs='{inputs}': must be one of {list(get_args(Inputs))}.{nearest(inputs, get_args(Inputs))}"
        raise DataError(msg)
    chosen = data_set(which)
    if inputs == "high":
        return features(events, chosen).matrix().astype(dtype)
    layers = chosen.layers(events)
    normed = inputs == "low-normed"
    incident = _incident(events)
    out = np.empty((len(events), 1 + events.schema.width + (len(layers) if normed else 0)), dtype)
    out[:, 0] = np.log10(incident)
    for i, rows, columns, cells in _layers(events, layers, 0.0 if normed else chosen.cut):
        unit = cells.sum(axis=1) + TINY if normed else incident[rows]
        out[rows, columns.start + 1 : columns.stop + 1] = cells / unit[:, None]
        if normed:
            out[rows, 1 + events.schema.width + i] = np.log10(cells.sum(axis=1) + TINY_LOG)
    return out


def prdc_inputs(events: Events, which: str | int | DataSet) -> NDArray[np.float32]:
    """Inputs of the published precision, recall, density and coverage (k = 5): log10 of every voxel, (n, voxels).

    Voxels below the cut count as 0.1 MeV, whatever the cut: those of data sets 2 and 3 that are lit with less come to
    lie under the empty ones.
    """
    chosen = data_set(which)
    layers = chosen.layers(events)
    out = np.empty((len(events), events.schema.width), np.float32)
    for _, rows, columns, cells in _layers(events, layers, chosen.cut):
        out[rows, columns] = np.log10(np.where(cells > 0, cells, EMPTY))
    return out


def _layers(events: Events, layers: tuple[Block, ...], cut: float | None) -> Iterator[tuple[int, slice, slice, Array]]:
    for i, block in enumerate(layers):
        columns = events.schema.columns(block.name)
        for rows in chunks(len(events), block.size):
            yield i, rows, columns, cell_energies(events, block, rows, cut)


def _incident(events: Events) -> Array:
    incident = incident_energy(events)
    if incident is None:
        known = [str(b) for b in events.schema.conditions]
        msg = (
            f"CaloChallenge's features need the incident energy among the conditions, there are {known}. Without it "
            "use high_level_auc"
        )
        raise SchemaMismatch(msg)
    if not (incident > 0).all():
        row = int(np.flatnonzero(~(incident > 0))[0])
        msg = f"incident energy of shower {row} is {incident[row]:g} MeV; it must be positive. Remove the event"
        raise DataError(msg)
    return incident
