"""Running an exported model, and refusing what is not one."""

import contextlib
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facsim import Block, Schema
from facsim.errors import CheckpointError, RangeError, RangeWarning
from facsim.runtime import load
from facsim.runtime.container import inspect
from facsim.sampler import SHARD, Sampler, noise

onnx = pytest.importorskip("onnx", reason="builds its models with onnx: pip install facsim[train]")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT

SCHEMA = Schema((Block("cells", (2,), "energy", "MeV"), Block("time")), (Block("energy", (), "energy", "GeV"),), "toy")
METADATA = {
    "format": 1,
    "schema": SCHEMA.to_json(),
    "latent": 3,
    "condition_range": [[1.0], [100.0]],
    "provenance": {"trained_on": "nothing"},
    "licence": "CC0",
    "facsim_version": "0",
}


def graph(nodes=None, initializers=None, rows="n"):
    """features = conditions * exp(noise) + table, unless other nodes are given."""
    nodes = nodes or [
        helper.make_node("Exp", ["noise"], ["e"]),
        helper.make_node("Mul", ["conditions", "e"], ["m"]),
        helper.make_node("Add", ["m", "table"], ["features"]),
    ]
    table = onnx.numpy_helper.from_array(np.arange(3, dtype=np.float32), "table")
    return helper.make_graph(
        nodes,
        "toy",
        [
            helper.make_tensor_value_info("conditions", FLOAT, [rows, 1]),
            helper.make_tensor_value_info("noise", FLOAT, [rows, 3]),
        ],
        [helper.make_tensor_value_info("features", FLOAT, [rows, 3])],
        [table] if initializers is None else initializers,
    )


def model(metadata=METADATA, opsets=(("", 17),), **parts):
    made = helper.make_model(graph(**parts), opset_imports=[helper.make_opsetid(*o) for o in opsets], ir_version=8)
    if metadata is not None:
        helper.set_model_props(made, {"facsim": metadata if isinstance(metadata, str) else json.dumps(metadata)})
    return made


@pytest.fixture
def save(tmp_path):
    def save(made):
        path = tmp_path / "toy.onnx"
        path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
        return path

    return save


def test_it_is_a_sampler_that_says_what_it_is(save):
    toy = load(save(model()))
    assert isinstance(toy, Sampler)
    assert toy.schema == SCHEMA
    assert toy.latent == 3
    assert [side.tolist() for side in toy.condition_range] == [[1], [100]]
    assert toy.provenance == {"trained_on": "nothing"}
    assert toy.licence == "CC0"
    assert repr(toy) == "RuntimeModel(toy.onnx: toy, 3 columns)"


def test_it_computes_the_graph_on_the_noise_of_each_shard(save):
    energy = np.linspace(1, 100, SHARD + 10, dtype=np.float32)
    events = load(save(model())).sample({"energy": energy}, seed=5)
    latent = np.concatenate([noise(5, 0, SHARD, 3), noise(5, 1, 10, 3)])
    # exp and two roundings in float32: a few units in the last place
    np.testing.assert_allclose(events.features, energy[:, None] * np.exp(latent) + np.arange(3), rtol=1e-6)
    np.testing.assert_array_equal(events["energy"], energy)


def test_same_events_for_any_threads_and_any_cut(save):
    toy = load(save(model()))
    energy = np.linspace(1, 100, 5 * SHARD + 3)
    whole = toy.sample(energy, seed=1, threads=1).features
    for threads in (2, 3):
        np.testing.assert_array_equal(toy.sample(energy, seed=1, threads=threads).features, whole)
    for start in (1, SHARD, 3000):
        pieces = [e.features for e in toy.stream(energy, seed=1, start=start, threads=2)]
        np.testing.assert_array_equal(np.concatenate(pieces), whole[start:])


def test_conditions_outside_the_range(save):
    toy = load(save(model()))
    with pytest.warns(RangeWarning, match="energy in GeV: 1 of 2 events .* by up to 20"):
        toy.sample([50, 120])
    with pytest.raises(RangeError, match=r"by up to 0\.5"):
        toy.sample([0.5], strict=True)


