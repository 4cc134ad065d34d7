"""Every distance between two samples of many columns by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facsim.metrics.blocks import require_choice
from facsim.metrics.correlation import correlation_distance
from facsim.metrics.energy import energy_distance
from facsim.metrics.frechet import fpd
from facsim.metrics.kernels import kpd, mmd
from facsim.metrics.quadratic import Estimate
from facsim.metrics.sliced import sliced_ks, sliced_wasserstein

__all__ = ["MULTIVARIATE", "MultivariateDistance", "compare_multivariate"]


@dataclass(frozen=True)
class MultivariateDistance:
    """A distance between two samples of many columns; all take signed weights and state error, p-value and null.

    Parameters
    ----------
    name : str
        Key in `MULTIVARIATE` and in result files.
    function : callable
        ``function(x, y, *, wx=None, wy=None, seed=0) -> Estimate``.
    blind : str
        What it cannot see, for tables in reports.
    definitions : tuple of str
        That it takes as ``definition=``, the default first.
    least_columns : int
        Columns that it needs.
    """

    name: str
    function: Callable[..., Estimate]
    blind: str
    definitions: tuple[str, ...] = ("facsim",)
    least_columns: int = 1

    def __call__(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        wx: ArrayLike | None = None,
        wy: ArrayLike | None = None,
        seed: int = 0,
        definition: str = "facsim",
    ) -> Estimate:
        """Compute the distance."""
        require_choice(definition, "definition", self.definitions)
        options = {"definition": definition} if definition != "facsim" else {}
        return self.function(x, y, wx=wx, wy=wy, seed=seed, **options)


def compare_multivariate(
    x: ArrayLike, y: ArrayLike, *, wx: ArrayLike | None = None, wy: ArrayLike | None = None, seed: int = 0
) -> dict[str, Estimate]:
    """Compute every registered distance that the number of columns allows, by name.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.random.default_rng(0).normal(size=(2, 200, 2))
    >>> sorted(compare_multivariate(x, y))
    ['correlation', 'energy', 'fpd', 'kpd', 'mmd', 'sliced_ks', 'sliced_w1']
    """
    columns = np.shape(x)[1] if np.ndim(x) > 1 else 1
    return {
        name: distance(x, y, wx=wx, wy=wy, seed=seed)
        for name, distance in MULTIVARIATE.items()
        if distance.least_columns <= columns
    }


DEFINITIONS = ("facsim", "jetnet")

MULTIVARIATE: dict[str, MultivariateDistance] = {
    d.name: d
    for d in (
        MultivariateDistance("fpd", fpd, "anything beyond means and covariances", DEFINITIONS),
        MultivariateDistance("kpd", kpd, "moments above the fourth", DEFINITIONS),
        MultivariateDistance("mmd", mmd, "structure much finer or coarser than the median distance"),
        MultivariateDistance("energy", energy_distance, "little; weak for correlations and for many columns"),
        MultivariateDistance("sliced_w1", sliced_wasserstein, "little; weak where few of many columns differ"),
        MultivariateDistance("sliced_ks", sliced_ks, "tails; weak where few of many columns differ"),
        MultivariateDistance("correlation", correlation_distance, "means, widths, shapes", least_columns=2),
    )
}
"""Every distance between two samples of many columns by the name that result files use."""
