"""e+e- annihilation at the Z peak by Pythia, with three parameters of hadronisation and shower."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

from facsim.errors import MissingExtra
from facsim.simulators.parametric.pythia_tune.measured import BLOCKS
from facsim.simulators.parametric.space import Parameter, Space
from facsim.simulators.parametric.workers import WorkerSimulator
from facsim.simulators.pool import Program

__all__ = ["SETTINGS", "PythiaTune"]

SETTINGS = {"aLund": "StringZ:aLund", "bLund": "StringZ:bLund", "alphaS": "TimeShower:alphaSvalue"}
"""Pythia's names of the parameters."""


@dataclass(frozen=True)
class PythiaTune(WorkerSimulator):
    r"""Hadronic Z decays: event shapes, multiplicities and the momentum spectrum of one event per call.

    Parameters are a and b of the Lund fragmentation function
    :math:`f(z) \propto z^{-1} (1-z)^a \exp(-b m_T^2 / z)` and the strong coupling of the final-state shower at the Z
    mass. Defaults are those of the Monash 2013 tune.

    Parameters
    ----------
    workers : int
        Processes, with one Pythia each. Their number does not change the events.

    Raises
    ------
    MissingExtra
        On the first call, if pythia8mc is not installed.

    Notes
    -----
    Ranges are Pythia's own for a (0 to 2) and b (0.2 to 2), and 0.10 to 0.18 for the coupling, where a Z decay has 16
    to 26 charged particles. Monash 2013: P. Skands, S. Carrazza, J. Rojo, arXiv:1404.5630. Such parameters were tuned
    to closure data by P. Ilten, M. Williams, Y. Yang, arXiv:1610.08328.

    A new point costs a start-up of Pythia, as much as some 120 events; repeat a point's row for more events of it.

    Examples
    --------
    >>> simulator = PythiaTune()
    >>> simulator.space.names, simulator.schema.width
    (('aLund', 'bLund', 'alphaS'), 17)
    >>> events = simulator.sample([simulator.space.default] * 100, seed=1)  # doctest: +SKIP
    """

    workers: int = 1

    name = "pythia-tune"
    summary = "e+e- to hadrons at 91.2 GeV by Pythia: event shapes, multiplicities, spectrum"
    space = Space(
        (
            Parameter("aLund", 0, 2, default=0.68),
            Parameter("bLund", 0.2, 2, default=0.98, unit="GeV^-2"),
            Parameter("alphaS", 0.10, 0.18, default=0.1365),
        )
    )
    features = BLOCKS
    seconds_per_call = 1e-3
    repeats = 10  # a new point costs 45 ms, an event half a millisecond
    shard = 512
    own_suffix, own_comment = ".cmnd", "!"

    def own_words(self, values: Mapping[str, float]) -> list[str]:
        """Lines for Pythia's ``readString`` or a command file.

        Examples
        --------
        >>> PythiaTune().own_words({"aLund": 0.7})
        ['StringZ:aLund = 0.7']
        """
        return [f"{SETTINGS[name]} = {value:.6g}" for name, value in values.items()]

    def _program(self) -> Program:
        if importlib.util.find_spec("pythia8mc") is None:
            msg = 'simulating e+e- events needs pythia8mc: pip install "facsim[pythia]"'
            raise MissingExtra(msg)
        return Program(
            "Pythia", "facsim.simulators.parametric.pythia_tune.worker", {"settings": list(SETTINGS.values())}
        )
