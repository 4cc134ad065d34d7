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
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

import facsim
from facsim.deploy.agreement import Agreement, compare
from facsim.deploy.operators import audit
from facsim.deploy.rewrite import plain_names, rewrite
from facsim.errors import ExportError, nearest, require
from facsim.files import atomic
from facsim.runtime import FORMAT, RuntimeModel, load
from facsim.runtime.members import mark, members
from facsim.sampler import noise
from facsim.schema import Schema

__all__ = ["OPSET", "SOFIE_OPSET", "Exportable", "Profile", "examples", "export", "quiet", "self_test", "terms"]

log = logging.getLogger(__name__)

OPSET = 20
"""ONNX operator set of the files: read by onnxruntime 1.17 (January 2024) and later."""

SOFIE_OPSET = 18
"""ONNX operator set of files for ROOT's SOFIE: the oldest that torch's exporter writes without conversion."""

Profile = Literal["default", "sofie", "lwtnn"]
"""For whom a model is written; see `export`."""

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
    profile: Profile = "default",
    opset: int | None = None,
    check: bool = True,
    licence: str | None = None,
) -> Path:
    """Write a surrogate as one file that needs no torch; `facsim.runtime.load` reads it, if it is ONNX.

    The file has the inputs ``conditions`` (n, k) and ``noise`` (n, latent), the output ``features`` (n, d), all
    float32 in physical units for any n, and one metadata entry ``facsim``: JSON with the keys format, schema, latent,
    condition_range, provenance, licence, facsim_version, parameters and self_test.

    Parameters
    ----------
    surrogate : Exportable
        The fitted model.
    path : path
        Target, ``.onnx`` (or ``.json`` for lwtnn). It appears only when everything has succeeded.
    profile : {"default", "sofie", "lwtnn"}, optional
        ``sofie``: for code generators such as ROOT's, which fix all sizes. One event per call; only operators of
        `facsim.deploy.operators.SOFIE`, others being rewritten (`facsim.deploy.rewrite`); without conditions, the only
        input is ``noise``. ``lwtnn``: JSON of a dense network, see `facsim.deploy.lwtnn.write`.
    opset : int, optional
        ONNX operator set, by default `OPSET`, or `SOFIE_OPSET`.
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
        If the model cannot be written with a free number of events, or not within what the profile allows (operator,
        node and cure are named), or the self-test fails.

    Notes
    -----
    Uses `torch.onnx.export` on the graph of `torch.export`: loops are unrolled, shared weights are stored once. A
    generator must take its number of rows from ``x.shape[0]``, not ``len(x)``; look tables up by floor and gather
    (`torch.searchsorted` has no ONNX operator); and where it needs a small share exactly, write ``1 / (1 + exp(-x))``
    (onnxruntime's sigmoid is good to 1e-7 absolutely, so to 1e-4 of a share of 1e-3).
    """
    path = Path(path)
    if profile not in get_args(Profile):
        msg = f"unknown profile '{profile}'; there are {list(get_args(Profile))}.{nearest(profile, get_args(Profile))}"
        raise ExportError(msg)
    if not all(np.isfinite(np.asarray(side)).all() for side in surrogate.condition_range):
        msg = "the model has no training range, so it has not been fitted: fit it first, then export"
        raise ExportError(msg)
    if profile == "lwtnn":
        from facsim.deploy import lwtnn

        return lwtnn.write(surrogate, path, check=check, licence=licence)
    require("onnx", "train", "exporting a model")
    require("onnxscript", "train", "exporting a model")
    generator = surrogate.generator().eval()
    if profile == "sofie":
        model = _for_sofie(generator, surrogate, opset or SOFIE_OPSET, path.name)
    else:
        model = _translate(generator, surrogate, opset or OPSET, one_event=False)
    metadata = {
        "format": FORMAT,
        "profile": profile,
        "schema": surrogate.schema.to_json(),
        "latent": surrogate.latent,
        "condition_range": [np.asarray(side, np.float64).tolist() for side in surrogate.condition_range],
        "provenance": surrogate.provenance,
        "licence": terms(licence or surrogate.provenance.get("licence")),
        "facsim_version": facsim.__version__,
        "parameters": sum(p.numel() for p in generator.parameters()),
        "self_test": None,
    }
    if count := members(surrogate):  # first number of the noise with which an event comes from member k
        metadata["members"] = [mark(k, count) for k in range(count)]
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

    conditions, latent = examples(runtime)
    with torch.no_grad():
        theirs: NDArray[np.float32] = generator(torch.from_numpy(conditions), torch.from_numpy(latent)).numpy()
    ours = [runtime.generate(c, z) for c, z in _pieces(conditions, latent)]
    return compare(np.concatenate(ours), theirs, runtime.schema)


def examples(model: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Conditions (1000, k) spread over the training range, and noise (1000, latent), always the same."""
    low, high = (np.asarray(side, np.float32) for side in model.condition_range)
    spread = np.random.default_rng(0).random((_EVENTS, len(low)), dtype=np.float32)
    conditions = np.clip(low + (high - low) * spread, low, high).astype(np.float32)
    return conditions, noise(0, 0, _EVENTS, model.latent)


def _pieces(*arrays: NDArray[np.float32]) -> Iterator[list[NDArray[np.float32]]]:
    for first, last in ((0, 1), (1, 8), (8, _EVENTS)):
        yield [a[first:last] for a in arrays]


def _for_sofie(generator: Any, surrogate: Exportable, opset: int, name: str) -> Any:
    """One event per call, only operators that SOFIE reads."""
    model = rewrite(_translate(generator, surrogate, opset, one_event=True))
    found = audit(model)
    if not found.passed:
        listed = "\n  ".join(map(str, found.findings))
        msg = f"{name} was not written, since ROOT's SOFIE would not read it:\n  {listed}"
        raise ExportError(msg)
    return plain_names(model)


def _translate(generator: Any, surrogate: Exportable, opset: int, *, one_event: bool) -> Any:
    """Trace the generator into an ONNX model whose number of events is free, or one."""
    import torch

    class NoiseAlone(torch.nn.Module):
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, noise: torch.Tensor) -> torch.Tensor:
            features: torch.Tensor = self.inner(noise.new_empty(1, 0), noise)
            return features

    n = 1 if one_event else 3
    low, high = (torch.as_tensor(np.asarray(side, np.float32)) for side in surrogate.condition_range)
    example: tuple[torch.Tensor, ...] = (
        (low + high).div(2).expand(n, -1).contiguous(),
        torch.zeros(n, surrogate.latent),
    )
    names = ["conditions", "noise"]
    if one_event and not len(low):  # a tensor without numbers is more than most engines expect
        generator, example, names = NoiseAlone(generator), example[1:], names[1:]
    rows = torch.export.Dim("n", min=1)
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                generator,
                example,
                dynamo=True,
                input_names=names,
                output_names=["features"],
                dynamic_shapes=None if one_event else ({0: rows}, {0: rows}),
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
    if not one_event and any(
        not port.type.tensor_type.shape.dim[0].dim_param for port in (*model.graph.input, *model.graph.output)
    ):
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


def terms(stated: str | None) -> str:
    """The licence text of a file: what was stated for the weights, and facsim's own."""
    try:
        text = importlib.metadata.distribution("facsim").read_text("licenses/LICENSE")
    except importlib.metadata.PackageNotFoundError:
        text = None
    own = stated or "No terms were stated for the weights: ask whoever trained this model before passing it on."
    return f"{own}\n\nThe graph contains code of facsim, BSD-3-Clause.\n{text or ''}".strip()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
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
