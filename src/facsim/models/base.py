"""The surrogate: a sampler that a fit returns, and the only thing that training, export and the command line know."""

from __future__ import annotations

import importlib
import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn

import facsim
from facsim.errors import CapabilityError, CheckpointError, RecipeError, WeightError, nearest
from facsim.events import Events
from facsim.files import atomic
from facsim.models.draw import Draw
from facsim.schema import Schema
from facsim.sharding import ShardSampler
from facsim.transforms import Code, ConditionScale, Transform, TransformKind, for_schema

__all__ = ["Batch", "ModelConfig", "Surrogate", "families", "family", "load", "register"]

FORMAT = 1
MODEL_FILE = "model.safetensors"


class ModelConfig(BaseModel):
    """Hyper-parameters that every family shares; a family adds its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    knots: int = 10
    """Knots of the marginals' dependence on energy (showers only)."""
    transform: TransformKind = "marginals"
    """What the networks see: ``marginals``, ``scale``, ``standard``, ``log10``, ...; see
    `facsim.transforms.for_schema`."""
    unit: float | None = None
    """Constant by which ``scale`` divides features; by default the root mean square of what is not zero. Of
    ``log`` and ``log10`` the unit of the features, by default 1."""
    energy_unit: float | None = None
    """Constant by which ``scale`` divides energies among the conditions; by default the largest."""
    conditions: Literal["standard", "quantiles", "ramps"] | dict[str, ConditionScale] = "standard"
    """How the networks see conditions: ``standard``, ``quantiles``, ``ramps``, or a scale by name; see
    `facsim.transforms.context.ConditionContext`."""


@dataclass(frozen=True)
class Batch:
    """Encoded events, as a training step takes them.

    Attributes
    ----------
    code : Code
        Latent intervals (n, width).
    conditions : Tensor (n, k)
        Physical units.
    weights : Tensor (n,)
        Mean 1 over the training sample.
    """

    code: Code
    conditions: Tensor
    weights: Tensor


