"""Energy-flow polynomials: all products of momenta and angles that multigraphs of a few edges describe."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError

__all__ = ["energy_flow_polynomials", "multigraphs"]

Array = NDArray[np.float64]
Graph = tuple[tuple[int, int], ...]

MOST_DEGREE = 6
CHUNK_VALUES = 2**19


def energy_flow_polynomials(pt: Array, eta: Array, phi: Array, degree: int = 4) -> dict[str, Array]:
    r"""Compute all energy-flow polynomials up to a degree.

    .. math:: \mathrm{EFP}_G = \sum_{i_1 \ldots i_N} z_{i_1} \cdots z_{i_N} \prod_{(k,l) \in G} \theta_{i_k i_l},
              \qquad z = p_T, \quad \theta_{ij} = \sqrt{\Delta\eta_{ij}^2 + \Delta\phi_{ij}^2}

    for every multigraph G without loops, of N vertices, all of which have an edge; and for the single vertex.

    Parameters
    ----------
    pt, eta, phi : array (n, m)
        Constituents; pt = 0 for empty places. Not normalised: give ptrel to have z as shares of the jet.
    degree : int
        Most edges; 4 gives 36 polynomials, disconnected ones included, as JetNet uses them.

    Returns
    -------
    dict of array (n,)
        ``efp_0`` (the sum of z), ``efp_1``, ``efp_2_0``, ...: ``efp_<edges>_<number>`` in the order of `multigraphs`.

    Raises
    ------
    DataError
        If the degree is not within 0 to 6.

    Notes
    -----
    Komiske, Metodiev and Thaler, arXiv:1712.07124, measure "hadr", beta = 1. A disconnected graph is the product of its
    parts. Blind to nothing that is safe against soft and collinear emissions, if the degree is large enough.

    Examples
    --------
    >>> found = energy_flow_polynomials(np.array([[2.0, 3.0]]), np.array([[0.0, 0.1]]), np.zeros((1, 2)), degree=1)
    >>> {name: round(float(v[0]), 6) for name, v in found.items()}
    {'efp_0': 5.0, 'efp_1': 1.2}
    """
    graphs = multigraphs(degree)
    parts = {part for graph in graphs for part in _parts(graph)}
    n, m = pt.shape
    values = {part: np.empty(n) for part in parts}
    for start in range(0, n, step := max(1, CHUNK_VALUES // max(1, m * m))):
        rows = slice(start, start + step)
        offset = phi[rows, :, None] - phi[rows, None]
        wrapped = (offset + np.pi) % (2 * np.pi) - np.pi
        theta = np.hypot(eta[rows, :, None] - eta[rows, None], wrapped)
        for part in parts:
            values[part][rows] = _connected(part, pt[rows], theta)
    out = {"efp_0": pt.sum(axis=1)}
    for edges in range(1, degree + 1):
        alike = [graph for graph in graphs if len(graph) == edges]
        for i, graph in enumerate(alike):
            name = f"efp_{edges}" if len(alike) == 1 else f"efp_{edges}_{i}"
            out[name] = np.prod([values[part] for part in _parts(graph)], axis=0)
    return out


@cache
def multigraphs(degree: int) -> tuple[Graph, ...]:
    """All multigraphs without loops and lonely vertices with 1 to `degree` edges, each as a tuple of pairs.

    Ordered by edges, then by vertices, then by their pairs; no two are the same up to the names of the vertices.

    Examples
    --------
    >>> multigraphs(2)
    (((0, 1),), ((0, 1), (0, 1)), ((0, 1), (0, 2)), ((0, 1), (2, 3)))
    >>> [sum(len(g) == d for g in multigraphs(4)) for d in (1, 2, 3, 4)]
    [1, 3, 8, 23]
    """
    if not 0 <= degree <= MOST_DEGREE:
        msg = f"degree={degree}: must be within 0 to {MOST_DEGREE}"
        raise DataError(msg)
    connected: dict[int, list[Graph]] = {d: [] for d in range(degree + 1)}
    if degree:
        connected[1] = [((0, 1),)]
    for d in range(2, degree + 1):
        connected[d] = sorted({_canonical(g) for smaller in connected[d - 1] for g in _grown(smaller)})
    out: list[Graph] = []
    for d in range(1, degree + 1):
        found = {
            _joined(parts)
            for sizes in _partitions(d)
            for parts in itertools.product(*(connected[s] for s in sizes))
            if list(parts) == sorted(parts, key=lambda g: (len(g), g))
        }
        out += sorted(found, key=lambda g: (_vertices(g), g))
    return tuple(out)


def _grown(graph: Graph) -> Iterator[Graph]:
    """Add an edge in all ways that leave the graph connected."""
    n = _vertices(graph)
    yield from ((*graph, pair) for pair in itertools.combinations(range(n), 2))
    yield from ((*graph, (k, n)) for k in range(n))


def _canonical(graph: Graph) -> Graph:
    """The smallest of all ways to name the vertices."""
    names = itertools.permutations(range(_vertices(graph)))
    return min(tuple(sorted(tuple(sorted((p[a], p[b]))) for a, b in graph)) for p in names)  # type: ignore[misc]


def _vertices(graph: Graph) -> int:
    return 1 + max(itertools.chain.from_iterable(graph))


def _partitions(total: int, least: int = 1) -> Iterator[tuple[int, ...]]:
    """Ascending numbers with that sum."""
    yield (total,)
    for first in range(least, total // 2 + 1):
        for rest in _partitions(total - first, first):
            yield (first, *rest)


def _joined(parts: tuple[Graph, ...]) -> Graph:
    """Put connected graphs side by side."""
    out: list[tuple[int, int]] = []
    shift = 0
    for part in parts:
        out += [(a + shift, b + shift) for a, b in part]
        shift += _vertices(part)
    return tuple(out)


@cache
def _parts(graph: Graph) -> tuple[Graph, ...]:
    """Connected parts, each with vertices from 0, in the canonical way."""
    groups: list[set[int]] = []
    for a, b in graph:
        touching = [g for g in groups if a in g or b in g]
        groups = [g for g in groups if g not in touching] + [{a, b}.union(*touching)]
    out = []
    for group in groups:
        number = {vertex: i for i, vertex in enumerate(sorted(group))}
        out.append(_canonical(tuple((number[a], number[b]) for a, b in graph if a in group)))
    return tuple(sorted(out, key=lambda g: (len(g), g)))


def _connected(graph: Graph, z: Array, theta: Array) -> Array:
    """Polynomial of a connected graph by eliminating its vertices, those with the fewest neighbours first."""
    letters = "abcdefgh"
    powers: dict[tuple[int, int], int] = {}
    for pair in graph:
        powers[pair] = powers.get(pair, 0) + 1
    operands: list[Array] = [theta**k for k in powers.values()]
    terms = ["n" + letters[a] + letters[b] for a, b in powers]
    vertices = _vertices(graph)
    operands += [z] * vertices
    terms += ["n" + letters[k] for k in range(vertices)]
    return np.asarray(np.einsum(",".join(terms) + "->n", *operands, optimize="greedy"))
