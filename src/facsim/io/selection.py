"""A path that knows how it is to be read: which tree, blocks, weights, cut."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from facsim.io.contents import Pick

__all__ = ["Selection", "all_blocks", "select"]

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Selection(os.PathLike[str]):
    """What to read of which file; made by `select`, and taken wherever a file of events is asked for.

    Parameters
    ----------
    path : path or sequence of path
        A file, a pattern such as ``runs/*.root``, or several of them.
    pick : Pick
        Tree, blocks, weights, cut, ...
    layout : str, optional
        Overrides the recognition.
    """

    path: StrPath | Sequence[StrPath]
    pick: Pick = field(default_factory=Pick)
    layout: str | None = None

    def __fspath__(self) -> str:
        """The path, or the first of several: a name for messages and pages."""
        return os.fspath(self.path if isinstance(self.path, (str, os.PathLike)) else self.path[0])

    def __str__(self) -> str:
        return self.__fspath__()

    def to_json(self) -> dict[str, Any]:
        """What was chosen, in plain values."""
        plain = {k: v for k, v in vars(self.pick).items() if v}
        plain |= {k: str(v) if isinstance(v, os.PathLike) else v for k, v in plain.items()}
        for key in ("features", "conditions", "friends"):
            if key in plain and not isinstance(plain[key], str):
                plain[key] = [str(v) for v in plain[key]]
        for key in ("define", "describe"):
            if key in plain:
                plain[key] = {k: str(v) for k, v in plain[key].items()}
        return plain


def select(path: StrPath | Sequence[StrPath], *, layout: str | None = None, **options: Any) -> Selection:
    """A file of events together with the options of `facsim.io.open`, for verbs that take a file.

    Examples
    --------
    >>> chosen = select("tuple.root", tree="DecayTree", cut="pt > 250 && abs(eta) < 2", weights="sw")
    >>> str(chosen), chosen.pick.cut
    ('tuple.root', 'pt > 250 && abs(eta) < 2')
    """
    return Selection(path, Pick(**options), layout)


def all_blocks(data: Any) -> Literal["all"] | None:
    """For `facsim.io.open`'s features, where a file is taken as a whole: unless the caller has chosen."""
    return None if isinstance(data, Selection) and data.pick.features is not None else "all"
