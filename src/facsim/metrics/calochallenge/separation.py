"""Separation powers with the histograms of CaloChallenge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from facsim.errors import DataError, WeightError
from facsim.metrics.calochallenge.dataset import Array, DataSet, Source, batches, data_set
from facsim.metrics.calochallenge.features import Features, features
from facsim.metrics.samples import as_sample, as_weights
from facsim.observables.showers import cell_energies, chunks

__all__ = ["Separation", "histogram_separation", "separation_powers"]

PUBLISHED = ("E_tot", "E_layer", "cell", "EC_eta", "EC_r", "width_eta", "width_r", "sparsity")
"""Columns of the published table, each a mean over the layers."""
COLUMNS = {
    "EC_eta": "centre_eta",
    "EC_phi": "centre_phi",
    "EC_r": "centre_r",
    "width_eta": "width_eta",
    "width_phi": "width_phi",
    "width_r": "width_r",
    "sparsity": "sparsity",
}
ROUNDING = 1e-12


@dataclass(frozen=True)
class Separation:
    """Separation powers of two samples of showers.

    Parameters
    ----------
    values : dict of float
        Per histogram: ``E_tot`` (E_tot / E_inc), ``E_tot_256`` ... (the same at each energy of data set 1, MeV),
        ``cell``, and per layer ``E_layer_0``, ``EC_eta_1``, ``EC_phi_1``, ``width_eta_1``, ``EC_r_0``,
        ``sparsity_0``, ...
    means : dict of float
        Their means over the layers, by the names of the published table, and ``EC_phi`` and ``width_phi``.
    """

    values: dict[str, float]
    means: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"values": dict(self.values), "means": dict(self.means)}


def histogram_separation(
    p: ArrayLike, q: ArrayLike, edges: ArrayLike, *, wp: ArrayLike | None = None, wq: ArrayLike | None = None
) -> float:
    r"""Separation power as CaloChallenge computes it: events outside the range do not exist.

    .. math:: S = \tfrac12 \sum_i \frac{(p_i - q_i)^2}{p_i + q_i + 10^{-16}}

    with the histograms normalised over the events inside the range alone.

    Parameters
    ----------
    p, q : array (n,), (m,)
        Samples.
    edges : array (k + 1,)
        Ascending; bins are half open, the last one is closed.
    wp, wq : array, optional
        Event weights; may be negative.

    Returns
    -------
    float
        0 to 1. For two samples of one truth about (k - 1) (1/n + 1/m) / 4, counting the filled bins and the events
        inside. 0 where both samples lie outside, 1 where one of them does (the published code gives NaN).

    Raises
    ------
    WeightError
        If a bin is negative after weighting.

    Notes
    -----
    arXiv:2410.21611. Blind to events that leave the range; `facsim.metrics.separation_power` counts these in its outer
    bins and is the better choice where comparison with the challenge is not asked for.

    Examples
    --------
    >>> histogram_separation([0.1, 0.4, 7.0], [0.1, 0.4], edges=[0, 0.3, 1])
    0.0
    """
    counts = []
    for values, weights, name in ((p, wp, "p"), (q, wq, "q")):
        sample = as_sample(values, name)
        given = None if weights is None else as_weights(weights, len(sample), name)
        counts.append(np.histogram(sample, np.asarray(edges, np.float64), weights=given)[0].astype(np.float64))
    return _of_counts(counts[0], counts[1])


def separation_powers(
    reference: Source,
    generated: Source,
    which: str | int | DataSet,
    *,
    computed: tuple[Features, Features] | None = None,
) -> Separation:
    """All separation powers of the challenge, with its histograms.

    Parameters
    ----------
    reference, generated : Events or open file
        Showers; read twice, in bounded memory. Event weights may be negative.
    which : str
        Data set.
    computed : pair of Features, optional
        Features of the two samples, if known.

    Returns
    -------
    Separation

    Raises
    ------
    SchemaMismatch, DataError
        As `features`.
    WeightError
        If weights make a bin negative.

    Notes
    -----
    arXiv:2410.21611. E_tot / E_inc: 100 bins from 0.5 to 1.5; at each energy of data set 1 20 bins from 0.4 to 1.4, for
    photons from the fifth energy on 0.9 to 1.1. Energies of layers and voxels: 39 and 49 logarithmic bins from the cut
    to the largest of the reference. Others: `DataSet.bins`. Of the published table, centres and widths are those in
    eta. Blind to correlations, and to everything outside these ranges.
    """
    chosen = data_set(which)
    if chosen.cut is None:
        msg = "the histograms of CaloChallenge exist for its data sets only. Name one, or use separation_power"
        raise DataError(msg)
    first, second = computed or (features(reference, chosen), features(generated, chosen))
    values = _totals(first, second, chosen)
    cuts = _log_edges(chosen.cut, first.brightest.max(), 50)
    values["cell"] = (
        _of_counts(*(_cell_counts(source, chosen, cuts) for source in (reference, generated)))
        if cuts is not None
        else float(second.brightest.max() > chosen.cut)
    )
    for i, layer in enumerate(first.layers):
        p, q = first.energy[:, i], second.energy[:, i]
        cuts = _log_edges(chosen.cut, p.max(), 40)
        values[f"E_layer_{layer}"] = (
            _separation(p, q, cuts, first, second) if cuts is not None else float(q.max() > chosen.cut)
        )
    for quantity, column in COLUMNS.items():
        p, q = getattr(first, column), getattr(second, column)
        sectors = p.shape[1] != len(first.layers)
        layers = [first.layers[i] for i in first.binned] if sectors else list(first.layers)
        for i, layer in enumerate(layers):
            cuts = chosen.bins(quantity, layer)
            values[f"{quantity}_{layer}"] = _separation(p[:, i], q[:, i], cuts, first, second)
    means = {"E_tot": values["E_tot"], "cell": values["cell"]}
    for stem in ("E_layer", *COLUMNS):
        layered = [value for name, value in values.items() if name.rpartition("_")[0] == stem]
        means[stem] = float(np.mean(layered))
    return Separation(values, {name: means[name] for name in (*PUBLISHED, "EC_phi", "width_phi")})


def _totals(first: Features, second: Features, chosen: DataSet) -> dict[str, float]:
    """Of E_tot / E_inc, at all energies and at each one."""
    ratios = [f.total / f.incident for f in (first, second)]
    out = {"E_tot": _separation(ratios[0], ratios[1], np.linspace(0.5, 1.5, 101), first, second)}
    for i, energy in enumerate(2.0 ** np.arange(8, 23) if chosen.discrete else ()):
        narrow = i > 3 and chosen.name == "1-photons"
        edges = np.linspace(0.9, 1.1, 21) if narrow else np.linspace(0.4, 1.4, 21)
        inside = [(f.incident >= energy) & (f.incident < 2 * energy) for f in (first, second)]
        if inside[0].any() and inside[1].any():
            parts = [f[rows] for f, rows in zip((first, second), inside, strict=True)]
            p, q = (r[rows] for r, rows in zip(ratios, inside, strict=True))
            out[f"E_tot_{energy:.0f}"] = _separation(p, q, edges, parts[0], parts[1])
    return out


def _separation(p: Array, q: Array, edges: Array, first: Features, second: Features) -> float:
    return histogram_separation(p, q, edges, wp=first.weights, wq=second.weights)


def _log_edges(low: float, high: float, count: int) -> Array | None:
    """Logarithmic edges, or None where the reference has nothing above the cut."""
    if not high > low:
        return None
    edges = np.logspace(np.log10(low), np.log10(high), count)
    edges[[0, -1]] = low, high  # else rounding decides whether the largest of the reference is counted
    return edges


def _cell_counts(source: Source, chosen: DataSet, edges: Array) -> Array:
    """Histogram all voxels; faster than `np.histogram`, which would sort them."""
    bins = len(edges) - 1
    total = np.zeros(bins + 2)  # with what lies below and above
    for events in batches(source):
        for block in chosen.layers(source):
            for rows in chunks(len(events), block.size):
                cells = cell_energies(events, block, rows, chosen.cut)
                lit = cells > 0  # empty voxels lie below the range
                energies = cells[lit]
                which = np.searchsorted(edges, energies, side="right")
                which[energies == edges[-1]] = bins  # the last bin is closed
                weights = None if events.weights is None else np.repeat(events.weights[rows], lit.sum(axis=1))
                total += np.bincount(which, weights, bins + 2)
    return total[1:-1]


def _of_counts(p: Array, q: Array) -> float:
    sums = p.sum(), q.sum()
    if not min(sums) > 0:
        return float(max(sums) > 0)
    p, q = p / sums[0], q / sums[1]
    for share, name in ((p, "reference"), (q, "generated")):
        if share.min() < -ROUNDING:
            msg = (
                f"{name}: bin {int(share.argmin())} holds {share.min():.3g} of the sum of weights, and the binning of "
                "the challenge is fixed. Compare by facsim.metrics.wasserstein, which takes signed weights"
            )
            raise WeightError(msg)
    return float(0.5 * np.sum((p - q) ** 2 / (p + q + 1e-16)))
