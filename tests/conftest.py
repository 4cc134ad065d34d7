"""Fixtures that several test files share."""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facsim import Block, Events, Grid, Schema

# A shell starts what runs in the background deaf to Ctrl-C, which the tests of Ctrl-C would wait for in vain.
with contextlib.suppress(ValueError):  # not in the main thread
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of reference data: $FACSIM_DATA, else ../shared/data beside the project."""
    folder = Path(os.environ.get("FACSIM_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; set FACSIM_DATA to the folder of calogan/, geant4/ and showers/")
    return folder


@pytest.fixture(scope="session")
def toy_showers() -> Callable[..., Events]:
    """Small showers with empty cells: (n, seed) -> Events of two layers, 4 x 6 and 4 x 2 cells."""
    layers = []
    for k, (rows, columns) in enumerate(((4, 6), (4, 2))):
        edges = tuple(tuple(np.linspace(-60, 60, m + 1)) for m in (rows, columns))
        grid = Grid(("x", "y"), edges, (50.0 * k, 50.0 * (k + 1)))
        layers.append(Block(f"layer_{k}", (rows, columns), "energy", "MeV", grid=grid, threshold=0.01))
    schema = Schema(tuple(layers), (Block("energy", (), "energy", "GeV"),), "toy")

    def make(n: int, seed: int) -> Events:
        rng = np.random.default_rng(seed)
        energy = rng.uniform(1, 100, n)
        total = 1000 * energy * (1 - 0.02 * rng.random(n))
        share = rng.beta(8, 3, n)
        cells = []
        for block, part in zip(layers, (share, 1 - share), strict=True):
            assert block.grid is not None
            radius = np.hypot(block.grid.centres("x"), block.grid.centres("y"))
            profile = np.exp(-radius / 12) * rng.gamma(2, 0.5, (n, block.size))
            lit = rng.random((n, block.size)) < 1 / (1 + np.exp(radius / 10 - 1 - np.log(energy)[:, None]))
            lit[np.arange(n), np.argmax(profile, axis=1)] = True
            profile = np.where(lit, profile, 0)
            cells.append(profile / profile.sum(1, keepdims=True) * (part * total)[:, None])
        features = np.concatenate(cells, axis=1).astype(np.float32)
        return Events(np.where(features < 0.01, 0, features), energy[:, None], schema)

    return make
