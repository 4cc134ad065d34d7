"""The JSON for lwtnn, read by an evaluator that shares no line with ours."""

import json
import math

import numpy as np
import pytest

from facsim import Block, Events, Schema
from facsim.deploy import export
from facsim.errors import ExportError

torch = pytest.importorskip("torch", reason='pip install "facsim[train]"')
nn = torch.nn

from facsim.models.gan import GAN  # noqa: E402
from facsim.models.gan.config import GANConfig  # noqa: E402
from facsim.models.regression import Regression, RegressionConfig  # noqa: E402
from facsim.transforms import LinearTransform  # noqa: E402

LABEL = Block("label", (), "category", names=("qcd", "top"))
SCHEMA = Schema(
    (Block("dll", (2,)), Block("hits", (), "count"), Block("cell", (2,), "energy", "MeV", threshold=1.1)),
    (Block("energy", (), "energy", "GeV"), Block("eta"), LABEL),
)


# As lwtnn computes: one event, double precision, weights row by row, (x + offset) * scale, layers in order -----------


def one(kind, x, alpha=None):
    match kind:
        case "linear":
            return x
        case "rectified":
            return x if x > 0 else 0.0
        case "sigmoid":
            return 0.0 if x < -30 else 1.0 if x > 30 else 1 / (1 + math.exp(-x))
        case "tanh":
            return math.tanh(x)
        case "abs":
            return abs(x)
        case "leakyrelu":
            return x if x > 0 else alpha * x
        case "elu":
            return x if x >= 0 else alpha * (math.exp(x) - 1)
        case "swish":
            return x * one("sigmoid", alpha * x)
    raise AssertionError(kind)


def pass_layer(layer, x):
    weights, bias = layer["weights"], layer["bias"]
    if layer["architecture"] == "normalization":
        assert len(weights) == len(bias) == len(x)
        return [w * (v + b) for w, v, b in zip(weights, x, bias, strict=True)]
    assert layer["architecture"] == "dense"
    if weights:
        assert len(weights) % len(x) == 0
        rows = [weights[i : i + len(x)] for i in range(0, len(weights), len(x))]
        x = [math.fsum(w * v for w, v in zip(row, x, strict=True)) for row in rows]
    if bias:
        x = [v + b for v, b in zip(x, bias, strict=True)]
    activation = layer["activation"]
    if activation == "softmax":
        raised = [math.exp(v) for v in x]
        return [v / sum(raised) for v in raised]
    if isinstance(activation, str):
        assert activation not in {"leakyrelu", "swish"}  # lwtnn needs their parameter
        return [one(activation, v) for v in x]
    return [one(activation["function"], v, activation["alpha"]) for v in x]


def lwtnn(graph, inputs):
    assert graph["input_sequences"] == []
    values = []
    for node in graph["nodes"]:
        sources = [] if node["type"] == "input" else [values[place] for place in node["sources"]]
        if node["type"] == "input":
            asked = graph["inputs"][node["sources"][0]]
            assert node["size"] == len(asked["variables"])
            given = inputs[asked["name"]]
            values.append([(given[v["name"]] + v["offset"]) * v["scale"] for v in asked["variables"]])
        elif node["type"] == "concatenate":
            values.append([v for source in sources for v in source])
        elif node["type"] == "add":
            values.append([sum(column) for column in zip(*sources, strict=True)])
        else:
            assert node["type"] == "feed_forward"
            values.append(pass_layer(graph["layers"][node["layer_index"]], *sources))
    out = graph["outputs"]["features"]
    return dict(zip(out["labels"], values[out["node_index"]], strict=True))


def as_told(description, conditions, noise):
    """Inputs by name, made by nothing but the description's words."""
    given = {}
    for block, x in zip(description["conditions"], conditions, strict=True):
        for name in block["variables"]:
            value = math.log(max(x, 1e-9)) if name.startswith("log ") else x
            if "=" in name:
                value = float(block["variables"].index(name) == x)
            given[name] = value
    return {"noise": {f"variable_{i}": z for i, z in enumerate(noise)}, "conditions": given}


def after(description, values):
    values = np.array(list(values.values()))
    for step in description["after"]:
        part = values[slice(*step["columns"])]
        if step["round"]:
            part[:] = np.round(part)
        if step["zero_below"] is not None:
            part[part < step["zero_below"]] = 0
    return values


def columns(n=200, schema=SCHEMA):
    rng = np.random.default_rng(0)
    energy, eta, label = rng.uniform(5, 50, n), rng.normal(size=n), rng.integers(0, 2, n)
    features = np.column_stack(
        [rng.normal(3, 2, (n, 2)), rng.poisson(4, n), rng.exponential(2, (n, 2)) * (rng.random((n, 2)) < 0.7)]
    )
    return Events(features, np.column_stack([energy, eta, label])[:, : len(schema.conditions)], schema)


