"""The speed table: what is measured, what is said, what is refused."""

import json

import numpy as np
import pytest

import facsim.simulators
from facsim import Block, Schema
from facsim.deploy import bench, export
from facsim.deploy.memory import peak_memory
from facsim.errors import CheckpointError, DataError, FacsimError

torch = pytest.importorskip("torch", reason='pip install "facsim[train]"')
pytest.importorskip("onnxscript", reason='pip install "facsim[train]"')

from facsim.sharding import ShardSampler  # noqa: E402 - after the skips, as its user needs torch


class Toy(torch.nn.Module, ShardSampler):
    latent = 4
    provenance = {"particle": "gamma"}  # noqa: RUF012
    schema = Schema(
        (Block("layer_0", (4,), "energy", "MeV"),), (Block("angle"), Block("energy", (), "energy", "MeV")), "calogan"
    )
    condition_range = (np.array([-1.0, 1000.0]), np.array([1.0, 60_000.0]))
    seen = set()  # noqa: RUF012

    def forward(self, conditions, noise):
        return torch.exp(noise) * conditions[:, 1:]

    def generator(self):
        return self

    def _generate(self, conditions, noise):
        self.seen.update(map(tuple, conditions.tolist()))
        assert torch.get_num_threads() == 1
        return self(torch.from_numpy(conditions), torch.from_numpy(noise)).numpy()


QUICK = {"batches": (1, 20), "runs": 3, "seconds": 0.002}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return export(Toy(), tmp_path_factory.mktemp("bench") / "toy.onnx", check=False)


def test_a_torch_model_beside_its_file_and_the_simulator(monkeypatch):
    asked = []

    def measure_rate(*what):
        asked.append(what)
        return 100 / what[2]

    monkeypatch.setattr(facsim.simulators, "measure_rate", measure_rate, raising=False)
    threads, rounds = torch.get_num_threads(), []
    table = bench(Toy(), against_geant4=True, seed=4, progress=lambda *p: rounds.append(p), **QUICK)
    assert torch.get_num_threads() == threads
    assert rounds == [(1, 3), (2, 3), (3, 3)]
    assert {(r.engine, r.batch) for r in table.rates} == {
        (e, b) for e in ("torch", "onnx", "onnxruntime") for b in (1, 20)
    }
    assert all(0 < r.slowest <= r.per_second <= r.fastest for r in table.rates)
    assert Toy.seen == {(0.0, 10_000.0), (0.0, 50_000.0)}  # MeV; the angle in the middle of its range
    assert asked == [("calogan", "gamma", 10.0, 30, 4), ("calogan", "gamma", 50.0, 8, 4)]
    assert table.speed_up(50.0) == pytest.approx(table.rate("onnx", 20) / 2)
    assert table.parameters == 0
    assert "speed-up over Geant4 at 50 GeV" in str(table)
    assert json.loads(json.dumps(table.to_json(), allow_nan=False))["speed_up"]["10"] > 0


def test_a_torch_model_with_the_file_it_has(path, monkeypatch):
    table = bench(Toy(), exported=path, **QUICK | {"batches": (1,)})
    assert table.file_bytes == path.stat().st_size
    monkeypatch.setattr(Toy, "provenance", {"particle": "e-"})
    with pytest.raises(DataError, match="another model"):
        bench(Toy(), exported=path, **QUICK)


def test_an_exported_file(path):
    table = bench(path, energies=[5.0], **QUICK)
    assert {r.engine for r in table.rates} == {"onnx", "onnxruntime"}
    assert table.file_bytes == path.stat().st_size
    assert table.energies_gev == (5.0,)
    assert "torch" not in table.machine
    # numpy and onnxruntime take some 80 MiB; torch, or this process's own memory, would be hundreds.
    loaded, peak = table.memory_mib["onnx"]
    assert 30 < loaded <= peak < 250


def test_memory_grows_with_the_batch(path):
    small, large = (peak_memory(path, np.full((n, 2), 5000.0, np.float32))[1] for n in (1, 2_000_000))
    # features and conditions: 2e6 events x (4 + 2) columns x 4 bytes = 46 MiB
    assert 40 < large - small < 200


def test_a_process_that_fails_is_reported(tmp_path):
    with pytest.raises(FacsimError, match=r"none\.onnx"):
        peak_memory(tmp_path / "none.onnx", np.zeros((1, 1), np.float32))
    with pytest.raises(CheckpointError):
        bench(tmp_path / "none.onnx")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"runs": 0}, "runs=0"),
        ({"batches": ()}, "batches"),
        ({"batches": (0,)}, "batches"),
        ({"energies": [0.5]}, "1 to 60 GeV"),
    ],
)
def test_impossible_questions(path, wrong, message):
    with pytest.raises(DataError, match=message):
        bench(path, **QUICK | wrong)


def test_geant4_beside_a_model_of_something_else(monkeypatch):
    monkeypatch.setattr(Toy, "schema", Schema((Block("layer_0", (4,)),), (Block("angle"), Block("size"))))
    with pytest.raises(DataError, match="Geant4 cannot be measured"):
        bench(Toy(), against_geant4=True, **QUICK | {"batches": (1,)})
