"""Inputs of CaloFlow's classifiers (arXiv:2106.05285)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import SchemaMismatch
from facsim.events import Events
from facsim.metrics.samples import Array
from facsim.observables.layer import per_energy
from facsim.observables.showers import cell_energies, chunks, extended_observables, incident_energy, layer_energies

__all__ = ["cell_matrix", "shape_matrix"]

HUNDRED_GEV = 1e5  # MeV; energies enter in units of it
TINY = 1e-8  # under logarithms
LOGARITHMS = ("E_", "f_", "l_d", "width_")  # but for E_ratio


def cell_matrix(events: Events, *, normalise: bool = False, dtype: str = "float32") -> NDArray[Any]:
    """Return the inputs of CaloFlow's classifier, (n, cells + 1 + layers).

    Parameters
    ----------
    events : Events
        Showers with an incident energy among the conditions.
    normalise : bool
        Cells as a share of their layer's energy, instead of in units of 100 GeV.
    dtype : str

    Returns
    -------
    array
        Cells; log10(10 E_inc); log10(E_k + 1e-8) + 2 per layer; energies in units of 100 GeV, cells below the
        read-out threshold 0.

    Raises
    ------
    SchemaMismatch
        If the schema has no layers with a geometry, or no incident energy.
    """
    layers = events.schema.layers
    incident = _incident(events)
    energies = layer_energies(events)
    cells = sum(block.size for block in layers)
    out = np.empty((len(events), cells + 1 + len(layers)), dtype)
    start = 0
    for k, block in enumerate(layers):
        for rows in chunks(len(events), block.size):
            values = cell_energies(events, block, rows)
            unit = energies[rows, k, None] if normalise else HUNDRED_GEV
            out[rows, start : start + block.size] = per_energy(values, np.asarray(unit))
        start += block.size
    out[:, cells] = np.log10(10 * np.maximum(incident, 1e-3) / HUNDRED_GEV)
    out[:, cells + 1 :] = np.log10(energies / HUNDRED_GEV + 1e-8) + 2
    return out


def shape_matrix(events: Events, *, dtype: str = "float64") -> NDArray[Any]:
    """Return the inputs of CaloFlow's high-level classifier: (n, 41) for CaloGAN's three layers.

    Parameters
    ----------
    events : Events
        Showers with an incident energy among the conditions.
    dtype : str

    Returns
    -------
    array
        log10 (1e-8 added) of the energies of the layers, their sum and the depth-weighted energy (units of 100 GeV),
        of the layers' fractions and of their widths (mm, first axis); shower depth and its width; the five brightest
        cells of each layer as fractions times 10; E_ratio and occupancy per layer; centres / 100 mm along both axes
        (layers with one sector: along r); log10(10 E_inc), E_inc in units of 100 GeV.

    Raises
    ------
    SchemaMismatch
        If the schema has no layers with a geometry, or no incident energy.
    """
    incident = _incident(events)
    values = extended_observables(events)
    del values["max_depth"], values["response"]  # no inputs of the paper
    first = _first_widths(values)
    columns = []
    for name, value in values.items():
        if name.startswith(LOGARITHMS) and not name.startswith("E_ratio"):
            if name.startswith("width_") and name not in first:
                continue  # widths along the second axis are none either
            unit = HUNDRED_GEV if name.startswith(("E_", "l_d")) else 1.0
            columns.append(np.log10(value / unit + TINY))
        elif name.startswith("brightest"):
            columns.append(10 * value)
        elif name.startswith("centre_"):
            columns.append(value / 100)
        else:
            columns.append(value)
    columns.append(np.log10(10 * np.maximum(incident, 1e-3) / HUNDRED_GEV))
    return np.column_stack(columns).astype(dtype)


def _first_widths(values: dict[str, Array]) -> set[str]:
    """Names of the widths along the first axis of each layer: the earliest of its kind."""
    layers: dict[str, str] = {}
    for name in values:
        if name.startswith("width_"):
            layers.setdefault(name.split("_", 2)[2], name)
    return set(layers.values())


def _incident(events: Events) -> Array:
    incident = incident_energy(events)
    if not events.schema.layers or incident is None:
        known = [str(b) for b in events.schema.features + events.schema.conditions]
        msg = (
            "this classifier needs layers with a grid and an incident energy among the conditions, there are "
            f"{known}. Use high_level_auc"
        )
        raise SchemaMismatch(msg)
    return incident
