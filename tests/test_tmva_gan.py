"""MethodGAN's option strings as recipes that train a correct GAN; one test for every defect of the original."""

import numpy as np
import pytest
import torch
import uproot
from click.testing import CliRunner
from safetensors.torch import load_file

import facsim
from facsim import Block, Events, Schema, io, recipes
from facsim.cli import cli
from facsim.errors import OptionStringError, RecipeError, SchemaMismatch
from facsim.models import Batch, Draw, family, load
from facsim.nets.layout_layers import Drop, Function
from facsim.tmva import parameters, parse_layout
from facsim.training import fit
from facsim.training.images import as_images
from facsim.training.loop import optimisers_of
from facsim.training.phases import PlayerSettings
from facsim.training.settings import UNLIMITED

DENSE = "RESHAPE|1|1|16|FLAT,DENSE|24|RELU,DENSE|16|TANH##RESHAPE|1|1|16|FLAT,DENSE|24|RELU,DENSE|1|SIGMOID"
CONV = (
    "DENSE|16|LRELU,UNFLAT|4|2|2,DECONV|1|4|4|2|2|1|1|TANH"
    "##CONV|4|3|3|1|1|1|1|LRELU,RESHAPE|FLAT,DENSE|8|LRELU,DENSE|1|LINEAR"
)
PHASE = (
    "MaxEpochs=2,GeneratorLearningRate=2e-3,DiscriminatorLearningRate=1e-3,GeneratorBatchSize=24,"
    "DiscriminatorBatchSize=40,GeneratorTestRepetitions=1,DiscriminatorTestRepetitions=1"
)
QUICK = {"training.validation_events": 40, "training.samples": 0}  # so few need no classifier

# The last test of MethodGAN, for MNIST.
MNIST = (
    "!H:V:ErrorStrategy=CROSSENTROPY:VarTransform=N:WeightInitialization=XAVIERUNIFORM:"
    "InputLayout=1|1|784##1|1|784:BatchLayout=32|1|784##32|1|784:"
    "Layout=RESHAPE|1|1|784|FLAT,DENSE|256|RELU,DENSE|512|RELU,DENSE|1024|RELU,DENSE|784|TANH"
    "##RESHAPE|1|1|784|FLAT,DENSE|512|RELU,DENSE|256|RELU,DENSE|1|SIGMOID:"
    "TrainingStrategy=MaxEpochs=2,GeneratorLearningRate=2e-4,GeneratorTestRepetitions=10,GeneratorWeightDecay=1e-4,"
    "GeneratorRegularization=L2,GeneratorBatchSize=32,DiscriminatorLearningRate=2e-4,DiscriminatorBatchSize=32"
    "|MaxEpochs=2,GeneratorLearningRate=2e-5,DiscriminatorLearningRate=1e-5"
)


def string(layout=DENSE, strategy=PHASE, **more):
    size = "1|1|16##1|4|4" if "CONV" in layout else "1|1|16##1|1|16"
    options = {"InputLayout": size, "Layout": layout, "TrainingStrategy": strategy, **more}
    return "!H:V:" + ":".join(f"{key}={value}" for key, value in options.items())


def images(n, seed):
    """Images of 4 x 4 pixels from 0 to 16, bright on the left or at the top; two pixels are always dark."""
    rng = np.random.default_rng(seed)
    pixels = rng.beta(2, 6, (n, 4, 4))
    left = rng.random(n) < 0.5
    pixels[left, :, :2] += 0.6
    pixels[~left, :2] += 0.6
    pixels = 16 * np.clip(pixels, 0, 1)
    pixels[:, 3, 2:] = 0
    return Events(pixels.reshape(n, 16).astype(np.float32), np.empty((n, 0), np.float32), SCHEMA)


SCHEMA = Schema((Block("x", (16,)),))
EVENTS = images(200, 0)


