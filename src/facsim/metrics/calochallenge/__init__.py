"""CaloChallenge (arXiv:2410.21611): its quantities by its definitions, and its published results to stand among.

`challenge` computes everything, `standing` places a model among the submissions, `published` holds their numbers.
"""

from facsim.metrics.calochallenge.challenge import ChallengeResult, challenge
from facsim.metrics.calochallenge.dataset import DATA_SETS, DataSet, data_set
from facsim.metrics.calochallenge.features import Features, classifier_inputs, features, prdc_inputs
from facsim.metrics.calochallenge.published import Submission, geant4, published
from facsim.metrics.calochallenge.separation import Separation, histogram_separation, separation_powers
from facsim.metrics.calochallenge.standing import Place, Standing, pareto_front, standing

__all__ = [
    "DATA_SETS",
    "ChallengeResult",
    "DataSet",
    "Features",
    "Place",
    "Separation",
    "Standing",
    "Submission",
    "challenge",
    "classifier_inputs",
    "data_set",
    "features",
    "geant4",
    "histogram_separation",
    "pareto_front",
    "prdc_inputs",
    "published",
    "separation_powers",
    "standing",
]
