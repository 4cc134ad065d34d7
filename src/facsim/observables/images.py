"""Quantities of images: arrays (n, h, w), the first row on top, intensities not negative.

An image without intensity gives 0 for all of its quantities. Jet images (LAGAN, arXiv:1701.05927) have pixels in
(phi, eta) with intensities that are transverse momenta; their quantities are in `jet_quantities`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import DataError
from facsim.observables.jets import exclusive_axes, subjettiness
from facsim.observables.layer import per_energy
from facsim.observables.weights import shares

__all__ = ["intensity_spectrum", "jet_quantities", "observables", "occupancy", "power_spectrum", "sparsity"]

Array = NDArray[np.float64]

CHUNK_VALUES = 2**20


def observables(images: ArrayLike, *, threshold: float = 0.0, extended: bool = False) -> dict[str, Array]:
    """Compute the quantities of images whose pixels have no known place.

    Parameters
    ----------
    images : array (n, h, w)
    threshold : float
        Pixels at or below it count as empty.
    extended : bool
        Also the power spectrum.

    Returns
    -------
    dict of array (n,)
        ``intensity`` (sum) and ``brightest`` pixel in the images' unit, ``occupancy`` (share of pixels that are lit),
        ``centre_row, centre_column, width_row, width_column`` (pixels, weighted by intensity, counted from the
        middle), and if extended ``power_1`` ... (log10 of `power_spectrum`; 0 where there is none).

    Examples
    --------
    >>> found = observables([[[0.0, 2.0], [0.0, 2.0]]])
    >>> {name: float(v[0]) for name, v in found.items() if name in ("intensity", "occupancy", "centre_column")}
    {'intensity': 4.0, 'occupancy': 0.5, 'centre_column': 0.5}
    """
    x = _images(images)
    x = np.where(x > threshold, x, 0.0)
    total = x.sum(axis=(1, 2))
    out = {"intensity": total, "brightest": x.max(axis=(1, 2)), "occupancy": occupancy(x)}
    for axis, name in ((1, "row"), (2, "column")):
        places = np.arange(x.shape[axis]) - (x.shape[axis] - 1) / 2
        marginal = x.sum(axis=3 - axis)
        centre = per_energy(marginal @ places, total)
        square = per_energy((marginal * (places - centre[:, None]) ** 2).sum(axis=1), total)
        out |= {f"centre_{name}": centre, f"width_{name}": np.sqrt(np.maximum(square, 0.0))}
    out = {name: out[name] for name in sorted(out, key=lambda n: n.startswith("width"))}
    if extended:
        power = power_spectrum(x)
        lit = power > 0
        power = np.where(lit, np.log10(np.where(lit, power, 1.0)), 0.0)
        out |= {f"power_{k + 1}": column for k, column in enumerate(power.T)}
    return out


def occupancy(images: ArrayLike, threshold: float = 0.0) -> Array:
    """Share of the pixels above the threshold, (n,).

    Examples
    --------
    >>> occupancy([[[0.0, 2.0], [0.0, 0.0]]])
    array([0.25])
    """
    return np.asarray((_images(images) > threshold).mean(axis=(1, 2)))


def sparsity(images: ArrayLike, threshold: float = 0.0) -> Array:
    """Share of the pixels that are empty, (n,): one minus `occupancy`."""
    return 1.0 - occupancy(images, threshold)


def intensity_spectrum(images: ArrayLike, edges: ArrayLike, *, weights: ArrayLike | None = None) -> tuple[Array, Array]:
    """Mean number of pixels per image in bins of their intensity.

    Parameters
    ----------
    images : array (n, h, w)
    edges : array (k + 1,)
        Ascending intensities; LAGAN's figures: 0 to 300 GeV. Pixels outside are not counted.
    weights : array (n,), optional
        Of the images; may be negative.

    Returns
    -------
    mean, error : array (k,)
        Error from the spread over images, since the pixels of one image belong together.

    Examples
    --------
    >>> mean, error = intensity_spectrum([[[0.5, 2.0]], [[0.5, 0.5]]], [0.1, 1.0, 10.0])
    >>> mean
    array([1.5, 0.5])
    """
    x, cuts = _images(images), np.asarray(edges, np.float64)
    if cuts.ndim != 1 or len(cuts) < 2 or not (np.diff(cuts) > 0).all():
        msg = f"edges={edges!r}: need at least two ascending intensities"
        raise DataError(msg)
    w = shares(weights, len(x))
    bins = len(cuts) - 1
    counts = np.empty((len(x), bins))
    for rows in _chunks(x):
        pixels = x[rows].reshape(len(x[rows]), -1)
        which = np.searchsorted(cuts, pixels, side="right") - 1
        which[pixels == cuts[-1]] = bins - 1
        which = np.where((which >= 0) & (which < bins), which, bins)
        flat = which + (bins + 1) * np.arange(len(pixels))[:, None]
        counts[rows] = np.bincount(flat.ravel(), minlength=(bins + 1) * len(pixels)).reshape(-1, bins + 1)[:, :-1]
    mean = w @ counts
    return mean, np.sqrt(w**2 @ (counts - mean) ** 2)


def power_spectrum(images: ArrayLike) -> Array:
    r"""Power per wave number, averaged over directions.

    .. math:: P(k) = \langle |F(k_y, k_x)|^2 \rangle / (h w)

    over the modes whose wave number :math:`\sqrt{(k_y/h)^2 + (k_x/w)^2}\, s`, s the shorter side, rounds to k.

    Parameters
    ----------
    images : array (n, h, w)

    Returns
    -------
    array (n, s // 2)
        For k = 1, 2, ... waves along the shorter side (images' unit squared). Uncorrelated pixels of variance v give v
        for every k; the mean of the image does not enter.

    Notes
    -----
    As CosmoGAN (arXiv:1706.02390) compares images; blind to phases, so to where structures are.

    Examples
    --------
    >>> waves = np.cos(2 * np.pi * np.arange(8) / 4)  # two waves along eight pixels
    >>> [round(float(p), 6) for p in power_spectrum(np.tile(waves, (1, 8, 1)))[0]]
    [0.0, 2.666667, 0.0, 0.0]
    """
    x = _images(images)
    n, h, w = x.shape
    side = min(h, w)
    if side < 2:
        msg = f"images of {h} x {w} pixels have no wave number: at least 2 x 2 are needed"
        raise DataError(msg)
    number = np.rint(np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)) * side).astype(int).ravel()
    ring = (number[:, None] == np.arange(1, side // 2 + 1)).astype(np.float64)
    out = np.empty((n, side // 2))
    for rows in _chunks(x):
        power = np.abs(np.fft.fft2(x[rows])) ** 2 / (h * w)
        out[rows] = power.reshape(len(power), -1) @ (ring / ring.sum(axis=0))
    return out


def jet_quantities(images: ArrayLike, eta: ArrayLike, phi: ArrayLike) -> dict[str, Array]:
    r"""Transverse momentum, mass and subjettiness of jet images.

    With pixel intensities I (pT), :math:`p_x = \sum I \cos\phi`, :math:`p_y = \sum I \sin\phi`,
    :math:`p_z = \sum I \sinh\eta`, :math:`E = \sum I \cosh\eta`:

    .. math:: p_T = \sqrt{p_x^2 + p_y^2}, \quad m = \sqrt{E^2 - p_x^2 - p_y^2 - p_z^2}, \quad
              \tau_N = \sum I \min_k \Delta R_k / \sum I

    Parameters
    ----------
    images : array (n, h, w)
    eta : array (w,)
        Centres of the columns.
    phi : array (h,)
        Centres of the rows; the top row usually has the largest.

    Returns
    -------
    dict of array (n,)
        ``jet_pt``, ``jet_mass`` in the unit of the pixels, ``tau1``, ``tau2``, ``tau21`` (0 where tau1 is).

    Raises
    ------
    DataError
        If the centres do not fit the images.

    Notes
    -----
    LAGAN, arXiv:1701.05927 (the authors' code): the axis of tau1 is the brightest pixel; those of tau2 come
    from merging pairs of pixels with the least :math:`\min(p_{T1}, p_{T2})^2 \Delta R^2` into the direction of the
    harder one, until two are left.

    Examples
    --------
    >>> found = jet_quantities([[[3.0, 0.0, 4.0]]], eta=[-0.1, 0.0, 0.1], phi=[0.0])
    >>> {name: round(float(v[0]), 4) for name, v in found.items()}
    {'jet_pt': 7.0, 'jet_mass': 0.694, 'tau1': 0.0857, 'tau2': 0.0, 'tau21': 0.0}
    """
    x = _images(images)
    n, h, w = x.shape
    columns, rows_ = np.asarray(eta, np.float64), np.asarray(phi, np.float64)
    if columns.shape != (w,) or rows_.shape != (h,):
        got = f"{rows_.shape} and {columns.shape}"
        msg = f"images of {h} rows and {w} columns need as many centres in phi and eta, got {got}"
        raise DataError(msg)
    flat_eta, flat_phi = np.tile(columns, h), np.repeat(rows_, w)
    names = ("jet_pt", "jet_mass", "tau1", "tau2", "tau21")
    out = {name: np.zeros(n) for name in names}
    for rows in _chunks(x, 16):
        pt = x[rows].reshape(-1, h * w)
        # only lit pixels, the brightest first: a table of the most that an image has
        most = max(1, int((pt > 0).sum(axis=1).max(initial=0)))
        order = np.argsort(-pt, axis=1, kind="stable")[:, :most]
        some, e, p = np.take_along_axis(pt, order, axis=1), flat_eta[order], flat_phi[order]
        axes = exclusive_axes(some, e, p)
        tau1, tau2 = (subjettiness(some, e, p, a) for a in (np.zeros((len(pt), 1), np.intp), axes))
        momentum = np.stack([pt @ np.cos(flat_phi), pt @ np.sin(flat_phi), pt @ np.sinh(flat_eta)])
        energy = pt @ np.cosh(flat_eta)
        out["jet_pt"][rows] = np.hypot(momentum[0], momentum[1])
        out["jet_mass"][rows] = np.sqrt(np.maximum(energy**2 - (momentum**2).sum(axis=0), 0.0))
        out["tau1"][rows], out["tau2"][rows] = tau1, tau2
        out["tau21"][rows] = per_energy(tau2, tau1)
    return out


def _images(images: ArrayLike) -> Array:
    x = np.asarray(images, np.float64)
    if x.ndim != 3:
        msg = f"images have shape {x.shape}: need (n, rows, columns)"
        raise DataError(msg)
    return x


def _chunks(x: Array, factor: int = 1) -> list[slice]:
    step = max(1, CHUNK_VALUES // (factor * max(1, x[0].size if len(x) else 1)))
    return [slice(start, min(start + step, len(x))) for start in range(0, len(x), step)]
