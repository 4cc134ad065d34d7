"""The page of a tuning: verdict first, then parameters, their trust, and data against tuned and untuned simulation."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facsim.events import Events
from facsim.files import atomic
from facsim.report.drawing import Drawing, capital, markup
from facsim.report.labels import number, with_error
from facsim.report.page import environment
from facsim.report.tuning.corner import corner_width, draw_corner
from facsim.report.tuning.coverage import draw_coverage, draw_ranks
from facsim.report.tuning.evidence import Calibration, Closeness, Pushforward
from facsim.report.tuning.images import draw_images
from facsim.report.tuning.seeds import Seeds, describe_seeds
from facsim.report.tuning.simulations import compare_simulations, draw_simulations
from facsim.report.tuning.verdict import Verdict, judge
from facsim.simulators.parametric import Space

__all__ = ["TuningPage", "write_page"]

Array = NDArray[np.float64]
Kind = Literal["posterior", "population", "point"]

KINDS = {
    "posterior": "The samples are a posterior: what the data say about one set of parameters.",
    "population": (
        "The samples are a population: parameters that, taken together, make events like the data. Their width is the "
        "spread of the population (and of what the data cannot tell apart), not an error of one set of parameters."
    ),
    "point": "The result is one best point. How far the data leave it free was not found: there are no errors.",
}
ENLARGED = 1.15
"""Of a corner plot, so that its letters are as large as those of other figures."""


@dataclass(frozen=True)
class TuningPage:
    """All that the page shows.

    Parameters
    ----------
    title : str
        Of the simulator.
    method, label : str
        How it was tuned; what must be said of the method.
    kind : {"posterior", "population", "point"}
        What the samples are.
    space : Space
    samples : array (n, p)
    estimate : array (p,)
    calls, failed : int
        Events that the simulator was asked for, and did not give.
    seconds : float
    data : Events
    simulations : dict of str to Events
        ``default`` and ``tuned``: events of the simulator before and after.
    calibration : Calibration, optional
        How often intervals hold the truth.
    closeness : Closeness, optional
        Whether the data look like anything that the simulator can produce.
    pushforward : Pushforward, optional
        Whether events at the tuned parameters look like the data.
    seeds : Seeds, optional
        What every seed found alone, if there are several.
    truth : array (p,), optional
        Where it is known (closure tests); NaN where it is not.
    failures : str, optional
        In words.
    details : mapping, optional
        Further numbers.
    """

    title: str
    method: str
    label: str
    kind: Kind
    space: Space
    samples: Array
    estimate: Array
    calls: int
    failed: int
    seconds: float
    data: Events
    simulations: dict[str, Events]
    calibration: Calibration | None = None
    closeness: Closeness | None = None
    pushforward: Pushforward | None = None
    seeds: Seeds | None = None
    truth: Array | None = None
    failures: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def compared(self) -> dict[str, dict[str, Any]]:
        """Data and simulations, observable by observable; see `compare_simulations`."""
        return compare_simulations(self.data, self.simulations)

    @cached_property
    def verdict(self) -> Verdict:
        """What the page says first."""
        return judge(self.kind, self.calibration, self.closeness, self.compared, self.pushforward, len(self.data))


def write_page(page: TuningPage, path: str | os.PathLike[str]) -> Path:
    """Write the page as one HTML file that needs nothing from outside.

    Returns
    -------
    Path
        `path`.
    """
    marks = {"default": page.space.default} | ({"truth": page.truth} if page.truth is not None else {})
    shown = page.samples[:20_000]
    text = (
        environment()
        .get_template("tuning.html.j2")
        .render(
            page=page,
            meaning=KINDS[page.kind],
            verdict=page.verdict,
            rows=_rows(page),
            corner=markup(draw_corner(shown, page.space, marks)) if len(shown) > 1 else None,
            corner_width=round(ENLARGED * corner_width(len(page.space))),
            coverage=_coverage(page.calibration),
            seeds=None if page.seeds is None else describe_seeds(page.seeds, page.space, page.samples),
            simulations=draw_images(page.data, page.simulations)
            + [
                Drawing(
                    capital(e["label"].words.replace("_", " ")),
                    markup(draw_simulations(e, page.data.weights)),
                    (_distances(e),),
                )
                for e in page.compared.values()
            ],
            details={k: _plain(v) for k, v in page.details.items() if not isinstance(v, (dict, list, tuple))},
        )
    )
    target = Path(path)
    with atomic(target) as temporary:
        temporary.write_text(str(text), encoding="utf-8")
    return target


def _rows(page: TuningPage) -> list[dict[str, str]]:
    """The table of parameters; a point has no intervals."""
    low, high = np.quantile(page.samples, [0.16, 0.84], axis=0)
    wide_low, wide_high = np.quantile(page.samples, [0.025, 0.975], axis=0)
    rows = []
    for i, p in enumerate(page.space):
        write = _whole if p.whole else number
        value, half = float(page.estimate[i]), float(high[i] - low[i]) / 2
        row = {
            "name": p.name,
            "unit": p.unit,
            "range": f"{write(p.low)} to {write(p.high)}",
            "default": write(p.default),
            "value": write(value) if p.whole or page.kind == "point" else with_error(value, half),
            "central": "–",
            "wide": "–",
            "truth": "" if page.truth is None else write(float(page.truth[i])),
        }
        if page.kind != "point":
            row["central"] = _interval(float(low[i]), float(high[i]), whole=p.whole)
            row["wide"] = _interval(float(wide_low[i]), float(wide_high[i]), whole=p.whole)
        rows.append(row)
    return rows


def _whole(value: float | None) -> str:
    return number(value) if value is None or not math.isfinite(value) else f"{round(value)}".replace("-", "−")


def _interval(low: float, high: float, *, whole: bool = False) -> str:
    """Both ends with as many digits as their distance deserves.

    Examples
    --------
    >>> _interval(0.123, 0.345), _interval(16.0, 17.6, whole=True)
    ('0.123 to 0.345', '16 to 18')
    """
    if whole:
        low, high = math.floor(low), math.ceil(high)
        return f"{low} to {high}".replace("-", "−") if high > low else _whole(low)
    if not high > low:
        return number(low)
    digits = max(0, 2 - math.floor(math.log10(high - low)))
    return f"{low:.{digits}f} to {high:.{digits}f}".replace("-", "−")


def _coverage(found: Calibration | None) -> list[Drawing]:
    from scipy.stats import binom

    if found is None:
        return []
    levels = np.concatenate([[0.0], found.levels, [1.0]])
    # of a share that is known from so many tests
    band = tuple(np.asarray(binom.ppf(q, found.tests, levels)) / found.tests for q in (0.025, 0.975))
    ends = {name: np.concatenate([[0.0], shares, [1.0]]) for name, shares in found.coverage.items()}
    out = [Drawing("Coverage of central intervals", markup(draw_coverage(levels, ends, (band[0], band[1]))))]
    if found.tarp is not None:
        tarp = {"all together": np.concatenate([[0.0], found.tarp, [1.0]])}
        out.append(Drawing("Coverage of regions (TARP)", markup(draw_coverage(levels, tarp, (band[0], band[1])))))
    bins = max(5, min(20, found.tests // 20))
    out += [Drawing(f"Ranks of {name}", markup(draw_ranks(r, bins, name))) for name, r in found.ranks.items()]
    return out


def _distances(entry: dict[str, Any]) -> str:
    parts = [f"{k} {number(v, 2)} (by chance {number(entry['chance'][k], 2)})" for k, v in entry["w1"].items()]
    return f"W₁ to the data, in standard deviations of {entry['unit']}: {', '.join(parts)}"


def _plain(value: Any) -> str:
    return number(float(value)) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
