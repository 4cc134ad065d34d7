"""Generators and critics: published sizes, gradients, export, and what they say to events that they cannot take."""

import logging
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from facsim import Block, Schema
from facsim.detectors import calogan
from facsim.errors import RecipeError, SchemaMismatch
from facsim.models.gan.critic import Critic
from facsim.models.gan.layout import Layout
from facsim.models.gan.networks import CRITICS, GENERATORS

LABEL = Block("label", (), "category", names=("qcd", "wprime"))
ENERGY = Block("energy", (), "energy", "GeV")


def image(rows: int, columns: int, conditions=(LABEL,)) -> Layout:
    schema = Schema((Block("image", (rows, columns), "energy", "GeV"),), tuple(conditions))
    labelled = LABEL in conditions
    context = 2 * labelled + (ENERGY in conditions)
    return Layout(schema, rows * columns, max(context, 1), ((0, 2),) if labelled else ())


JET, SMALL = image(25, 25), image(9, 12)
SHOWER = Layout(calogan(), width=504, context=1)
CELLS = Layout(Schema((Block("cells", (30, 30)),), (Block("track", (5,)),)), width=900, context=5)
PADS = Layout(Schema((Block("pads", (8, 16)),), (Block("track", (5,)),)), width=128, context=5)
COLUMNS = Layout(Schema((Block("dll", (5,)),), (Block("track", (3,)),)), width=5, context=3)

# Everything registered, with sizes that keep the tests short, on events that it takes.
PARTS = [
    (GENERATORS, {"kind": "mlp", "hidden": 8}, COLUMNS),
    (GENERATORS, {"kind": "mlp", "hidden": 8, "conditioning": "hadamard"}, COLUMNS),
    (GENERATORS, {"kind": "residual", "hidden": 8}, COLUMNS),
    (GENERATORS, {"kind": "residual-mlp", "hidden": 8}, COLUMNS),
    (GENERATORS, {"kind": "residual-mlp", "hidden": 8, "conditioning": "hadamard"}, COLUMNS),
    (GENERATORS, {"kind": "fcn"}, COLUMNS),
    (GENERATORS, {"kind": "dcgan", "channels": 4}, SMALL),
    (GENERATORS, {"kind": "dcgan", "channels": 4, "norm": "virtual", "conditioning": "film"}, SMALL),
    (GENERATORS, {"kind": "dcgan", "channels": 4, "norm": "layer", "conditioning": "hadamard"}, image(28, 8)),
    (GENERATORS, {"kind": "emulator", "channels": 4}, SMALL),
    (GENERATORS, {"kind": "coordinates", "hidden": 8}, SMALL),
    (GENERATORS, {"kind": "progressive", "channels": 4}, SMALL),
    (GENERATORS, {"kind": "layout", "noise": 9}, COLUMNS),
    (GENERATORS, {"kind": "layout", "layout": "DENSE|108|LRELU,BNORM,UNFLAT|4|3|9,DECONV|1|3|4|3|1|0|0|TANH"}, SMALL),
    (GENERATORS, {"kind": "jet-dcgan"}, JET),
    (GENERATORS, {"kind": "lagan"}, JET),
    (GENERATORS, {"kind": "calogan", "noise": 8, "channels": 2}, SHOWER),
    (GENERATORS, {"kind": "mlp", "widths": (6, 9), "activation": "elu", "output": "kinked"}, COLUMNS),
    (GENERATORS, {"kind": "lhcb-calorimeter", "channels": 16}, CELLS),
    (CRITICS, {"kind": "lhcb-calorimeter", "dropout": 0.0}, CELLS),
    (CRITICS, {"kind": "tpc", "dropout": 0.0}, PADS),
    (CRITICS, {"kind": "mlp", "hidden": 8}, COLUMNS),
    (CRITICS, {"kind": "mlp", "hidden": 8, "spectral": True, "conditioning": "projection"}, COLUMNS),
    (CRITICS, {"kind": "mlp", "layer_norm": True, "dropout": 0.1, "minibatch": {"features": 3}}, COLUMNS),
    (CRITICS, {"kind": "residual-mlp", "hidden": 8}, COLUMNS),
    (CRITICS, {"kind": "residual-mlp", "hidden": 8, "spectral": True}, COLUMNS),
    (CRITICS, {"kind": "autoencoder", "hidden": 8}, COLUMNS),
    (CRITICS, {"kind": "fcn"}, COLUMNS),
    (CRITICS, {"kind": "dcgan", "channels": 4}, SMALL),
    (CRITICS, {"kind": "dcgan", "channels": 4, "norm": "virtual", "minibatch": {}}, SMALL),
    (CRITICS, {"kind": "dcgan", "channels": 4, "norm": "none", "spectral": True}, image(28, 8)),
    (CRITICS, {"kind": "siamese", "channels": 4, "dropout": 0.0}, SMALL),
    (CRITICS, {"kind": "siamese", "channels": 4, "dropout": 0.0, "spectral": False}, image(28, 8)),
    (CRITICS, {"kind": "progressive", "channels": 4}, SMALL),
    (CRITICS, {"kind": "layout"}, COLUMNS),
    (CRITICS, {"kind": "layout", "layout": "CONV|3|3|3|2|1|1|1|LRELU,RESHAPE|FLAT,LINEAR", "input": "1|9|12"}, SMALL),
    (CRITICS, {"kind": "jet-dcgan"}, JET),
    (CRITICS, {"kind": "lagan"}, JET),
    (CRITICS, {"kind": "calogan"}, SHOWER),
    (CRITICS, {"kind": "calogan", "sparsity": "soft"}, SHOWER),
    (CRITICS, {"kind": "layers"}, SHOWER),
    (CRITICS, {"kind": "layers", "spectral": False, "layer_norm": True}, SHOWER),
]
STILL = ({"kind": "residual", "hidden": 8}, {"kind": "residual-mlp", "hidden": 8})
NAMES = [f"{registry.sort}-{'-'.join(str(v) for v in settings.values())}" for registry, settings, _ in PARTS]
every = pytest.mark.parametrize(("registry", "settings", "layout"), PARTS, ids=NAMES)


