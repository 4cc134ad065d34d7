"""The calorimeter challenge of the MLHEP school 2019 (arXiv:1812.01319) as npz: cells, momentum, point, particle.

``EnergyDeposit`` (n, 30, 30) or (n, 30, 30, 1), ``ParticleMomentum`` (n, 3), ``ParticlePoint`` (n, 3; the third is that
of the calorimeter's face) and, where there is one, ``ParticlePDG`` (n,): 11 for electrons, 22 for photons.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import FileFormatError, nearest
from facsim.io.contents import SCHEMA, Contents, Pick, listed
from facsim.io.layout import Layout
from facsim.io.npz import NPZ_MAGIC, NPZSource
from facsim.schema import Block

__all__ = ["MLHEP_NPZ"]

CELLS = 30
DEPOSIT = Block("EnergyDeposit", (CELLS, CELLS), "energy")
MOMENTUM, POINT = Block("ParticleMomentum", (3,)), Block("ParticlePoint", (3,))
PDG = Block("ParticlePDG", (), "category", names=("e-", "gamma"))
PDG_CODES = (11, 22)


class _Source(NPZSource):
    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, NDArray[Any]]:
        out = dict(super().load(names, start, stop))
        if PDG.name in out:
            codes = out[PDG.name].reshape(stop - start)
            strange = np.setdiff1d(codes, PDG_CODES)
            if len(strange):
                msg = f"{self.path}: {PDG.name} holds {strange[:5].tolist()}; known are {PDG_CODES}: remove these"
                raise FileFormatError(msg)
            out[PDG.name] = np.searchsorted(PDG_CODES, codes)
        return out

    def _describe(self, pick: Pick) -> Contents:  # noqa: ARG002 - Contents.choose does what there is to do
        names = self.names()
        blocks = (DEPOSIT, MOMENTUM, POINT, *((PDG,) if PDG.name in names else ()))
        for block in blocks:
            if block.name not in names:
                msg = f"{self.path}: lacks the array '{block.name}'; there are {listed(names)}."
                cure = " Take the file with the conditions, or read it with layout='npz'"
                raise FileFormatError(msg + nearest(block.name, names) + cure)
            shape = self.member(block.name).shape
            if int(np.prod(shape[1:])) != block.size:
                want = ", ".join(map(str, ("n", *block.shape)))
                msg = f"{self.path}: array '{block.name}' has shape {shape}, not ({want}): read it with layout='npz'"
                raise FileFormatError(msg)
        events = self._events([b.name for b in blocks])
        given = tuple(b.name for b in blocks[1:])
        return Contents(events, blocks, (DEPOSIT.name,), given, detector="lhcb-calorimeter")


def _recognises(path: Path, pick: Pick) -> bool:  # noqa: ARG001
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return f"{DEPOSIT.name}.npy" in names and f"{SCHEMA}.npy" not in names


MLHEP_NPZ = Layout(
    name="mlhep-npz",
    suffixes=(),
    magic=NPZ_MAGIC,
    recognises=_recognises,
    refuses=lambda schema: "the school's files are only read; .npz keeps the names of the arrays",  # noqa: ARG005
    source=_Source,
)
