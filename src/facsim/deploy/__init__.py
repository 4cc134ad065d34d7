"""Hand a fitted model to others: one ONNX file, proven equal, with its speed beside the simulator's."""

from facsim.deploy.agreement import Agreement
from facsim.deploy.speed import bench
from facsim.deploy.table import BenchTable
from facsim.deploy.writer import export

__all__ = ["Agreement", "BenchTable", "bench", "export"]
