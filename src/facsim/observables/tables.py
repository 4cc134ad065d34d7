"""Observables of events without geometry: the columns themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.schema import Block

__all__ = ["column_names", "observables"]


def observables(events: Events) -> dict[str, NDArray[np.float64]]:
    """Return every feature column as one observable.

    Parameters
    ----------
    events : Events

    Returns
    -------
    dict of array (n,)
        In the columns' own units, named as by `column_names`.

    Examples
    --------
    >>> from facsim import Block, Events, Schema
    >>> events = Events([[1, 2, 3]], [[]], Schema((Block("dll_k"), Block("p", (2,)))))
    >>> {name: float(values[0]) for name, values in observables(events).items()}
    {'dll_k': 1.0, 'p_0': 2.0, 'p_1': 3.0}
    """
    names = [name for block in events.schema.features for name in column_names(block)]
    return {name: column.astype(np.float64) for name, column in zip(names, events.features.T, strict=True)}


def column_names(block: Block) -> list[str]:
    """Names of a block's columns: its own name for one number, else with the index along each axis.

    Examples
    --------
    >>> from facsim import Block
    >>> column_names(Block("p", (2, 2)))
    ['p_0_0', 'p_0_1', 'p_1_0', 'p_1_1']
    """
    return ["_".join([block.name, *map(str, index)]) for index in np.ndindex(block.shape)]
