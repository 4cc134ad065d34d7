"""Watching the game: after every round, who learns what, and whether it still goes well."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import CapabilityError
from facsim.events import Events
from facsim.metrics.discriminate import discriminate, score_histogram
from facsim.models import Surrogate
from facsim.observables import showers
from facsim.observables.weights import shares
from facsim.training.closeness import Closeness
from facsim.training.collapse import Detector, Symptom
from facsim.training.journal import Journal
from facsim.training.logs import LOG_FILE
from facsim.training.snapshots import Snapshots

__all__ = ["Watch"]

Array = NDArray[np.float64]

EVENTS = 500
"""Held-out events that a watch uses at most."""
VALUES = 2**22
"""Numbers in them at most, but for a few events."""
FEWEST = 40
LOGGED = {
    "critic/gradient": "critic_gradient",
    "generator/gradient": "generator_gradient",
    "validation/distance": "distance",
    "learning_rate": "rate",
}
"""What is taken from ``log.csv``: its name there, and here."""


class Watch:
    """Look at a model at every validation: what the critic says, whether events have variety, whether they are copies.

    One line per look goes to ``watch.jsonl`` (see `facsim.training.journal`), and a few events to ``snapshots.npz``.
    A look draws other events every time, but never a number that the training would have drawn.

    Parameters
    ----------
    events : Events
        Held-out.
    training : Events
        Some of those trained on, to find copies of them; as many as held out, or more.
    folder : Path
        Run folder.
    seed : int
    step : int, optional
        Step from which the training goes on: what was written beyond it is dropped.
    stop_after : int, optional
        Validations that a symptom may last until `stop` is set; 0 for ever.

    Attributes
    ----------
    symptoms : list of Symptom
        Of the last look.
    stop : str or None
        Why the training should stop.

    Examples
    --------
    >>> watch = Watch(held_out, some_training_events, folder, seed=0)  # doctest: +SKIP
    >>> figures = watch(model, step=2000)  # doctest: +SKIP
    """

    def __init__(
        self, events: Events, training: Events, folder: Path, seed: int, *, step: int = 0, stop_after: int = 0
    ) -> None:
        most = min(EVENTS, max(FEWEST, VALUES // max(events.schema.width, 1)))
        self.folder, self.seed = folder, seed
        self.events = events[:most]
        self.closeness = Closeness(self.events, training[: 4 * most], seed)
        self.snapshots = Snapshots(folder, events, seed, step)
        self.journal = Journal(folder, step)
        self.detector = Detector(stop_after, self.journal.rows)

    @property
    def symptoms(self) -> list[Symptom]:
        """Symptoms of the last look."""
        return self.detector.symptoms

    @property
    def stop(self) -> str | None:
        """Why the training should stop; None if it need not."""
        return self.detector.stop

    def __call__(self, model: Surrogate, step: int) -> dict[str, float]:
        """Look at the model after `step` steps; return the figures that also stand in ``watch.jsonl``.

        Returns
        -------
        dict of str to float
            ``true_positive``, ``false_positive``, ``auc``, ``gap`` (`facsim.metrics.discriminate`) and ``scale``
            (spread of the real events' scores) if the model has a critic; those of `Closeness`; ``response`` and
            ``resolution`` of showers over those of the truth; ``moved`` (see `Snapshots`); ``seconds`` of this look.
        """
        begin = time.perf_counter()
        # other noise at every look, and none of a validation's
        drawn = model.sample(self.events, seed=int(np.random.SeedSequence([self.seed, step]).generate_state(1)[0]))
        finite = bool(np.isfinite(drawn.features).all())
        figures: dict[str, float] = {}
        row: dict[str, Any] = {"step": step, "finite": finite}
        if finite:
            scores = self._scores(model, drawn)
            figures = self._response(drawn) | self.closeness(drawn)
            if scores is not None:
                finite = row["finite"] = all(bool(np.isfinite(s).all()) for s in scores)
            if scores is not None and finite:
                judged, row["scores"] = self._judged(scores, getattr(model, "undecided", None))
                figures = judged | figures
        moved = self.snapshots.add(model, step)
        if moved is not None:
            figures["moved"] = moved
        logged = _logged(self.folder / LOG_FILE, self.journal.rows[-1]["step"] if self.journal.rows else 0, step)
        row["figures"] = figures | logged
        row["symptoms"] = [s.to_json() for s in self.detector(row, model.name)]
        figures["seconds"] = row["figures"]["seconds"] = time.perf_counter() - begin
        self.journal.append(row)
        return figures

    def _scores(self, model: Surrogate, drawn: Events) -> tuple[Array, Array] | None:
        """What the critic says of real and of generated events; None if there is no critic, or only one event."""
        if "score" not in model.capabilities or len(self.events) < 2:
            return None
        judge: Any = model
        try:
            return judge.scores(self.events, seed=self.seed), judge.scores(drawn, seed=self.seed)
        except CapabilityError:  # a family that has critics, and a model without
            return None

    def _judged(self, scores: tuple[Array, Array], undecided: float | None) -> tuple[dict[str, float], dict[str, Any]]:
        """Right and wrong answers, and the histogram of the scores."""
        wr = self.events.weights
        wf = wr if self.events.schema.conditions else None
        found = discriminate(*scores, undecided=undecided, wr=wr, wf=wf, seed=self.seed)
        edges, *counts = score_histogram(*scores, wr=wr, wf=wf)
        histogram: dict[str, Any] = {"low": edges[0], "high": edges[-1], "threshold": found.threshold}
        for name, shown in zip(("real", "fake"), counts, strict=True):
            histogram[name] = [round(float(v), 5) for v in shown]
        figures = {k: v for k, v in found.to_json().items() if k != "threshold"}
        return figures | {"scale": float(np.std(scores[0]))}, histogram

    def _response(self, drawn: Events) -> dict[str, float]:
        """Mean and relative spread of deposited over incident energy, each over that of the truth."""
        if not drawn.schema.layers or showers.incident_energy(drawn) is None:
            return {}
        share, found = shares(self.events.weights, len(self.events)), []
        for events in (drawn, self.events):
            incident = showers.incident_energy(events)
            values = showers.response(showers.layer_energies(events).sum(axis=1), np.asarray(incident))
            mean = float(share @ values)
            found.append((mean, np.sqrt(max(float(share @ (values - mean) ** 2), 0.0)) / mean if mean > 0 else 0.0))
        ratios = ((a / b, name) for a, b, name in zip(*found, ("response", "resolution"), strict=True) if b > 0)
        return {name: float(ratio) for ratio, name in ratios}


def _logged(path: Path, after: int, until: int) -> dict[str, float]:
    """Means of what the training logged between two looks."""
    held: dict[str, list[float]] = {}
    if path.is_file():
        with path.open(newline="") as source:
            for line in csv.reader(source):
                if len(line) == 3 and line[1] in LOGGED and line[0].isdigit() and after < int(line[0]) <= until:
                    held.setdefault(LOGGED[line[1]], []).append(float(line[2]))
    return {name: float(np.mean(values)) for name, values in held.items()}
