"""Voxels of the Fast Calorimeter Simulation Challenge 2022 (CaloChallenge, arXiv:2410.21611)."""

from __future__ import annotations

from facsim.detectors.meshes import cylinder_mesh, layered, sectors
from facsim.errors import DataError, nearest
from facsim.schema import Grid, Schema

__all__ = ["calochallenge"]

# Data set 1: layer number -> (sectors in alpha, edges in r in mm). Layers are samplings of the ATLAS calorimeter.
_PRESAMPLER = (1, (0, 5, 10, 30, 50, 100, 200, 400, 600))
_BACK = (1, (0, 50, 100, 200, 400, 600))
_HADRONIC = (0, 10, 20, 30, 50, 80, 100, 130, 160, 200, 250, 300, 350, 400)
_PHOTONS = {
    0: _PRESAMPLER,
    1: (10, (0, 2, 4, 6, 8, 10, 12, 15, 20, 30, 40, 50, 70, 90, 120, 150, 200)),
    2: (10, (0, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 130, 160, 200, 250, 300, 350, 400)),
    3: _BACK,
    12: (1, (0, 100, 200, 400, 1000, 2000)),
}
_PIONS = {
    0: _PRESAMPLER,
    1: (10, (0, 1, 4, 7, 10, 15, 30, 50, 90, 150, 200)),
    2: (10, (0, 5, 10, 20, 30, 50, 80, 130, 200, 300, 400)),
    3: _BACK,
    12: (10, (*_HADRONIC, 1000, 2000)),
    13: (10, (*_HADRONIC, 600, 1000, 2000)),
    14: (1, (0, 50, 100, 150, 200, 250, 300, 400, 600, 1000, 2000)),
}
_ATLAS = {"1-photons": _PHOTONS, "1-pions": _PIONS}

# Data sets 2 and 3: the Par04 silicon and tungsten cylinder, 45 read-out layers of 2 x (1.4 mm W + 0.3 mm Si).
_PAR04 = {"2": (16, 9, 4.65), "3": (50, 18, 2.325)}  # sectors, rings, ring width in mm
_LAYERS, _LAYER_MM = 45, 3.4

THRESHOLD_MEV = {"1-photons": 1.0, "1-pions": 1.0, "2": 0.01515, "3": 0.01515}


def calochallenge(which: str | int) -> Schema:
    """Voxels of one CaloChallenge data set.

    Parameters
    ----------
    which : str or int
        ``"1-photons"`` (368 voxels), ``"1-pions"`` (533), ``2`` (6480) or ``3`` (40500).

    Returns
    -------
    Schema
        Features ``layer_<k>`` (sectors in alpha, rings in r), MeV, k the number of the layer (data set 1: 0, 1, 2, 3,
        12, and 13, 14 for pions); flat, they are in the order of the files' ``showers`` (r fastest, then alpha, then
        layer). Condition ``energy``: incident energy, MeV.

    Raises
    ------
    DataError
        For another data set.

    Notes
    -----
    Edges as published with the data (Zenodo 8099322, 6366270, 6366323). Thresholds are those of the challenge's
    evaluation: 1 MeV for data set 1, 15.15 keV for 2 and 3. The layers of data set 1 have no common depth axis:
    their `Grid.depth` counts (k, k + 1), so only the order in depth is meaningful. A layer with one sector says
    nothing about alpha; its centre lies at alpha = 0 by convention.

    Examples
    --------
    >>> [calochallenge(which).width for which in ("1-photons", "1-pions", 2, 3)]
    [368, 533, 6480, 40500]
    """
    which = str(which)
    known = (*_ATLAS, *_PAR04)
    if which not in known:
        msg = f"which='{which}': CaloChallenge data sets are {list(known)}.{nearest(which, known)}"
        raise DataError(msg)
    name, threshold = f"calochallenge-{which}", THRESHOLD_MEV[which]
    if which in _PAR04:
        n_alpha, n_r, ring = _PAR04[which]
        return cylinder_mesh(
            (_LAYERS, n_alpha, n_r),
            (_LAYERS * _LAYER_MM, n_r * ring),
            threshold=threshold,
            energy_unit="MeV",
            detector=name,
        )
    grids = {k: Grid(("alpha", "r"), (sectors(n), r), (k, k + 1)) for k, (n, r) in _ATLAS[which].items()}
    return layered(grids, threshold=threshold, energy_unit="MeV", detector=name)
