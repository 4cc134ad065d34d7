"""The two players of the second stage: parameters from noise, and a judge of events."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from facsim.events import Events
from facsim.models.gan.networks.siamese import tower
from facsim.observables.kinds import image_block

__all__ = ["Judge", "ParameterGenerator"]

SLOPE = 0.2
PLACES, WIDE, NARROW = 8, 64, 32


class ParameterGenerator(nn.Module):
    """Noise (n, latent) to points (n, p) of the unit cube, through one-dimensional convolutions.

    The published network is one-dimensional and convolutional (arXiv:1812.00879); its layers here are our own.

    Examples
    --------
    >>> ParameterGenerator(4)(torch.randn(5, 32)).shape
    torch.Size([5, 4])
    """

    def __init__(self, parameters: int, latent: int = 32) -> None:
        super().__init__()
        self.latent = latent
        self.layers = nn.Sequential(
            nn.Linear(latent, PLACES * WIDE),
            nn.LeakyReLU(SLOPE),
            nn.Unflatten(1, (WIDE, PLACES)),
            *(nn.Conv1d(WIDE, WIDE, 3, padding=1), nn.BatchNorm1d(WIDE), nn.LeakyReLU(SLOPE)),
            *(nn.Conv1d(WIDE, NARROW, 3, padding=1), nn.BatchNorm1d(NARROW), nn.LeakyReLU(SLOPE)),
            nn.Flatten(),
            nn.Linear(PLACES * NARROW, parameters),
            nn.Tanh(),
        )

    def forward(self, noise: Tensor) -> Tensor:
        """Points between 0 and 1."""
        unit: Tensor = (self.layers(noise) + 1) / 2
        return unit


class Judge(nn.Module):
    """Logit (n,) of events, and of what is given of each, being data; all its layers are spectrally normalised.

    Features enter in units of the data's spread, one unit for all pixels of an image.

    Parameters
    ----------
    data : Events
        Features, and as conditions what is given.
    channels : int, optional
        Of the first convolution, for images; other events go through dense layers.
    dropout : float, optional
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, data: Events, channels: int = 64, dropout: float = 0.3) -> None:
        super().__init__()
        name = image_block(data.schema)
        self.width, told = data.schema.width, data.schema.condition_width
        columns = np.column_stack([data.features, data.conditions]).astype(np.float64)
        spread = columns.std(0)
        if name is not None:
            spread[: self.width] = np.sqrt(np.mean(spread[: self.width] ** 2))
        self.register_buffer("centre", torch.from_numpy(columns.mean(0)).float())
        self.register_buffer("spread", torch.from_numpy(np.where(spread > 0, spread, 1)).float())
        if name is not None:
            rows, across = data.schema.block(name).shape
            self.eye: nn.Module = tower((rows, across), channels, 128, dropout)
            found = 128
        else:
            self.eye, found = nn.Identity(), self.width
        self.head = nn.Sequential(
            *(spectral_norm(nn.Linear(found + told, 128)), nn.LeakyReLU(SLOPE)),
            *(spectral_norm(nn.Linear(128, 128)), nn.LeakyReLU(SLOPE)),
            spectral_norm(nn.Linear(128, 1)),
            nn.Flatten(0),
        )

    def forward(self, features: Tensor, given: Tensor) -> Tensor:
        """Logits of features (n, d) and what is given (n, k)."""
        x = (torch.cat([features, given], 1) - self.centre) / self.spread
        seen = self.eye(x[:, : self.width])
        logit: Tensor = self.head(torch.cat([seen, x[:, self.width :]], 1))
        return logit
