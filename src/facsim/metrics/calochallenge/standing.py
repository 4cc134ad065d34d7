"""Where a model stands among the published submissions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from facsim.errors import DataError, nearest
from facsim.metrics.calochallenge.dataset import DataSet, data_set
from facsim.metrics.calochallenge.published import SOURCE, SPEEDS, geant4, published

__all__ = ["Place", "Standing", "pareto_front", "standing"]

QUANTITIES = (
    "fpd",
    "kpd",
    "auc_low",
    "auc_high",
    "auc_cnn",
    *(f"separation_{n}" for n in ("E_tot", "E_layer", "cell", "EC_eta", "EC_r", "width_eta", "width_r", "sparsity")),
    *SPEEDS,
    "parameters_generation",
)
PRDC_NOTE = (
    "Precision, recall, density and coverage are no scores here: blurred copies reach a density of 1000, and Geant4's "
    "own precision is 0.10 on data set 3."
)
WEAK_NOTE = (
    "The low-level network is the weak test: some models have a lower AUC there than on the high-level features. The "
    "strict one is the CNN, whose best published AUC is {}."
)
FLOOR_NOTE = "FPD of Geant4 against Geant4 is {}, which is that of 362 features and finite samples."
PION_NOTE = (
    "The two Geant4 files of this data set are not of one distribution: Geant4 against Geant4 has AUC 0.609 (low) and "
    "0.558 (high). Read an AUC against these, not against 0.5."
)
NOTES = {
    "1-photons": ("FPD of Geant4 against Geant4 is 0.00012, about the size of the published fit's bias.",),
    "1-pions": (PION_NOTE,),
    "2": (WEAK_NOTE.format("0.680"), FLOOR_NOTE.format("0.011")),
    "3": (WEAK_NOTE.format("0.656"), FLOOR_NOTE.format("0.009")),
}
TIME_NOTE = "Published times name no hardware: a time measured elsewhere is comparable to a factor of a few."


@dataclass(frozen=True)
class Place:
    """Standing in one quantity; smaller is better in all of them.

    Parameters
    ----------
    quantity : str
    value : float
        Of the model, in the units of `Submission` (FPD not times 1000; milliseconds).
    rank : int
        1 is best; number of submissions that are better, plus one.
    among : int
        Submissions with this quantity, the model included.
    better, worse : (str, float) or None
        The next better and the next worse submission with its value.
    floor : float or None
        Geant4 against Geant4.
    """

    quantity: str
    value: float
    rank: int
    among: int
    better: tuple[str, float] | None
    worse: tuple[str, float] | None
    floor: float | None


@dataclass(frozen=True)
class Standing:
    """A model among the submissions to one data set.

    Parameters
    ----------
    which : str
        Data set.
    name : str
        The model.
    places : dict of Place
        By quantity.
    notes : tuple of str
        What a reader must know before comparing.
    source : str
        Where the published numbers come from.
    """

    which: str
    name: str
    places: dict[str, Place]
    notes: tuple[str, ...]
    source: str = SOURCE

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings."""
        places = {
            name: {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(place).items()}
            for name, place in self.places.items()
        }
        return {**asdict(self), "places": places, "notes": list(self.notes)}

    def __str__(self) -> str:
        lines = [f"{self.name} among the submissions to CaloChallenge {self.which}"]
        for place in self.places.values():
            between = [f"{who} {value:.4g}" for who, value in filter(None, (place.better, place.worse))]
            floor = "" if place.floor is None else f", Geant4 {place.floor:.4g}"
            beside = f" (beside {', '.join(between)}{floor})"
            lines.append(f"  {place.quantity:<24}{place.value:>12.4g}  {place.rank:>2} of {place.among}{beside}")
        return "\n".join([*lines, *self.notes])


def standing(which: str | int | DataSet, results: Mapping[str, float | None], name: str = "this model") -> Standing:
    """Place a model among the published submissions, quantity by quantity.

    Parameters
    ----------
    which : str
        Data set.
    results : mapping
        Values of the model: any of ``fpd``, ``kpd``, ``auc_low``, ``auc_high``, ``auc_cnn``, ``separation_E_tot``,
        ``separation_E_layer``, ``separation_cell``, ``separation_EC_eta``, ``separation_EC_r``,
        ``separation_width_eta``, ``separation_width_r``, ``separation_sparsity``, times per shower in milliseconds
        ``gpu_1``, ``gpu_100``, ``gpu_10000``, ``cpu_1``, ``cpu_100``, ``cpu_10000``, and ``parameters_generation``.
        None is left out.
    name : str
        What to call the model.

    Returns
    -------
    Standing
        An AUC below 0.5 counts as its mirror image above: it is not better than a coin.

    Raises
    ------
    DataError
        For an unknown data set or quantity, or a value that is not finite.

    Examples
    --------
    >>> place = standing("ds2", {"fpd": 0.05}).places["fpd"]
    >>> place.rank, place.among, place.better, place.worse
    (2, 18, ('CaloDREAM', 0.02465), ('CaloScore', 0.11248))
    """
    chosen = data_set(which)
    places = {}
    for quantity, value in results.items():
        if quantity not in QUANTITIES:
            msg = f"no published quantity '{quantity}'; there are {list(QUANTITIES)}.{nearest(quantity, QUANTITIES)}"
            raise DataError(msg)
        if value is None:
            continue
        if not np.isfinite(value):
            msg = f"{quantity}={value}: must be finite to be placed; leave it out, or give None"
            raise DataError(msg)
        others = [(s.model, v) for s in published(chosen) if (v := s.value(quantity)) is not None]
        if others:
            places[quantity] = _place(quantity, float(value), others, geant4(chosen).value(quantity))
    notes = [*NOTES[chosen.name], PRDC_NOTE]
    if any(quantity in SPEEDS for quantity in places):
        notes.append(TIME_NOTE)
    return Standing(chosen.name, name, places, tuple(notes))


def _place(quantity: str, value: float, others: list[tuple[str, float]], floor: float | None) -> Place:
    def badness(v: float) -> float:
        return abs(v - 0.5) if quantity.startswith("auc") else v

    mine = badness(value)
    better = [o for o in others if badness(o[1]) < mine]
    worse = [o for o in others if badness(o[1]) >= mine]
    return Place(
        quantity,
        value,
        rank=len(better) + 1,
        among=len(others) + 1,
        better=max(better, key=lambda o: badness(o[1]), default=None),
        worse=min(worse, key=lambda o: badness(o[1]), default=None),
        floor=floor,
    )


def pareto_front(which: str | int | DataSet, quality: str = "fpd", speed: str = "gpu_100") -> tuple[str, ...]:
    """Submissions that none other beats in both quality and time, fastest first.

    Examples
    --------
    >>> pareto_front("ds3")
    ('Calo-VQ', 'MDMA', 'CaloScore single-shot', 'conv. L2LFlows', 'CaloDREAM')
    """
    points: list[tuple[float, float, str]] = []
    for submission in published(which):
        time, value = submission.value(speed), submission.value(quality)
        if time is not None and value is not None:
            points.append((time, value, submission.model))
    front: list[str] = []
    best = np.inf
    for _, value, model in sorted(points):
        if value < best:
            front.append(model)
            best = value
    return tuple(front)