def written(surrogate, path, **more):
    export(surrogate, path, profile="lwtnn", **more)
    return json.loads(path.read_text()), json.loads(path.with_suffix(".description.json").read_text())


def agrees(surrogate, graph, description, n=30):
    low, high = surrogate.condition_range
    rng = np.random.default_rng(1)
    conditions = (low + (high - low) * rng.random((n, len(low)))).astype(np.float32)
    for column, block in enumerate(surrogate.schema.conditions):
        if block.kind == "category":
            conditions[:, column] = conditions[:, column].round()
    noise = rng.normal(size=(n, surrogate.latent)).astype(np.float32)
    with torch.no_grad():
        expected = surrogate.generator().eval()(torch.from_numpy(conditions), torch.from_numpy(noise)).numpy()
    found = [
        after(description, lwtnn(graph, as_told(description, c, z)))
        for c, z in zip(conditions.tolist(), noise.tolist(), strict=True)
    ]
    # float32 sums of some hundred terms: 1e-5 of the columns' size
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    return expected


@pytest.mark.parametrize(
    ("transform", "generator"),
    [
        ("standard", {"kind": "mlp", "hidden": 16, "noise": 6, "activation": "leaky_relu", "slope": 0.1}),
        ("scale", {"kind": "mlp", "hidden": 16, "noise": 6, "activation": "silu", "output": "relu"}),
    ],
)
def test_a_gan_of_dense_layers(tmp_path, transform, generator):
    torch.manual_seed(0)
    model = GAN(SCHEMA, GANConfig(objective="hinge", transform=transform, generator=generator)).eval()
    model.prepare(columns())
    graph, description = written(model, tmp_path / "gan.json")
    expected = agrees(model, graph, description)
    assert transform == "scale" or 0 < (expected[:, 3:] == 0).mean() < 1
    assert graph["outputs"]["features"]["labels"] == ["dll_0", "dll_1", "hits", "cell_0", "cell_1"]
    first = graph["layers"][0]
    assert len(first["weights"]) == 16 * (6 + 4)
    assert first["weights"][:10] == pytest.approx(model.net.net[0].hidden[0].weight[0].tolist())
    told = description["conditions"]
    assert [c["variables"] for c in told] == [
        ["log energy" if transform == "standard" else "energy"],
        ["eta"],
        ["label=qcd", "label=top"],
    ]
    assert (told[0]["unit"], told[0]["low"], told[0]["high"]) == ("GeV", *(float(s[0]) for s in model.condition_range))
    assert description["noise"] == {"law": "normal", "mean": 0.0, "standard_deviation": 1.0, "count": 6}
    assert "No terms were stated" in description["licence"]
    names = [[v["name"] for v in i["variables"]] for i in graph["inputs"]]
    shown = description["examples"]["inputs"]
    for k, event in enumerate(description["examples"]["events"]):  # what a C++ program compares itself with
        given = {
            i["name"]: dict(zip(n, shown[i["name"]][k], strict=True))
            for i, n in zip(graph["inputs"], names, strict=True)
        }
        np.testing.assert_allclose(after(description, lwtnn(graph, given)), event, rtol=1e-6, atol=1e-6)


def test_without_conditions_there_is_one_input(tmp_path):
    schema = Schema(SCHEMA.features)
    model = GAN(schema, GANConfig(transform="standard", generator={"kind": "mlp", "hidden": 8, "noise": 3})).eval()
    model.prepare(columns(schema=schema))
    graph, description = written(model, tmp_path / "plain.json")
    assert [i["name"] for i in graph["inputs"]] == ["noise"]
    agrees(model, graph, description)


class Everything(nn.Module):
    """Whatever the translation knows."""

    def __init__(self, width):
        super().__init__()
        self.enter, self.norm = nn.Linear(4, 7), nn.BatchNorm1d(7)
        self.branches = nn.ModuleList(nn.Linear(7, 7, bias=False) for _ in range(4))
        self.late = nn.BatchNorm1d(7)
        self.leave = nn.Sequential(nn.Dropout(0.5), nn.Flatten(), nn.Linear(21, 9), nn.Softmax(1), nn.Linear(9, width))
        for norm in (self.norm, self.late):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
        with torch.no_grad():
            self.late.weight[0] = 0  # a column that is constant

    def forward(self, noise, context):
        x = self.norm(self.enter(torch.cat([noise, context], 1))).relu_()
        a, b, c, d = (branch(x) for branch in self.branches)
        y = nn.functional.elu(a, 0.7) + nn.functional.leaky_relu(b)
        y = self.late(y * 2 - 1)
        z = torch.sigmoid(c) / 3 + nn.functional.silu(x)
        return self.leave(torch.cat([y, torch.tanh(z), d.abs()], dim=-1))


