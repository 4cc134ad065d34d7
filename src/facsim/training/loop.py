"""The training loop, whole."""

from __future__ import annotations

import logging
import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from facsim.errors import RecipeError, TrainingError
from facsim.models import Draw, Surrogate
from facsim.training.data import TrainingData
from facsim.training.history import History
from facsim.training.logs import Log
from facsim.training.phases import stages
from facsim.training.processes import Processes
from facsim.training.settings import TrainingSettings
from facsim.training.state import TrainingState
from facsim.training.validation import Validation
from facsim.training.watch import Watch

__all__ = ["optimisers_of", "train"]

log = logging.getLogger(__name__)

NORM_EVERY = 10  # steps between two looks at a gradient that nobody clips: the norm costs 3 % of a small network's step


def optimisers_of(model: Surrogate, settings: TrainingSettings, phase: int = 0) -> dict[str, torch.optim.Optimizer]:
    """One optimiser per player, in a phase of the training; a player without parameters has none."""
    wanted = {player: parameters for player, parameters in model.players().items() if parameters}
    named = {"rates": settings.rates} | {f"phases.{i}.players": p.players for i, p in enumerate(settings.phases)}
    for key, players in named.items():
        if unknown := players.keys() - wanted.keys():
            msg = f"training.{key} names {sorted(unknown)}; the players of '{model.name}' are {sorted(wanted)}"
            raise RecipeError(msg)
    if settings.phases:
        chosen = settings.phases[phase]
        return {player: chosen.player(player).optimiser_of(parameters) for player, parameters in wanted.items()}
    return {player: _optimiser(parameters, settings) for player, parameters in wanted.items()}


def _optimiser(parameters: list[nn.Parameter], settings: TrainingSettings) -> torch.optim.Optimizer:
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=rate, alpha=settings.betas[1], weight_decay=decay)
    if settings.optimiser == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=settings.betas[0], weight_decay=decay)
    return torch.optim.AdamW(parameters, lr=rate, betas=settings.betas, weight_decay=decay, fused=True)


def train(
    state: TrainingState,
    data: TrainingData,
    validation: Validation,
    settings: TrainingSettings,
    folder: Path,
    *,
    processes: Processes,
    watch: Watch | None = None,
    history: History | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Train from ``state.step`` to ``settings.steps``; the best checkpoint by validation is left in `folder`.

    A phase ends after its steps, or when validations have not improved for its patience; the next one goes on with the
    best weights so far, and with fresh optimisers.

    Everything random depends on (seed, step), so a training that was stopped and resumed from its state gives the
    same numbers as one that was not, bit for bit on the same machine.

    Raises
    ------
    TrainingError
        If a loss or a gradient is not finite: names player, step and figures; or if a collapse lasts for
        ``stop_on_collapse`` validations: names the symptom and what to try. The best checkpoint is kept.
    KeyboardInterrupt
        After writing a resumable state.
    """
    model = state.model.train()
    players = model.players()
    plan = stages(settings, len(data), processes.world)
    stage, batches = plan[state.phase], data.since(state.begun, plan[state.phase].batch)
    model.begin_phase(stage.phase)
    with Log(folder, state.step, enabled=processes.first) as logs:
        with _stop_request() as stop, torch.random.fork_rng(devices=[]):
            while not (state.done or state.step >= settings.steps or stop):
                rates = stage.rates(players, learning_rate(state.step, settings), settings.rates)
                batch = batches[state.step]
                draw = Draw(settings.seed, state.step, rank=processes.rank, world=processes.world, device=data.device)
                _seed_layers(draw.number(0), data.device)
                for player, loss, figures in model.turns(batch, state.step, draw):
                    optimiser, parameters = state.optimisers[player], players[player]
                    optimiser.param_groups[0]["lr"] = rates[player]
                    gradients = list(torch.autograd.grad(loss, parameters, materialize_grads=True))
                    processes.average(gradients)
                    stage.regularise(player, parameters, gradients)
                    for parameter, gradient in zip(parameters, gradients, strict=True):
                        parameter.grad = gradient
                    look = settings.clip is not None or state.step % NORM_EVERY == 0
                    norm = _clip(gradients, settings.clip) if look else None
                    if not math.isfinite(loss.item() if norm is None else norm):
                        raise TrainingError(_diagnosis(player, state, rates[player], figures, folder))
                    optimiser.step()
                    logs.note(player, figures, norm)
                    if history:
                        history.note(player, figures)
                state.step += 1
                state.update_average(settings.ema)

                last = state.phase == len(plan) - 1
                over = state.step - state.begun >= stage.steps
                validated = over or state.step == settings.steps or state.step % settings.validate_every == 0
                if validated:
                    _validate(state, validation, watch, logs, folder, processes)
                    over = over or state.step - state.improved >= stage.patience
                done = state.done = state.step == settings.steps or (over and last)
                if validated or state.step % 100 == 0:
                    logs.write(state.step, max(rates.values()))
                if history and (over or done or history.due(state, stage)):
                    history.write(state, stage)
                if watch and watch.stop:
                    state.save(folder)
                    what, _, cures = watch.stop.partition("\n")
                    msg = f"step {state.step}: {what}; {_kept(state, folder)}\n{cures}"
                    raise TrainingError(msg)
                if over and not done:
                    state.begin(state.phase + 1, optimisers_of(model, settings, state.phase + 1), folder)
                    stage, batches = plan[state.phase], data.since(state.step, plan[state.phase].batch)
                    model.begin_phase(stage.phase)
                    log.info("step %d: phase %d of %d begins", state.step, state.phase + 1, len(plan))
                if processes.first and (done or over or state.step % settings.checkpoint_every == 0):
                    state.save(folder)
                if progress:
                    progress(state.step, settings.steps)
        if stop:
            if processes.first:
                state.save(folder)
            log.warning("interrupted after step %d; the state is saved, continue with --resume", state.step)
            raise KeyboardInterrupt


@contextmanager
def _stop_request() -> Iterator[list[int]]:
    """Collect Ctrl-C instead of being cut off by it: a step is finished, and the state saved, before the end."""
    requests: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield requests
        return
    before = signal.signal(signal.SIGINT, lambda number, _: requests.append(number))
    try:
        yield requests
    finally:
        signal.signal(signal.SIGINT, before)


def _seed_layers(seed: int, device: torch.device | str) -> None:
    """Seed what layers draw from that know no other source (dropout); a hundred times faster than all devices."""
    torch.default_generator.manual_seed(seed)
    if torch.device(device).type == "cuda":
        torch.cuda.manual_seed(seed)


def _clip(gradients: list[Tensor], limit: float | None) -> float:
    """Shorten a player's gradient, in place, to a norm of `limit` at most; the norm before."""
    norm = float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))))
    if limit is not None and norm > limit:
        torch._foreach_mul_(gradients, limit / norm)
    return norm


