"""All detectors that answer with numbers or images by name."""

from __future__ import annotations

from facsim.simulators.cherenkov.calibration import MuonCalibration, PIDCalibration, RichCalibration
from facsim.simulators.cherenkov.dirc import Dirc
from facsim.simulators.cherenkov.muon import Muon
from facsim.simulators.cherenkov.pid import GlobalPID
from facsim.simulators.cherenkov.rich import Rich
from facsim.simulators.images import Tpc, Zdc
from facsim.simulators.toys.shelf import Shelf

__all__ = ["DETECTORS", "detector", "detector_names", "detector_options", "write_detector"]

DETECTORS = Shelf(
    "detector",
    {
        made.name: made
        for made in (Dirc, Rich, Muon, GlobalPID, RichCalibration, MuonCalibration, PIDCalibration, Tpc, Zdc)
    },
)

detector_names, detector_options = DETECTORS.names, DETECTORS.options
detector, write_detector = DETECTORS.get, DETECTORS.write
