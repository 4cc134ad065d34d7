"""What Pythia is told to collide: W' -> WZ with one fat W jet, and QCD jets."""

from __future__ import annotations

from dataclasses import dataclass

from facsim.detectors.jet_images import JET_CLASSES
from facsim.errors import SimulationError, nearest

__all__ = ["PROCESSES", "Process", "process"]


@dataclass(frozen=True)
class Process:
    """A hard process.

    Parameters
    ----------
    name : str
    signal : int
        Its number as the condition ``signal``.
    settings : tuple of str
        Lines that Pythia reads; all else is Pythia's default (protons at 14 TeV, Monash tune, no pile-up).
    early : bool
        Whether the jets are there while the showers run, so that an event can be dropped early. A W decays later.
    """

    name: str
    signal: int
    settings: tuple[str, ...]
    early: bool


_SETTINGS = {
    # 3 % of the jets in the selection's window come from below 140 GeV, where a hard gluon makes them, and fewer than
    # 0.4 % from above 400 GeV (docs/measurements.md)
    "qcd": ("HardQCD:all = on", "PhaseSpace:pTHatMin = 140", "PhaseSpace:pTHatMax = 400"),
    # The Z is invisible, so that the W is the only hard jet. LAGAN's jet maker has 800 GeV unless told otherwise, and
    # what the published file has is not known; at 600 GeV the W bosons have 250 to 300 GeV in the plane across the
    # beam, so that a quarter of the events is taken instead of 7 %.
    "wprime": (
        "NewGaugeBoson:ffbar2Wprime = on",
        "Wprime:coup2WZ = 1",
        "34:m0 = 600",
        "34:onMode = off",
        "34:onIfAny = 23 24",
        "24:onMode = off",
        "24:onIfAny = 1 2 3 4",
        "23:onMode = off",
        "23:onIfAny = 12",
    ),
}

PROCESSES = tuple(
    Process(name, number, _SETTINGS[name], early=name == "qcd") for number, name in enumerate(JET_CLASSES)
)
"""By the number of their signal; settings of LAGAN's jet maker (specified by its public code)."""


def process(name: str) -> Process:
    """Process by its name.

    Raises
    ------
    SimulationError
        For an unknown one, with the nearest known name.

    Examples
    --------
    >>> process("wprime").signal
    1
    """
    for found in PROCESSES:
        if found.name == name:
            return found
    msg = f"process '{name}': known are {list(JET_CLASSES)}.{nearest(name, JET_CLASSES)}"
    raise SimulationError(msg)