def contexts(layout: Layout, rows: int) -> torch.Tensor:
    if layout.categories:
        return torch.eye(2)[torch.arange(rows) % 2]
    return 0.1 + 0.9 * torch.rand(rows, layout.context)


def made(registry, settings, layout, seed=0):
    """A part, its network in the state that training ends in, and inputs for five events."""
    part = registry.parse(settings)
    part.check(layout)
    torch.manual_seed(seed)
    pack = 2 if getattr(part, "paired", False) else 1
    net = part.build(layout) if pack == 1 else part.build(layout, pack)
    if hasattr(net, "grow"):
        net.grow(10**9)
    width = part.latent(layout) if registry is GENERATORS else layout.width * pack
    x = torch.randn(5, width)
    if registry is CRITICS and "energy" in {b.kind for b in layout.schema.features}:
        x = x.relu()
    return part, net, x, contexts(layout, 5).repeat(1, pack)


def numbers(*nets: nn.Module) -> int:
    """Numbers as Keras counts them: running statistics included."""
    running = [b for net in nets for name, b in net.named_buffers() if "running" in name]
    return sum(t.numel() for t in [*running, *(p for net in nets for p in net.parameters())])


def test_every_part_is_tested():
    assert {s["kind"] for r, s, _ in PARTS if r is GENERATORS} == set(GENERATORS.names())
    assert {s["kind"] for r, s, _ in PARTS if r is CRITICS} == set(CRITICS.names()) - {"none"}
    assert CRITICS.parse("none").build(COLUMNS) is None


