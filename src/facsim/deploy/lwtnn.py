"""The JSON that lwtnn reads, from a generator made of dense layers."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import facsim
from facsim.deploy.agreement import compare
from facsim.deploy.lwtnn_graph import DenseGraph, translate
from facsim.deploy.lwtnn_run import evaluate
from facsim.deploy.writer import Exportable, examples, terms
from facsim.errors import ExportError
from facsim.files import atomic, write_json
from facsim.schema import Block, Schema
from facsim.transforms import LinearTransform

if TYPE_CHECKING:
    from facsim.transforms.context import ConditionContext

__all__ = ["conditions_given", "description_of", "read_out", "write"]

LOWEST = 1e-9  # energies below it enter as its logarithm, as in training
SHOWN = 3  # events in the description, for a self-test in C++


def write(
    surrogate: Exportable, path: str | os.PathLike[str], *, check: bool = True, licence: str | None = None
) -> Path:
    """Write a dense generator as JSON for lwtnn (https://github.com/lwtnn/lwtnn), in its graph format.

    Inputs are ``noise`` (``variable_0`` and so on, standard normal) and ``conditions``, the output is ``features`` in
    physical units. Scaling is part of the file: of conditions as offset and scale, ``(x + offset) * scale``; of
    features within the last layer. lwtnn cannot take logarithms or set values below a threshold to zero, so
    these are left to the caller; a second file, ``NAME.description.json`` (`description_of`), says what to give, what
    to do with what comes out, and holds events to compare with.

    Parameters
    ----------
    surrogate : Exportable
        A GAN on a transform ``standard`` or ``scale``, whose generator consists of dense layers, batch normalisation,
        concatenations, sums and the activations relu, leaky relu, elu, silu, sigmoid, tanh, softmax.
    path : path
        The JSON file.
    check : bool, optional
        Evaluate the file (`facsim.deploy.lwtnn_run.evaluate`) for 1,000 events and compare with the model.
    licence : str, optional
        Terms for the file.

    Raises
    ------
    ExportError
        If lwtnn cannot hold the model: the operation and the layer that it stands in are named. Or if the check fails.
    """
    generator, path = surrogate.generator().eval(), Path(path)
    transform, net = getattr(generator, "transform", None), getattr(generator, "net", None)
    if net is None or transform is None or generator is surrogate:  # a GAN's sampler is net(noise, context), decoded
        msg = f"lwtnn holds one dense network, and a '{type(surrogate).__name__}' is none: fit a GAN, or export as ONNX"
        raise ExportError(msg)
    if not isinstance(transform, LinearTransform):
        msg = (
            "lwtnn cannot look up the quantile tables of transform 'marginals': fit with --set "
            "model.transform=standard (or scale), or export as ONNX"
        )
        raise ExportError(msg)
    if path.name.endswith(".description.json"):
        msg = f"{path}: this ending is that of the description beside the file; choose another name"
        raise ExportError(msg)
    graph = _graph(surrogate.schema, surrogate.latent, net, transform)
    given, latent = examples(surrogate)
    inputs: dict[str, NDArray[Any]] = {"noise": latent, **conditions_given(surrogate.schema, transform, given)}
    text = json.dumps(graph, allow_nan=False)
    found = read_out(evaluate(json.loads(text), inputs)["features"], surrogate.schema)
    if check:
        _compare(generator, given, latent, found, surrogate.schema)
    with atomic(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
        write_json(
            path.with_suffix(".description.json"),
            {
                **description_of(surrogate, transform),
                "licence": terms(licence or surrogate.provenance.get("licence")),
                "examples": {
                    "inputs": {name: x[:SHOWN].tolist() for name, x in inputs.items()},
                    "events": found[:SHOWN].tolist(),
                },
            },
        )
    return path


def description_of(surrogate: Exportable, transform: LinearTransform) -> dict[str, Any]:
    """What a caller of the file must know: what to give, in which order, range and unit, and what to do afterwards."""
    schema = surrogate.schema
    low, high = (np.asarray(side, float).tolist() for side in surrogate.condition_range)
    columns = [block for block in schema.conditions for _ in range(block.size)]
    conditions = [
        {"block": block.name, "kind": block.kind, "unit": block.unit, "low": a, "high": b, "variables": names}
        for block, a, b, names in zip(columns, low, high, _grouped(schema, transform.conditions), strict=True)
    ]
    return {
        "facsim_version": facsim.__version__,
        "schema": schema.to_json(),
        "provenance": surrogate.provenance,
        "noise": {"law": "normal", "mean": 0.0, "standard_deviation": 1.0, "count": surrogate.latent},
        "conditions": conditions,
        "conditions_note": (
            f"'log x' is the natural logarithm of x in the unit given, at least {LOWEST:g}; 'x=name' is 1 for the "
            "name that is meant, else 0; everything else is the value itself"
        ),
        "after": [
            {"block": block.name, "columns": [span.start, span.stop], "unit": block.unit, **_steps(block)}
            for block in schema.features
            for span in [schema.columns(block.name)]
        ],
        "after_note": "first round to whole numbers where 'round' is true, then set what is below 'zero_below' to 0",
    }


def conditions_given(
    schema: Schema, transform: LinearTransform, conditions: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """The input ``conditions`` of the graph (n, variables) for physical conditions (n, k); nothing where k = 0."""
    columns = []
    for block, x in zip([b for b in schema.conditions for _ in range(b.size)], conditions.T, strict=True):
        if _named(block):
            columns += [np.round(x) == place for place in range(len(block.names))]
        else:
            logarithm = block.kind == "energy" and not transform.conditions.linear
            columns.append(np.log(np.maximum(x, LOWEST)) if logarithm else x)
    return {"conditions": np.stack(columns, axis=1).astype(np.float64)} if columns else {}


def read_out(values: NDArray[np.float64], schema: Schema) -> NDArray[np.float32]:
    """Events (n, d) of what the graph gives: counts are rounded, energies below threshold become zero."""
    events = values.astype(np.float32)
    for block in schema.features:
        span, steps = schema.columns(block.name), _steps(block)
        part = np.round(events[:, span]) if steps["round"] else events[:, span]
        if steps["zero_below"] is not None:
            part = np.where(part < np.float32(steps["zero_below"]), np.float32(0), part)
        events[:, span] = part
    return events


def _graph(schema: Schema, latent: int, net: Any, transform: LinearTransform) -> dict[str, Any]:
    """The whole JSON."""
    graph, scaling = DenseGraph(), transform.conditions
    centre, spread = (t.detach().double().cpu().numpy() for t in (scaling.centre, scaling.spread))
    variables: list[list[dict[str, Any]]] = [[_variable(f"variable_{i}") for i in range(latent)], []]
    columns = [block for block in schema.conditions for _ in range(block.size)]
    for i, (block, names) in enumerate(zip(columns, _grouped(schema, scaling), strict=True)):
        own = (0.0, 1.0) if _named(block) else (-float(centre[i]), 1 / float(spread[i]))
        variables[1] += [_variable(name, *own) for name in names]
    start = graph.node("input", [0], latent, size=latent)
    if variables[1]:
        context = graph.node("input", [1], len(variables[1]), size=len(variables[1]))
    else:  # the network is then told one zero
        context = graph.layer(start, "dense", np.zeros(latent), [0.0], 1)
    end = translate(net, graph, [start, context])
    spread, centre = (t.detach().double().cpu().numpy() for t in (transform.spread, transform.centre))
    end = graph.affine(end, spread, centre, alone=True)
    listed = {"noise": variables[0], "conditions": variables[1]}
    return {
        "inputs": [{"name": name, "variables": own} for name, own in listed.items() if own],
        "input_sequences": [],
        "nodes": graph.nodes,
        "layers": graph.layers,
        "outputs": {"features": {"labels": _labels(schema.features), "node_index": end}},
    }


def _compare(
    generator: Any,
    conditions: NDArray[np.float32],
    latent: NDArray[np.float32],
    found: NDArray[np.float32],
    schema: Schema,
) -> None:
    import torch

    with torch.no_grad():
        expected = generator(torch.from_numpy(conditions), torch.from_numpy(latent)).numpy()
    agreement = compare(found, expected, schema)
    if not agreement.passed:
        msg = f"the lwtnn graph does not give the model's events, and was not kept: {agreement}"
        raise ExportError(msg)


def _variable(name: str, offset: float = 0.0, scale: float = 1.0) -> dict[str, Any]:
    return {"name": name, "offset": offset, "scale": scale}


def _named(block: Block) -> bool:
    return block.kind == "category" and bool(block.names)


def _labels(blocks: tuple[Block, ...]) -> list[str]:
    """Name of every column: the block's, with the place in its shape."""
    return [
        "_".join([block.name, *map(str, place)])
        for block in blocks
        for place in itertools.product(*map(range, block.shape))
    ]


def _grouped(schema: Schema, scaling: ConditionContext) -> list[list[str]]:
    """Names of the variables that stand for every condition column."""
    columns = [block for block in schema.conditions for _ in range(block.size)]
    groups = []
    for block, label in zip(columns, _labels(schema.conditions), strict=True):
        if _named(block):
            groups.append([f"{label}={name}" for name in block.names])
        else:
            groups.append([f"log {label}" if block.kind == "energy" and not scaling.linear else label])
    return groups


def _steps(block: Block) -> dict[str, Any]:
    return {
        "round": block.kind in {"count", "category", "mask"},
        "zero_below": max(block.threshold, 0.0) if block.kind == "energy" else None,
    }
