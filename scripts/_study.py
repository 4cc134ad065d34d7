"""What both study scripts do: read truth, draw or read copies, write numbers and a page's fragment."""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np

import facsim
from facsim.errors import RangeWarning
from facsim.events import Events
from facsim.files import atomic, write_json
from facsim.report.studies.tables import plain


def parser(doc: str, name: str) -> argparse.ArgumentParser:
    out = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    out.add_argument("--events", type=int, default=0, help="truth events to compare with (default: half of the file)")
    out.add_argument("--note", action="append", default=[], metavar="NAME=TEXT", help="how a model was trained")
    out.add_argument("--no-network", action="store_true", help="leave out what trains networks")
    out.add_argument("--epochs", type=int, default=100, help="of the classifier on raw cells or pixels")
    out.add_argument("--runs", type=int, default=5, help="of every classification transfer with trees")
    out.add_argument("--network-runs", type=int, default=3, help="of every classification transfer with a network")
    out.add_argument("--seed", type=int, default=0)
    out.add_argument("-o", "--output", type=Path, default=Path("bench/out") / f"{name}-study")
    out.add_argument("--figures", type=Path, help="folder of the figures (default: beside the numbers)")
    out.add_argument("--fragment", type=Path, help="Markdown file of the documentation to write, too")
    return out


def named(pairs: list[str]) -> dict[str, str]:
    wrong = [p for p in pairs if "=" not in p]
    if wrong:
        raise SystemExit(f"{wrong[0]!r}: write NAME=VALUE")  # noqa: EM102
    return dict(p.split("=", 1) for p in pairs)


def is_model(path: str) -> bool:
    return Path(path).is_dir() or Path(path).suffix in {".onnx", ".safetensors"}


def halves(events: Events, second: Events | None, most: int) -> tuple[Events, Events]:
    """Truth and second truth of equal size."""
    if second is None:
        events, second = events.split(0.5, seed=0)
    n = min(len(events), len(second), most or len(events))
    return thin(events, n), thin(second, n)


def thin(events: Events, most: int) -> Events:
    """At most so many events, picked at random: classes or energies may lie in blocks, or take turns."""
    return events if len(events) <= most else events.split(most / len(events), seed=1)[0]


def copies(path: str, truth: Events, seed: int) -> Events:
    """Events of a file, or drawn from a model at the conditions of the truth."""
    if not is_model(path):
        return facsim.read(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RangeWarning)
        return facsim.load(path).sample(truth.conditions, seed=seed)


class Clock:
    """Says what takes how long."""

    def __init__(self) -> None:
        self.start = time.perf_counter()

    def __call__(self, words: str) -> None:
        print(f"{time.perf_counter() - self.start:7.1f} s  {words}", flush=True)


def publish(options: argparse.Namespace, name: str, numbers: dict, fragment: str) -> None:
    write_json(options.output / f"{name}.json", plain(numbers))
    for path in (options.output / f"{name}.md", options.fragment):
        if path is not None:
            with atomic(path) as temporary:
                temporary.write_text(fragment, encoding="utf-8")


def picture(options: argparse.Namespace, file: str, words: str) -> str:
    """Markdown of a figure, as a page in docs/ that includes the fragment must name it."""
    parts = options.figures.parts
    inside = options.fragment and "docs" in parts
    folder = "/".join(parts[parts.index("docs") + 1 :]) if inside else str(options.figures.resolve())
    return f"![{words}]({folder}/{file})\n\n*{words}*\n"


def tag(name: str) -> str:
    """Name of a model or particle in the name of a file."""
    return name.replace("+", "-plus").replace(" ", "-")


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))
