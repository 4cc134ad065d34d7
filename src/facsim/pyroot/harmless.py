"""Calls of scripts that change nothing in what a training gives: batch mode, style, threads."""

from __future__ import annotations

from pathlib import Path

from facsim.pyroot.missing import Calls

__all__ = ["EnableImplicitMT", "gROOT", "gStyle", "gSystem"]


class Root(Calls):
    """ROOT's ``gROOT``."""

    def SetBatch(self, batch: bool = True) -> None:
        """Do nothing: there are no windows."""

    def GetVersion(self) -> str:
        """Return facsim's version, with its name."""
        import facsim

        return f"facsim {facsim.__version__}"


class Style(Calls):
    """ROOT's ``gStyle``: facsim has a style of its own."""

    def SetOptStat(self, option: object = 0) -> None:
        """Do nothing."""

    def SetOptTitle(self, option: object = 0) -> None:
        """Do nothing."""

    def SetPalette(self, *options: object) -> None:
        """Do nothing."""


class System(Calls):
    """ROOT's ``gSystem``."""

    def AccessPathName(self, path: str) -> bool:
        """Return whether there is **no** such path, as ROOT does.

        Examples
        --------
        >>> gSystem.AccessPathName("nowhere.root")
        True
        """
        return not Path(path).exists()

    def mkdir(self, path: str, recursive: bool = False) -> int:
        """Make a folder; return 0, or -1 if it is there."""
        try:
            Path(path).mkdir(parents=recursive)
        except FileExistsError:
            return -1
        return 0


def EnableImplicitMT(threads: int = 0) -> None:
    """Do nothing: ``training.threads`` says how many a training uses, sampling uses all."""


gROOT, gStyle, gSystem = Root(), Style(), System()
