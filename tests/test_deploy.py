"""A torch generator becomes one ONNX file that gives the same events."""

import json
import logging

import numpy as np
import pytest

from facsim import Block, Schema
from facsim.deploy import export
from facsim.deploy.agreement import compare
from facsim.errors import DataError, ExportError
from facsim.runtime import load
from facsim.sampler import SHARD, noise

torch = pytest.importorskip("torch", reason='pip install "facsim[train]"')
pytest.importorskip("onnxscript", reason='pip install "facsim[train]"')
nn = torch.nn

CELLS = 12
SCHEMA = Schema(
    (
        Block("layer_0", (2, 3), "energy", "MeV", threshold=0.01),
        Block("layer_1", (6,), "energy", "MeV", threshold=0.01),
    ),
    (Block("energy", (), "energy", "GeV"),),
    "toy",
)


class Table(nn.Module):
    """Quantile transform: a sorted table per column on a regular grid, by floor, gather and lerp."""

    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.randn(CELLS, 32).sort(dim=1).values.t().contiguous())

    def forward(self, u):
        place = u.clamp(0, 1) * (self.table.shape[0] - 1)
        left = place.floor().clamp(max=self.table.shape[0] - 2)
        index = left.long()
        return torch.lerp(self.table.gather(0, index), self.table.gather(0, index + 1), place - left)


