"""Everything that a training needs to go on: one safetensors file, never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from facsim.errors import CheckpointError
from facsim.files import atomic
from facsim.models import Surrogate
from facsim.models.base import restore

__all__ = ["STATE_FILE", "TrainingState"]

STATE_FILE = "state.safetensors"


class TrainingState:
    """Model, its moving average, optimisers, and where the training stands.

    Parameters
    ----------
    model : Surrogate
        Being trained.
    optimisers : mapping of torch.optim.Optimizer
        One per player.
    """

    def __init__(self, model: Surrogate, optimisers: Mapping[str, torch.optim.Optimizer]) -> None:
        self.model, self.optimisers = model, optimisers
        self.parameters = dict(model.named_parameters())
        self.average = {k: v.detach().clone() for k, v in self.parameters.items()}
        self.step = 0
        self.best = float("inf")

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
        place: dict[str, Any] = {"step": self.step, "best": self.best if self.best < float("inf") else None}
        tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        with atomic(folder / STATE_FILE) as temporary:
            save_file(tensors, temporary, {"facsim": json.dumps(place)})

    def load(self, folder: Path) -> None:
        """Read the state back.

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
        for player, optimiser in self.optimisers.items():
            entries: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(tensors, f"optimiser/{player}/").items():
                index, name = key.split("/")
                entries.setdefault(int(index), {})[name] = value
            optimiser.load_state_dict({**optimiser.state_dict(), "state": entries})
        self.step = int(place["step"])
        self.best = float("inf") if place["best"] is None else float(place["best"])


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
