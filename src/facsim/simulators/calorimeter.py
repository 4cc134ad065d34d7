"""A sampling calorimeter as data: materials, plates, and the cells that are read out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np

from facsim.errors import DataError, SimulationError, nearest
from facsim.schema import Block, Grid, Schema

__all__ = ["Deposit", "Material", "Piece", "Plate", "SamplingCalorimeter", "active_name", "preset", "presets"]

Deposit = Literal["total", "active", "both"]
"""Which energy the layers hold: all materials, the active one alone, or all with the active one in extra blocks."""


@dataclass(frozen=True)
class Material:
    """A material by its Geant4 (NIST) name, or a pure element of given density.

    Parameters
    ----------
    name : str
        ``"G4_Pb"``, or any name if the next three are given.
    z, a_g_mole, density_g_cm3 : float, optional
        Atomic number, molar mass, density.
    """

    name: str
    z: float | None = None
    a_g_mole: float | None = None
    density_g_cm3: float | None = None

    def __post_init__(self) -> None:
        given = [v for v in (self.z, self.a_g_mole, self.density_g_cm3) if v is not None]
        if len(given) not in {0, 3} or any(v <= 0 for v in given):
            msg = (
                f"material '{self.name}': give z, a_g_mole and density_g_cm3, all positive, or none for a NIST material"
            )
            raise DataError(msg)


@dataclass(frozen=True)
class Plate:
    """One plate of the repeated stack.

    Parameters
    ----------
    material : Material
    thickness_mm : float
    active : bool, optional
        Whether its deposit is the measured one (liquid argon, silicon), and not the absorber's.
    """

    material: Material
    thickness_mm: float
    active: bool = False


@dataclass(frozen=True)
class Piece:
    """A plate, or the part of one, that lies in a single read-out layer.

    Parameters
    ----------
    material, active
        As of the plate.
    start_mm, stop_mm : float
        Depth from the front face.
    layer : int or None
        Index of the read-out layer; None where nothing is read out.
    """

    material: Material
    active: bool
    start_mm: float
    stop_mm: float
    layer: int | None


@dataclass(frozen=True)
class SamplingCalorimeter:
    """A block of plates, square across the beam and centred on it, read out in layers of cells.

    Cells need not end where plates end: a plate is cut at the depths of the layers. What falls into a layer but beside
    its cells is the layer's overflow.

    Parameters
    ----------
    name : str
        For files and messages.
    plates : tuple of Plate
        One repetition, from the front.
    repeats : int
        How often the plates are repeated.
    width_mm : float
        Side of the block across the beam.
    readout : Schema
        Features: layers of kind energy with a `Grid` of evenly spaced edges, in MeV, in order of depth; then, if
        wanted, a block ``overflow`` with one column per layer. Conditions: ``energy`` in MeV or GeV.
    deposit : {"total", "active", "both"}, optional
        ``"both"`` adds a block ``active_<k>`` of the same cells for every ``layer_<k>``.
    scale : float, optional
        Factor on every deposit, such as 1 over a nominal sampling fraction.

    Examples
    --------
    >>> calorimeter = preset("calogan")
    >>> calorimeter.depth_mm, [str(b) for b in calorimeter.schema.features][:2]
    (480.0, ['layer_0 (3, 96) in MeV', 'layer_1 (12, 12) in MeV'])
    """

    name: str
    plates: tuple[Plate, ...]
    repeats: int
    width_mm: float
    readout: Schema
    deposit: Deposit = "total"
    scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "plates", tuple(self.plates))
        if self.repeats < 1 or not self.plates or any(p.thickness_mm <= 0 for p in self.plates):
            msg = f"calorimeter '{self.name}': needs at least one plate, positive thicknesses and repeats >= 1"
            raise DataError(msg)
        if self.deposit not in get_args(Deposit):
            msg = f"deposit='{self.deposit}': known are {list(get_args(Deposit))}"
            raise DataError(msg)
        if self.deposit != "total" and not any(p.active for p in self.plates):
            msg = f"calorimeter '{self.name}': deposit='{self.deposit}' needs a plate with active=True"
            raise DataError(msg)
        if not (math.isfinite(self.scale) and self.scale > 0):
            msg = f"calorimeter '{self.name}': scale={self.scale} must be positive"
            raise DataError(msg)
        self._check_readout()

    def _check_readout(self) -> None:
        front = 0.0
        for block, grid in self.layers:
            even = all(np.allclose(np.diff(e), (e[-1] - e[0]) / (len(e) - 1), rtol=1e-6) for e in grid.edges)
            if not even:
                msg = f"calorimeter '{self.name}', {block.name}: the cell edges must be evenly spaced"
                raise DataError(msg)
            if grid.axes == ("alpha", "r"):
                alpha, r = grid.edges
                fits = r[0] == 0 and 2 * r[-1] <= self.width_mm and math.isclose(alpha[-1] - alpha[0], 2 * math.pi)
                rule = f"r must go from 0 to at most {self.width_mm / 2} mm, alpha once around"
            else:
                fits = all(math.isclose(-e[0], e[-1]) and 2 * e[-1] <= self.width_mm for e in grid.edges)
                rule = f"x and y must be symmetric and within +-{self.width_mm / 2} mm"
            if not fits:
                msg = f"calorimeter '{self.name}', {block.name}: {rule}"
                raise DataError(msg)
            if grid.depth[0] < front - 1e-9 or grid.depth[1] > self.depth_mm + 1e-6:
                msg = (
                    f"calorimeter '{self.name}', {block.name}: depth {grid.depth} mm overlaps the layer before it, "
                    f"or ends behind the block's {self.depth_mm} mm"
                )
                raise DataError(msg)
            front = grid.depth[1]
        rest = [b.name for b in self.readout.features[len(self.layers) :]]
        if not self.layers or rest not in ([], ["overflow"]) or [b.name for b in self.readout.conditions] != ["energy"]:
            msg = f"calorimeter '{self.name}': the read-out needs layers, at most 'overflow' after, condition 'energy'"
            raise DataError(msg)

    @property
    def layers(self) -> tuple[tuple[Block, Grid], ...]:
        """The layers with their grids, in order of depth."""
        return tuple((b, b.grid) for b in self.readout.layers if b.grid is not None)

    @property
    def depth_mm(self) -> float:
        """Thickness of the whole block."""
        return round(self.repeats * sum(p.thickness_mm for p in self.plates), 9)

    @property
    def schema(self) -> Schema:
        """Columns of the simulated events (without position and direction)."""
        if self.deposit != "both":
            return self.readout
        # without a grid, so that observables do not take them for further layers
        active = [replace(b, name=active_name(b.name), grid=None) for b, _ in self.layers]
        return replace(self.readout, features=(*self.readout.features, *active))

    def pieces(self) -> list[Piece]:
        """Plates from front to back, cut where a read-out layer begins or ends.

        Examples
        --------
        >>> [p.stop_mm for p in preset("calogan").pieces() if 430 < p.stop_mm < 441]
        [432.0, 434.0, 437.0, 438.0, 440.0]
        """
        cuts = sorted({d for _, grid in self.layers for d in grid.depth})
        out, start = [], 0.0
        for number in range(self.repeats * len(self.plates)):
            plate = self.plates[number % len(self.plates)]
            # from the repetition's number, so that rounding does not add up
            turn, inside = divmod(number, len(self.plates))
            period = sum(p.thickness_mm for p in self.plates)
            stop = round(turn * period + sum(p.thickness_mm for p in self.plates[: inside + 1]), 9)
            edges = [start, *(c for c in cuts if start + 1e-6 < c < stop - 1e-6), stop]
            for a, b in pairwise(edges):
                middle = (a + b) / 2
                layer = next((k for k, (_, g) in enumerate(self.layers) if g.depth[0] < middle < g.depth[1]), None)
                out.append(Piece(plate.material, plate.active, a, b, layer))
            start = stop
        return out

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SamplingCalorimeter:
        """Inverse of `to_json`."""
        plates = tuple(Plate(**{**p, "material": Material(**p["material"])}) for p in data["plates"])
        return cls(**{**data, "plates": plates, "readout": Schema.from_json(data["readout"])})


def active_name(layer: str) -> str:
    """Name of the block that holds the active material's share of a layer.

    Examples
    --------
    >>> active_name("layer_2")
    'active_2'
    """
    return f"active_{layer.removeprefix('layer_')}"


def presets() -> list[str]:
    """Names of the known calorimeters."""
    return sorted(_PRESETS)


def preset(name: str) -> SamplingCalorimeter:
    """Return a known calorimeter; unknown names are a `SimulationError` that offers the nearest.

    ``calogan``
        80 x (2 mm Pb + 4 mm liquid argon), 1 m wide, 3 layers; deposits of both materials (arXiv:1712.10321,
        hep-lbdl/CaloGAN).
    ``par04-siw``
        90 x (1.4 mm W + 0.3 mm Si) with the cells of CaloChallenge data set 2 (arXiv:2410.21611): the deposit in
        silicon over the nominal sampling fraction 0.033. Its plates are flat; those of Geant4's Par04 are cylinders.
    """
    if name not in _PRESETS:
        msg = f"unknown calorimeter '{name}'; there are {presets()}.{nearest(name, _PRESETS)}"
        raise SimulationError(msg)
    return _PRESETS[name]()


def _calogan() -> SamplingCalorimeter:
    from facsim import detectors

    argon = Material("liquidArgon", z=18, a_g_mole=39.95, density_g_cm3=1.390)
    plates = (Plate(Material("G4_Pb"), 2.0), Plate(argon, 4.0, active=True))
    return SamplingCalorimeter("calogan", plates, 80, 1000.0, detectors.calogan(overflow=True))


def _par04_siw() -> SamplingCalorimeter:
    from facsim import detectors

    plates = (Plate(Material("G4_W"), 1.4), Plate(Material("G4_Si"), 0.3, active=True))
    readout = detectors.get("calochallenge-2")
    return SamplingCalorimeter("par04-siw", plates, 90, 1000.0, readout, deposit="active", scale=1 / 0.033)


_PRESETS: dict[str, Callable[[], SamplingCalorimeter]] = {"calogan": _calogan, "par04-siw": _par04_siw}
