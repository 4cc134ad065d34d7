"""A sampler from one ONNX file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import CheckpointError, FacsimError
from facsim.runtime.container import STANDARD_DOMAINS, inspect
from facsim.schema import Schema
from facsim.sharding import ShardSampler

__all__ = ["FORMAT", "RuntimeModel", "load"]

FORMAT = 1
"""Version of the metadata that `facsim.deploy.export` writes and `load` reads."""

Array = NDArray[np.float32]
_AGAIN = "Export it again: facsim export RUN -o {name}"
_KEYS = ("format", "schema", "latent", "condition_range", "provenance", "licence", "facsim_version")


class RuntimeModel(ShardSampler):
    """An exported model: a `facsim.sampler.Sampler` that needs numpy and onnxruntime only.

    Every run of the graph uses one thread; shards run beside each other. So the events do not depend on the number of
    threads. Made by `load`.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        Maps ``conditions`` (n, k) and ``noise`` (n, latent) to ``features`` (n, d), all float32.
    metadata : mapping
        What the file says about itself, already checked.
    path : Path
        For messages.
    """

    def __init__(self, session: Any, metadata: Mapping[str, Any], path: Path) -> None:
        self.session = session
        self.metadata = dict(metadata)
        self.path = path
        self._schema = Schema.from_json(metadata["schema"])
        low, high = np.asarray(metadata["condition_range"], np.float32)
        self._range = (low, high)

    @property
    def schema(self) -> Schema:
        """Columns of the events that `sample` returns."""
        return self._schema

    @property
    def latent(self) -> int:
        """Columns of noise per event."""
        return int(self.metadata["latent"])

    @property
    def condition_range(self) -> tuple[Array, Array]:
        """Lowest and highest value of every condition column that the model was trained on."""
        return self._range

    @property
    def provenance(self) -> dict[str, Any]:
        """How the model was trained."""
        return dict(self.metadata["provenance"])

    @property
    def members(self) -> int:
        """How many models of an ensemble it holds; 0 if it is none. See `facsim.runtime.members.mark`."""
        return len(self.metadata.get("members", ())) or int(self.provenance.get("members", 0))

    @property
    def licence(self) -> str:
        """On what terms the file may be used."""
        return str(self.metadata["licence"])

    def __repr__(self) -> str:
        return f"RuntimeModel({self.path.name}: {self.schema.detector or 'events'}, {self.schema.width} columns)"

    def generate(self, conditions: Array, noise: Array) -> Array:
        """Features (n, d) for conditions (n, k) and noise (n, latent): what `sample` does with noise of its own.

        A file that was exported for SOFIE takes one event per call, and is called n times.
        """
        given = {"conditions": conditions, "noise": noise}
        given = {port.name: given[port.name] for port in self.session.get_inputs()}
        if isinstance(self.session.get_inputs()[0].shape[0], str):
            features: Array = self.session.run(("features",), given)[0]
            return features
        rows = ({name: x[i : i + 1] for name, x in given.items()} for i in range(len(noise)))
        return np.concatenate([self.session.run(("features",), row)[0] for row in rows])

    def _generate(self, conditions: Array, noise: Array) -> Array:
        return self.generate(conditions, noise)


def load(path: str | os.PathLike[str]) -> RuntimeModel:
    """Load a model that `facsim.deploy.export` wrote. Nothing in the file can run code.

    Parameters
    ----------
    path : path
        The ``.onnx`` file.

    Returns
    -------
    RuntimeModel
        A sampler in physical units.

    Raises
    ------
    CheckpointError
        If the file is missing, truncated or not from facsim, needs operators outside the ONNX standard, or
        stores tensors outside itself.

    Examples
    --------
    >>> load("nowhere.onnx")
    Traceback (most recent call last):
    facsim.errors.CheckpointError: nowhere.onnx: No such file or directory
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise CheckpointError(msg) from error
    return RuntimeModel(*_open(data, path), path)


