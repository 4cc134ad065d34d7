"""Networks from layouts against the formulas in numpy, and the laws of their first weights."""

import math

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from facsim.errors import OptionStringError, RecipeError
from facsim.nets.layout import network_of
from facsim.nets.layout_layers import INITIALIZATIONS, initialize
from facsim.nets.recurrent import RecurrentLayer
from facsim.tmva import ACTIVATIONS, parameters, parse_layout, shapes
from facsim.tmva.filters import Deconv, Filter, Local
from facsim.tmva.layers import BatchNorm, Dense, MaxPool, Upsample
from facsim.tmva.recurrent import GRU, LSTM, Recurrent

CNN = "CONV|10|3|3|1|1|1|1|RELU,BNORM,CONV|4|3|3|1|1|1|1|RELU,MAXPOOL|2|2|1|1"
UPWARDS = "UNFLAT|6|2|2,DECONV|3|4|3|2|1|1|1|LRELU,UPSAMPLE|1|2"
LAYOUTS = {  # name: layout, shape of an event
    "cnn": (f"{CNN},RESHAPE|FLAT,DENSE|20|RELU,LINEAR", (1, 12, 12)),
    "rows": ("CONV|3|2|3|2|1|0|1|SOFTSIGN,MAXPOOL|3|2|1|2,RESHAPE|FLAT,DENSE|3|GAUSS", (2, 6, 10)),
    "rnn": ("RNN|10|6|5|0|1,RESHAPE|FLAT,DENSE|8|TANH,LINEAR", (5, 1, 6)),
    "lstm": ("LSTM|10|6|5|0|1,RESHAPE|FLAT,DENSE|8|TANH,LINEAR", (5, 1, 6)),
    "gru": ("GRU|10|6|5|0|1,RESHAPE|FLAT,DENSE|8|TANH,LINEAR", (5, 1, 6)),
    "gru, reset after": ("GRU|10|6|5|0|1|1,RESHAPE|FLAT,LINEAR", (1, 5, 6)),
    "last state": ("LSTM|4|0|0|0|0,DENSE|2|SYMMRELU", (1, 5, 6)),
    "two recurrent": ("GRU|4|6|5|0|1,RNN|3|4|5,LINEAR", (5, 1, 6)),
    "higgs": ("DENSE|64|TANH,DENSE|64|TANH,DENSE|64|TANH,DENSE|64|TANH,DENSE|1|LINEAR", (1, 1, 7)),
    "regression": ("TANH|50,TANH|50,TANH|50,LINEAR", (1, 1, 2)),
    "methodgan": ("RESHAPE|1|1|49|FLAT,DENSE|16|RELU,DENSE|49|TANH", (1, 7, 7)),
    "generator": (f"DENSE|24|LRELU,BNORM,{UPWARDS},LOCAL|2|3|3|1|1|1|0|SIGMOID", (1, 1, 9)),
    "middle": ("DENSE|36|RELU,RESHAPE|4|3|3,CONV|2|2|2|1|1|0|0|TANH,RESHAPE|1|4|2,BNORM|0.9|1e-3", (1, 1, 5)),
}
SOFIE = {  # a part of the list in its README: no arithmetic on shapes is left in the graph
    *("Add", "BatchNormalization", "Concat", "Constant", "Conv", "ConvTranspose", "Div", "Flatten", "Gemm", "Identity"),
    *("LeakyRelu", "MatMul", "MaxPool", "Mul", "Reshape", "Sigmoid", "Split", "Squeeze", "Sub", "Tanh", "Transpose"),
    *("Abs", "Unsqueeze"),
}
DOUBLE = 1e-12
"""Both sides are sums of at most 300 products of numbers near 1 in double precision, through six layers at most."""

