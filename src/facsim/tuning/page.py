"""From a tuning's result to its page: the last test of it, and the verdict that goes with it from there on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.report.tuning import Calibration, Closeness, Pushforward, Seeds, TuningPage
from facsim.simulators.parametric import ParametricSimulator
from facsim.tuning.calls import observed
from facsim.tuning.pushforward import pushforward
from facsim.tuning.result import Tuned

__all__ = ["judged"]

Array = NDArray[np.float64]

LEAST = 20
"""Events of data and of the tuned simulation from which on they are compared as a whole."""


def judged(
    simulator: ParametricSimulator,
    found: Tuned,
    data: Events,
    simulations: dict[str, Events],
    *,
    truth: Array | None = None,
    region: str = "",
    seed: int = 0,
) -> tuple[Tuned, TuningPage]:
    """The result with its verdict, and its page.

    Parameters
    ----------
    simulator : ParametricSimulator
    found : Tuned
        Events at its parameters are compared with the data, if the method has not done so.
    data : Events
    simulations : dict of str to Events
        ``default`` and ``tuned``.
    truth : array (p,), optional
        NaN where it is not known.
    region : str, optional
        Where calls failed.
    seed : int, optional
        Of the classifier.
    """
    details: dict[str, Any] = dict(found.details)
    if region:
        details["failed_region"] = region
    test = details.get("pushforward") or {}
    if not test and min(len(data), len(simulations["tuned"])) >= LEAST:
        test = details["pushforward"] = pushforward(data, observed(simulator, simulations["tuned"]), seed=seed)
    calibration, closeness, seeds = (details.get(key) for key in ("calibration", "misspecified", "seeds"))
    names = ("auc", "auc_error", "auc_floor", "sliced_wasserstein", "sliced_wasserstein_null")
    where = f", at {region}" if region else ""
    page = TuningPage(
        title=simulator.name,
        method=found.method,
        label=found.label or found.method,
        kind=found.kind,
        space=found.space,
        samples=found.samples,
        estimate=found.estimate,
        calls=found.calls,
        failed=found.failed,
        seconds=found.seconds,
        data=data,
        simulations=simulations,
        calibration=None if calibration is None else Calibration(**calibration),
        closeness=None if closeness is None else Closeness(**closeness),
        pushforward=Pushforward(*(test.get(name) for name in names)) if test else None,
        seeds=None if seeds is None else Seeds(**seeds),
        truth=truth,
        failures=f"{found.failed:,} of {found.calls:,} calls of the simulator failed{where}; they were left out"
        if found.failed
        else "",
        details=details,
    )
    return replace(found, details=details, verdict=page.verdict.to_json()), page
