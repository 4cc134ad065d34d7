"""Verdict, figures and the page: how far generated events are from the truth."""

from facsim.report.evaluate import evaluate
from facsim.report.result import Report

__all__ = ["Report", "evaluate"]
