"""``history.csv``: training and test errors of the players, every few epochs."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from facsim.files import atomic
from facsim.models import Batch, Draw, Surrogate
from facsim.report.history import HISTORY_FILE, PLACE, read_history, series_name
from facsim.training.phases import Stage
from facsim.training.state import TrainingState

__all__ = ["History"]

TEST = 2**31  # added to the step: tests have no noise of the training


class History:
    """Collect losses of training steps, and measure those of held-out events.

    A row holds phase, epoch in it, step, the mean training error of every player since the last row, and their test
    errors: the same losses, for held-out events and fresh generated ones. A discriminator's error is the mean over true
    and generated events, as in TMVA. Regularisation and penalties are not part of it. On resuming, rows beyond
    the resumed step are dropped.

    Parameters
    ----------
    folder : Path
        Run folder.
    model : Surrogate
    batch : Batch
        Held-out events.
    seed : int
        Of the tests' noise, together with the step.
    players : sequence of str
    step : int
        Step from which the training goes on.
    """

    def __init__(
        self, folder: Path, model: Surrogate, batch: Batch, seed: int, players: Sequence[str], step: int = 0
    ) -> None:
        self.path, self.model, self.batch, self.seed = folder / HISTORY_FILE, model, batch, seed
        self.names = {player: series_name(player) for player in players}
        self.columns = [*PLACE, *(f"{n} {what} error" for what in ("training", "test") for n in self.names.values())]
        self.held: dict[str, list[Tensor]] = {player: [] for player in players}
        before = read_history(self.path) if step else {}
        rows = zip(*(before.get(c, []) for c in self.columns), strict=True)
        with atomic(self.path) as temporary, temporary.open("w", newline="", encoding="utf-8") as sink:
            csv.writer(sink).writerows([self.columns, *(_words(row) for row in rows if row[2] <= step)])

    def note(self, player: str, figures: Mapping[str, Tensor]) -> None:
        """Hold the loss of one update."""
        if "loss" in figures:
            self.held[player].append(figures["loss"].detach() * self.model.loss_shares.get(player, 1.0))

    def due(self, state: TrainingState, stage: Stage) -> bool:
        """Whether the training stands at a test."""
        return bool(stage.test_every) and (state.step - state.begun) % stage.test_every == 0

    def write(self, state: TrainingState, stage: Stage) -> None:
        """Append a row."""
        draw = Draw(self.seed, state.step + TEST, device=self.batch.conditions.device)
        tested = self.model.errors(self.batch, state.step, draw)
        trained = {p: float(sum(map(float, held)) / len(held)) for p, held in self.held.items() if held}
        row = [state.phase + 1, (state.step - state.begun) / stage.epoch, state.step]
        row += [found.get(player, float("nan")) for found in (trained, tested) for player in self.names]
        with self.path.open("a", newline="", encoding="utf-8") as sink:
            csv.writer(sink).writerow(_words(row))
        for held in self.held.values():
            held.clear()


def _words(row: Sequence[float]) -> list[str]:
    return [f"{value:.6g}" if value % 1 else f"{value:.0f}" for value in row]
