"""The sections of the report beyond distances and classifiers: measured here, drawn by the page.

A section that fails says why in its place; the report goes on without it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from facsim.errors import FacsimError
from facsim.report import by_condition, correlations, histograms, pid, profiles, resolution, tails
from facsim.report.gather import Gathered
from facsim.report.pid_samples import Binning
from facsim.report.progress import silent

__all__ = ["NAMES", "measure"]

NAMES = ("histograms", "correlations", "profiles", "resolution", "tails", "by_condition", "pid")

logger = logging.getLogger(__name__)


def measure(
    samples: Gathered,
    metrics: dict[str, Any],
    tested: tails.Tested | None,
    *,
    binning: Binning | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] = silent,
) -> dict[str, Any]:
    """Measure every section.

    Parameters
    ----------
    samples : Gathered
    metrics : dict
        With ``order``, ``observables``, ``conditions`` and ``response``.
    tested : Tested or None
        Classifier test with held-out scores, see `Tested.of`.
    binning : Binning, optional
        Conditions whose bins are judged; None: there are none.
    seed : int, optional
        Of that section.
    progress : callable
        Told (done, total).

    Returns
    -------
    dict
        To be added to the metrics: ``histograms``, ``correlations``, ``profiles``, ``resolution``, ``tails``,
        ``by_condition``, ``pid``; each as its module's ``measure`` says, None where there is nothing to measure, or
        with ``error``, why it could not be.
    """
    first, copy, second = samples.reference, samples.generated, samples.second
    work: dict[str, Callable[[], Any]] = {
        "histograms": lambda: histograms.measure(first, copy, histograms.chosen(metrics)),
        "correlations": lambda: correlations.measure(first, copy, second, metrics),
        "profiles": lambda: profiles.measure(first, copy),
        "resolution": lambda: resolution.measure(metrics.get("response")),
        "tails": lambda: None if tested is None else tails.measure(tested),
        "by_condition": lambda: by_condition.measure(first, copy, second, metrics, tested),
        "pid": lambda: pid.measure(samples, tested, binning, seed=seed),
    }
    out: dict[str, Any] = {}
    for i, (name, section) in enumerate(work.items()):
        try:
            out[name] = section()
        except FacsimError as error:  # weights, too few events: the rest of the report stands
            logger.warning("section '%s': %s", name, error)
            out[name] = {"error": str(error)}
        progress(i + 1, len(work))
    return out
