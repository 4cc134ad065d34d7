"""Files for code generators such as ROOT's SOFIE: one event per call, operators of a list, nothing else."""

import json

import numpy as np
import pytest

from facsim import Block, Schema, deploy
from facsim.deploy import audit, export
from facsim.deploy.operators import RANDOM, SOFIE
from facsim.deploy.rewrite import RULES, rewrite
from facsim.errors import ExportError
from facsim.runtime import load

torch = pytest.importorskip("torch", reason='pip install "facsim[train]"')
onnx = pytest.importorskip("onnx", reason='pip install "facsim[train]"')
ort = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript", reason='pip install "facsim[train]"')
nn, helper, FLOAT, INT, BOOL = torch.nn, onnx.helper, 1, 7, 9

CELLS = 4
ENERGY = Block("energy", (), "energy", "GeV")
CELL = Block("cells", (CELLS,), "energy", "MeV")


class Generator(nn.Module):
    """Holds whatever the list lacks and our generators need: clamp, softplus, rounding, gates, look-up, maximum."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Softplus(), nn.Linear(8, CELLS))
        self.register_buffer("table", torch.linspace(0, 5, 41))

    def forward(self, conditions, noise):
        if not conditions.shape[1]:
            conditions = noise[:, :1] + 20
        x = self.net(torch.cat([conditions.clamp(min=1.0).log(), noise], 1))
        place = (x * 4).clamp(0, 39).floor()
        value = self.table[place.long()] + (x - place / 4).abs()
        lit = (value > 1) | (value >= value.amax(1, keepdim=True))
        return torch.where(lit & ~(noise < -2), value, 0.0)


class Toy:
    provenance = {"data": "toy.h5"}  # noqa: RUF012
    latent = CELLS

    def __init__(self, module, conditions=(ENERGY,)):
        self.module, self.schema = module, Schema((CELL,), conditions)
        self.condition_range = (np.ones(len(conditions)), np.full(len(conditions), 100.0))

    def generator(self):
        return self.module


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(3)
    return Generator()


@pytest.fixture(scope="module")
def exported(module, tmp_path_factory):
    return export(Toy(module), tmp_path_factory.mktemp("sofie") / "toy.onnx", profile="sofie")


def test_the_file_has_fixed_sizes_and_operators_of_the_list_only(exported):
    found = audit(exported)
    assert found.passed, found
    assert found.opset == 18
    assert set(found.operators) <= SOFIE
    assert json.loads(json.dumps(found.to_json()))["passed"] is True
    session = ort.InferenceSession(str(exported))
    assert [(p.name, p.shape) for p in session.get_inputs()] == [("conditions", [1, 1]), ("noise", [1, CELLS])]
    assert [p.shape for p in session.get_outputs()] == [[1, CELLS]]
    names = {name for node in onnx.load(exported).graph.node for name in (*node.input, *node.output)}
    assert all(name.isalnum() for name in names)  # they become identifiers
    assert list(exported.parent.iterdir()) == [exported]


@pytest.fixture(scope="module")
def usual(module, tmp_path_factory):
    return export(Toy(module), tmp_path_factory.mktemp("usual") / "toy.onnx", check=False)


def test_the_usual_file_would_not_be_read(usual):
    found = audit(usual)
    assert {"open shape", "Clip", "Floor", "Softplus"} <= {f.operator for f in found.findings}
    assert not found.passed


def test_it_samples_as_the_usual_file_does(exported, usual):
    energies = np.linspace(1, 100, 50)
    ours, theirs = (load(path).sample(energies, seed=1).features for path in (exported, usual))
    assert 0.1 < (theirs == 0).mean() < 0.9
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert load(exported).metadata["self_test"]["events"] == 1000


def test_without_conditions_noise_is_the_only_input(module, tmp_path):
    path = export(Toy(module, ()), tmp_path / "alone.onnx", profile="sofie")
    assert [p.name for p in ort.InferenceSession(str(path)).get_inputs()] == ["noise"]
    assert load(path).sample(np.empty((7, 0)), seed=1).features.shape == (7, CELLS)


class Foreign(nn.Module):
    def forward(self, conditions, noise):
        return conditions + torch.atan(noise) + torch.rand_like(noise)


def test_operators_outside_the_list_are_named_with_node_and_cure(tmp_path):
    message = "(?s)SOFIE would not read it.*Atan at '.*': write it with.*Random.* at '.*': draw nothing"
    with pytest.raises(ExportError, match=message):
        export(Toy(Foreign()), tmp_path / "bad.onnx", profile="sofie")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_profile_gives_the_nearest(module, tmp_path):
    with pytest.raises(ExportError, match="Did you mean 'sofie'"):
        export(Toy(module), tmp_path / "a.onnx", profile="sofi")


def test_the_list_holds_no_operator_that_draws_nor_one_that_a_rule_replaces_always():
    assert not SOFIE & RANDOM
    partly = {"BatchNormalization", "Elu", "Expand", "LayerNormalization"}  # read, but not every use of them is right
    assert SOFIE & set(RULES) == partly


@pytest.mark.parametrize("path", ["missing.onnx", "text.onnx"])
def test_what_is_no_onnx_file_is_an_error(tmp_path, path):
    (tmp_path / "text.onnx").write_text("<html>")
    with pytest.raises(ExportError, match="cannot be read as ONNX"):
        deploy.audit(tmp_path / path)


# The rules, one by one --------------------------------------------------------------------------------------------


def graph_of(operator, inputs, outputs=None, constants=(), kind=FLOAT, **attributes):
    """A model of one node; its inputs are arrays' shapes, its output has the shape that onnx infers."""
    ports = [helper.make_tensor_value_info(f"x{i}", kind, s) for i, s in enumerate(inputs)]
    held = [onnx.numpy_helper.from_array(c, f"c{i}") if c is not None else None for i, c in enumerate(constants)]
    names = [p.name for p in ports] + ["" if c is None else c.name for c in held]
    node = helper.make_node(operator, names, ["y"], "it", **attributes)
    result = helper.make_tensor_value_info("y", kind, outputs)
    graph = helper.make_graph([node], "g", ports, [result], [c for c in held if c is not None])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return onnx.shape_inference.infer_shapes(model)


