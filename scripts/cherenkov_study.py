"""Draw what the identification simulators give, and time them: ``python scripts/cherenkov_study.py``.

Writes ``docs/images/cherenkov/response.png`` and ``docs/generated/cherenkov.md``.
"""

import time
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from facsim.files import atomic
from facsim.simulators.cherenkov import GASES, PARTICLES, Dirc, Muon, Rich, RichCalibration, detector, repeat

DOCS = Path(__file__).parents[1] / "docs"
COLOURS = dict(zip(PARTICLES, ("tab:olive", "tab:green", "tab:blue", "tab:red", "tab:purple"), strict=True))
INSIDE = {"kinematics": "flat", "ETA": "2.2:4.2", "nTracks": "50:300"}
EDGES = np.geomspace(3, 200, 22)
N = 40_000


def share(events, chosen):
    """Share of events chosen in each bin of momentum."""
    of = np.digitize(events["P"], EDGES) - 1
    return np.array([chosen[of == i].mean() for i in range(len(EDGES) - 1)])


def draw() -> None:
    mpl.rcParams.update({"font.size": 9})
    figure, axes = plt.subplots(2, 3, figsize=(12.5, 7), layout="constrained")
    middle = np.sqrt(EDGES[1:] * EDGES[:-1])
    rich = {x: Rich(x, **INSIDE).sample(N, seed=i) for i, x in enumerate(PARTICLES)}
    plot = axes[0, 0]
    for x in ("pi", "p", "K"):
        plot.plot(rich[x]["P"][:8000], rich[x]["RichDLLk"][:8000], ".", ms=1, color=COLOURS[x], label=x)
    for gas in GASES:
        plot.axvline(gas.radiator.threshold()[PARTICLES.index("K")], color="0.4", lw=0.8)
    plot.set(xscale="log", xlabel="P [GeV]", ylabel="RichDLLk", title="Rings; lines: a kaon's thresholds")
    plot.legend(markerscale=8)
    plot = axes[0, 1]
    for cut, style in ((0, "-"), (5, "--")):
        for x in ("K", "pi"):
            label = f"{x}, RichDLLk > {cut}"
            plot.plot(middle, share(rich[x], rich[x]["RichDLLk"] > cut), style, color=COLOURS[x], label=label)
    plot.set(xscale="log", xlabel="P [GeV]", ylabel="share", title="Efficiency and misidentification")
    plot.legend()
    plot = axes[0, 2]
    tracks = [[30.0, 3.4, 150, 1], [30.0, 3.4, 800, 1], [80.0, 3.4, 150, 1]]
    for x in ("pi", "K"):
        for given, values, style in zip(tracks, repeat(Rich(x), tracks, 20_000, seed=3), ("-", "--", ":"), strict=True):
            name = f"{x}, {given[0]:.0f} GeV, {given[2]} tracks"
            bins = np.linspace(-130, 90, 111)
            plot.hist(values[:, 2], bins, histtype="step", ls=style, color=COLOURS[x], density=True, label=name)
    plot.set(yscale="log", xlabel="RichDLLk", title="True density at three points", ylim=(1e-5, None))
    plot.legend(fontsize=7)
    plot = axes[1, 0]
    bins = np.linspace(-30, 30, 121)
    for i, x in enumerate(PARTICLES):
        plot.hist(Dirc(x).sample(N, seed=i)["dll_kaon"], bins, histtype="step", color=COLOURS[x], label=x)
    plot.set(yscale="log", xlabel="dll_kaon", title="DIRC, 7 ± 1.5 GeV")
    plot.legend()
    plot = axes[1, 1]
    for x in PARTICLES:
        simulator = Muon(x, **INSIDE)
        plot.plot(middle, share(rich[x], simulator.probability(rich[x])), color=COLOURS[x], label=x)
    plot.set(xscale="log", yscale="log", ylim=(1e-5, 1.5), xlabel="P [GeV]", title="Probability of isMuon")
    plot.legend()
    plot = axes[1, 2]
    sample = RichCalibration("K").sample(N, seed=1)
    bins = np.linspace(*RichCalibration("K").window, 97)
    plot.hist(sample["mass"], bins, histtype="step", color="k", label="all")
    plot.hist(sample["mass"][sample["signal"] == 1], bins, histtype="step", color=COLOURS["K"], label="signal")
    plot.set(xlabel="mass [MeV]", title="rich-calibration")
    plot.legend()
    target = DOCS / "images" / "cherenkov" / "response.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=80)


def rate(name: str, **options) -> float:
    """Events per second of processor time, the best of three."""
    made, best = detector(name, **options), np.inf
    for seed in range(3):
        began = time.process_time()
        made.sample(20_000, seed=seed)
        best = min(best, time.process_time() - began)
    return 20_000 / best


def table() -> None:
    rows = []
    for name, options in (
        ("rich", {}),
        ("rich", {"kinematics": "flat"}),
        ("dirc", {}),
        ("muon", {}),
        ("pid", {}),
        ("rich-calibration", {}),
    ):
        asked = "".join(f" --set {key}={value}" for key, value in options.items())
        rows.append(f"| `{name}{asked}` | {rate(name, **options):,.0f} |")
    text = "\n".join(["| simulator | tracks per second and core |", "|---|---|", *rows, ""])
    with atomic(DOCS / "generated" / "cherenkov.md") as path:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    table()
    draw()
