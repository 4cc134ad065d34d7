"""What keeps a critic smooth, one file per idea."""

from facsim.models.gan.penalties.adversarial import AdversarialLipschitz
from facsim.models.gan.penalties.base import PENALTIES, Penalty
from facsim.models.gan.penalties.centred import R1, R2, Roth
from facsim.models.gan.penalties.clipping import Clipping
from facsim.models.gan.penalties.dragan import Dragan
from facsim.models.gan.penalties.gradient import GradientPenalty

__all__ = ["PENALTIES", "R1", "R2", "AdversarialLipschitz", "Clipping", "Dragan", "GradientPenalty", "Penalty", "Roth"]
