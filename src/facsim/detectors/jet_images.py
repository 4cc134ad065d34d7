"""Images of jets in azimuth and pseudorapidity (de Oliveira, Paganini, Nachman, arXiv:1701.05927)."""

from __future__ import annotations

from facsim.detectors.meshes import steps
from facsim.schema import Block, Grid, Schema

__all__ = ["JET_CLASSES", "jet_images"]

JET_CLASSES = ("qcd", "wprime")
"""Names of the condition ``signal``: 0 and 1."""
PIXELS, HALF_WIDTH = 25, 1.25
THRESHOLD_GEV = 1e-3
QUANTITIES = (  # LAGAN's names and order; jet_delta_R: between the two hardest subjets, 0 if there is one
    Block("jet_pt", (), "energy", "GeV"),
    Block("jet_eta"),
    Block("jet_phi", (), "angle", "rad"),
    Block("jet_mass", (), "energy", "GeV"),
    Block("jet_delta_R"),
    Block("tau_1"),
    Block("tau_2"),
    Block("tau_3"),
    Block("tau_21"),
    Block("tau_32"),
)


def jet_images(quantities: bool = False) -> Schema:
    """Images of 25 x 25 pixels of 0.1 x 0.1, intensities in GeV of transverse momentum.

    Parameters
    ----------
    quantities : bool
        Add a block for each quantity of the jet itself, before it was pixelated: ``jet_pt``, ``jet_eta``, ``jet_phi``,
        ``jet_mass``, ``jet_delta_R``, ``tau_1``, ``tau_2``, ``tau_3``, ``tau_21``, ``tau_32``.

    Returns
    -------
    Schema
        Feature ``image`` (25, 25): rows in azimuth, the first at the largest; columns in pseudorapidity. Condition
        ``signal``: 0 for ``qcd``, 1 for ``wprime``.

    Notes
    -----
    Pixels below 1e-3 GeV count as empty, as in LAGAN's training: a rotated image has such values beside every bright
    pixel.

    Examples
    --------
    >>> schema = jet_images()
    >>> schema.width, schema.features[0].grid.shape, [float(v) for v in schema.features[0].grid.centres("phi")[[0, -1]]]
    (625, (25, 25), [1.2, -1.2])
    """
    columns = steps(-HALF_WIDTH, HALF_WIDTH, PIXELS)
    grid = Grid(("phi", "eta"), (columns[::-1], columns))
    image = Block("image", (PIXELS, PIXELS), "energy", "GeV", grid=grid, threshold=THRESHOLD_GEV)
    signal = Block("signal", (), "category", names=JET_CLASSES)
    return Schema((image, *(QUANTITIES if quantities else ())), (signal,), "jet-images")
