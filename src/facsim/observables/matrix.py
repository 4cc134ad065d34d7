"""All observables of events side by side, as classifiers and multivariate distances want them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.observables import tables

__all__ = ["named_columns"]


def named_columns(events: Events) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return the extended observables and the conditions, the latter since copies may be right only on average.

    Parameters
    ----------
    events : Events

    Returns
    -------
    names : tuple of str
        Of the columns. A condition that is an energy enters as its log10, with ``log10_`` before its name.
    values : array (n, d)

    Examples
    --------
    >>> from facsim import Block, Events, Schema
    >>> schema = Schema((Block("mass"),), (Block("energy", (), "energy", "GeV"),))
    >>> named_columns(Events([[1.5]], [[100.0]], schema))
    (('mass', 'log10_energy'), array([[1.5, 2. ]]))
    """
    from facsim.observables import compute

    columns = dict(compute(events, extended=True))
    for block in events.schema.conditions:
        values = events[block.name].reshape(len(events), -1).astype(np.float64)
        prefix = ""
        if block.kind == "energy":
            values, prefix = np.log10(np.maximum(values, np.finfo(np.float32).tiny)), "log10_"
        columns |= {prefix + n: v for n, v in zip(tables.column_names(block), values.T, strict=True)}
    return tuple(columns), np.column_stack(list(columns.values()))
