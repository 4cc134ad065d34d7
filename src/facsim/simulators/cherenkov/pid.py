"""Global particle identification: what is made of Cherenkov rings, muon chambers and calorimeters together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facsim.schema import Block
from facsim.simulators.cherenkov.detector import TrackDetector
from facsim.simulators.cherenkov.muon import MUON_BLOCKS, Muon
from facsim.simulators.cherenkov.rich import RICH_BLOCKS, Rich

__all__ = ["GLOBAL_BLOCKS", "GlobalPID"]

Array = NDArray[np.float64]

_DIFFERENCES = ("PIDe", "PIDK", "PIDp", "PIDmu")
_PROBABILITIES = ("ProbNNe", "ProbNNpi", "ProbNNk", "ProbNNp", "ProbNNmu")
GLOBAL_BLOCKS = tuple(Block(name) for name in (*_DIFFERENCES, *_PROBABILITIES))

NOT_MUON = -3.0
"""Log-likelihood difference of muon to pion that the chambers give where isMuon is 0."""
SHARPNESS, STEEPEST = 0.35, 12.0
"""Log-likelihoods are known to be optimistic, and are scaled by the first; log-odds stay within the second."""


@dataclass(frozen=True)
class GlobalPID(TrackDetector):
    r"""The whole chain: kinematics, isMuon, rings and muon likelihoods, then global identification.

    Rings (`Rich`) and muon chambers (`Muon`) answer independently of each other, given the particle and the
    conditions. A calorimeter, which is not among the features, tells electrons. Then

    - ``PIDe`` = RichDLLe + calorimeter; ``PIDK`` and ``PIDp`` = RichDLLk, RichDLLp + noise;
    - ``PIDmu`` = RichDLLmu + (MuonMuLL - MuonBgLL if isMuon, else about -3) + noise;
    - ``ProbNNx``: probability of x among the five, from these four, scaled by 0.35, with noise of its own on every
      log-likelihood and more of it in busy events; they are between 6e-6 and 1 - 6e-6, and need not sum to 1.

    So isMuon, rings and muon likelihoods are stages of a chain whose last stage depends on all of them.
    The formulas are choices of this project. Parameters are those of `TrackDetector`.

    Examples
    --------
    >>> events = GlobalPID("all").sample(3000, seed=1)
    >>> kaon = events["particle"] == 3
    >>> bool(events["ProbNNk"][kaon].mean() > events["ProbNNk"][~kaon].mean() + 0.4)
    True
    """

    name = "pid"
    summary = "whole chain of particle identification: isMuon, rings, muon likelihoods, global variables"
    blocks = (MUON_BLOCKS[0], *RICH_BLOCKS, *MUON_BLOCKS[1:], *GLOBAL_BLOCKS)

    def response(self, rng: np.random.Generator, species: NDArray[np.intp], conditions: Array) -> Array:
        """Features (n, 17) of particles `species` (n,) under conditions P, ETA, nTracks, charge."""
        rings, chambers, calorimeter, noise = rng.spawn(4)
        rich = Rich().response(rings, species, conditions)
        muon = Muon().response(chambers, species, conditions)
        calo = _calorimeter(calorimeter, species, conditions)
        last = _combine(noise, rich, muon, calo, conditions)
        return np.concatenate([muon[:, :1], rich, muon[:, 1:], last], axis=1)


def _calorimeter(rng: np.random.Generator, species: NDArray[np.intp], conditions: Array) -> Array:
    """Log-likelihood difference (n,) of electron to pion: good from some GeV on, absent near the beam."""
    scale, luck = rng.spawn(2)
    momentum, eta = conditions[:, 0], conditions[:, 1]
    power = -np.expm1(-momentum / 6) / (1 + np.exp((eta - 4.3) / 0.1))
    showers = luck.random(len(species)) < np.where(species == 0, 0.93, np.where(species == 1, 0.001, 0.025))
    centre = np.where(showers, 3.5, -2.5)
    return np.asarray(power * (centre + scale.standard_t(5, len(species))))


def _combine(rng: np.random.Generator, rich: Array, muon: Array, calo: Array, conditions: Array) -> Array:
    """The four differences and five probabilities (n, 9)."""
    noise = rng.standard_normal((len(rich), 9))
    e, mu, k, p, _ = rich.T
    is_muon, mu_ll, bg_ll = muon.T
    chambers = np.where(is_muon > 0, mu_ll - bg_ll, NOT_MUON + 0.5 * noise[:, 0])
    differences = np.stack([e + calo, k + 0.5 * noise[:, 1], p + 0.5 * noise[:, 2], mu + chambers], axis=1)
    busy = 0.3 + 0.3 * np.sqrt(conditions[:, 2:3] / 200)
    pid_e, pid_k, pid_p, pid_mu = SHARPNESS * differences.T
    scores = np.stack([pid_e, np.zeros(len(rich)), pid_k, pid_p, pid_mu], axis=1) + busy * noise[:, 3:8]
    odds = np.empty_like(scores)
    for i in range(5):
        odds[:, i] = scores[:, i] - np.logaddexp.reduce(np.delete(scores, i, axis=1), axis=1)
    odds = STEEPEST * np.tanh(odds / STEEPEST)
    return np.concatenate([differences, 1 / (1 + np.exp(-odds))], axis=1)
