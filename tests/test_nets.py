"""Building blocks of networks, each against its formula written out in loops."""

import math

import pytest
import torch
from torch import nn

from facsim import Block, Grid, Schema, recipes
from facsim.errors import RecipeError, SchemaMismatch
from facsim.nets.film import FiLM
from facsim.nets.hadamard import Concatenate, Hadamard
from facsim.nets.inpainting import InPainting
from facsim.nets.local import LocallyConnected2d, keras_fans
from facsim.nets.minibatch import MinibatchDiscrimination
from facsim.nets.moments import CellMoments
from facsim.nets.occupancy import hard_occupancy, soft_occupancy
from facsim.nets.planes import DensePlanes, PlaneNorm, SameConv2d, upsample
from facsim.nets.progressive import EqualConv2d, EqualLinear, Growing, coarsen, enlarge, spread_plane
from facsim.nets.residual import ResidualMLP
from facsim.nets.summary import ShowerSummary
from facsim.nets.virtual_norm import Reference, VirtualBatchNorm


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(1)


@pytest.mark.parametrize(("stride", "padding"), [((1, 1), (0, 0)), ((1, 2), (1, 1)), ((2, 1), (0, 2))])
@pytest.mark.parametrize("bias", [True, False])
def test_locally_connected_is_a_convolution_with_weights_of_every_place(stride, padding, bias):
    channels, filters, kernel = 3, 4, (3, 2)
    layer = LocallyConnected2d(channels, filters, (6, 7), kernel, stride=stride, padding=padding, bias=bias).double()
    if bias:
        nn.init.normal_(layer.bias)
    x = torch.randn(5, channels, 6, 7, dtype=torch.double)
    padded = nn.functional.pad(x, (padding[1], padding[1], padding[0], padding[0]))
    y = layer(x)
    weight = layer.weight.view(*layer.size, filters, *kernel, channels)
    for i in range(layer.size[0]):
        for j in range(layer.size[1]):
            field = padded[:, :, i * stride[0] : i * stride[0] + 3, j * stride[1] : j * stride[1] + 2]
            expected = torch.einsum("ncab,fabc->nf", field, weight[i, j])
            if bias:
                expected = expected + layer.bias[i, j, :, 0]
            assert torch.allclose(y[:, :, i, j], expected, atol=1e-12)
    assert y.shape[2:] == (
        (6 + 2 * padding[0] - 3) // stride[0] + 1,
        (7 + 2 * padding[1] - 2) // stride[1] + 1,
    )


def test_first_and_second_derivatives_of_locally_connected_layers():
    layer = LocallyConnected2d(2, 2, (4, 5), (3, 2), stride=(1, 2), padding=(1, 0)).double()
    x = torch.randn(2, 2, 4, 5, dtype=torch.double, requires_grad=True)
    weight, bias = layer.weight.detach().requires_grad_(), layer.bias.detach().requires_grad_()

    def apply(x, weight, bias):
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (x,))

    assert torch.autograd.gradcheck(apply, (x, weight, bias))
    assert torch.autograd.gradgradcheck(apply, (x, weight, bias), fast_mode=True)


def test_scale_of_locally_connected_weights_follows_the_fans():
    for fans in ("field", "keras1", "keras2"):
        layer = LocallyConnected2d(16, 6, (5, 98), (2, 2), init="he_uniform", fans=fans)
        fan_in, _ = keras_fans(4 * 97, 64, 6, fans)
        limit = math.sqrt(6 / fan_in)
        assert 0.99 * limit < layer.weight.abs().max().item() <= limit
    # Keras 1: the root of all weights; Keras 2.0: places and field as a kernel's axes.
    assert keras_fans(4 * 97, 64, 6, "keras1")[0] == pytest.approx(math.sqrt(388 * 64 * 6))
    assert keras_fans(4 * 97, 64, 6, "keras2") == (388 * 64 * 64, 388 * 64 * 6)


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("kernel", [2, 5])
def test_same_convolution_pads_even_kernels_at_the_bottom_and_right(channels, kernel):
    layer = SameConv2d(channels, 4, kernel)
    nn.init.normal_(layer.bias)
    x = torch.randn(3, channels, 6, 7)
    before, after = (kernel - 1) // 2, kernel // 2
    padded = nn.functional.pad(x, (before, after, before, after))
    expected = nn.functional.conv2d(padded.double(), layer.weight.double(), layer.bias.double())
    y = layer(x)
    assert torch.allclose(y.double(), expected, atol=1e-5)  # 125 products of order one in single precision
    gradient = torch.autograd.grad(y.square().sum(), layer.weight)[0]
    twin = layer.weight.detach().double().requires_grad_()
    exact = nn.functional.conv2d(padded.double(), twin, layer.bias.double()).square().sum()
    assert torch.allclose(gradient.double(), torch.autograd.grad(exact, twin)[0], rtol=1e-4, atol=1e-3)