def learning_rate(step: int, settings: TrainingSettings) -> float:
    """Linear warm-up, times a cosine down to ``final_rate`` of the highest rate.

    Examples
    --------
    >>> settings = TrainingSettings(steps=1000, warmup=100, learning_rate=1.0, final_rate=0.0)
    >>> round(learning_rate(49, settings), 3), round(learning_rate(500, settings), 3)
    (0.497, 0.5)
    """
    cosine = 0.5 * (1 + math.cos(math.pi * step / settings.steps))
    warm = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    return settings.learning_rate * warm * (settings.final_rate + (1 - settings.final_rate) * cosine)


def _validate(
    state: TrainingState,
    validation: Validation,
    watch: Watch | None,
    logs: Log,
    folder: Path,
    processes: Processes,
) -> None:
    """Score the averaged weights, keep them if they are the best so far, and see whether the game still goes well."""
    if processes.first:
        with state.averaged() as model:
            figures = validation(model)
            if figures["distance"] < state.best:
                state.best, state.improved = figures["distance"], state.step
                model.provenance |= {"step": state.step, "validation": figures}
                model.save(folder)
            watched = watch(model, state.step) if watch else {}
        logs.note("validation", {**figures, "best": state.best})
        logs.note("watch", watched)
    state.best, state.improved = processes.same(state.best), int(processes.same(state.improved))


def _diagnosis(player: str, state: TrainingState, rate: float, figures: dict[str, torch.Tensor], folder: Path) -> str:
    shown = ", ".join(f"{k} {v.item():g}" for k, v in figures.items())
    return (
        f"step {state.step}: gradient of '{player}' is not finite ({shown}; learning rate {rate:g}); "
        f"{_kept(state, folder)}.\n"
        "  Lower training.learning_rate or training.clip, or look for extreme values with: facsim info FILE"
    )


def _kept(state: TrainingState, folder: Path) -> str:
    if state.best < float("inf"):
        return f"the best checkpoint so far (distance {state.best:.4f}) is kept in {folder}"
    return "no checkpoint was validated yet"
