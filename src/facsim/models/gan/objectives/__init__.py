"""What critic and generator want, one file per idea."""

from facsim.models.gan.objectives.base import OBJECTIVES, Objective, Pointwise
from facsim.models.gan.objectives.wasserstein import Wasserstein

__all__ = ["OBJECTIVES", "Objective", "Pointwise", "Wasserstein"]