def model_of(recipe, events=EVENTS):
    """An untrained model with its transform fitted, and a batch of all events."""
    chosen = recipes.load(recipe, QUICK)
    torch.manual_seed(1)
    model = family("gan")(events.schema, chosen.config)
    model.prepare(events)
    given = torch.from_numpy(events.conditions)
    code = model.transform.encode(torch.from_numpy(events.features), given)
    return model, Batch(code, given, torch.ones(len(events))), chosen


def player_state(model):
    """Bytes of both players' weights and buffers."""
    nets = {"generator": model.net, "critic": model.critic}
    return {name: b"".join(t.numpy().tobytes() for t in net.state_dict().values()) for name, net in nets.items()}


def trained(folder, recipe, events=EVENTS, **changes):
    return facsim.fit(events, recipe, output=folder, overrides=QUICK | changes)


# --- the defects of MethodGAN ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"Objective": "minimax"}, {"ErrorStrategy": "SUMOFSQUARES"}])
def test_generator_target_is_real(more):
    """The generator learns to be taken for real, not for generated."""
    model, batch, _ = model_of(string(**more))
    scores = []
    for _ in range(2):
        fake = model.fake(model.transform.context(0, batch.conditions, batch.conditions), Draw(9, 9))
        scores.append(model.critic(fake, torch.zeros(len(fake), 1)).mean().item())
        turns = {player: loss for player, loss, _ in model.turns(batch, 0, Draw(9, 9))}
        gradients = torch.autograd.grad(turns["generator"], list(model.net.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.net.parameters(), gradients, strict=True):
                parameter.sub_(gradient, alpha=0.1)
    assert scores[1] > scores[0]


@pytest.mark.parametrize("layout", [DENSE, CONV])
def test_frozen_discriminator_in_the_generators_step_and_the_other_way_round(layout, tmp_path, monkeypatch):
    """Bit for bit, in the loop that trains: what a step may not change does not change."""
    seen = []

    def spied(model, settings, phase=0):
        found = optimisers_of(model, settings, phase)
        for player, optimiser in found.items():

            def step(player=player, inner=optimiser.step):
                before = player_state(model)
                inner()
                seen.append((player, before, player_state(model)))

            monkeypatch.setattr(optimiser, "step", step)
        return found

    monkeypatch.setattr(fit, "optimisers_of", spied)
    trained(tmp_path / "run", string(layout, "MaxEpochs=1,GeneratorBatchSize=40,DiscriminatorBatchSize=40"))
    assert [player for player, _, _ in seen] == ["critic", "generator"] * 4
    for i, (player, before, after) in enumerate(seen):
        other = {"critic": "generator", "generator": "critic"}[player]
        assert before[player] != after[player]
        assert before[other] == after[other]
        if i:
            assert before == seen[i - 1][2]  # nor does anything happen between the steps


@pytest.mark.parametrize(("last", "low", "high"), [("TANH", -1, 1), ("SIGMOID", 0, 1)])
def test_same_output_function_wherever_generated_events_go(last, low, high):
    """Both players' turns and the sampler see one function of the noise, in the range that the data have, too."""
    model, batch, _ = model_of(string(DENSE.replace("TANH", last)))
    game = model._game(batch, 0, Draw(3, 3))
    assert torch.isclose(game.real.min(), torch.tensor(float(low)))
    assert torch.isclose(game.real.max(), torch.tensor(float(high)))
    turns = [model._samples(model._game(batch, 0, Draw(3, 3)), graph=graph)[1][0] for graph in (False, True)]
    assert torch.equal(*turns)
    assert low <= turns[0].min() < turns[0].max() <= high
    noise = Draw(4, 4).normal(50, 16)
    sampled = model(torch.empty(50, 0), noise)
    assert 0 <= sampled.min() < sampled.max() <= 16 * (1 + 1e-6)  # physical units
    again = model.transform.encode(sampled, torch.empty(50, 0)).high
    assert torch.allclose(again, model.net(noise, torch.zeros(50, 1)), atol=1e-5)


def test_no_double_sigmoid():
    """DENSE|1|SIGMOID gives the logit to the loss: a sure critic's error falls below the 0.5 of a double sigmoid."""
    model, batch, _ = model_of(string(Penalty="NONE"))
    assert not any(isinstance(m, Function) and m.name == "SIGMOID" for m in model.critic.modules())
    assert recipes.load(string()).config.critic.layout.endswith("DENSE|1|LINEAR")
    optimiser = torch.optim.Adam(model.critic.parameters(), 0.01)
    for step in range(60):
        loss = next(loss for player, loss, _ in model.turns(batch, step, Draw(0, step)) if player == "critic")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert model.errors(batch, 0, Draw(1, 1))["critic"] < 0.1


def test_no_zero_events_among_fakes():
    """As many different generated events as the batch has events."""
    model, batch, _ = model_of(string())
    fake = model._samples(model._game(batch, 0, Draw(3, 3)), graph=False)[1][0]
    assert len(fake) == len(EVENTS)
    assert (fake.abs().sum(1) > 0.01).all()
    assert len(torch.unique(fake, dim=0)) == len(fake)


@pytest.fixture(scope="module")
def mnist_like(tmp_path_factory):
    """A ROOT file as MethodGAN's users have it: a branch per pixel, and a tree of background."""
    path = tmp_path_factory.mktemp("root") / "mnist.root"
    with uproot.recreate(path) as file:
        for tree, pixels in (("train_sig", EVENTS.features), ("train_bkg", EVENTS.features + 100)):
            columns = {f"x{i}": column for i, column in enumerate(pixels.T)}
            file.mktree(tree, dict.fromkeys(columns, np.float32)).extend(columns)
    return path


@pytest.fixture(scope="module")
def run(mnist_like, tmp_path_factory):
    """Two phases by the command line."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    phases = f"{PHASE}|{PHASE},GeneratorRegularization=L2,GeneratorWeightDecay=1e-3"
    options = ["--set", "training.samples=30", "--set", "training.validation_events=40"]
    arguments = ["fit", string(CONV, phases), "--data", mnist_like, "--tree", "train_sig", "-o", folder, *options]
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return folder


def test_no_background_labelled_fake(run):
    """One tree is enough; the other one is not looked at."""
    model = load(run)
    assert model.provenance["data"]["events"] == len(EVENTS)
    assert model.transform.spread.max() == pytest.approx(EVENTS.features.max() / 2, rel=0.1)


def test_convolution_first_discriminator_keeps_its_first_layer():
    model, batch, _ = model_of(string(CONV))
    for net, layout, inputs in zip((model.net, model.critic), CONV.split("##"), ((1, 1, 16), (1, 4, 4)), strict=True):
        assert sum(p.numel() for p in net.parameters()) == sum(parameters(parse_layout(layout, "DL"), inputs))
    players = model.players()
    for player, loss, _ in model.turns(batch, 0, Draw(0, 0)):
        assert all((g != 0).any() for g in torch.autograd.grad(loss, players[player], retain_graph=True))


def test_weights_of_both_nets_are_saved(run):
    known, first = load_file(run / "model.safetensors"), model_of(string(CONV))[0].state_dict()
    weights = [name for name in first if name.startswith(("net.", "critic.")) and name.endswith("weight")]
    assert {name.split(".")[0] for name in weights} == {"net", "critic"}
    assert all(not torch.equal(known[name], first[name]) for name in weights)
    assert np.isfinite(load(run).scores(EVENTS)).all()


def test_generator_test_error_is_of_generated_events():
    """It follows from the generator's events alone, by the formula; the discriminator's needs the held-out ones."""
    model, batch, _ = model_of(string())
    other = Batch(type(batch.code)(batch.code.low, -batch.code.high), batch.conditions, batch.weights)
    one, two = (model.errors(b, 0, Draw(5, 5)) for b in (batch, other))
    assert one["generator"] == two["generator"]
    assert one["critic"] != two["critic"]
    with torch.no_grad():
        fake = model.critic(model.net(Draw(5, 5).normal(200, 16), torch.zeros(200, 1)), torch.zeros(200, 1))
        real = model.critic(batch.code.high, torch.zeros(200, 1))
    assert one["generator"] == pytest.approx(-fake.sigmoid().log().mean().item(), rel=1e-5)
    both = -(real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean()) / 2
    assert one["critic"] == pytest.approx(both.item(), rel=1e-5)


def test_fresh_noise_in_every_step_and_phase(tmp_path, monkeypatch):
    seen = []
    inner = Draw.normal

    def normal(self, rows, columns):
        seen.append(inner(self, rows, columns))
        return seen[-1]

    monkeypatch.setattr(Draw, "normal", normal)
    trained(tmp_path / "run", string(strategy=f"{PHASE}|{PHASE}"))
    # 160 training events are 4 steps an epoch: 16 steps, each with a batch for either player, and tests in between
    assert sorted({len(z) for z in seen}) == [24, 40]
    noise = torch.cat(seen)
    assert len(noise) >= 16 * (24 + 40)
    assert len(torch.unique(noise, dim=0)) == len(noise)
    assert abs(noise.std() - 1) < 0.03  # 16,000 normal numbers: 0.006


def test_phases_carry_weights_over(tmp_path):
    """A second phase that hardly moves stays where the best of the first was."""
    best = trained(tmp_path / "one", string()).state_dict()
    still = PHASE.replace("2e-3", "1e-12").replace("1e-3", "1e-12")
    trained(tmp_path / "two", string(strategy=f"{PHASE}|{still}"))
    last = load_file(tmp_path / "two" / "state.safetensors")
    for name, value in best.items():
        assert torch.allclose(last[f"model/{name}"], value, atol=1e-8), name  # 16 steps of Adam: 1e-12 each


def test_options_are_honoured():
    """Momentum, optimiser and their numbers, learning rates, batch sizes, regularisation, dropout."""
    strategy = (
        "Optimizer=SGD,GeneratorMomentum=0.7,DiscriminatorMomentum=0.2,GeneratorLearningRate=0.1,GeneratorBatchSize=5,"
        "DiscriminatorDropConfig=0.0+0.3+0.1,DiscriminatorConvergenceSteps=3,GeneratorConvergenceSteps=2"
        "|GeneratorOptimizer=RMSPROP,GeneratorMomentum=0.4,DiscriminatorOptimizer=ADADELTA"
        "|GeneratorOptimizer=ADAGRAD,DiscriminatorOptimizer=ADAM,DiscriminatorADAM_beta1=0.3"
    )
    model, batch, chosen = model_of(string(strategy=strategy))
    settings = chosen.training
    groups = [
        {player: o.param_groups[0] for player, o in optimisers_of(model, settings, i).items()}
        for i in range(len(settings.phases))
    ]
    assert (groups[0]["generator"]["momentum"], groups[0]["critic"]["momentum"]) == (0.7, 0.2)
    assert groups[0]["generator"]["lr"] == 0.1
    assert (groups[1]["generator"]["momentum"], groups[1]["generator"]["alpha"]) == (0.4, 0.9)
    assert groups[1]["critic"]["rho"] == 0.95
    assert groups[2]["critic"]["betas"] == (0.3, 0.999)
    kinds = [{type(o).__name__ for o in optimisers_of(model, settings, i).values()} for i in range(3)]
    assert kinds == [{"SGD"}, {"RMSprop", "Adadelta"}, {"Adagrad", "Adam"}]
    assert (settings.phases[0].generated, settings.phases[0].batch, settings.phases[0].patience) == (5, 32, 3)
    drops = [m for m in model.critic.modules() if isinstance(m, Drop)]
    model.begin_phase(settings.phases[0])
    assert [d.p for d in drops] == [0.3, 0.1]
    made = [len(game.fake) for game in _turn_games(model, batch)]
    assert made == [200, 5]
    model.begin_phase(settings.phases[1])
    assert [d.p for d in drops] == [0, 0]


def _turn_games(model, batch):
    """What the critic is shown in either turn."""
    seen = []
    inner = model._shown
    model._shown = lambda game, *samples: seen.append(inner(game, *samples)) or seen[-1]
    list(model.turns(batch, 0, Draw(0, 0)))
    del model._shown
    return [game for game, _ in seen]


@pytest.mark.parametrize(("kind", "slope"), [("l1", [3.0, -3.0]), ("l2", [12.0, -6.0]), ("none", [0.0, 0.0])])
def test_regularisation_is_that_of_the_weights(kind, slope):
    """The derivative of 3 |w| and of 3 w^2; biases are left alone."""
    parameters = [torch.tensor([[2.0, -1.0]]), torch.tensor([5.0])]
    gradients = [torch.zeros_like(p) for p in parameters]
    PlayerSettings(regularisation=kind, weight_decay=3.0).regularise(parameters, gradients)
    assert gradients[0].tolist() == [slope]
    assert gradients[1].item() == 0


def test_convergence_ends_a_phase(tmp_path, monkeypatch):
    """Two epochs (of four steps) without a better validation end a phase of ten, and the next one begins."""
    monkeypatch.setattr(fit.Validation, "__call__", lambda *_: {"distance": 1.0})
    short = PHASE.replace("MaxEpochs=2", "MaxEpochs=10,GeneratorConvergenceSteps=2,DiscriminatorConvergenceSteps=2")
    trained(tmp_path / "run", string(strategy=f"{short}|{PHASE}"), **{"training.validate_every": 4})
    table = np.genfromtxt(tmp_path / "run" / "history.csv", delimiter=",", names=True)
    # best at step 4, so the first phase ends at step 12; the second is limited by its epochs
    assert table["step"].tolist() == [4, 8, 12, 16, 20]
    assert table["phase"].tolist() == [1, 1, 1, 2, 2]
    assert table["epoch"].tolist() == [1, 2, 3, 1, 2]


# --- runs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [3, 8, 10])
def test_resumed_within_and_between_phases_is_the_same_bit_for_bit(at, tmp_path, whole_run):
    def pull_the_plug(done, _):
        if done == at:
            raise RuntimeError

    recipe, whole = whole_run
    options = {"output": tmp_path / "cut", "overrides": QUICK | {"training.checkpoint_every": 3}}
    with pytest.raises(RuntimeError):
        facsim.fit(EVENTS, recipe, **options, progress=pull_the_plug)
    facsim.fit(EVENTS, recipe, **options, resume=True)
    for file in ("model.safetensors", "state.safetensors"):
        assert (whole / file).read_bytes() == (tmp_path / "cut" / file).read_bytes(), file
    tests = [np.genfromtxt(f / "history.csv", delimiter=",", names=True) for f in (whole, tmp_path / "cut")]
    for name in ("phase", "step", "Generator_test_error", "Discriminator_test_error"):
        assert np.array_equal(tests[0][name], tests[1][name]), name


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """Two phases with dropout, momentum and different batches, of 8 and 10 steps."""
    second = PHASE.replace("Size=40", "Size=32,Optimizer=SGD,GeneratorMomentum=0.5")
    recipe = string(strategy=f"{PHASE},DiscriminatorDropConfig=0+0.3|{second}")
    folder = tmp_path_factory.mktemp("whole") / "run"
    facsim.fit(EVENTS, recipe, output=folder, overrides=QUICK | {"training.checkpoint_every": 3})
    return recipe, folder


def test_a_run_leaves_errors_samples_and_a_page(run, mnist_like):
    header, *rows = (run / "history.csv").read_text().splitlines()
    named = ["Generator training error", "Discriminator training error", "Generator test error"]
    assert set(header.split(",")) == {"phase", "epoch", "step", *named, "Discriminator test error"}
    table = np.array([[float(v) for v in row.split(",")] for row in rows])
    assert table.shape == (4, 7)
    assert np.isfinite(table).all()
    assert "Generator training error" in (run / "history.svg").read_text()
    page = (run / "page.html").read_text()
    assert "Training and test errors" in page
    assert "Discriminator error" in page
    with uproot.open(mnist_like) as truth, uproot.open(run / "samples.root") as drawn:
        assert drawn["train_sig"].keys() == truth["train_sig"].keys()
        assert drawn["train_sig"].num_entries == 30
    assert (run / "samples.png").read_bytes()[:4] == b"\x89PNG"


def test_it_is_an_ordinary_model(run, tmp_path):
    """Exported, sampled, recorded like any other."""
    path = facsim.export(run, tmp_path / "gan.onnx")  # compares the file's events with the model's
    assert facsim.sample(path, np.empty((5, 0)), seed=1).features.shape == (5, 16)
    record = load(run).provenance
    assert record["recipe"]["name"] == "MethodGAN"
    assert facsim.tmva.parse_options(record["recipe"]["reference"]).phases[1].generator.weight_decay == 1e-3
    assert record["training"]["steps"] == 16


def test_it_learns(tmp_path):
    """Both kinds of images, bright on the left and at the top, in about equal parts."""
    phase = PHASE.replace("MaxEpochs=2", "MaxEpochs=60").replace("TestRepetitions=1", "TestRepetitions=60")
    model = trained(tmp_path / "run", string(strategy=phase), images(400, 1))
    drawn = model.sample(np.empty((400, 0)), seed=3).features.reshape(-1, 4, 4)
    apart = (drawn[:, 2:, :2].mean((1, 2)) - drawn[:, :2, 2:].mean((1, 2))) / 16
    # true events lie at +-0.6 with a width of 0.07
    assert 0.25 < (apart > 0.3).mean() < 0.75
    assert 0.25 < (apart < -0.3).mean() < 0.75
    assert drawn[:, 3, 2:].mean() < 0.5


def test_numbered_pixels_are_images_to_those_who_look():
    schema = Schema((Block("x", (96,)),))
    events = Events(np.zeros((3, 96), np.float32), np.empty((3, 0), np.float32), schema)
    assert as_images(events, "1|8|12").schema.features[0].shape == (8, 12)
    assert as_images(events) is events


def test_pixels_of_a_file_are_images_unless_described(tmp_path):
    path = tmp_path / "pixels.root"
    with uproot.recreate(path) as file:
        columns = {f"x{i}": np.ones(3, np.float32) for i in range(64)}
        file.mktree("t", dict.fromkeys(columns, np.float32)).extend(columns)
    assert facsim.read(as_images(path)).schema.features[0].shape == (8, 8)
    told = io.select(path, describe={"x": "64"})
    assert as_images(told) is told


# --- strings ---------------------------------------------------------------------------------------------------------


def test_methodgans_own_string():
    chosen = recipes.load(MNIST, {"training.phases.1.epochs": "7", "model.generator.noise": 0})
    assert chosen.family == "gan"
    assert chosen.config.transform == "symmetric-range"
    assert chosen.config.objective.kind == "non-saturating"
    assert chosen.config.generator.initialization == "XAVIERUNIFORM"
    first, second = chosen.training.phases
    assert (first.epochs, second.epochs, first.test_every) == (2, 7, 7)
    assert [(p.kind, p.weight) for p in chosen.config.penalties] == [("r1", 1.0)]
    assert first.player("generator").regularisation == "l2"
    assert second.player("critic").learning_rate == 1e-5
    assert chosen.training.steps == UNLIMITED


def test_a_string_as_yaml_is_the_same_recipe(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(recipes.text(MNIST))
    known = recipes.load(MNIST)
    assert (recipes.load(file).config, recipes.load(file).training) == (known.config, known.training)


@pytest.mark.parametrize(
    ("last", "transform", "more"),
    [("RELU", "scale", {}), ("LINEAR", "standard", {}), ("SOFTSIGN", "symmetric-range", {"VarTransform": "N"}),
     ("GAUSS", "unit-range", {}), ("LINEAR", "marginals", {"VarTransform": "G"})],
)  # fmt: skip
def test_data_are_moved_to_the_range_of_the_last_activation(last, transform, more):
    assert recipes.load(string(DENSE.replace("TANH", last), **more)).config.transform == transform


@pytest.mark.parametrize(
    ("objective", "penalty", "kind", "penalties"),
    [("WGANGP", None, "wasserstein", ["gradient"]), ("lsgan", None, "least-squares", ["r1"]),
     ("Hinge", "R1", "hinge", ["r1"]),
     ("minimax", "none", "minimax", []),
     ("Non_Saturating", None, "non-saturating", []), ("wasserstein", "GRADIENT", "wasserstein", ["gradient"]),
     ("Cramer", "gradient", "cramer", ["gradient"])],
)  # fmt: skip
def test_objectives_and_penalties_by_name(objective, penalty, kind, penalties):
    more = {"Objective": objective} | ({"Penalty": penalty} if penalty else {})
    model, batch, chosen = model_of(string(**more))
    assert chosen.config.objective.kind == kind
    assert [p.kind for p in chosen.config.penalties] == penalties
    assert all(loss.isfinite() for _, loss, _ in model.turns(batch, 0, Draw(0, 0)))


@pytest.mark.parametrize(
    ("recipe", "error", "words"),
    [
        (string(Objective="WGANPG"), RecipeError, "WGANPG.*there are.*Did you mean 'wgan"),
        (string(Penalty="gradent"), RecipeError, "gradent.*'gradient'"),
        (string(ErrorStrategy="MUTUALEXCLUSIVE"), OptionStringError, "two classes"),
        (string(VarTransform="D"), OptionStringError, "VarTransform=D.*TANH"),
        (string(IgnoreNegWeightsInTraining="True"), OptionStringError, "--cut"),
        (string(DENSE.replace("DENSE|1|SIGMOID", "DENSE|2|LINEAR")), RecipeError, "ends with DENSE|1|LINEAR"),
        ("Layout=DENSE|8|TANH,DENSE|1|LINEAR:InputLayout=1|1|4", RecipeError, "MethodDL, which classifies.*generators"),
        # the early test: its generator makes one number, its discriminator takes four
        ("InputLayout=1|1|4##1|1|4:Layout=" + "##".join(["RESHAPE|1|1|4|FLAT,DENSE|128|TANH,DENSE|1|LINEAR"] * 2),
         OptionStringError, "generator makes 1 values, an event has 4"),
    ],
)  # fmt: skip
def test_what_is_refused(recipe, error, words):
    with pytest.raises(error, match=f"(?s){words}"):
        recipes.load(recipe)


def test_networks_that_do_not_fit_the_data_are_refused():
    with pytest.raises(SchemaMismatch, match="makes 9 values, an event has 16"):
        model_of("Layout=DENSE|9|TANH##DENSE|1|LINEAR")
    with pytest.raises(SchemaMismatch, match=r"1\|1\|9 holds 9 values, an event has 16"):
        model_of("InputLayout=0|0|0##1|1|9:Layout=DENSE|16|TANH##DENSE|1|LINEAR")


def test_a_conditional_gan_from_the_same_string():
    """Conditions take the place of noise, and meet the critic's features."""
    schema = Schema(SCHEMA.features, (Block("side", (), "category", names=("left", "top")),))
    sides = (np.arange(200) % 2).astype(np.float32)[:, None]
    model, batch, _ = model_of(string(), Events(EVENTS.features, sides, schema))
    assert model.latent == 14
    assert model.critic.projection is not None
    assert all(loss.isfinite() for _, loss, _ in model.turns(batch, 0, Draw(0, 0)))