FUNCTIONS = {
    "RELU": lambda x: np.maximum(x, 0),
    "TANH": np.tanh,
    "FTANH": np.tanh,
    "SYMMRELU": np.abs,
    "SOFTSIGN": lambda x: x / (1 + np.abs(x)),
    "SIGMOID": lambda x: 1 / (1 + np.exp(-x)),
    "LINEAR": lambda x: x,
    "GAUSS": lambda x: np.exp(-(x**2)),
    "LRELU": lambda x: np.where(x < 0, 0.2 * x, x),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_forward_is_the_formula(name):
    text, shape = LAYOUTS[name]
    layout = parse_layout(text)
    torch.manual_seed(1)
    network = network_of(layout, shape).double()
    with torch.no_grad():
        for parameter in network.parameters():  # biases and scales too, so that each is seen
            parameter.add_(0.1 * torch.randn_like(parameter))
    x = torch.randn(4, *shape, dtype=torch.float64)
    expected = reference(layout, shape, network, x.numpy())
    network.train()  # batch normalisation by the batch
    np.testing.assert_allclose(network(x).detach().numpy(), expected, rtol=DOUBLE, atol=DOUBLE)
    flat = network(x.flatten(1)).detach().numpy()
    np.testing.assert_allclose(flat, expected, rtol=DOUBLE, atol=DOUBLE)


@pytest.mark.parametrize("name", LAYOUTS)
def test_shapes_and_parameters_are_those_of_the_network(name):
    text, shape = LAYOUTS[name]
    layout = parse_layout(text)
    network = network_of(layout, shape)
    assert network.outputs == shapes(layout, shape)[-1]
    assert sum(p.numel() for p in network.parameters()) == sum(parameters(layout, shape))


def reference(layout, shape, network, x):
    """Forward pass of x (n, depth, height, width) in numpy, with the network's weights in their order."""
    weights = iter([p.detach().numpy() for p in network.parameters()])
    for layer, after in zip(layout, shapes(layout, shape), strict=True):
        before = x.shape[1:]
        if isinstance(layer, Dense):
            w, b = next(weights), next(weights)
            x = FUNCTIONS[layer.activation](x.reshape(len(x), -1) @ w.T + b)
        elif isinstance(layer, Filter):
            x = FUNCTIONS[layer.activation](filtered(layer, x, next(weights), next(weights)))
        elif isinstance(layer, MaxPool):
            x = windows(x, layer).max((-2, -1))
        elif isinstance(layer, Upsample):
            x = x.repeat(layer.rows, 2).repeat(layer.columns, 3)
        elif isinstance(layer, BatchNorm):
            axes = (0, 1, 2) if before[:2] == (1, 1) else (0, 2, 3)
            sizes = (1, 1, 1, -1) if before[:2] == (1, 1) else (1, -1, 1, 1)
            z = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + layer.epsilon)
            x = z * next(weights).reshape(sizes) + next(weights).reshape(sizes)
        elif isinstance(layer, Recurrent):
            x = states(layer, x.reshape(len(x), -1, before[2]), next(weights), next(weights), next(weights))
        x = x.reshape(len(x), *after)
    return x.reshape(len(x), -1)


def windows(x, layer):
    view = sliding_window_view(x, (layer.height, layer.width), axis=(2, 3))
    return view[:, :, :: layer.stride_rows, :: layer.stride_columns]


def filtered(layer, x, w, b):
    if isinstance(layer, Deconv):  # every number paints its filter
        n, _, rows, columns = x.shape
        size = ((rows - 1) * layer.stride_rows + layer.height, (columns - 1) * layer.stride_columns + layer.width)
        out = np.zeros((n, layer.depth, *size))
        for i in range(rows):
            for j in range(columns):
                top, left = i * layer.stride_rows, j * layer.stride_columns
                patch = np.einsum("nc,cdhw->ndhw", x[:, :, i, j], w)
                out[:, :, top : top + layer.height, left : left + layer.width] += patch
        cut = out[:, :, layer.pad_height : size[0] - layer.pad_height, layer.pad_width : size[1] - layer.pad_width]
        return cut + b[:, None, None]
    pads = (layer.pad_height, layer.pad_height), (layer.pad_width, layer.pad_width)
    view = windows(np.pad(x, ((0, 0), (0, 0), *pads)), layer)
    if isinstance(layer, Local):  # weights (rows, columns, filters, height x width x channels), biases per place
        rows, columns, filters, _ = w.shape
        w = w.reshape(rows, columns, filters, layer.height, layer.width, x.shape[1])
        return np.einsum("ncijhw,ijfhwc->nfij", view, w) + b[..., 0].transpose(2, 0, 1)
    return np.einsum("ncijhw,dchw->ndij", view, w) + b[:, None, None]


