"""Verdict, figures and the page: how far generated events are from the truth."""

from facsim.report.evaluate import evaluate
from facsim.report.result import Report
from facsim.report.sidebyside import Comparison

__all__ = ["Comparison", "Report", "evaluate"]
