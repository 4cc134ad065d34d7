"""Hand a fitted model to others: one file, proven equal, with its speed beside the simulator's."""

from facsim.deploy.agreement import Agreement
from facsim.deploy.farm import Farm, Latency
from facsim.deploy.operators import SOFIE, Audit, audit
from facsim.deploy.speed import bench
from facsim.deploy.table import BenchTable
from facsim.deploy.writer import export

__all__ = ["SOFIE", "Agreement", "Audit", "BenchTable", "Farm", "Latency", "audit", "bench", "export"]
