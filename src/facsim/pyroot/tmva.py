"""The namespace TMVA, as far as a script for MethodGAN needs it."""

from __future__ import annotations

from facsim.pyroot.factory import DL, GAN, Factory
from facsim.pyroot.loader import DataLoader
from facsim.pyroot.missing import Calls, refusal

__all__ = ["DataLoader", "Factory", "PyMethodBase", "Tools", "Types"]


class _Tools(Calls):
    """TMVA's start."""

    @staticmethod
    def Instance() -> _Tools:
        """Do nothing: nothing has to be started."""
        return Tools


class _PyMethodBase(Calls):
    """Python methods of TMVA."""

    @staticmethod
    def PyInitialize() -> None:
        """Do nothing: this is Python."""


class _Types(Calls):
    """Methods to book."""

    kGAN, kDL = GAN, DL


Tools, PyMethodBase, Types = _Tools(), _PyMethodBase(), _Types()


def __getattr__(name: str) -> object:
    raise refusal(name, __all__, "TMVA")
