"""TMVA's DataLoader: variables, trees, weights, cut, and the parting into training and test events."""

from __future__ import annotations

import os
from contextlib import ExitStack
from numbers import Real
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facsim import io
from facsim.errors import DataError
from facsim.events import Events
from facsim.pyroot.cut import TCut
from facsim.pyroot.files import TTree
from facsim.pyroot.missing import Calls, NotInShim, warn
from facsim.pyroot.parting import TEST, TRAIN, Parting
from facsim.pyroot.variables import PLAIN, Variable, columns

__all__ = ["DataLoader", "Parts"]

WEIGHT = "event_weight"  # column of a weight expression
TYPES = ("F", "I")
BATCH = 4096


class Parts(NamedTuple):
    """Files of training and test events, and how many they hold."""

    train: Path
    test: Path
    trained: int
    tested: int


class Given(NamedTuple):
    """A tree as the script gave it."""

    tree: TTree
    weight: float
    cut: str


class DataLoader(Calls):
    """Variables and trees; the events appear in the folder `name`, as ``train.root`` and ``test.root``.

    Parameters
    ----------
    name : str, optional
        Folder.
    """

    def __init__(self, name: str | os.PathLike[str] = "default") -> None:
        self._folder = Path(name)
        self._variables: list[Variable] = []
        self._trees: list[Given] = []
        self._weight = self._cut = ""
        self._parting = Parting()
        self._parts: Parts | None = None

    def GetName(self) -> str:
        """Return the folder's name."""
        return str(self._folder)

    def AddVariable(self, expression: str, *rest: object) -> None:
        """Add a branch, an expression (``"pt*cosh(eta)"``) or a named one (``"e := pt*cosh(eta)"``).

        Further arguments are TMVA's: title, unit, type (``"F"`` or ``"I"``; the branches of the tree have the last
        word) and two limits of its histograms, which facsim does not need.

        Raises
        ------
        DataError
            For an expression that cannot be understood.
        """
        words = [str(r) for r in rest if isinstance(r, str)]
        if words and len(words) != 2 and words[-1] not in TYPES:  # (type), (title, unit) or (title, unit, type)
            msg = f"AddVariable('{expression}', ...): type '{words[-1]}': there are {TYPES}"
            raise DataError(msg)
        self._change().append(Variable.read(expression))

    def AddVariablesArray(self, name: str, size: int, *rest: object) -> None:  # noqa: ARG002 - type and limits, as above
        """Add an array branch of `size` values per event, or numbered branches by what they have in common."""
        self._change().append(Variable(str(name), length=int(size)))

    def AddSpectator(self, expression: str, *rest: object) -> None:  # noqa: ARG002 - TMVA's signature
        """Leave out, with a warning."""
        warn("spectator", f"AddSpectator('{expression}')")

    def AddSignalTree(self, tree: TTree, weight: object = 1.0, treetype: object = None) -> None:
        """Add a tree of true events, with a weight for all of them.

        Raises
        ------
        NotInShim
            For trees that are for training or for tests alone.
        """
        self.AddTree(tree, "Signal", weight, "", treetype)

    def AddBackgroundTree(self, tree: TTree, weight: float = 1.0, treetype: object = None) -> None:  # noqa: ARG002
        """Leave out, with a warning: what is not true comes from the generator."""
        warn("background", f"AddBackgroundTree({_name(tree)})")

    def AddTree(
        self, tree: object, kind: str, weight: object = 1.0, cut: str | TCut = "", treetype: object = None
    ) -> None:
        """Add a tree of the class `kind`: Signal, or another that is left out with a warning."""
        if treetype is not None:
            msg = f"a tree for '{treetype}' alone: give one tree, and PrepareTrainingAndTestTree parts it"
            raise NotInShim(msg)
        if not isinstance(tree, TTree):
            msg = f"AddTree: {tree!r} is no tree: open the file with facsim.pyroot.TFile and take file.Get(name)"
            raise DataError(msg)
        if str(kind).lower() != "signal":
            warn("background", f"AddTree({_name(tree)}, '{kind}')")
            return
        factor = float(weight) if isinstance(weight, Real) else 0.0
        if not np.isfinite(factor) or factor == 0:
            msg = f"weight={weight!r} of the tree {_name(tree)}: must be a number other than 0"
            raise DataError(msg)
        self._change()
        self._trees.append(Given(tree, factor, str(cut)))

    def SetWeightExpression(self, expression: str, kind: str = "Signal") -> None:
        """Weight events by a branch or an expression."""
        if str(kind).lower() not in {"signal", ""}:
            warn("background", f"SetWeightExpression('{expression}', '{kind}')")
            return
        self._change()
        self._weight = str(expression).strip()

    def SetSignalWeightExpression(self, expression: str) -> None:
        """Weight events by a branch or an expression."""
        self.SetWeightExpression(expression)

    def SetBackgroundWeightExpression(self, expression: str) -> None:
        """Leave out, with a warning."""
        warn("background", f"SetBackgroundWeightExpression('{expression}')")

    def AddCut(self, cut: str | TCut, kind: str = "Signal") -> None:
        """Ask events for one thing more."""
        if str(kind).lower() in {"signal", ""}:
            self._change()
            self._cut = str(TCut(self._cut) + cut)

    def PrepareTrainingAndTestTree(self, cut: str | TCut, *rest: object) -> None:
        """Say which events are taken, and how they are parted.

        ``(cut, options)``, ``(cut, background cut, options)`` or ``(cut, train, background train, test, background
        test[, options])``. Options: see `Parting`; the parting comes after the cut.

        Raises
        ------
        OptionStringError
            For an option that is unknown, with the nearest name.
        """
        words = [str(r) for r in rest if isinstance(r, (str, TCut))]
        numbers = [r for r in rest if isinstance(r, int)]
        strange = len(numbers) + len(words) < len(rest) or len(numbers) not in {0, 1, 2, 4} or len(words) > 2
        options = words.pop() if words else ""
        if words and words[0] != str(cut):
            warn("background", f"the cut '{words[0]}'")
        if strange:
            msg = f"PrepareTrainingAndTestTree(cut, {', '.join(map(repr, rest))}): give (cut, options)"
            raise DataError(msg)
        if numbers:
            train, test = (numbers[0], numbers[2]) if len(numbers) == 4 else (numbers[0], max(0, *numbers[1:], 0))
            options = f"nTrain_Signal={train}:nTest_Signal={test}:{options}"
        self.AddCut(cut)
        self._parting = Parting.read(options)

    def parts(self) -> Parts:
        """Write training and test events, once; memory stays bounded.

        Raises
        ------
        DataError
            If there is no tree, or fewer events than asked for; and what reading them raises.
        """
        if self._parts is None:
            self._parts = self._write()
        return self._parts

    def _change(self) -> list[Variable]:
        if self._parts is not None:
            msg = f"the events of '{self._folder}' are parted already: say everything about them before BookMethod"
            raise DataError(msg)
        return self._variables

    def _write(self) -> Parts:
        if not self._trees:
            msg = f"the loader '{self._folder}' has no tree: call AddSignalTree(tree) first"
            raise DataError(msg)
        train, test = self._folder / "train.root", self._folder / "test.root"
        with ExitStack() as stack:
            readers = [stack.enter_context(io.open(self._selection(given))) for given in self._trees]
            weights = [given.weight for given in self._trees]
            if len(set(weights)) == 1:  # of one class, the scale of weights says nothing
                weights = [1.0] * len(weights)
            weighted = len(set(weights)) > 1
            where = self._parting.rows(sum(map(len, readers)))
            self._folder.mkdir(parents=True, exist_ok=True)
            first, counts = readers[0], {part: int((where == part).sum()) for part in (TRAIN, TEST)}
            writers = {
                part: stack.enter_context(io.create(path, first.schema, attrs=first.attrs, form=first.form))
                for part, path in ((TRAIN, train), (TEST, test))
                if counts[part]
            }
            start = 0
            for reader, weight in zip(readers, weights, strict=True):
                for events in reader.batches(BATCH):
                    here = where[start : start + len(events)]
                    start += len(events)
                    for part, writer in writers.items():
                        if (here == part).any():
                            writer.append(_weighted(events[here == part], weight) if weighted else events[here == part])
        return Parts(train, test, counts[TRAIN], counts[TEST])

    def _selection(self, given: Given) -> io.Selection:
        features, define = columns(self._variables, given.tree.selection())
        weight: str | None = self._weight or None
        if weight is not None and not PLAIN.fullmatch(weight):
            define, weight = define | {WEIGHT: weight}, WEIGHT
        cut = str(TCut(self._cut) + given.cut) or None
        return given.tree.selection(features=features, conditions=(), define=define, weights=weight, cut=cut)


def _weighted(events: Events, weight: float) -> Events:
    own = np.ones(len(events)) if events.weights is None else events.weights
    return events.with_weights(weight * own)


def _name(tree: object) -> str:
    return tree.GetName() if isinstance(tree, TTree) else repr(tree)
