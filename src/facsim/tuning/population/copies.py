"""What takes the simulator's place in the search of a population: an emulator of what events are compared by."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facsim.errors import RangeWarning
from facsim.events import Events
from facsim.models import Surrogate
from facsim.schema import Schema
from facsim.simulators.parametric import ParametricSimulator
from facsim.tuning.energy import EnergyGenerator
from facsim.tuning.population.slices import Slices
from facsim.tuning.population.view import View

if TYPE_CHECKING:
    from facsim.tuning.population.source import SourceSettings

__all__ = ["Copy", "Trained", "Wrapped", "bare"]

Array = NDArray[np.float64]

FREE = 20_000  # events of an emulator, which cost no call, to make the view from


class Copy:
    """What takes the simulator's place: parameters in, columns of the view out."""

    view: View
    misfit: float = 0.0

    def __call__(self, unit: Tensor, given: Tensor, noise: torch.Generator) -> Tensor:
        """Columns (n, width) at points (n, p) of the unit cube, with what is given (n, k)."""
        raise NotImplementedError

    def learn(self, events: Events, seed: int) -> None:
        """Go on with more events of the simulator."""


class Trained(Copy):
    """An emulator of the view's columns alone, trained here."""

    def __init__(
        self,
        simulator: ParametricSimulator,
        schema: Schema,
        events: Events,
        settings: SourceSettings,
        seed: int,
        tick: Callable[[], None],
    ) -> None:
        self.space, self.schema, self.settings, self.tick = simulator.space, schema, settings, tick
        self.view = View(schema, len(self.space), settings.space, seed)
        self.view.fit(bare(events, schema), self._unit(events), steps=settings.summary_steps, seed=seed, tick=tick)
        k = schema.condition_width
        self.model = EnergyGenerator(len(self.space) + k, self.view.width - k, seed=seed)
        self.known: list[Events] = []
        self.learn(events, seed)

    def learn(self, events: Events, seed: int) -> None:
        """Train on these events and all before."""
        self.known.append(events)
        parts = [
            (np.column_stack([self._unit(e), self._given(e)]), self.view.array(bare(e, self.schema)))
            for e in self.known
        ]
        inputs, columns = (np.concatenate(p) for p in zip(*parts, strict=True))
        own = columns[:, : self.model.outputs]
        self.model.fit(inputs, own, steps=self.settings.emulator_steps, seed=seed, tick=self.tick)
        self.misfit = _misfit(self, parts[-1][0], parts[-1][1], len(self.space), seed)

    def __call__(self, unit: Tensor, given: Tensor, noise: torch.Generator) -> Tensor:
        """Columns of drawn events."""
        drawn = self.model(torch.cat([unit, given], 1), torch.randn(len(unit), self.model.latent, generator=noise))
        own = self.model.outputs
        return torch.cat([drawn, (given - self.view.middle[own:]) / self.view.scale[own:]], 1)

    def _unit(self, events: Events) -> Array:
        return self.space.to_unit(events.conditions[:, : len(self.space)])

    def _given(self, events: Events) -> NDArray[np.float32]:
        return events.conditions[:, len(self.space) :]


class Wrapped(Copy):
    """A surrogate of the user's, seen through the view."""

    def __init__(
        self,
        simulator: ParametricSimulator,
        schema: Schema,
        emulator: Surrogate,
        given: NDArray[np.float32],
        settings: SourceSettings,
        seed: int,
        tick: Callable[[], None],
    ) -> None:
        emulator.schema.require_same(simulator.schema, f"the emulator is not one of {simulator.name}")
        self.emulator, space = emulator.eval(), simulator.space
        low = space.from_unit(np.zeros((1, len(space)))) - 0.5 * space.whole
        self.low = torch.from_numpy(low).float()
        self.span = torch.from_numpy(space.high + 0.5 * space.whole - low).float()
        self.view = View(schema, len(space), settings.space, seed)
        points = space.draw(FREE, seed)
        rows = given[np.random.default_rng([seed, 0x61]).integers(len(given), size=FREE)]
        with warnings.catch_warnings():  # the border of the range, which no training sample reaches quite
            warnings.simplefilter("ignore", RangeWarning)
            events = emulator.sample(np.column_stack([points, rows]).astype(np.float32), seed=seed)
        self.view.fit(bare(events, schema), space.to_unit(points), steps=settings.summary_steps, seed=seed, tick=tick)

    def __call__(self, unit: Tensor, given: Tensor, noise: torch.Generator) -> Tensor:
        """Columns of the surrogate's events."""
        conditions = torch.cat([self.low + unit * self.span, given], 1)
        drawn = self.emulator(conditions, torch.randn(len(unit), self.emulator.latent, generator=noise))
        seen: Tensor = self.view(drawn, given)
        return seen


def _misfit(copy: Copy, inputs: Array, columns: Array, parameters: int, seed: int) -> float:
    """Distance of emulated to simulated columns at the same points, beyond what two samples have."""
    rows = slice(0, 4096)
    noise = torch.Generator().manual_seed(seed)
    both = torch.from_numpy(inputs[rows]).float()
    unit, given = both[:, :parameters], both[:, parameters:]
    slices = Slices(columns[rows], None, points=len(unit), directions=64, seed=seed)
    with torch.no_grad():
        distance = float(slices(copy(unit, given, noise)))
    return max(distance - slices.floor, 0.0)


def bare(events: Events, schema: Schema) -> Events:
    """Simulated events without their parameters: features, and what is given."""
    k = schema.condition_width
    return Events(events.features, events.conditions[:, events.conditions.shape[1] - k :], schema)
