"""``digits.dat``: pads, times and amplitudes of a time-projection chamber's tracks (arXiv:2012.04595).

Two lines per event: ``params:`` with crossing and dip angle in degrees, and in later versions drift length and pad
coordinate; then triples of pad, time bin and amplitude. An event becomes an image of 8 pads x 16 time bins around the
track, from -3 and -7 of the whole parts of pad coordinate and drift length on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import FileFormatError
from facsim.io.contents import Contents, Pick
from facsim.io.layout import Layout
from facsim.schema import Block

__all__ = ["TPC_DIGITS"]

log = logging.getLogger(__name__)

PARAMS = b"params:"
PADS, TIMES = 8, 16
FIRST_PAD, FIRST_TIME = -3, -7
THRESHOLD = 1.0  # counts: what is below is not read out
RESPONSE = Block("response", (PADS, TIMES), "energy", threshold=THRESHOLD)
CONDITIONS = (
    Block("crossing_angle", unit="deg"),
    Block("dip_angle", unit="deg"),
    Block("drift_length"),
    Block("pad_coordinate"),
)


class _Source:
    def __init__(self, path: Path, pick: Pick) -> None:  # noqa: ARG002 - Contents.choose does what there is to do
        self.path = path
        with path.open(encoding="ascii") as file:
            lines = file.read().split("\n")
        if lines.pop():
            raise self._cut(len(lines) + 1, "the last line does not end")
        if len(lines) % 2:
            raise self._cut(len(lines), "a line of parameters has no line of digits after it")
        many = len(lines[0].split()) - 1 if lines else len(CONDITIONS)
        self.given = np.array([self._parameters(i, line, many) for i, line in enumerate(lines[::2])]).reshape(-1, many)
        if many != len(CONDITIONS):
            msg = (
                f"{path}: {many} parameters per event; the image lies around drift length and pad coordinate, the last "
                "two of four (after crossing and dip angle). Take a later version of the data"
            )
            raise FileFormatError(msg)
        self.digits = [self._triples(i, line) for i, line in enumerate(lines[1::2])]
        lost = sum(int((~self._inside(i)[1]).sum()) for i in range(len(self.digits)))
        if lost:
            every = sum(len(d) for d in self.digits)
            log.warning("%s: %d of %d digits lie outside of %d x %d around the track", path, lost, every, PADS, TIMES)
        names = tuple(b.name for b in CONDITIONS)
        self.contents = Contents(len(self.digits), (RESPONSE, *CONDITIONS), (RESPONSE.name,), names, detector="tpc")

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, NDArray[Any]]:
        out: dict[str, NDArray[Any]] = {}
        if RESPONSE.name in names:
            image = out[RESPONSE.name] = np.zeros((stop - start, PADS, TIMES))
            for row in range(start, stop):
                places, inside = self._inside(row)
                image[row - start, places[inside, 0], places[inside, 1]] = self.digits[row][inside, 2]
        return out | {b.name: self.given[start:stop, k] for k, b in enumerate(CONDITIONS) if b.name in names}

    def close(self) -> None:
        pass

    def _inside(self, event: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Places in the image (digits, 2), and which of them there are."""
        drift, pad = self.given[event, 2:].astype(np.int64)  # towards zero, as the authors take them
        places = self.digits[event][:, :2].astype(np.int64) - (pad + FIRST_PAD, drift + FIRST_TIME)
        return places, ((places >= 0) & (places < (PADS, TIMES))).all(axis=1)

    def _parameters(self, event: int, line: str, many: int) -> list[float]:
        word, *numbers = line.split() or [""]
        if word != PARAMS.decode() or len(numbers) != many:
            raise self._cut(2 * event + 1, f"'{line[:40]}' is no line of parameters as the first one is")
        return self._numbers(2 * event + 1, numbers)

    def _triples(self, event: int, line: str) -> NDArray[np.float64]:
        numbers = self._numbers(2 * event + 2, line.split())
        if len(numbers) % 3:
            raise self._cut(2 * event + 2, f"{len(numbers)} numbers are no triples of pad, time and amplitude")
        return np.array(numbers, np.float64).reshape(-1, 3)

    def _numbers(self, line: int, words: Sequence[str]) -> list[float]:
        try:
            return [float(word) for word in words]
        except ValueError as error:
            raise self._cut(line, str(error)) from error

    def _cut(self, line: int, what: str) -> FileFormatError:
        return FileFormatError(f"{self.path}, line {line}: {what}. The file is cut short or damaged: copy it again")


TPC_DIGITS = Layout(
    name="tpc-digits",
    suffixes=(),
    magic=PARAMS,
    recognises=lambda path, pick: True,  # noqa: ARG005 - what is wrong with it, the source says
    refuses=lambda schema: "digits.dat has no room for weights or other blocks; write .npz, .h5 or .root",  # noqa: ARG005
    source=_Source,
)
