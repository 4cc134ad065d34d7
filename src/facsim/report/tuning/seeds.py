"""What every seed found alone: a table, and a sentence on how far they scatter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.report.labels import number, with_error
from facsim.simulators.parametric import Space

__all__ = ["Seeds", "describe_seeds"]

Array = NDArray[np.float64]

SETTLED = 0.3
"""Scatter, in widths of the answer, up to which seeds agree."""


@dataclass(frozen=True)
class Seeds:
    """Answers of networks that differ in their seed alone.

    Parameters
    ----------
    middle, width : array (m, p)
        Mean or median of each of m answers, and its standard deviation, in the parameters' units.
    words : str, optional
        What was done with them.
    notes : sequence of str, optional
        Something about each of them.
    chosen : int, optional
        Whose answer was taken; by default all are mixed.
    """

    middle: ArrayLike
    width: ArrayLike
    words: str = ""
    notes: Sequence[str] = ()
    chosen: int | None = None

    @property
    def scatter(self) -> Array:
        """Standard deviation (p,) of the middles."""
        return np.asarray(np.std(np.asarray(self.middle, np.float64), axis=0, ddof=1))


def describe_seeds(seeds: Seeds, space: Space, samples: Array) -> tuple[str, list[tuple[str, list[str], str]]]:
    """A sentence, and rows of a table: name, one cell per parameter, note; the answer is the last row.

    Parameters
    ----------
    seeds : Seeds
        At least two.
    space : Space
    samples : array (n, p)
        The answer.

    Examples
    --------
    >>> from facsim.simulators.parametric import Parameter
    >>> samples = np.linspace(0, 1, 100)[:, None]
    >>> words, rows = describe_seeds(Seeds([[0.4], [0.6]], [[0.3], [0.3]]), Space((Parameter("m", 0, 1),)), samples)
    >>> words
    'They scatter by up to 0.49 of the width of the answer (m): more than 0.3 asks for more steps or calls.'
    >>> rows[-1][0], len(rows)
    ('answer', 3)
    """
    widths = samples.std(axis=0)
    parts = seeds.scatter / np.maximum(widths, 1e-9 * (space.high - space.low))
    worst = int(parts.argmax())
    words = f"They scatter by up to {number(float(parts[worst]), 2)} of the width of the answer ({space.names[worst]})"
    words += f": more than {SETTLED:g} asks for more steps or calls." if parts[worst] > SETTLED else "."
    notes = [*seeds.notes, *[""] * len(np.asarray(seeds.middle))]
    rows = [
        (f"seed {i + 1}", _cells(middle, width), note + (" (taken)" if i == seeds.chosen else ""))
        for i, (middle, width, note) in enumerate(
            zip(np.asarray(seeds.middle, np.float64), np.asarray(seeds.width, np.float64), notes, strict=False)
        )
    ]
    return words, [*rows, ("answer", _cells(samples.mean(axis=0), widths), "")]


def _cells(middle: Array, width: Array) -> list[str]:
    return [with_error(float(m), float(w)) if w > 0 else number(float(m)) for m, w in zip(middle, width, strict=True)]
