"""Members from one training: dropout that stays on when events are drawn."""

from __future__ import annotations

import copy
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from facsim.errors import CapabilityError, DataError
from facsim.models.base import Surrogate
from facsim.models.composite.ensemble import Ensemble

__all__ = ["thinned"]

MASKS = 0xD607  # purpose of a random stream


def thinned(surrogate: Surrogate, members: int, *, seed: int = 0) -> Ensemble:
    r"""An ensemble of one model with dropout: every member keeps one choice of what is dropped (MC dropout).

    What enters a dense layer behind a dropout of probability p is multiplied by :math:`m / (1 - p)`, m being 0 or 1
    for each column. A member has one m for all events, so it is the same network with those columns of the layer's
    weights at zero: no sampler has to know of it, and the ensemble is saved, exported and judged
    (`facsim.runtime.spread`) like one of several trainings.

    Parameters
    ----------
    surrogate : Surrogate
        Fitted with dropout in its generator: ``facsim fit pid-flow --set model.dropout=0.1``.
    members : int
        At least 2.
    seed : int, optional
        Of the choices; member k depends on (seed, k) alone.

    Raises
    ------
    CapabilityError
        If its generator has no dropout.
    DataError
        If there are fewer than 2 members.

    Notes
    -----
    Gal and Ghahramani, arXiv:1506.02142. It costs one training, but how far members are apart is chosen with p: it does
    not shrink with the number of events. `Spread.calibrated` finds the factor on held-out events.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> from facsim.models.mixture import Mixture, MixtureConfig
    >>> schema = Schema((Block("DLL"),), (Block("P"),))
    >>> model = Mixture(schema, MixtureConfig(components=2, hidden=16, dropout=0.2))
    >>> thinned(model, 4, seed=1).members
    4
    """
    if members < 2:
        msg = f"members={members}: two or more are needed for a spread"
        raise DataError(msg)
    copies = []
    for member in range(members):
        copies.append(copy.deepcopy(surrogate).eval())
        if not _thin(copies[-1].generator(), np.random.default_rng([seed, MASKS, member])):
            msg = (
                f"the generator of this '{surrogate.name}' has no dropout to keep on. Fit it with dropout, as in "
                "facsim fit pid-flow --set model.dropout=0.1, or take 'family: ensemble'"
            )
            raise CapabilityError(msg)
    return Ensemble.of(copies).eval()


@torch.no_grad()
def _thin(network: nn.Module, random: np.random.Generator) -> int:
    """Drop columns of the weights behind every dropout; how many layers that were."""
    found = 0
    for stack in network.modules():
        if not isinstance(stack, nn.Sequential):
            continue
        for drop, dense in pairwise(stack):
            if isinstance(drop, nn.Dropout) and drop.p and isinstance(dense, nn.Linear):
                kept = random.random(dense.in_features) >= drop.p
                dense.weight *= torch.from_numpy(kept / (1 - drop.p)).to(dense.weight)
                found += 1
    return found
