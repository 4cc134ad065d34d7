"""Players written in the notation of TMVA's layouts: ``DENSE|256|RELU,DENSE|784|TANH``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal, cast

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from facsim.errors import OptionStringError, RecipeError, SchemaMismatch
from facsim.models.gan.layout import Layout
from facsim.models.gan.networks.base import CRITICS, GENERATORS, CriticPart, GeneratorPart
from facsim.nets.layout import LayoutNetwork, network_of
from facsim.nets.layout_layers import Drop, initialize
from facsim.tmva import BatchNorm, Dense, parse_layout, shapes
from facsim.tmva import Layout as Layers

__all__ = ["LayoutCritic", "LayoutGenerator"]

Initialization = Literal["XAVIER", "XAVIERUNIFORM", "GAUSS", "UNIFORM", "ZERO", "IDENTITY"]
Shape = tuple[int, int, int]

MOMENTUM = 0.1  # of batch normalisation where none is named


def _layers(layout: str) -> Layers:
    return parse_layout(layout, "DL")


def _shape(text: str, numbers: int) -> Shape:
    """``depth|height|width`` as numbers; a row of `numbers` where nothing is written."""
    return cast("Shape", tuple(map(int, text.split("|")))) if text else (1, 1, numbers)


def _checked_input(text: str) -> str:
    if text and not re.fullmatch(r"[1-9]\d{0,6}(\|[1-9]\d{0,6}){2}", text):
        msg = f"'{text}' is no input: write depth|height|width, for example 1|28|28, or nothing for one row"
        raise ValueError(msg)
    return text


def _checked_layout(text: str) -> str:
    return str(_layers(text))


@GENERATORS.register("layout")
class LayoutGenerator(GeneratorPart):
    """Generator of a layout; conditions, if there are any, take the place of the first numbers of its noise.

    Examples
    --------
    >>> import torch
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("dll", (4,)),)), width=4, context=1)
    >>> generator = LayoutGenerator(layout="DENSE|N*2|RELU,UNFLAT|2|2|2,CONV|1|1|1|1|1|0|0|TANH")
    >>> generator.latent(layout), generator.build(layout)(torch.randn(3, 4), torch.zeros(3, 1)).shape
    (4, torch.Size([3, 4]))
    """

    summary = "layout in TMVA's notation"
    reference = "MethodDL's options in the TMVA users guide, arXiv:physics/0703039"

    layout: str = "DENSE|(N+100)*2|SOFTSIGN,DENSE|N|LINEAR"
    """Layers, see `facsim.tmva.parse_layout`; N is the number of columns of an event."""
    input: str = ""
    """Shape of the noise, ``depth|height|width``; by default one row of `noise` numbers."""
    noise: int = Field(0, ge=0)
    """Numbers of noise (with the conditions) where `input` says nothing; 0 stands for N."""
    initialization: Initialization = "XAVIER"
    """TMVA's law of the first weights, see `facsim.nets.layout_layers.initialize`."""
    dropout: tuple[float, ...] = ()
    """Probability to drop an input of each layer; the largest, where phases of the training differ."""

    _layout = field_validator("layout")(_checked_layout)
    _input = field_validator("input")(_checked_input)

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` if it makes another number of values than an event has, or has no room for noise."""
        made = math.prod(shapes(_layers(self.layout), self._inputs(layout), variables=layout.width)[-1])
        if made != layout.width:
            layers = _layers(self.layout)
            problem = f"the generator's layout makes {made} values, an event has {layout.width}"
            last = len(str(layers)) - len(str(layers.layers[-1]))
            cure = f"End it with DENSE|{layout.width}, or another layer that makes as many."
            raise SchemaMismatch(str(OptionStringError(problem, str(layers), last, cure)))
        if self.latent(layout) < 1:
            msg = (
                f"the generator's input of {math.prod(self._inputs(layout))} numbers holds the {layout.context} "
                "columns of the conditions, and nothing is left for noise: enlarge model.generator.noise or its input"
            )
            raise SchemaMismatch(msg)

    def _inputs(self, layout: Layout) -> Shape:
        return _shape(self.input, self.noise or layout.width)

    def latent(self, layout: Layout) -> int:
        """Numbers of its input that are no conditions."""
        return math.prod(self._inputs(layout)) - (layout.context if layout.schema.conditions else 0)

    def build(self, layout: Layout) -> nn.Module:
        """Network ``(noise (n, latent), context (n, c)) -> x (n, width)``."""
        network = network_of(
            _layers(self.layout),
            self._inputs(layout),
            initialization=self.initialization,
            dropout=self.dropout,
            variables=layout.width,
        )
        return _Generator(_following(network), conditional=bool(layout.schema.conditions))


class _Generator(nn.Module):
    def __init__(self, net: LayoutNetwork, *, conditional: bool) -> None:
        super().__init__()
        self.net, self.conditional = net, conditional

    def drop(self, probabilities: Sequence[float]) -> None:
        self.net.drop(probabilities)

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        x: Tensor = self.net(torch.cat([context, noise], 1) if self.conditional else noise)
        return x


@CRITICS.register("layout")
class LayoutCritic(CriticPart):
    """Critic of a layout that ends with ``DENSE|1|LINEAR``; this last layer is its head.

    A last SIGMOID is left out: objectives take logits, and two sigmoids in a row confine the critic's probability to
    0.5 to 0.73.

    Examples
    --------
    >>> import torch
    >>> from facsim import Block, Schema
    >>> layout = Layout(Schema((Block("image", (8, 8)),)), width=64, context=1)
    >>> critic = LayoutCritic(layout="CONV|4|3|3|1|1|1|1|LRELU,RESHAPE|FLAT,DENSE|16|LRELU,DENSE|1|SIGMOID", input="1|8|8")
    >>> critic.layout.split(",")[-1], critic.build(layout)(torch.randn(3, 64), torch.zeros(3, 1)).shape
    ('DENSE|1|LINEAR', torch.Size([3, 16]))
    """  # noqa: E501

    summary = "layout in TMVA's notation"
    reference = "MethodDL's options in the TMVA users guide, arXiv:physics/0703039"

    conditioning: Literal["projection", "none"] = "projection"
    """Conditions, if there are any, meet the features in the head, or an auxiliary task asks for them."""
    layout: str = "DENSE|(N+100)*2|SOFTSIGN,DENSE|1|LINEAR"
    """Layers; the last is ``DENSE|1|LINEAR`` or ``DENSE|1|SIGMOID``."""
    input: str = ""
    """Shape of an event, ``depth|height|width``; by default one row."""
    initialization: Initialization = "XAVIER"
    dropout: tuple[float, ...] = ()
    """Probability to drop an input of each layer; the largest, where phases of the training differ."""

    _input = field_validator("input")(_checked_input)

    @field_validator("layout")
    @classmethod
    def _ends_with_one_number(cls, text: str) -> str:
        layers = _layers(text).logits()
        last = layers.layers[-1]
        if not (isinstance(last, Dense) and last.width in {0, 1} and last.activation == "LINEAR"):
            msg = f"a discriminator ends with DENSE|1|LINEAR or DENSE|1|SIGMOID, not with {last}"
            raise RecipeError(msg)
        return ",".join([*map(str, layers.layers[:-1]), str(Dense(1, "LINEAR"))])

    @property
    def uses_batch(self) -> bool:
        """Whether there is batch normalisation."""
        return any(isinstance(layer, BatchNorm) for layer in _layers(self.layout))

    def check(self, layout: Layout) -> None:
        """Raise `SchemaMismatch` if it takes another number of values than an event has."""
        taken = math.prod(_shape(self.input, layout.width))
        if taken != layout.width:
            msg = (
                f"the discriminator's input {self.input} holds {taken} values, an event has {layout.width}: write its "
                "InputLayout (model.critic.input) so that the product is that"
            )
            raise SchemaMismatch(msg)
        shapes(_layers(self.layout), _shape(self.input, layout.width), variables=layout.width)

    def build(self, layout: Layout, pack: int = 1) -> nn.Module:
        """Network ``(x (n, width * pack), context) -> features``; packed events are planes one above the other."""
        depth, height, width = _shape(self.input, layout.width)
        inputs = (depth * pack, height, width) if self.input else (1, 1, width * pack)
        layers = Layers(_layers(self.layout).layers[:-1])
        network = network_of(
            layers, inputs, initialization=self.initialization, dropout=self.dropout, variables=layout.width
        )
        last = self.dropout[len(layers)] if len(self.dropout) > len(layers) else 0.0
        return _Body(_following(network), self.initialization, Drop(last, len(layers)) if last else None)


class _Body(nn.Module):
    def __init__(self, net: LayoutNetwork, law: str, before_head: Drop | None) -> None:
        super().__init__()
        self.net, self.law, self.before_head = net, law, before_head
        self.features = math.prod(net.outputs)

    def start_head(self, head: nn.Linear) -> None:
        """First weights of the head, as of the other layers."""
        initialize(head.weight, self.law)

    def drop(self, probabilities: Sequence[float]) -> None:
        self.net.drop(probabilities)
        if self.before_head is not None:
            layer = self.before_head.layer
            self.before_head.p = probabilities[layer] if layer < len(probabilities) else 0.0

    def forward(self, x: Tensor, context: Tensor) -> Tensor:  # noqa: ARG002 - conditions are the head's affair
        h: Tensor = self.net(x)
        return h if self.before_head is None else self.before_head(h)


def _following(network: LayoutNetwork) -> LayoutNetwork:
    """Batch normalisation without a momentum follows its batches: what it normalises moves throughout the game.

    TMVA's default, the average over the whole training, would remember how the players began.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.momentum is None:
            module.momentum = MOMENTUM
    return network
