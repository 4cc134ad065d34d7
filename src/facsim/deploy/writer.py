"""One ONNX file from a fitted model: transforms, networks, the whole sampler and the inverse."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

import facsim
from facsim.deploy.agreement import Agreement, compare
from facsim.errors import ExportError, require
from facsim.files import atomic
from facsim.runtime import FORMAT, RuntimeModel, load
from facsim.sampler import noise
from facsim.schema import Schema

__all__ = ["OPSET", "Exportable", "export", "self_test"]

log = logging.getLogger(__name__)

OPSET = 20
"""ONNX operator set of the files: read by onnxruntime 1.17 (January 2024) and later."""

_EVENTS = 1000


class Exportable(Protocol):
    """What `export` needs of a surrogate; every surrogate of `facsim.models` has it."""

    @property
    def schema(self) -> Schema:
        """Columns of the events."""

    @property
    def latent(self) -> int:
        """Columns of noise per event."""

    @property
    def condition_range(self) -> tuple[ArrayLike, ArrayLike]:
        """Lowest and highest value of every condition column that the model was trained on."""

    @property
    def provenance(self) -> dict[str, Any]:
        """How the model was trained."""

    def generator(self) -> Any:
        """The whole sampler as a torch module: ``forward(conditions, noise) -> features``, float32, physical units."""


def export(
    surrogate: Exportable,
    path: str | os.PathLike[str],
    *,
    opset: int = OPSET,
    check: bool = True,
    licence: str | None = None,
) -> Path:
    """Write a surrogate as one ONNX file that needs no torch; `facsim.runtime.load` reads it.

    The file has the inputs ``conditions`` (n, k) and ``noise`` (n, latent), the output ``features`` (n, d), all
    float32 in physical units for any n, and one metadata entry ``facsim``: JSON with the keys format, schema, latent,
    condition_range, provenance, licence, facsim_version, parameters and self_test.

    Parameters
    ----------
    surrogate : Exportable
        The fitted model.
    path : path
        Target, ``.onnx``. It appears only when everything has succeeded.
    opset : int
        ONNX operator set.
    check : bool
        Run the self-test (`self_test`): the file must give the model's own events within 1e-4.
    licence : str, optional
        Terms for the file. By default what the provenance says under ``licence``, else a statement that nobody has
        given any; the terms of the facsim code in the graph are always added.

    Raises
    ------
    MissingExtra
        If torch, onnx or onnxscript is not installed.
    ExportError
        If the model cannot be written with a free number of events, or the self-test fails.

    Notes
    -----
    Uses `torch.onnx.export` on the graph of `torch.export`: loops are unrolled, shared weights are stored once. A
    generator must take its number of rows from ``x.shape[0]``, not ``len(x)``; look tables up by floor and gather
    (`torch.searchsorted` has no ONNX operator); and where it needs a small share exactly, write ``1 / (1 + exp(-x))``
    (onnxruntime's sigmoid is good to 1e-7 absolutely, so to 1e-4 of a share of 1e-3).
    """
    require("onnx", "train", "exporting a model")
    require("onnxscript", "train", "exporting a model")
    path = Path(path)
    if not all(np.isfinite(np.asarray(side)).all() for side in surrogate.condition_range):
        msg = "the model has no training range, so it has not been fitted: fit it first, then export"
        raise ExportError(msg)
    generator = surrogate.generator().eval()
    model = _translate(generator, surrogate, opset)
    metadata = {
        "format": FORMAT,
        "schema": surrogate.schema.to_json(),
        "latent": surrogate.latent,
        "condition_range": [np.asarray(side, np.float64).tolist() for side in surrogate.condition_range],
        "provenance": surrogate.provenance,
        "licence": _licence(licence or surrogate.provenance.get("licence")),
        "facsim_version": facsim.__version__,
        "parameters": sum(p.numel() for p in generator.parameters()),
        "self_test": None,
    }
    with atomic(path) as temporary:
        _save(model, metadata, temporary)
        if check:
            agreement = self_test(load(temporary), generator)
            log.info("self-test of %s: %s", path.name, agreement)
            if not agreement.passed:
                msg = (
                    f"the file for {path.name} does not give the model's events, and was not kept: {agreement}.\n  "
                    "onnxruntime gives sigmoid and tanh to 1e-7 absolutely: where the generator needs a small share "
                    "exactly, let it use exp"
                )
                raise ExportError(msg)
            metadata["self_test"] = agreement.to_json()
            _save(model, metadata, temporary)
    return path


def self_test(runtime: RuntimeModel, generator: Any) -> Agreement:
    """Compare 1,000 events of the file with the torch module's, conditions spread over the training range.

    The file gets them in calls of 1, 7 and 992 events, torch in one call: a size that was frozen into the graph shows.

    Returns
    -------
    Agreement
        See `facsim.deploy.agreement.compare` for what counts as equal.
    """
    import torch

    low, high = runtime.condition_range
    spread = np.random.default_rng(0).random((_EVENTS, len(low)), dtype=np.float32)
    conditions = np.clip(low + (high - low) * spread, low, high).astype(np.float32)
    latent = noise(0, 0, _EVENTS, runtime.latent)
    with torch.no_grad():
        theirs: NDArray[np.float32] = generator(torch.from_numpy(conditions), torch.from_numpy(latent)).numpy()
    ours = [runtime.session.run(None, {"conditions": c, "noise": z})[0] for c, z in _pieces(conditions, latent)]
    return compare(np.concatenate(ours), theirs, runtime.schema)


def _pieces(*arrays: NDArray[np.float32]) -> Iterator[list[NDArray[np.float32]]]:
    for first, last in ((0, 1), (1, 8), (8, _EVENTS)):
        yield [a[first:last] for a in arrays]


def _translate(generator: Any, surrogate: Exportable, opset: int) -> Any:
    """Trace the generator into an ONNX model whose number of events is free."""
    import torch

    rows = torch.export.Dim("n", min=1)
    low, high = (torch.as_tensor(np.asarray(side, np.float32)) for side in surrogate.condition_range)
    example = ((low + high).div(2).expand(3, -1).contiguous(), torch.zeros(3, surrogate.latent))
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                generator,
                example,
                dynamo=True,
                input_names=["conditions", "noise"],
                output_names=["features"],
                dynamic_shapes=({0: rows}, {0: rows}),
                opset_version=opset,
                external_data=False,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        cause = str(error.__cause__ or error).strip().splitlines()[0]
        msg = f"the generator cannot be written as ONNX: {cause}\n  Use operations that torch.onnx knows"
        raise ExportError(msg) from error
    assert program is not None  # noqa: S101 - only with a file as target
    model = program.model_proto
    if any(not port.type.tensor_type.shape.dim[0].dim_param for port in (*model.graph.input, *model.graph.output)):
        msg = (
            "the exported graph has a fixed number of events: somewhere the generator turns its number of rows into a "
            "constant. Take it from x.shape[0] (not len(x), int(...) or a Python loop over rows)"
        )
        raise ExportError(msg)
    return model


def _save(model: Any, metadata: dict[str, Any], path: Path) -> None:
    """Write the graph with its metadata, and without what tracing left of this machine's paths."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer):
        del value.metadata_props[:]
    del model.metadata_props[:]
    model.producer_name, model.producer_version = "facsim", facsim.__version__
    entry = model.metadata_props.add()
    entry.key, entry.value = "facsim", json.dumps(metadata, allow_nan=False, sort_keys=True)
    path.write_bytes(model.SerializeToString())


def _licence(terms: str | None) -> str:
    try:
        text = importlib.metadata.distribution("facsim").read_text("licenses/LICENSE")
    except importlib.metadata.PackageNotFoundError:
        text = None
    own = terms or "No terms were stated for the weights: ask whoever trained this model before passing it on."
    return f"{own}\n\nThe graph contains code of facsim, BSD-3-Clause.\n{text or ''}".strip()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns and logs about its own insides; none of it is for the user."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnx_ir", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
