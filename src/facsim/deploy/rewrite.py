"""Operators that an engine lacks, written with those that it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["RULES", "plain_names", "rewrite"]

FLOAT, INT64 = 1, 7  # numbers of onnx.TensorProto.DataType


class _Writer:
    """Appends nodes to a graph and remembers what is known of its tensors."""

    def __init__(self, graph: Any) -> None:
        import onnx

        self.helper, self.numpy_helper = onnx.helper, onnx.numpy_helper
        self.graph, self.count = graph, 0
        self.nodes: list[Any] = []
        self.taken = {n for node in graph.node for n in (*node.input, *node.output)}
        self.constants = {t.name: t for t in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.constants[node.output[0]] = node.attribute[0].t
        known = (*graph.input, *graph.output, *graph.value_info)
        self.shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in known}
        self.shapes |= {name: list(tensor.dims) for name, tensor in self.constants.items()}
        self.types = {v.name: v.type.tensor_type.elem_type for v in known}

    def __call__(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Append a node; the name of its first output."""
        names = [self._name(operator) for _ in range(outputs)]
        self.nodes.append(self.helper.make_node(operator, list(inputs), names, names[0], **attributes))
        return names[0]

    def constant(self, value: Any, kind: type = np.float32) -> str:
        """A constant of the graph, at least one-dimensional."""
        tensor = self.numpy_helper.from_array(np.atleast_1d(np.asarray(value, kind)), self._name("constant"))
        self.graph.initializer.append(tensor)
        return str(tensor.name)

    def value(self, name: str) -> Any:
        """What a constant holds, None for a computed tensor or a missing input."""
        return self.numpy_helper.to_array(self.constants[name]) if name in self.constants else None

    def floats(self, name: str) -> bool:
        """Whether a tensor holds floats."""
        return bool(self.types.get(name, FLOAT) == FLOAT)

    def _name(self, stem: str) -> str:
        while (name := f"{stem}_{self.count}") in self.taken:
            self.count += 1
        self.taken.add(name)
        return name


Rule = Callable[[_Writer, Any, dict[str, Any]], str | None]


def _clip(w: _Writer, node: Any, _: dict[str, Any]) -> str | None:
    """Clip to Max, then Min."""
    x, low, high = (*node.input, "", "")[:3]
    if low:
        x = w("Max", x, low)
    return w("Min", x, high) if high else x if low else w("Identity", x)


def _softplus(w: _Writer, node: Any, _: dict[str, Any]) -> str:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which does not overflow; good to 1e-7 absolutely."""
    (x,) = node.input
    small = w("Exp", w("Neg", w("Abs", x)))
    return w("Add", w("Relu", x), w("Log", w("Add", small, w.constant(1))))


def _hard_sigmoid(w: _Writer, node: Any, given: dict[str, Any]) -> str:
    scaled = w("Mul", node.input[0], w.constant(given.get("alpha", 0.2)))
    return _between(w, w("Add", scaled, w.constant(given.get("beta", 0.5))))


def _hard_swish(w: _Writer, node: Any, _: dict[str, Any]) -> str:
    (x,) = node.input
    sixth = w("Mul", x, w.constant(1 / 6))
    return w("Mul", x, _between(w, w("Add", sixth, w.constant(0.5))))


def _between(w: _Writer, x: str) -> str:
    return w("Min", w("Max", x, w.constant(0)), w.constant(1))


def _prelu(w: _Writer, node: Any, _: dict[str, Any]) -> str:
    x, slope = node.input
    return w("Sub", w("Relu", x), w("Mul", slope, w("Relu", w("Neg", x))))


def _elu(w: _Writer, node: Any, given: dict[str, Any]) -> str | None:
    """SOFIE's code for Elu is right for alpha = 1 only (ROOT issue 21539)."""
    if given.get("alpha", 1.0) == 1.0:
        return None
    (x,) = node.input
    below = w("Sub", w("Exp", w("Min", x, w.constant(0))), w.constant(1))
    return w("Add", w("Relu", x), w("Mul", below, w.constant(given["alpha"])))


