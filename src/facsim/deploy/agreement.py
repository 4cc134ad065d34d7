"""Whether two runs of one generator give the same events, up to rounding."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError
from facsim.schema import Schema

__all__ = ["RTOL", "Agreement", "compare"]

RTOL = 1e-4
_MAY_FLIP = 0.01
_DISCRETE = ("count", "category", "mask")


@dataclass(frozen=True)
class Agreement:
    """How close two runs are; made by `compare`.

    Parameters
    ----------
    events : int
        Compared events.
    flipped : int
        Events in which a discrete decision fell the other way.
    worst : float
        Largest deviation among the other events, in units of what is allowed: at most 1 passes.
    relative : float
        99.9 % quantile of ``|a - b| / b`` over the lit cells (energies, b > 0) of these events; 0 where there are none.
    where : str
        Block and event of the largest deviation.
    """

    events: int
    flipped: int
    worst: float
    relative: float
    where: str

    @property
    def passed(self) -> bool:
        """Whether the two agree."""
        # Not "worst > 1": a NaN must fail.
        return self.worst <= 1 and self.relative <= RTOL and self.flipped <= _MAY_FLIP * self.events

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.events} events; largest deviation {self.worst:.2g} of what is allowed, in {self.where}; "
            f"99.9 % of the lit cells within {self.relative:.1e} (allowed {RTOL:.0e}); "
            f"decisions flipped in {self.flipped} events (allowed {_MAY_FLIP:.0%})"
        )


def compare(a: NDArray[np.float32], b: NDArray[np.float32], schema: Schema) -> Agreement:
    r"""Compare the features `a` of one run with `b` of another, for the same conditions and noise.

    Generators decide: a cell below the read-out threshold becomes exactly zero, a gate opens or stays shut. Where
    rounding (some :math:`10^{-6}`) carries a value across such an edge, the event changes by a whole cell, though both
    runs are right. So an event *flips* if a cell is exactly zero in one run only, or a count, category or mask differs.
    Flipped events are counted and taken out of the comparison; more than 1 % of them fail, since rounding alone reaches
    across an edge in about one of a thousand events of 500 cells. All others must hold

    .. math:: |a - b| \le 10^{-4} \, (|b| + s)

    for every value, with s the root mean square of the column in `b`; and of the lit cells (columns of kind energy,
    b > 0), 99.9 % must hold it with s = 0. The remaining per mille lie where a generator is so steep that it magnifies
    rounding.

    Parameters
    ----------
    a, b : array (n, d)
        Features; `b` is the reference.
    schema : Schema
        Of the features.

    Raises
    ------
    DataError
        If the shapes differ or do not fit the schema.

    Examples
    --------
    >>> import numpy as np
    >>> from facsim import Block, Schema
    >>> schema = Schema((Block("cells", (2,), "energy", "MeV"),))
    >>> b = np.array([[1, 0], [2, 3]], np.float32)
    >>> compare(b * (1 + 1e-6), b, schema).passed, compare(b * (1 + 1e-3), b, schema).passed
    (True, False)
    """
    if a.shape != b.shape or b.shape[1:] != (schema.width,):
        msg = f"shapes {a.shape} and {b.shape}: both must be (n, {schema.width})"
        raise DataError(msg)
    a, b = a.astype(np.float64), b.astype(np.float64)
    discrete, energy = np.zeros(schema.width, bool), np.zeros(schema.width, bool)
    for block in schema.features:
        discrete[schema.columns(block.name)] = block.kind in _DISCRETE
        energy[schema.columns(block.name)] = block.kind == "energy"
    flipped = (((a == 0) != (b == 0)) | (discrete & (a != b))).any(axis=1)
    a, b, kept = a[~flipped], b[~flipped], np.flatnonzero(~flipped)
    if len(kept) == 0:
        return Agreement(len(flipped), len(flipped), 0.0, 0.0, "no event")
    off = np.abs(a - b)
    allowed = RTOL * (np.abs(b) + np.sqrt(np.mean(b**2, axis=0)))
    share = np.divide(off, allowed, out=np.zeros_like(off), where=(off != 0) | np.isnan(off))
    lit = energy & (b > 0)
    relative = float(np.quantile(off[lit] / b[lit], 0.999)) if lit.any() else 0.0
    row, column = np.unravel_index(int(share.argmax()), share.shape)  # argmax finds a NaN first
    block = next(f for f in schema.features if schema.columns(f.name).start <= column < schema.columns(f.name).stop)
    where = f"block '{block.name}', event {kept[row]}"
    return Agreement(len(flipped), int(flipped.sum()), float(share[row, column]), relative, where)