@every
def test_shapes_gradients_and_seeds(registry, settings, layout):
    part, net, x, context = made(registry, settings, layout)
    x.requires_grad_()
    y = net(x, context)
    assert y.shape == (5, layout.width if registry is GENERATORS else net.features)
    assert y.isfinite().all()
    # Random directions: a plain sum is blind to what a normalisation before it keeps constant.
    loss = (y * torch.randn_like(y)).sum()
    gradients = torch.autograd.grad(loss, [x, *net.parameters()], allow_unused=True)
    for name, gradient in zip(["input", *dict(net.named_parameters())], gradients, strict=True):
        if name.startswith(("draw.0", "see.0")):
            assert gradient is None  # of a stage before the last
            continue
        assert gradient.isfinite().all(), name
        # Blocks with FiLM start as the identity, and corrections as zero: inner layers learn from the second step on.
        still = registry is GENERATORS and settings in STILL and not name.endswith(("leave.weight", "leave.bias"))
        assert still or bool((gradient != 0).any()), name
    again = made(registry, settings, layout)[1]
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
    assert part.kind == settings["kind"]


@every
def test_an_event_in_evaluation_does_not_depend_on_its_batch(registry, settings, layout):
    part, net, x, context = made(registry, settings, layout)
    net.eval()
    alone, together = net(x[:1], context[:1]), net(x, context)[:1]
    # The progressive critic's one number on the batch, and minibatch discrimination, are meant to depend on it.
    depends = registry is CRITICS and ("minibatch" in settings or settings["kind"] in {"progressive", "lagan"})
    depends |= registry is CRITICS and settings["kind"] in {"jet-dcgan", "calogan"}
    if depends:
        assert not torch.allclose(alone, together, atol=1e-5)
    else:
        assert torch.allclose(alone, together, rtol=1e-4, atol=1e-5)
        assert registry is GENERATORS or not part.uses_batch or settings.get("norm", "batch") == "batch"


def test_published_numbers_of_parameters():
    generator = GENERATORS.parse("lagan").build(JET)
    body = CRITICS.parse("lagan").build(JET)
    assert numbers(generator) == 3_587_072
    assert numbers(body, nn.Linear(body.features, 1), nn.Linear(body.features, 1)) == 1_399_034
    generator = GENERATORS.parse("calogan").build(SHOWER)
    streams, painting = generator.streams, generator.painting
    assert [numbers(s) for s in streams] == [18_241_616, 7_304_150, 4_172_402]
    assert [numbers(p) for p in painting] == [5_472, 2_736]
    assert numbers(generator) == 29_726_376
    body = CRITICS.parse("calogan").build(SHOWER)
    assert body.features == 1863
    assert numbers(body, nn.Linear(body.features, 1)) == 2_744_524


def test_calogan_scales_its_noise_with_the_energy():
    _, net, z, _ = made(GENERATORS, {"kind": "calogan", "noise": 8, "channels": 2}, SHOWER)
    net.eval()
    twice = net(2 * z, torch.full((5, 1), 0.25))
    assert torch.allclose(twice, net(z, torch.full((5, 1), 0.5)), rtol=1e-4, atol=1e-9)
    assert (twice >= 0).all()
    assert (twice == 0).any()


def test_calogan_takes_classes_and_angles():
    conditions = (
        ENERGY,
        Block("theta", (), "angle", "rad"),
        Block("particle", (), "category", names=("e", "pi", "mu")),
    )
    layout = Layout(Schema(calogan().features, conditions), 504, 5, ((2, 5),))
    _, net, z, _ = made(GENERATORS, {"kind": "calogan", "noise": 8, "channels": 2}, layout)
    assert net.streams[0][0].weight.shape[1] == 9  # eight of noise, one angle
    context = torch.tensor([[0.5, 0.1, 1, 0, 0], [0.5, 0.1, 0, 1, 0], [0.5, 0.2, 1, 0, 0]])
    one, other, tilted = net.eval()(z[:1].expand(3, -1), context)
    assert not torch.equal(one, other)
    assert not torch.equal(one, tilted)


