"""Figures of docs/gans.md from the numbers of `gan_study.py`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _gan_divergence import WIDTH, jensen_shannon

from facsim.report.studies.paper import TRUTH_LINE, canvas, colour, pixels, save
from facsim.simulators.toys import LogTransport, Ring, SWeightsMixture

__all__ = ["draw"]

SHOWN = (1, 3, 5, 9, 13, 19)
"""Which of the measured points of an unrolled training are drawn."""


def draw(numbers: Path, folder: Path) -> Iterator[Path]:
    """Draw what there are numbers for."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in FIGURES.items():
        file = numbers / f"{name.partition('.')[0]}.json"
        if file.is_file():
            yield make(json.loads(file.read_text()), folder)


def ring(found: dict[str, Any], folder: Path) -> Path:
    """Share of good events against seconds, for some objectives."""
    chosen = [n for n in found if n in {"non-saturating, R1", "Wasserstein, gradient penalty", "Cramér", "improved"}]
    with canvas(6.2, 3.2) as figure:
        axes = figure.subplots()
        for i, name in enumerate([*chosen, *(n for n in found if n == "Wasserstein, clipping")]):
            history = found[name]["history"]
            axes.plot([h["seconds"] for h in history], [h["good"] for h in history], color=colour(i), label=name)
        axes.axhline(0.9889, color=TRUTH_LINE, lw=0.8, ls=":")
        axes.set(xlabel="seconds of one core", ylabel="share of good events", ylim=(0, 1.03), xlim=(0, None))
        axes.legend(fontsize=8)
        return save(figure, folder / "ring.svg")


def unrolled(found: dict[str, Any], folder: Path) -> Path:
    """Copies on the plane over the training, one row per K."""
    rows = [k for k in found if k.endswith("seed 0")]
    modes = Ring().modes()
    with canvas(1.45 * len(SHOWN) + 0.5, 1.5 * len(rows) + 0.2) as figure:
        grid = figure.subplots(len(rows), len(SHOWN), squeeze=False)
        for row, (axes_row, name) in enumerate(zip(grid, rows, strict=True)):
            history = found[name]["history"]
            for axes, place in zip(axes_row, SHOWN, strict=True):
                if place >= len(history):
                    axes.set_axis_off()
                    continue
                at = history[place]
                axes.plot(*modes.T, "o", mfc="none", mec=TRUTH_LINE, ms=9, mew=0.6)
                axes.plot(*np.array(at["copies"]).T, ".", color=colour(0), ms=1.6, alpha=0.6)
                axes.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], aspect="equal")
                axes.minorticks_off()
                axes.text(0, 0, str(at["modes"]), ha="center", va="center", fontsize=9, color=TRUTH_LINE)
                if row == 0:
                    axes.set_title(f"step {at['step']:,}", fontsize=8)
            axes_row[0].set_ylabel(name.partition(",")[0])
        return save(figure, folder / "unrolled.png")


def divergence(found: dict[str, Any], folder: Path) -> Path:
    """Value of the game and what reaches the generator, against the distance of two Gaussians."""
    points = [v for v in found.values() if "apart" in v]
    apart = np.array([p["apart"] for p in points])
    with canvas(8.2, 3.1) as figure:
        left, right = figure.subplots(1, 2)
        fine = np.linspace(apart.min(), apart.max(), 121)
        exact = [2 * jensen_shannon(float(d), WIDTH) - 2 * np.log(2) for d in fine]
        left.plot(fine, exact, color=TRUTH_LINE, label="2 JSD - 2 ln 2")
        left.plot(apart, [p["value"] for p in points], "o", color=colour(0), label="value of the game, measured", ms=4)
        left.axhline(0, color=TRUTH_LINE, lw=0.6, ls=":")
        left.axhline(-2 * np.log(2), color=TRUTH_LINE, lw=0.6, ls=":")
        left.set(xlabel="distance of the two Gaussians", ylabel="value", ylim=(-1.5, 0.15))
        left.legend(fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.08))
        for i, name in enumerate(("minimax", "non-saturating", "wasserstein")):
            slopes = np.abs([p["slopes"][name] for p in points])
            right.plot(apart, slopes, "o-", color=colour(i), label=name, ms=3)
        right.set(xlabel="distance of the two Gaussians", ylabel="slope that the generator feels")
        right.legend(fontsize=8)
        return save(figure, folder / "divergence.svg")


