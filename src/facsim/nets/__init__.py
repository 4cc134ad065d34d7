"""Building blocks of networks."""

from facsim.nets.embedding import TimeEmbedding
from facsim.nets.moments import CellMoments
from facsim.nets.residual import ConditionedMLP

__all__ = ["CellMoments", "ConditionedMLP", "TimeEmbedding"]
