"""How far the spread of an ensemble can be trusted: plain, bootstrap, adversarial, and MC dropout, on simulated kaons.

    python scripts/ensemble_study.py [plain bootstrap dropout adversarial] [--train 50000 --members 5]
    python scripts/ensemble_study.py plain=FOLDER/plain_DATE/whole.safetensors

Members learn from tracks of detector ``rich`` without a corner of high momentum and pseudorapidity. Held-out tracks say
how wrong the mean of all members is in bins of both, for efficiencies of five cuts. Of the bins inside, the squares of
one colour of a chessboard give the factor on the spread, those of the other colour are judged with it, and the other
way round. Then sigma in the corner against sigma inside. One row per contestant goes to
``FOLDER/ensemble_study.jsonl``. NAME=FILE judges an ensemble that is there.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import facsim
from facsim.errors import DataError
from facsim.events import Events
from facsim.models.composite import thinned
from facsim.runtime import Spread, held_out_all, joined
from facsim.simulators.cherenkov import Rich

CORNER = {"P": 40.0, "ETA": 4.0}
"""Tracks above both are not learnt from: a tenth of all."""
CUTS = {"RichDLLk": 2.0, "RichDLLp": -5.0, "RichDLLmu": -0.5, "RichDLLe": -1.0, "RichDLLbt": -10.0}
"""Inside and in the corner between a fifth and nine tenths of the kaons pass."""
BINS = 6  # along each axis
FLOW = {
    "model.components": 12,
    "model.hidden": 64,
    "model.blocks": 2,
    "training.batch": 512,
    "training.validate_every": 1000,
}
GAN = {
    "model.generator": {"kind": "residual", "noise": 16, "hidden": 64, "blocks": 2},
    "model.critic": {"kind": "mlp", "hidden": 96, "layers": 3},
    "training.batch": 256,
    "training.validate_every": 1000,
}


def passed(name: str, cut: float) -> Any:
    """Whether events pass a cut."""
    return lambda events: events[name] > cut


QUANTITIES = {f"{name} > {cut:g}": passed(name, cut) for name, cut in CUTS.items()}


def in_corner(events: Events) -> NDArray[np.bool_]:
    return np.all([events[name] > edge for name, edge in CORNER.items()], axis=0)


def binned(events: Events) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number of the bin of every event, equally filled along either axis, and the colour of every bin: 0, 1, 2 corner.

    The corner is cut into four bins, behind those inside.
    """
    corner = in_corner(events)
    inside, number = events[~corner], np.empty(len(events), np.int64)
    for part, count, first in ((~corner, BINS, 0), (corner, 2, BINS * BINS)):
        sides = []
        for name in CORNER:
            edges = np.quantile((inside if first == 0 else events[corner])[name], np.linspace(0, 1, count + 1)[1:-1])
            sides.append(np.digitize(events[name][part], edges))
        number[part] = first + count * sides[0] + sides[1]
    i, j = np.divmod(np.arange(BINS * BINS), BINS)
    colour = np.concatenate([(i + j) % 2, np.full(4, 2)])
    few = np.bincount(number, minlength=len(colour)) < 1000
    colour[few] = -1
    return number, colour


def fitted(name: str, events: Events, run: Path, options: argparse.Namespace) -> tuple[Any, float]:
    """The ensemble, and the CPU seconds that it took."""
    flow = FLOW | {"training.steps": options.steps}
    members = {"members": options.members, "of": "pid-flow"}
    began = time.process_time()
    name, _, file = name.partition("=")
    if file:
        return facsim.load(file), 0.0
    match name:
        case "plain" | "bootstrap":
            model = facsim.fit(
                events, "ensemble", output=run, overrides=flow | members | {"bootstrap": name == "bootstrap"}
            )
        case "dropout":
            single = facsim.fit(events, "pid-flow", output=run, overrides=flow | {"model.dropout": options.dropout})
            model = thinned(single, 2 * options.members, seed=1)
        case "adversarial":
            beyond = {"P": (CORNER["P"], 200.0), "ETA": (CORNER["ETA"], 5.5)}
            settings = GAN | {"training.steps": options.gan_steps, "model.members": options.members}
            model = facsim.fit(
                events, "adversarial-ensemble", output=run,
                overrides=settings | {"model.outside": beyond, "model.alpha": options.alpha},
            )  # fmt: skip
    return model, time.process_time() - began


