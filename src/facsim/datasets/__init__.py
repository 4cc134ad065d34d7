"""Samples that come with facsim, with their provenance."""

from facsim.datasets.bundled import load, names, path, provenance

__all__ = ["load", "names", "path", "provenance"]