class Surrogate(nn.Module, ShardSampler):
    """A generative model with its preprocessing.

    ``forward(conditions, noise)`` is the whole sampler in physical units; it is what gets exported. A family gives the
    networks, `forward` and `turns`, registers itself with `register`, and inherits everything else.

    Parameters
    ----------
    schema : Schema
        What it generates, given what.
    config : ModelConfig
        Hyper-parameters.

    Attributes
    ----------
    capabilities : frozenset of str
        What the family can do besides sampling (``"log_prob"``, ``"encode"``, ...).
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    capabilities: ClassVar[frozenset[str]] = frozenset({"sample"})
    config_type: ClassVar[type[ModelConfig]] = ModelConfig

    low: Tensor
    high: Tensor

    def __init__(self, schema: Schema, config: ModelConfig) -> None:
        super().__init__()
        self._schema = schema
        self.config = config
        self.transform: Transform = self.make_transform(schema)
        self.provenance: dict[str, Any] = {}
        self.register_buffer("low", torch.full((schema.condition_width,), -torch.inf))
        self.register_buffer("high", torch.full((schema.condition_width,), torch.inf))

    # What a family must give -----------------------------------------------------------------------------------

    @abstractmethod
    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Features (n, d) for conditions (n, k) and standard normal noise (n, latent)."""

    @abstractmethod
    def players(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by player: each player has an optimiser of its own."""

    @abstractmethod
    def turns(self, batch: Batch, step: int, draw: Draw) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """Yield (player, loss, figures to log) one after the other; the loop steps that player's optimiser in between.

        A loss is the mean over the batch, so that the gradients of parts of a batch average to that of the whole. All
        randomness comes from `draw`.
        """

    def make_transform(self, schema: Schema) -> Transform:
        """What stands between events and networks; by default what the settings say."""
        config = self.config
        return for_schema(
            schema,
            config.knots,
            kind=config.transform,
            unit=config.unit,
            energy_unit=config.energy_unit,
            scales=config.conditions,
        )

    def begin_phase(self, phase: Any) -> None:
        """Take what a phase of the training changes in a model; by default nothing can be changed.

        Parameters
        ----------
        phase : Phase or None
            See `facsim.training.phases`; None for a training without phases.

        Raises
        ------
        RecipeError
            If it asks for what the family does not have.
        """
        if phase is not None and (phase.generated or any(p.dropout for p in phase.players.values())):
            msg = f"'{self.name}' takes neither 'generated' nor 'dropout' in training.phases: leave them out"
            raise RecipeError(msg)

    @property
    def loss_shares(self) -> dict[str, float]:
        """Factors that make a mean per event of a player's logged loss, where it is a sum of several such means."""
        return {}

    def errors(self, batch: Batch, step: int, draw: Draw) -> dict[str, float]:  # noqa: ARG002
        """Loss per event of every player, on events that it does not learn from; by default nobody has one."""
        return {}

    # What it inherits ------------------------------------------------------------------------------------------

    @property
    def schema(self) -> Schema:
        """What it generates, given what."""
        return self._schema

    @property
    def condition_range(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Lowest and highest conditions of the training sample."""
        return self.low.cpu().numpy(), self.high.cpu().numpy()

    def prepare(self, events: Events) -> None:
        """Fit the transform and note the range of the conditions."""
        if events.weights is not None and not events.weights.sum() > 0:
            total = events.weights.sum()
            msg = (
                f"the weights of {len(events)} events add up to {total:g}; a training needs a positive sum. Are they "
                "those of the signal? Take others with --weights, or make them again: facsim splot"
            )
            raise WeightError(msg)
        self.transform.fit(events.features, events.conditions, events.weights)
        if events.conditions.shape[1]:
            self.low.copy_(torch.from_numpy(events.conditions.min(0)))
            self.high.copy_(torch.from_numpy(events.conditions.max(0)))

    def generator(self) -> nn.Module:
        """The module to export: ``forward(conditions, noise) -> features``."""
        return self

    def require(self, capability: str) -> None:
        """Raise `CapabilityError` naming the families that can, if this one cannot."""
        if capability not in self.capabilities:
            able = [n for n in families() if capability in family(n).capabilities]
            msg = f"'{self.name}' cannot '{capability}'; families that can: {able or 'none yet'}"
            raise CapabilityError(msg)

    def sample(
        self,
        conditions: ArrayLike | Events | Mapping[str, ArrayLike],
        *,
        seed: int = 0,
        threads: int | None = None,
        strict: bool = False,
    ) -> Events:
        """Draw one event per row of `conditions`; see `facsim.sharding.ShardSampler.sample`."""
        with _one_thread(), self.at_rest():
            return super().sample(conditions, seed=seed, threads=threads, strict=strict)

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Sample as after the training also in the midst of it: layers that look at the whole batch do so no more."""
        before = self.training
        if before:
            self.eval()
        try:
            yield
        finally:
            if before:
                self.train()

    def _generate(self, conditions: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float32]:
        device = self.low.device
        with _one_thread(), torch.inference_mode():
            features = self(torch.from_numpy(conditions).to(device), torch.from_numpy(noise).to(device))
        return cast("NDArray[np.float32]", features.cpu().numpy())

    def save(self, path: Path | str) -> Path:
        """Write one file: weights as safetensors, everything else as JSON in its header. Returns its path.

        `path` may be a folder; the file is then called ``model.safetensors``.
        """
        from safetensors.torch import save_file

        path = Path(path)
        path = path if path.suffix == ".safetensors" else path / MODEL_FILE
        header = {
            "format": FORMAT,
            "family": self.name,
            "config": self.config.model_dump(),
            "schema": self.schema.to_json(),
            "provenance": self.provenance,
            "facsim_version": facsim.__version__,
        }
        tensors = {k: v.detach().cpu().contiguous().clone() for k, v in self.state_dict().items()}
        with atomic(path) as temporary:
            save_file(tensors, temporary, {"facsim": json.dumps(header)})
        return path


@contextmanager
def _one_thread() -> Iterator[None]:
    """Shards run side by side, each on one thread: faster than the other way round, and the same to the last bit."""
    before = torch.get_num_threads()
    if before != 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if before != 1:
            torch.set_num_threads(before)


S = TypeVar("S", bound=type[Surrogate])
_FAMILIES: dict[str, type[Surrogate]] = {}


def register(name: str) -> Callable[[S], S]:
    """Make a family known by name. Other packages do it through the entry-point group ``facsim.models``."""

    def add(cls: S) -> S:
        cls.name = name
        _FAMILIES[name] = cls
        return cls

    return add


def families() -> list[str]:
    """Names of all families, those of installed plug-ins included."""
    importlib.import_module("facsim.models")  # registers the built-in families
    for entry in entry_points(group="facsim.models"):
        entry.load()
    return sorted(_FAMILIES)


def family(name: str) -> type[Surrogate]:
    """The class of a family; an unknown name is a `RecipeError` with the nearest one."""
    known = families()
    if name not in known:
        msg = f"unknown model family '{name}'; there are {known}.{nearest(name, known)}"
        raise RecipeError(msg)
    return _FAMILIES[name]


def load(path: Path | str) -> Surrogate:
    """Read a surrogate from a run folder or a ``.safetensors`` file. Runs no code of the file.

    Raises
    ------
    CheckpointError
        If the file is missing, truncated, not ours, or does not fit its own description; names the tensor.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    file = path / MODEL_FILE if path.is_dir() else path
    if not file.is_file():
        msg = f"{path}: no {MODEL_FILE} here. Give the folder of a finished or interrupted fit"
        raise CheckpointError(msg)
    try:
        with safe_open(file, "pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        msg = f"{file}: not a readable safetensors file ({error}). It may be truncated; take a fresh copy"
        raise CheckpointError(msg) from error
    try:
        header = json.loads(metadata["facsim"])
        cls = family(header["family"])
        surrogate = cls(Schema.from_json(header["schema"]), cls.config_type(**header["config"]))
        surrogate.provenance = dict(header["provenance"])
    except (KeyError, ValueError, TypeError, ValidationError) as error:
        msg = f"{file}: its header is not that of a facsim model ({error}). Fit it again with this version"
        raise CheckpointError(msg) from error
    restore(surrogate, tensors, str(file))
    return surrogate.eval()


def restore(module: nn.Module, tensors: Mapping[str, Tensor], origin: str) -> None:
    """Load tensors into a module; what is missing, left over or of another shape is a `CheckpointError` naming it."""
    own = module.state_dict()
    for key in own.keys() ^ tensors.keys():
        msg = f"{origin}: tensor '{key}' is only in the {'model' if key in own else 'file'}. Fit it again"
        raise CheckpointError(msg)
    for key, value in tensors.items():
        if value.shape != own[key].shape:
            msg = f"{origin}: tensor '{key}' has shape {tuple(value.shape)}, the model asks for {tuple(own[key].shape)}"
            raise CheckpointError(msg)
    module.load_state_dict(dict(tensors))
