"""Peak memory of sampling, taken in a process of its own: ``python -m facsim.deploy.memory MODEL BATCH``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facsim.errors import FacsimError, require

__all__ = ["open_model", "peak_memory"]


def open_model(path: str | os.PathLike[str]) -> Any:
    """Load an exported file, or by any other suffix a run folder or checkpoint.

    Raises
    ------
    CheckpointError
        If it is neither.
    MissingExtra
        If a run folder is to be read and torch is not installed.
    """
    if Path(path).suffix == ".onnx":
        from facsim import runtime

        return runtime.load(path)
    require("torch", "train", f"reading {path}, a model that is not exported,")
    from facsim import models

    return models.load(Path(path))


def peak_memory(path: str | os.PathLike[str], conditions: NDArray[np.float32]) -> tuple[float, float]:
    """Memory of a fresh process that samples once with one thread, in MiB.

    Parameters
    ----------
    path : path
        Exported file or run folder.
    conditions : array (n, k)
        Only the first row and the number are used: every event gets the same conditions.

    Returns
    -------
    loaded, peak : float
        Resident memory once the model has been loaded, and the highest during the sampling.

    Raises
    ------
    FacsimError
        If the process fails.
    """
    command = [
        sys.executable,
        "-m",
        "facsim.deploy.memory",
        str(path),
        str(len(conditions)),
        json.dumps(conditions[0].tolist()),
    ]
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **one_thread})  # noqa: S603 - our own module
    if done.returncode != 0:
        msg = f"measuring the memory of {path} failed:\n{done.stderr[-2000:]}"
        raise FacsimError(msg)
    loaded, peak = json.loads(done.stdout)
    return loaded, peak


def _high_water() -> float:
    """Highest resident memory of this process so far, MiB.

    On Linux not from getrusage, whose value a new process inherits from the one that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text(encoding="ascii").splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _main(path: str, events: str, row: str) -> None:
    sampler = open_model(path)
    loaded = _high_water()
    sampler.sample(np.tile(np.asarray(json.loads(row), np.float32), (int(events), 1)), seed=0, threads=1)
    sys.stdout.write(json.dumps([loaded, _high_water()]))


if __name__ == "__main__":
    _main(*sys.argv[1:])
