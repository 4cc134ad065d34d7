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
_MAY_DIFFER = 0.01
_NEVER = 100
_DISCRETE = ("count", "category", "mask")


@dataclass(frozen=True)
class Agreement:
    """How close two runs are; made by `compare`, which defines the words.

    Parameters
    ----------
    events : int
        Compared events.
    flipped : int
        Events in which a discrete decision fell the other way.
    steep : int
        Events that did not flip, but where some value deviates by more than is allowed.
    worst : float
        Largest deviation among events that did not flip, in units of what is allowed.
    where : str
        Its block and event.
    relative : float
        99 % quantile of ``|a - b| / b`` over the lit cells (energies, b > 0) of these events; 0 where there are none.
    """

    events: int
    flipped: int
    steep: int
    worst: float
    where: str
    relative: float

    @property
    def passed(self) -> bool:
        """Whether the two agree."""
        few = self.flipped + self.steep <= _MAY_DIFFER * self.events
        return few and self.worst <= _NEVER and self.relative <= RTOL  # a NaN fails

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"of {self.events} events {self.flipped} flipped and {self.steep} deviate by more than {RTOL:.0e} "
            f"(together allowed {_MAY_DIFFER:.0%}); largest deviation {RTOL * self.worst:.1e}, in {self.where} "
            f"(allowed {RTOL * _NEVER:.0e}); 99 % of the lit cells within {self.relative:.1e} (allowed {RTOL:.0e})"
        )


def compare(a: NDArray[np.float32], b: NDArray[np.float32], schema: Schema) -> Agreement:
    r"""Compare the features `a` of one run with `b` of another, for the same conditions and noise.

    An event agrees if every value holds

    .. math:: |a - b| \le 10^{-4} \, (|b| + s)

    with s the root mean square of the column in `b`. At least 99 % of the events must agree. Of the lit cells (columns
    of kind energy, b > 0) 99 % must hold it with s = 0.

    The one per cent is there because generators decide. A cell below the read-out threshold becomes exactly zero, a
    gate opens or stays shut: where rounding (some :math:`10^{-6}`) carries a value across such an edge, the event
    *flips*. A cell is then exactly zero in one run only, or a count, category or mask differs, and the other cells of
    the layer share what is left; both runs are right. With 500 cells this happens to about one event of a thousand.
    And near an edge a smooth generator is *steep*: it magnifies rounding, by up to a few hundred. So
    steep events may deviate by up to :math:`10^{-2}`; what flipped events hold is not compared.

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
        return Agreement(len(flipped), len(flipped), 0, 0.0, "no event", 0.0)
    off = np.abs(a - b)
    allowed = RTOL * (np.abs(b) + np.sqrt(np.mean(b**2, axis=0)))
    share = np.divide(off, allowed, out=np.zeros_like(off), where=(off != 0) | np.isnan(off))
    lit = energy & (b > 0)
    relative = float(np.quantile(off[lit] / b[lit], 0.99)) if lit.any() else 0.0
    row, column = np.unravel_index(int(share.argmax()), share.shape)  # argmax finds a NaN first
    block = next(f for f in schema.features if schema.columns(f.name).start <= column < schema.columns(f.name).stop)
    where = f"block '{block.name}', event {kept[row]}"
    steep = int((~(share <= 1)).any(axis=1).sum())
    return Agreement(len(flipped), int(flipped.sum()), steep, float(share[row, column]), where, relative)
