"""Invertible maps between physical events and the latent space where networks work; fitted, saved, exported."""

import math
from typing import Literal

from facsim.schema import Schema
from facsim.transforms.base import Code, Transform, fill
from facsim.transforms.context import ConditionScale, ConditionScales
from facsim.transforms.linear import LinearTransform
from facsim.transforms.logarithm import LogTransform
from facsim.transforms.marginals import Marginals
from facsim.transforms.physical import PhysicalTransform
from facsim.transforms.shower import ShowerTransform
from facsim.transforms.table import TableTransform

__all__ = [
    "Code",
    "ConditionScale",
    "ConditionScales",
    "LinearTransform",
    "LogTransform",
    "Marginals",
    "PhysicalTransform",
    "ShowerTransform",
    "TableTransform",
    "Transform",
    "TransformKind",
    "fill",
    "for_schema",
]

TransformKind = Literal["marginals", "scale", "standard", "unit-range", "symmetric-range", "log", "log10"]

BASES = {"log": math.e, "log10": 10.0}
INTERVALS = {"unit-range": (0.0, 1.0), "symmetric-range": (-1.0, 1.0)}


def for_schema(
    schema: Schema,
    knots: int = 10,
    *,
    kind: TransformKind = "marginals",
    unit: float | None = None,
    energy_unit: float | None = None,
    scales: ConditionScales = "standard",
) -> Transform:
    """Make the transform of a kind that fits a schema.

    Parameters
    ----------
    schema : Schema
    knots : int, optional
        Of the marginals' dependence on energy.
    kind : str, optional
        ``marginals``: columns through their own distributions, showers decomposed into energies and shares
        (`ShowerTransform` where there are layers and an incident energy, else `TableTransform`). ``scale``: physical
        values divided by a constant per block. ``standard``: columns centred and scaled. ``unit-range`` and
        ``symmetric-range``: from a block's smallest to its largest value is 0 to 1, or -1 to 1, for networks that end
        with a sigmoid or a hyperbolic tangent (all these `LinearTransform`). ``log`` and ``log10``: logarithms of
        1 + x / unit (`LogTransform`).
    unit, energy_unit : float, optional
        Constants of ``scale``; see `LinearTransform`.
    scales : str or mapping, optional
        Of the conditions; see `facsim.transforms.context.ConditionContext`.
    """
    if kind in BASES:
        return LogTransform(schema, base=BASES[kind], unit=unit, scales=scales)
    if kind != "marginals":
        interval = INTERVALS.get(kind)
        return LinearTransform(
            schema, centred=kind == "standard", unit=unit, energy_unit=energy_unit, interval=interval, scales=scales
        )
    if ShowerTransform.takes(schema):
        return ShowerTransform(schema, knots, scales)
    return TableTransform(schema, scales)