def test_planes_of_a_dense_layer_and_their_batch_normalisation():
    dense = DensePlanes(7, 3, (4, 5))
    nn.init.normal_(dense.bias)
    x = torch.randn(6, 7)
    y = dense(x)
    expected = (x @ dense.weight.t() + dense.bias[:, 0]).view(6, 4, 5, 3).permute(0, 3, 1, 2)
    assert torch.allclose(y, expected, atol=1e-5)

    norm, twin = PlaneNorm(3), nn.BatchNorm2d(3, eps=1e-3, momentum=0.01)
    assert torch.allclose(norm(y), twin(y), atol=1e-5)
    assert torch.allclose(norm.running_var, twin.running_var, atol=1e-6)
    assert torch.allclose(norm.eval()(y), twin.eval()(y), atol=1e-5)
    assert torch.equal(upsample(y, 2, 3), y.repeat_interleave(2, 2).repeat_interleave(3, 3))


def test_minibatch_discrimination_is_the_sum_over_pairs():
    layer = MinibatchDiscrimination(5, 3, 2)
    nn.init.normal_(layer.project.weight)
    nn.init.normal_(layer.project.bias)
    h = torch.randn(4, 5)
    m = layer.project(h).detach().view(4, 3, 2)
    for b in range(4):
        for f in range(3):
            expected = sum(math.exp(-(m[b, f] - m[other, f]).abs().sum()) for other in range(4))
            assert layer(h)[b, f].item() == pytest.approx(expected, rel=1e-5)
    alone = layer(h[:1])
    assert torch.equal(alone, torch.ones(1, 3))  # a batch of one says nothing
    x = h.double().requires_grad_()
    assert torch.autograd.gradcheck(layer.double(), (x,))
    assert torch.autograd.gradgradcheck(layer.double(), (x,), atol=1e-4, fast_mode=True)


@pytest.mark.parametrize("places", [(), (3, 2)])
def test_virtual_batch_normalisation_against_its_formula(places):
    rows, norm = 6, VirtualBatchNorm(4, 6).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = (5 + torch.randn(rows + 3, 4, *places)).double()
    y = norm(x)
    share = 1 / (rows + 1)
    for n in range(rows, rows + 3):
        for c in range(4):
            reference, own = x[:rows, c].flatten(), x[n, c].flatten()
            mean = share * own.mean() + (1 - share) * reference.mean()
            square = share * own.square().mean() + (1 - share) * reference.square().mean()
            expected = (own - mean) / (square - mean**2 + norm.eps).sqrt() * norm.weight[c] + norm.bias[c]
            assert torch.allclose(y[n, c].flatten(), expected, atol=1e-9)
    assert torch.allclose(y[:rows], norm(x[:rows]), atol=1e-12)
    assert torch.allclose(y[rows:][:1], norm(x[: rows + 1])[rows:], atol=1e-12)  # whoever else is in the batch


def test_a_reference_is_repeated_where_too_few_events_are_given():
    reference = Reference(3, 2, 1)
    reference.keep(torch.tensor([[1.0, 1.0], [2.0, 2.0]]), torch.zeros(2, 1))
    assert reference.x[:, 0].tolist() == [1, 2, 1]
    assert "x" in reference.state_dict()
    assert not Reference(0, 2, 1).state_dict()


def test_conditions_meet_the_noise():
    z, c = torch.randn(4, 6), torch.eye(2)[[0, 1, 1, 0]]
    hadamard = Hadamard(6, 2)
    table = hadamard.embedding.weight.t()  # one row per class
    assert torch.allclose(hadamard(z, c), z * table[[0, 1, 1, 0]])
    assert torch.equal(Concatenate(6, 2)(z, c), torch.cat([z, c], 1))
    film, x = FiLM(2, 3), torch.randn(4, 3, 5, 5)
    nn.init.normal_(film.linear.weight)
    scale, shift = film.linear(c).chunk(2, 1)
    assert torch.allclose(film(x, c), x * (1 + scale[..., None, None]) + shift[..., None, None])


def test_in_painting_starts_closed_and_carries_means_and_copies():
    paint = InPainting((3, 96), (12, 12))
    own, before = torch.randn(2, 1, 12, 12), torch.randn(2, 1, 3, 96)
    nn.init.zeros_(paint.weigh.weight)
    # Bias 0 against -10: the carry's share is sigmoid(-10) = 4.5e-5.
    assert paint.weigh.bias[..., 0].tolist() == [[[0.0, -10.0]] * 12] * 12
    share = torch.sigmoid(torch.tensor(-10.0))
    carry = nn.functional.avg_pool2d(before.repeat_interleave(4, 2), (1, 8))
    assert torch.allclose(paint.carry(before), carry, atol=1e-6)
    assert torch.allclose(paint(own, before), (1 - share) * own + share * carry, atol=1e-6)
    assert torch.allclose(InPainting((12, 12), (12, 6)).carry(own), nn.functional.avg_pool2d(own, (1, 2)), atol=1e-6)


