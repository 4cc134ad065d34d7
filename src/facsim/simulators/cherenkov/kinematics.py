"""Which tracks a detector sees: momentum, pseudorapidity, number of tracks and charge, and what is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facsim.errors import RangeError
from facsim.schema import Schema

__all__ = ["ACCEPTANCE", "SPECTRA", "Spectrum", "draw_tracks", "require_accepted"]

Array = NDArray[np.float64]

ACCEPTANCE = {"P": (3.0, 200.0), "ETA": (1.8, 5.5), "nTracks": (1.0, 999.0), "charge": (0.0, 1.0)}
"""Tracks that the collaboration's own parameterisations keep: GeV, -, -, index of the charge."""


@dataclass(frozen=True)
class Spectrum:
    """Joint law of P, ETA and nTracks: ETA and nTracks first, then a transverse momentum that depends on both.

    ETA is normal, nTracks log-normal, and the transverse momentum ``floor`` plus a gamma variable of mean ``pt`` and
    shape ``shape``, softer in busy events; P = pT cosh(ETA). All are cut to `ACCEPTANCE`.

    Parameters
    ----------
    eta, eta_width : float
    tracks : float
        Median of nTracks.
    pt, shape, floor : float
        Of the transverse momentum, GeV.
    positive : float, optional
        Share of positive charge.
    """

    eta: float
    eta_width: float
    tracks: float
    pt: float
    shape: float
    floor: float
    positive: float = 0.5

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """P, ETA, nTracks and the charge's index of n tracks, (n, 4)."""
        out, filled = np.empty((n, 4)), 0
        low, high = np.array(list(ACCEPTANCE.values())).T
        while filled < n:
            eta = rng.normal(self.eta, self.eta_width, n)
            tracks = np.rint(self.tracks * np.exp(0.5 * rng.standard_normal(n)))
            soft = (tracks / self.tracks).clip(0.2, 5) ** -0.15
            pt = self.floor + soft * rng.gamma(self.shape, self.pt / self.shape, n)
            found = np.stack([pt * np.cosh(eta), eta, tracks, rng.random(n) < self.positive], axis=1)
            found = found[((found > low) & (found < high))[:, :3].all(axis=1)][: n - filled]
            out[filled : filled + len(found)] = found
            filled += len(found)
        return out


SPECTRA: Mapping[str, Spectrum] = {
    "e": Spectrum(3.2, 0.65, 180.0, 1.8, 1.6, 0.5),
    "mu": Spectrum(3.2, 0.70, 180.0, 2.2, 1.8, 0.8),
    "pi": Spectrum(3.3, 0.70, 190.0, 1.6, 1.5, 0.25),
    "K": Spectrum(3.3, 0.65, 190.0, 2.0, 1.7, 0.25),
    "p": Spectrum(3.4, 0.60, 190.0, 2.4, 1.6, 0.40),
    "background": Spectrum(3.6, 0.85, 260.0, 0.9, 1.1, 0.20),
}
"""Probes of calibration decays, and what lies under them. The shapes are of this project: harder probes than the
tracks under them, and more of these in busy events, as in data (spectra of D*, J/psi and Lambda samples)."""


def draw_tracks(rng: np.random.Generator, n: int, kinematics: str, particle: str) -> Array:
    """P, ETA, nTracks and charge's index of n tracks, (n, 4).

    Parameters
    ----------
    rng : Generator
    n : int
    kinematics : str
        ``flat``: each on its own, P flat in its logarithm; ``real``: from the particle's `SPECTRA`.
    particle : str
        Key of `SPECTRA`.

    Examples
    --------
    >>> draw_tracks(np.random.default_rng(0), 5, "real", "K").shape
    (5, 4)
    """
    if kinematics == "real":
        return SPECTRA[particle].draw(rng, n)
    u = rng.random((n, 4))
    (p, q), (eta, far), (few, many), _ = ACCEPTANCE.values()
    columns = [p * (q / p) ** u[:, 0], eta + (far - eta) * u[:, 1], np.floor(few + (many + 1 - few) * u[:, 2])]
    return np.stack([*columns, u[:, 3] < 0.5], axis=1)


def require_accepted(
    conditions: NDArray[np.float32], schema: Schema, ranges: Mapping[str, tuple[float, float]]
) -> None:
    """Refuse tracks outside the acceptance.

    Parameters
    ----------
    conditions : array (n, k)
    schema : Schema
        Whose conditions they are.
    ranges : mapping
        Lowest and highest value of every condition.

    Raises
    ------
    RangeError
        Names the condition, the first value and the range, and how many tracks are outside.
    """
    for name, (low, high) in ranges.items():
        values = conditions[:, schema.columns(name)][:, 0]
        outside = (values < np.float32(low)) | (values > np.float32(high))
        if outside.any():
            row, unit = int(outside.argmax()), schema.block(name).unit
            msg = (
                f"{name}={values[row]:g}{' ' * bool(unit)}{unit} of track {row} is outside the acceptance {low:g} to "
                f"{high:g} ({int(outside.sum())} of {len(values)} tracks are): remove these tracks"
            )
            raise RangeError(msg)
