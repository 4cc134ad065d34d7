"""The critic as it will be some steps later, with the generator's part in that (unrolled GAN)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["unrolled"]

Parameters = dict[str, Tensor]


def unrolled(
    critic: nn.Module, loss: Callable[[Callable[[Tensor, Tensor], Tensor]], Tensor], steps: int, rate: float
) -> Callable[[Tensor, Tensor], Tensor]:
    r"""Let a critic take gradient steps that the generator can differentiate through.

    .. math:: \theta^{k+1} = \theta^k - \eta\, \partial L_D(\theta_G, \theta^k) / \partial \theta^k

    The generator then plays against :math:`\theta^K(\theta_G)`: it feels how the critic would answer, and has no reason
    to put all events where the present critic is wrong (Metz et al., arXiv:1611.02163, eqs. 7 to 9).

    Parameters
    ----------
    critic : Module
        ``critic(x, context) -> scores``; left as it is.
    loss : callable
        Critic's loss, given the function that scores; its generated events carry the generator's graph.
    steps : int
        K.
    rate : float
        Size of the steps.

    Returns
    -------
    callable
        Scores by the critic of K steps later.

    Examples
    --------
    >>> import torch
    >>> critic = torch.nn.Bilinear(1, 1, 1, bias=False)
    >>> later = unrolled(critic, lambda score: score(torch.ones(1, 1), torch.ones(1, 1)).sum(), steps=2, rate=0.1)
    >>> one = torch.ones(1, 1)
    >>> round((later(one, one) - critic(one, one)).item(), 3)
    -0.2
    """
    parameters: Parameters = dict(critic.named_parameters())

    def scoring(at: Mapping[str, Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda x, context: torch.func.functional_call(critic, dict(at), (x, context))

    with _buffers_kept(critic):
        for _ in range(steps):
            gradients = torch.autograd.grad(
                loss(scoring(parameters)), list(parameters.values()), create_graph=True, materialize_grads=True
            )
            parameters = {
                name: value - rate * gradient
                for (name, value), gradient in zip(parameters.items(), gradients, strict=True)
            }
    last = scoring(parameters)

    def later(x: Tensor, context: Tensor) -> Tensor:
        with _buffers_kept(critic):
            return last(x, context)

    return later


@contextmanager
def _buffers_kept(module: nn.Module) -> Iterator[None]:
    """Running statistics belong to real steps, not to imagined ones."""
    before = {name: value.clone() for name, value in module.named_buffers()}
    try:
        yield
    finally:
        for name, value in module.named_buffers():
            if not torch.equal(value, before[name]):
                value.data.copy_(before[name])
