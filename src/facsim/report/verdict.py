"""The figures in plain words: which test sees a difference, and what is worst."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from facsim.report.labels import label, number, with_error
from facsim.report.result import CLASSIFIERS

__all__ = ["Verdict", "find_warnings", "judge"]

FEW_EVENTS = 1000
ALL = {1: "the only test sees it", 2: "both tests see it", 3: "all three tests see it", 4: "all four tests see it"}


@dataclass(frozen=True)
class Verdict:
    """Judgement in words.

    Parameters
    ----------
    differs : bool
        Whether any test sees a difference.
    headline : str
        One sentence.
    findings : tuple of str
        One sentence per test, then the worst observables.
    """

    differs: bool
    headline: str
    findings: tuple[str, ...]

    @property
    def text(self) -> str:
        """All sentences."""
        return " ".join([self.headline, *self.findings])


def judge(metrics: dict[str, Any]) -> Verdict:
    """Put the metrics of `facsim.report.evaluate` into words."""
    observables = {name: entry for name, entry in metrics["observables"].items() if "error" not in entry}
    different = [name for name, entry in observables.items() if entry["differs"]]
    tests = {"observables": bool(different)}
    findings = []
    for key, entry in metrics["classifiers"].items():
        name = CLASSIFIERS.get(key, f"{key} classifier")  # others are protocols
        if "auc" not in entry:
            continue
        tests[name] = entry["differs"]
        findings.append(
            f"The {name} {_sees(entry)} (AUC {with_error(entry['auc'], entry['auc_error'])}; truth against truth "
            f"gives {with_error(entry['floor'], entry['floor_error'])}; {entry['events']:,} events each)."
        )
    distances = [e for e in metrics.get("distances", {}).values() if isinstance(e, dict) and "differs" in e]
    if distances:
        count = sum(entry["differs"] for entry in distances)
        tests["distances"] = count > 0
        verb = "sees" if count == 1 else "see"
        findings.append(
            f"{count or 'None'} of the {len(distances)} distances between all observables at once "
            f"{verb if count else 'sees'} a difference."
        )
    bins = metrics.get("pid") or {}
    if "sentence" in bins:
        tests["bins"] = bins["differs"]
        findings.append(bins["sentence"])
    if len(observables) == 1:
        verb = "differs" if different else "does not differ"
        findings.append(f"The only observable {verb} by the Kolmogorov–Smirnov test.")
    elif different:
        verb = "differs" if len(different) == 1 else "differ"
        findings.append(f"{len(different)} of {len(observables)} observables {verb} by the Kolmogorov–Smirnov test.")
    elif observables:
        findings.append(f"None of the {len(observables)} observables differs by the Kolmogorov–Smirnov test.")
    if observables:
        findings.append(f"Farthest from their floor: {_worst(observables)}.")
    seen = [name for name, differs in tests.items() if differs]
    if not seen:
        size = metrics["events"]["generated"]
        blunt = ": too few to see any but a large one" if size < FEW_EVENTS else ""
        headline = f"No test sees a difference with {size:,} generated events{blunt}."
    elif len(seen) == len(tests):
        headline = f"Generated and reference events differ: {ALL.get(len(tests), 'all tests see it')}."
    else:
        verb = "sees" if len(seen) == 1 else "see"
        headline = f"Generated and reference events differ: {len(seen)} of {len(tests)} tests {verb} it."
    return Verdict(bool(seen), headline, tuple(findings))


def _sees(entry: dict[str, Any]) -> str:
    if not entry["differs"]:
        return "sees no difference"
    if entry["auc"] < 0.5:
        return "is systematically wrong, which happens when events of one sample repeat those of the other"
    return "separates them almost perfectly" if entry["auc"] > 0.99 else "tells them apart"


def _worst(observables: dict[str, dict[str, Any]]) -> str:
    parts = []
    for name, entry in list(observables.items())[:3]:
        excess = entry["excess"]
        distance = "the truth never varies" if excess is None else f"{number(excess, 2)}×"
        parts.append(f"{label(name).words} ({distance})")
    return ", ".join(parts)


def find_warnings(metrics: dict[str, Any]) -> list[str]:
    """What a reader must know before trusting the figures."""
    events, found = metrics["events"], []
    for name, entry in metrics["conditions"].items():
        if entry["differs"]:
            low, high = (number(v) for v in entry["reference_range"])
            other_low, other_high = (number(v) for v in entry["generated_range"])
            found.append(
                f"The condition “{name}” is distributed differently (KS {number(entry['ks'])}, p = "
                f"{number(entry['ks_pvalue'], 2)}; reference {low} to {high}, generated {other_low} to {other_high}). "
                "Whatever depends on it differs for that reason alone. Draw the events at the reference's conditions: "
                "facsim sample MODEL --like REFERENCE."
            )
    if metrics["floor_differs"]:
        names = ", ".join(metrics["floor_differs"][:3])
        found.append(
            f"The two truth samples differ from each other ({names}): the floors are no floors. "
            "Were both simulated with the same settings?"
        )
    for name, entry in metrics["observables"].items():
        if "error" in entry:
            found.append(f"The observable “{name}” could not be compared: {entry['error']}")
    size = events["generated"]
    effective = min([size, *events.get("effective", {}).values()])
    if size < FEW_EVENTS:
        found.append(
            f"Only {size:,} generated events enter the comparison: the tests are blunt, and small differences stay "
            "unseen."
        )
    elif effective < FEW_EVENTS:
        found.append(
            f"The event weights leave the statistics of only {effective:,.0f} unweighted events: the tests are blunt, "
            "and small differences stay unseen."
        )
    repeated = metrics.get("repeated", {})
    if repeated.get("second_reference"):
        found.append(
            f"{repeated['second_reference']:,} of {events['whole_events']['second_reference']:,} events of the second "
            "truth sample are also in the reference: the floors are too low. Give independent truth samples."
        )
    if repeated.get("generated"):
        found.append(
            f"{repeated['generated']:,} of {events['whole_events']['generated']:,} generated events have an exact "
            "copy among the reference events: the generated sample contains truth events."
        )
        return found
    for layer, entry in metrics.get("neighbours", {}).items():
        if entry["copies"]:
            found.append(
                f"{entry['copies']:,} of {entry['queries']:,} reference events have an exact copy among the generated "
                f"events ({layer.replace('_', ' ')}): the generated sample contains truth events."
            )
            break
    return found
