"""Distances and tests between two samples: seeded, and with signed event weights where the quantity can take them.

Every docstring says what two samples of one truth give on average; `floor` measures it. Distances of one observable are
in `DISTANCES`; `high_level_auc` and `low_level_auc` let a classifier look for what observables one by one do not show.
"""

from facsim.metrics.amplify import Amplification, amplification
from facsim.metrics.auc_map import AUCMap, Scored, delta_auc_map
from facsim.metrics.binned import equal_population_edges, separation_power
from facsim.metrics.c2st import c2st
from facsim.metrics.calibration import SBC, TARP, Coverage, coverage, sbc, sbc_ranks, tarp
from facsim.metrics.categories import by_category
from facsim.metrics.chi_square import Chi2Result, chi2, chi2_2d
from facsim.metrics.classifier import ClassifierResult, FoldResult
from facsim.metrics.condition_bins import Tracks, condition_edges, effective_in_bins
from facsim.metrics.confusion import Confusion, label_confusion
from facsim.metrics.copies import Memorisation, memorisation
from facsim.metrics.correlation import correlation_distance
from facsim.metrics.cramer import CramerVonMisesResult, cramer_von_mises, cramer_von_mises_test
from facsim.metrics.cumulative import KSResult, ks, ks_statistic, wasserstein
from facsim.metrics.distances import DISTANCES, Distance, compare
from facsim.metrics.efficiency import EfficiencyTable, efficiency_ratios, wilson
from facsim.metrics.energy import energy_distance
from facsim.metrics.floors import Floor, floor
from facsim.metrics.frechet import fpd, frechet_distance
from facsim.metrics.high_level import high_level_auc
from facsim.metrics.kernels import kpd, mmd
from facsim.metrics.low_level import low_level_auc
from facsim.metrics.modes import ModeCoverage, mode_coverage
from facsim.metrics.monitor import Monitor
from facsim.metrics.monitor_result import MonitorResult, MonitorRow
from facsim.metrics.multivariate import MULTIVARIATE, MultivariateDistance
from facsim.metrics.needed import Needed, events_needed
from facsim.metrics.permutation import Null, TestResult, distance_tests, null_distribution, permutation_test
from facsim.metrics.power import PowerCurve, power_curve, power_curves
from facsim.metrics.prd import PRD, prd, worst_prd
from facsim.metrics.precision_recall import PRDC, precision_recall
from facsim.metrics.protocols import PROTOCOLS, Protocol, protocol_auc
from facsim.metrics.quadratic import Estimate
from facsim.metrics.quantiles import weighted_quantiles
from facsim.metrics.response import Response, response_along
from facsim.metrics.roc import AUC, auc, calibrate, jsd
from facsim.metrics.samples import effective_size
from facsim.metrics.selection import binned_emd, selection_distance
from facsim.metrics.sliced import sliced_ks, sliced_wasserstein
from facsim.metrics.slices import random_slice_ks
from facsim.metrics.tails import (
    Deviation,
    WeightTails,
    classifier_weights,
    explain,
    most_fake,
    most_missing,
    weight_tails,
)
from facsim.metrics.transfer import Transfer, TransferResult, transfer
from facsim.metrics.uniform import Uniformity, uniformity
from facsim.metrics.usable import UsableBins, usable_bins
from facsim.metrics.worth import EquivalentEvents, equivalent_events

__all__ = [
    "AUC",
    "DISTANCES",
    "MULTIVARIATE",
    "PRD",
    "PRDC",
    "PROTOCOLS",
    "SBC",
    "TARP",
    "AUCMap",
    "Amplification",
    "Chi2Result",
    "ClassifierResult",
    "Confusion",
    "Coverage",
    "CramerVonMisesResult",
    "Deviation",
    "Distance",
    "EfficiencyTable",
    "EquivalentEvents",
    "Estimate",
    "Floor",
    "FoldResult",
    "KSResult",
    "Memorisation",
    "ModeCoverage",
    "Monitor",
    "MonitorResult",
    "MonitorRow",
    "MultivariateDistance",
    "Needed",
    "Null",
    "PowerCurve",
    "Protocol",
    "Response",
    "Scored",
    "TestResult",
    "Tracks",
    "Transfer",
    "TransferResult",
    "Uniformity",
    "UsableBins",
    "WeightTails",
    "amplification",
    "auc",
    "binned_emd",
    "by_category",
    "c2st",
    "calibrate",
    "chi2",
    "chi2_2d",
    "classifier_weights",
    "compare",
    "condition_edges",
    "correlation_distance",
    "coverage",
    "cramer_von_mises",
    "cramer_von_mises_test",
    "delta_auc_map",
    "distance_tests",
    "effective_in_bins",
    "effective_size",
    "efficiency_ratios",
    "energy_distance",
    "equal_population_edges",
    "equivalent_events",
    "events_needed",
    "explain",
    "floor",
    "fpd",
    "frechet_distance",
    "high_level_auc",
    "jsd",
    "kpd",
    "ks",
    "ks_statistic",
    "label_confusion",
    "low_level_auc",
    "memorisation",
    "mmd",
    "mode_coverage",
    "most_fake",
    "most_missing",
    "null_distribution",
    "permutation_test",
    "power_curve",
    "power_curves",
    "prd",
    "precision_recall",
    "protocol_auc",
    "random_slice_ks",
    "response_along",
    "sbc",
    "sbc_ranks",
    "selection_distance",
    "separation_power",
    "sliced_ks",
    "sliced_wasserstein",
    "tarp",
    "transfer",
    "uniformity",
    "usable_bins",
    "wasserstein",
    "weight_tails",
    "weighted_quantiles",
    "wilson",
    "worst_prd",
]
