"""What an event may do around its mean, column by column: losses and draws."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

__all__ = ["LAWS", "Binary", "Law", "Mean", "Normal"]

NARROWEST = 1e-3  # standard deviation, in units of the latent space: a smaller one would make the loss unbounded


class Law:
    """Law of an event x (n, d) given what networks say: `mean` (n, d) and, if it scatters, `spread` (n, d).

    Attributes
    ----------
    scatters : bool
        Whether there is a second network, and noise.
    binary : bool
        Whether columns are 0 or one other value.
    """

    scatters: ClassVar[bool] = False
    binary: ClassVar[bool] = False

    def loss(self, x: Tensor, mean: Tensor, spread: Tensor | None) -> Tensor:
        """Loss (n,) of events."""
        raise NotImplementedError

    def draw(self, mean: Tensor, spread: Tensor | None, noise: Tensor) -> Tensor:
        """Events (n, d) for standard normal noise (n, d)."""
        raise NotImplementedError


class Mean(Law):
    """No scatter: least squares; the event is its mean.

    Examples
    --------
    >>> Mean().loss(torch.zeros(2, 3), torch.ones(2, 3), None).tolist()
    [1.0, 1.0]
    """

    def loss(self, x: Tensor, mean: Tensor, spread: Tensor | None) -> Tensor:  # noqa: ARG002
        """Mean squared error."""
        return (x - mean).square().mean(1)

    def draw(self, mean: Tensor, spread: Tensor | None, noise: Tensor) -> Tensor:  # noqa: ARG002
        """The mean."""
        return mean


class Binary(Law):
    """Columns are on or off, without scatter: `mean` is the logit of being on, and decides at zero.

    The gradient of a draw is that of the probability.

    Examples
    --------
    >>> Binary().draw(torch.tensor([[-0.1, 2.0]]), None, torch.empty(1, 2)).tolist()
    [[0.0, 1.0]]
    """

    binary: ClassVar[bool] = True

    def loss(self, x: Tensor, mean: Tensor, spread: Tensor | None) -> Tensor:  # noqa: ARG002
        """Binary cross-entropy."""
        return binary_cross_entropy_with_logits(mean, x, reduction="none").mean(1)

    def draw(self, mean: Tensor, spread: Tensor | None, noise: Tensor) -> Tensor:  # noqa: ARG002
        """On where on is likelier."""
        on = (mean > 0).to(mean.dtype)
        if not (torch.is_grad_enabled() and mean.requires_grad):
            return on
        chance = mean.sigmoid()
        return on + chance - chance.detach()


class Normal(Law):
    """Normal scatter, whose width a second network says: the negative logarithm of the likelihood.

    Examples
    --------
    >>> Normal().draw(torch.ones(1, 2), torch.full((1, 2), -50.0), torch.ones(1, 2)).tolist()
    [[1.0010000467300415, 1.0010000467300415]]
    """

    scatters: ClassVar[bool] = True

    def loss(self, x: Tensor, mean: Tensor, spread: Tensor | None) -> Tensor:
        """Negative log-likelihood per column, without constants."""
        width = self._width(spread)
        return (width.log() + ((x - mean) / width).square() / 2).mean(1)

    def draw(self, mean: Tensor, spread: Tensor | None, noise: Tensor) -> Tensor:
        """Mean and scatter."""
        return mean + self._width(spread) * noise

    def _width(self, spread: Tensor | None) -> Tensor:
        assert spread is not None  # noqa: S101 - this law scatters
        return softplus(spread) + NARROWEST


LAWS: dict[str, Law] = {"mean": Mean(), "binary": Binary(), "normal": Normal()}
