"""Verdict, figures and the page: how far generated events are from the truth."""

from facsim.report.evaluate import evaluate
from facsim.report.result import Report
from facsim.report.several import compare
from facsim.report.sidebyside import Comparison
from facsim.report.watch import monitor

__all__ = ["Comparison", "Report", "compare", "evaluate", "monitor"]
