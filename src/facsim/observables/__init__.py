"""Physics quantities of events, computed the same way for truth and copy.

`compute` chooses by schema (`kinds.kind_of`): showers where the layers have a geometry, jets of constituents, images
(of jets, where the pixels have a place in eta and phi; of a time-projection chamber, a zero-degree calorimeter or one
of 30 x 30 cells, where the schema names that detector), else the columns themselves. Profiles and correlations are of
whole samples: `profiles`, `correlations`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.observables import correlations, efp, images, jets, lhcb, profiles, showers, tables, tpc, zdc
from facsim.observables.info import ObservableInfo, describe
from facsim.observables.kinds import constituents, image_block, kind_of, pixel_centres

__all__ = [
    "ObservableInfo",
    "compute",
    "correlations",
    "describe",
    "efp",
    "images",
    "jets",
    "kind_of",
    "lhcb",
    "profiles",
    "showers",
    "tables",
    "tpc",
    "zdc",
]


OWN = {"tpc": tpc.moments, "zdc": zdc.channel_sums}
SAME = {"tpc": ("intensity", "centre", "width"), "zdc": ("intensity",)}
"""Quantities of all images that those of the detector say already."""


def compute(events: Events, extended: bool = False) -> dict[str, NDArray[np.float64]]:
    """Compute the observables of events, whatever they are.

    Parameters
    ----------
    events : Events
    extended : bool, optional
        Also the long list: `showers.extended_observables`, the energy-flow polynomials of jets, the power spectrum of
        images, `lhcb.quantities`. No meaning for tables.

    Returns
    -------
    dict of array (n,)
        By name; `describe` explains a name.

    Examples
    --------
    >>> from facsim import Block, Events, Schema
    >>> compute(Events([[1.5]], [[]], Schema((Block("mass", (), "real", "GeV"),))))
    {'mass': array([1.5])}
    """
    kind = kind_of(events.schema)
    if kind == "showers":
        return showers.extended_observables(events) if extended else showers.observables(events)
    if kind == "jets":
        return jets.observables(*constituents(events), extended=extended)
    name = image_block(events.schema)
    if name is None:
        return tables.observables(events)
    block, given = events.schema.block(name), {b.name for b in events.schema.conditions}
    out = images.observables(events[name], threshold=block.threshold, extended=extended)
    if events.schema.detector in OWN:
        own = OWN[events.schema.detector](np.where(events[name] < block.threshold, 0.0, events[name]))
        return own | {key: values for key, values in out.items() if not key.startswith(SAME[events.schema.detector])}
    if events.schema.detector == "lhcb-calorimeter" and {"ParticleMomentum", "ParticlePoint"} <= given:
        along = lhcb.quantities if extended else lhcb.track_quantities
        return along(events[name], events["ParticleMomentum"], events["ParticlePoint"]) | out
    if block.grid is None or "eta" not in block.grid.axes:
        return out
    return images.jet_quantities(events[name], *pixel_centres(block.grid)) | out
