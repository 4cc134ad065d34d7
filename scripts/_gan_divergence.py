"""What a critic of two Gaussians finds, against what it should find: part of `gan_study.py`.

P is a Gaussian of mean 0, Q one of mean d; both have the width 1 in `bounds`, and 0.5 in
`games`, so that they part soon.
"""

import math
from typing import Any

import numpy as np
import torch
from scipy import integrate, stats
from torch import Tensor

from facsim.models.gan.objectives import OBJECTIVES
from facsim.models.gan.objectives.divergence import bound
from facsim.nets.perceptron import Perceptron

__all__ = ["CLOSED_FORMS", "DISTANCES", "bounds", "games", "jensen_shannon"]

DISTANCES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
WIDTH = 0.5
BATCH, STEPS, TEST = 256, 1200, 200_000
LOG2 = math.log(2)


def jensen_shannon(apart: float, width: float) -> float:
    r"""Jensen-Shannon divergence :math:`\tfrac12 KL(P|M) + \tfrac12 KL(Q|M)` to the mean M, at most ln 2."""

    def integrand(x: float) -> float:
        p, q = (stats.norm.logpdf(x, mean, width) for mean in (0.0, apart))
        mean = np.logaddexp(p, q) - LOG2
        return float(0.5 * (np.exp(p) * (p - mean) + np.exp(q) * (q - mean)))

    low, high = min(0.0, apart) - 8 * width, max(0.0, apart) + 8 * width
    return float(integrate.quad(integrand, low, high, points=[0.0, apart], limit=200)[0])


CLOSED_FORMS = {
    "kl": 0.5,
    "reverse-kl": 0.5,
    "pearson": math.e - 1,
    "hellinger": 2 * (1 - math.exp(-1 / 8)),
    "jensen-shannon": 2 * jensen_shannon(1.0, 1.0),
    "total-variation": 2 * float(stats.norm.cdf(0.5)) - 1,
}
"""Of Gaussians of width 1 whose means are 1 apart, as `DIVERGENCES` defines them: KL d²/2, Pearson exp(d²) - 1, squared
Hellinger 2 (1 - exp(-d²/8)), total variation 2 Phi(d/2) - 1; Jensen-Shannon (twice) by quadrature."""


def games(apart: float) -> dict[str, Any]:
    """Value of the minimax game and of the Wasserstein game at a trained critic, on events it has not seen."""
    minimax, wasserstein = OBJECTIVES.parse("minimax"), OBJECTIVES.parse("wasserstein")
    ones = torch.ones(TEST)
    critic = _trained(lambda r, f: minimax.critic(r, f, ones[: len(r)]), apart, WIDTH)
    real, fake = _pair(TEST, apart, WIDTH, seed=1)
    with torch.no_grad():
        value = -minimax.critic(critic(real)[:, 0], critic(fake)[:, 0], ones)
    smooth = _trained(lambda r, f: wasserstein.critic(r, f, ones[: len(r)]), apart, WIDTH, lipschitz=True)
    with torch.no_grad():
        distance = abs(-wasserstein.critic(smooth(real)[:, 0], smooth(fake)[:, 0], ones).item())
    # What reaches the generator: slopes of its loss as all of its events move.
    fake.requires_grad_(True)
    slopes = {}
    for name, loss in (
        ("minimax", minimax.generator(fake, critic(fake)[:, 0], ones)),
        ("non-saturating", OBJECTIVES.parse("non-saturating").generator(fake, critic(fake)[:, 0], ones)),
        ("wasserstein", wasserstein.generator(fake, smooth(fake)[:, 0], ones)),
    ):
        slopes[name] = float(torch.autograd.grad(loss, fake)[0].sum())
    exact = 2 * jensen_shannon(apart, WIDTH) - 2 * LOG2
    return {"apart": apart, "value": value.item(), "exact": exact, "distance": distance, "slopes": slopes}


def bounds(name: str) -> dict[str, float]:
    """Bound of a divergence that a trained critic gives, on events it has not seen, and the divergence itself."""
    ones = torch.ones(TEST)
    critic = _trained(lambda r, f: -bound(name, r, f, ones[: len(r)]), 1.0, 1.0)
    real, fake = _pair(TEST, 1.0, 1.0, seed=1)
    with torch.no_grad():
        found = bound(name, critic(real)[:, 0], critic(fake)[:, 0], ones)
    return {"bound": found.item(), "exact": CLOSED_FORMS[name]}


def _pair(n: int, apart: float, width: float, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    real, fake = (width * torch.randn(n, 1, generator=generator) for _ in range(2))
    return real, fake + apart


def _trained(loss: Any, apart: float, width: float, *, lipschitz: bool = False) -> Perceptron:
    """A critic of 2 x 64 that has nearly reached its best."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    critic = Perceptron(1, 1, 64, 2, "silu" if not lipschitz else "leaky_relu")
    optimiser = torch.optim.Adam(critic.parameters(), lr=3e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS, 1e-5)
    for step in range(STEPS):
        real, fake = _pair(BATCH, apart, width, seed=1000 + step)
        total = loss(critic(real)[:, 0], critic(fake)[:, 0])
        if lipschitz:
            between = real + (fake - real) * torch.rand(BATCH, 1, generator=torch.Generator().manual_seed(step))
            slope = critic.input_gradient(between, torch.ones(1, 1)).norm(dim=1)
            total = total + 10 * (slope - 1).square().mean()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        decay.step()
    return critic
