"""Geometries of calorimeter cells: a detector is a `Schema` with one energy block per layer.

Edges and positions of the cells are in each block's `grid`, thresholds in its `threshold`.
"""

from facsim.detectors.binning_xml import read_binning_xml
from facsim.detectors.calochallenge import calochallenge
from facsim.detectors.calogan import calogan
from facsim.detectors.catalogue import get, names
from facsim.detectors.jet_images import jet_images
from facsim.detectors.meshes import box_mesh, cylinder_mesh

__all__ = ["box_mesh", "calochallenge", "calogan", "cylinder_mesh", "get", "jet_images", "names", "read_binning_xml"]
