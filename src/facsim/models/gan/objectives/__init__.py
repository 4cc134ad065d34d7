"""What critic and generator want, one file per idea."""

from facsim.models.gan.objectives.base import OBJECTIVES, Objective, Pointwise
from facsim.models.gan.objectives.cramer import Cramer
from facsim.models.gan.objectives.divergence import DIVERGENCES, FDivergence, bound
from facsim.models.gan.objectives.energy import Energy, energy_distance
from facsim.models.gan.objectives.equilibrium import BoundaryEquilibrium
from facsim.models.gan.objectives.hinge import Hinge
from facsim.models.gan.objectives.least_squares import LeastSquares
from facsim.models.gan.objectives.logistic import Minimax, NonSaturating
from facsim.models.gan.objectives.moments import MaximumMeanDiscrepancy, discrepancy
from facsim.models.gan.objectives.relativistic import Relativistic
from facsim.models.gan.objectives.score import EnergyScore
from facsim.models.gan.objectives.wasserstein import Wasserstein

__all__ = [
    "DIVERGENCES",
    "OBJECTIVES",
    "BoundaryEquilibrium",
    "Cramer",
    "Energy",
    "EnergyScore",
    "FDivergence",
    "Hinge",
    "LeastSquares",
    "MaximumMeanDiscrepancy",
    "Minimax",
    "NonSaturating",
    "Objective",
    "Pointwise",
    "Relativistic",
    "Wasserstein",
    "bound",
    "discrepancy",
    "energy_distance",
]
