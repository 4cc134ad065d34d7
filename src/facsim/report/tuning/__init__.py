"""The page of a tuning."""

from facsim.report.tuning.evidence import Calibration, Closeness, Pushforward
from facsim.report.tuning.page import TuningPage, write_page
from facsim.report.tuning.seeds import Seeds
from facsim.report.tuning.verdict import Verdict, judge

__all__ = ["Calibration", "Closeness", "Pushforward", "Seeds", "TuningPage", "Verdict", "judge", "write_page"]