def test_energies_in_calogans_critic():
    _, body, x, context = made(CRITICS, {"kind": "calogan"}, SHOWER)
    found = body(x, context)
    layers = torch.stack([x[:, :288].sum(1), x[:, 288:432].sum(1), x[:, 432:].sum(1)], 1)
    total = layers.sum(1)
    off = (total - 100 * context[:, 0]).abs()
    expected = torch.cat([layers / 10, total[:, None] / 100, off[:, None], 10 * (off[:, None] > 5)], 1)
    assert torch.allclose(found[:, -16:-10], expected, rtol=1e-5)
    lit = torch.stack([(part > 0).float().mean(1) for part in torch.split(x, [288, 144, 72], 1)], 1)
    assert torch.allclose(found[:, [1000 + 10, 1021 + 448 + 10, 1021 + 469 + 336 + 10]], lit)


def test_labels_change_what_hadamard_generators_draw():
    _, net, z, _ = made(GENERATORS, {"kind": "lagan"}, JET)
    net.eval()
    one, other = (net(z[:1], c[None]) for c in torch.eye(2))
    assert not torch.equal(one, other)
    unconditional = GENERATORS.parse("lagan").build(image(25, 25, ()))
    assert unconditional(torch.randn(4, 200), torch.zeros(4, 1)).std(0).max() > 0  # noise is not multiplied with zeros


@pytest.mark.parametrize("size", [(8, 8), (25, 25), (9, 30)])
def test_fading_in_starts_from_the_stage_before(size):
    layout = image(*size)
    _, net, z, context = made(GENERATORS, {"kind": "progressive", "channels": 4, "phase": 10}, layout)
    _, body, x, _ = made(CRITICS, {"kind": "progressive", "channels": 4, "phase": 10, "spread": False}, layout)
    for stage in range(1, net.stages):
        before = 10 + 20 * (stage - 1)  # the step at which the stage begins
        for player, inputs in ((net, z), (body, x)):
            player.grow(before)
            assert player.fading == (stage - 1, 1.0)
            coarse = player(inputs, context)
            player.level.fill_(stage - 1 + 1e-6)
            player.load_state_dict(player.state_dict())
            assert player.fading[0] == stage
            assert torch.allclose(player(inputs, context), coarse, atol=1e-4)  # alpha = 1e-6
            player.grow(before + 5)
            assert player.fading == (stage, 0.5)
            assert not torch.allclose(player(inputs, context), coarse, atol=1e-4)


@pytest.mark.parametrize("kind", ["mlp", "residual-mlp", "dcgan", "layers"])
def test_spectral_normalisation_leaves_no_singular_value_above_one(kind):
    layout = {"dcgan": SMALL, "layers": SHOWER}.get(kind, COLUMNS)
    settings = {"kind": kind, "spectral": True} | ({"norm": "none"} if kind == "dcgan" else {})
    _, body, x, context = made(CRITICS, settings, layout)
    for _ in range(30):
        body(x, context)  # one power iteration each
    body.eval()
    layers = [m for m in body.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    assert layers
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2).item()
        # The power iteration comes from below, slowly where the two largest values are close.
        assert largest == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("kind", ["mlp", "dcgan"])
def test_spectrally_normalised_bodies_survive_a_file(kind, tmp_path):
    from safetensors.torch import load_file, save_file

    settings = {"kind": kind, "spectral": True} | ({"norm": "none"} if kind == "dcgan" else {})
    layout = SMALL if kind == "dcgan" else COLUMNS
    _, body, x, context = made(CRITICS, settings, layout)
    body(x, context)
    body.eval()
    save_file({k: v.contiguous().clone() for k, v in body.state_dict().items()}, tmp_path / "a.safetensors")
    twin = made(CRITICS, settings, layout, seed=1)[1].eval()
    twin.load_state_dict(load_file(tmp_path / "a.safetensors"))
    assert torch.equal(body(x, context), twin(x, context))