def judged(found: dict[str, Spread], colour: NDArray[np.int64]) -> dict[str, Any]:
    """Coverage inside with the factor of the other colour, and sigma in the corner over sigma inside."""
    inside, corner = np.isin(colour, (0, 1)), colour == 2
    part = joined([s.of_bins(inside).pooled() for s in found.values()])
    shade = np.tile(colour[inside], len(found))
    factors = [part.of_bins(shade == other).calibrated().factor for other in (1, 0)]
    pulls = np.concatenate([part.of_bins(shade == own).scaled(f).pulls for own, f in enumerate(factors)])
    factor = float(np.mean(factors))
    outside = joined([s.of_bins(corner) for s in found.values()]).scaled(factor)
    own = {name: [rms(s.spread[chosen]) for chosen in (inside, corner)] for name, s in found.items()}
    rises = {name: b / a for name, (a, b) in own.items()}
    return {
        "bins": len(pulls),
        "coverage": covered(pulls),
        "by_quantity": {name: covered(p) for name, p in zip(found, _split(part.scaled(factor), found), strict=True)},
        "uncalibrated": covered(part.pulls),
        "factors": [round(f, 2) for f in factors],
        "sigma_inside": {name: round(factor * a, 4) for name, (a, _) in own.items()},
        "rise": {name: round(rise, 2) for name, rise in rises.items()},
        "rise_of_all": round(float(np.exp(np.mean(np.log(list(rises.values()))))), 2),
        "error_inside": round(_off(part), 4),
        "error_corner": round(_off(outside), 4),
        "statistical": round(float(np.median(part.statistical)), 4),
        "corner_coverage": covered(outside.pulls),
    }


def covered(pulls: NDArray[np.float64]) -> float:
    """Share within one error."""
    return round(float((np.abs(pulls) <= 1).mean()), 3)


def rms(values: NDArray[np.float64]) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(values**2)))


def _split(part: Spread, found: dict[str, Spread]) -> list[NDArray[np.float64]]:
    """Pulls of each quantity."""
    return np.split(part.pulls, len(found))


def _off(part: Spread) -> float:
    """Root mean square of what is wrong, without the statistical error."""
    assert part.truth is not None
    square = np.mean((part.truth - part.mean) ** 2 - part.statistical**2)
    return float(np.sqrt(max(square, 0.0)))


def kept(found: dict[str, Spread], colour: NDArray[np.int64], path: Path) -> dict[str, Spread]:
    """Leave the numbers of all bins in a file, to look at them without drawing again."""
    fields = ("values", "spread", "statistical", "truth")
    arrays = {f"{name}/{field}": getattr(s, field) for name, s in found.items() for field in fields}
    np.savez(path, colour=colour, **arrays)
    return found


def main() -> None:
    """Every contestant in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contestants", nargs="*", default=["plain", "bootstrap", "dropout", "adversarial"])
    parser.add_argument("--train", type=int, default=50_000)
    parser.add_argument("--held", type=int, default=150_000)
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2000, help="of a mixture")
    parser.add_argument("--gan-steps", type=int, default=1500)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--alpha", type=float, default=0.25)
    parser.add_argument("-o", "--output", type=Path, default=Path("ensemble_study"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    tracks, held = Rich("K").sample(options.train, seed=1), Rich("K").sample(options.held, seed=2)
    learnt = tracks[~in_corner(tracks)]
    bins, colour = binned(held)
    for name in options.contestants:
        run = options.output / f"{name.partition('=')[0]}_{time.strftime('%Y%m%d-%H%M%S')}"
        model, cpu = fitted(name, learnt, run, options)
        if cpu:
            model.save(run / "whole.safetensors")
        try:
            found = held_out_all(model, held, QUANTITIES, bins, seed=3)
            row = judged(kept(found, colour, run.with_suffix(".npz")), colour)
        except DataError as error:
            row = {"failed": str(error)}
        row = {"contestant": name, "cpu_s": round(cpu), "members": model.members, "settings": vars(options)} | row
        print(json.dumps(row, default=str), flush=True)
        with (options.output / "ensemble_study.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, default=str) + "\n")


if __name__ == "__main__":
    main()
