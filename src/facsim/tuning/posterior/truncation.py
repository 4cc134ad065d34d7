"""Later rounds: the part of the prior in which the posterior of the data is not negligible."""

from __future__ import annotations

import logging
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.tuning.posterior.coordinates import Region
from facsim.tuning.posterior.posterior import Posterior

__all__ = ["truncated"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]
SAMPLES = 4000
MARGIN, WIDE_MARGIN = 0.05, 0.25  # of the samples' width on both sides; a response is corrected by few tests at first
LEAST_ACCEPTED = 0.02  # share of points below which the test by density is left out: each costs a pass of the flow
TRIED = 1000


class Sampled(Protocol):
    """What gives posterior samples of data."""

    def sample(self, x: Events, n: int, seed: int) -> Array:
        """Points (n, p)."""
        ...


def truncated(posterior: Sampled, region: Region, data: Events, share: float, seed: int) -> Region:
    r"""The region without what holds about `share` of the posterior probability.

    First the box around posterior samples, widened by 5 % on both sides (by 25 % where it is not a flow's); with a flow
    also :math:`q(\theta | x) \ge \tau`, where :math:`\tau` is the density that all but `share` of the samples exceed.

    Notes
    -----
    Deistler, Goncalves and Macke, arXiv:2210.04815: inside the region the prior keeps its shape, and so the loss needs
    no correction. Points of earlier rounds that lie inside are used again.
    """
    samples = posterior.sample(data, SAMPLES, seed)
    low, high = np.quantile(samples, [share / 2, 1 - share / 2], axis=0)
    ranges, margin = {}, MARGIN if isinstance(posterior, Posterior) else WIDE_MARGIN
    for i, parameter in enumerate(region.space):
        first, last = region.ranges.get(parameter.name, (parameter.low, parameter.high))
        edge = margin * (high[i] - low[i])
        a, b = max(first, low[i] - edge), min(last, high[i] + edge)
        if parameter.whole:
            ranges[parameter.name] = (float(np.floor(a)), float(np.ceil(b)))
        elif b > a:
            ranges[parameter.name] = (float(a), float(b))
    box = Region(region.space, ranges, region.test)
    if not isinstance(posterior, Posterior):
        return box
    threshold = float(np.quantile(posterior.log_prob(samples[:TRIED], data, normalise=False), share))

    def inside(theta: Array) -> NDArray[np.bool_]:
        return np.asarray(posterior.log_prob(theta, data, normalise=False) >= threshold)

    accepted = float(inside(box.draw(TRIED, seed)).mean())
    log.info("box of %.3g of the prior; %.0f %% of it above the density's threshold", box.share, 100 * accepted)
    return Region(region.space, ranges, inside) if accepted >= LEAST_ACCEPTED else box
