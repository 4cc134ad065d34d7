"""Emulators of simulators with parameters: train one, judge it against its simulator, keep the figures.

python scripts/emulator_study.py lines regression --set model.law=binary        # 25 minutes on one quiet core
python scripts/emulator_study.py tracks regression --set model.net.activation=silu --set model.unit=1
python scripts/emulator_study.py lines magan --set training.steps=8000 --set model.generator.channels=16 ...
python scripts/emulator_study.py lines regression --set model.law=binary --calls 2000 --set training.steps=100 -n 300

Writes OUTPUT/SIMULATOR-RECIPE/{model.safetensors, ..., emulator.json}. Training and judging are timed apart.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from facsim.files import write_json
from facsim.models import load
from facsim.simulators.parametric import parametric
from facsim.tuning.emulator import evaluate_emulator, train_emulator


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    auc, pixels = found["auc"], found["pixels"]
    lines = [
        f"AUC given the parameters {auc['value']:.3f} ± {auc['error']:.3f}, {found['events']} events",
        f"its floor {auc['floor']:.3f} ± {auc['floor_error']:.3f}",
        *(f"{key} {pixels[key]:.5g} (floor {pixels[f'{key}_floor']:.5g})" for key in pixels if "floor" not in key),
        "",
        "| parameter | bias / resolution | bias / spread | width |",
        "|---|---|---|---|",
    ]
    for name, row in found["round_trip"].items():
        error = row["error"] / row["resolution"]
        lines.append(
            f"| {name} | {row['bias_share']:+.3f} ± {error:.3f} | {row['bias_of_spread']:+.4f} | {row['width']:.3f} |"
        )
    lines += ["", "| observable | W1 / spread | floor | chi2 / ndf | floor |", "|---|---|---|---|---|"]
    for name, row in found["histograms"].items():
        figures = (row[k] for k in ("w1", "w1_floor", "chi2_ndf", "chi2_ndf_floor"))
        lines.append(f"| {name} | " + " | ".join(f"{v:.3g}" for v in figures) + " |")
    for size, row in found["speed"].items():
        lines.append(f"batch {size}: {row['emulator']:.4g} events/s, simulator {row['simulator']:.4g}")
    if "gradient" in found:
        lines.append(f"gradient: {json.dumps(found['gradient'])}")
    return "\n".join(lines)


def main() -> None:
    """Train and judge."""
    out = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    out.add_argument("simulator")
    out.add_argument("recipe")
    out.add_argument("--calls", type=int, default=50_000)
    out.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the recipe")
    out.add_argument("-n", "--events", type=int, default=10_000, help="held-out events of each comparison")
    out.add_argument("--judge", action="store_true", help="what is in the folder; train nothing")
    out.add_argument("--seed", type=int, default=0)
    out.add_argument("-o", "--output", type=Path, default=Path("bench/out/emulators"))
    chosen = out.parse_args()
    torch.set_num_threads(1)
    simulator = parametric(chosen.simulator)
    folder = chosen.output / f"{chosen.simulator}-{Path(chosen.recipe).stem}"
    began = time.perf_counter()
    if chosen.judge:
        model = load(folder)
    else:
        overrides = dict(pair.split("=", 1) for pair in chosen.set)
        model = train_emulator(
            simulator,
            calls=chosen.calls,
            recipe=chosen.recipe,
            overrides=overrides,
            seed=chosen.seed,
            folder=folder,
            progress=lambda done, total: print(f"\r{done}/{total}", end="", flush=True) if done % 50 == 0 else None,
        )
    trained = time.perf_counter() - began
    found = evaluate_emulator(model, simulator, n=chosen.events, seed=chosen.seed + 1, progress=print)
    found |= {"training_seconds": trained, "judging_seconds": time.perf_counter() - began - trained}
    write_json(folder / "emulator.json", found)
    print(table(found))
    print(f"trained in {trained:.0f} s, judged in {found['judging_seconds']:.0f} s")


if __name__ == "__main__":
    main()