def transport(found: dict[str, Any], folder: Path) -> Path:
    """Quantiles of the copies against those of x = ln z."""
    toy = LogTransport()
    with canvas(8.2, 3.1) as figure:
        left, right = figure.subplots(1, 2)
        z = np.linspace(0.001, 0.999, 400)
        left.plot(z, toy.quantile(z), color=TRUTH_LINE, lw=3, alpha=0.4, label="x = ln z")
        right.plot([-8, 0.5], [-8, 0.5], color=TRUTH_LINE, lw=3, alpha=0.4)
        for i, (name, entry) in enumerate(found.items()):
            left.plot(entry["z"], entry["x"], color=colour(i), lw=1.2, label=name)
            right.plot(toy.quantile(entry["z"]), entry["x"], color=colour(i), lw=1.2)
        left.set(xlabel="z", ylabel="x", ylim=(-8, 0.6))
        right.set(xlabel="quantile of the truth", ylabel="quantile of the copy", xlim=(-7.5, 0.5), ylim=(-7.5, 0.6))
        left.legend(fontsize=7.5)
        return save(figure, folder / "transport.svg")


def sweights(found: dict[str, Any], folder: Path) -> Path:
    """Mixture, pure signal, and what was learnt with the weights and without."""
    toy = SWeightsMixture(signal=0.3)
    panels = {"all events (30 % signal)": toy.sample(1000, seed=3).features, "pure signal": toy.pure(1000, 4).features}
    for title, key in (("learnt with sWeights", "cramer-gan"), ("learnt without", "cramer-gan, unweighted")):
        entry = found.get(f"30% signal, {key}", {})
        panels[title] = np.array(entry.get("copies", np.empty((0, 2))))
    with canvas(9.2, 2.6) as figure:
        for i, (axes, (title, x)) in enumerate(zip(figure.subplots(1, 4), panels.items(), strict=True)):
            axes.plot(*x.T, ".", color=TRUTH_LINE if i < 2 else colour(0), ms=1.8, alpha=0.6)
            for k in (1.0, 2.0):
                axes.plot(*_ellipse(k), color=colour(1), lw=0.8)
            axes.set(xlim=(-6, 5), ylim=(-4, 5), xlabel="x")
            axes.set_title(title, fontsize=9)
        figure.axes[0].set_ylabel("y")
        return save(figure, folder / "sweights.png")


def _ellipse(sigmas: float) -> Any:
    from facsim.simulators.toys.mixture import SIGNAL

    mean, covariance = SIGNAL
    angle = np.linspace(0, 2 * np.pi, 100)
    circle = sigmas * np.stack([np.cos(angle), np.sin(angle)])
    return mean[:, None] + np.linalg.cholesky(covariance) @ circle


def light_curves(found: dict[str, Any], folder: Path) -> Path:
    """Light curves of true stars, and of copies of the same period, amplitude and kind."""
    entry = found["light curves"]
    truth, copies = (np.array(entry[k]) for k in ("truth", "copies"))
    kinds = np.array(entry["conditions"])[:, 2].astype(int)
    with canvas(8.2, 3.4) as figure:
        grid = figure.subplots(2, 3, sharex=True, sharey=True)
        for kind, name in enumerate(("sinusoid", "sawtooth", "eclipsing")):
            for row in np.flatnonzero(kinds == kind)[:2]:
                grid[0, kind].plot(truth[row], color=TRUTH_LINE, lw=1)
                grid[1, kind].plot(copies[row], color=colour(0), lw=1)
            grid[0, kind].set_title(name, fontsize=9)
            grid[1, kind].set_xlabel("time")
        grid[0, 0].set_ylabel("truth [mag]")
        grid[1, 0].set_ylabel("copy [mag]")
        grid[0, 0].invert_yaxis()
        return save(figure, folder / "light-curves.svg")


def digits(found: dict[str, Any], folder: Path) -> Path:
    """Three of every digit: true ones above, copies below."""
    entry = found["digits"]
    with canvas(7.2, 4.6) as figure:
        grid = figure.subplots(6, 10)
        for i, axes in enumerate(grid.flat):
            image = np.array(entry["truth" if i < 30 else "copies"][i % 30]).reshape(8, 8)
            pixels(axes, image, cmap="Greys" if i < 30 else "Oranges", vmin=0, vmax=16)
        return save(figure, folder / "digits.png")


FIGURES = {
    "ring": ring,
    "unrolled": unrolled,
    "divergence": divergence,
    "transport": transport,
    "sweights": sweights,
    "pictures.light-curves": light_curves,
    "pictures.digits": digits,
}
