"""Photon detectors in liquid argon: counts of real optical photons against the vertex."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError, MissingExtra, RangeError
from facsim.events import Events
from facsim.schema import Block
from facsim.simulators import g4data
from facsim.simulators.parametric.light.box import LightBox
from facsim.simulators.parametric.space import Parameter, Space
from facsim.simulators.parametric.workers import WorkerSimulator
from facsim.simulators.pool import Program

__all__ = ["Light"]

RAYLEIGH_M = {128: 1.0, 175: 8.0}
SECONDS_PER_PHOTON = 8e-6
MARGIN_M = 0.05


@dataclass(frozen=True)
class Light(WorkerSimulator):
    """Counts of the photon detectors on a wall, for isotropic photons from one vertex, by Geant4.

    Parameters are the argon's absorption and Rayleigh length and the walls' reflectivity; given are x (distance from
    the detectors' wall), y and z of the vertex. See `LightBox` for the geometry.

    Parameters
    ----------
    photons : int
        Per call. A detector's visibility is its count over this number.
    wavelength : int
        128 nm (argon) or 175 nm (xenon in argon); decides the default Rayleigh length.
    rows, columns : int
        Detectors along y and z.
    drift, height, length, side : float
        Of the argon and of a detector, in m.
    workers : int
        Processes, with one Geant4 each. Their number does not change the events.

    Raises
    ------
    MissingExtra, MissingData
        On the first call, if geant4-pybind or Geant4's data are not installed.

    Notes
    -----
    Rayleigh lengths of 1 m at 128 nm and 8 m at 175 nm are near the measured ones (M. Babicz et al., arXiv:2002.09346).

    Examples
    --------
    >>> light = Light()
    >>> str(light.space), str(light.features[0])
    ('absorption (2 to 100 m), rayleigh (0.3 to 20 m), reflectivity (0 to 0.95)', 'counts (4, 6)')
    >>> events = light.sample([[20, 1, 0.3, 1.0, 0.2, -0.4]], seed=1)  # doctest: +SKIP
    """

    photons: int = 10_000
    wavelength: int = 128
    rows: int = 4
    columns: int = 6
    drift: float = 2.0
    height: float = 2.0
    length: float = 3.0
    side: float = 0.2
    workers: int = 1

    name = "light"
    summary = "photons from a vertex in liquid argon, counted by detectors on a wall (Geant4)"
    given = (Block("x", (), "real", "m"), Block("y", (), "real", "m"), Block("z", (), "real", "m"))
    shard = 16

    def __post_init__(self) -> None:
        if self.wavelength not in RAYLEIGH_M:
            msg = f"wavelength={self.wavelength}: known are {list(RAYLEIGH_M)} nm"
            raise DataError(msg)
        if self.photons < 1:
            msg = f"photons={self.photons}: at least one is needed"
            raise DataError(msg)
        _ = self.box  # raises for an impossible one
        half_y, half_z = self.height / 2 - MARGIN_M, self.length / 2 - MARGIN_M
        ranges = {
            "x": f"{MARGIN_M}:{self.drift - MARGIN_M:.6g}",
            "y": f"{-half_y:.6g}:{half_y:.6g}",
            "z": f"{-half_z:.6g}:{half_z:.6g}",
        }
        parameters = (
            Parameter("absorption", 2, 100, default=20, unit="m"),
            Parameter("rayleigh", 0.3, 20, default=RAYLEIGH_M[self.wavelength], unit="m"),
            Parameter("reflectivity", 0, 0.95, default=0.3),
        )
        for key, value in (
            ("space", Space(parameters)),
            ("features", (Block("counts", (self.rows, self.columns), "count"),)),
            ("given_ranges", MappingProxyType(ranges)),
            ("seconds_per_call", self.photons * SECONDS_PER_PHOTON),
        ):
            object.__setattr__(self, key, value)

    @cached_property
    def box(self) -> LightBox:
        """Argon and detectors."""
        return LightBox(self.drift, self.height, self.length, self.rows, self.columns, self.side)

    def _program(self) -> Program:
        # not imported: that could ask on the terminal whether to download data
        if importlib.util.find_spec("geant4_pybind") is None:
            msg = 'simulating light needs geant4-pybind: pip install "facsim[geant4]"'
            raise MissingExtra(msg)
        setup = {"box": self.box.to_json(), "wavelength": self.wavelength, "photons": self.photons}
        environment = {"GEANT4_DATA_DIR": str(g4data.find().folder)}
        return Program("Geant4", "facsim.simulators.parametric.light.worker", setup, environment=environment)

    def _rows(self, conditions: ArrayLike | Events | Mapping[str, ArrayLike], seed: int) -> NDArray[np.float64]:
        rows = super()._rows(conditions, seed)
        outside = ~self.box.contains(rows[:, 3:])
        if outside.any():
            row = int(outside.argmax())
            size = f"0 < x < {self.drift:g}, |y| < {self.height / 2:g}, |z| < {self.length / 2:g} m"
            msg = f"vertex {rows[row, 3:].tolist()} at call {row} is outside the argon; choose {size}"
            raise RangeError(msg)
        return rows
