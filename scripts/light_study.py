"""Photon visibility: a surrogate against Geant4's optical photons, speed and error measured in one run.

python scripts/light_study.py --fragment docs/generated/light.md     # half an hour on one core
python scripts/light_study.py -n 60 --photons 2000 --test 10 --test-photons 20000 --steps 200 --speed 5   # a trial

Simulates vertices with the optics of all of the simulator's space, unless --range narrows a parameter, into train.h5
and test.h5 (which are kept, and taken if they are there), fits a recipe, and compares on vertices that it has not seen.
The truth counts photons, so it has noise of its own; what that makes of the error is given beside and taken away.
"""

import argparse
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

import facsim
from facsim.deploy import export
from facsim.events import Events
from facsim.files import atomic, write_json
from facsim.models.visibility import Visibility
from facsim.runtime import load as load_onnx
from facsim.simulators.parametric.light import Light
from facsim.simulators.parametric.table import write

BANDS = (100, 300, 1000, 3000, np.inf)
"""Edges of the expected counts in the table."""
LEAST_SECONDS = 2.0


def simulate(path: Path, n: int, photons: int, seed: int, ranges: dict[str, str]) -> Events:
    """Events of a file, which is made first if it is not there."""
    if not path.exists():
        began = time.perf_counter()
        write("light", n=n, output=path, seed=seed, photons=photons, **ranges)
        print(f"{path}: {n} vertices of {photons} photons in {time.perf_counter() - began:.0f} s")
    return facsim.read(path)


def accuracy(share: np.ndarray, events: Events, photons: int) -> list[dict[str, float]]:
    """Relative errors of visibilities (n, d), in bands of the expected count and above 100 altogether.

    ``mean`` is the mean of ``|v - t| / t`` against the counted truth t, ``noise`` what counting alone makes of it, and
    ``own`` the surrogate's own: both errors taken as normal, so that squares subtract and means are sqrt(2 / pi) of
    root mean squares.
    """
    expected, counted = share * photons, events.features.astype(np.float64)
    out = []
    for low, high in ((100, np.inf), *pairwise(BANDS)):
        chosen = (expected >= low) & (expected < high)  # not by the counts, which would favour those that fluctuated up
        if not chosen.any():
            continue
        off, noise = expected[chosen] / np.maximum(counted[chosen], 1) - 1, 1 / expected[chosen]
        own = np.sqrt(max(float(np.mean(off**2) - noise.mean()), 0.0) * 2 / np.pi)
        row = {
            "low": low,
            "n": int(chosen.sum()),
            "mean": float(np.abs(off).mean()),
            "noise": float(np.sqrt(noise * 2 / np.pi).mean()),
            "own": own,
            "bias": float(expected[chosen].sum() / counted[chosen].sum() - 1),
        }
        out.append(row if np.isinf(high) else row | {"high": high})
    return out


def speed(model: Visibility, path: Path, simulator: Light, conditions: np.ndarray, n: int) -> dict[str, float]:
    """Vertices per second of one core: Geant4, the surrogate with Poisson counts, its visibilities alone, and ONNX."""
    simulator.sample(conditions[:1])  # starts Geant4
    before = simulator.crew.cpu_seconds
    rows = np.resize(conditions, (n, conditions.shape[1]))
    simulator.sample(rows, seed=1)
    out = {"geant4": n / (simulator.crew.cpu_seconds - before)}
    many, runtime = np.resize(conditions, (16_384, conditions.shape[1])), load_onnx(path)
    for name, call in (
        ("sampled", lambda: model.sample(many, threads=1)),
        ("visibility", lambda: model.visibility(many)),
        ("onnx", lambda: runtime.sample(many, threads=1)),
    ):
        call()
        began, times = time.process_time(), 0
        while (spent := time.process_time() - began) < LEAST_SECONDS:
            call()
            times += 1
        out[name] = times * len(many) / spent
    return out


def fragment(found: dict[str, object]) -> str:
    """The page's part, in Markdown."""
    settings, rates = found["settings"], found["rates"]
    lines = [
        f"Box {settings['box']}; {settings['train']:,} vertices of {settings['photons']:,} photons to train with and",
        f"{settings['test']:,} of {settings['test_photons']:,} to test; recipe `{settings['recipe']}`,",
        f"{settings['parameters']:,} parameters, {settings['steps']:,} steps ({settings['fit_cpu_seconds']:.0f} s).",
        "",
        "| expected count | detectors | mean relative error | of that counting noise | surrogate's own | bias |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["accuracy"]:
        band = f"{row['low']:g} to {row['high']:g}" if "high" in row else f"above {row['low']:g}"
        cells = (f"{row[k]:.1%}" for k in ("mean", "noise", "own"))
        lines.append(f"| {band} | {row['n']:,} | {' | '.join(cells)} | {row['bias']:+.1%} |")
    lines += ["", f"Vertices of {settings['photons']:,} photons per second of one core, measured in the same run:", ""]
    lines += ["| who | per second | times Geant4 |", "|---|---|---|"]
    words = {
        "geant4": "Geant4's optical photons",
        "sampled": "surrogate, counts",
        "visibility": "surrogate, visibilities",
        "onnx": "surrogate as ONNX, counts",
    }
    lines += [f"| {words[k]} | {v:,.4g} | {v / rates['geant4']:,.0f} |" for k, v in rates.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=12_000, help="vertices to train with")
    parser.add_argument("--photons", type=int, default=10_000, help="per vertex")
    parser.add_argument("--test", type=int, default=100, help="vertices to test with")
    parser.add_argument("--test-photons", type=int, default=500_000, help="per vertex")
    parser.add_argument("--steps", type=int, default=16_000, help="of the training")
    parser.add_argument("--speed", type=int, default=100, help="vertices for Geant4's speed")
    parser.add_argument("--recipe", default="visibility", help="visibility or genn")
    parser.add_argument("--range", action="append", default=[], metavar="NAME=LOW:HIGH", help="of a parameter")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, default=Path("bench/out/light-study"))
    parser.add_argument("--fragment", type=Path, help="Markdown file of the documentation to write, too")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    ranges = dict(pair.split("=", 1) for pair in given.range)
    simulator = Light(photons=given.photons)
    train = simulate(given.output / "train.h5", given.n, given.photons, 2 * given.seed, ranges)
    test = simulate(given.output / "test.h5", given.test, given.test_photons, 2 * given.seed + 1, ranges)
    overrides = {"model.photons": given.photons, "training.steps": given.steps, "training.seed": given.seed}
    run, began = given.output / given.recipe, time.process_time()
    model = facsim.fit(train, given.recipe, output=run, overrides=overrides, resume=(run / "run.json").exists())
    assert isinstance(model, Visibility)  # of both recipes
    fitting = time.process_time() - began
    exported = export(model, run / "light.onnx")
    found = {
        "settings": {
            "box": f"{simulator.drift:g} x {simulator.height:g} x {simulator.length:g} m, "
            f"{simulator.rows} x {simulator.columns} detectors of {simulator.side:g} m",
            "recipe": given.recipe,
            "train": len(train),
            "photons": given.photons,
            "test": len(test),
            "test_photons": given.test_photons,
            "steps": given.steps,
            "parameters": sum(p.numel() for p in model.parameters()),
            "fit_cpu_seconds": fitting,
        },
        "accuracy": accuracy(model.visibility(test.conditions), test, given.test_photons),
        "rates": speed(model, exported, simulator, test.conditions, given.speed),
    }
    text = fragment(found)
    write_json(given.output / f"{given.recipe}.json", found)
    print(text)
    if given.fragment:
        with atomic(given.fragment) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
