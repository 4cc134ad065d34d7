"""Invertible maps between physical events and the latent space where networks work; fitted, saved, exported."""

from facsim.schema import Schema
from facsim.transforms.base import Code, Transform, fill
from facsim.transforms.marginals import Marginals
from facsim.transforms.shower import ShowerTransform
from facsim.transforms.table import TableTransform

__all__ = ["Code", "Marginals", "ShowerTransform", "TableTransform", "Transform", "fill", "for_schema"]


def for_schema(schema: Schema, knots: int = 10) -> Transform:
    """The transform that fits a schema: showers where there are layers and an incident energy, else a table."""
    return ShowerTransform(schema, knots) if ShowerTransform.takes(schema) else TableTransform(schema)
