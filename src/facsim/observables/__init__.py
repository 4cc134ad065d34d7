"""Physics quantities of events, computed the same way for truth and copy.

`compute` chooses by schema: showers where the layers have a geometry, else the columns themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.observables import showers, tables
from facsim.observables.info import ObservableInfo, describe

__all__ = ["ObservableInfo", "compute", "describe", "showers", "tables"]


def compute(events: Events, extended: bool = False) -> dict[str, NDArray[np.float64]]:
    """Compute the observables of events, whatever they are.

    Parameters
    ----------
    events : Events
    extended : bool, optional
        For showers: `showers.extended_observables` instead of `showers.observables`. No meaning for tables.

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
    if not events.schema.layers:
        return tables.observables(events)
    return showers.extended_observables(events) if extended else showers.observables(events)
