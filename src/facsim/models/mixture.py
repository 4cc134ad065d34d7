"""Mixture-density network: events with their likelihood."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn.functional import softplus

from facsim.errors import SchemaMismatch, WeightError
from facsim.events import Events
from facsim.models.base import Batch, ModelConfig, Surrogate, register
from facsim.models.draw import Draw
from facsim.nets.mixture import MixtureNet
from facsim.schema import Schema
from facsim.transforms import Code, TableTransform, Transform
from facsim.transforms.base import LOGISTIC_STD, fill

__all__ = ["Mixture", "MixtureConfig"]

MOST_COLUMNS = 64
NEVER = -29.0  # logarithm of the odds of the atom of a column that has none
ROWS = 1024
FIT_ROWS = 20_000
APART = 0.7
"""By how much the components start apart, in units of the columns' spread."""


class MixtureConfig(ModelConfig):
    """Hyper-parameters of `Mixture`."""

    components: int = Field(24, ge=1)
    hidden: int = Field(128, ge=1)
    blocks: int = Field(3, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    """In training; what it says of the model's uncertainty: `facsim.models.composite.thinned`."""


@register("mixture")
class Mixture(Surrogate):
    r"""Mixture of normal distributions whose parameters depend on the conditions; it says how likely an event is.

    Columns go through their quantiles first (`TableTransform`). What is exact there (values that recur, columns that
    are equal) is a flag per column, whose probability every component has for itself, and the network never has to draw
    a sharp edge. Trained by maximum likelihood; `log_prob` is the likelihood in physical units.

    Examples
    --------
    >>> from facsim import Block
    >>> schema = Schema((Block("DLLe"), Block("DLLk")), (Block("P", (), "real", "GeV"),))
    >>> model = Mixture(schema, MixtureConfig(components=3, hidden=16))
    >>> events = model.sample([[10.0], [20.0]], seed=1)
    >>> events.features.shape, model.log_prob(events).shape
    ((2, 2), (2,))
    """

    summary = "mixture-density network: few columns, with their likelihood"
    capabilities = frozenset({"sample", "log_prob"})
    config_type = MixtureConfig
    config: MixtureConfig
    transform: TableTransform

    def __init__(self, schema: Schema, config: MixtureConfig) -> None:
        super().__init__(schema, config)
        width = schema.width
        if width > MOST_COLUMNS:
            msg = (
                f"family 'mixture' describes up to {MOST_COLUMNS} columns, an event has {width}: a mixture of normal "
                "distributions does not find its way there. Use cfm, or wgan-gp"
            )
            raise SchemaMismatch(msg)
        sizes = (config.components, config.hidden, config.blocks)
        self.net = MixtureNet(self.transform.conditions.width, width, *sizes, flags=width, dropout=config.dropout)
        self.net.scatter(APART)

    def make_transform(self, schema: Schema) -> Transform:
        """Quantiles column by column, whatever the columns are."""
        return TableTransform(schema, self.config.conditions)

    @property
    def latent(self) -> int:
        """Columns of noise per event: one for the component, one per column and one per flag."""
        return 1 + 2 * self.schema.width

    def prepare(self, events: Events) -> None:
        """Fit the transform, and start from what is linear in the conditions.

        Raises
        ------
        WeightError
            For negative weights: the likelihood of an event that is to be unlikely has no bound.
        """
        if events.weights is not None and (events.weights < 0).any():
            msg = (
                f"a likelihood has no lower bound where weights are negative, and these events have "
                f"{int((events.weights < 0).sum())} negative weights of {len(events)}. "
                "Set --set training.negative_weights=regress"
            )
            raise WeightError(msg)
        super().prepare(events)
        some = events[:FIT_ROWS]
        given = torch.from_numpy(some.conditions)
        code = self.transform.encode(torch.from_numpy(some.features), given)
        rows, _, _ = self._rows(code, Draw(0, 0))
        self.net.fit(self.transform.context(0, given, given), rows)

    def players(self) -> dict[str, list[torch.nn.Parameter]]:
        """One."""
        return {"mixture": list(self.net.parameters())}

    def turns(self, batch: Batch, step: int, draw: Draw) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:  # noqa: ARG002
        """One step of maximum likelihood."""
        rows, flags, spent = self._rows(batch.code, draw)
        found = self.net.paired(self.transform.context(0, batch.conditions, batch.conditions), rows, flags)
        loss = -(batch.weights * (found - spent)).mean() / self.schema.width
        yield "mixture", loss, {"loss": loss}

    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """The whole sampler."""
        d = self.schema.width
        level = 0.5 * (1 + torch.erf(noise / math.sqrt(2)))
        context = self.transform.context(0, conditions, conditions)
        rows, flags = self.net.draw(context, level[:, :1], noise[:, 1 : d + 1], level[:, d + 1 :])
        edge = self._edge
        # from the score within the lit part to the latent number: Marginals.encode, in operations that ONNX has
        v = rows * LOGISTIC_STD + softplus(edge)
        z = torch.maximum(v, edge) + torch.log(1 + torch.exp(-(v - edge).abs()))
        z = torch.where(flags > 0, torch.maximum(z, edge + 1e-4), edge - 1)
        z = torch.where(edge > NEVER, z, rows * LOGISTIC_STD)
        return self.transform.decode(z / LOGISTIC_STD, conditions)

    def log_prob(self, events: Events, *, draws: int = 16, seed: int = 0) -> NDArray[np.float64]:
        r"""Logarithm (n,) of the likelihood of events under their conditions.

        A density in the units of real columns away from their atoms, a probability in atoms and whole numbers. Where
        events have such columns it is the mean over `draws` random numbers within each event's intervals, unbiased for
        the likelihood itself.

        Parameters
        ----------
        events : Events
            Of the schema of the model.
        draws : int, optional
        seed : int, optional

        Raises
        ------
        SchemaMismatch
            If the events are of another schema.
        """
        self.schema.require_same(events.schema, "model against events")
        out = np.empty(len(events))
        with self.at_rest():
            for start in range(0, len(events), ROWS):
                out[start : start + ROWS] = self._log_prob(events[start : start + ROWS], draws, Draw(seed, start))
        return out

    def _log_prob(self, events: Events, draws: int, draw: Draw) -> NDArray[np.float64]:
        device = self.low.device
        given, features = (torch.from_numpy(x).to(device) for x in (events.conditions, events.features))
        values = self.transform.apart(features).requires_grad_(True)
        code = self.transform.encode_apart(values)
        exact = code.low == code.high
        # Columns do not depend on each other here, so that the gradient of their sum is the diagonal.
        (slopes,) = torch.autograd.grad(self._rows(code, draw)[0].sum(), values)
        code = Code(code.low.detach(), code.high.detach())
        with torch.no_grad():
            volume = torch.where(exact, slopes.clamp(min=1e-30).log(), 0.0).sum(1)
            context = self.transform.context(0, given, given)
            each = []
            for _ in range(1 if bool(exact.all()) else draws):
                rows, flags, spent = self._rows(code, draw)
                each.append(self.net.paired(context, rows, flags) - spent)
            found = torch.logsumexp(torch.stack(each), 0) - math.log(len(each)) + volume
        return found.double().cpu().numpy()

    @property
    def _edge(self) -> Tensor:
        """Latent number (1, d) below which a column is at its atom, in logistic units."""
        return self.transform.marginals.empty

    def _rows(self, code: Code, draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
        """Scores (n, d) within the lit part, flags (n, d), and what the drawing of numbers and units cost, (n,).

        Where a column is at its atom there is no score: it is drawn from the law that it has elsewhere, so that the
        density of what was drawn drops out of the likelihood.
        """
        edge = self._edge
        n, d = code.high.shape
        absent = code.low == -torch.inf
        has = edge > NEVER
        uniform = draw.uniform(n, d)
        z = fill(Code(torch.where(absent, code.high, code.low), code.high), uniform) * LOGISTIC_STD
        x = (z - edge).clamp(min=1e-6)
        inner = x + torch.log(-torch.expm1(-x)) + edge - softplus(edge)
        v = torch.where(has, inner, z)
        drawn = torch.logit(uniform.clamp(1e-6, 1 - 1e-6))
        v = torch.where(absent, drawn, v)
        # log of the proposal's density of v / STD: of drawn scores, and within the intervals of whole numbers
        logistic = -v - 2 * softplus(-v) + math.log(LOGISTIC_STD)
        span = torch.sigmoid(code.high * LOGISTIC_STD) - torch.sigmoid(code.low * LOGISTIC_STD)
        within = logistic - span.clamp(min=1e-30).log()
        spread = code.low < code.high
        spent = torch.where(absent, logistic, torch.where(spread, within, 0.0))
        flags = torch.where(has, (~absent).to(z.dtype), torch.ones_like(z))
        return v / LOGISTIC_STD, flags, spent.sum(1)
