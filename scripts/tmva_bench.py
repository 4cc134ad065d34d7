"""MethodGAN's option strings and facsim's recipes beside torchgan and a DCGAN written by hand, from ROOT files.

    python scripts/tmva_bench.py digits                    # 5 minutes of the processor for each of six
    python scripts/tmva_bench.py showers --learn train.h5 --truth test.h5
    python scripts/tmva_bench.py digits --only dense hand --seconds 60
    python scripts/tmva_bench.py table --fragment docs/generated/tmva.md --figures docs/images/tmva

Every contestant learns in a process of its own, on one thread, from the same ROOT file with a branch per pixel or cell,
and draws as many events as there are in the held-out truth. What is measured is added to OUTPUT/figures.json; `table`
makes Markdown of it. torchgan needs an environment (see `_tmva_rivals.py`), of which --torchgan names the interpreter;
without, it is left out with a message.

Digits are the bundled ones (8 x 8 pixels, no labels): a classifier that was trained on 600 true digits says how sure it
is of what is generated, which digits there are, and the Fréchet distance in its hidden layer; boosted trees try to tell
pixels from true ones. Showers are the bundled positrons in CaloGAN's calorimeter, or those of two files: Fréchet
distance of the observables, boosted trees on these, a network on the cells. Each beside what other true events give.
"""

import argparse
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

os.environ |= dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1")

import numpy as np
from _tmva_contestants import RECIPES, STRINGS
from _tmva_rivals import MISSING

import facsim
from facsim import Block, Events, Schema, datasets, io
from facsim.files import atomic, write_json
from facsim.metrics import fpd, high_level_auc, low_level_auc
from facsim.observables.matrix import named_columns
from facsim.report.labels import with_error
from facsim.report.studies.tables import markdown

HERE = Path(__file__).parent
DIGITS = 1200  # to learn from; the others are the truth to compare with
RIVALS = ("torchgan", "hand")
FLOOR = "truth"
LABELS = {
    FLOOR: "other true events (floor)",
    "dense": "MethodGAN string, dense",
    "convolutional": "MethodGAN string, convolutional",
    "dcgan": "recipe `dcgan`, with tanh",
    "torchgan": "torchgan 0.1.0",
    "hand": "DCGAN by hand, plain torch",
}


def contestants(data):
    """Names, in the order of the table."""
    return [name for which, name in [*STRINGS, *RECIPES] if which == data] + list(RIVALS)


def digits():
    """Events to learn from, and to compare with."""
    whole = facsim.read(datasets.path("digits"))
    whole = whole[np.random.default_rng(0).permutation(len(whole))]
    return whole[:DIGITS], whole[DIGITS:]


def showers(options):
    """The same; three quarters of the bundled showers, or two files."""
    if options.learn and options.truth:
        return facsim.read(options.learn), facsim.read(options.truth)
    return facsim.read(datasets.path("calogan-eplus-mini")).split(0.75, seed=0)


def classifier(learn):
    """Trained on half of the digits, so that the other half gives the floor."""
    from sklearn.neural_network import MLPClassifier

    half = learn[: DIGITS // 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it could go on
        network = MLPClassifier((64,), max_iter=400, random_state=0)
        return network.fit(half.features / 16, half.conditions[:, 0].astype(int))


def of_digits(network, truth, drawn):
    """Figures of pixels (n, 64) against true digits; a pair is a value and its error."""
    pixels = drawn / 16
    chances = network.predict_proba(pixels)
    sure = chances.max(1)
    shares = np.bincount(chances.argmax(1), minlength=10) / len(drawn)
    real, fake = (np.maximum(x @ network.coefs_[0] + network.intercepts_[0], 0) for x in (truth.features / 16, pixels))
    alive = real.std(0) > 0
    apart = fpd(real[:, alive], fake[:, alive])
    n = min(len(truth), len(drawn))
    schema = Schema((Block("x", (64,)),))
    # true pixels are whole numbers: what is not would be seen at once
    told = high_level_auc(*(Events(x[:n].round(), np.empty((n, 0)), schema) for x in (truth.features, drawn)))
    return {
        "confidence": [float(sure.mean()), float(sure.std() / np.sqrt(len(sure)))],
        "digits": int((shares > 0.01).sum()),
        "rarest": float(shares.min()),
        "fpd": [float(apart.value), float(apart.error)],
        "auc": [told.auc, told.auc_error],
    }


def of_showers(truth, drawn, conditions=None):
    """Figures of cells (n, 504) against true showers, at the truth's energies where none are given."""
    n = len(truth)
    copies = Events(drawn[:n], truth.conditions if conditions is None else conditions[:n], truth.schema)
    tables = [named_columns(events)[1] for events in (truth, copies)]
    low, high = np.quantile(tables[0], [0.001, 0.999], axis=0)  # as in a report: one far shower must not decide
    varying = high > low
    apart = fpd(*(np.clip(t, low, high)[:, varying] for t in tables))
    observables, cells = high_level_auc(truth, copies), low_level_auc(truth, copies)
    return {
        "fpd": [float(apart.value), float(apart.error)],
        "auc": [observables.auc, observables.auc_error],
        "auc of cells": [cells.auc, cells.auc_error],
    }


def run(name, data, options):
    """Train in a process of its own; its figures, or None where the rival is not installed."""
    folder = options.output / data
    files = [data, folder / "learn.root", folder / "asked.npz", folder / f"{name}.npz"]
    script = "_tmva_rivals.py" if name in RIVALS else "_tmva_contestants.py"
    more = [] if name in RIVALS else ["--run", folder / name]
    command = [options.torchgan if name == "torchgan" else sys.executable, HERE / script, name, *files, *more]
    command += ["--seconds", options.seconds, "--seed", options.seed]
    with (folder / f"{name}.log").open("w") as log:
        done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=log, text=True, check=False)
    if done.returncode == MISSING:
        print(f"{name} left out: {(folder / f'{name}.log').read_text()}")
        return None
    if done.returncode:
        raise SystemExit(f"{name}: {(folder / f'{name}.log').read_text()[-2000:]}")  # noqa: EM102
    return json.loads(done.stdout.splitlines()[-1])


