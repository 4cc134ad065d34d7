"""What a critic and a generator want: pure functions of scores and weights."""

from __future__ import annotations

from torch import Tensor

__all__ = ["wasserstein_critic", "wasserstein_generator"]


def wasserstein_critic(real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
    """Critic's loss of the Wasserstein GAN (Arjovsky et al., arXiv:1701.07875, eq. 2): fake minus real, weighted.

    Parameters
    ----------
    real, fake : Tensor (n,)
        Scores of events and of generated events under the same conditions.
    weights : Tensor (n,)
        Of the events; may be negative, since the loss is linear in the score. Generated events carry the weight of
        the event whose conditions they share.

    Examples
    --------
    >>> import torch
    >>> wasserstein_critic(torch.tensor([2.0]), torch.tensor([0.5]), torch.ones(1)).item()
    -1.5
    """
    return (weights * (fake - real)).mean()


def wasserstein_generator(fake: Tensor, weights: Tensor) -> Tensor:
    """Generator's loss: minus the critic's score."""
    return -(weights * fake).mean()
