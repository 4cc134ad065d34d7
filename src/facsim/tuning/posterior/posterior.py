"""A learned posterior: what events tell of the parameters behind them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from facsim.errors import CheckpointError, DataError, TrainingError
from facsim.events import Events
from facsim.files import atomic
from facsim.models.base import restore
from facsim.schema import Block, Schema
from facsim.simulators.parametric import Parameter, Space
from facsim.tuning.posterior.coordinates import Region
from facsim.tuning.posterior.network import PosteriorNet
from facsim.tuning.posterior.pairs import rows_of
from facsim.tuning.posterior.settings import PosteriorSettings

__all__ = ["POSTERIOR_FILE", "Posterior"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]
POSTERIOR_FILE = "posterior.safetensors"
ROWS = 20_000  # at a time through the network
PASSES = 200  # of drawing anew what was not valid
LOG_PROB_STEPS = 16


@dataclass
class Posterior:
    """A mixture of networks, one per seed, that gives the posterior for any events at once.

    Made by `fit_posterior`. Draws outside the valid region are drawn again, and counted: `leakage`.

    Parameters
    ----------
    region : Region
        Where the prior is uniform.
    blocks : tuple of Block
        What an event holds: features, then what is given of it.
    nets : list of PosteriorNet
    settings : PosteriorSettings
    events : int
        Largest number of events of one point in training.
    history : list
        Validation losses of each member.
    """

    region: Region
    blocks: tuple[Block, ...]
    nets: list[PosteriorNet]
    settings: PosteriorSettings
    events: int = 1
    history: list[list[dict[str, float]]] = field(default_factory=list)

    def sample(self, x: ArrayLike | Events, n: int = 1000, seed: int = 0, weights: ArrayLike | None = None) -> Array:
        """Draw parameter points (n, p) given all events x (k, d) of one point, with signed weights (k,) if any.

        Raises
        ------
        DataError
            If the events do not have the columns of the training, or are not finite.
        TrainingError
            If next to nothing of the draws is valid.
        """
        rows, w = self._set(x, weights)
        points: Array = self._draw(self._contexts(rows[None], w[None]), n, seed)[0][0]
        return points

    def sample_each(self, x: ArrayLike, n: int = 1000, seed: int = 0) -> Array:
        """Posterior samples (m, n, p) of many sets x (m, k, d), for calibration; (m, d) are single events."""
        sets = np.asarray(x, np.float32)
        sets = sets[:, None] if sets.ndim == 2 else sets
        rows_of(sets.reshape(-1, sets.shape[-1]), self.blocks)
        return self._draw(self._contexts(sets, np.ones(sets.shape[:2], np.float32)), n, seed)[0]

    def leakage(self, x: ArrayLike | Events, n: int = 2000, seed: int = 0, weights: ArrayLike | None = None) -> float:
        """Share of draws that had to be rejected as not valid; a few per cent are normal at a region's edge."""
        rows, w = self._set(x, weights)
        return self._draw(self._contexts(rows[None], w[None]), n, seed)[1]

    def log_prob(
        self, theta: ArrayLike, x: ArrayLike | Events, weights: ArrayLike | None = None, *, normalise: bool = True
    ) -> Array:
        """Logarithm (n,) of the posterior density at points (n, p), per unit of the parameters.

        Minus infinity outside of the valid region; the density inside is that of a distribution without leakage
        (unless `normalise` is off). For whole parameters it is a probability, if the density does not bend within a
        share.
        """
        points = np.atleast_2d(np.asarray(theta, np.float64))
        rows, w = self._set(x, weights)
        z = self.region.encode(points)
        values = [
            self._member_log_prob(net, context, z)
            for net, context in zip(self.nets, self._contexts(rows[None], w[None]), strict=True)
        ]
        mixed = np.logaddexp.reduce(values, axis=0) - np.log(len(values)) + self.region.log_volume(z)
        if normalise:
            mixed -= np.log1p(-self.leakage(x, weights=weights))
        return np.where(self.region.contains(points), mixed, -np.inf)

    def disagreement(self, x: ArrayLike | Events, n: int = 1000, seed: int = 0) -> dict[str, float]:
        """How far the members' posteriors are apart: largest difference of means over the width, and ratio of widths.

        Zero and 1 for a single member. Differences above 0.3 mean that more simulations or steps are needed.
        """
        rows, w = self._set(x, None)
        contexts = self._contexts(rows[None], w[None])
        parts = [
            Posterior(self.region, self.blocks, [net], self.settings)._draw([context], n, seed)[0][0]
            for net, context in zip(self.nets, contexts, strict=True)
        ]
        means, widths = np.array([p.mean(axis=0) for p in parts]), np.array([p.std(axis=0) for p in parts])
        widths = np.maximum(widths, 1e-12 * self.region.edges()[1])
        return {
            "shift": float((np.ptp(means, axis=0) / widths.mean(axis=0)).max()),
            "ratio": float((widths.max(axis=0) / widths.min(axis=0)).max()),
        }

    def summaries(self, x: ArrayLike) -> Array:
        """Learned summaries (m, s) of sets x (m, k, d), or of single events (m, d), by the first member."""
        sets = np.asarray(x, np.float32)
        sets = sets[:, None] if sets.ndim == 2 else sets
        p = len(self.region.space)
        context = self._contexts(sets, np.ones(sets.shape[:2], np.float32))[0]
        return context[:, p + p * p :].numpy().astype(np.float64)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``posterior.safetensors``: weights, and everything else as JSON in its header."""
        from safetensors.torch import save_file

        header = {
            "parameters": self.region.space.to_dict(),
            "ranges": self.region.ranges,
            "schema": Schema(self.blocks).to_json(),
            "settings": self.settings.model_dump(),
            "events": self.events,
            "history": self.history,
        }
        file = Path(folder) / POSTERIOR_FILE
        tensors = {
            f"{i}/{k}": v.detach().contiguous().clone()
            for i, net in enumerate(self.nets)
            for k, v in net.state_dict().items()
        }
        with atomic(file) as temporary:
            save_file(tensors, temporary, {"facsim": json.dumps(header)})
        return file

    @classmethod
    def load(cls, folder: str | os.PathLike[str], space: Space | None = None) -> Posterior:
        """Read what `save` wrote; give the simulator's space where it has a rule of validity, which is code.

        A region that a later round was restricted to is not kept: such a posterior is for its own data alone.

        Raises
        ------
        CheckpointError
            If the file is missing, damaged, or of other parameters.
        """
        from safetensors import SafetensorError, safe_open

        file = Path(folder) / POSTERIOR_FILE
        try:
            with safe_open(file, "pt") as opened:
                header: dict[str, Any] = json.loads((opened.metadata() or {})["facsim"])
                tensors: dict[str, Tensor] = {k: opened.get_tensor(k) for k in opened.keys()}  # noqa: SIM118
            known = Space(tuple(Parameter(**p) for p in header["parameters"]))
            settings = PosteriorSettings(**header["settings"])
            blocks = Schema.from_json(header["schema"]).features
            ranges = {k: (float(a), float(b)) for k, (a, b) in header["ranges"].items()}
        except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            msg = f"{file}: not a posterior ({error}). Give the folder that Posterior.save wrote"
            raise CheckpointError(msg) from error
        if space is not None and space.to_dict() != known.to_dict():
            msg = f"{file}: of the parameters {known}, the space given has {space}"
            raise CheckpointError(msg)
        nets = []
        for i in range(settings.members):
            net = PosteriorNet(blocks, len(known), settings)
            own = {k.removeprefix(f"{i}/"): v for k, v in tensors.items() if k.startswith(f"{i}/")}
            restore(net, own, str(file))
            nets.append(net.eval())
        return cls(Region(space or known, ranges), blocks, nets, settings, header["events"], header["history"])

    def _set(self, x: ArrayLike | Events, weights: ArrayLike | None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Checked events (k, d) and weights (k,)."""
        if isinstance(x, Events) and weights is None:
            weights = x.weights
        rows = rows_of(x, self.blocks)
        w = np.ones(len(rows), np.float32) if weights is None else np.asarray(weights, np.float32)
        if w.shape != (len(rows),) or not w.sum() > 0:
            msg = f"weights of shape {w.shape} with the sum {w.sum():g}: need ({len(rows)},) and a positive sum"
            raise DataError(msg)
        if len(rows) > self.events:
            log.warning(
                "%d events of one point, at most %d in training: the posterior extrapolates", len(rows), self.events
            )
        return rows, w

    @torch.no_grad()
    def _contexts(self, x: NDArray[np.float32], weights: NDArray[np.float32]) -> list[Tensor]:
        """What every member knows of sets (m, k, d)."""
        step = max(1, ROWS // x.shape[1])
        return [
            torch.cat(
                [
                    net.context(torch.from_numpy(x[i : i + step]), torch.from_numpy(weights[i : i + step]))
                    for i in range(0, len(x), step)
                ]
            )
            for net in self.nets
        ]

    @torch.no_grad()
    def _draw(self, contexts: Sequence[Tensor], n: int, seed: int) -> tuple[Array, float]:
        """Valid points (m, n, p) for contexts (m, s) of each member, and the share that was rejected."""
        m, p = len(contexts[0]), len(self.region.space)
        out = np.empty((m * n, p))
        member = np.arange(m * n) % len(self.nets)
        generator = torch.Generator().manual_seed(seed)
        left, drawn = np.arange(m * n), 0
        for _ in range(PASSES):
            drawn += len(left)
            for first in range(0, len(left), ROWS):
                rows = left[first : first + ROWS]
                noise = torch.randn(len(rows), p, generator=generator)
                for i, (net, context) in enumerate(zip(self.nets, contexts, strict=True)):
                    own = member[rows] == i
                    given = context[torch.from_numpy(rows[own] // n)]
                    z = net(given, noise[torch.from_numpy(own)], self.settings.solver_steps)
                    out[rows[own]] = self.region.decode(z.numpy())
            left = left[~self.region.contains(out[left])]
            if not len(left):
                break
        else:
            msg = (
                f"{len(left)} of {m * n} draws of the posterior are not valid ({self.region.space.rule}) after "
                f"{PASSES} tries: the data may lie outside of what the simulator gives, or train longer"
            )
            raise TrainingError(msg)
        return out.reshape(m, n, p), 1 - m * n / drawn

    def _member_log_prob(self, net: PosteriorNet, context: Tensor, z: Array) -> Array:
        parts = [
            net.log_prob(part, context.expand(len(part), -1), LOG_PROB_STEPS).detach()
            for part in torch.split(torch.from_numpy(z.astype(np.float32)), ROWS)
        ]
        return np.asarray(torch.cat(parts).double().numpy(), np.float64)
