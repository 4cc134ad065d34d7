"""Everything besides seed and conditions that decides what a simulated event looks like."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, SimulationError, nearest
from facsim.schema import Block, Schema
from facsim.simulators.calorimeter import SamplingCalorimeter

__all__ = ["HADRONS", "LEPTONS_AND_PHOTONS", "Setup"]

LEPTONS_AND_PHOTONS = ("e+", "e-", "gamma", "mu+", "mu-")
PHYSICS = ("em", "FTFP_BERT", "QGSP_BERT", "QGSP_BIC", "QBBC")
HADRONS = ("pi+", "pi-", "kaon+", "kaon-", "kaon0L", "proton", "neutron")
_MEV = {"MeV": 1.0, "GeV": 1e3}
_SPREAD = 0x5B3EAD  # keeps these draws apart from Geant4's own


@dataclass(frozen=True)
class Setup:
    """A calorimeter, a beam and the physics.

    Parameters
    ----------
    calorimeter : SamplingCalorimeter
    particle : str
        One of `LEPTONS_AND_PHOTONS` or `HADRONS` (Geant4's names).
    physics : {"auto", "em", "FTFP_BERT", "QGSP_BERT", "QGSP_BIC", "QBBC"}, optional
        ``"em"`` is G4EmStandardPhysics with decays; the others are Geant4's reference lists, which need the hadronic
        data sets. ``"auto"``: ``"em"`` for leptons and photons, ``"FTFP_BERT"`` for hadrons.
    cut_mm : float, optional
        Production cut for secondaries, as a range; 0.7 mm is Geant4's default.
    position_spread_mm : float, optional
        The particle meets the front face evenly within this distance of the centre in x and in y; adds the condition
        ``position`` (x, y in mm).
    angle_spread_deg : float, optional
        Directions are isotropic within this angle to the axis; adds the condition ``direction`` (cosines to x and y).
    """

    calorimeter: SamplingCalorimeter
    particle: str = "e+"
    physics: str = "auto"
    cut_mm: float = 0.7
    position_spread_mm: float = 0.0
    angle_spread_deg: float = 0.0

    def __post_init__(self) -> None:
        known = LEPTONS_AND_PHOTONS + HADRONS
        if self.particle not in known:
            msg = f"particle '{self.particle}': known are {list(known)}.{nearest(self.particle, known)}"
            raise SimulationError(msg)
        if self.physics == "auto":
            object.__setattr__(self, "physics", "FTFP_BERT" if self.particle in HADRONS else "em")
        if self.physics not in PHYSICS:
            msg = f"physics='{self.physics}': known are {['auto', *PHYSICS]}.{nearest(self.physics, PHYSICS)}"
            raise SimulationError(msg)
        if self.physics == "em" and self.particle in HADRONS:
            msg = f"physics='em' cannot simulate the hadron {self.particle}: use physics='FTFP_BERT'"
            raise SimulationError(msg)
        half = self.calorimeter.width_mm / 2
        for name, low, high in (("cut_mm", 1e-3, 1e3), ("position_spread_mm", 0, half), ("angle_spread_deg", 0, 80)):
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                msg = f"{name}={value}: must be between {low:g} and {high:g}"
                raise DataError(msg)

    @property
    def beam(self) -> str:
        """What is shot, for files and for comparing runs."""
        return self.particle

    @property
    def schema(self) -> Schema:
        """Columns of the events: those of the calorimeter, with position and direction where they vary."""
        schema = self.calorimeter.schema
        more = []
        if self.position_spread_mm:
            more.append(Block("position", (2,), "real", "mm"))
        if self.angle_spread_deg:
            more.append(Block("direction", (2,), "real"))
        return replace(schema, conditions=(*schema.conditions, *more)) if more else schema

    def draw(self, energies: NDArray[np.float32], seed: int, first: int = 0) -> NDArray[np.float32]:
        """Conditions (n, schema.condition_width) of the events from `first` on, given their `energies` (n,)."""
        rows = []
        for event, energy in enumerate(energies, start=first):
            random = np.random.default_rng([seed, event, _SPREAD])
            x, y, cosine, azimuth = random.random(4)
            row = [float(energy)]
            if self.position_spread_mm:
                row += [self.position_spread_mm * (2 * x - 1), self.position_spread_mm * (2 * y - 1)]
            if self.angle_spread_deg:
                sine = math.sqrt(1 - (1 - cosine * (1 - math.cos(math.radians(self.angle_spread_deg)))) ** 2)
                row += [sine * math.cos(2 * math.pi * azimuth), sine * math.sin(2 * math.pi * azimuth)]
            rows.append(row)
        return np.asarray(rows, np.float32).reshape(len(energies), self.schema.condition_width)

    def primaries(self, conditions: NDArray[np.float32]) -> list[list[float]]:
        """Per event: kinetic energy in MeV, x and y in mm on the front face, direction cosines along x and y."""
        schema = self.schema
        out = np.zeros((len(conditions), 5))
        out[:, 0] = conditions[:, schema.columns("energy")][:, 0] * np.float64(_MEV[schema.block("energy").unit])
        if self.position_spread_mm:
            out[:, 1:3] = conditions[:, schema.columns("position")]
        if self.angle_spread_deg:
            out[:, 3:5] = conditions[:, schema.columns("direction")]
        rules = {"an energy above 0": out[:, 0] > 0, "a direction into the block": (out[:, 3:] ** 2).sum(1) < 1}
        for rule, kept in rules.items():
            if not kept.all():
                row = int(np.flatnonzero(~kept)[0])
                msg = f"conditions of event {row} are {conditions[row]}: Geant4 needs {rule}"
                raise DataError(msg)
        return out.tolist()

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings."""
        names = ("particle", "physics", "cut_mm", "position_spread_mm", "angle_spread_deg")
        return {n: getattr(self, n) for n in names} | {"calorimeter": self.calorimeter.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Setup:
        """Inverse of `to_json`."""
        return cls(**{**data, "calorimeter": SamplingCalorimeter.from_json(data["calorimeter"])})
