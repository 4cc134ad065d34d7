"""What a trained critic says of events: scores, and the categories that it recognises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from facsim.errors import CapabilityError
from facsim.events import Events
from facsim.models.base import Batch
from facsim.models.draw import Draw

if TYPE_CHECKING:
    from facsim.models.gan.gan import GAN

__all__ = ["errors", "probabilities", "scores"]

ROWS = 1024


def scores(model: GAN, events: Events, seed: int) -> NDArray[np.float64]:
    """Scores (n,), larger for what looks real; see `GAN.scores`."""
    critic, objective = model.critic, model.config.objective
    reason = None
    if critic.body is None:
        reason = "has no critic"
    elif critic.pack > 1:
        reason = f"has a critic that judges {critic.pack} events together"
    elif not objective.ranks:
        reason = f"has a critic that only compares samples (objective '{objective.kind}')"
    if reason:
        msg = f"this model {reason}: single events have no score"
        raise CapabilityError(msg)
    found = []
    with model.at_rest(), torch.no_grad():
        for number, some in enumerate(_batches(model, events)):
            x, context = model.seen(some)
            other = None
            if objective.fakes > 1:
                given = torch.from_numpy(some.conditions).to(x.device)
                other = critic(model.judged(model.fake(context, Draw(seed, number, device=x.device)), given), context)
            found.append(objective.potential(critic(x, context), other).double().cpu().numpy())
    return np.concatenate(found) if found else np.empty(0)


def errors(model: GAN, batch: Batch, step: int, draw: Draw) -> dict[str, float]:
    """Mean losses of both players on the same held-out events, each against fresh generated events.

    The generator's error is that of generated events that the critic of this moment judges; nobody learns from it, and
    dropout is off. The critic's is the mean over true and generated events.
    """
    objective = model.config.objective
    with model.at_rest(), torch.no_grad():
        game = model._game(batch, step, draw)
        real, (fake, *others) = model._samples(game, graph=False)
        _, scores = model._shown(game, real, fake, others)
        weights = model._weights(game)
        found = {"generator": float(objective.generator(*scores, weights))}
        if model.critic.body is not None:
            found["critic"] = 0.5 * float(objective.critic_loss(*scores, weights, draw, model.balance))
    return found


def probabilities(model: GAN, events: Events) -> NDArray[np.float64]:
    """Probabilities (n, names), which add up to 1 within each category; see `GAN.auxiliary_probabilities`."""
    kinds = [a.kind for a in model.config.auxiliaries]
    if "classifier" not in kinds:
        msg = "this model has no auxiliary classifier; recipes with one: acgan, lagan"
        raise CapabilityError(msg)
    head = model.helpers[kinds.index("classifier")]
    sizes = [last - first for first, last in model.layout.categories]
    found = []
    with model.at_rest(), torch.no_grad():
        for some in _batches(model, events):
            logits = head(model.critic.features(*model.seen(some)))
            each = [part.softmax(1) for part in logits.split(sizes, dim=1)]
            found.append(torch.cat(each, 1).double().cpu().numpy())
    return np.concatenate(found) if found else np.empty((0, sum(sizes)))


def _batches(model: GAN, events: Events) -> Iterator[Events]:
    """Events in batches; a critic that compares the events of one gets as many as in its training."""
    rows = ROWS
    if model.config.critic.uses_batch:
        rows = int(model.provenance.get("training", {}).get("batch", rows))
    for start in range(0, len(events), rows):
        yield events[start : start + rows]
