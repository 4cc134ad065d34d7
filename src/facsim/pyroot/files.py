"""Files and trees."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Self

from facsim import io
from facsim.errors import DataError, FileFormatError
from facsim.io.many import expand
from facsim.pyroot.cut import TCut
from facsim.pyroot.missing import Calls, NoSuchCall, NotInShim, absent

__all__ = ["TBranch", "TChain", "TFile", "TTree"]

WRITING = ("RECREATE", "NEW", "CREATE")


class TBranch(str):
    """Name of a branch."""

    __slots__ = ()

    def GetName(self) -> str:
        """Return the name."""
        return str(self)


class TTree(Calls):
    """A tree of a file, which is read when its events are needed.

    Parameters
    ----------
    paths : sequence of path
    name : str
    """

    def __init__(self, paths: tuple[str, ...], name: str) -> None:
        self._paths, self._name = paths, name
        self._friends: tuple[str, ...] = ()

    def GetName(self) -> str:
        """Return the tree's name."""
        return self._name

    def GetEntries(self, selection: str | TCut = "") -> int:
        """Return the number of events, or of those that pass a cut.

        Raises
        ------
        DataError
            For a cut that cannot be understood, or that no event passes.
        """
        with io.open(self.selection(cut=str(selection) or None)) as reader:
            return len(reader)

    def GetEntriesFast(self) -> int:
        """Return the number of events."""
        return self.GetEntries()

    def AddFriend(self, tree: str | TTree, path: str | os.PathLike[str] | None = None) -> None:
        """Add the branches of another tree with the same events, in the same order.

        A branch whose name this tree has, too, is ``file.branch``, with the file's name before ``.root``.

        Parameters
        ----------
        tree : str or TTree
        path : path, optional
            Its file or a pattern, where a name is given; this tree's file by default.

        Raises
        ------
        NotInShim
            For an alias (``"name = tree"``), or a chain.
        """
        name, paths = (tree.GetName(), tree._paths) if isinstance(tree, TTree) else (str(tree), self._paths)
        if path is not None:
            paths = (os.fspath(path),)
        if len(paths) != 1 or "=" in name:
            msg = f"AddFriend('{name}', {paths}): give the tree's own name, and one file or a pattern ('runs/*.root')"
            raise NotInShim(msg)
        self._friends += (f"{paths[0]}:{name}",)

    def GetListOfBranches(self) -> list[TBranch]:
        """Return the branches' names, in the file's order."""
        import uproot

        with uproot.open(self._paths[0]) as file:
            return [TBranch(name) for name in file[self._name].keys(recursive=False)]

    def Print(self, options: str = "") -> None:  # noqa: ARG002 - ROOT's signature
        """Write number of events and blocks to the standard output."""
        with io.open(self.selection(), features="all") as reader:
            sys.stdout.write(f"{self._name}: {len(reader):,} events in {', '.join(self._paths)}\n")
            for block in reader.schema.features + reader.schema.conditions:
                sys.stdout.write(f"  {block}\n")

    def selection(self, **options: Any) -> io.Selection:
        """Return the tree as `facsim.io.select` gives it, for facsim's verbs."""
        if not self._paths:
            msg = f"the chain '{self._name}' has no file: call Add(path) first"
            raise DataError(msg)
        return io.select(list(self._paths), tree=self._name, friends=self._friends, **options)


class TChain(TTree):
    """One tree in several files.

    Examples
    --------
    >>> chain = TChain("events")
    >>> chain.Add("nowhere-*.root")
    Traceback (most recent call last):
    facsim.errors.FileFormatError: nowhere-*.root: no file fits this pattern. Check the folder and the spelling
    """

    def __init__(self, name: str) -> None:
        super().__init__((), str(name))

    def Add(self, path: str | os.PathLike[str]) -> int:
        """Append a file, or all that fit a pattern; return their number."""
        found, _ = expand(path)
        self._paths += tuple(map(str, found))
        return len(found)

    AddFile = Add


class TFile(Calls):
    """A ROOT file, to read trees from or to name the output.

    Parameters
    ----------
    path : path
    mode : {"READ", "RECREATE", "NEW", "CREATE"}, optional
        An output file is written when its content is complete: until then an old one is untouched.

    Raises
    ------
    FileFormatError
        If there is no such file to read, or if one is there that must be new.

    Examples
    --------
    >>> TFile.Open("nowhere.root")
    Traceback (most recent call last):
    facsim.errors.FileFormatError: nowhere.root: no such file
    """

    def __init__(self, path: str | os.PathLike[str], mode: str = "READ") -> None:
        self._path, self._mode = Path(path), mode.upper() or "READ"
        self._trees: dict[str, TTree] = {}
        if self._mode not in {"READ", *WRITING}:
            msg = f"{path}: mode '{mode}': there are READ, {', '.join(WRITING)}; facsim changes no file in place"
            raise DataError(msg)
        if self._mode == "READ" and not self._path.is_file():
            msg = f"{path}: no such file"
            raise FileFormatError(msg)
        if self._mode in {"NEW", "CREATE"} and self._path.exists():
            msg = f"{path} exists: choose another name, or the mode RECREATE"
            raise FileFormatError(msg)

    @staticmethod
    def Open(path: str | os.PathLike[str], mode: str = "READ") -> TFile:
        """Open a file."""
        return TFile(path, mode)

    def Get(self, name: str) -> TTree:
        """Return a tree.

        Raises
        ------
        FileFormatError
            If there is none of that name: lists the trees.
        """
        name = str(name).split(";")[0]
        if name not in self._trees:
            tree = TTree((str(self._path),), name)
            with io.open(tree.selection()):
                self._trees[name] = tree
        return self._trees[name]  # the same one again, with its friends

    def __getattr__(self, name: str) -> object:
        """Trees as attributes, as PyROOT has them."""
        if name.startswith("_") or self._mode != "READ":
            return super().__getattr__(name)
        try:
            return self.Get(name)
        except FileFormatError as error:
            msg = f"{error}\n{absent('TFile', name, dir(type(self)))}"
            raise NoSuchCall(msg) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.Close()

    def GetName(self) -> str:
        """Return the path."""
        return str(self._path)

    def IsZombie(self) -> bool:
        """Return False: what cannot be opened is an error."""
        return False

    def IsOpen(self) -> bool:
        """Return True."""
        return True

    def cd(self) -> bool:
        """Do nothing: there is no current directory."""
        return True

    def Write(self) -> int:
        """Do nothing: TestAllMethods has written the output."""
        return 0

    def Close(self) -> None:
        """Do nothing: files are open only while they are read or written."""

    def writes(self) -> bool:
        """Return whether this is an output file."""
        return self._mode in WRITING