class Sampler(nn.Module):
    def __init__(self, net, transform):
        super().__init__()
        self.net, self.transform = net, transform

    def forward(self, conditions, noise):
        return self.transform.decode(self.net(noise, self.transform.context(0, noise, conditions)), conditions)


class Toy:
    provenance = {}  # noqa: RUF012
    latent = 3

    def __init__(self, net, transform=None):
        self.schema = Schema((Block("image", (2, 3), "energy", "MeV"),), (Block("angle", (), "angle", "rad"),))
        rng = np.random.default_rng(2)
        self.transform = transform or LinearTransform(self.schema, centred=True)
        self.transform.fit(
            rng.normal(5, 2, (40, 6)).astype(np.float32).clip(0), rng.uniform(0, 1, (40, 1)).astype(np.float32), None
        )
        self.net, self.condition_range = net, (np.zeros(1, np.float32), np.ones(1, np.float32))

    def generator(self):
        return Sampler(self.net, self.transform)


def test_every_layer_that_lwtnn_has(tmp_path):
    torch.manual_seed(5)
    toy = Toy(Everything(6))
    graph, description = written(toy, tmp_path / "all.json", licence="CC-BY-4.0")
    agrees(toy, graph, description)
    assert description["licence"].startswith("CC-BY-4.0")
    used = {
        layer["activation"] if isinstance(layer["activation"], str) else layer["activation"]["function"]
        for layer in graph["layers"]
    }
    assert used == {"linear", "rectified", "elu", "leakyrelu", "sigmoid", "tanh", "abs", "softmax", "swish"}
    assert {node["type"] for node in graph["nodes"]} == {"input", "concatenate", "feed_forward", "add"}
    first = graph["layers"][0]
    assert first["activation"] == "rectified"  # batch normalisation and rectifier went into the dense layer before


class With(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.stack = nn.Sequential(nn.Linear(4, 8), *layers, nn.Flatten(), nn.LazyLinear(6))
        self(torch.zeros(2, 3), torch.zeros(2, 1))

    def forward(self, noise, context):
        return self.stack(torch.cat([noise, context], 1))


class Squared(With):
    def forward(self, noise, context):
        x = super().forward(noise, context)
        return x * x


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (With(nn.LayerNorm(8)), r"layer_norm.*stack\.1.*LayerNorm.*export as ONNX"),
        (With(nn.Unflatten(1, (2, 2, 2)), nn.ConvTranspose2d(2, 1, 2)), r"lwtnn has no '.*stack\.1.*Unflatten"),
        (With(nn.Softplus()), r"softplus.*stack\.1.*Softplus"),
        (Squared(), r"lwtnn has no 'mul"),
    ],
)
def test_what_lwtnn_cannot_hold_is_named_with_its_place(tmp_path, net, message):
    with pytest.raises(ExportError, match=message):
        export(Toy(net), tmp_path / "no.json", profile="lwtnn")
    assert list(tmp_path.iterdir()) == []


def test_tables_and_other_families_are_refused(tmp_path):
    model = GAN(SCHEMA, GANConfig(objective="hinge", generator={"kind": "mlp", "noise": 6})).eval()
    model.prepare(columns())
    with pytest.raises(ExportError, match=r"'marginals'.*model\.transform=standard"):
        export(model, tmp_path / "no.json", profile="lwtnn")

    class Other(Toy):
        def generator(self):
            return nn.Identity()

    with pytest.raises(ExportError, match="'Other' is none"):
        export(Other(nn.Identity()), tmp_path / "no.json", profile="lwtnn")
    regression = Regression(SCHEMA, RegressionConfig(transform="standard")).eval()  # has a network, of another contract
    regression.prepare(columns())
    with pytest.raises(ExportError, match="'Regression' is none"):
        export(regression, tmp_path / "no.json", profile="lwtnn")


def test_a_graph_that_disagrees_is_not_kept(tmp_path):
    class Forgetful(Toy):
        calls = 0

        def generator(self):
            sampler = super().generator()
            sampler.register_forward_hook(lambda *_: None)
            sampler.forward = lambda conditions, noise: torch.zeros(noise.shape[0], 6) + conditions
            return sampler

    with pytest.raises(ExportError, match="does not give the model's events"):
        export(Forgetful(Everything(6)), tmp_path / "no.json", profile="lwtnn")
    assert list(tmp_path.iterdir()) == []