def test_occupancies():
    cells = torch.tensor([[0.0, 1e-6, 1e-3, 1.0, 20.0]], requires_grad=True)
    assert hard_occupancy(cells).item() == pytest.approx(0.8)
    y = cells.detach() ** 5 + cells.detach() ** 0.2
    expected = ((y / (1 + y)) ** 0.2).mean().item()
    soft = soft_occupancy(cells)
    assert soft.item() == pytest.approx(expected, rel=1e-5)
    (gradient,) = torch.autograd.grad(soft.sum(), cells)
    assert gradient.isfinite().all()
    assert gradient[0, 0] == 0
    assert (gradient[0, 2:4] > 0).all()


def test_shower_summary_has_gradients_everywhere_even_for_dark_layers():
    summary = ShowerSummary([slice(0, 2), slice(2, 5)], [([-1, 1], [0, 0]), ([0, 1, 2], [1, 0, 1])], floor=1e-6)
    x = torch.tensor([[3.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0, 2.0]], requires_grad=True)
    found = summary(x).view(2, 2, 6)
    assert found[0, 0, 1].item() == pytest.approx(-0.5, abs=1e-3)  # (3 * -1 + 1 * 1) / 4
    assert found[0, 0, 3].item() == pytest.approx(math.sqrt(1 - 0.25 + 1e-4), abs=1e-3)
    assert torch.autograd.grad(summary(x).sum(), x)[0].isfinite().all()


def test_equalised_layers_have_unit_weights_and_outputs():
    linear, conv = EqualLinear(1000, 500), EqualConv2d(50, 60, 3)
    for layer in (linear, conv):
        # Standard error of a standard deviation: 1 / sqrt(2 N), N at least 27,000 weights.
        assert layer.weight.std().item() == pytest.approx(1, abs=5 / math.sqrt(2 * layer.weight.numel()))
    assert linear.scale == pytest.approx(math.sqrt(2 / 1000))
    assert conv.scale == pytest.approx(math.sqrt(2 / 450))


def test_growing_halving_and_doubling():
    assert coarsen(enlarge(torch.randn(2, 3, 4, 5), (7, 9))).shape == (2, 3, 4, 5)
    x = torch.randn(2, 3, 4, 5)
    assert torch.allclose(coarsen(enlarge(x, (7, 9))), x)
    h = torch.randn(4, 3, 2, 2)
    spread = spread_plane(h)
    assert torch.allclose(spread[:, 3], h.std(0, correction=0).mean().expand(4, 2, 2), atol=1e-4)
    net, twin = Growing(3, 10), Growing(3, 10)
    net.grow(13)
    twin.load_state_dict(net.state_dict())
    assert twin.fading == net.fading
    assert net.fading == (1, pytest.approx(0.3))


def test_residual_network_without_blocks_weights_is_its_skip_connection():
    net = ResidualMLP(4, 2, hidden=8, blocks=2)
    for block in net.blocks:
        nn.init.zeros_(block[-1].weight)
        nn.init.zeros_(block[-1].bias)
    x = torch.randn(3, 4)
    assert torch.allclose(net(x), net.leave(nn.functional.leaky_relu(net.enter(x), 0.2)))


@pytest.mark.parametrize("axes", [("x", "y"), ("phi", "eta")])
def test_moments_of_cells_follow_the_axes_of_the_grid(axes):
    grid = Grid(axes, ((-1.0, 0.0, 1.0), (-3.0, -1.0, 1.0, 3.0)))
    moments = CellMoments(Schema((Block("cells", (2, 3), "energy", "GeV", grid=grid), Block("other"))))
    one = torch.zeros(1, 7)
    one[0, 5] = 4.0  # all in the last cell: its place, no width
    place = (1.0, math.sqrt(3 / 2))  # 0.5 and 2, over the root mean squares 0.5 and 2 sqrt(2 / 3)
    assert torch.allclose(moments(one)[0, :2], torch.tensor(place))
    with pytest.raises(SchemaMismatch, match=r"'x' \(\) \(real\).*wgan-gp"):
        CellMoments(Schema((Block("x"),)))


def test_moments_with_sums_in_units_of_their_spread():
    schema = Schema((Block("cells", (4, 4), "energy", "GeV"),))
    cells = torch.rand(200, 16, generator=torch.Generator().manual_seed(0)) * torch.linspace(1, 3, 200)[:, None]
    plain, more = CellMoments(schema), CellMoments(schema, sums=True, scale=4.0)
    for moments in (plain, more):
        moments.fit(cells)
    found, sums = more(cells)[:, :-1], more(cells)[:, -1]
    assert torch.allclose(found, 4 * plain(cells), atol=1e-5)
    total = cells.sum(1)
    assert torch.allclose(sums, 4 * (total - total.mean()) / total.std(), atol=1e-4)
    with pytest.raises(RecipeError, match="sums goes with"):
        recipes.load("tpc+", {"model.moments": "0"})
