"""Do weighted metrics remove a background? Signal under 30 % and 70 % background, removed by sWeights.

    python scripts/sweights_study.py [--repeats 40] [--events 4000] [-o FOLDER]

In every repetition a reference is made of signal and background events with a mass, sWeights are computed from the mass
alone (Pivk and Le Diberder, arXiv:physics/0402083, with the true densities), and each metric compares it with a
generated sample that differs from the signal by a known distortion. The same metric for the pure signal is the value to
agree with. Distances that are positive by construction are compared less their null (in squares, where they are not
quadratic themselves), which is larger for the weighted sample.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from facsim.errors import WeightError
from facsim.metrics import DISTANCES, MULTIVARIATE, Distance, effective_size, null_distribution
from facsim.simulators.toys import background_mass, draw_background_mass, signal_mass, sweights

DIMENSIONS = 6


def signal(rng: np.random.Generator, n: int, *, distorted: bool = False) -> np.ndarray:
    """Correlated and skewed features; the distorted ones are shifted, wider and less correlated."""
    mixing = np.eye(DIMENSIONS) + 0.5 * np.eye(DIMENSIONS, k=1) * (0.4 if distorted else 1.0)
    features = rng.normal(0, 1, (n, DIMENSIONS)) @ mixing
    features[:, 0] = np.exp(0.4 * features[:, 0])
    return features * (1.1 if distorted else 1.0) + (0.2 if distorted else 0.0)


def background(rng: np.random.Generator, n: int) -> np.ndarray:
    """Far from the signal in every feature."""
    return rng.exponential(1.5, (n, DIMENSIONS)) - 2.5


def reference(rng: np.random.Generator, n: int, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pure signal, then signal with background under it and the sWeights."""
    n_background = round(n * share / (1 - share))
    pure = signal(rng, n)
    masses = np.concatenate([rng.normal(0, 1, n), draw_background_mass(rng, n_background)])
    inside = np.abs(masses) < 5
    features = np.concatenate([pure, background(rng, n_background)])
    masses = masses[inside]
    return pure, features[inside], sweights(signal_mass(masses), background_mass(masses), n, n_background)


def debiased(distance: Distance, p: np.ndarray, q: np.ndarray, wp: np.ndarray | None) -> float:
    """A distance of one observable less what chance adds to it; NaN where it cannot take the weights."""
    try:
        value = distance(p, q, wp=wp)
    except WeightError as error:
        print(f"{distance.name}: {error}")
        return np.nan
    null = null_distribution(p, q, wp=wp, distances=[distance.name], replicas=99)[distance.name]
    if distance.quadratic:
        return value - null.mean
    return root(value**2 - float(np.mean(np.square(null.values))))


def root(square: float) -> float:
    """Square root that keeps the sign."""
    return float(np.sign(square) * np.sqrt(abs(square)))


def study(share: float, events: int, repeats: int, seed: int) -> dict[str, dict[str, float]]:
    """Mean of every metric for pure and for weighted references, and how far they are apart."""
    pairs: dict[str, list[tuple[float, float]]] = {}
    sizes = []
    for i in range(repeats):
        rng = np.random.default_rng([seed, i])
        pure, mixed, weights = reference(rng, events, share)
        copy = signal(rng, events, distorted=True)
        sizes.append(effective_size(len(mixed), weights))
        column = 1
        for name, distance in DISTANCES.items():
            values = tuple(
                debiased(distance, x[:, column], copy[:, column], w) for x, w in ((pure, None), (mixed, weights))
            )
            pairs.setdefault(name, []).append(values)
        for name, distance in MULTIVARIATE.items():
            try:
                both = distance(pure, copy), distance(mixed, copy, wx=weights)
            except WeightError as error:
                print(f"{name}: {error}")
                continue
            values = tuple(e.value if not e.null else root(e.value**2 - e.null**2) for e in both)
            pairs.setdefault(name, []).append(values)
    out = {"effective events": {"pure": float(events), "weighted": float(np.mean(sizes))}}
    for name, found in pairs.items():
        pure_values, weighted = np.array([pair for pair in found if np.isfinite(pair).all()]).T
        difference = weighted - pure_values
        used = len(difference)
        out[name] = {
            "pure": float(pure_values.mean()),
            "weighted": float(weighted.mean()),
            "difference": float(difference.mean()),
            "error": float(difference.std(ddof=1) / np.sqrt(used)),
            "spread": float(difference.std(ddof=1)),
            "experiments": used,
        }
    return out


def main() -> None:
    """Run both shares and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--events", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    results = {}
    for share in (0.3, 0.7):
        results[f"{share:.0%}"] = study(share, options.events, options.repeats, options.seed)
        print(f"\n{share:.0%} background, {options.events} signal events, {options.repeats} repetitions\n")
        print("| metric | pure signal | sWeights | difference | spread of one | in errors |")
        print("|---|---|---|---|---|---|")
        for name, e in results[f"{share:.0%}"].items():
            if "error" in e:
                print(
                    f"| {name} | {e['pure']:.4g} | {e['weighted']:.4g} | {e['difference']:.2g} ± {e['error']:.2g} "
                    f"| {e['spread']:.2g} | {e['difference'] / e['error']:+.1f} |"
                )
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "sweights.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
