"""Flags and categories, drawn with their probabilities: a classifier on the conditions, then Bernoulli."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from facsim.errors import DataError, SchemaMismatch, WeightError
from facsim.events import Events
from facsim.models.base import Batch, ModelConfig, Surrogate, register
from facsim.models.draw import Draw
from facsim.models.gan.layout import Layout
from facsim.models.gan.networks import GENERATORS
from facsim.sampler import as_conditions
from facsim.schema import Block, Schema
from facsim.transforms import PhysicalTransform, Transform

__all__ = ["Classifier", "ClassifierConfig"]

ROWS = 8192  # of a batch of `probabilities`


class ClassifierConfig(ModelConfig):
    """Hyper-parameters of `Classifier`.

    Examples
    --------
    >>> ClassifierConfig(net={"kind": "mlp", "hidden": 32}).net.hidden
    32
    """

    net: GENERATORS.field() = Field({"kind": "mlp"}, validate_default=True)  # type: ignore[valid-type]
    """Network of the logits: a generator of the family gan (`facsim.models.gan.networks`), without noise."""
    smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of every label that is spread over all classes. It moves all probabilities towards equal ones by the same
    share, and what is drawn with them, too: 0.05 adds 2.5 % to the rate of a rare flag. For published systems only."""


@register("classifier")
class Classifier(Surrogate):
    r"""Every column a class, drawn with the probability that a network gives it under the conditions.

    Trained by cross-entropy, whose minimum over all functions is the true probability, so what is drawn has the right
    rates wherever the network is flexible enough; `probabilities` says them, to compare with held-out shares. A class
    is drawn by comparing the cumulative probabilities with :math:`\Phi(z)`, z one column of noise. Columns are
    independent given the conditions: where they are not, make them stages of a chain.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> schema = Schema((Block("isMuon", (), "mask"),), (Block("P", (), "real", "GeV"),))
    >>> model = Classifier(schema, ClassifierConfig())
    >>> model.sample([[10.0], [20.0]], seed=1).features.shape, model.probabilities([[10.0], [20.0]]).shape
    ((2, 1), (2, 2))
    """

    summary = "flags and categories with their probabilities: cross-entropy, then a draw"
    capabilities = frozenset({"sample", "probabilities"})
    config_type = ClassifierConfig
    config: ClassifierConfig

    def __init__(self, schema: Schema, config: ClassifierConfig) -> None:
        super().__init__(schema, config)
        self.classes = [classes_of(block) for block in schema.features for _ in range(block.size)]
        context = self.transform.conditions
        layout = Layout(schema, sum(self.classes), context.width, context.categories)
        self.net: nn.Module = config.net.build(layout)
        self.quiet = config.net.latent(layout)

    def make_transform(self, schema: Schema) -> Transform:
        """Classes stay as they are."""
        return PhysicalTransform(schema, self.config.conditions)

    @property
    def latent(self) -> int:
        """Columns of noise per event: one per column."""
        return self.schema.width

    def prepare(self, events: Events) -> None:
        """Note scale and range of the conditions.

        Raises
        ------
        WeightError
            For negative weights: the loss of an event that gets its class wrong has no bound, so nor has its negative.
        DataError
            If a value is none of its block's classes.
        """
        if events.weights is not None and (events.weights < 0).any():
            msg = (
                f"cross-entropy has no lower bound where weights are negative, and these events have "
                f"{int((events.weights < 0).sum())} negative weights of {len(events)}. "
                "Set --set training.negative_weights=regress"
            )
            raise WeightError(msg)
        for block in self.schema.features:
            values, most = events[block.name], classes_of(block) - 1
            wrong = (values != np.round(values)) | (values < 0) | (values > most)
            if wrong.any():
                row = int(np.argwhere(wrong.reshape(len(events), -1))[0, 0])
                msg = (
                    f"block '{block.name}' of event {row} is {values[row]}, but its kind '{block.kind}' has the values "
                    f"0 to {most}: describe the block as what it is, or choose another family, such as cfm"
                )
                raise DataError(msg)
        super().prepare(events)

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One."""
        return {"classifier": list(self.net.parameters())}

    def turns(self, batch: Batch, step: int, draw: Draw) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:  # noqa: ARG002
        """One step of maximum likelihood."""
        labels, smoothing = batch.code.high.round().long(), self.config.smoothing
        total = batch.weights.new_zeros(len(labels))
        for column, logits in enumerate(self._logits(batch.conditions)):
            known = labels[:, column].clamp(0, logits.shape[1] - 1)
            total = total + cross_entropy(logits, known, reduction="none", label_smoothing=smoothing)
        loss = (batch.weights * total).mean() / len(self.classes)
        yield "classifier", loss, {"loss": loss}

    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Classes (n, d) for conditions (n, k) and noise (n, d)."""
        level = 0.5 * (1 + torch.erf(noise / math.sqrt(2)))
        drawn = [
            (level[:, c : c + 1] > logits.softmax(1).cumsum(1)[:, :-1]).to(noise.dtype).sum(1, keepdim=True)
            for c, logits in enumerate(self._logits(conditions))
        ]
        return torch.cat(drawn, 1)

    def probabilities(self, conditions: ArrayLike | Events | Mapping[str, ArrayLike]) -> NDArray[np.float32]:
        """Probability of every class (n, classes), column after column; those of a column add up to 1."""
        rows = torch.from_numpy(as_conditions(conditions, self.schema)).to(self.low.device)
        out = np.empty((len(rows), sum(self.classes)), np.float32)
        with self.at_rest(), torch.inference_mode():
            for start in range(0, len(rows), ROWS):
                each = [logits.softmax(1) for logits in self._logits(rows[start : start + ROWS])]
                out[start : start + ROWS] = torch.cat(each, 1).cpu().numpy()
        return out

    def _logits(self, conditions: Tensor) -> tuple[Tensor, ...]:
        """Logits (n, classes) of every column."""
        context = self.transform.context(0, conditions, conditions)
        return self.net(context.new_zeros(context.shape[0], self.quiet), context).split(self.classes, 1)  # type: ignore[no-any-return]


def classes_of(block: Block) -> int:
    """Number of classes of a block: 2 of a mask, one per name of a category.

    Raises
    ------
    SchemaMismatch
        If it has none.
    """
    if block.kind == "mask":
        return 2
    if block.kind == "category" and block.names:
        return len(block.names)
    what = "a category without names" if block.kind == "category" else f"of kind {block.kind}"
    msg = (
        f"{block} is {what}; family 'classifier' draws masks and categories with names. Describe the block "
        f"(--describe {block.name}=mask), or choose another family, such as cfm"
    )
    raise SchemaMismatch(msg)