def run(model, given):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = ort.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {p.name: x for p, x in zip(session.get_inputs(), given, strict=True)})[0]


SPREAD = np.concatenate([np.linspace(-100, 100, 41), np.arange(-6, 7) / 2, [0.49999997, -0.2, 0.3]]).astype(np.float32)
EIGHT = np.arange(1, 9, dtype=np.float32)
ROW, IMAGE = [[1, len(SPREAD)]], [[1, 8, 3, 2]]
F = np.float32


@pytest.mark.parametrize(
    ("operator", "inputs", "constants", "attributes"),
    [
        ("Ceil", ROW, (), {}),
        ("Clip", ROW, (F(-1), F(2)), {}),
        ("Clip", ROW, (F(-1),), {}),
        ("Clip", ROW, (None, F(2)), {}),
        ("Clip", ROW, (), {}),
        ("Elu", ROW, (), {"alpha": 0.5}),
        ("Elu", ROW, (), {}),
        ("BatchNormalization", IMAGE, (EIGHT, -EIGHT, EIGHT / 2, EIGHT), {"epsilon": 1e-3}),
        ("BatchNormalization", [[3, 8]], (EIGHT, EIGHT, EIGHT, EIGHT), {}),
        ("Expand", [[3, 1, 2, 1]], (np.array([3, 4, 2, 1]),), {}),
        ("Expand", [[2, 1]], (np.array([3, 2, 5]),), {}),
        ("LayerNormalization", [[3, 8]], (EIGHT,), {"axis": -1, "epsilon": 1e-3}),
        ("LayerNormalization", [[3, 8]], (EIGHT, EIGHT), {}),
        ("Floor", ROW, (), {}),
        ("Gelu", ROW, (), {}),
        ("HardSigmoid", ROW, (), {"alpha": 0.3}),
        ("HardSwish", ROW, (), {}),
        ("LogSoftmax", ROW, (), {"axis": 1}),
        ("Mish", ROW, (), {}),
        ("PRelu", ROW, (np.array([0.3], F),), {}),
        ("ReduceL2", ROW, (np.array([1]),), {"keepdims": 0}),
        ("ReduceMax", ROW, (np.array([1]),), {"keepdims": 1}),
        ("ReduceMin", ROW, (np.array([-1]),), {"keepdims": 0}),
        ("Round", ROW, (), {}),
        ("Sign", ROW, (), {}),
        ("Softplus", ROW, (), {}),
        ("GatherND", [[1, 6]], (np.array([[0], [0]]),), {}),
        ("DepthToSpace", IMAGE, (), {"blocksize": 2}),
        ("DepthToSpace", IMAGE, (), {"blocksize": 2, "mode": "CRD"}),
        ("Dropout", ROW, (), {}),
        *(
            (
                "Resize",
                IMAGE,
                (None, np.array([1, 1, 2, 3], F)),
                {"coordinate_transformation_mode": c, "nearest_mode": n},
            )
            for c, n in [("asymmetric", "floor"), ("half_pixel", "round_prefer_floor")]
        ),
    ],
)
def test_a_rule_keeps_the_values(operator, inputs, constants, attributes):
    model = graph_of(operator, inputs, constants=constants, **attributes)
    shape = inputs[0]
    x = SPREAD.reshape(shape) if shape == ROW[0] else np.random.default_rng(0).normal(size=shape).astype(F)
    expected = run(model, [x])
    found = rewrite(model)
    assert {n.op_type for n in found.graph.node} <= SOFIE
    onnx.checker.check_model(found, full_check=True)
    # some roundings (2^-24 each) of intermediates of order one; Mish multiplies its error by x, here up to 20
    atol = {"Mish": 3e-6, "LogSoftmax": 1e-6}.get(operator, 3e-7)
    np.testing.assert_allclose(run(found, [x]), expected, rtol=1e-6, atol=atol)


