"""Print the figures of a finished demo: ``python scripts/demo_summary.py demo``."""

import json
import sys
from pathlib import Path


def rows(folder: Path) -> list[tuple[str, str, str]]:
    """What was measured, its value, and what it should be compared with."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    bench = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    out = []
    for key, entry in metrics["classifiers"].items():
        if "auc" in entry:
            value, floor = (
                f"{entry[k]:.3f} +- {entry[e]:.3f}" for k, e in (("auc", "auc_error"), ("floor", "floor_error"))
            )
            out.append((f"{key.replace('_', '-')} classifier, AUC", value, f"truth against truth: {floor}"))
    fastest = max((r for r in bench["rates"] if r["engine"] == "onnx"), key=lambda r: r["per_second"])
    rate = f"{fastest['per_second']:,.0f} per core and second"
    out.append(("showers from model.onnx", rate, f"in batches of {fastest['batch']:,}"))
    for truth in bench["truth"]:
        energy = f"{truth['energy_gev']:g}"
        speed_up = f"speed-up: {bench['speed_up'][energy]:,.0f}"
        out.append((f"showers from Geant4, {energy} GeV", f"{truth['per_second']:.2g} per core and second", speed_up))
    if not bench["truth"]:
        out.append(("showers from Geant4", "not measured", "Geant4 or its data are not here"))
    return out


def main(folder: Path) -> None:
    """Print a table and the paths."""
    table = rows(folder)
    widths = [max(len(row[i]) for row in table) for i in range(2)]
    for name, value, note in table:
        print(f"  {name:<{widths[0]}}  {value:>{widths[1]}}  {note}")
    print(f"\n  report   {folder / 'report.html'}\n  model    {folder / 'model.onnx'}\n  run      {folder / 'run'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
