"""TMVA's option strings: the grammar of MethodDL and MethodGAN, read strictly.

What TMVA silently drops or misreads is an `OptionStringError`, or a `TmvaWarning` with one of the names in `FINDINGS`
where the meaning is plain. Layers, activations and keys that TMVA lacks, in its notation: ``DECONV``, ``UNFLAT``,
``UPSAMPLE``, ``LOCAL``, ``LRELU``; in GANs also ``BNORM``, ``LSTM`` and ``GRU``, the keys ``Objective``, ``Penalty``,
``Latent``, ``RandomSeed`` and ``ValidationSize``, and ``Optimizer`` with its numbers in TrainingStrategy, for both
networks or with the prefix ``Generator`` or ``Discriminator``.
"""

from facsim.tmva.filters import Conv, Deconv, Local
from facsim.tmva.inputs import BatchLayout, InputLayout
from facsim.tmva.layers import ACTIVATIONS, BatchNorm, Dense, Layer, MaxPool, Reshape, Unflat, Upsample
from facsim.tmva.layout import Halves, Layout, parameters, shapes
from facsim.tmva.layout_parser import parse_layout
from facsim.tmva.options import DLOptions, GANOptions, Options, ValidationSize
from facsim.tmva.options_parser import parse_options
from facsim.tmva.recurrent import GRU, LSTM, RNN
from facsim.tmva.source import FINDINGS, TmvaWarning
from facsim.tmva.training import OPTIMIZERS, DLPhase, GANPhase, NetTraining

__all__ = [
    "ACTIVATIONS",
    "FINDINGS",
    "GRU",
    "LSTM",
    "OPTIMIZERS",
    "RNN",
    "BatchLayout",
    "BatchNorm",
    "Conv",
    "DLOptions",
    "DLPhase",
    "Deconv",
    "Dense",
    "GANOptions",
    "GANPhase",
    "Halves",
    "InputLayout",
    "Layer",
    "Layout",
    "Local",
    "MaxPool",
    "NetTraining",
    "Options",
    "Reshape",
    "TmvaWarning",
    "Unflat",
    "Upsample",
    "ValidationSize",
    "parameters",
    "parse_layout",
    "parse_options",
    "shapes",
]
