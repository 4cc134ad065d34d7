"""Closure of tunes of Pythia: three parameters of fragmentation and shower from e+e- events at the Z peak.

    python scripts/pythia_study.py --fragment docs/generated/pythia.md --workers 2

Calls of one tune are spent once: the method learns how events follow from parameters, and is then asked about closure
data sets whose parameters are known. How often these lie within the 68 % and 95 % intervals is what the figure says.
Points of one tune share its errors, which are larger than those of the data: so the points are dealt to several tunes.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from scipy.stats import binom

from facsim.files import atomic, write_json
from facsim.simulators.parametric import parametric
from facsim.simulators.parametric.cache import Cached
from facsim.tuning import settings_of
from facsim.tuning.posterior import learn_posterior

LEVELS = (0.68, 0.95)
INSIDE = 0.8  # closure points lie in the central part of every range, as tunes that one would believe


def main() -> None:
    out = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    out.add_argument("--calls", type=int, default=20_000, help="Pythia events of the tune")
    out.add_argument("--points", type=int, default=50, help="closure points")
    out.add_argument("--tunes", type=int, default=5, help="among which the points are dealt")
    out.add_argument("--events", type=int, default=2000, help="of each closure data set")
    out.add_argument("--workers", type=int, default=1)
    out.add_argument("--seed", type=int, default=0)
    out.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="setting of the posterior")
    out.add_argument("-o", "--output", type=Path, default=Path("bench/out/pythia-study"))
    out.add_argument("--fragment", type=Path)
    options = out.parse_args()

    simulator = Cached(parametric("pythia-tune", workers=options.workers), options.output / "calls")
    space = simulator.space
    unit = np.random.default_rng(options.seed + 99).random((options.points, len(space)))
    truths = space.from_unit((1 - INSIDE) / 2 + INSIDE * unit)
    begun = time.perf_counter()
    sets = [
        simulator.sample(np.tile(truth, (options.events, 1)), seed=1000 + i).features for i, truth in enumerate(truths)
    ]
    print(f"{time.perf_counter() - begun:.0f} s: {len(sets)} closure data sets", flush=True)

    chosen = {"rounds": 1} | dict(pair.split("=", 1) for pair in options.set)  # one posterior for many data sets
    settings = settings_of("posterior", chosen)
    data = simulator.sample(np.tile(space.default, (options.events, 1)), seed=7)
    begun, samples = time.perf_counter(), []
    for tune, dealt in enumerate(np.array_split(np.arange(len(sets)), options.tunes)):
        learned = learn_posterior(simulator, data, calls=options.calls, seed=options.seed + tune, settings=settings)
        samples += [learned.posterior.sample(sets[i], 2000, seed=i) for i in dealt]
        print(f"{time.perf_counter() - begun:.0f} s: {learned.engine} from {learned.account.spent} events", flush=True)
    seconds = (time.perf_counter() - begun) / options.tunes
    inside = {level: np.zeros((len(samples), len(space)), bool) for level in LEVELS}
    for i, drawn in enumerate(samples):
        for level in LEVELS:
            low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
            inside[level][i] = (truths[i] >= low) & (truths[i] <= high)
    pulls = np.array([(s.mean(0) - t) / s.std(0) for s, t in zip(samples, truths, strict=True)])
    widths = np.array([s.std(0) for s in samples])
    rows = [
        "| parameter | range | mean error | pull: mean, width | 68 % holds | 95 % holds |",
        "|---|---|---|---|---|---|",
    ]
    for j, p in enumerate(space):
        shares = [f"{100 * inside[level][:, j].mean():.0f} %" for level in LEVELS]
        pull = f"{pulls[:, j].mean():+.2f}, {pulls[:, j].std():.2f}"
        rows.append(
            f"| {p.name} | {p.low:g} to {p.high:g} | {widths[:, j].mean():.3g} | {pull} | {' | '.join(shares)} |"
        )
    overall = inside[0.68].mean()
    low, high = (binom.ppf(q, inside[0.68].size, 0.68) / inside[0.68].size for q in (0.16, 0.84))
    words = (
        f"{options.points} closure points, {options.events:,} events of data each; {options.tunes} tunes of "
        f"{learned.account.spent:,} events, {seconds:.0f} s each. Over all parameters the 68 % intervals hold "
        f"the truth in {100 * overall:.0f} % (scatter of a calibrated method: {100 * low:.0f} to {100 * high:.0f} %)."
    )
    rows += ["", words]
    text = "\n".join(rows) + "\n"
    print(text)
    numbers = {"inside": {str(k): v.mean(0).tolist() for k, v in inside.items()}, "pulls": pulls.tolist()}
    write_json(options.output / "numbers.json", numbers | {"calls": learned.account.spent, "seconds": seconds})
    if options.fragment:
        with atomic(options.fragment) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