def test_a_reference_batch_is_kept_and_used():
    settings = {"kind": "dcgan", "channels": 4, "norm": "virtual", "reference_rows": 3}
    for registry in (GENERATORS, CRITICS):
        _, net, x, context = made(registry, settings, image(16, 20))
        before = net(x, context)
        net.refer(5 + 3 * x, context)
        assert torch.equal(net.reference.x, (5 + 3 * x)[:3])
        assert not torch.allclose(net(x, context), before)


def test_packed_events_are_channels_or_columns():
    for settings, layout in (({"kind": "dcgan"}, SMALL), ({"kind": "lagan"}, JET), ({"kind": "mlp"}, COLUMNS)):
        body = CRITICS.parse(settings).build(layout, pack=2)
        assert body(torch.rand(3, 2 * layout.width), contexts(layout, 3).repeat(1, 2)).shape == (3, body.features)
    for kind in ("calogan", "layers"):
        with pytest.raises(SchemaMismatch, match=r"schedule\.pack to 1"):
            CRITICS.parse(kind).build(SHOWER, pack=2)


def test_whether_a_critic_uses_its_batch():
    def uses(**settings):
        return CRITICS.parse(settings).uses_batch

    assert uses(kind="dcgan")
    assert not uses(kind="dcgan", norm="layer")
    assert not uses(kind="dcgan", norm="virtual")
    assert uses(kind="dcgan", norm="none", minibatch={})
    assert uses(kind="mlp", minibatch={})
    assert not uses(kind="mlp")
    assert uses(kind="lagan")
    assert uses(kind="calogan")
    assert not uses(kind="layers")


def test_plain_perceptron_bodies_have_their_gradient_written_out():
    _, body, x, context = made(CRITICS, {"kind": "mlp", "hidden": 8}, COLUMNS)
    head = torch.randn(1, body.features)
    x.requires_grad_()
    (expected,) = torch.autograd.grad((body(x, context) * head).sum(), x)
    assert torch.allclose(body.input_gradient(x, context, head), expected, atol=1e-6)
    assert not hasattr(made(CRITICS, {"kind": "mlp", "spectral": True}, COLUMNS)[1], "input_gradient")


LAYERS = [Block(f"layer_{k}", shape, "energy", "MeV") for k, shape in enumerate([(3, 96), (12, 12), (12, 6)])]


@pytest.mark.parametrize(
    ("registry", "kind", "layout", "words"),
    [
        (GENERATORS, "lagan", image(24, 24), ["image", "(24, 24)", "(25, 25)", "'dcgan'"]),
        (CRITICS, "lagan", SHOWER, ["layer_1", "(12, 12)", "'calogan+'"]),
        (GENERATORS, "jet-dcgan", COLUMNS, ["dll", "(5,)", "'wgan-gp'"]),
        (GENERATORS, "dcgan", image(5, 25), ["image", "(5, 25)", "(8, 8)", "'wgan-gp'"]),
        (CRITICS, "dcgan", COLUMNS, ["dll", "(5,)", "'wgan-gp'"]),
        (CRITICS, "progressive", SHOWER, ["layer_1", "'calogan+'"]),
        (GENERATORS, "dcgan", Layout(JET.schema, 630, 2, ((0, 2),)), ["model.transform", "'scale'"]),
        (GENERATORS, "calogan", JET, ["only ['image']", "'wgan-gp'"]),
        (
            CRITICS,
            "calogan",
            Layout(calogan(overflow=True), 507, 1),
            ["overflow", "(3,)", "Leave it out", "'calogan+'"],
        ),
        (GENERATORS, "calogan", Layout(Schema(LAYERS), 504, 1), ["kind 'energy'", "Add the incident energy"]),
        (
            GENERATORS,
            "calogan",
            Layout(Schema((*LAYERS[:2], Block("layer_2", (12, 5), "energy")), (ENERGY,)), 492, 1),
            ["layer_1", "(12, 12)", "layer_2", "(12, 5)", "multiple"],
        ),
        (CRITICS, "calogan", Layout(calogan(), 510, 1), ["model.transform", "'scale'"]),
        (CRITICS, "layers", COLUMNS, ["dll", "(5,)", "'wgan-gp'"]),
        (CRITICS, "layers", Layout(calogan(), 510, 1), ["model.transform", "'scale'"]),
    ],
)
def test_events_that_do_not_fit_are_named_with_the_cure(registry, kind, layout, words):
    with pytest.raises(SchemaMismatch) as error:
        registry.parse(kind).check(layout)
    for word in (f"'{kind}'", *words):
        assert word in str(error.value)


