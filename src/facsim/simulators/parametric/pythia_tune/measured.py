"""What is measured of an e+e- event: shapes, multiplicities, spectrum."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from facsim.observables.event_shapes import event_shapes
from facsim.schema import Block
from facsim.simulators.parametric.pythia_tune.generator import E_CM_GEV

__all__ = ["BLOCKS", "SPECIES", "XI_EDGES", "measure"]

SPECIES = {"n_pions": 211, "n_kaons": 321, "n_protons": 2212}
XI_EDGES = tuple(float(k) for k in range(7))
"""Of ln(1/x), x being a particle's momentum over the beam's; charged particles beyond (below 0.11 GeV) only count."""
SHAPES = (
    "one_minus_thrust",
    "sphericity",
    "aplanarity",
    "c_parameter",
    "d_parameter",
    "wide_broadening",
    "total_broadening",
)
BLOCKS = (
    Block("n_charged", (), "count"),
    *(Block(name) for name in SHAPES),
    *(Block(name, (), "count") for name in SPECIES),
    Block("spectrum", (len(XI_EDGES) - 1,), "count"),
)


def measure(momenta: NDArray[np.float64], ids: NDArray[np.int64], charges: NDArray[np.float64]) -> NDArray[np.float32]:
    """Columns of `BLOCKS` (n, 17): shapes from all visible particles, numbers of charged ones.

    Parameters
    ----------
    momenta : array (n, m, 3)
        In GeV; zero where there is no particle. NaN gives NaN.
    ids : array (n, m)
        PDG codes.
    charges : array (n, m)
    """
    lost = np.asarray(np.isnan(momenta).any(axis=(1, 2)))
    momenta = np.where(lost[:, None, None], 0.0, momenta)
    shapes = event_shapes(momenta)
    charged = charges != 0
    length = np.linalg.norm(momenta, axis=2)
    with np.errstate(divide="ignore"):
        xi = np.where(charged, -np.log(length / (E_CM_GEV / 2)), -1.0)
    counts = [charged.sum(1), *((np.abs(ids) == code).sum(1) for code in SPECIES.values())]
    spectrum = [((xi >= a) & (xi < b)).sum(1) for a, b in pairwise(XI_EDGES)]
    out = np.column_stack([counts[0], *(shapes[name] for name in SHAPES), *counts[1:], *spectrum]).astype(np.float32)
    out[lost] = np.nan
    return out
