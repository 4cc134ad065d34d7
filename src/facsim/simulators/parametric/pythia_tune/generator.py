"""Pythia for e+e- at the Z peak, whose parameters can be changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import SimulationError, require

__all__ = ["E_CM_GEV", "Generator"]

E_CM_GEV = 91.1876
FAILURES = 100
INVISIBLE = frozenset({12, 14, 16})
SETTINGS = (
    "Print:quiet = on",
    "Beams:idA = 11",
    "Beams:idB = -11",
    f"Beams:eCM = {E_CM_GEV}",
    "PDF:lepton = off",
    "WeakSingleBoson:ffbar2gmZ = on",
    "23:onMode = off",
    "23:onIfAny = 1 2 3 4 5",
    # Half of Pythia's start-up (45 of 106 ms remain) tabulates Higgs decays into W and t, which no event here has.
    # Light ones need no table.
    "24:m0 = 3",
    "24:mMin = 1",
    "6:m0 = 3",
    "6:mMin = 1",
)


class Generator:
    """One Pythia; settings change by starting it up again in place, and only if they differ.

    Attributes
    ----------
    starts : int
        How often Pythia was started up.
    """

    def __init__(self) -> None:
        pythia8: Any = require("pythia8mc", "pythia", "simulating e+e- events")
        self.starts = 0
        self._values: dict[str, float] = {}
        self._pythia = pythia8.Pythia("", False)
        for line in SETTINGS:
            if not self._pythia.readString(line):
                msg = f"Pythia does not know the setting '{line}'"
                raise SimulationError(msg)

    def set(self, values: Mapping[str, float]) -> bool:
        """Take over settings by Pythia's names; False if Pythia cannot start with them."""
        if dict(values) == self._values:
            return True
        for name, value in values.items():
            self._pythia.settings.parm(name, value)
        self.starts += 1
        ready = bool(self._pythia.init())
        self._values = dict(values) if ready else {}
        return ready

    def events(self, seeds: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Visible final particles of one event per random stream.

        Returns
        -------
        momenta : array (n, m, 3)
            In GeV; an event that Pythia could not make is NaN.
        ids : array (n, m)
            PDG codes; 0 where there is no particle.
        charges : array (n, m)
        """
        found = [self._event(seed) for seed in seeds]
        m = max((len(rows) for rows in found if rows is not None), default=1)
        out = np.zeros((len(seeds), m, 5))
        for k, rows in enumerate(found):
            if rows is None:
                out[k, :, :3] = np.nan
            else:
                out[k, : len(rows)] = rows
        return out[..., :3], out[..., 3].astype(np.int64), out[..., 4]

    def _event(self, seed: int) -> list[tuple[float, ...]] | None:
        pythia = self._pythia
        pythia.rndm.init(seed)
        for _ in range(FAILURES):
            if pythia.next():
                return [
                    (q.px(), q.py(), q.pz(), q.id(), q.charge())
                    for q in pythia.event.particles()
                    if q.isFinal() and q.idAbs() not in INVISIBLE
                ]
        return None
