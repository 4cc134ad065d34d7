"""Pads of a time-projection chamber that a track crosses: ionisation, drift, amplification, read-out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError, RangeError
from facsim.sampler import parse_range
from facsim.schema import Block, Schema
from facsim.simulators.images.base import ImageDetector
from facsim.simulators.toys.base import positive

__all__ = ["CLUSTER_SIZES", "FIRST", "SHAPE", "Tpc"]

Array = NDArray[np.float64]

SHAPE = (8, 16)
"""Pads and time bins of an image."""
FIRST = (-3, -7)
"""First pad and time bin, from the whole parts of pad coordinate and drift length on (arXiv:2012.04595)."""

PAD_MM, ROW_MM = 5.0, 12.0
"""Width of a pad, and its length along the track: inner rows of the MPD chamber."""
BIN_MM = 5.45
"""Drift in a time bin of 100 ns at 5.45 cm per microsecond."""
TRANSVERSE, LONGITUDINAL = 0.23, 0.36
"""Diffusion, mm per square root of a cm, in argon with 10 % methane at 0.5 T (STAR, nucl-ex/0301015)."""
SPREAD = 0.5
"""Standard deviation of the pad response, pads (a choice)."""
ORDER, PEAKING = 4, 1.6
r"""Shaping :math:`(t/\tau)^4 e^{-4t/\tau}`, :math:`\tau` = 160 ns in time bins: 190 ns wide at half maximum."""
POLYA = 1.5
"""Shape of the gamma law of an electron's amplification, whose relative variance is its inverse (a choice)."""
MOST = 500
"""Largest cluster: electrons that take more energy leave the row (a choice)."""

_FEW = [
    65.6,
    15.0,
    6.4,
    3.5,
    2.25,
    1.55,
    1.05,
    0.81,
    0.61,
    0.49,
    0.39,
    0.30,
    0.25,
    0.20,
    0.16,
    0.12,
    0.095,
    0.075,
    0.063,
]
_weights = np.concatenate([_FEW, 21.6 / np.arange(len(_FEW) + 1, MOST + 1) ** 2])
CLUSTER_SIZES: Array = _weights / _weights.sum()
"""Probability of 1, 2, ... electrons from one ionising collision in argon: measured up to 19, then falling as the
inverse square (Fischle, Heintze, Schmidt, NIM A 301 (1991) 202). The tail makes the charge's law Landau-like."""


