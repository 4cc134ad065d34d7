"""Short trainings of GANs on toys, timed in seconds of the processor: what `gan_study.py` is made of."""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facsim import recipes
from facsim.errors import TrainingError
from facsim.events import Events
from facsim.files import write_json
from facsim.models import Surrogate, family
from facsim.simulators.toys import good_share, modes_found
from facsim.training.data import TrainingData, encode
from facsim.training.loop import optimisers_of, train
from facsim.training.processes import Processes
from facsim.training.state import TrainingState
from facsim.training.sweights import class_probabilities

__all__ = ["Results", "Run", "drawn", "fit", "in_plane"]

NEVER = 10**9


@dataclass
class Run:
    """A training: the model with its averaged weights, and what was measured on the way."""

    model: Surrogate
    seconds: float = 0.0
    """Of the processor, in training alone: not in measuring."""
    steps: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    """What `measure` found, with ``step`` and ``seconds``."""
    failure: str = ""


class _OutOfTimeError(Exception):
    pass


def fit(
    events: Events,
    recipe: str,
    changes: dict[str, Any] | None = None,
    *,
    measure: Callable[[Surrogate], dict[str, Any]] | None = None,
    points: Sequence[int] | int = 0,
    seconds: float = float("inf"),
) -> Run:
    """Train a recipe on all the events with facsim's loop, without the validations that choose a checkpoint.

    Parameters
    ----------
    events, recipe, changes
        As for `facsim.fit`.
    measure : callable, optional
        Called with the averaged model at `points` (steps, or their number, evenly spread), and at the end.
    seconds : float, optional
        The training ends when the processor has worked on it for so long.
    """
    never = {"training.validate_every": NEVER, "training.checkpoint_every": NEVER}
    chosen = recipes.load(recipe, never | (changes or {}))
    settings = chosen.training
    if isinstance(points, int):
        points = [settings.steps * (i + 1) // points for i in range(points)]
    wanted = {*points, settings.steps}
    if settings.negative_weights == "regress" and events.weights is not None:
        events = events.with_weights(class_probabilities(events, settings.seed))
    torch.manual_seed(settings.seed)
    torch.set_num_threads(1)
    model = family(chosen.family)(events.schema, chosen.config)
    model.prepare(events[: settings.fit_events])
    with tempfile.TemporaryDirectory(prefix="gan-study-") as name:
        folder = Path(name)
        rows = encode(model, iter([events]), len(events), settings.memory, folder)
        data = TrainingData(rows, model, np.arange(events.schema.width)[None], settings.batch, settings.seed)
        state = TrainingState(model, optimisers_of(model, settings))
        run, begun, apart = Run(model), time.process_time(), 0.0

        def tick(done: int, _: int) -> None:
            nonlocal apart
            run.steps, run.seconds = done, time.process_time() - begun - apart
            if measure and done in wanted:
                with state.averaged() as averaged:
                    run.history.append({"step": done, "seconds": round(run.seconds, 2), **measure(averaged)})
                apart = time.process_time() - begun - run.seconds
            if run.seconds > seconds:
                raise _OutOfTimeError

        try:
            train(state, data, lambda _: {"distance": np.inf}, settings, folder, processes=Processes(), progress=tick)
        except _OutOfTimeError:
            pass
        except TrainingError as error:
            run.failure = str(error)
    state.averaged().__enter__()  # for good: the model keeps the averaged weights
    if measure and (not run.history or run.history[-1]["step"] != run.steps):
        run.history.append({"step": run.steps, "seconds": round(run.seconds, 2), **measure(model)})
    return run


class Results:
    """Entries of a JSON file, written as soon as they are known."""

    def __init__(self, path: Path, *, again: bool = False) -> None:
        self.path, self.again = path, again
        self.known: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}

    def __call__(self, name: str, make: Callable[[], Any]) -> Any:
        """The entry of a name: what is known, or what `make` finds."""
        if name not in self.known or self.again:
            self.known[name] = make()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, self.known)
            print(f"{name}: {json.dumps(self.known[name])[:160]}", flush=True)
        return self.known[name]


def drawn(model: Surrogate, n: int, seed: int = 2) -> Events:
    """Copies of a toy without conditions."""
    return model.sample(n, seed=seed)


def in_plane(toy: Any, n: int = 4000, *, keep: int = 0) -> Callable[[Surrogate], dict[str, Any]]:
    """Modes found and share of good events among `n` copies; and the first `keep` copies themselves."""

    def measure(model: Surrogate) -> dict[str, Any]:
        copies, modes = drawn(model, n), toy.modes()
        found = {
            "modes": modes_found(copies, modes, toy.std),
            "good": round(good_share(copies, modes, toy.std), 4),
        }
        return found | ({"copies": np.round(copies.features[:keep], 2).tolist()} if keep else {})

    return measure