def _open(data: bytes, path: Path) -> tuple[Any, dict[str, Any]]:
    """Check the file, then start a session on it; the bytes that were checked are the bytes that run."""
    try:
        contents = inspect(data)
    except ValueError as error:  # UnicodeDecodeError is one, too
        msg = f"{path} is truncated, damaged or no ONNX file: {error}. Copy it again from where it came"
        raise CheckpointError(msg) from error
    if contents.external:
        msg = f"{path} keeps tensors in other files, which facsim refuses to open. {_AGAIN.format(name=path.name)}"
        raise CheckpointError(msg)
    foreign = sorted(contents.domains - STANDARD_DOMAINS)
    if foreign:
        msg = f"{path} needs operators outside the ONNX standard ({', '.join(foreign)}), which facsim refuses to load"
        raise CheckpointError(msg)
    metadata = _metadata(contents.metadata.get("facsim"), path)
    session = _session(data, path)
    _check_ports(session, metadata, path)
    return session, metadata


def _metadata(text: str | None, path: Path) -> dict[str, Any]:
    if text is None:
        msg = f"{path} has no 'facsim' entry in its metadata: facsim did not export it. {_AGAIN.format(name=path.name)}"
        raise CheckpointError(msg)
    try:
        metadata = json.loads(text)
    except ValueError as error:
        msg = f"{path}: its 'facsim' metadata is not JSON ({error}). {_AGAIN.format(name=path.name)}"
        raise CheckpointError(msg) from error
    if isinstance(metadata, dict) and metadata.get("format", FORMAT) != FORMAT:
        msg = f"{path} has format {metadata['format']}, this facsim reads {FORMAT}: pip install --upgrade facsim"
        raise CheckpointError(msg)
    missing = [key for key in _KEYS if not isinstance(metadata, dict) or key not in metadata]
    if missing:
        msg = f"{path}: its 'facsim' metadata lacks {missing}. {_AGAIN.format(name=path.name)}"
        raise CheckpointError(msg)
    try:
        schema = Schema.from_json(metadata["schema"])
        low, high = (np.asarray(side, np.float32) for side in metadata["condition_range"])
        latent = int(metadata["latent"])
        fits = low.shape == high.shape == (schema.condition_width,) and latent >= 0
    except (FacsimError, TypeError, ValueError) as error:
        msg = f"{path}: its 'facsim' metadata is damaged ({error}). {_AGAIN.format(name=path.name)}"
        raise CheckpointError(msg) from error
    if not fits or not isinstance(metadata["provenance"], dict):
        msg = f"{path}: its 'facsim' metadata contradicts itself. {_AGAIN.format(name=path.name)}"
        raise CheckpointError(msg)
    return dict(metadata)


def _session(data: bytes, path: Path) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised, not printed
    try:
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base
        msg = f"{path}: onnxruntime {ort.__version__} cannot load it ({error}). {_AGAIN.format(name=path.name)}"
        raise CheckpointError(msg) from error


def _check_ports(session: Any, metadata: Mapping[str, Any], path: Path) -> None:
    """The graph must take and give what the metadata says, for any number of events, or for one."""
    schema = Schema.from_json(metadata["schema"])
    want = {"conditions": schema.condition_width, "noise": int(metadata["latent"]), "features": schema.width}
    have = {p.name: p for p in (*session.get_inputs(), *session.get_outputs())}
    one = metadata.get("profile") == "sofie"
    if one and not want["conditions"]:
        del want["conditions"]
    fits = set(have) == set(want) and all(
        p.type == "tensor(float)"
        and len(p.shape) == 2
        and p.shape[1] == want[name]
        and (p.shape[0] == 1 if one else isinstance(p.shape[0], str))
        for name, p in have.items()
    )
    if not fits:
        asked = ", ".join(f"{name} (n, {width})" for name, width in want.items())
        given = ", ".join(f"{p.name} {tuple(p.shape)} {p.type}" for p in have.values())
        msg = f"{path}: the graph has {given}; its metadata promises {asked}. {_AGAIN.format(name=path.name)}"
        raise CheckpointError(msg)