@dataclass(frozen=True)
class Tpc(ImageDetector):
    r"""Answer of 8 pads in 16 time bins to a track that crosses their row.

    The track ionises at random places along its way :math:`H / (\cos\alpha \cos\lambda)` through the row of height H.
    Every electron diffuses by :math:`D \sqrt L` over its drift length L, is amplified, and is seen by the pads around
    as a Gaussian, in time as the shaper's pulse, whose delay is corrected for. What stays below `threshold` is not
    read out. Pad k and time bin k lie around the coordinate k, so that images are centred on average. Before the
    threshold, and as a mean over tracks, image and conditions are tied in closed form, in pads and time bins:

    .. math::

        \langle\text{sum}\rangle = g\, \nu\, \langle k \rangle \frac{H}{\cos\alpha \cos\lambda}, \quad
        \sigma_0^2 = s^2 + D_T^2 L + \frac{(H \tan\alpha)^2}{12}, \quad
        \sigma_1^2 = \frac{5 \tau^2}{16} + D_L^2 L + \frac{(H \tan\lambda / \cos\alpha)^2}{12}

    with the mean cluster size :math:`\langle k \rangle` of `CLUSTER_SIZES`. Set-up, conditions and their ranges are
    those of arXiv:2012.04595; drift length is in time bins (5.45 mm), pad coordinate in pads (5 mm). There are no
    noise, no saturation and no neighbouring tracks, and all tracks ionise alike.

    Parameters
    ----------
    crossing_angle, dip_angle, drift_length, pad_coordinate : str
        Range from which a condition is drawn where only the number of events is given.
    clusters : float
        Ionising collisions per cm.
    gain : float
        Mean counts per electron, summed over the image.
    threshold : float
        Counts; smaller ones are set to 0.

    Examples
    --------
    >>> events = Tpc().sample(500, seed=1)
    >>> events["response"].shape, bool(events["response"][events["response"] > 0].min() >= 1)
    ((500, 8, 16), True)
    """

    crossing_angle: str = "-20:20"
    dip_angle: str = "-60:60"
    drift_length: str = "35:290"
    pad_coordinate: str = "4:60"
    clusters: float = 28.0
    gain: float = 3.0
    threshold: float = 1.0

    name = "tpc"
    summary = "pads of a time-projection chamber: images of 8 pads x 16 time bins"
    image = Block("response", SHAPE, "energy")
    given = (
        Block("crossing_angle", unit="deg"),
        Block("dip_angle", unit="deg"),
        Block("drift_length"),
        Block("pad_coordinate"),
    )
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        "crossing_angle": (-20.0, 20.0),
        "dip_angle": (-60.0, 60.0),
        "drift_length": (35.0, 290.0),
        "pad_coordinate": (0.0, 200.0),
    }

    def __post_init__(self) -> None:
        positive(self, "clusters", "gain")
        if not (np.isfinite(self.threshold) and self.threshold >= 0):
            msg = f"{self.name}: threshold={self.threshold} must be 0 or positive"
            raise DataError(msg)
        for name, (least, most) in self.ranges.items():
            low, high, _ = parse_range(getattr(self, name), positive=False)
            if low < least or high > most:
                msg = f"{self.name}: {name}={getattr(self, name)} reaches beyond {least:g} to {most:g}"
                raise RangeError(msg)

    @property
    def schema(self) -> Schema:
        """Columns of the events; those of the reader of ``digits.dat``."""
        return Schema((replace(self.image, threshold=self.threshold),), self.given, self.name)

    def _conditions(self, rng: np.random.Generator, n: int) -> Array:
        columns = []
        for name in self.ranges:
            low, high, law = parse_range(getattr(self, name), positive=False)
            u = rng.random(n)
            columns.append(low * (high / low) ** u if law == "log" else low + (high - low) * u)
        return np.stack(columns, axis=1)

    def _features(self, rng: np.random.Generator, conditions: NDArray[np.float32]) -> Array:
        given = conditions.astype(np.float64)
        crossing, dip = np.radians(given[:, :2].T)
        drift, pad = given[:, 2:].T
        # one child per quantity: what an event gets does not depend on events after it
        collisions, sizes, places, cloud, amplification = rng.spawn(5)

        way_cm = ROW_MM / 10 / (np.cos(crossing) * np.cos(dip))
        cluster = np.repeat(np.arange(len(given)), collisions.poisson(self.clusters * way_cm))
        size = 1 + np.searchsorted(np.cumsum(CLUSTER_SIZES)[:-1], sizes.random(len(cluster)), side="right")
        owner = np.repeat(cluster, size)
        along = np.repeat(places.uniform(-ROW_MM / 2, ROW_MM / 2, len(cluster)), size)
        root_cm = np.sqrt(drift * BIN_MM / 10)
        moved = cloud.standard_normal((len(owner), 2))
        x = along * np.tan(crossing)[owner] + TRANSVERSE * root_cm[owner] * moved[:, 0]
        z = along * (np.tan(dip) / np.cos(crossing))[owner] + LONGITUDINAL * root_cm[owner] * moved[:, 1]
        counts = amplification.gamma(POLYA, self.gain / POLYA, len(owner))

        pads = _pad_response(FIRST[0] + np.arange(SHAPE[0]) - ((pad % 1)[owner] + x / PAD_MM)[:, None])
        times = _pulse(FIRST[1] + np.arange(SHAPE[1]) - ((drift % 1)[owner] + z / BIN_MM)[:, None])
        pads *= counts[:, None]
        ends = np.searchsorted(owner, np.arange(len(given) + 1))
        images = np.stack([pads[a:b].T @ times[a:b] for a, b in pairwise(ends)])
        images[images < self.threshold] = 0
        return images.reshape(len(given), -1)


def _pad_response(distance: Array) -> Array:
    """Share of a charge that a pad sees at a distance from its middle, pads."""
    return np.asarray(np.exp(-((distance / SPREAD) ** 2) / 2) / (np.sqrt(2 * np.pi) * SPREAD))


def _pulse(delay: Array) -> Array:
    """Share of a charge that is read in a time bin; centred on the arrival."""
    rate = ORDER / PEAKING  # a gamma law of shape 5 and mean 5 / rate
    t = np.maximum(rate * delay + ORDER + 1, 0.0)
    square = t * t
    return np.asarray(rate / 24 * square * square * np.exp(-t))
