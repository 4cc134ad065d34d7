"""A PyROOT script for TMVA's MethodGAN, with the import line changed: ``from facsim.pyroot import TMVA, TFile, TCut``.

The familiar calls, with facsim behind them: `TMVA.Factory`, `TMVA.DataLoader`, `TFile`, `TTree`, `TChain`, `TCut`.
What a script asks for beyond that is an error that says what there is and what facsim has for it. ROOT is not needed.
``import facsim.pyroot as ROOT`` works, too.
"""

from facsim.pyroot import tmva as TMVA  # noqa: N812 - its name in ROOT
from facsim.pyroot.cut import TCut
from facsim.pyroot.files import TChain, TFile, TTree
from facsim.pyroot.harmless import EnableImplicitMT, gROOT, gStyle, gSystem
from facsim.pyroot.missing import WARNINGS, NotInShim, ShimWarning, refusal

TString = str

__all__ = [
    "TMVA",
    "WARNINGS",
    "EnableImplicitMT",
    "NotInShim",
    "ShimWarning",
    "TChain",
    "TCut",
    "TFile",
    "TString",
    "TTree",
    "gROOT",
    "gStyle",
    "gSystem",
]


def __getattr__(name: str) -> object:
    raise refusal(name, __all__)
