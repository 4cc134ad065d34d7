"""Figures and numbers of published studies, LAGAN's and CaloGAN's, for any number of models side by side.

`jets` and `showers` measure, `jet_figures` and `shower_figures` draw. All take a `Study`: truth, a second sample of the
truth for the floors, and copies by name.
"""

from facsim.report.studies.study import Study

__all__ = ["Study"]
