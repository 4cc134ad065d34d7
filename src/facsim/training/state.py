"""Everything that a training needs to go on: one safetensors file, never pickle."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from facsim.errors import CheckpointError
from facsim.files import atomic
from facsim.models import Surrogate
from facsim.models.base import MODEL_FILE, restore

__all__ = ["STATE_FILE", "TrainingState", "finished"]

STATE_FILE = "state.safetensors"
PLACE = ("step", "phase", "begun", "improved", "done")


class TrainingState:
    """Model, its moving average, optimisers, and where the training stands.

    Parameters
    ----------
    model : Surrogate
        Being trained.
    optimisers : mapping of torch.optim.Optimizer
        One per player.

    Attributes
    ----------
    step : int
        Steps done.
    best : float
        Smallest distance of a validation so far.
    phase, begun : int
        The phase that the training is in, and the step at which it began.
    improved : int
        Step of the last validation in this phase that was the best so far; `begun` before there is one.
    done : bool
        Whether the last phase is over.
    """

    def __init__(self, model: Surrogate, optimisers: Mapping[str, torch.optim.Optimizer]) -> None:
        self.model, self.optimisers = model, optimisers
        self.parameters = dict(model.named_parameters())
        self.average = {k: v.detach().clone() for k, v in self.parameters.items()}
        self.step = self.phase = self.begun = self.improved = 0
        self.done = False
        self.best = float("inf")

    def begin(self, phase: int, optimisers: Mapping[str, torch.optim.Optimizer], folder: Path) -> None:
        """Begin the next phase with the weights of the best validation so far, which lie in the run folder."""
        from safetensors.torch import load_file

        if self.best < float("inf"):
            file = folder / MODEL_FILE
            restore(self.model, load_file(file), str(file))
        for key, parameter in self.parameters.items():
            self.average[key].copy_(parameter.detach())
        self.optimisers = optimisers
        self.phase, self.begun, self.improved = phase, self.step, self.step

    @torch.no_grad()
    def update_average(self, decay: float) -> None:
        """Move the average towards the weights; early on it follows more quickly, so that it forgets the start."""
        decay = min(decay, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.average.values()), list(self.parameters.values()), 1 - decay)

    def averaged(self) -> _Swapped:
        """Context in which the model has its averaged weights."""
        return _Swapped(self)

    def save(self, folder: Path) -> None:
        """Write the state to the run folder, atomically."""
        from safetensors.torch import save_file

        tensors = {f"model/{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average/{k}": v for k, v in self.average.items()}
        for player, optimiser in self.optimisers.items():
            for index, entries in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser/{player}/{index}/{k}": v for k, v in entries.items()}
        place: dict[str, Any] = {name: int(getattr(self, name)) for name in PLACE}
        place["best"] = self.best if self.best < float("inf") else None
        tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        with atomic(folder / STATE_FILE) as temporary:
            save_file(tensors, temporary, {"facsim": json.dumps(place)})

    def load(
        self, folder: Path, optimisers: Callable[[int], Mapping[str, torch.optim.Optimizer]] | None = None
    ) -> None:
        """Read the state back; `optimisers` makes those of a phase, where there are several.

        Raises
        ------
        CheckpointError
            If the file cannot be read or belongs to another model.
        """
        from safetensors import SafetensorError, safe_open

        file = folder / STATE_FILE
        try:
            with safe_open(file, "pt") as opened:
                place = json.loads((opened.metadata() or {})["facsim"])
                tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 - not a mapping
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            msg = f"{file}: cannot resume ({error}). Fit anew, without --resume"
            raise CheckpointError(msg) from error
        restore(self.model, _below(tensors, "model/"), str(file))
        for key, value in _below(tensors, "average/").items():
            self.average[key].copy_(value)
        if optimisers is not None:
            self.optimisers = optimisers(int(place.get("phase", 0)))
        for player, optimiser in self.optimisers.items():
            entries: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(tensors, f"optimiser/{player}/").items():
                index, name = key.split("/")
                entries.setdefault(int(index), {})[name] = value
            optimiser.load_state_dict({**optimiser.state_dict(), "state": entries})
        for name in PLACE:
            setattr(self, name, int(place.get(name, 0)))
        self.best = float("inf") if place["best"] is None else float(place["best"])


def finished(folder: Path) -> bool:
    """Whether the training in a run folder is over; that of a composed model is as soon as there is one."""
    from safetensors import SafetensorError, safe_open

    state = folder / STATE_FILE
    if not state.is_file():
        return (folder / MODEL_FILE).is_file()
    try:
        with safe_open(state, "pt") as opened:
            return bool(json.loads((opened.metadata() or {})["facsim"]).get("done"))
    except (SafetensorError, OSError, KeyError, ValueError):
        return False  # whoever resumes it says what is wrong


class _Swapped:
    """Exchange weights and averages on entry, and back on exit."""

    def __init__(self, state: TrainingState) -> None:
        self.state = state

    def __enter__(self) -> Surrogate:
        self._swap()
        self.state.model.eval()
        return self.state.model

    def __exit__(self, *_: object) -> None:
        self._swap()
        self.state.model.train()

    @torch.no_grad()
    def _swap(self) -> None:
        for key, value in self.state.average.items():
            parameter: nn.Parameter = self.state.parameters[key]
            held = parameter.detach().clone()
            parameter.copy_(value)
            value.copy_(held)


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
