"""Generator against critic, made of the parts that a recipe picks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facsim.errors import RecipeError, WeightError
from facsim.events import Events
from facsim.models.base import Batch, Surrogate, register
from facsim.models.draw import Draw
from facsim.models.gan.auxiliaries import Auxiliary
from facsim.models.gan.companions import beside, require_pairs
from facsim.models.gan.config import GANConfig
from facsim.models.gan.critic import Critic
from facsim.models.gan.game import Game
from facsim.models.gan.judge import errors, probabilities, scores
from facsim.models.gan.layout import Layout
from facsim.models.gan.unroll import unrolled
from facsim.nets import CellMoments, Differences
from facsim.schema import Schema
from facsim.transforms import Code, Transform, fill

__all__ = ["GAN"]

REFERENCE = 64  # events

Turn = tuple[str, Tensor, dict[str, Tensor]]


class _Sampler(nn.Module):
    def __init__(self, net: nn.Module, transform: Transform) -> None:
        super().__init__()
        self.net, self.transform = net, transform

    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        context = self.transform.context(0, noise, conditions)
        return self.transform.decode(self.net(noise, context), conditions)


@register("gan")
class GAN(Surrogate):
    """A generator that learns from a critic which tells its events from true ones.

    Everything about it is a part with a name: networks, objective, penalties, auxiliaries, schedule (`GANConfig`).
    Both networks see events in the latent space of the transform.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> schema = Schema((Block("a", (2,)),), (Block("energy", (), "energy", "GeV"),))
    >>> GAN(schema, GANConfig(objective="hinge")).sample([10.0, 20.0], seed=1).features.shape
    (2, 2)
    """

    summary = "generative adversarial network of interchangeable parts; one network pass per event; the fastest"
    capabilities = frozenset({"sample", "score"})
    config_type = GANConfig
    config: GANConfig

    balance: Tensor

    def __init__(self, schema: Schema, config: GANConfig) -> None:
        super().__init__(schema, config)
        context = self.transform.conditions
        self.layout = Layout(schema, self.transform.width, context.width, context.categories)
        config.generator.check(self.layout)
        self.moments = CellMoments(schema, sums=config.sums, scale=float(config.moments)) if config.moments else None
        self.differences = Differences(schema, config.differences) if config.differences else None
        # The critic judges events and what is computed from them alike, as one longer event.
        self.shown = [part for part in (self.moments, self.differences) if part is not None]
        more = sum(part.width for part in self.shown)
        judged = replace(self.layout, width=self.layout.width + more)
        config.critic.check(judged)
        asks = {a.kind for a in config.auxiliaries} & {"classifier", "regressor"}
        if schema.conditions and config.critic.conditioning == "none" and not (asks or config.critic.paired):
            msg = (
                "nobody tells the critic the conditions, nor asks it for them, so the generator would not learn them: "
                "set critic.conditioning to 'projection' or 'concat', or add auxiliary 'classifier' or 'regressor'"
            )
            raise RecipeError(msg)
        pack = config.schedule.pack
        self.net: nn.Module = config.generator.build(self.layout)
        body = None if config.critic.kind == "none" else config.critic.build(judged, pack)
        projection = config.critic.conditioning == "projection"
        self.critic = Critic(body, judged, config.objective.outputs, projection=projection, pack=pack)
        features = 0 if body is None else int(body.features)
        self.helpers: nn.ModuleList = nn.ModuleList()
        built = []
        for auxiliary in config.auxiliaries:
            auxiliary.check(self.layout)
            built.append(auxiliary.build(self.layout, features, self.players()))
        self.helpers.extend(nn.Identity() if module is None else module for module in built)
        self.register_buffer("balance", torch.zeros(()))
        self.generated: int | None = None

    @property
    def latent(self) -> int:
        """Columns of noise per event."""
        return int(self.config.generator.latent(self.layout))

    @property
    def undecided(self) -> float | None:
        """Score at which the critic finds real and generated equally likely; None if its scores have no such place."""
        return cast("float | None", self.config.objective.zero)

    def prepare(self, events: Events) -> None:
        """Fit the transform; refuse negative weights where the objective cannot take them."""
        unbounded = [p for p in (self.config.objective, *self.config.auxiliaries) if not p.signed]
        if events.weights is not None and (events.weights < 0).any() and unbounded:
            msg = (
                f"'{unbounded[0].kind}' has no lower bound where weights are negative, and these events have "
                f"{int((events.weights < 0).sum())} negative weights of {len(events)}. Use recipe cramer-gan, gmmn or "
                "wgan-gp (Objective=WGANGP in an option string), whose losses are linear in the weights, or --set "
                "training.negative_weights=regress"
            )
            raise WeightError(msg)
        super().prepare(events)
        shown = events if events.weights is None else events[events.weights > 0]
        for part in self.shown:
            part.fit(torch.from_numpy(shown.features))
        with torch.no_grad():  # virtual batch normalisation compares with the same events for ever
            x, context = self.seen(shown[:REFERENCE])
            if hasattr(self.critic.body, "refer"):
                self.critic.body.refer(x, context)  # type: ignore[union-attr, operator]
            if hasattr(self.net, "refer"):
                self.net.refer(Draw(0, 0).normal(len(context), self.latent), context)  # type: ignore[operator]
            if any(type(a).prepare is not Auxiliary.prepare for a in self.config.auxiliaries):
                x, context = self.seen(shown)
                for auxiliary, module in zip(self.config.auxiliaries, self.helpers, strict=True):
                    auxiliary.prepare(module, x[:, : self.transform.width], context)

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Critic, with the heads of the auxiliaries, and generator."""
        found = {
            "critic": [*self.critic.parameters(), *(p for m in self.helpers for p in m.parameters())],
            "generator": list(self.net.parameters()),
        }
        return {player: parameters for player, parameters in found.items() if parameters}

    def begin_phase(self, phase: Any) -> None:
        """Take over dropout, and the events that the generator makes in a turn."""
        self.generated = None if phase is None else phase.generated
        for player, network in (("generator", self.net), ("critic", self.critic.body)):
            dropout = () if phase is None else phase.player(player).dropout
            if hasattr(network, "drop") and phase is not None:
                network.drop(dropout)  # type: ignore[union-attr, operator]
            elif dropout:
                msg = f"training.phases: the dropout of '{player}' is for networks of kind 'layout'; leave it out"
                raise RecipeError(msg)

    @property
    def loss_shares(self) -> dict[str, float]:
        """The critic's loss is the sum of those of real and of generated events."""
        return {} if self.config.schedule.separate else {"critic": 0.5}

    def errors(self, batch: Batch, step: int, draw: Draw) -> dict[str, float]:
        """Mean losses of both players on held-out events and fresh generated ones."""
        return errors(self, batch, step, draw)

    def turns(self, batch: Batch, step: int, draw: Draw) -> Iterator[Turn]:
        """The critic's update, and every ``critic_steps`` steps the generator's."""
        schedule = self.config.schedule
        game = self._game(batch, step, draw)
        if self.critic.body is not None and draw.chance(schedule.critic_chance):
            yield from self._critic_turns(game)
        if step % schedule.critic_steps == 0 and draw.chance(schedule.generator_chance):
            for _ in range(schedule.generator_steps):
                yield self._generator_turn(game)

    def generator(self) -> nn.Module:
        """The sampler without the critic: what is exported, and whose parameters count."""
        return _Sampler(self.net, self.transform)

    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """The whole sampler: one pass, then the inverse transform."""
        features: Tensor = self.generator()(conditions, noise)
        return features

    def scores(self, events: Events, *, seed: int = 0) -> NDArray[np.float64]:
        """How real the critic finds events, (n,): larger is more real; only the order has a meaning.

        Parameters
        ----------
        events : Events
        seed : int, optional
            Of what the critic compares with, for objectives that compare.

        Raises
        ------
        CapabilityError
            If the model was trained without a critic, or with one that judges several events together or only compares.
        """
        return scores(self, events, seed)

    def auxiliary_probabilities(self, events: Events) -> NDArray[np.float64]:
        """Probability of every name of every category (n, names) by the critic's auxiliary classifier.

        Raises
        ------
        CapabilityError
            If the model has no auxiliary classifier.
        """
        return probabilities(self, events)

    # The game ----------------------------------------------------------------------------------------------------

    def _resized(self, game: Game) -> Game:
        """The game of a generator that makes another number of events than the critic sees, going round."""
        if self.generated is None or self.generated == len(game.context):
            return game
        rows = torch.arange(max(self.generated // self.critic.pack, 1) * self.critic.pack) % len(game.context)
        part = {name: getattr(game, name)[rows] for name in ("context", "conditions", "weights", "real")}
        conditions = part["conditions"]
        return replace(
            game,
            **part,
            decode=lambda x: self.transform.decode(x[:, : self.transform.width], conditions),
            again=lambda: self._again(conditions, game.draw),
        )

    def _game(self, batch: Batch, step: int, draw: Draw) -> Game:
        """What both players see of a batch."""
        pack = self.critic.pack
        rows = len(batch.conditions) // pack * pack
        if rows == 0:
            msg = f"a batch of {len(batch.conditions)} is smaller than schedule.pack = {pack}: enlarge training.batch"
            raise RecipeError(msg)
        if rows < 2 and (
            self.config.critic.uses_batch
            or any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in self.net.modules())
        ):
            msg = (
                f"a batch of {rows}: batch normalisation and minibatch discrimination compare the events of a batch. "
                "Set training.batch to 2 or more, better 64"
            )
            raise RecipeError(msg)
        for module in (self.net, self.critic.body):
            if module is not None and hasattr(module, "grow"):
                module.grow(step)  # type: ignore[operator]
        conditions, weights = batch.conditions[:rows], batch.weights[:rows]
        if self.config.critic.paired:
            require_pairs(conditions, self.config.critic.kind)
        code = type(batch.code)(batch.code.low[:rows], batch.code.high[:rows])
        return Game(
            layout=self.layout,
            context=self.transform.context(0, conditions, conditions),
            conditions=conditions,
            weights=weights,
            critic=self.critic,
            generator=self.net,
            potential=self._potential(None),
            decode=lambda x: self.transform.decode(x[:, : self.transform.width], conditions),
            draw=draw,
            step=step,
            again=lambda: self._again(conditions, draw),
            real=self.judged(self._drawn(code, draw), conditions),
        )

    def _drawn(self, code: Code, draw: Draw) -> Tensor:
        """Latent numbers of events; what is known as an interval only is drawn anew every time."""
        if self.transform.exact:
            return code.high
        uniform = draw.uniform(*code.high.shape)
        if self.config.atoms == "points":
            uniform = torch.where(code.low == -torch.inf, 0.5, uniform)
        return fill(code, uniform)

    def _critic_turns(self, game: Game) -> Iterator[Turn]:
        """One update with real and generated events, or one with each."""
        objective, penalties = self.config.objective, self.config.penalties
        real, (fake, *others) = self._samples(game, graph=False)
        for seen, made in [(real, None), (None, fake)] if self.config.schedule.separate else [(real, fake)]:
            shown, scores = self._shown(game, seen, made, others)
            loss = self._critic_loss(*scores, shown)
            for penalty in penalties:
                if penalty.applies(shown):
                    amount = penalty(self._packed(shown))
                    loss = loss + penalty.factor(shown.step) * amount
                    shown.figures[penalty.kind] = amount.detach()
            yield "critic", self._with_tasks(loss, shown, "critic"), shown.figures
            for penalty in penalties:
                penalty.after(self.critic)
            if objective.balanced:
                with torch.no_grad():
                    self.balance.copy_(objective.update(*scores, self._weights(game), self.balance))

    def _critic_loss(self, real: Tensor | None, fake: Tensor | None, game: Game) -> Tensor:
        objective, weights = self.config.objective, self._weights(game)
        if real is not None and fake is not None:
            loss: Tensor = objective.critic_loss(real, fake, weights, game.draw, self.balance)
        else:
            score = cast("Tensor", fake if real is None else real)
            loss = (weights * objective.pointwise_loss(score, game.draw, real=real is not None)).mean()
        game.figures["loss"] = loss.detach()
        return loss

    def _generator_turn(self, game: Game) -> Turn:
        config, objective, schedule = self.config, self.config.objective, self.config.schedule
        game = self._resized(game)
        real, (fake, *others) = self._samples(game, graph=True)
        wants_real = objective.uses_real or any(a.reads_real for a in config.auxiliaries)
        shown, scores = self._shown(game, real if wants_real else None, fake, others)
        loss = game.context.new_zeros(())
        if not any(a.replaces_generator for a in config.auxiliaries):
            if schedule.unroll:
                scores = self._scores_after_unrolling(game, real, fake)
            loss = objective.generator(*scores, self._weights(game))
            shown.figures["loss"] = loss.detach()
        return "generator", self._with_tasks(loss, shown, "generator"), shown.figures

    def _scores_after_unrolling(self, game: Game, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        schedule, context = self.config.schedule, self.critic.packed(game.context)
        real, fake = self.critic.packed(real), self.critic.packed(fake)

        def critics_loss(score: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
            return self._critic_loss(score(real, context), score(fake, context), replace(game, figures={}))

        later = unrolled(self.critic, critics_loss, schedule.unroll, schedule.unroll_rate)
        return later(real, context), later(fake, context)

    def _samples(self, game: Game, *, graph: bool) -> tuple[Tensor, list[Tensor]]:
        """Real events and as many independent generated ones as the objective wants, as the critic is shown them."""
        with torch.set_grad_enabled(graph):
            fakes = [
                self.judged(self.fake(game.context, game.draw), game.conditions)
                for _ in range(self.config.objective.fakes)
            ]
        samples = [cast("Tensor", game.real), *fakes]
        if self.config.critic.paired:
            samples = [samples[0], *(beside(samples[0], fake, game.draw) for fake in fakes)]
        for auxiliary in self.config.auxiliaries:
            samples = [auxiliary.disturb(x, game.draw, game.step) for x in samples]
        return samples[0], samples[1:]

    def _shown(
        self, game: Game, real: Tensor | None, fake: Tensor | None, others: list[Tensor]
    ) -> tuple[Game, tuple[Tensor | None, Tensor | None]]:
        """The game with what the critic finds in the samples that it is shown, and its scores."""
        samples = [x for x in (real, fake, *others) if x is not None]
        found = iter(self._judgements(samples, game.context))
        real_features, real_score = (None, None) if real is None else next(found)
        fake_features, fake_score = (None, None) if fake is None else next(found)
        other = None
        if others:
            other = next(found)[1]
            fake_score = torch.stack([cast("Tensor", fake_score), other])
        shown = replace(
            game,
            real=real,
            fake=fake,
            real_features=real_features,
            fake_features=fake_features,
            potential=self._potential(other),
            figures={},
        )
        return shown, (real_score, fake_score)

    def _judgements(self, samples: list[Tensor], context: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Features and scores of samples under the same conditions.

        In one pass, which is faster, unless the critic compares the events of a batch: real and generated ones must not
        meet then.
        """
        critic, count = self.critic, len(samples)
        context = critic.packed(context)
        if count == 1 or self.config.critic.uses_batch:
            features = [critic.features(critic.packed(x), context) for x in samples]
            return [(f, critic.score(f, context)) for f in features]
        context = context.repeat(count, 1)
        together = critic.features(critic.packed(torch.cat(samples)), context)
        return list(zip(together.chunk(count), critic.score(together, context).chunk(count), strict=True))

    def _potential(self, other: Tensor | None) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda x, context: self.config.objective.potential(self.critic(x, context), other)

    def _packed(self, game: Game) -> Game:
        """The game with events side by side, for penalties, which look at what the critic sees."""
        if self.critic.pack == 1:
            return game
        pack = self.critic.packed
        real, fake = (None if x is None else pack(x) for x in (game.real, game.fake))
        return replace(game, real=real, fake=fake, context=pack(game.context))

    def _weights(self, game: Game) -> Tensor:
        """Weight per score: of events judged together the product, whose mean is unbiased."""
        return game.weights if self.critic.pack == 1 else self.critic.packed(game.weights[:, None]).prod(1)

    def _with_tasks(self, loss: Tensor, game: Game, player: str) -> Tensor:
        """A player's loss and the auxiliaries' terms."""
        for auxiliary, module in zip(self.config.auxiliaries, self.helpers, strict=True):
            term = getattr(auxiliary, player)(game, module)
            loss = loss if term is None else loss + term
        return loss

    def fake(self, context: Tensor, draw: Draw) -> Tensor:
        """Events of the generator (n, width) in the latent space of the transform."""
        fake: Tensor = self.net(draw.normal(len(context), self.latent), context)
        return fake

    def _again(self, conditions: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Noise, and what the critic sees of its events."""
        noise = draw.normal(conditions.shape[0], self.latent)
        return noise, self.judged(self.net(noise, self.transform.context(0, noise, conditions)), conditions)

    def judged(self, x: Tensor, conditions: Tensor) -> Tensor:
        """Events as the critic sees them: with moments and differences of what they decode to, if it is shown these."""
        if not self.shown:
            return x
        features = self.transform.decode(x, conditions)
        return torch.cat([x, *(part(features) for part in self.shown)], 1)

    def seen(self, events: Events) -> tuple[Tensor, Tensor]:
        """Events (n, width) as the critic sees them, in the middle of their intervals, and their context."""
        device = self.low.device
        given = torch.from_numpy(events.conditions).to(device)
        code = self.transform.encode(torch.from_numpy(events.features).to(device), given)
        x = code.high if self.transform.exact else fill(code, torch.full_like(code.high, 0.5))
        return self.judged(x, given), self.transform.context(0, given, given)