def measure(data, options):
    """Train and measure what is asked for; adds to figures.json after each."""
    learn, truth = digits() if data == "digits" else showers(options)
    folder = options.output / data
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "learn.root").exists():
        io.write(folder / "learn.root", learn, layout="pixel-branches")
    asked = np.empty((len(truth), 0)) if data == "digits" else truth.conditions
    np.savez(folder / "asked.npz", conditions=asked)
    network = classifier(learn) if data == "digits" else None
    found = known(options)
    mine = found.setdefault(data, {})
    if FLOOR not in mine:
        other = learn[DIGITS // 2 :][: len(truth)] if data == "digits" else learn[: len(truth)]
        if data == "digits":
            mine[FLOOR] = of_digits(network, truth, other.features)
        else:
            mine[FLOOR] = of_showers(truth, other.features, other.conditions)
        mine[FLOOR] |= {"events": [len(learn), len(truth)]}
    for name in options.only or contestants(data):
        cost = run(name, data, options)
        if cost is None:
            continue
        drawn = np.load(folder / f"{name}.npz")["features"]
        figures = of_digits(network, truth, drawn) if data == "digits" else of_showers(truth, drawn)
        mine[name] = figures | cost
        write_json(options.output / "figures.json", found)
        print(name, mine[name], flush=True)


def picture(data, drawn, path):
    """A hundred digits, or twenty showers: logarithm of the energies, twelve cells of a layer side by side."""
    from facsim.training.images import write_grid

    if data == "digits":
        write_grid(drawn[:100].reshape(-1, 8, 8), path)
    else:
        cells = np.log1p(drawn[:20]).reshape(-1, 42, 12)
        strip = np.pad(cells, ((0, 0), (0, 0), (0, 3))).transpose(1, 0, 2).reshape(42, -1)
        write_grid(strip.repeat(3, 0).repeat(3, 1)[None], path)


def known(options):
    path = options.output / "figures.json"
    return json.loads(path.read_text()) if path.exists() else {}


def table(options):
    """Markdown of what was measured, and the pictures."""
    found, parts = known(options), []
    heads = {
        "digits": {
            "sure": lambda f: with_error(*f["confidence"]),
            "digits found": lambda f: f"{f['digits']} of 10",
            "rarest": lambda f: f"{100 * f['rarest']:.1f} %",
            "Fréchet distance": lambda f: with_error(*f["fpd"]),
            "AUC of the pixels": lambda f: with_error(*f["auc"]),
        },
        "showers": {
            "Fréchet distance": lambda f: with_error(*f["fpd"]),
            "AUC of the observables": lambda f: with_error(*f["auc"]),
            "AUC of the cells": lambda f: with_error(*f["auc of cells"]),
        },
    }
    cost = {
        "steps": lambda f: f"{f['steps']:,}",
        "best at": lambda f: f"{f['best']:,}" if "best" in f else "last",
        "CPU": lambda f: f"{f['seconds']:.0f} s",
        "peak memory": lambda f: f"{f['memory']:.0f} MB",
    }
    for data, columns in heads.items():
        if data not in found:
            continue
        mine = found[data]
        order = [name for name in [FLOOR, *contestants(data)] if name in mine]
        rows = []
        for name in order:
            cells = [write(mine[name]) for write in columns.values()]
            cells += [write(mine[name]) if name != FLOOR else "" for write in cost.values()]
            rows.append([LABELS.get(name, f"recipe `{name}`"), *cells])
        learnt, compared = mine[FLOOR]["events"]
        parts.append(f"{data.capitalize()}: {learnt:,} to learn from, {compared:,} to compare with.\n")
        parts.append(markdown(["", *columns, *cost], rows))
        parts += [_figure(options, data, name) for name in order[1:]]
    with atomic(options.fragment) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def _figure(options, data, name):
    """Draw a picture into the documentation; its Markdown, as a page in docs/ names it."""
    file = f"{data}-{name.replace('+', '-plus')}.png"
    options.figures.mkdir(parents=True, exist_ok=True)
    picture(data, np.load(options.output / data / f"{name}.npz")["features"], options.figures / file)
    words = f"{data.capitalize()} of {LABELS.get(name, f'recipe `{name}`')}"
    return f"![{words}](images/tmva/{file})\n\n*{words}*\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["digits", "showers", "table"])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="contestants (all by default)")
    parser.add_argument("--seconds", type=float, default=300, help="of the processor, in training each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learn", type=Path, help="showers to learn from (bundled ones by default)")
    parser.add_argument("--truth", type=Path, help="showers to compare with")
    parser.add_argument("--torchgan", default=sys.executable, metavar="PYTHON", help="interpreter that has torchgan")
    parser.add_argument("-o", "--output", type=Path, default=Path("bench/out/tmva-bench"))
    parser.add_argument("--fragment", type=Path, default=Path("docs/generated/tmva.md"))
    parser.add_argument("--figures", type=Path, default=Path("docs/images/tmva"))
    options = parser.parse_args()
    if options.what == "table":
        table(options)
        return
    if wrong := set(options.only or ()) - set(contestants(options.what)):
        parser.error(f"{sorted(wrong)} not known: there are {contestants(options.what)}")
    measure(options.what, options)


if __name__ == "__main__":
    main()
