"""A reader: a network of its own that reads quantities off images, and the generator must be legible to it."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from facsim.errors import SchemaMismatch
from facsim.models.gan.auxiliaries.base import AUXILIARIES, Auxiliary, Players
from facsim.models.gan.game import Game
from facsim.models.gan.given import given
from facsim.models.gan.layout import Layout
from facsim.models.gan.objectives.base import weighted_mean

__all__ = ["ImageReader", "maximum"]


def maximum(images: Tensor) -> Tensor:
    """Place (n, 2) of the brightest pixel of images (n, rows, columns), from -1 to 1 along either axis.

    Examples
    --------
    >>> image = torch.zeros(1, 3, 5)
    >>> image[0, 2, 0] = 1
    >>> maximum(image).tolist()
    [[1.0, -1.0]]
    """
    rows, columns = images.shape[1:]
    place = images.flatten(1).argmax(1)
    row, column = place // columns, place % columns
    return torch.stack([2 * row / max(rows - 1, 1) - 1, 2 * column / max(columns - 1, 1) - 1], 1)


@AUXILIARIES.register("image-reader")
class ImageReader(Auxiliary):
    """A convolutional regressor learns from real images alone; the generator pays where its images read wrongly.

    What is read are the conditions, scaled (the regressor of the 30 x 30 calorimeter, whose inner layer is also an
    embedding for metrics), or the place of the maximum of the real image under the same conditions (zero-degree
    calorimeter). Mean squares, bounded for negative weights only as long as the reader reads well.
    """

    summary: ClassVar[str] = "a regressor of its own reads conditions, or the maximum, off images"
    reference: ClassVar[str] = "arXiv:1812.01319; arXiv:2207.06329; arXiv:2306.13606 (maximum)"
    signed: ClassVar[bool] = False
    needs_critic: ClassVar[bool] = False
    reads_real: ClassVar[bool] = True
    kind: str = "image-reader"

    what: Literal["conditions", "maximum"] = "conditions"
    channels: int = Field(16, ge=1)
    """Of the first convolution; 64 at the end of the published one."""

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` for anything but one image, or without conditions."""
        block = layout.image(self.kind, instead="auxiliary 'regressor', for columns of any sort")
        if min(block.shape) < 16:
            msg = (
                f"'{self.kind}' halves images three times; '{block.name}' has {block.shape}. Use auxiliary 'regressor'"
            )
            raise SchemaMismatch(msg)
        if self.what == "conditions" and not layout.schema.conditions:
            msg = f"'{self.kind}' reads conditions, and the events have none: set what: maximum, or leave it out"
            raise SchemaMismatch(msg)

    def build(self, layout: Layout, features: int, players: Players | None = None) -> nn.Module:  # noqa: ARG002
        """Convolutions 2 x 2 down to an eighth, one more, and dense 256-256-128-64."""
        shape, c = layout.schema.features[0].shape, self.channels
        outputs = layout.context if self.what == "conditions" else 2
        inner = tuple(side // 8 - 1 for side in shape)
        layers: list[nn.Module] = [nn.Unflatten(1, (1, *shape))]
        for a, b, stride in ((1, c, 2), (c, 2 * c, 2), (2 * c, 4 * c, 2), (4 * c, 4 * c, 1)):
            layers += [nn.Conv2d(a, b, 2, stride), nn.LeakyReLU()]
        layers.append(nn.Flatten())
        for a, b in pairwise((4 * c * inner[0] * inner[1], 256, 256, 128, 64)):
            layers += [nn.Linear(a, b), nn.LeakyReLU()]
        return nn.Sequential(*layers, nn.Linear(64, outputs))

    def critic(self, game: Game, module: nn.Module | None) -> Tensor | None:
        """The reader's error on real images."""
        if game.real is None:
            return None
        found = given(module)(self._image(game, game.real).detach())
        return self.weight * self._error(game, found, game.real, "reader")

    def generator(self, game: Game, module: nn.Module | None) -> Tensor | None:
        """Its error on generated images, of which it learns nothing: gradients go to the generator."""
        real = game.real
        if self.what == "maximum" and real is None:
            return None
        return self.weight * self._error(game, given(module)(self._image(game, given(game.fake))), real, "legible")

    @staticmethod
    def _image(game: Game, x: Tensor) -> Tensor:
        return x[:, : game.layout.width]

    def _error(self, game: Game, found: Tensor, real: Tensor | None, name: str) -> Tensor:
        wanted = game.context
        if self.what == "maximum":
            shape = game.layout.schema.features[0].shape
            wanted = maximum(self._image(game, given(real)).reshape(-1, *shape))
        error = weighted_mean((found - wanted).square().mean(1), game.weights)
        game.figures[name] = error.detach()
        return error
