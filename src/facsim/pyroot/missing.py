"""What the shim does not have: errors that say what there is and what facsim has for it, and named warnings."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable

from facsim.errors import FacsimError, nearest

__all__ = ["WARNINGS", "Calls", "NoSuchCall", "NotInShim", "ShimWarning", "absent", "refusal", "warn"]

WARNINGS = {
    "background": "a background tree, cut, weight or number of events: a GAN is trained with the signal alone",
    "spectator": "a spectator: a GAN's events have the variables alone",
}
"""Names of the warnings, and what they say."""

FIT = "facsim.fit(data, recipe, output=folder) trains; `facsim recipes` lists what"
READING = "facsim.io.read(path) gives numpy arrays"
DRAWING = f"EvaluateAllMethods() writes a page with figures, and {READING} to draw"
PARTING = "AddSignalTree(tree, weight) takes a whole tree, and PrepareTrainingAndTestTree parts its events"
CURES = {
    **dict.fromkeys(("Reader", "EvaluateMVA", "GetMvaValue"), "facsim.load(folder).sample(n=..., seed=...) draws"),
    **dict.fromkeys(("GetROCCurve", "GetROCIntegral", "TMVAGui"), "EvaluateAllMethods() has the classifiers' AUC"),
    **dict.fromkeys(("CrossValidation", "OptimizeAllMethods", "HyperParameterOptimisation"), FIT),
    **dict.fromkeys(("OptimizeAllMethodsForClassification", "OptimizeAllMethodsForRegression"), FIT),
    **dict.fromkeys(("TCanvas", "TH1F", "TH1D", "TH2F", "TH2D", "TLegend", "TGraph", "Draw", "Scan"), DRAWING),
    **dict.fromkeys(("RDataFrame", "SetBranchAddress", "GetEntry", "GetLeaf", "CopyTree"), READING),
    **dict.fromkeys(("SetBranchStatus", "SetAlias"), "AddVariable('name := expression') names what is used"),
    **dict.fromkeys(("Branch", "Fill", "WriteObject"), "facsim.io.write(path, events) writes trees"),
    **dict.fromkeys(("kTraining", "kTesting", "kMaxTreeType", "kSignal", "kBackground"), PARTING),
    "ProcessLine": "nothing runs C++ here",
    "Load": "nothing loads libraries here",
}


class NotInShim(FacsimError, NotImplementedError):  # noqa: N818 - reads as what happened
    """A name of ROOT that the shim does not have."""


class NoSuchCall(NotInShim, AttributeError):  # noqa: N818 - reads as what happened
    """A method of ROOT that an object of the shim does not have."""


class ShimWarning(UserWarning):
    """Something that a script says and that has no meaning for a GAN.

    Attributes
    ----------
    name : str
        One of `WARNINGS`.
    """

    def __init__(self, name: str, what: str) -> None:
        self.name, self.what = name, what
        super().__init__(f"[{name}] {what} is left out: {WARNINGS[name]}")

    def __reduce__(self) -> tuple[type[ShimWarning], tuple[str, str]]:
        return type(self), (self.name, self.what)


class Calls:
    """An object of ROOT with some of its methods."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("_"):  # Python's own questions
            raise AttributeError(name)
        raise NoSuchCall(absent(type(self).__name__.lstrip("_"), name, dir(type(self))))


def absent(owner: str, name: str, known: Iterable[str]) -> str:
    """Say that `owner` has no `name`, what it has, and what facsim has for it.

    Examples
    --------
    >>> absent("TTree", "GetEntry", ["GetEntries"])
    'TTree.GetEntry is not in facsim.pyroot; there are GetEntries. In facsim: facsim.io.read(path) gives numpy arrays'
    """
    words = sorted(k for k in known if not k.startswith("_"))
    cure = f" In facsim: {CURES[name]}" if name in CURES else nearest(name, words)
    return f"{owner}.{name} is not in facsim.pyroot; there are {', '.join(words)}.{cure}"


def refusal(name: str, known: Iterable[str], owner: str = "ROOT") -> Exception:
    """Error for an attribute of a module; ``from facsim.pyroot import TH1F`` hides what an AttributeError says."""
    looks = re.match("[gk]?[A-Z]", name)
    return NotInShim(absent(owner, name, known)) if looks else AttributeError(f"'{owner}' has no attribute '{name}'")


def warn(name: str, what: str, depth: int = 1) -> None:
    """Emit a `ShimWarning` where the script stands, `depth` calls above."""
    warnings.warn(ShimWarning(name, what), stacklevel=depth + 2)
