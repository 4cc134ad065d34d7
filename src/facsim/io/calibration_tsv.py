"""The calibration samples of LHCb's RICH as text (arXiv:1905.11825): five DLLs, three conditions and sWeights.

Tabs part the columns. ``Brunel_P`` in MeV becomes the condition ``P`` in GeV, ``Brunel_ETA`` and ``nTracks_Brunel``
become ``ETA`` and ``nTracks``, and ``probe_sWeight`` is the event weight. The files are called .csv, and written as
.tsv.
"""

from __future__ import annotations

from facsim.io.known_table import known_table
from facsim.io.text_table import Column, header_of
from facsim.schema import Block

__all__ = ["CALIBRATION_TSV"]

MEV_PER_GEV = 1000.0
FEATURES = tuple(Column(Block(name), name) for name in ("RichDLLe", "RichDLLk", "RichDLLmu", "RichDLLp", "RichDLLbt"))
CONDITIONS = (
    Column(Block("P", unit="GeV"), "Brunel_P", MEV_PER_GEV),
    Column(Block("ETA"), "Brunel_ETA"),
    Column(Block("nTracks", kind="count"), "nTracks_Brunel"),
)


def _begins(begin: bytes) -> bool:
    delimiter, names = header_of(begin)
    return delimiter == "\t" and len({c.name for c in (*FEATURES, *CONDITIONS)} & set(names)) >= len(FEATURES)


CALIBRATION_TSV = known_table(
    "calibration-tsv",
    FEATURES,
    CONDITIONS,
    delimiter="\t",
    suffix=".tsv",
    weights="probe_sWeight",
    begins=_begins,
    detector="rich",
)
