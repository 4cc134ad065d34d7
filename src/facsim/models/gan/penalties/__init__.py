"""What keeps a critic smooth, one file per idea."""

from facsim.models.gan.penalties.base import PENALTIES, Penalty
from facsim.models.gan.penalties.gradient import GradientPenalty

__all__ = ["PENALTIES", "GradientPenalty", "Penalty"]
