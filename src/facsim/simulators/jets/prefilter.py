"""Which events go on to Pythia's next stage.

Few events have a jet in the window of the selection, and nearly all of Pythia's time goes into multiparton interactions
below 3 GeV. An event is therefore dropped as soon as neither of its two hardest jets can be expected in the window:
when the showers have come down to `EARLY_GEV`, when all partons are there, and when all particles are. What that loses
is measured (docs/measurements.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from facsim.errors import require
from facsim.simulators.jets.clustering import LEAST_SHARE, SUBJET_RADIUS

__all__ = ["EARLY", "EARLY_GEV", "PARTICLES", "PARTONS", "Bounds", "Prefilter"]

EARLY_GEV = 8.0


@dataclass(frozen=True)
class Bounds:
    """What a jet must have.

    Parameters
    ----------
    pt : (float, float)
        Transverse momentum, GeV.
    rapidity : float
        Most absolute rapidity.
    trimmed_pt, trimmed_mass : (float, float)
        GeV, after trimming.
    """

    pt: tuple[float, float]
    rapidity: float
    trimmed_pt: tuple[float, float]
    trimmed_mass: tuple[float, float]


EARLY = Bounds((235.0, 350.0), 2.2, (230.0, 330.0), (28.0, 126.0))
PARTONS = Bounds((238.0, 350.0), 2.15, (232.0, 328.0), (32.0, 122.0))
PARTICLES = Bounds((243.0, 350.0), 2.1, (240.0, 312.0), (44.0, 113.0))


class Prefilter:
    """Finds the jets of Pythia's event with Pythia's own anti-kt, and trims them with FastJet."""

    def __init__(self) -> None:
        pythia8: Any = require("pythia8mc", "pythia", "simulating jets")
        self._fj: Any = require("fastjet", "pythia", "simulating jets")
        self._finder = pythia8.SlowJet(-1, 1.0, 20.0, 6.0)  # anti-kt, R = 1; what cannot be seen is left out
        self._kt = self._fj.JetDefinition(self._fj.kt_algorithm, SUBJET_RADIUS)

    def passes(self, event: Any, bounds: Bounds) -> bool:
        """Whether one of the event's two hardest jets lies within `bounds`."""
        finder = self._finder
        finder.analyze(event)
        for k in range(min(2, finder.sizeJet())):
            if bounds.pt[0] < finder.pT(k) < bounds.pt[1] and abs(finder.y(k)) < bounds.rapidity:
                pt, mass = self._trimmed(event, k)
                inside = bounds.trimmed_pt[0] < pt < bounds.trimmed_pt[1]
                if inside and bounds.trimmed_mass[0] < mass < bounds.trimmed_mass[1]:
                    return True
        return False

    def _trimmed(self, event: Any, jet: int) -> tuple[float, float]:
        """Transverse momentum and mass after trimming, GeV."""
        members = [event[i] for i in self._finder.constituents(jet)]
        particles = [self._fj.PseudoJet(p.px(), p.py(), p.pz(), p.e()) for p in members]
        sequence = self._fj.ClusterSequence(particles, self._kt)
        total = self._fj.PseudoJet(0.0, 0.0, 0.0, 0.0)
        for subjet in sequence.inclusive_jets(LEAST_SHARE * self._finder.pT(jet)):
            total = total + subjet
        return total.pt(), total.m()
