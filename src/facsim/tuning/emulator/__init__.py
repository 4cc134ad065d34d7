"""A fast copy of a simulator over its whole space of parameters, and how good it is."""

from facsim.tuning.emulator.evaluate import evaluate_emulator
from facsim.tuning.emulator.train import points_of, train_emulator

__all__ = ["evaluate_emulator", "points_of", "train_emulator"]
