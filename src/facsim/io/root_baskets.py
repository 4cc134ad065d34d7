"""Baskets of simple branches of a local TTree, read without detours.

Hundreds of branches of one number each are what TMVA's users have; there uproot spends more time around a basket than
in it. A basket is a key (ROOT's TKey: bytes, version, unpacked bytes, date, length of the key, big-endian), then the
numbers of consecutive entries, packed in blocks with a header of nine bytes (algorithm, level, packed and unpacked
length). All else - other compressions, entries of unequal length, baskets inside the tree - is left to uproot.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Baskets"]

_KEY = struct.Struct(">ihiIh")
_BLOCK = 9  # bytes of its header


@dataclass(frozen=True)
class _Branch:
    offsets: NDArray[np.int64]  # first entry of every basket, and the end
    seek: list[int]
    size: list[int]
    dtype: np.dtype[Any]


class Baskets:
    """Fast columns of one tree.

    Parameters
    ----------
    path : Path
    tree : TTree of uproot
    """

    def __init__(self, path: Path, tree: Any) -> None:
        self.tree = tree
        self.known: dict[str, _Branch | None] = {}
        self.file = os.open(path, os.O_RDONLY)

    def close(self) -> None:
        """Close the file."""
        if self.file >= 0:
            os.close(self.file)
        self.file = -1

    def read(self, names: Sequence[str], start: int, stop: int) -> dict[str, NDArray[Any]] | None:
        """Entries start to stop of the branches, big-endian as in the file; None where uproot has to do it."""
        out: dict[str, NDArray[Any]] = {}
        for name in names:
            if name not in self.known:
                self.known[name] = _simple(self.tree[name])
            branch = self.known[name]
            if branch is None:
                return None
            parts = []
            basket = int(np.searchsorted(branch.offsets, start, "right")) - 1
            while basket < len(branch.seek) and branch.offsets[basket] < stop:
                low, high = int(branch.offsets[basket]), int(branch.offsets[basket + 1])
                data = _unpacked(os.pread(self.file, branch.size[basket], branch.seek[basket]))
                if data is None:
                    return None
                values = np.frombuffer(data, branch.dtype, high - low)
                parts.append(values[max(0, start - low) : stop - low])
                basket += 1
            out[name] = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return out


def _simple(branch: Any) -> _Branch | None:
    """Where the baskets of a branch are; None if it is not of the simple kind."""
    import uproot

    kind, offsets = branch.interpretation, np.asarray(branch.entry_offsets)
    plain = type(kind) is uproot.AsDtype and len(branch.embedded_baskets) == 0
    baskets = len(offsets) - 1
    seek, size = (np.asarray(branch.member(m))[:baskets].tolist() for m in ("fBasketSeek", "fBasketBytes"))
    if not plain or len(seek) < baskets or 0 in seek or 0 in size:
        return None
    return _Branch(offsets, seek, size, kind.from_dtype)


def _unpacked(raw: bytes) -> bytes | None:
    """The numbers of a basket; None if they are packed in another way than zlib's."""
    _, _, length, _, key = _KEY.unpack_from(raw)
    if len(raw) - key == length:
        return raw[key:]
    blocks, at = [], key
    while at < len(raw):
        if raw[at : at + 2] != b"ZL":
            return None
        packed = int.from_bytes(raw[at + 3 : at + 6], "little")
        blocks.append(zlib.decompress(memoryview(raw)[at + _BLOCK : at + _BLOCK + packed]))
        at += _BLOCK + packed
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)
