"""A dense network of torch as nodes and layers of lwtnn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.deploy.writer import quiet
from facsim.errors import ExportError

__all__ = ["DenseGraph", "translate"]

Numbers = NDArray[np.float64]

_CURE = "lwtnn holds dense layers, batch normalisation and their activations; export as ONNX for anything else"
_KEEPS = {"dropout", "view", "reshape", "_unsafe_view", "flatten", "alias", "clone", "contiguous", "detach", "_to_copy"}
_ACTIVATIONS: dict[str, tuple[str, float | None]] = {  # lwtnn's name, and torch's default for its parameter
    "relu": ("rectified", None),
    "sigmoid": ("sigmoid", None),
    "tanh": ("tanh", None),
    "abs": ("abs", None),
    "softmax": ("softmax", None),
    "leaky_relu": ("leakyrelu", 0.01),
    "elu": ("elu", 1.0),
    "silu": ("swish", 1.0),
}


@dataclass
class DenseGraph:
    """Nodes and layers of a lwtnn graph, as they stand in its JSON.

    Attributes
    ----------
    nodes : list of dict
        Of type input, feed_forward, concatenate or add; sources are places in this list.
    layers : list of dict
        Of architecture dense or normalization, weights row by row (outputs x inputs).
    widths : list of int
        Numbers that come out of every node.
    """

    nodes: list[dict[str, Any]] = field(default_factory=list)
    layers: list[dict[str, Any]] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)

    def node(self, kind: str, sources: Sequence[int], width: int, **more: int) -> int:
        """Append a node; its place."""
        self.nodes.append({"type": kind, "sources": list(sources), **more})
        self.widths.append(width)
        return len(self.nodes) - 1

    def layer(self, source: int, architecture: str, weights: Any, bias: Any, width: int | None = None) -> int:
        """Append a layer behind a node; the place of its node. A dense layer may lack weights or bias."""
        numbers = {
            name: np.asarray(x, np.float64).ravel().tolist() for name, x in (("weights", weights), ("bias", bias))
        }
        self.layers.append({"architecture": architecture, "activation": "linear", **numbers})
        width = self.widths[source] if width is None else width
        return self.node("feed_forward", [source], width, layer_index=len(self.layers) - 1)

    def last(self, place: int) -> dict[str, Any] | None:
        """The dense layer of a node if it has no activation yet, so that it can take what follows."""
        node = self.nodes[place]
        if node["type"] != "feed_forward":
            return None
        layer = self.layers[node["layer_index"]]
        return layer if layer["architecture"] == "dense" and layer["activation"] == "linear" else None

    def affine(self, place: int, scale: Numbers, shift: Numbers, *, alone: bool) -> int:
        """Times `scale`, plus `shift`, column by column; within the layer before where that serves nobody else."""
        width = self.widths[place]
        scale, shift = np.broadcast_to(scale, width), np.broadcast_to(shift, width)
        layer = self.last(place) if alone else None
        if layer is not None and layer["weights"]:
            bias = np.asarray(layer["bias"] or np.zeros(width))
            layer["weights"] = (np.reshape(layer["weights"], (width, -1)) * scale[:, None]).ravel().tolist()
            layer["bias"] = (bias * scale + shift).tolist()
            return place
        scaled = self.layer(place, "normalization", scale, np.zeros(width))
        return self.layer(scaled, "dense", [], shift)

    def activate(self, place: int, name: str, alpha: float | None = None, *, alone: bool) -> int:
        """Apply an activation."""
        layer = self.last(place) if alone else None
        if layer is None:
            place = self.layer(place, "dense", [], [])
            layer = self.layers[-1]
        layer["activation"] = name if alpha is None else {"function": name, "alpha": alpha}
        return place


def translate(net: Any, graph: DenseGraph, inputs: Sequence[int]) -> int:
    """Append a torch module to a graph.

    Parameters
    ----------
    net : torch.nn.Module
        Takes one tensor (1, width) per place in `inputs`, gives one (1, outputs). Layers only: nothing that reshapes,
        multiplies columns with each other or mixes events.
    graph : DenseGraph
    inputs : sequence of int
        Places of the nodes that it takes.

    Returns
    -------
    int
        Place of the node that gives the outputs.

    Raises
    ------
    ExportError
        For an operation that lwtnn does not have, named with the module that it stands in.
    """
    import torch

    example = tuple(torch.zeros(1, graph.widths[place]) for place in inputs)
    with quiet(), torch.no_grad():
        program = torch.export.export(net.eval(), example).run_decompositions({})
    stored = {**program.state_dict, **program.constants}
    signature = program.graph_signature
    held = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    held |= signature.inputs_to_lifted_tensor_constants
    places, constants, given = {}, {}, iter(inputs)
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in held:
            constants[node] = stored[held[node.name]].detach().double().numpy()
        elif node.op == "placeholder":
            places[node] = next(given)
        elif node.op == "output":
            (result,) = node.args[0]
            return places[result]
        else:
            places[node] = _Step(node, graph, places, constants).place()
    msg = "the network has no output"
    raise ExportError(msg)


class _Step:
    """One operation of the traced network."""

    def __init__(
        self, node: Any, graph: DenseGraph, places: dict[Any, int], constants: dict[Any, NDArray[np.float64]]
    ) -> None:
        self.node, self.graph, self.places, self.constants = node, graph, places, constants
        self.name = node.target.__name__.split(".")[0] if hasattr(node.target, "__name__") else str(node.target)

    def place(self) -> int:
        """Append it; its place."""
        known: dict[str, Callable[[], int | None]] = {
            "linear": self._linear,
            "_native_batch_norm_legit_no_training": self._batch_norm,
            "getitem": self._first,
            "cat": self._cat,
            **dict.fromkeys(("add", "sub", "mul", "div"), self._arithmetic),
            **dict.fromkeys(_KEEPS, self._same),
            **dict.fromkeys(_ACTIVATIONS, self._activation),
        }
        name = self.name.removesuffix("_") if self.name not in known else self.name
        result = known[name]() if name in known else None
        if result is None:
            stack = list((self.node.meta.get("nn_module_stack") or {}).values())
            where = (
                f" in {stack[-1][0] or 'the network'} ({getattr(stack[-1][1], '__name__', stack[-1][1])})"
                if stack
                else ""
            )
            msg = f"lwtnn has no '{self.name}', which stands{where}: {_CURE}"
            raise ExportError(msg)
        return result

    def _source(self, position: int = 0) -> int:
        return self.places[self.node.args[position]]

    def _alone(self) -> bool:
        return len(self.node.args[0].users) == 1

    def _given(self, position: int) -> Any:
        """A number or a stored tensor among the arguments; None where it is neither or not there."""
        argument = self.node.args[position] if len(self.node.args) > position else None
        return self.constants.get(argument) if hasattr(argument, "op") else argument

    def _linear(self) -> int | None:
        weight, bias = self._given(1), self._given(2)
        if weight is None or self.node.args[0] not in self.places:
            return None
        return self.graph.layer(self._source(), "dense", weight, [] if bias is None else bias, len(weight))

    def _batch_norm(self) -> int | None:
        weight, bias, mean, variance = (self._given(k) for k in range(1, 5))
        if self._shape(self.node.args[0]) is None or mean is None:
            return None
        scale = (1.0 if weight is None else weight) / np.sqrt(variance + self.node.args[6])
        return self.graph.affine(
            self._source(), scale, (0.0 if bias is None else bias) - mean * scale, alone=self._alone()
        )

    def _first(self) -> int | None:
        """Batch normalisation gives its statistics, too."""
        return self._source() if self.node.args[1] == 0 else None

    def _cat(self) -> int | None:
        parts = self.node.args[0]
        if (self._given(1) or 0) not in {1, -1} or any(p not in self.places for p in parts):
            return None
        sources = [self.places[p] for p in parts]
        return self.graph.node("concatenate", sources, sum(self.graph.widths[s] for s in sources))

    def _same(self) -> int | None:
        same = self._shape(self.node) == self._shape(self.node.args[0]) is not None
        return self._source() if same else None

    def _arithmetic(self) -> int | None:
        """Of two nodes only their sum; with numbers all four, where the node comes first."""
        if self.node.args[0] not in self.places or self.node.kwargs:
            return None
        if self.node.args[1] in self.places:
            return self._sum() if self.name.startswith("add") else None
        number = self._given(1)
        if number is None or np.size(number) not in {1, self.graph.widths[self._source()]}:
            return None
        number = np.ravel(np.asarray(number, np.float64))
        scale, shift = {
            "add": (1.0, number),
            "sub": (1.0, -number),
            "mul": (number, 0.0),
            "div": (1 / number, 0.0),
        }[self.name.removesuffix("_")]
        return self.graph.affine(self._source(), np.asarray(scale), np.asarray(shift), alone=self._alone())

    def _sum(self) -> int | None:
        a, b = self._source(0), self._source(1)
        widths = self.graph.widths
        return self.graph.node("add", [a, b], widths[a]) if widths[a] == widths[b] else None

    def _activation(self) -> int | None:
        name, alpha = _ACTIVATIONS[self.name.removesuffix("_")]
        if name == "softmax" and self._given(1) not in {1, -1}:
            return None
        if self._shape(self.node) is None or (name == "elu" and len(self.node.args) > 2):
            return None
        if alpha is not None and name != "swish" and len(self.node.args) > 1:
            alpha = float(self.node.args[1])
        return self.graph.activate(self._source(), name, alpha, alone=self._alone())

    @staticmethod
    def _shape(node: Any) -> tuple[int, ...] | None:
        """Of rows; None for anything that is not (1, width)."""
        shape = tuple(node.meta["val"].shape)
        return shape if len(shape) == 2 and shape[0] == 1 else None
