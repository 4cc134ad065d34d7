"""Which operators another engine reads, and whether a file keeps to them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facsim.errors import ExportError, require

__all__ = ["RANDOM", "SOFIE", "Audit", "Finding", "audit"]

SOFIE = frozenset(
    """
    Abs Add AveragePool BatchNormalization Cast Concat Constant ConstantOfShape Conv ConvTranspose Cos Div Einsum Elu
    Equal Erf Exp Expand EyeLike Flatten GRU Gather Gemm GlobalAveragePool Greater GreaterOrEqual Identity If LSTM
    LayerNormalization LeakyRelu Less LessOrEqual Log MatMul Max MaxPool Mean Min Mul Neg Pad Pow RNN Range Reciprocal
    ReduceMean ReduceProd ReduceSum ReduceSumSquare Relu Reshape ScatterElements Selu Shape Sigmoid Sin Slice Softmax
    Split Sqrt Squeeze Sub Sum Tanh Tile TopK Transpose Unsqueeze Where
    """.split()  # noqa: SIM905 - a table to be compared with its source
)
"""Operators of ROOT's SOFIE: README of ``tmva/sofie`` in root-project/root at 027f2057.

Less `RANDOM`, which that list has too: noise is an input of our files, and later parsers do not register them.
"""

RANDOM = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"})
"""Operators that draw numbers inside the graph."""

_TYPES = {1: "float", 6: "int32", 7: "int64", 9: "bool", 11: "double"}  # numbers of onnx.TensorProto.DataType

_CURES = {
    **dict.fromkeys(RANDOM, "draw nothing in the graph: take the numbers from the input 'noise'"),
    "Resize": "enlarge to the nearest neighbour by whole factors, or use a transposed convolution",
    "InstanceNormalization": "use layer or batch normalisation",
    "GroupNormalization": "use layer or batch normalisation",
    "GatherElements": "look up a flat table with one index (torch: table[index])",
    "GatherND": "look up a flat table with one index (torch: table[index])",
    "Loop": "unroll the loop: let Python run it over a fixed number of steps",
    "Scan": "unroll the loop: let Python run it over a fixed number of steps",
}
_CURE = "write it with operators of the list, or export for ONNX Runtime (profile 'default')"


@dataclass(frozen=True)
class Finding:
    """What the engine would not read: an operator, or another property, with the node or port that has it."""

    operator: str
    node: str
    cure: str

    def __str__(self) -> str:
        return f"{self.operator} at '{self.node}': {self.cure}"


@dataclass(frozen=True)
class Audit:
    """What a file asks of an engine; made by `audit`.

    Parameters
    ----------
    opset : int
        Version of the ONNX operator set.
    operators : dict of str to int
        How often each occurs.
    findings : tuple of Finding
        What the engine would not read.
    """

    opset: int
    operators: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether the engine should read the file."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return {**asdict(self), "passed": self.passed}

    def __str__(self) -> str:
        counted = ", ".join(f"{name} {count}" for name, count in self.operators.items())
        verdict = "passed" if self.passed else "\n  ".join(["not passed:", *map(str, self.findings)])
        return f"opset {self.opset}; {counted}; {verdict}"


def audit(model: str | os.PathLike[str] | Any, allowed: frozenset[str] = SOFIE) -> Audit:
    """Compare what an ONNX file holds with what an engine reads.

    Besides operators: every axis of inputs and outputs is fixed, tensors are float, double, int32, int64 or bool, and
    no tensor is stored outside the file. Pools that round their size up are named, since SOFIE ignores that (ROOT issue
    21774). Whether the engine handles every use of an operator, no list says: ROOT's own
    ``RModelParser_ONNX::CheckModel`` has the last word.

    Parameters
    ----------
    model : path or onnx.ModelProto
    allowed : frozenset of str, optional
        Operators that the engine reads; by default `SOFIE`.

    Raises
    ------
    MissingExtra
        If onnx is not installed.
    ExportError
        If there is no ONNX file.

    Examples
    --------
    >>> from onnx import TensorProto, helper
    >>> x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in "xy")
    >>> graph = helper.make_graph([helper.make_node("Ceil", ["x"], ["y"], "up")], "g", [x], [y])
    >>> print(audit(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])))  # doctest: +ELLIPSIS
    opset 18; Ceil 1; not passed:
      Ceil at 'up': write it with operators of the list, ...
    """
    require("onnx", "train", "auditing an exported file")
    import onnx

    if isinstance(model, (str, os.PathLike)):
        try:
            # without tensors that are elsewhere: they are a finding, not something to be followed
            model = onnx.load_model_from_string(Path(model).read_bytes())
        except Exception as error:  # protobuf's errors have no common base
            msg = f"{model} cannot be read as ONNX: {error}"
            raise ExportError(msg) from error
    nodes = list(_nodes(model.graph))
    findings = [f for node in nodes if (f := _judge(node, allowed))]
    for port in (*model.graph.input, *model.graph.output):
        if not all(axis.dim_value for axis in port.type.tensor_type.shape.dim):
            findings.append(Finding("open shape", port.name, "export with a fixed number of events (profile 'sofie')"))
        findings += _typed(port.name, port.type.tensor_type.elem_type)
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            findings.append(Finding("tensor outside the file", tensor.name, "store weights in the file"))
        findings += _typed(tensor.name, tensor.data_type)
    opset = max((o.version for o in model.opset_import if o.domain in {"", "ai.onnx"}), default=0)
    return Audit(opset, dict(sorted(Counter(n.op_type for n in nodes).items())), tuple(findings))


def _nodes(graph: Any) -> Iterator[Any]:
    """Nodes of a graph and of the graphs in its branches."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else list(attribute.graphs):
                yield from _nodes(inner)


def _judge(node: Any, allowed: frozenset[str]) -> Finding | None:
    name = node.name or (node.output[0] if node.output else "")
    if node.domain not in {"", "ai.onnx"}:
        return Finding(f"{node.domain}.{node.op_type}", name, "only operators of the ONNX standard can be read")
    if node.op_type not in allowed:
        return Finding(node.op_type, name, _CURES.get(node.op_type, _CURE))
    if node.op_type.endswith("Pool") and any(a.name == "ceil_mode" and a.i for a in node.attribute):
        return Finding(f"{node.op_type} with ceil_mode", name, "choose sizes that the stride divides, or pad")
    return None


def _typed(name: str, kind: int) -> list[Finding]:
    if kind in _TYPES:
        return []
    return [Finding(f"tensor type {kind}", name, f"use one of {', '.join(_TYPES.values())}")]
