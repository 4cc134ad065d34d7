"""Sharing out events by their class."""

from __future__ import annotations

import numpy as np

from facsim.errors import SchemaMismatch
from facsim.events import Events
from facsim.schema import Schema

__all__ = ["by_category"]


def by_category(events: Events, name: str | None = None) -> dict[str, Events]:
    """Share out events by a condition that is a category, without that condition.

    Parameters
    ----------
    events : Events
    name : str, optional
        Of the condition; default: the first category.

    Returns
    -------
    dict of Events
        In the order of the category's names, or of its values where they have none; categories without events are
        left out.

    Raises
    ------
    SchemaMismatch
        If there is no such condition.

    Examples
    --------
    >>> from facsim import Block, Events, Schema
    >>> schema = Schema((Block("mass"),), (Block("signal", (), "category", names=("qcd", "w")),))
    >>> {name: len(part) for name, part in by_category(Events([[1], [2], [3]], [[0], [1], [1]], schema)).items()}
    {'qcd': 1, 'w': 2}
    """
    categories = [b for b in events.schema.conditions if b.kind == "category" and b.size == 1]
    block = next((b for b in categories if name in {None, b.name}), None)
    if block is None:
        known = [b.name for b in categories]
        msg = f"by_category: no condition '{name or ''}' of kind category, there are {known}"
        raise SchemaMismatch(msg)
    values = events[block.name].reshape(-1).astype(int)
    kept = [b for b in events.schema.conditions if b.name != block.name]
    columns = [events[b.name].reshape(len(events), -1) for b in kept]
    conditions = np.concatenate(columns, axis=1) if columns else np.zeros((len(events), 0), np.float32)
    schema = Schema(events.schema.features, tuple(kept), events.schema.detector)
    bare = Events(events.features, conditions, schema, events.weights)
    names = block.names or tuple(str(v) for v in range(int(values.max(initial=-1)) + 1))
    return {n: bare[values == v] for v, n in enumerate(names) if (values == v).any()}
