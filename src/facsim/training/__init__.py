"""One loop for all families: checkpoints, logs, validation by physics."""

from facsim.training.fit import fit_model
from facsim.training.settings import TrainingSettings

__all__ = ["TrainingSettings", "fit_model"]