def test_no_torch_and_no_onnx_are_needed(save):
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "onnx", "onnxscript", "safetensors"}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Block())
import facsim.runtime
print(len(facsim.runtime.load(sys.argv[1]).sample([1, 2, 3], seed=0)))
"""
    done = subprocess.run([sys.executable, "-c", code, str(save(model()))], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "3"


def test_a_truncated_file_is_refused_wherever_it_is_cut(save):
    data = model().SerializeToString()
    for size in range(len(data)):
        with pytest.raises(CheckpointError, match="toy"):
            load(save(data[:size]))


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", b"\x89HDF\r\n\x1a\n" * 20, b"\x00" * 100])
def test_other_files_are_refused(save, data):
    with pytest.raises(CheckpointError, match="no ONNX file"):
        load(save(data))


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(CheckpointError, match=path.name):
            load(path)


def without(key):
    return {k: v for k, v in METADATA.items() if k != key}


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "no 'facsim' entry .*facsim export RUN -o toy.onnx"),
        ("{", "not JSON"),
        ("[1]", "lacks"),
        *[(without(key), f"lacks \\['{key}'\\]") for key in METADATA],
        (METADATA | {"format": 2}, "format 2, this facsim reads 1.*upgrade"),
        (METADATA | {"schema": {"features": [{"shape": 3}]}}, "damaged"),
        (METADATA | {"schema": {"features": [{"name": "a", "kind": "colour"}], "conditions": []}}, "damaged"),
        (METADATA | {"condition_range": [[1.0, 2.0], [100.0, 200.0]]}, "contradicts itself"),
        (METADATA | {"condition_range": 3}, "damaged"),
        (METADATA | {"latent": -1}, "contradicts itself"),
        (METADATA | {"latent": 4}, "the graph has .*noise \\(n, 4\\)"),
    ],
)
def test_metadata_that_cannot_be_right(save, metadata, message):
    with pytest.raises(CheckpointError, match=message):
        load(save(model(metadata)))


def test_a_graph_of_fixed_batch(save):
    with pytest.raises(CheckpointError, match=r"the graph has .*\(5, 3\).* promises .*\(n, 3\)"):
        load(save(model(rows=5)))


def test_a_graph_that_onnxruntime_refuses(save):
    with pytest.raises(CheckpointError, match=r"onnxruntime .* cannot load it"):
        load(save(model(nodes=[helper.make_node("NoSuchOperator", ["conditions", "noise"], ["features"])])))


def test_foreign_operators_are_refused_before_the_engine_sees_them(save, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    alien = helper.make_node("Run", ["conditions", "noise"], ["features"], domain="evil.ops")
    for opsets in ((("", 17), ("evil.ops", 1)), (("", 17),)):  # declared, or only used
        with pytest.raises(CheckpointError, match=r"outside the ONNX standard \(evil.ops\)"):
            load(save(model(nodes=[alien], opsets=opsets)))


def external():
    tensor = onnx.numpy_helper.from_array(np.arange(3, dtype=np.float32), "table")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "secrets.bin"
    return tensor


def hidden(depth):
    """An external tensor in a constant inside `depth` nested branches."""
    node = helper.make_node("Constant", [], ["table"], value=external())
    for _ in range(depth):
        inner = helper.make_graph([node], "branch", [], [helper.make_tensor_value_info("table", FLOAT, [3])])
        node = helper.make_node("If", ["flag"], ["table"], then_branch=inner, else_branch=inner)
    return node


@pytest.mark.parametrize("where", ["initializer", "sparse", "constant", "branch", "function"])
def test_tensors_in_other_files_are_refused(save, tmp_path, monkeypatch, where):
    (tmp_path / "secrets.bin").write_bytes(np.ones(3, np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    made = model(initializers=[external()] if where == "initializer" else None)
    if where == "sparse":
        made.graph.sparse_initializer.add().values.CopyFrom(external())
    if where in {"constant", "branch"}:
        made.graph.node.insert(0, hidden(2 if where == "branch" else 0))
    if where == "function":
        made.functions.add().node.append(hidden(1))
    with pytest.raises(CheckpointError, match="keeps tensors in other files"):
        load(save(made))


def test_endless_nesting_is_refused(save):
    made = model()
    made.graph.node.insert(0, hidden(0))
    data = hidden(0).SerializeToString()
    for _ in range(200):  # graph.node <- attribute.g <- node.attribute, written by hand since If has two branches
        data = wrap(5, wrap(6, wrap(1, data)))
    with pytest.raises(CheckpointError, match="too deeply"):
        load(save(wrap(7, wrap(1, data))))


def wrap(number, data):
    size, rest = b"", len(data)
    while rest > 0x7F:
        size, rest = size + bytes([rest & 0x7F | 0x80]), rest >> 7
    return bytes([number << 3 | 2]) + size + bytes([rest]) + data


@given(st.binary(max_size=200))
def test_inspection_of_anything_ends_in_an_answer_or_a_value_error(data):
    with contextlib.suppress(ValueError):
        inspect(data)
