"""GANs measured on problems with known answers: the tables and figures of docs/gans.md.

    python scripts/gan_study.py ring        every objective on the ring of 8 Gaussians
    python scripts/gan_study.py unrolled    mode collapse, and what looking ahead by 5 or 10 steps does
    python scripts/gan_study.py grid        25 Gaussians; events judged in pairs
    python scripts/gan_study.py divergence  value of the game against the Jensen-Shannon divergence
    python scripts/gan_study.py transport   x = ln z, learnt
    python scripts/gan_study.py sweights    signal learnt from signal and background
    python scripts/gan_study.py pictures    light curves and digits
    python scripts/gan_study.py figures     draw what was measured
    python scripts/gan_study.py tables      print it

Numbers go to bench/out/gan-study/*.json, each entry as soon as it is known (what is there is not made again without
`--again`), figures to docs/images/gans/. Times are seconds of the processor in one thread, training alone.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import _gan_divergence
import _gan_figures
import _gan_tables
import numpy as np
from _gan_runs import Results, drawn, fit, in_plane

from facsim.events import Events
from facsim.metrics import energy_distance
from facsim.models import Surrogate
from facsim.simulators.toys import Digits, GaussianGrid, LightCurves, LogTransport, Ring, SWeightsMixture

BUDGET = 120.0
"""Seconds that a training on the ring may take."""
PLANE = {
    "model.generator.noise": 2,
    "training.steps": 6000,
    "training.batch": 128,
    "training.learning_rate": 0.001,
}
"""For toys in the plane: noise of their own dimension, so that no network has to forget 14 numbers of 16."""
GRADIENT = [{"kind": "gradient", "weight": 1.0}]
FINE = {"kind": "mmd", "bandwidths": [0.02, 0.05, 0.1, 0.2, 0.5, 1.0]}
LIPSCHITZ = [{"kind": "adversarial-lipschitz", "weight": 10.0}]
SLOW_CRITIC = {
    "training.learning_rate": 0.004,
    "training.rates": {"critic": 0.25},
    "model.penalties": [{"kind": "gradient", "weight": 0.1}],
}
"""Distances of pairs have noisy gradients for the generator; the critic's space should move little meanwhile."""
ONE_STEP = {"model.objective": {"kind": "cramer", "outputs": 64}, "model.schedule.critic_steps": 1}
LONG = {"training.steps": 15_000, "training.learning_rate": 0.003}
WASSERSTEIN = {"model.objective": "wasserstein", "model.penalties": GRADIENT}

RING: dict[str, tuple[str, dict[str, Any]]] = {
    "non-saturating, R1": ("gan", PLANE),
    "minimax, R1": ("gan", PLANE | {"model.objective": "minimax"}),
    "non-saturating, DRAGAN": ("gan", PLANE | {"model.penalties": [{"kind": "dragan", "weight": 1.0}]}),
    "least squares, R1": ("lsgan", PLANE),
    "hinge, R1": ("gan", PLANE | {"model.objective": "hinge"}),
    "Wasserstein, gradient penalty": ("gan", PLANE | WASSERSTEIN),
    "Wasserstein, adversarial Lipschitz": ("gan", PLANE | WASSERSTEIN | {"model.penalties": LIPSCHITZ}),
    "Wasserstein, clipping": ("wgan", {"model.generator.noise": 2, "training.steps": 40_000}),
    "Cramér": ("cramer-gan", PLANE | SLOW_CRITIC | ONE_STEP | {"training.steps": 13_000}),
    "energy, critic": (
        "gan",
        PLANE | SLOW_CRITIC | {"model.objective": "energy", "training.batch": 256, "training.steps": 7000},
    ),
    "energy, no critic": ("gmmn", PLANE | LONG | {"model.objective": "energy", "training.batch": 256}),
    "MMD, no critic": ("gmmn", PLANE | LONG | {"model.objective": FINE}),
    "relativistic, R1 + R2": ("r3gan", PLANE),
    "boundary equilibrium": ("began", PLANE | {"model.critic.code": 1}),
    "improved": ("improved-gan", PLANE | {"model.critic.minibatch": {"features": 10, "kernels": 5}}),
    "unrolled": ("unrolled-gan", PLANE | {"training.steps": 10_000, "model.schedule.unroll": 3}),
    **{f"f-GAN {f}": (f"f-gan-{f}", PLANE) for f in ("kl", "reverse-kl", "pearson", "hellinger", "js", "tv")},
}
PACKED = {"model.penalties": [], "model.schedule.pack": 2}
GRID: dict[str, tuple[str, dict[str, Any]]] = {
    "gan": ("gan", PLANE),
    "gan without penalty": ("gan", PLANE | {"model.penalties": []}),
    "gan without penalty, packed by 2": ("gan", PLANE | PACKED),
    "gan, packed by 2": ("gan", PLANE | {"model.schedule.pack": 2}),
    "Wasserstein, gradient penalty": ("gan", PLANE | WASSERSTEIN),
}
UNROLLED = {"training.steps": 4000, "training.batch": 256, "training.final_rate": 1.0, "training.ema": 0.0}
SIGNAL = {"training.steps": 3000, "training.learning_rate": 0.001}
ONE_SIDED = {
    "model.objective": "wasserstein",
    "model.penalties": [{"kind": "gradient", "weight": 1.0, "sides": 1}],
    "model.schedule.critic_steps": 5,
    "training.batch": 512,
    "training.steps": 5000,
}
SWEIGHTED: dict[str, tuple[str, dict[str, Any]]] = {
    "cramer-gan": ("cramer-gan", SIGNAL),
    "wgan-gp": ("gan", SIGNAL | ONE_SIDED),
    "gmmn": ("gmmn", SIGNAL),
    "energy, no critic": ("gmmn", SIGNAL | {"model.objective": "energy"}),
    "gan, regress": ("gan", SIGNAL | {"training.negative_weights": "regress"}),
}
ALSO_WITHOUT = ("cramer-gan",)
COMPARED = 10_000
"""Copies and events of pure signal that are compared."""


