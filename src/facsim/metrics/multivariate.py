"""Every distance between two samples of many columns by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from facsim.metrics.correlation import correlation_distance
from facsim.metrics.energy import energy_distance
from facsim.metrics.frechet import fpd
from facsim.metrics.kernels import kpd, mmd
from facsim.metrics.quadratic import Estimate
from facsim.metrics.sliced import sliced_ks, sliced_wasserstein

__all__ = ["MULTIVARIATE", "MultivariateDistance"]


@dataclass(frozen=True)
class MultivariateDistance:
    """A distance between two samples of d columns; all take signed weights.

    Parameters
    ----------
    name : str
        Key in `MULTIVARIATE` and in result files.
    function : callable
        ``function(x, y, *, wx=None, wy=None, seed=0) -> Estimate``.
    unbiased : bool
        Whether two samples of one truth give 0 on average; otherwise `Estimate.null` says what they give.
    definitions : tuple of str
        Values of the option ``definition``, if the function has one.
    """

    name: str
    function: Callable[..., Estimate]
    unbiased: bool = True
    definitions: tuple[str, ...] = ()

    def __call__(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        wx: ArrayLike | None = None,
        wy: ArrayLike | None = None,
        seed: int = 0,
        **options: Any,
    ) -> Estimate:
        """Compute the distance."""
        return self.function(x, y, wx=wx, wy=wy, seed=seed, **options)


MULTIVARIATE: dict[str, MultivariateDistance] = {
    d.name: d
    for d in (
        MultivariateDistance("fpd", fpd, definitions=("facsim", "jetnet")),
        MultivariateDistance("kpd", kpd, definitions=("facsim", "jetnet")),
        MultivariateDistance("mmd", mmd),
        MultivariateDistance("energy", energy_distance),
        MultivariateDistance("sliced_w1", sliced_wasserstein, unbiased=False),
        MultivariateDistance("sliced_ks", sliced_ks, unbiased=False),
        MultivariateDistance("correlation", correlation_distance),
    )
}
"""Every multivariate distance by the name that result files use."""