def states(layer, x, w, u, b):
    """States of a sequence x (n, steps, width), gate by gate."""
    sigmoid, tanh = FUNCTIONS["SIGMOID"], np.tanh
    h, c, out = np.zeros((len(x), layer.state)), np.zeros((len(x), layer.state)), []
    for t in range(x.shape[1]):
        seen = [x[:, t] @ w[g].T + b[g] for g in range(len(w))]
        if isinstance(layer, LSTM):
            i, f, g, o = (s + h @ u[k].T for k, s in enumerate(seen))
            c = sigmoid(f) * c + sigmoid(i) * tanh(g)
            h = sigmoid(o) * tanh(c)
        elif isinstance(layer, GRU):
            r, z = sigmoid(seen[0] + h @ u[0].T), sigmoid(seen[1] + h @ u[1].T)
            back = r * (h @ u[2].T) if layer.reset_gate_after else (r * h) @ u[2].T
            h = z * h + (1 - z) * tanh(seen[2] + back)
        else:
            h = tanh(seen[0] + h @ u[0].T)
        out.append(h)
    return np.stack(out, 1) if layer.return_sequence else h


def test_recurrent_layers_are_torchs_own_where_both_exist():
    for cell, kind in (("RNN", torch.nn.RNN), ("LSTM", torch.nn.LSTM), ("GRU_AFTER", torch.nn.GRU)):
        torch.manual_seed(2)
        layer, torchs = RecurrentLayer(3, 4, cell, sequence=True).double(), kind(3, 4, batch_first=True).double()
        with torch.no_grad():
            torchs.weight_ih_l0.copy_(layer.weight.flatten(0, 1))
            torchs.weight_hh_l0.copy_(layer.state_weight.flatten(0, 1))
            torchs.bias_ih_l0.copy_(layer.bias.flatten())
            torchs.bias_hh_l0.zero_()
        x = torch.randn(5, 7, 3, dtype=torch.float64)
        torch.testing.assert_close(layer(x), torchs(x)[0], rtol=DOUBLE, atol=DOUBLE)


def test_a_remembered_state_starts_the_next_batch_in_training_only():
    torch.manual_seed(3)
    layer = RecurrentLayer(2, 3, "LSTM", sequence=True, remember=True).double()
    x = torch.randn(4, 6, 2, dtype=torch.float64)
    whole = RecurrentLayer(2, 3, "LSTM", sequence=True).double()
    whole.load_state_dict(layer.state_dict())
    halves = torch.cat([layer(x[:, :3]), layer(x[:, 3:])], 1)
    torch.testing.assert_close(halves, whole(x), rtol=DOUBLE, atol=DOUBLE)
    layer(x[:2])  # another batch size starts from zeros
    layer.eval()
    torch.testing.assert_close(layer(x), whole(x), rtol=DOUBLE, atol=DOUBLE)


def test_batch_normalisation_keeps_the_cumulative_average():
    torch.manual_seed(4)
    network, batches = network_of(parse_layout("BNORM"), (1, 1, 3)), torch.randn(5, 20, 3)
    for batch in batches:
        network(batch)
    norm = network[0]
    assert norm.eps == 1e-4
    torch.testing.assert_close(norm.running_mean, batches.mean(1).mean(0))
    torch.testing.assert_close(norm.running_var, batches.var(1).mean(0))
    kept = network_of(parse_layout("BNORM|0.9"), (1, 1, 3))
    kept(batches[0])
    torch.testing.assert_close(kept[0].running_mean, 0.1 * batches[0].mean(0))  # 0.9 of the old, which is 0


def test_every_activation_of_a_dense_layer():
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    for name in ACTIVATIONS:
        network = network_of(parse_layout(f"DENSE|1|{name}"), (1, 1, 1), initialization="IDENTITY").double()
        np.testing.assert_allclose(network(x).detach().numpy(), FUNCTIONS[name](x.numpy()), atol=DOUBLE)


