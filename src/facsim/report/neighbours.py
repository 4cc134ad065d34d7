"""Nearest neighbours: whether generated events repeat, or miss, what the truth contains.

CaloGAN (arXiv:1712.10321, section V) shows reference showers beside their Euclidean nearest neighbour in the generated
sample. The distance to the nearest *other* reference event, among equally many candidates, says what to expect.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.metrics.nearest import nearest_rows, row_distances
from facsim.schema import Block

__all__ = ["Neighbours", "nearest_neighbours"]


@dataclass(frozen=True)
class Neighbours:
    """Reference events and what lies nearest to them in one layer.

    Parameters
    ----------
    block : Block
        The layer.
    reference, generated : array (m, *block.shape)
        Examples and their nearest generated events.
    energy : array (m,) or None
        First condition of the examples.
    to_generated, to_reference : array (q,)
        Distance of each of q reference events to the nearest generated and the nearest other reference event, in the
        block's unit; the examples come first.
    candidates : int
        Events searched on either side.
    """

    block: Block
    reference: NDArray[np.float32]
    generated: NDArray[np.float32]
    energy: NDArray[np.float32] | None
    to_generated: NDArray[np.float64]
    to_reference: NDArray[np.float64]
    candidates: int

    @property
    def share_closer(self) -> float:
        """Share of reference events that are nearer to a generated than to another reference event.

        0.5 for a perfect copy; near 1 the generated events repeat the reference, near 0 they miss it.
        """
        return float(np.mean((self.to_generated < self.to_reference) + 0.5 * (self.to_generated == self.to_reference)))

    @property
    def copies(self) -> int:
        """Reference events of which an exact copy was generated (an event without energy does not count)."""
        return int(np.count_nonzero((self.to_generated == 0) & (self.to_reference > 0)))

    def to_json(self) -> dict[str, float | int]:
        """Plain numbers."""
        return {
            "queries": len(self.to_generated),
            "candidates": self.candidates,
            "share_closer": self.share_closer,
            "copies": self.copies,
        }


def nearest_neighbours(
    reference: Events, generated: Events, blocks: tuple[Block, ...], *, seed: int, examples: int = 5, queries: int = 400
) -> list[Neighbours]:
    """Search the nearest neighbours of reference events, layer by layer.

    Parameters
    ----------
    reference, generated : Events
    blocks : tuple of Block
        Layers to look at.
    seed : int
        Which events are asked for.
    examples : int, optional
        Events shown, spread over the first condition.
    queries : int, optional
        Events that enter the share.
    """
    rng = np.random.default_rng([seed, 0x4EA7])
    count = min(len(reference) - 1, len(generated))
    candidates = generated[np.sort(rng.permutation(len(generated))[:count])]
    asked = _asked(reference, examples, queries, rng)
    others = np.sort(rng.permutation(len(reference))[: count + 1])  # the asked event itself is left out of them
    found = []
    for block in blocks:
        cells = _flat(reference[asked], block)
        pool = _flat(candidates, block)
        near = nearest_rows(cells, pool)
        rest = _flat(reference[others], block)
        near_other = nearest_rows(cells, rest, np.where(np.isin(asked, others), np.searchsorted(others, asked), -1))
        shown = slice(0, min(examples, len(asked)))
        found.append(
            Neighbours(
                block,
                cells[shown].reshape(-1, *block.shape),
                pool[near[shown]].reshape(-1, *block.shape),
                reference.conditions[asked[shown], 0] if reference.schema.conditions else None,
                row_distances(cells, pool[near]),
                row_distances(cells, rest[near_other]),
                count,
            )
        )
    return found


def repeated(reference: Events, other: Events) -> int:
    """Count events of `other` that are also in the reference, number by number; 0 where events repeat by nature.

    Tables of few or rounded columns repeat themselves: what the reference holds twice says how often that happens.
    """
    known, mine = ([row.tobytes() for row in e.features if row.any()] for e in (reference, other))
    times = Counter(known)
    found = sum(row in times for row in mine)
    by_nature = sum(n for n in times.values() if n > 1)
    return found if found > 2 * by_nature + 5 * by_nature**0.5 else 0


def _asked(reference: Events, examples: int, queries: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Examples at even quantiles of the first condition, then further events at random."""
    examples = min(examples, len(reference))
    order = rng.permutation(len(reference))
    if reference.schema.conditions:
        order = order[np.argsort(reference.conditions[order, 0], kind="stable")]
    shown = order[((np.arange(examples) + 0.5) / examples * len(order)).astype(int)]
    rest = rng.permutation(np.setdiff1d(np.arange(len(reference)), shown))[: max(0, queries - examples)]
    return np.concatenate([shown, rest])


def _flat(events: Events, block: Block) -> NDArray[np.float32]:
    return events[block.name].reshape(len(events), -1)
