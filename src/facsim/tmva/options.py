"""What a method's option string says, with all of TMVA's defaults filled in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from facsim.tmva.inputs import BatchLayout, InputLayout
from facsim.tmva.layers import Dense, Shape, word
from facsim.tmva.layout import Halves, Layout
from facsim.tmva.source import Piece
from facsim.tmva.training import DL_DEFAULT, GAN_DEFAULT, DLPhase, GANPhase

__all__ = ["DEFAULT_LAYOUT", "DLOptions", "GANOptions", "Options", "ValidationSize"]

DEFAULT_LAYOUT = Layout((Dense("(N+100)*2", "SOFTSIGN"), Dense(0, "LINEAR")))
"""Both methods' network where none is named."""

DEFAULT_LAYOUTS = Halves(DEFAULT_LAYOUT, DEFAULT_LAYOUT)
NO_INPUT = InputLayout()
NO_INPUTS = Halves(NO_INPUT, NO_INPUT)


@dataclass(frozen=True)
class ValidationSize:
    """Events set apart for tests: ``"20%"`` or ``"0.2"`` a fraction, ``"100"`` a number.

    Examples
    --------
    >>> ValidationSize(fraction=0.2).count(1000), str(ValidationSize(events=100))
    (200, '100')
    """

    fraction: float = 0.2
    events: int | None = None

    def __str__(self) -> str:
        return word(self.fraction) if self.events is None else str(self.events)

    def count(self, events: int) -> int:
        """How many of `events` these are."""
        return round(self.fraction * events) if self.events is None else self.events

    @classmethod
    def read(cls, piece: Piece) -> ValidationSize:
        """A percentage, a fraction below 1, or a number of events."""
        if piece.text.endswith("%"):
            return cls(piece.cut(0, -1).number("ValidationSize", most=99.999) / 100)
        if re.fullmatch("[0-9]+", piece.text):
            return cls(events=piece.integer("ValidationSize"))
        return cls(piece.number("ValidationSize", most=0.99999))


@dataclass(frozen=True)
class Options:
    """Keys that both methods have; ``str(options)`` is the canonical string, with every default spelled out.

    Parameters
    ----------
    help, verbose : bool
        H and V.
    error_strategy : {"CROSSENTROPY", "SUMOFSQUARES", "MUTUALEXCLUSIVE"}
        Losses take logits: the last layer is LINEAR.
    var_transform : str
        Preprocessing of the variables, such as ``"N"`` or ``"G,D"``.
    weight_initialization : {"XAVIER", "XAVIERUNIFORM", "GAUSS", "UNIFORM", "ZERO", "IDENTITY"}
    architecture : {"CPU", "GPU", "CUDNN"}
    random_seed : int
        0 stands for a random one.
    validation_size : ValidationSize
    ignore_negative_weights : bool
    """

    METHOD: ClassVar[str]
    help: bool = False
    verbose: bool = False
    error_strategy: str = "CROSSENTROPY"
    var_transform: str = "None"
    weight_initialization: str = "XAVIER"
    architecture: str = "CPU"
    random_seed: int = 0
    validation_size: ValidationSize = ValidationSize()
    ignore_negative_weights: bool = False

    def __str__(self) -> str:
        pairs = {
            "ErrorStrategy": self.error_strategy,
            "VarTransform": self.var_transform,
            "WeightInitialization": self.weight_initialization,
            "Architecture": self.architecture,
            "RandomSeed": self.random_seed,
            "ValidationSize": self.validation_size,
            "IgnoreNegWeightsInTraining": self.ignore_negative_weights,
            **self._own(),
        }
        flags = ["H" if self.help else "!H", "V" if self.verbose else "!V"]
        return ":".join([*flags, *(f"{key}={value}" for key, value in pairs.items() if value is not None)])

    def _own(self) -> dict[str, object]:
        raise NotImplementedError


@dataclass(frozen=True)
class DLOptions(Options):
    """Options of MethodDL."""

    METHOD: ClassVar[str] = "DL"
    input_layout: InputLayout = NO_INPUT
    batch_layout: BatchLayout | None = None
    layout: Layout = DEFAULT_LAYOUT
    phases: tuple[DLPhase, ...] = DL_DEFAULT

    def _own(self) -> dict[str, object]:
        return {
            "InputLayout": self.input_layout,
            "BatchLayout": self.batch_layout,
            "Layout": self.layout,
            "TrainingStrategy": "|".join(map(str, self.phases)),
        }


@dataclass(frozen=True)
class GANOptions(Options):
    """Options of MethodGAN.

    `objective`, `penalty` and `latent` are extensions: names of facsim's objectives and penalties (kept as written),
    and the width of the noise, by default that of the generator's InputLayout.
    """

    METHOD: ClassVar[str] = "GAN"
    input_layout: Halves[InputLayout] = NO_INPUTS
    batch_layout: Halves[BatchLayout] | None = None
    layout: Halves[Layout] = DEFAULT_LAYOUTS
    phases: tuple[GANPhase, ...] = GAN_DEFAULT
    objective: str | None = None
    penalty: str | None = None
    latent: int | None = None

    def noise_shape(self, variables: int | None = None) -> Shape | None:
        """Shape of what the generator gets: one row of `latent` numbers, else its InputLayout's.

        Examples
        --------
        >>> GANOptions(latent=64).noise_shape(), GANOptions().noise_shape(4), GANOptions().noise_shape()
        ((1, 1, 64), (1, 1, 4), None)
        """
        return (1, 1, self.latent) if self.latent else self.input_layout.generator.shape(variables)

    def _own(self) -> dict[str, object]:
        return {
            "InputLayout": self.input_layout,
            "BatchLayout": self.batch_layout,
            "Layout": self.layout,
            "TrainingStrategy": "|".join(map(str, self.phases)),
            "Objective": self.objective,
            "Penalty": self.penalty,
            "Latent": self.latent,
        }
