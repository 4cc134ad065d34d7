"""A critic: a body that looks at events, and a head that says how real they are."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from facsim.models.gan.layout import Layout

__all__ = ["Critic"]


class Critic(nn.Module):
    """Score of events under their conditions.

    Parameters
    ----------
    body : Module, optional
        ``body(x (n, width), context (n, c)) -> (n, body.features)``; None for games without a critic, where the events
        are their own scores. A body with ``scores_itself`` gives scores (n, 1) and gets no head. The head of one with
        spectral normalisation has it, too.
    layout : Layout
    outputs : int
        Numbers per score; 1 gives scores (n,), more give (n, outputs).
    projection : bool
        Add the conditions' projection on the features to the head (Miyato and Koyama, arXiv:1802.05637, eq. 5).
    pack : int
        Events that are judged together (PacGAN, Lin et al., arXiv:1712.04086): n events give n / pack scores.
    """

    def __init__(
        self, body: nn.Module | None, layout: Layout, outputs: int = 1, *, projection: bool = False, pack: int = 1
    ) -> None:
        super().__init__()
        self.body, self.outputs, self.pack = body, outputs, pack
        self.conditional = bool(layout.schema.conditions)
        features = 0 if body is None else int(body.features)  # type: ignore[arg-type]
        with_head = body is not None and not getattr(body, "scores_itself", False)
        self.head = nn.Linear(features, outputs) if with_head else None
        projected = with_head and projection and self.conditional  # without conditions there is nothing to project
        self.projection = nn.Linear(layout.context * pack, features, bias=False) if projected else None
        if self.head is not None:  # as the published systems start (Glorot and Bengio, AISTATS 2010)
            nn.init.xavier_uniform_(self.head.weight)
            nn.init.zeros_(self.head.bias)
            if hasattr(body, "start_head"):
                body.start_head(self.head)  # type: ignore[union-attr, operator]
        if body is not None and any(is_parametrized(layer) for layer in body.modules()):
            # A bound on the slope of all layers but the last is none (Miyato et al., arXiv:1802.05957, section 2.1).
            for layer in (self.head, self.projection):
                if layer is not None:
                    spectral_norm(layer)
        if self.head is not None and outputs == 1 and pack == 1 and hasattr(body, "input_gradient"):
            self.input_gradient = self._input_gradient

    def packed(self, x: Tensor) -> Tensor:
        """Rows (n, k) side by side: (n / pack, pack k)."""
        return x if self.pack == 1 else x.reshape(len(x) // self.pack, self.pack * x.shape[1])

    def features(self, x: Tensor, context: Tensor) -> Tensor:
        """What the body makes of (packed) events."""
        if self.body is None:
            return torch.cat([x, context], 1) if self.conditional else x
        found: Tensor = self.body(x, context)
        return found

    def score(self, features: Tensor, context: Tensor) -> Tensor:
        """Scores of what the body found: (n,) or (n, outputs)."""
        if self.body is None:
            return features
        heads: Tensor = features if self.head is None else self.head(features)
        if self.projection is not None:
            heads = heads + (self.projection(context) * features).sum(1, keepdim=True)
        return heads[:, 0] if self.outputs == 1 else heads

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Scores of (packed) events."""
        return self.score(self.features(x, context), context)

    def _input_gradient(self, x: Tensor, context: Tensor) -> Tensor:
        """Gradient (n, width) of the scores with respect to `x`, written out."""
        head = cast("nn.Linear", self.head)
        weight = head.weight if self.projection is None else head.weight + self.projection(context)
        gradient: Tensor = self.body.input_gradient(x, context, weight)  # type: ignore[union-attr, operator]
        return gradient
