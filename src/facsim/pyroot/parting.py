"""Which events are for training, and which for the test: options of PrepareTrainingAndTestTree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facsim.errors import DataError
from facsim.pyroot.missing import warn
from facsim.pyroot.words import parse_words
from facsim.tmva.source import Piece

__all__ = ["TEST", "TRAIN", "Parting"]

TRAIN, TEST = 1, 2
MODES = ("Random", "Alternate", "Block")
KNOWN = {
    **dict.fromkeys(("nTrain_Signal", "nTest_Signal", "TrainTestSplit_Signal"), False),
    **dict.fromkeys(("nTrain_Background", "nTest_Background", "TrainTestSplit_Background"), False),
    **dict.fromkeys(("SplitMode", "MixMode", "SplitSeed", "NormMode", "VerboseLevel"), False),
    **dict.fromkeys(("V", "ScaleWithPreselEff", "Correlations", "CalcCorrelations"), True),
}


@dataclass(frozen=True)
class Parting:
    """How events are parted, after the cut.

    Parameters
    ----------
    train, test : int, optional
        Numbers of events; 0 for the rest, or for a half where both are 0.
    share : float, optional
        Share of the training events where no numbers are given.
    mode : {"Random", "Alternate", "Block"}, optional
    seed : int, optional
        Of the random parting; TMVA's default. 0 is a seed like any other.

    Examples
    --------
    >>> Parting.read("nTrain_Signal=2:nTest_Signal=1:SplitMode=Alternate:!V").rows(5)
    array([1, 2, 1, 0, 0], dtype=int8)
    """

    train: int = 0
    test: int = 0
    share: float = 0.5
    mode: str = "Random"
    seed: int = 100

    @classmethod
    def read(cls, string: str) -> Parting:
        """Read an option string; what only concerns the scale of weights or the output says nothing here.

        Raises
        ------
        OptionStringError
            For an unknown option or value.
        """
        found = {key: value for key, value in parse_words(string, KNOWN).items() if isinstance(value, Piece)}
        for key in ("nTrain_Background", "nTest_Background"):
            if key in found and found[key].integer(key):
                warn("background", f"{key}={found[key].text}", depth=2)
        choices = {"NormMode": ("None", "NumEvents", "EqualNumEvents"), "MixMode": ("SameAsSplitMode", *MODES)}
        for key, words in choices.items():
            if key in found:
                _choice(found[key], key, words)
        values: dict[str, int | float | str] = {}
        for key, name in {"nTrain_Signal": "train", "nTest_Signal": "test", "SplitSeed": "seed"}.items():
            if key in found:
                values[name] = found[key].integer(key)
        if "TrainTestSplit_Signal" in found:
            piece = found["TrainTestSplit_Signal"]
            share = piece.number("TrainTestSplit_Signal")
            values |= {"share": share} if 0 < share < 1 else {"train": piece.integer("TrainTestSplit_Signal")}
        if "SplitMode" in found:
            values["mode"] = _choice(found["SplitMode"], "SplitMode", MODES)
        return cls(**values)  # type: ignore[arg-type]

    def rows(self, events: int) -> NDArray[np.int8]:
        """`TRAIN`, `TEST` or 0 for each of the events.

        Raises
        ------
        DataError
            If there are fewer events than asked for.
        """
        train, test = self.train, self.test
        if train + test > events:
            msg = f"nTrain_Signal={train} and nTest_Signal={test}, but {events} events pass the cut: ask for fewer"
            raise DataError(msg)
        if not train and not test:
            train = round(self.share * events)
        train, test = train or events - test, test or events - train
        out = np.zeros(events, np.int8)
        if self.mode == "Alternate":
            both = 2 * min(train, test)
            out[:both:2], out[1:both:2] = TRAIN, TEST
            out[both : train + test] = TRAIN if train > test else TEST
            return out
        order = np.arange(events)
        if self.mode == "Random":
            order = np.random.default_rng([self.seed, 0x7E57]).permutation(events)
        out[order[:train]], out[order[train : train + test]] = TRAIN, TEST
        return out


def _choice(piece: Piece, key: str, words: tuple[str, ...]) -> str:
    """The word meant, in any case, as in TMVA."""
    by_case = {word.upper(): word for word in words}
    if piece.text.upper() not in by_case:
        piece.fail(f"{key} '{piece.text}' is unknown", known=words)
    return by_case[piece.text.upper()]