@pytest.mark.parametrize("law", INITIALIZATIONS)
def test_first_weights_follow_the_law_and_biases_are_zero(law):
    torch.manual_seed(5)
    rows, columns = 200, 300
    network = network_of(parse_layout(f"DENSE|{rows}|RELU"), (1, 1, columns), initialization=law)
    weight, bias = network[0].weight.detach().double(), network[0].bias.detach()
    assert not bias.any()
    glorot = math.sqrt(2 / (rows + columns))
    # a normal cut at two of its sigma keeps 0.8796 of it; a uniform has its bound over the root of 3
    sigma, bound = {
        "XAVIER": (0.87962 * glorot, 2 * glorot),
        "XAVIERUNIFORM": (glorot, math.sqrt(3) * glorot),
        "GAUSS": (math.sqrt(2 / columns), 6 * math.sqrt(2 / columns)),
        "UNIFORM": (math.sqrt(2 / columns / 3), math.sqrt(2 / columns)),
        "ZERO": (0, 0),
        "IDENTITY": (None, 1),
    }[law]
    assert weight.abs().max() <= bound * (1 + 1e-6)
    if sigma is None:
        assert torch.equal(weight, torch.eye(rows, columns, dtype=torch.float64))
    else:
        n = rows * columns  # errors of mean and sigma are sigma / sqrt(n) and at most sigma / sqrt(2 n): five of them
        assert abs(weight.mean()) <= 5 * sigma / math.sqrt(n)
        assert abs(weight.std() - sigma) <= 5 * sigma / math.sqrt(2 * n)


@pytest.mark.parametrize("text", ["CONV|40|5|5|1|1|0|0|RELU", "DECONV|40|5|5|1|1|0|0|RELU", "LSTM|40|0|0"])
def test_first_weights_of_filters_and_gates_count_planes_as_rows(text):
    torch.manual_seed(6)
    network = network_of(parse_layout(text), (8, 9, 9), initialization="XAVIERUNIFORM")
    found = {name.rsplit(".", 1)[1]: p.detach() for name, p in network.named_parameters()}
    columns = 9 if text.startswith("LSTM") else 8 * 25
    bound = math.sqrt(6 / (40 + columns))
    assert 0.98 * bound < found["weight"].abs().max() <= bound  # of 1440 numbers, 0.98^1440 < 1e-12 lie below
    assert not found["bias"].any()
    if "state_weight" in found:
        assert found["state_weight"].abs().max() <= math.sqrt(6 / 80)


def test_the_same_seed_gives_the_same_network():
    layout = parse_layout("CONV|2|3|3|1|1|1|1|RELU,LSTM|4|8|16,DENSE|3|TANH")
    weights = []
    for _ in range(2):
        torch.manual_seed(7)
        weights.append(network_of(layout, (1, 8, 8)).state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_dropout_drops_inputs_of_dense_layers_and_filters():
    network = network_of(
        parse_layout("RESHAPE|FLAT,DENSE|3|RELU,DENSE|1|LINEAR"), (1, 2, 2), dropout=(0.3, 0.0, 0.5, 0.7)
    )
    drops = [m.p for m in network if isinstance(m, torch.nn.Dropout)]
    assert drops == [0.5]  # RESHAPE has none, the second has probability 0, and there is no fourth layer


def test_too_many_parameters_and_unknown_laws_are_clear():
    with pytest.raises(OptionStringError, match="at most 1000 are built") as error:
        network_of(parse_layout("DENSE|4|RELU,DENSE|900|RELU,DENSE|1|LINEAR"), (1, 1, 4), largest=1000)
    assert error.value.string[error.value.position :].startswith("DENSE|900")
    with pytest.raises(RecipeError, match="Did you mean 'XAVIER'"):
        initialize(torch.empty(2, 2), "XAVER")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # SOFIE reads what this one writes
def test_networks_export_to_onnx_operators_that_sofie_knows(tmp_path):
    onnx = pytest.importorskip("onnx")
    layout = parse_layout(f"DENSE|24|LRELU,BNORM,{UPWARDS},CONV|1|1|1|1|1|0|0|SOFTSIGN,MAXPOOL|1|2|1|2,GRU|3")
    network = network_of(layout, (1, 1, 5)).eval()
    torch.onnx.export(network, (torch.randn(1, 5),), tmp_path / "g.onnx", dynamo=False)
    found = {node.op_type for node in onnx.load(tmp_path / "g.onnx").graph.node}
    assert found >= {"Gemm", "ConvTranspose", "Conv"}
    assert found <= SOFIE
