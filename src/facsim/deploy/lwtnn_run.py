"""What a lwtnn graph computes, in numpy: to check a file, and to use it without C++."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["evaluate"]

Numbers = NDArray[np.float64]


def _softmax(x: Numbers, _: float) -> Numbers:
    raised = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _sigmoid(x: Numbers, _: float = 0.0) -> Numbers:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))  # does not overflow


_FUNCTIONS: dict[str, Callable[[Numbers, float], Numbers]] = {
    "linear": lambda x, _: x,
    "rectified": lambda x, _: np.maximum(x, 0),
    "sigmoid": _sigmoid,
    "tanh": lambda x, _: np.tanh(x),
    "abs": lambda x, _: np.abs(x),
    "softmax": _softmax,
    "leakyrelu": lambda x, alpha: np.where(x > 0, x, alpha * x),
    "elu": lambda x, alpha: np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0))),
    "swish": lambda x, alpha: x * _sigmoid(alpha * x),
}


def evaluate(graph: Mapping[str, Any], inputs: Mapping[str, NDArray[Any]]) -> dict[str, Numbers]:
    """Outputs of a lwtnn graph of dense layers for n events.

    Parameters
    ----------
    graph : mapping
        The JSON.
    inputs : mapping of str to array (n, variables)
        By name of the input, in the order of its variables.

    Returns
    -------
    dict of str to array (n, labels)
        By name of the output.

    Examples
    --------
    >>> layer = {"architecture": "dense", "activation": "rectified", "weights": [1, -1], "bias": [0.5]}
    >>> variables = [{"name": "a", "offset": 0, "scale": 2}, {"name": "b", "offset": -1, "scale": 1}]
    >>> graph = {"inputs": [{"name": "in", "variables": variables}], "layers": [layer],
    ...          "nodes": [{"type": "input", "sources": [0], "size": 2},
    ...                    {"type": "feed_forward", "sources": [0], "layer_index": 0}],
    ...          "outputs": {"out": {"labels": ["y"], "node_index": 1}}}
    >>> evaluate(graph, {"in": [[1.0, 2.0], [0.0, 9.0]]})["out"].tolist()
    [[1.5], [0.0]]
    """
    values: list[Numbers] = []
    for node in graph["nodes"]:
        if node["type"] == "input":
            asked = graph["inputs"][node["sources"][0]]
            offset, scale = (np.array([v[key] for v in asked["variables"]]) for key in ("offset", "scale"))
            values.append((np.asarray(inputs[asked["name"]], np.float64) + offset) * scale)
            continue
        sources = [values[place] for place in node["sources"]]
        match node["type"]:
            case "concatenate":
                values.append(np.concatenate(sources, axis=1))
            case "add":
                values.append(np.sum(sources, axis=0))
            case "feed_forward":
                values.append(_layer(graph["layers"][node["layer_index"]], sources[0]))
    return {name: values[output["node_index"]] for name, output in graph["outputs"].items()}


def _layer(layer: Mapping[str, Any], x: Numbers) -> Numbers:
    weights, bias = np.asarray(layer["weights"], np.float64), np.asarray(layer["bias"], np.float64)
    if layer["architecture"] == "normalization":
        return np.asarray(weights * (x + bias))
    if weights.size:
        x = x @ weights.reshape(-1, x.shape[1]).T
    if bias.size:
        x = x + bias
    asked = layer["activation"]
    name, alpha = (asked, 0.0) if isinstance(asked, str) else (asked["function"], float(asked["alpha"]))
    return _FUNCTIONS[name](x, alpha)