def _gelu(w: _Writer, node: Any, given: dict[str, Any]) -> str | None:
    (x,) = node.input
    if given.get("approximate", b"none") != b"none":
        return None
    erf = w("Erf", w("Mul", x, w.constant(2**-0.5)))
    return w("Mul", w("Mul", x, w.constant(0.5)), w("Add", erf, w.constant(1)))


def _swish(w: _Writer, node: Any, given: dict[str, Any]) -> str:
    (x,) = node.input
    inner = x if given.get("alpha", 1.0) == 1.0 else w("Mul", x, w.constant(given["alpha"]))
    return w("Mul", x, w("Sigmoid", inner))


def _mish(w: _Writer, node: Any, given: dict[str, Any]) -> str:
    return w("Mul", node.input[0], w("Tanh", _softplus(w, node, given)))


def _floor(w: _Writer, x: str) -> str:
    """A cast cuts towards zero: one less where that was upwards. For values below 2^63."""
    cut = w("Cast", w("Cast", x, to=INT64), to=FLOAT)
    return w("Sub", cut, w("Cast", w("Greater", cut, x), to=FLOAT))


def _round(w: _Writer, node: Any, _: dict[str, Any]) -> str | None:
    """To the nearest; a half goes to the even neighbour."""
    (x,) = node.input
    below = _floor(w, x)
    rest, half = w("Sub", x, below), w.constant(0.5)
    odd = w("Sub", below, w("Mul", w.constant(2), _floor(w, w("Mul", below, half))))
    up = w("Cast", w("Greater", rest, half), to=FLOAT)
    tie = w("Mul", w("Cast", w("Equal", rest, half), to=FLOAT), odd)
    return w("Add", below, w("Add", up, tie))


def _sign(w: _Writer, node: Any, _: dict[str, Any]) -> str:
    (x,) = node.input
    above, below = (w("Cast", w(way, x, w.constant(0)), to=FLOAT) for way in ("Greater", "Less"))
    return w("Sub", above, below)


def _gate(w: _Writer, node: Any, _: dict[str, Any]) -> str:
    """And, Or and Not of truth values as sums of 0 and 1."""
    a, *b = (w("Cast", x, to=FLOAT) for x in node.input)
    if node.op_type == "Not":
        return w("Less", a, w.constant(0.5))
    return w("Greater", w("Add", a, b[0]), w.constant({"Or": 0.5, "And": 1.5}[node.op_type]))


def _batch_norm(w: _Writer, node: Any, given: dict[str, Any]) -> str | None:
    """A factor and a summand: SOFIE names what it computes after the scale, which several layers may share."""
    parts, rank = [w.value(name) for name in node.input[1:]], len(w.shapes.get(node.input[0], []))
    if any(p is None for p in parts) or rank < 2 or given.get("training_mode", 0):
        return None
    scale, shift, mean, variance = (p.astype(np.float64).reshape(-1, *[1] * (rank - 2)) for p in parts)
    factor = scale / np.sqrt(variance + given.get("epsilon", 1e-5))
    return w("Add", w("Mul", node.input[0], w.constant(factor)), w.constant(shift - mean * factor))


def _layer_norm(w: _Writer, node: Any, given: dict[str, Any]) -> str | None:
    """With the bias that SOFIE counts on."""
    x, scale, *bias = node.input
    if any(bias) or scale not in w.shapes:
        return None
    return w("LayerNormalization", x, scale, w.constant(np.zeros(w.shapes[scale])), **given)


