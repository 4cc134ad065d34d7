"""Evaluate copies of particle identification, species by species, and the separation of pairs of species.

    python scripts/pid_study.py K=k_truth.root,k_copy.root pi=pi_truth.root,pi_copy.root -o FOLDER
        [--binning P:6,ETA:6,nTracks] [--pair RichDLLk:K:pi] [--features NAMES --conditions NAMES --weights NAME]

A third file of a species is a second truth for the floors; without it the truth is halved. FOLDER gets pid.html,
pid.json, and the table of bins as bins.md, bins.tex and bins.csv.
"""

import argparse
from pathlib import Path
from typing import Any

from facsim.errors import DataError
from facsim.io import select
from facsim.report.pid_pairs import Pair
from facsim.report.studies import pid


def species(text: str) -> tuple[str, list[str]]:
    """Name and files of one species."""
    name, _, files = text.partition("=")
    if not files:
        msg = f"'{text}': write NAME=TRUTH,COPY[,SECOND]"
        raise argparse.ArgumentTypeError(msg)
    return name, files.split(",")


def pair(text: str) -> Pair:
    """A score and the two species that it separates."""
    parts = text.split(":")
    if len(parts) != 3:
        msg = f"'{text}': write SCORE:SPECIES:SPECIES, such as RichDLLk:K:pi"
        raise argparse.ArgumentTypeError(msg)
    return Pair(*parts)


def main() -> None:
    """Measure, write the page, print the judgement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("species", nargs="+", type=species)
    parser.add_argument("--binning")
    parser.add_argument("--pair", action="append", type=pair)
    parser.add_argument("--features")
    parser.add_argument("--conditions")
    parser.add_argument("--weights")
    parser.add_argument("--bootstraps", type=int, default=200)
    parser.add_argument("--folds", type=int, default=3, help="of the classifier; 0: none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    chosen: dict[str, Any] = {n: v.split(",") for n in ("features", "conditions") if (v := getattr(options, n))}
    if options.weights:
        chosen["weights"] = options.weights
    # a copy has the weights of the truth only if its file holds them
    samples = {}
    for name, files in options.species:
        bare = {k: v for k, v in chosen.items() if k != "weights"}
        given = [bare if i == 1 else chosen for i in range(len(files))]
        samples[name] = [select(f, **how) if how else f for f, how in zip(files, given, strict=True)]
    try:
        found = pid.study(
            samples, binning=options.binning, pairs=options.pair, bootstraps=options.bootstraps, folds=options.folds,
            seed=options.seed,
        )  # fmt: skip
    except DataError as error:
        raise SystemExit(str(error)) from error
    out = pid.write(found, options.output)
    print(found["sentence"])
    print(f"page: {out}")


if __name__ == "__main__":
    main()