def ring(options: argparse.Namespace) -> None:
    """Every objective on the ring."""
    results = Results(options.output / "ring.json", again=options.again)
    _plane(Ring(), RING, results, options.only)


def grid(options: argparse.Namespace) -> None:
    """25 Gaussians."""
    results = Results(options.output / "grid.json", again=options.again)
    _plane(GaussianGrid(), GRID, results, options.only)


def _plane(toy: Any, table: dict[str, tuple[str, dict[str, Any]]], results: Results, only: list[str]) -> None:
    events, count = toy.sample(20_000, seed=1), len(toy.modes())
    for name, (recipe, changes) in table.items():
        if only and name not in only:
            continue

        def make(recipe: str = recipe, changes: dict[str, Any] = changes) -> dict[str, Any]:
            run = fit(events, recipe, changes, measure=in_plane(toy), points=12, seconds=BUDGET)
            reached = [h["seconds"] for h in run.history if h["modes"] == count and h["good"] >= 0.9]
            more = {"reached": reached[0] if reached else None, "recipe": recipe, "failure": run.failure}
            return run.history[-1] | more | {"history": run.history}

        results(name, make)


def unrolled(options: argparse.Namespace) -> None:
    """K = 0, 5, 10 steps ahead, nothing else against collapse; the networks of the moment, not their average."""
    toy, results = Ring(), Results(options.output / "unrolled.json", again=options.again)
    events = toy.sample(20_000, seed=1)
    for seed in range(options.seeds):
        for ahead in (0, 5, 10):

            def make(ahead: int = ahead, seed: int = seed) -> dict[str, Any]:
                changes = UNROLLED | {"model.schedule.unroll": ahead, "training.seed": seed}
                run = fit(events, "unrolled-gan", changes, measure=in_plane(toy, keep=400), points=20)
                return {"seconds": run.seconds, "failure": run.failure, "history": run.history}

            results(f"K = {ahead}, seed {seed}", make)


def transport(options: argparse.Namespace) -> None:
    """x = ln z by GANs of one noise number, in seconds."""
    toy, results = LogTransport(), Results(options.output / "transport.json", again=options.again)
    events = toy.sample(20_000, seed=1)
    changes = {
        "model.generator.noise": 1,
        "model.generator.activation": "leaky_relu",  # flat pieces of a function are spikes of a density
        "training.steps": 3000,
        "training.learning_rate": 0.001,
    }
    for name, recipe, more in (
        ("non-saturating, R1", "gan", {}),
        ("Wasserstein, gradient penalty", "gan", WASSERSTEIN | {"model.schedule.critic_steps": 3}),
        ("Cramér", "cramer-gan", {}),
        ("energy, no critic", "gmmn", {"model.objective": "energy"}),
    ):

        def make(recipe: str = recipe, more: dict[str, Any] = more) -> dict[str, Any]:
            run = fit(events, recipe, changes | {"training.batch": 256} | more)
            x = np.sort(drawn(run.model, 20_000).features[:, 0])
            levels = np.concatenate([[0.001, 0.002, 0.005], np.linspace(0.01, 0.99, 99)])
            kolmogorov = float(np.abs(toy.cdf(x) - (np.arange(len(x)) + 0.5) / len(x)).max())
            quantiles = np.quantile(x, levels).round(4).tolist()
            above = float((x > 0).mean())
            return {"seconds": run.seconds, "ks": kolmogorov, "above": above, "z": levels.tolist(), "x": quantiles}

        results(name, make)


