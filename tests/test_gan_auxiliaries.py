"""Laws of auxiliaries, over everything registered, and what each is for."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facsim import Block, Schema
from facsim.errors import DataError, RecipeError, SchemaMismatch
from facsim.models.draw import Draw
from facsim.models.gan.auxiliaries import AUXILIARIES, Auxiliary
from facsim.models.gan.auxiliaries.classifier import wrong_labels
from facsim.models.gan.auxiliaries.consistency import imbalance
from facsim.models.gan.auxiliaries.history import Past
from facsim.models.gan.auxiliaries.matching import mean_distance
from facsim.models.gan.game import Game
from facsim.models.gan.layout import Layout

SCHEMA = Schema(
    (Block("cells", (4,), "energy", "MeV"), Block("time", (), "real", "ns")),
    (
        Block("energy", (), "energy", "GeV"),
        Block("angle", (), "real"),
        Block("particle", (), "category", names=("e-", "pi-", "p")),
    ),
)
LAYOUT = Layout(SCHEMA, width=5, context=5, categories=((2, 5),))
N, FEATURES = 400, 6

COLUMNS = sorted(set(AUXILIARIES.names()) - {"image-reader"})  # which is for images: tests/test_pid_recipes.py

every = pytest.mark.parametrize("kind", COLUMNS)


def game(step: int = 0, seed: int = 1) -> Game:
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (N,), generator=rng)
    energy = 1 + 99 * torch.rand(N, 1, generator=rng)
    angle = torch.randn(N, 1, generator=rng)
    context = torch.cat([energy / 100, angle, nn.functional.one_hot(labels, 3).float()], 1)
    real, fake = (torch.randn(N, 5, generator=rng) for _ in range(2))
    return Game(
        layout=LAYOUT,
        context=context,
        conditions=torch.cat([energy, angle, labels[:, None].float()], 1),
        weights=torch.ones(N),
        critic=nn.Linear(5, FEATURES),
        generator=nn.Linear(5, 5),
        potential=lambda x, _: x.sum(1),
        decode=lambda x: torch.cat([100 * x[:, :4], x[:, 4:]], 1),
        draw=Draw(seed, step),
        step=step,
        real=real,
        fake=fake.requires_grad_(True),
        real_features=torch.randn(N, FEATURES, generator=rng),
        fake_features=torch.randn(N, FEATURES, generator=rng).requires_grad_(True),
    )


def build(part: Auxiliary, turn: Game) -> nn.Module | None:
    torch.manual_seed(2)
    part.check(LAYOUT)
    players: dict[str, Sequence[nn.Parameter]] = {
        "critic": list(turn.critic.parameters()),
        "generator": list(turn.generator.parameters()),
    }
    return part.build(LAYOUT, FEATURES, players)


@every
def test_every_auxiliary_plays(kind: str) -> None:
    """Terms are one finite number times the weight, noted in the figures, and the same with the same seed."""
    one, double = AUXILIARIES.parse({"kind": kind, "weight": 0.5}), AUXILIARIES.parse({"kind": kind, "weight": 1.0})
    assert one.summary
    assert "arXiv" in one.reference
    assert AUXILIARIES.parse(one.model_dump()) == one
    for player in ("critic", "generator"):
        turns = game(), game()
        terms = [getattr(p, player)(t, build(p, t)) for p, t in zip((one, double), turns, strict=True)]
        if terms[0] is None:
            continue
        assert terms[0].shape == ()
        assert 2 * terms[0].item() == pytest.approx(terms[1].item())
        assert turns[0].figures
        assert all(f.shape == () and not f.requires_grad for f in turns[0].figures.values())


@pytest.mark.parametrize("kind", sorted(set(COLUMNS) - {"historical-averaging"}))  # that one counts turns
def test_turns_that_lack_a_sample(kind: str) -> None:
    """Where the critic sees one sample after the other, the two turns add up to the whole."""
    part = AUXILIARIES.parse(kind)
    whole, first, second = game(), game(), game()
    first.fake = first.fake_features = None
    second.real = second.real_features = None
    terms = [part.critic(t, build(part, t)) for t in (whole, first, second)]
    if terms[0] is not None:
        assert terms[0].item() == pytest.approx(sum(t.item() for t in terms[1:] if t is not None), rel=1e-5)


@pytest.mark.parametrize("kind", ["classifier", "regressor", "feature-matching"])
def test_weights_of_zero_remove_events(kind: str) -> None:
    part = AUXILIARIES.parse(kind)
    whole, half = game(), game()
    rows = torch.arange(N // 2)
    whole.weights = torch.cat([2 * torch.ones(N // 2), torch.zeros(N - N // 2)])
    for name in ("context", "conditions", "weights", "real", "fake", "real_features", "fake_features"):
        setattr(half, name, getattr(half, name)[rows])
    module = build(part, whole)
    one, two = part.generator(whole, module), part.generator(half, module)
    assert one is not None
    assert two is not None
    assert one.item() == pytest.approx(two.item(), rel=1e-5)


# Classifier and regressor ------------------------------------------------------------------------------------------


def test_the_classifier_learns_and_teaches() -> None:
    part = AUXILIARIES.parse("classifier")
    turn = game()
    turn.real_features = turn.fake_features = torch.cat([turn.context, torch.zeros(N, 1)], 1)  # the label is in there
    head = build(part, turn)
    assert head is not None
    for _ in range(60):
        loss = part.critic(turn, head)
        assert loss is not None
        for p, gradient in zip(head.parameters(), torch.autograd.grad(loss, list(head.parameters())), strict=True):
            p.data -= 10 * gradient
    assert loss.item() < 0.02  # from 2 log 3 = 2.2
    turn.fake_features = torch.zeros(N, FEATURES, requires_grad=True)
    teaching = part.generator(turn, head)
    assert teaching is not None
    (gradient,) = torch.autograd.grad(teaching, turn.fake_features)
    labels = turn.context[:, 2:].argmax(1)
    assert (gradient.gather(1, labels[:, None] + 2) < 0).all()  # more of the own label's feature is wanted


def test_wrong_labels_are_never_the_right_ones() -> None:
    labels = torch.randint(0, 4, (20_000,))
    flipped = wrong_labels(labels, 4, 1.0, Draw(1, 0))
    assert (flipped != labels).all()
    counts = torch.bincount((flipped - labels) % 4, minlength=4)[1:]
    assert counts.float().div(20_000).sub(1 / 3).abs().max() < 5 * np.sqrt(2 / 9 / 20_000)
    share = (wrong_labels(labels, 4, 0.09, Draw(2, 0)) != labels).float().mean().item()
    assert share == pytest.approx(0.09, abs=5 * np.sqrt(0.09 * 0.91 / 20_000))
    two = wrong_labels(torch.zeros(10, dtype=torch.long), 2, 1.0, Draw(3, 0))
    assert (two == 1).all()


def test_flips_belong_to_generated_events() -> None:
    """LAGAN: the critic's real labels are never flipped, its generated ones and the generator's with own shares."""
    plain, flipping = AUXILIARIES.parse("classifier"), AUXILIARIES.parse({"kind": "classifier", "flip_fake": 0.5})
    one, two = game(), game()
    head = build(plain, one)
    plain.critic(one, head)
    flipping.critic(two, head)
    assert one.figures["class"] == two.figures["class"]
    assert one.figures["class_fake"] != two.figures["class_fake"]
    turning = AUXILIARIES.parse({"kind": "classifier", "flip_generator": 0.5})
    one, two = game(), game()
    assert plain.generator(one, head) != turning.generator(two, head)
    only = AUXILIARIES.parse({"kind": "classifier", "learn": "real"})
    turn = game()
    only.critic(turn, head)
    assert "class_fake" not in turn.figures


def test_of_two_names_one_number_decides() -> None:
    schema = Schema(SCHEMA.features, (Block("label", (), "category", names=("qcd", "wprime")),))
    layout = Layout(schema, width=5, context=2, categories=((0, 2),))
    part, turn = AUXILIARIES.parse("classifier"), game()
    labels = torch.arange(N) % 2
    turn.layout, turn.context = layout, nn.functional.one_hot(labels, 2).float()
    head = part.build(layout, FEATURES)
    assert head is not None
    assert turn.fake_features is not None
    assert sum(p.numel() for p in head.parameters()) == FEATURES + 1  # as LAGAN's auxiliary output
    logit = head(turn.fake_features)[:, 1] - head(turn.fake_features)[:, 0]
    expected = nn.functional.binary_cross_entropy_with_logits(logit, labels.float())
    term = part.generator(turn, head)
    assert term is not None
    assert term.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_regressor_reads_real_conditions() -> None:
    for loss, expected in (("squared", 1 / 12 + 1.0), ("absolute", None)):
        part = AUXILIARIES.parse({"kind": "regressor", "loss": loss})
        turn = game()
        head = build(part, turn)
        assert isinstance(head, nn.Linear)
        assert head.out_features == 2  # energy and angle, not the category
        nn.init.zeros_(head.weight)
        nn.init.constant_(head.bias, 0.0)
        head.bias.data[0] = 0.505  # the mean energy: its error is then that of a uniform number
        term = part.generator(turn, head)
        assert term is not None
        if expected:  # variances of uniform energies and of normal angles; 5 standard errors of chi-square
            assert term.item() == pytest.approx(expected / 2, abs=5 * np.sqrt(2 / N) / 2)
        nn.init.zeros_(head.bias)
        nn.init.zeros_(head.weight)
        head.weight.data[0, 0] = head.weight.data[1, 1] = 1
        turn.fake_features = torch.cat([turn.context, torch.zeros(N, 1)], 1)
        exact = part.generator(turn, head)
        assert exact is not None
        assert exact.item() == 0


# Feature matching, history, noise, energy ----------------------------------------------------------------------------


def test_means_are_matched_not_pairs() -> None:
    features, weights = torch.randn(N, FEATURES), torch.randn(N) + 1
    shuffled = torch.randperm(N)
    assert mean_distance(features, features[shuffled], torch.ones(N)).item() == pytest.approx(0, abs=1e-10)
    shift = torch.arange(FEATURES).float()
    wanted = (weights.mean() * shift).square().sum().item()
    assert mean_distance(features + shift, features, weights).item() == pytest.approx(wanted, rel=1e-4)
    with pytest.raises(DataError, match="one weight per event"):
        mean_distance(features, features, torch.ones(N, 1))
    turn = game()
    term = AUXILIARIES.parse("feature-matching").generator(turn, None)
    assert term is not None
    assert turn.fake_features is not None
    assert torch.autograd.grad(term, turn.fake_features)[0].abs().sum() > 0
    assert not AUXILIARIES.parse("feature-matching").replaces_generator
    assert AUXILIARIES.parse({"kind": "feature-matching", "replace": True}).replaces_generator


def test_negative_weights_take_a_background_away_from_the_means() -> None:
    part, turn, pure = AUXILIARIES.parse("feature-matching"), game(), game()
    half = N // 2
    turn.weights = torch.cat([torch.ones(half), 0.7 * torch.ones(half // 2), -0.7 * torch.ones(half // 2)])
    for name in ("real_features", "fake_features"):
        x: Tensor = getattr(turn, name).detach().clone()
        x[-half // 2 :] = x[half : half + half // 2]
        setattr(turn, name, x)
        setattr(pure, name, x[:half])
    pure.weights = torch.ones(half)
    one, two = part.generator(turn, None), part.generator(pure, None)
    assert one is not None
    assert two is not None
    assert 4 * one.item() == pytest.approx(two.item(), rel=1e-4)  # means over twice as many events, squared


def test_the_past_is_averaged() -> None:
    parameter = nn.Parameter(torch.zeros(3))
    past = Past({"critic": [parameter], "generator": []})
    rng, history = torch.Generator().manual_seed(3), []
    for _ in range(10):
        parameter.data = torch.randn(3, generator=rng)
        history.append(parameter.detach().clone())
        distance = past.distance("critic", [parameter])
        mean = torch.stack(history).mean(0)
        assert distance.item() == pytest.approx((parameter - mean).square().sum().item(), rel=1e-4, abs=1e-9)
        (gradient,) = torch.autograd.grad(distance, parameter)
        assert torch.allclose(gradient, 2 * (parameter - mean), atol=1e-5)
    again = Past({"critic": [parameter], "generator": []})
    again.load_state_dict(past.state_dict())  # a resumed training remembers
    assert torch.equal(again.distance("critic", [parameter]), past.distance("critic", [parameter]))


def test_instance_noise_fades() -> None:
    part = AUXILIARIES.parse({"kind": "instance-noise", "std": 0.4, "until": 1000})
    x = torch.zeros(5000, 4)
    for step, size in ((0, 0.4), (500, 0.2), (1000, 0.0), (5000, 0.0)):
        found = part.disturb(x, Draw(1, step), step).std().item()
        assert found == pytest.approx(size, abs=5 * size / np.sqrt(2 * x.numel()))
    for_ever = AUXILIARIES.parse({"kind": "instance-noise", "std": 0.4})
    assert for_ever.disturb(x, Draw(1, 0), 10**6).std() > 0.3
    others = [AUXILIARIES.parse(k) for k in AUXILIARIES.names() if k != "instance-noise"]
    assert all(a.disturb(x, Draw(1, 0), 0) is x for a in others)


def test_energies_are_balanced_in_gev() -> None:
    turn = game()
    assert turn.fake is not None
    off = imbalance(turn.decode(turn.fake), turn.conditions, SCHEMA)
    expected = turn.fake[:, :4].sum(1) * 100 / 1000 - turn.conditions[:, 0]
    assert torch.allclose(off, expected, atol=1e-4)
    part = AUXILIARIES.parse("energy-consistency")
    term = part.generator(turn, None)
    assert term is not None
    assert term.item() == pytest.approx(0.05 * expected.abs().mean().item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(term, turn.fake)
    assert gradient[:, :4].abs().sum() > 0
    assert gradient[:, 4].abs().sum() == 0  # time is no energy
    assert part.critic(turn, None) is None
    layers = Schema(
        (Block("a", (2,), "energy", "MeV"), Block("b", (), "energy", "keV")),
        (Block("angle"), Block("p", (), "energy", "MeV")),
    )
    found = imbalance(torch.tensor([[400.0, 500.0, 1e5]]), torch.tensor([[3.0, 1000.0]]), layers)
    assert found.item() == pytest.approx(0.0, abs=1e-6)


# Bad input -----------------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_named() -> None:
    reals = Layout(Schema((Block("y"),), (Block("angle"),)), 1, 1)
    only_names = Layout(Schema((Block("y"),), (SCHEMA.block("particle"),)), 1, 3, ((0, 3),))
    with pytest.raises(
        SchemaMismatch, match=r"'classifier' needs a condition of kind 'category'.*'angle'.*'regressor'"
    ):
        AUXILIARIES.parse("classifier").check(reals)
    with pytest.raises(SchemaMismatch, match=r"'regressor' needs.*'particle'.*'classifier'"):
        AUXILIARIES.parse("regressor").check(only_names)
    with pytest.raises(SchemaMismatch, match="blocks of kind 'energy'"):
        AUXILIARIES.parse("energy-consistency").check(reals)
    odd = Schema((Block("cells", (2,), "energy", "ADC"),), (Block("energy", (), "energy", "GeV"),))
    with pytest.raises(SchemaMismatch, match="'cells' is an energy in 'ADC'"):
        AUXILIARIES.parse("energy-consistency").check(Layout(odd, 2, 1))
    with pytest.raises(RecipeError, match="Did you mean 'classifier'"):
        AUXILIARIES.parse("clasifier")
    with pytest.raises(RecipeError, match="flip_fake"):
        AUXILIARIES.parse({"kind": "classifier", "flip_fake": 1.5})
    with pytest.raises(RecipeError, match="std"):
        AUXILIARIES.parse({"kind": "instance-noise", "std": -1})