def test_unknown_settings_and_values():
    with pytest.raises(RecipeError, match="Did you mean 'hidden'"):
        GENERATORS.parse({"kind": "mlp", "hiden": 3})
    with pytest.raises(RecipeError, match="conditioning = 'sum'"):
        GENERATORS.parse({"kind": "dcgan", "conditioning": "sum"})
    with pytest.raises(RecipeError, match="Did you mean 'lagan'"):
        CRITICS.parse("lagann")
    with pytest.raises(RecipeError, match=r"minibatch\.kernels"):
        CRITICS.parse({"kind": "mlp", "minibatch": {"kernels": 0}})


class _All(nn.Module):
    """Several generators as one module: tracing them together is faster."""

    def __init__(self, nets):
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, noise, contexts):
        return [net(z, c) for net, z, c in zip(self.nets, noise, contexts, strict=True)]


def test_onnx_equals_torch():
    """Through the exporter that `facsim.deploy` uses, with a free number of events, for every kind of generator."""
    import onnxruntime

    chosen = {}
    for registry, settings, layout in PARTS:
        if registry is GENERATORS:
            chosen[settings["kind"]] = (settings, layout)
    parts = [made(GENERATORS, *c) for c in chosen.values()]
    for _, net, _, _ in parts:
        if hasattr(net, "grow"):
            net.grow(1500)  # a stage half faded in
    both = _All([net for _, net, _, _ in parts]).eval()
    noise, context = [z for _, _, z, _ in parts], [c for _, _, _, c in parts]
    rows = torch.export.Dim("n", min=1)
    example = ([z[:3] for z in noise], [c[:3] for c in context])
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                both,
                example,
                dynamo=True,
                dynamic_shapes=([{0: rows}] * len(noise), [{0: rows}] * len(noise)),
                opset_version=20,
                external_data=False,
                verbose=False,
            )
    finally:
        logging.disable(before)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    names = [port.name for port in session.get_inputs()]
    for n in (1, 5):
        values = [t[:n].numpy() for t in (*noise, *context)]
        found = session.run(None, dict(zip(names, values, strict=True)))
        with torch.no_grad():
            expected = both([z[:n] for z in noise], [c[:n] for c in context])
        for kind, a, b in zip(chosen, found, expected, strict=True):
            np.testing.assert_allclose(a, b.numpy(), rtol=1e-5, atol=1e-5 * float(b.abs().max()), err_msg=kind)


def test_spectral_normalisation_bounds_the_score_not_the_features_alone():
    body = CRITICS.parse({"kind": "mlp", "hidden": 8, "spectral": True}).build(COLUMNS)
    critic = Critic(body, COLUMNS)
    with torch.no_grad():
        critic.head.parametrizations.weight.original.mul_(100)
    critic(torch.randn(50, COLUMNS.width), torch.randn(50, COLUMNS.context))  # one power iteration
    critic.eval()
    assert torch.linalg.matrix_norm(critic.head.weight.detach(), 2) == pytest.approx(1, rel=1e-3)  # of a row: exact


def test_a_spread_over_the_batch_is_that_of_real_or_of_generated_events():
    assert CRITICS.parse("progressive").uses_batch
    assert CRITICS.parse("progressive").has_slope
    assert not CRITICS.parse({"kind": "progressive", "spread": False}).uses_batch
