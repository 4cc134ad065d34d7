"""The table of pidgan's tutorials: four DLLs of a RICH toy, kinematics and charge, separated by commas.

``P`` in MeV becomes GeV, and ``trackcharge``, -1 or +1, the category ``charge``.
"""

from __future__ import annotations

from facsim.io.known_table import known_table
from facsim.io.text_table import Column, header_of
from facsim.schema import Block

__all__ = ["PIDGAN_CSV"]

MEV_PER_GEV = 1000.0
FEATURES = tuple(Column(Block(name), name) for name in ("RichDLLe", "RichDLLmu", "RichDLLk", "RichDLLp"))
CONDITIONS = (
    Column(Block("P", unit="GeV"), "P", MEV_PER_GEV),
    Column(Block("ETA"), "ETA"),
    Column(Block("nTracks"), "nTracks"),  # smeared there: no whole numbers
    Column(Block("charge", (), "category", names=("-1", "+1")), "trackcharge", 2.0, -1.0),
)


def _begins(begin: bytes) -> bool:
    delimiter, names = header_of(begin)
    return delimiter == "," and {"trackcharge", "nTracks"} <= set(names)


PIDGAN_CSV = known_table(
    "pidgan-csv",
    FEATURES,
    CONDITIONS,
    delimiter=",",
    suffix=".csv",
    weights="probe_sWeight",
    begins=_begins,
    detector="rich",
)
