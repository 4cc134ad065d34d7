"""Generative moment matching: maximum mean discrepancy as an objective (Li et al., arXiv:1502.02761; Gretton et al., JMLR 13 (2012) 723)."""  # noqa: E501

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from facsim.models.gan.objectives.base import OBJECTIVES, Objective
from facsim.models.gan.objectives.pairs import pair_mean, squared_distances

__all__ = ["MaximumMeanDiscrepancy", "discrepancy", "median_distance"]


def median_distance(x: Tensor) -> Tensor:
    """Median distance () between different rows of `x` (n, k), detached; at least 1e-6.

    Examples
    --------
    >>> import torch
    >>> median_distance(torch.tensor([[0.0], [1.0], [3.0]])).item()
    2.0
    """
    x = x.detach()
    upper = torch.triu_indices(len(x), len(x), 1, device=x.device)
    return squared_distances(x, x)[upper[0], upper[1]].median().sqrt().clamp(min=1e-6)


def discrepancy(real: Tensor, fake: Tensor, weights: Tensor, bandwidths: Sequence[float] | Tensor) -> Tensor:
    r"""Unbiased estimate () of the squared maximum mean discrepancy with a mean of Gaussian kernels.

    .. math::
        \mathrm{MMD}^2 = E k(X, X') + E k(Y, Y') - 2 E k(X, Y), \quad
        k(a, b) = \frac1B \sum_{i=1}^B e^{-|a - b|^2 / 2 h_i^2}

    Parameters
    ----------
    real, fake : Tensor (n, k)
        Rows of a pair share conditions and weight.
    weights : Tensor (n,)
        Mean 1 over the training sample; may be negative. Pairs carry the product.
    bandwidths : sequence of float
        h, in the unit of the rows.

    Notes
    -----
    Zero on average for two samples of the same truth, hence negative about half of the time.
    """
    scales = [-0.5 / float(h) ** 2 for h in bandwidths]

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        squared = squared_distances(a, b)
        total = torch.zeros_like(squared)
        for scale in scales:
            total = total + (scale * squared).exp()
        return pair_mean(total / len(scales), weights)

    return kernel(real, real) + kernel(fake, fake) - 2 * kernel(real, fake)


@OBJECTIVES.register("mmd")
class MaximumMeanDiscrepancy(Objective):
    """The generator lowers the discrepancy of all moments; no critic is needed, so there is no game to lose balance.

    Without a critic events are compared as they are (side by side with their context), which works in few
    dimensions. With one (MMD-GAN, arXiv:1705.08584) in a space that the critic chooses.

    Examples
    --------
    >>> import torch
    >>> x = torch.randn(50, 3)
    >>> abs(MaximumMeanDiscrepancy().generator(x, x, torch.ones(50)).item()) < 1e-6
    True
    """

    summary: ClassVar[str] = "kernel distance between real and generated batches; no critic; takes signed weights"
    reference: ClassVar[str] = "arXiv:1502.02761"
    lipschitz: ClassVar[bool] = False  # kernels are bounded
    uses_real: ClassVar[bool] = True
    needs_critic: ClassVar[bool] = False
    ranks: ClassVar[bool] = False
    kind: str = "mmd"

    outputs: int = Field(16, ge=1)
    """Dimensions of the critic's space, if there is a critic."""
    bandwidths: tuple[float, ...] = Field((0.1, 0.2, 0.5, 1.0, 2.0), min_length=1)
    """Widths of the Gaussian kernels."""
    relative: bool = True
    """In units of the median distance of the batch's real events; else in latent units."""

    def critic(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
        """Minus the discrepancy ()."""
        return -self.generator(real, fake, weights)

    def generator(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
        """The discrepancy () of outputs or events (n,) or (n, k)."""
        if real.ndim == 1:
            real, fake = real[:, None], fake[:, None]
        unit = float(median_distance(real)) if self.relative else 1.0
        return discrepancy(real, fake, weights, [h * unit for h in self.bandwidths])
