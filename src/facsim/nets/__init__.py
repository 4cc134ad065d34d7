"""Building blocks of networks."""

from facsim.nets.differences import Differences
from facsim.nets.embedding import TimeEmbedding
from facsim.nets.mixture import MixtureNet
from facsim.nets.moments import CellMoments
from facsim.nets.residual import ConditionedMLP

__all__ = ["CellMoments", "ConditionedMLP", "Differences", "MixtureNet", "TimeEmbedding"]
