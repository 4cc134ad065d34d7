"""Run an exported model with numpy and onnxruntime alone; torch is not needed."""

from facsim.runtime.members import Member
from facsim.runtime.model import FORMAT, RuntimeModel, load
from facsim.runtime.spread import Spread, held_out, held_out_all, joined, spread
from facsim.runtime.variations import variation_weights

__all__ = [
    "FORMAT",
    "Member",
    "RuntimeModel",
    "Spread",
    "held_out",
    "held_out_all",
    "joined",
    "load",
    "spread",
    "variation_weights",
]
