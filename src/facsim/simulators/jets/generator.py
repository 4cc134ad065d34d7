"""Pythia for one process: selected jets, each from a random stream of its own."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import MissingExtra, SimulationError, require
from facsim.simulators.jets.clustering import Jet, cells, leading_jet, trim
from facsim.simulators.jets.prefilter import EARLY, EARLY_GEV, PARTICLES, PARTONS, Prefilter
from facsim.simulators.jets.processes import Process
from facsim.simulators.jets.selection import selected

__all__ = ["Generator", "check_installed", "event_seed"]

INVISIBLE = frozenset({12, 14, 16})
MOST_FAILURES = 100
LARGEST_SEED = 900_000_000
"""Pythia's random numbers have this many streams, from 1."""


class Generator:
    """Pythia, set up for one process.

    Parameters
    ----------
    process : Process
    prefilter : bool, optional
        Drop events early that can hardly be selected. Without, it takes ten times as long.

    Raises
    ------
    MissingExtra
        If pythia8mc or fastjet is not installed.
    SimulationError
        If Pythia cannot be set up.
    """

    def __init__(self, process: Process, *, prefilter: bool = True) -> None:
        check_installed()
        pythia8: Any = require("pythia8mc", "pythia", "simulating jets")
        self.name = process.name
        self.tried = 0
        """Events that went through all of Pythia."""
        self._prefilter = Prefilter() if prefilter else None
        self._pythia = pythia8.Pythia("", False)
        for line in ("Print:quiet = on", *process.settings):
            if not self._pythia.readString(line):
                msg = f"Pythia does not know the setting '{line}'"
                raise SimulationError(msg)
        if self._prefilter is not None:
            self._hooks = _hooks(pythia8, self._prefilter, early=process.early)  # kept: Pythia only points to it
            self._pythia.setUserHooksPtr(self._hooks)
        if not self._pythia.init():
            msg = f"Pythia cannot be set up for {process}"
            raise SimulationError(msg)

    def jet(self, seed: int) -> Jet:
        """First selected jet of the random stream `seed`, whatever was generated before.

        Raises
        ------
        SimulationError
            If Pythia fails a hundred times in a row.
        """
        self._pythia.rndm.init(seed)
        failures = 0
        while failures < MOST_FAILURES:
            if not self._pythia.next():
                failures += 1
                continue
            failures = 0
            self.tried += 1
            if self._prefilter is None or self._prefilter.passes(self._pythia.event, PARTICLES):
                towers = cells(self._particles())
                jet = trim(towers[leading_jet(towers)])
                if selected(jet):
                    return jet
        msg = f"Pythia could not make an event of process '{self.name}' in {MOST_FAILURES} attempts (seed {seed})"
        raise SimulationError(msg)

    def _particles(self) -> NDArray[np.float64]:
        """px, py, pz, E of the final particles but neutrinos; muons are seen."""
        final = [p for p in self._pythia.event.particles() if p.isFinal() and p.idAbs() not in INVISIBLE]
        return np.array([(p.px(), p.py(), p.pz(), p.e()) for p in final])


def event_seed(seed: int, signal: int, event: int) -> int:
    """Random stream of one event of a run: all events of a run have different ones.

    Examples
    --------
    >>> len({event_seed(1, 0, event) for event in range(1000)})
    1000
    """
    start, step = np.random.SeedSequence([seed, signal, 0x7E75]).generate_state(2, np.uint64)
    # the streams in an order that the seed decides: prime steps reach each of them once
    step = int(step) % (LARGEST_SEED // 30) * 30 + 1
    return (int(start) + event * step) % LARGEST_SEED + 1


def check_installed() -> None:
    """Raise `MissingExtra` if pythia8mc or fastjet is not there; loads neither."""
    for module in ("pythia8mc", "fastjet"):
        if importlib.util.find_spec(module) is None:
            msg = f'simulating jets needs {module}: pip install "facsim[pythia]"'
            raise MissingExtra(msg)


def _hooks(pythia8: Any, prefilter: Prefilter, *, early: bool) -> Any:
    base: Any = pythia8.UserHooks

    class Hooks(base):  # type: ignore[misc]
        """Drops events on their way through Pythia."""

        def canVetoPT(self) -> bool:  # noqa: N802
            return early

        def scaleVetoPT(self) -> float:  # noqa: N802
            return EARLY_GEV

        def doVetoPT(self, _where: int, event: Any) -> bool:  # noqa: N802
            return not prefilter.passes(event, EARLY)

        def canVetoPartonLevel(self) -> bool:  # noqa: N802
            return True

        def doVetoPartonLevel(self, event: Any) -> bool:  # noqa: N802
            return not prefilter.passes(event, PARTONS)

    return Hooks()