class Generator(nn.Module):
    """Whatever the real generators need: buffers, an unrolled Heun solver, a table, gates, energy sums, a threshold."""

    def __init__(self, steps=4):
        super().__init__()
        self.steps = steps
        self.net = nn.Sequential(
            nn.Linear(CELLS + 2, 32), nn.SiLU(), nn.LayerNorm(32), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, CELLS)
        )
        self.table = Table()
        self.register_buffer("mean", torch.randn(CELLS))
        self.register_buffer("scale", torch.rand(CELLS) + 0.5)

    def velocity(self, x, t, c):
        return self.net(torch.cat([x, c, torch.full_like(c, t)], dim=1))

    def forward(self, conditions, noise):
        c, x, step = torch.log(conditions / 10), noise[:, :CELLS], 1 / self.steps
        for k in range(self.steps):
            first = self.velocity(x, k * step, c)
            x = x + step / 2 * (first + self.velocity(x + step * first, (k + 1) * step, c))
        cells = torch.exp(self.table(torch.sigmoid(x)) * self.scale + self.mean)
        cells = torch.where(noise[:, CELLS:] < 0.5, cells, torch.zeros_like(cells)).reshape(-1, 2, CELLS // 2)
        share = cells / cells.sum(-1, keepdim=True).clamp(min=1e-6)
        energy = (share * conditions[:, :, None]).reshape(conditions.shape[0], CELLS)
        return torch.where(energy < 0.01, 0.0, energy)


class Plain(nn.Module):
    def forward(self, conditions, noise):
        return conditions + noise[:, :CELLS].abs()


class Frozen(nn.Module):
    def forward(self, conditions, noise):
        rows = int(len(conditions))  # the trap: a Python number  # noqa: RUF046
        return conditions.expand(rows, CELLS) + noise[:, :CELLS].reshape(rows, CELLS)


class NoOperator(nn.Module):
    def forward(self, conditions, noise):
        return conditions + torch.searchsorted(torch.linspace(0, 1, 9), noise[:, :CELLS].contiguous())


class Steep(nn.Module):
    """Magnifies rounding a millionfold: no two engines agree."""

    def forward(self, conditions, noise):
        return torch.frac(torch.exp(noise[:, :CELLS] * 3 + 14)) + conditions


class Toy:
    schema, latent = SCHEMA, 2 * CELLS
    condition_range = (np.array([1.0]), np.array([100.0]))

    def __init__(self, module, provenance=None):
        self.module, self.provenance = module, {"data": "toy.h5", "epochs": 3} if provenance is None else provenance

    def generator(self):
        return self.module


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(1)
    return Generator()


@pytest.fixture(scope="module")
def exported(module, tmp_path_factory):
    return export(Toy(module), tmp_path_factory.mktemp("export") / "toy.onnx")


@pytest.mark.parametrize("n", [1, 5, SHARD, SHARD + 1])
def test_the_file_gives_the_events_of_the_module(module, exported, n):
    energy = np.linspace(1, 100, n, dtype=np.float32)
    ours = load(exported).sample(energy, seed=7).features
    latent = np.concatenate([noise(7, i, min(SHARD, n - i * SHARD), 2 * CELLS) for i in range(-(-n // SHARD))])
    with torch.no_grad():
        theirs = module(torch.from_numpy(energy)[:, None], torch.from_numpy(latent)).numpy()
    agreement = compare(ours, theirs, SCHEMA)
    assert agreement.passed, agreement
    assert agreement.flipped + agreement.steep <= 1
    assert 0.3 < (theirs == 0).mean() < 0.9 or n < 100  # the toy does have empty cells


def test_metadata_is_complete_and_private(exported):
    metadata = load(exported).metadata
    assert metadata["format"] == 1
    assert Schema.from_json(metadata["schema"]) == SCHEMA
    assert metadata["latent"] == 2 * CELLS
    assert metadata["condition_range"] == [[1.0], [100.0]]
    assert metadata["provenance"] == {"data": "toy.h5", "epochs": 3}
    assert metadata["parameters"] == sum(p.numel() for p in Generator().parameters())
    assert "No terms were stated" in metadata["licence"]
    assert "BSD-3-Clause" in metadata["licence"]
    assert metadata["self_test"]["events"] == 1000
    assert metadata["facsim_version"]
    assert __file__.encode() not in exported.read_bytes()  # tracing notes source lines; they stay here


def test_it_is_one_plain_file(exported):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(exported))
    onnx.checker.check_model(model, full_check=True)
    assert {o.domain for o in model.opset_import} == {""}
    assert list(exported.parent.iterdir()) == [exported]


def test_licence_of_the_weights(tmp_path):
    toy = Toy(Plain(), {"licence": "CC-BY-4.0"})
    written = load(export(toy, tmp_path / "model.onnx", check=False))
    assert written.licence.startswith("CC-BY-4.0\n")
    assert json.loads(json.dumps(written.metadata))["self_test"] is None


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Frozen(), r"fixed number of events.*x\.shape\[0\]"),
        (NoOperator(), "searchsorted"),
        (Steep(), "does not give the model's events"),
    ],
)
def test_what_cannot_be_exported_leaves_nothing(module, message, tmp_path, caplog):
    with pytest.raises(ExportError, match=message):
        export(Toy(module), tmp_path / "bad.onnx")
    assert list(tmp_path.iterdir()) == []
    assert not [r for r in caplog.records if r.name.split(".")[0] != "facsim" and r.levelno >= logging.WARNING]


def test_a_model_that_was_never_fitted(tmp_path):
    class Unfitted(Toy):
        condition_range = (np.array([-np.inf]), np.array([np.inf]))

    with pytest.raises(ExportError, match="fit it first"):
        export(Unfitted(Plain()), tmp_path / "model.onnx")


def test_a_failed_export_keeps_the_older_file(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"older")
    with pytest.raises(ExportError):
        export(Toy(NoOperator()), tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == b"older"


class TestAgreement:
    b = np.exp(np.random.default_rng(0).normal(size=(1000, CELLS))).astype(np.float32)

    def test_rounding_passes_and_a_per_mille_does_not(self):
        assert compare(self.b * np.float32(1 + 5e-5), self.b, SCHEMA).passed
        assert not compare(self.b * np.float32(1 + 1e-3), self.b, SCHEMA).passed

    def test_one_wrong_value_among_all_fails_and_is_named(self):
        a = self.b.copy()
        a[17, 8] *= 1.2
        agreement = compare(a, self.b, SCHEMA)
        assert not agreement.passed
        assert agreement.where == "block 'layer_1', event 17"

    def test_steep_events_may_be_few(self):
        a = self.b.copy()
        a[:10, 8] *= 1.001
        assert compare(a, self.b, SCHEMA).steep == 10
        assert compare(a, self.b, SCHEMA).passed
        a[10, 0] = 0  # flipped ones count, too
        assert not compare(a, self.b, SCHEMA).passed

    def test_dim_cells_must_be_right_in_themselves(self):
        b = self.b.copy()
        b[:, 0] = 1e-3
        b[0, 0] = 1e3  # hides the others behind the column's scale, but not from the relative test
        a = b.copy()
        a[1:, 0] *= 1.01
        agreement = compare(a, b, SCHEMA)
        assert agreement.worst < 1
        assert not agreement.passed

    def test_flips_are_counted_apart(self):
        a = self.b.copy()
        a[:10, 3] = 0
        assert compare(a, self.b, SCHEMA).flipped == 10
        assert compare(a, self.b, SCHEMA).passed
        a[10, 3] = 0
        assert not compare(a, self.b, SCHEMA).passed

    def test_nan_fails(self):
        a = self.b.copy()
        a[3, 3] = np.nan
        assert not compare(a, self.b, SCHEMA).passed
        assert not compare(a, a, SCHEMA).passed

    def test_shapes_must_fit(self):
        with pytest.raises(DataError, match="shapes"):
            compare(self.b, self.b[:, :3], SCHEMA)
