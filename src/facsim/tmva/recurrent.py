"""Layers with memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from facsim.tmva.layers import Layer, Misfit, Shape

__all__ = ["GRU", "LSTM", "RNN", "Recurrent"]


LONGEST = 10_000  # steps: each is computed after the one before


@dataclass(frozen=True)
class Recurrent(Layer):
    """``state|input|timesteps|rememberState|returnSequence``; the input is read as (timesteps, input).

    Parameters
    ----------
    state : int
        Numbers remembered, and width of the output.
    inputs, timesteps : int
        Must agree with what arrives; 0 takes what arrives (depth x height steps of `width` numbers).
    remember_state : bool
        Start from the state that the last batch left.
    return_sequence : bool
        Give the state after every step, not after the last alone.
    """

    GATES: ClassVar[int] = 1
    state: int
    inputs: int = 0
    timesteps: int = 0
    remember_state: bool = False
    return_sequence: bool = False

    def shape(self, inputs: Shape, outputs: int = 1) -> Shape:  # noqa: ARG002
        """``(1, timesteps or 1, state)``."""
        steps, width = inputs[0] * inputs[1], inputs[2]
        if steps > LONGEST:
            msg = f"{steps} steps, more than {LONGEST}"
            raise Misfit(msg)
        if (self.inputs or width) != width or (self.timesteps or steps) != steps:
            told = f"{self.timesteps or steps} steps of {self.inputs or width} numbers asked"
            msg = f"{told}, {steps} steps of {width} arrive"
            raise Misfit(msg)
        return 1, steps if self.return_sequence else 1, self.state

    def parameters(self, inputs: Shape, outputs: int = 1) -> int:  # noqa: ARG002
        """Per gate: weights of input and state, one bias per number of the state."""
        return self.GATES * self.state * (inputs[2] + self.state + 1)


@dataclass(frozen=True)
class RNN(Recurrent):
    """``RNN|state|input|timesteps|rememberState|returnSequence``: h' = tanh(W x + U h + b)."""

    NAME: ClassVar[str] = "RNN"


@dataclass(frozen=True)
class LSTM(Recurrent):
    """``LSTM|state|input|timesteps|rememberState|returnSequence``: long short-term memory, four gates."""

    NAME: ClassVar[str] = "LSTM"
    GATES: ClassVar[int] = 4


@dataclass(frozen=True)
class GRU(Recurrent):
    """``GRU|state|input|timesteps|rememberState|returnSequence|resetGateAfter``: three gates.

    `reset_gate_after` applies the reset gate to U h instead of to h.
    """

    NAME: ClassVar[str] = "GRU"
    GATES: ClassVar[int] = 3
    reset_gate_after: bool = False
