"""What the detectors have in common: one or five kinds of particles, conditions of a track, repeated draws."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, RangeError, nearest
from facsim.events import Events
from facsim.sampler import Sampler, as_conditions, parse_range
from facsim.schema import Block, Schema
from facsim.simulators.cherenkov.kinematics import ACCEPTANCE, draw_tracks, require_accepted
from facsim.simulators.cherenkov.particles import PARTICLES, species_of
from facsim.simulators.toys.base import Conditions, Toy

__all__ = ["CHARGES", "PARTICLE", "TRACK", "Detector", "TrackDetector", "repeat"]

Array = NDArray[np.float64]

CHARGES = ("-1", "+1")
PARTICLE = Block("particle", (), "category", names=PARTICLES)
TRACK = (
    Block("P", unit="GeV"),
    Block("ETA"),
    Block("nTracks", kind="count"),
    Block("charge", kind="category", names=CHARGES),
)


class Detector(Toy):
    """A detector that answers to a charged particle with a few numbers.

    Its field `particle` says whose answers: those of one kind, or of all five in equal parts, where the kind then is
    the condition ``particle``.
    """

    particle: str
    blocks: ClassVar[tuple[Block, ...]]
    """Features."""
    given: ClassVar[tuple[Block, ...]]
    """Conditions besides the particle."""
    ranges: ClassVar[Mapping[str, tuple[float, float]]]
    """Accepted values of `given`."""

    @property
    def schema(self) -> Schema:
        """Columns of the events."""
        mixed = (PARTICLE,) if species_of(self.particle) is None else ()
        return Schema(self.blocks, self.given + mixed, self.name)

    @abstractmethod
    def response(self, rng: np.random.Generator, species: NDArray[np.intp], conditions: Array) -> Array:
        """Features (n, d) of particles `species` (n,), indices in `PARTICLES`, under conditions (n, k) of `given`."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, n: int, particle: str) -> Array:
        """Conditions (n, k) of n tracks of one kind of particle."""

    def _given(self, conditions: Conditions, seed: int) -> NDArray[np.float32]:
        matrix = super()._given(conditions, seed)
        require_accepted(matrix, self.schema, self.ranges)
        if species_of(self.particle) is None:
            require_accepted(matrix, self.schema, {"particle": (0, len(PARTICLES) - 1)})
        return matrix

    def _conditions(self, rng: np.random.Generator, n: int) -> Array:
        species = species_of(self.particle)
        if species is not None:
            return self.draw(rng, n, PARTICLES[species])
        kinds = rng.integers(len(PARTICLES), size=n)
        drawn = np.stack([self.draw(child, n, kind) for child, kind in zip(rng.spawn(5), PARTICLES, strict=True)])
        return np.column_stack([drawn[kinds, np.arange(n)], kinds])

    def _features(self, rng: np.random.Generator, conditions: NDArray[np.float32]) -> Array:
        species, k = species_of(self.particle), len(self.given)
        matrix = conditions.astype(np.float64)
        kinds = matrix[:, k].astype(np.intp) if species is None else np.full(len(matrix), species, np.intp)
        return self.response(rng, kinds, matrix[:, :k])


@dataclass(frozen=True)
class TrackDetector(Detector):
    """A detector whose answer depends on P, ETA, nTracks and charge.

    Parameters
    ----------
    particle : str
        ``e``, ``mu``, ``pi``, ``K``, ``p``, or ``all``: a mixture in equal parts, whose kind is a condition.
    kinematics : str
        How conditions are drawn where only their number is given: ``real``, from spectra in which they depend on each
        other, or ``flat``, each on its own.
    P, ETA, nTracks, charge : str
        A range (``50``, ``10:60``, ``log:3:100``; of the charge ``+1`` or ``-1``) instead of what `kinematics` draws.
    """

    particle: str = "K"
    kinematics: str = "real"
    P: str = ""
    ETA: str = ""
    nTracks: str = ""  # noqa: N815 - the condition's name
    charge: str = ""

    given = TRACK
    ranges = ACCEPTANCE

    def __post_init__(self) -> None:
        species_of(self.particle)
        if self.kinematics not in {"real", "flat"}:
            near = nearest(str(self.kinematics), ["real", "flat"])
            msg = f"{self.name}: kinematics='{self.kinematics}' must be 'real' or 'flat'.{near}"
            raise DataError(msg)
        for name, (low, high, _) in self._asked().items():
            least, most = ACCEPTANCE[name]
            if low < least or high > most:
                msg = f"{self.name}: {name}={getattr(self, name)} reaches beyond the acceptance {least:g} to {most:g}"
                raise RangeError(msg)

    def _asked(self) -> dict[str, tuple[float, float, str]]:
        asked = {}
        for name in ACCEPTANCE:
            text = getattr(self, name)
            if text in CHARGES:
                text = str(CHARGES.index(text))
            if text:
                asked[name] = parse_range(text, positive=False)
        return asked

    def draw(self, rng: np.random.Generator, n: int, particle: str) -> Array:
        """Conditions (n, 4) of n tracks of one kind of particle."""
        tracks, asked = rng.spawn(2)
        matrix = draw_tracks(tracks, n, self.kinematics, particle)
        u = asked.random((n, len(ACCEPTANCE)))
        for column, name in enumerate(ACCEPTANCE):
            if name in self._asked():
                low, high, law = self._asked()[name]
                whole = name in {"nTracks", "charge"}
                share = u[:, column]
                drawn = low * (high / low) ** share if law == "log" else low + (high + whole - low) * share
                matrix[:, column] = np.minimum(np.floor(drawn), high) if whole else drawn
        return matrix


def repeat(
    simulator: Sampler, conditions: ArrayLike | Events | Mapping[str, ArrayLike], times: int, *, seed: int = 0
) -> Array:
    """Draw many answers at each of a few conditions: the true conditional density, by Monte Carlo.

    Parameters
    ----------
    simulator : Sampler
        Truth, or a model of it.
    conditions : Events, mapping or array (n, k)
        See `facsim.sampler.as_conditions`.
    times : int
        Draws at each condition.
    seed : int, optional

    Returns
    -------
    array (n, times, d)
        Features, in the order of the sampler's schema.

    Raises
    ------
    DataError
        If `times` is not positive, or the conditions do not fit.

    Examples
    --------
    >>> from facsim.simulators.cherenkov import Rich
    >>> kaon = repeat(Rich("K"), [[30.0, 3.5, 150, 1]], 1000, seed=1)
    >>> kaon.shape, bool(kaon[0, :, 2].mean() > 20)  # RichDLLk
    ((1, 1000, 5), True)
    """
    if times < 1:
        msg = f"times={times}: at least one draw is needed"
        raise DataError(msg)
    matrix = as_conditions(conditions, simulator.schema)
    drawn = simulator.sample(np.repeat(matrix, times, axis=0), seed=seed).features
    return drawn.reshape(len(matrix), times, -1).astype(np.float64)
