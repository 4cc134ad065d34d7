"""A folder of PNG images of one size: the block ``image``, and sub-folders as the condition ``label``.

Grey images have the shape (rows, columns), coloured ones (3, rows, columns), red first. Images are taken in the order
of their paths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import FileFormatError
from facsim.io.contents import Contents, Pick
from facsim.io.layout import Layout
from facsim.schema import Block

__all__ = ["PNG"]

IMAGE, LABEL = "image", "label"


class _Source:
    def __init__(self, path: Path, pick: Pick) -> None:  # noqa: ARG002 - Contents.choose does what there is to do
        self.files = _images_in(path)
        folders = [f.parent.relative_to(path).as_posix() for f in self.files]
        names = tuple(sorted(set(folders)))
        self.labels = np.searchsorted(names, folders)
        self.shape = _pixels(self.files[0]).shape
        image = Block(IMAGE, self.shape, "energy")  # kind energy: never negative, and most are exactly zero
        label = (Block(LABEL, (), "category", names=names),) if names != (".",) else ()
        self.contents = Contents(len(self.files), (image, *label), (IMAGE,), (LABEL,) if label else ())

    def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, NDArray[Any]]:
        out: dict[str, NDArray[Any]] = {}
        if IMAGE in names:
            out[IMAGE] = np.empty((stop - start, *self.shape), np.float32)
            for row, file in enumerate(self.files[start:stop]):
                pixels = _pixels(file)
                if pixels.shape != self.shape:
                    msg = (
                        f"{file}: has shape {pixels.shape}, {self.files[0].name} has {self.shape} (colours first): "
                        "images of one sample have one size and colour mode. Convert it, or move it away"
                    )
                    raise FileFormatError(msg)
                out[IMAGE][row] = pixels
        if LABEL in names:
            out[LABEL] = self.labels[start:stop]
        return out

    def close(self) -> None:
        pass


def _images_in(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.suffix.lower() == ".png")


def _pixels(file: Path) -> NDArray[Any]:
    """Pixels of one image; palettes and transparency become plain colours."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            if image.mode in {"1", "L", "I", "I;16", "F"}:
                return np.asarray(image.convert("L") if image.mode == "1" else image)
            if image.mode == "LA":
                return np.asarray(image.convert("L"))
            return np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)
    except (OSError, SyntaxError, ValueError) as error:
        msg = f"{file}: cannot be read as an image ({error}). It is cut short or another kind of file: move it away"
        raise FileFormatError(msg) from error


PNG = Layout(
    name="png",
    suffixes=(),
    magic=b"",  # a folder has none
    recognises=lambda path, pick: path.is_dir() and bool(_images_in(path)),  # noqa: ARG005 - of folders alone
    refuses=lambda schema: "folders of images are only read; write .root, .npz or .h5",  # noqa: ARG005
    source=_Source,
)