def test_sofie_would_name_two_batch_normalisations_alike_that_share_their_scale():
    """It fuses scale and variance under the scale's name; untrained layers share both, once equal constants are one."""
    found = rewrite(graph_of("BatchNormalization", IMAGE, constants=(EIGHT, EIGHT, EIGHT, EIGHT)))
    assert [n.op_type for n in found.graph.node] == ["Mul", "Add"]


def test_sofie_crashes_without_the_bias_of_a_layer_normalisation():
    found = rewrite(graph_of("LayerNormalization", [[3, 8]], constants=(EIGHT,), axis=-1))
    assert [len(n.input) for n in found.graph.node] == [3]


def test_sofie_expands_wrongly_before_a_last_axis_of_length_one():
    found = rewrite(graph_of("Expand", [[3, 1, 2, 1]], constants=(np.array([3, 4, 2, 1]),)))
    assert [n.op_type for n in found.graph.node] == ["Mul"]


@pytest.mark.parametrize("operator", ["And", "Or", "Not"])
def test_gates_of_truth_values(operator):
    x = np.array([[False, False, True, True]]), np.array([[False, True, False, True]])
    given = x[: 1 + (operator != "Not")]
    model = graph_of(operator, [[1, 4]] * len(given), kind=BOOL)
    expected = run(model, given)
    found = rewrite(model)
    assert {n.op_type for n in found.graph.node} <= SOFIE
    np.testing.assert_array_equal(run(found, given), expected)


@pytest.mark.parametrize(
    ("operator", "inputs", "constants", "attributes"),
    [
        ("Resize", IMAGE, (None, np.array([1, 1, 2, 2], F)), {"mode": "linear"}),
        (
            "Resize",
            IMAGE,
            (None, np.array([1, 1, 1.5, 1], F)),
            {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        ),
        ("ReduceMax", IMAGE, (np.array([1, 2]),), {}),
        ("Gelu", ROW, (), {"approximate": "tanh"}),
    ],
)
def test_what_no_rule_takes_is_left_and_named(operator, inputs, constants, attributes):
    found = audit(rewrite(graph_of(operator, inputs, constants=constants, **attributes)))
    assert operator in found.operators
    assert any(f.operator == operator and f.node == "it" and f.cure for f in found.findings)


def test_what_else_an_engine_trips_over():
    pool = graph_of("MaxPool", [[1, 1, 5, 5]], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    assert [f.operator for f in audit(pool).findings if f.node == "it"] == ["MaxPool with ceil_mode"]
    foreign = graph_of("Relu", ROW)
    foreign.graph.node[0].domain = "com.example"
    assert any(f.operator == "com.example.Relu" for f in audit(foreign).findings)
    outside = graph_of("Add", ROW, constants=(np.zeros(1, F),))
    outside.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    assert any(f.operator == "tensor outside the file" for f in audit(outside).findings)
    text = graph_of("Identity", [[1]], kind=onnx.TensorProto.STRING)
    assert any(f.operator == "tensor type 8" for f in audit(text).findings)