def _expand(w: _Writer, node: Any, _: dict[str, Any]) -> str | None:
    """A product with ones: SOFIE's Expand gives wrong numbers where the last axis has the length 1."""
    before, after = w.shapes.get(node.input[0], [0]), w.shapes.get(node.output[0], [0])
    if 0 in (*before, *after):
        return None
    before = [1] * (len(after) - len(before)) + before
    return w("Mul", node.input[0], w.constant(np.ones([b // a for a, b in zip(before, after, strict=True)])))


def _extreme(w: _Writer, node: Any, given: dict[str, Any]) -> str | None:
    """ReduceMax and ReduceMin along one axis: the first of TopK."""
    axes = w.value(node.input[1]) if len(node.input) > 1 else np.asarray(given.get("axes", []))
    if axes is None or len(axes) != 1:
        return None
    largest = int(node.op_type == "ReduceMax")
    one = w.constant(1, np.int64)
    first = w("TopK", node.input[0], one, outputs=2, axis=int(axes[0]), largest=largest, sorted=1)
    return first if given.get("keepdims", 1) else w("Squeeze", first, w.constant(axes, np.int64))


def _log_softmax(w: _Writer, node: Any, given: dict[str, Any]) -> str:
    """Values less log(sum exp(x)), with the largest taken out, so that no exponential overflows."""
    x, axis = node.input[0], given.get("axis", -1)
    below = w("Sub", x, w("TopK", x, w.constant(1, np.int64), outputs=2, axis=axis))
    total = w("ReduceSum", w("Exp", below), w.constant(axis, np.int64), keepdims=1)
    return w("Sub", below, w("Log", total))


def _gather_nd(w: _Writer, node: Any, given: dict[str, Any]) -> str | None:
    """An index of one number is a plain Gather."""
    data, index = node.input
    if given.get("batch_dims", 0) or w.shapes.get(index, [0])[-1:] != [1]:
        return None
    return w("Gather", data, w("Squeeze", index, w.constant(-1, np.int64)), axis=0)


def _resize(w: _Writer, node: Any, given: dict[str, Any]) -> str | None:
    """Repeat every pixel: a new axis behind each one is expanded and merged. For whole factors only."""
    before, after = w.shapes.get(node.input[0], []), w.shapes.get(node.output[0], [])
    if given.get("mode", b"nearest") != b"nearest" or not before or 0 in (*before, *after):
        return None
    # where whole factors are cut off or rounded from the half pixel, both give the pixel itself
    way = given.get("coordinate_transformation_mode", b"half_pixel"), given.get("nearest_mode", b"round_prefer_floor")
    if way not in {(b"asymmetric", b"floor"), *((b"half_pixel", b"round_prefer_" + r) for r in (b"floor", b"ceil"))}:
        return None
    if any(b % a for a, b in zip(before, after, strict=True)):
        return None
    parted = [n for a in before for n in (a, 1)]
    repeated = [n for a, b in zip(before, after, strict=True) for n in (a, b // a)]
    x = w("Reshape", node.input[0], w.constant(parted, np.int64))
    ones = np.ones([b // a for a, b in zip(parted, repeated, strict=True)])  # not by Expand, see there
    return w("Reshape", w("Mul", x, w.constant(ones)), w.constant(after, np.int64))


def _depth_to_space(w: _Writer, node: Any, given: dict[str, Any]) -> str | None:
    shape, b = w.shapes.get(node.input[0], []), given["blocksize"]
    if len(shape) != 4 or 0 in shape:
        return None
    n, c, high, wide = shape
    column_first = given.get("mode", b"DCR") == b"DCR"
    parted = [n, b, b, c // b**2, high, wide] if column_first else [n, c // b**2, b, b, high, wide]
    order = [0, 3, 4, 1, 5, 2] if column_first else [0, 1, 4, 2, 5, 3]
    x = w("Transpose", w("Reshape", node.input[0], w.constant(parted, np.int64)), perm=order)
    return w("Reshape", x, w.constant([n, c // b**2, high * b, wide * b], np.int64))


RULES: dict[str, Rule] = {
    "And": _gate,
    "BatchNormalization": _batch_norm,
    "Ceil": lambda w, node, _: w("Neg", _floor(w, w("Neg", node.input[0]))),
    "Clip": _clip,
    "DepthToSpace": _depth_to_space,
    "Dropout": lambda w, node, _: w("Identity", node.input[0]),
    "Elu": _elu,
    "Expand": _expand,
    "Floor": lambda w, node, _: _floor(w, node.input[0]),
    "GatherND": _gather_nd,
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "LayerNormalization": _layer_norm,
    "LogSoftmax": _log_softmax,
    "Mish": _mish,
    "Not": _gate,
    "Or": _gate,
    "PRelu": _prelu,
    "ReduceL2": lambda w, node, given: w("Sqrt", w("ReduceSumSquare", *node.input, **given)),
    "ReduceMax": _extreme,
    "ReduceMin": _extreme,
    "Resize": _resize,
    "Round": _round,
    "Sign": _sign,
    "Softplus": _softplus,
    "Swish": _swish,
}
"""By operator: how to write it with operators of `facsim.deploy.operators.SOFIE`. A rule may decline a use.

`BatchNormalization`, `Elu`, `Expand` and `LayerNormalization` stand in that list, but not every use of them is right.
"""


def rewrite(model: Any) -> Any:
    """Write operators that SOFIE lacks with others, where there is a rule (`RULES`).

    Values stay the same up to rounding. What no rule takes stays as it is, for `facsim.deploy.operators.audit` to name.

    Parameters
    ----------
    model : onnx.ModelProto
        With fixed shapes; it is changed in place.

    Returns
    -------
    onnx.ModelProto

    Examples
    --------
    >>> from onnx import TensorProto, helper
    >>> x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in "xy")
    >>> graph = helper.make_graph([helper.make_node("Softplus", ["x"], ["y"])], "g", [x], [y])
    >>> model = rewrite(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]))
    >>> [node.op_type for node in model.graph.node]
    ['Abs', 'Neg', 'Exp', 'Relu', 'Add', 'Log', 'Add']
    """
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    model.graph.value_info.extend(v for v in graph.value_info if v.name not in {x.name for x in model.graph.value_info})
    w = _Writer(model.graph)
    for node in model.graph.node:
        rule = RULES.get(node.op_type)
        kept, w.nodes = w.nodes, []
        given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        # integers and mixed types stay: no rule was written for them
        result = rule(w, node, given) if rule and (node.op_type == "GatherND" or _plain(w, node)) else None
        if result is None:
            w.nodes = [*kept, node]
            continue
        for made in w.nodes:
            made.output[:] = [node.output[0] if name == result else name for name in made.output]
        w.nodes = kept + w.nodes
    nodes = list(w.nodes)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _plain(w: _Writer, node: Any) -> bool:
    return node.op_type in {"And", "Or", "Not", "Clip"} or w.floats(node.input[0])


def plain_names(model: Any) -> Any:
    """Call every tensor but inputs and outputs t0, t1, ...; in place.

    A generator of code makes identifiers of names: where it leaves characters out, ``net.1.1`` and ``net.11`` are one.

    Examples
    --------
    >>> from onnx import TensorProto, helper
    >>> x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    >>> nodes = [helper.make_node("Abs", ["x"], ["a.1"]), helper.make_node("Exp", ["a.1"], ["y"])]
    >>> model = plain_names(helper.make_model(helper.make_graph(nodes, "g", [x], [y])))
    >>> [name for node in model.graph.node for name in node.output]
    ['t0', 'y']
    """
    ports = {"", *(port.name for port in (*model.graph.input, *model.graph.output))}
    new: dict[str, str] = {}

    def name(old: str) -> str:
        return old if old in ports else new.setdefault(old, f"t{len(new)}")

    def walk(graph: Any) -> None:
        for node in graph.node:
            node.input[:], node.output[:] = map(name, node.input), map(name, node.output)
            for attribute in node.attribute:
                for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                    walk(inner)
        for held in (*graph.initializer, *graph.value_info, *graph.input, *graph.output):
            held.name = name(held.name)

    walk(model.graph)
    return model