def sweights(options: argparse.Namespace) -> None:
    """Signal learnt from a mixture with sWeights, and without them."""
    results = Results(options.output / "sweights.json", again=options.again)
    for share in (0.3, 0.7):
        label, mixture = f"{share:.0%} signal", _Mixture(share, options.events)
        results(f"{label}, floor", mixture.floor)
        results(f"{label}, training sample", mixture.sample)
        for name in options.only or SWEIGHTED:
            results(f"{label}, {name}", partial(mixture.learn, *SWEIGHTED[name]))
            if name in ALSO_WITHOUT:
                results(f"{label}, {name}, unweighted", partial(mixture.learn, *SWEIGHTED[name], weighted=False))


class _Mixture:
    """Signal and background in a known share, and how far samples are from the pure signal."""

    def __init__(self, share: float, n: int) -> None:
        self.toy = SWeightsMixture(signal=share)
        self.events, self.pure = self.toy.sample(n, seed=1), self.toy.pure(COMPARED, seed=100)

    def distance(self, events: Events) -> float:
        """Energy distance, squared and unbiased, in standard deviations of the signal."""
        return float(energy_distance(self.pure.features, events.features, wy=events.weights))

    def floor(self) -> dict[str, Any]:
        """Typical size of the distance of two samples of pure signal: it scatters around zero."""
        values = [self.distance(self.toy.pure(COMPARED, seed=200 + i)) for i in range(20)]
        return {"floor": float(np.sqrt(np.mean(np.square(values)))), "events": COMPARED, "values": values}

    def sample(self) -> dict[str, Any]:
        """What is learnt from, itself: with its sWeights, and without."""
        plain, weights = self.events.with_weights(None), self.events.weights
        effective = float(weights.sum() ** 2 / (weights**2).sum())
        found = {"weighted": self.distance(self.events), "unweighted": self.distance(plain)}
        return found | {"events": len(plain), "effective": effective}

    def learn(self, recipe: str, changes: dict[str, Any], *, weighted: bool = True) -> dict[str, Any]:
        """Distance of the copies that a recipe makes."""
        events = self.events if weighted else self.events.with_weights(None)
        run = fit(events, recipe, changes, measure=self._found, points=6)
        copies = drawn(run.model, 1000).features.round(2).tolist()
        return run.history[-1] | {"failure": run.failure, "history": run.history, "copies": copies}

    def _found(self, model: Surrogate) -> dict[str, float]:
        return {"distance": self.distance(drawn(model, COMPARED))}


def pictures(options: argparse.Namespace) -> None:
    """Light curves and digits: one short training each, to be looked at."""
    results = Results(options.output / "pictures.json", again=options.again)
    changes = {"training.steps": 6000, "training.learning_rate": 0.001}
    curves = LightCurves(points=32)
    results("light curves", partial(_pictured, curves, "gan", changes, curves.sample(30, seed=5).conditions))
    small = {"model.generator.channels": 16, "model.critic.channels": 16, "training.batch": 64}
    changes = small | {"training.steps": 3000, "training.ema": 0.999}
    results("digits", partial(_pictured, Digits(), "acgan", changes, np.arange(30.0)[:, None] % 10))


def _pictured(toy: Any, recipe: str, changes: dict[str, Any], conditions: Any) -> dict[str, Any]:
    run = fit(toy.sample(20_000, seed=1), recipe, changes, seconds=BUDGET)
    found = {"truth": toy.sample(conditions, seed=7), "copies": run.model.sample(conditions, seed=6)}
    return {
        "seconds": run.seconds,
        "conditions": conditions.tolist(),
        **{name: events.features.round(3).tolist() for name, events in found.items()},
    }


def divergence(options: argparse.Namespace) -> None:
    """Value of the game, and bounds of divergences, against closed forms."""
    results = Results(options.output / "divergence.json", again=options.again)
    for apart in _gan_divergence.DISTANCES:
        results(f"d = {apart:g}", lambda apart=apart: _gan_divergence.games(apart))
    for name in _gan_divergence.CLOSED_FORMS:
        results(name, lambda name=name: _gan_divergence.bounds(name))


def figures(options: argparse.Namespace) -> None:
    """Draw what was measured."""
    for path in _gan_figures.draw(options.output, options.figures):
        print(path)


def tables(options: argparse.Namespace) -> None:
    """Print what was measured, as Markdown."""
    for table in _gan_tables.write(options.output):
        print(table)


COMMANDS = (ring, unrolled, grid, divergence, transport, sweights, pictures, figures, tables)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=[c.__name__ for c in COMMANDS])
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="entries to make (ring, grid, sweights)")
    parser.add_argument("--again", action="store_true", help="make what is there, too")
    parser.add_argument("--seeds", type=int, default=3, help="trainings per K (unrolled)")
    parser.add_argument("--events", type=int, default=50_000, help="of the mixture (sweights)")
    parser.add_argument("-o", "--output", type=Path, default=Path("bench/out/gan-study"))
    parser.add_argument("--figures", type=Path, default=Path("docs/images/gans"))
    options = parser.parse_args()
    next(c for c in COMMANDS if c.__name__ == options.command)(options)


if __name__ == "__main__":
    main()
