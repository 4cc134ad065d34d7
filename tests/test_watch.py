"""Watching a training: figures against closed forms, symptoms on series that show them and on some that do not."""

import json
import logging
import shlex
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats

import facsim
from facsim import Block, Events, Schema, recipes
from facsim.errors import CapabilityError, DataError, TrainingError
from facsim.metrics.discriminate import discriminate, score_histogram
from facsim.metrics.support import relative_support
from facsim.report.run import read_watch
from facsim.simulators import toys
from facsim.training.closeness import Closeness
from facsim.training.collapse import Detector, symptoms
from facsim.training.cures import CURES, cures
from facsim.training.journal import Journal
from facsim.training.snapshots import FRAMES, Snapshots
from facsim.training.watch import Watch

# Answers of a critic ----------------------------------------------------------------------------------------------


def test_answers_of_a_critic_of_gaussian_scores():
    rng = np.random.default_rng(1)
    n, shift = 20_000, 1.2
    real, fake = rng.normal(shift, 1, n), rng.normal(0, 1, n)
    found = discriminate(real, fake, undecided=shift / 2)
    right = stats.norm.cdf(shift / 2)
    error = np.sqrt(right * (1 - right) / n)
    assert abs(found.true_positive - right) < 4 * error
    assert abs(found.true_negative - right) < 4 * error
    assert found.true_positive + found.false_negative == pytest.approx(1)
    assert abs(found.auc - stats.norm.cdf(shift / np.sqrt(2))) < 4 * np.sqrt(1 / 6 / n)
    assert abs(found.gap - shift) < 4 * np.sqrt(2 / n)
    # without an undecided score: the best threshold is in the middle, and the accuracy there is flat
    chosen = discriminate(real, fake)
    assert abs(chosen.threshold - shift / 2) < 0.25
    assert chosen.true_positive + chosen.true_negative == pytest.approx(2 * right, abs=0.02)
    blind = discriminate(fake[:5000], fake[5000:])
    assert abs(blind.auc - 0.5) < 4 * np.sqrt((1 / 5000 + 1 / 15000) / 12)
    assert abs(blind.true_positive - blind.false_positive) < 0.05
    same = discriminate(np.zeros(10), np.zeros(10), undecided=0.0)
    assert (same.gap, same.true_positive) == (0.0, 0.0)
    assert same.auc == pytest.approx(0.5)


def test_weights_of_answers_may_be_negative():
    rng = np.random.default_rng(2)
    real, background, fake = rng.normal(1, 1, 400), rng.normal(-2, 1, 300), rng.normal(0, 1, 400)
    mixed = np.concatenate([real, background, background])
    weights = np.concatenate([np.ones(400), np.ones(300), -np.ones(300)])
    pure, cancelled = (discriminate(r, fake, undecided=0.5, wr=w) for r, w in ((real, None), (mixed, weights)))
    for name, value in pure.to_json().items():
        assert getattr(cancelled, name) == pytest.approx(value), name
    twice = discriminate(np.repeat(real, 2), fake, undecided=0.5)
    assert twice.auc == pytest.approx(pure.auc)
    edges, a, b = score_histogram(mixed, fake, wr=weights)
    assert a.sum() == pytest.approx(1)
    assert b.sum() == pytest.approx(1)
    assert len(edges) == 31
    with pytest.raises(DataError, match="at least 2 of each"):
        discriminate([1.0], fake)


def test_support_counts_kinds():
    rng = np.random.default_rng(3)
    truth = rng.random((600, 2))
    # 2,400 close pairs of truth and their fluctuation, which common events correlate: about 10 %
    for share in (1.0, 0.25):
        copies = rng.random((600, 2)) * [share, 1.0]
        assert relative_support(truth, copies) == pytest.approx(share, rel=0.35)
    ring = toys.Ring()
    one = ring.sample(4000, seed=1).features
    one = one[one[:, 0] > 1.9][:400]
    # one mode of eight
    assert relative_support(ring.sample(400, seed=2).features, one) == pytest.approx(1 / 8, rel=0.35)
    with pytest.raises(DataError, match="at least 20"):
        relative_support(truth, truth[:5])


# Events among events ----------------------------------------------------------------------------------------------


def ring_modes(n, seed, modes):
    ring = toys.Ring()
    events = ring.sample(n * 20, seed=seed)
    which = np.argmin(((events.features[:, None] - ring.modes()) ** 2).sum(2), axis=1)
    return events[np.flatnonzero(which < modes)[:n]]


def test_closeness_sees_variety_and_copies():
    held, training = toys.Ring().sample(500, seed=1), toys.Ring().sample(1500, seed=2)
    compare = Closeness(held, training, seed=0)
    good = compare(toys.Ring().sample(500, seed=3))
    # coverage of a perfect copy: 1 - 2^-5 = 0.969; its error is about sqrt(0.03 / 500) = 0.008
    assert abs(good["coverage"] - 0.969) < 0.04
    assert good["precision"] > 0.8
    # 20 kinds: 1 - sum |p - q| / 2, with |p - q| of 0.8 sqrt(2 * 0.05 / 500) each: 0.89
    assert good["kinds"] == pytest.approx(0.89, abs=0.06)
    assert good["support"] == pytest.approx(1, rel=0.3)
    assert good["spread"] == pytest.approx(1, abs=0.1)
    assert good["nearest"] == pytest.approx(1, abs=0.25)
    assert good["memorised"] == 0
    few = compare(ring_modes(500, 4, 2))
    assert few["precision"] > 0.8
    assert few["coverage"] < 0.35
    assert few["kinds"] < 0.35
    assert few["support"] < 0.4
    copied = compare(training[:500])
    assert copied["memorised"] > 0.9
    assert copied["nearest"] == 0


def test_closeness_of_weighted_truth_is_that_of_the_signal():
    toy = toys.SWeightsMixture(signal=0.4)
    compare = Closeness(toy.sample(1000, seed=1), toy.pure(500, seed=2), seed=0)
    signal, mixture = compare(toy.pure(1000, seed=3)), compare(toy.sample(1000, seed=4).with_weights(None))
    # what is left of the background in the smoothed weights costs the signal a little
    assert signal["kinds"] > 0.75
    assert signal["kinds"] > mixture["kinds"] + 0.1
    assert signal["spread"] == pytest.approx(1, abs=0.4)  # scatters by 0.13 from sample to sample


def test_closeness_takes_any_events(toy_showers):
    for events in (toy_showers(150, 1), toys.Digits().sample(150, seed=1), toys.LogTransport().sample(150, seed=1)):
        held = events[:60]
        drawn = Events(events.features[90:150], held.conditions, events.schema)
        figures = Closeness(held, events[60:], seed=0)(drawn)
        assert np.isfinite(list(figures.values())).all()
    constant = Events(np.ones((50, 2)), np.empty((50, 0)), Schema((Block("x", (2,)),)))
    assert Closeness(constant, constant, seed=0)(constant) == {}


# Symptoms ---------------------------------------------------------------------------------------------------------

GOOD = {
    "precision": 0.8,
    "coverage": 0.9,
    "kinds": 0.88,
    "support": 0.9,
    "spread": 1.0,
    "memorised": 0.0,
    "memorised_pvalue": 0.4,
    "true_positive": 0.6,
    "true_negative": 0.6,
    "auc": 0.65,
    "gap": 0.5,
    "scale": 1.0,
    "moved": 0.1,
    "rate": 1e-3,
    "generator_gradient": 1.0,
    "critic_gradient": 1.0,
    "distance": 0.1,
}
BAD = {
    "lost modes": [
        [{}, {"kinds": 0.5}, {"kinds": 0.4}],
        [{}, {"coverage": 0.4}, {"coverage": 0.3, "precision": 0.9}],
        [{"kinds": 0.3}] * 4,
        [{}, {"spread": 0.3}, {"spread": 0.2}],
    ],
    "frozen generator": [
        [{}, {}, {"generator_gradient": 1e-6}, {"generator_gradient": 1e-7}],
        [{}, {}, {}, *({"moved": 1e-4, "auc": 0.99, "gap": 3.0 + k} for k in range(3))],
    ],
    "saturated discriminator": [
        [{}, *[{"true_positive": 1.0, "true_negative": 0.995, "generator_gradient": 1e-3}] * 2],
        [{}, *[{"true_positive": 1.0, "true_negative": 1.0, "generator_gradient": None, "gap": 12.0}] * 2],
    ],
    "diverging": [
        [{}, {}, *({"scale": 40.0 * 2**k} for k in range(4))],
        [{}, {"distance": 0.5}, {"distance": 0.6}],
    ],
    "memorising": [[{}, *[{"memorised": 0.3, "memorised_pvalue": 1e-8}] * 2]],
}


def series(changes):
    return [
        {"step": 100 * i, "finite": True, "figures": {k: v for k, v in {**GOOD, **change}.items() if v is not None}}
        for i, change in enumerate(changes)
    ]


@pytest.mark.parametrize(("name", "changes"), [(name, c) for name, many in BAD.items() for c in many])
def test_a_symptom_is_named(name, changes):
    rows = series(changes)
    found = symptoms(rows)
    assert [s.name for s in found] == [name]
    assert found[0].looks >= 2
    assert rows[-found[0].looks]["step"] == found[0].since
    assert found[0].cures
    assert symptoms(rows[:-1]) == [] or len(rows) > 3, "one look may be chance"
    json.dumps(found[0].to_json(), allow_nan=False)


@pytest.mark.parametrize(
    "changes",
    [
        [{}] * 5,
        [{"precision": 0.1, "coverage": 0.9}, {"kinds": 0.86}, {}],
        # blur: coverage falls because precision does
        [{}, {"coverage": 0.5, "precision": 0.3}, {"coverage": 0.5, "precision": 0.3}],
        # a good critic is no saturated one, as long as the generator learns from it
        [{"true_positive": 1.0, "true_negative": 1.0, "auc": 1.0, "gap": 5.0}] * 4,
        # at the end of a cosine events stand still, because the learning rate does
        [{}, {}, {}, *({"moved": 1e-4, "rate": 1e-6, "auc": 0.95, "gap": 1.0 + k} for k in range(3))],
        [dict.fromkeys(GOOD)] * 4,
        [{"memorised": 0.3, "memorised_pvalue": 0.01}] * 3,
    ],
)
def test_nothing_is_said_without_need(changes):
    assert symptoms(series(changes)) == []


def test_events_that_are_not_finite_need_one_look():
    rows = [*series([{}]), {"step": 100, "finite": False, "figures": {}}]
    assert [s.name for s in symptoms(rows)] == ["diverging"]
    assert symptoms([]) == []


def test_the_detector_warns_once_and_stops_late(caplog):
    rows = series([{}, *[{"kinds": 0.4}] * 5])
    detector = Detector(stop_after=4)
    stops = []
    with caplog.at_level(logging.WARNING, logger="facsim.training.collapse"):
        for row in rows:
            row["symptoms"] = [s.to_json() for s in detector(row)]
            stops.append(detector.stop is not None)
    assert stops == [False, False, False, False, True, True]
    assert [r.message.split(" since")[0] for r in caplog.records] == ["lost modes"]
    assert "--set model.schedule.pack=2" in detector.stop
    # a training that goes on does not repeat itself, and counts what was before
    caplog.clear()
    again = Detector(stop_after=6, rows=rows)
    again({"step": 600, "finite": True, "figures": {**GOOD, "kinds": 0.4}})
    assert again.symptoms[0].looks == 6
    assert again.stop is not None
    assert not caplog.records
    assert Detector(rows=rows).stop is None


@pytest.mark.parametrize("symptom", CURES)
def test_cures_are_options_that_fit_takes(symptom):
    for cure in cures(symptom):
        words = shlex.split(cure.options)
        assert words[::2] == ["--set"] * (len(words) // 2)
        recipes.load("wgan-gp", dict(w.split("=", 1) for w in words[1::2]))
    for cure in cures(symptom, "cfm"):
        recipes.load("cfm", dict(w.split("=", 1) for w in shlex.split(cure.options)[1::2]))


# Files ------------------------------------------------------------------------------------------------------------


def test_a_resumed_journal_drops_what_was_beyond(tmp_path):
    journal = Journal(tmp_path, 0)
    for step in (10, 20, 30):
        journal.append({"step": step, "figures": {"a": float("nan"), "b": np.float64(0.1)}})
    with journal.path.open("a") as sink:
        sink.write('{"step": 40, "fig')
    assert [r["step"] for r in read_watch(journal.path)] == [10, 20, 30]
    assert read_watch(journal.path)[0]["figures"] == {"a": None, "b": 0.1}
    again = Journal(tmp_path, 20)
    again.append({"step": 25})
    assert [r["step"] for r in read_watch(journal.path)] == [10, 20, 25]
    assert Journal(tmp_path, 0).rows == []


class Sliding:
    """A sampler that moves by one standard deviation per step, in the first of two columns."""

    def __init__(self):
        self.step = 0

    def sample(self, events, *, seed):
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(len(events), 2)) + np.array([self.step, 0.0])
        return Events(features, events.conditions, events.schema)


def test_snapshots_are_few_and_measure_movement(tmp_path):
    schema = Schema((Block("x"), Block("y")))
    features = np.random.default_rng(1).normal(size=(300, 2))
    events = Events(features / features.std(0), np.empty((300, 0)), schema)
    model, snapshots = Sliding(), Snapshots(tmp_path, events, seed=3)
    moved = []
    for step in range(3 * FRAMES):
        model.step = step
        moved.append(snapshots.add(model, step))
    assert moved[0] is None
    # one column moves by one (standard deviation), the other does not
    np.testing.assert_allclose(moved[1:], 0.5, rtol=1e-3)
    with np.load(tmp_path / "snapshots.npz", allow_pickle=False) as known:
        steps = known["steps"].tolist()
        assert known["features"].shape == (len(steps), 200, 2)
        np.testing.assert_array_equal(known["truth"], events.features[:200])
    assert FRAMES / 2 <= len(steps) <= FRAMES
    assert steps[0] == 0
    assert steps[-1] == 3 * FRAMES - 1
    again = Snapshots(tmp_path, events, seed=3, step=steps[-2])
    model.step = steps[-2] + 2
    assert again.add(model, model.step) == pytest.approx(1.0, rel=1e-3)
    with np.load(tmp_path / "snapshots.npz") as known:
        assert known["steps"].tolist() == [*steps[:-1], model.step]
    big = Schema((Block("x", (100_000,)),))
    assert len(Snapshots(tmp_path / "big", Events(np.ones((4, 100_000)), np.empty((4, 0)), big), 0).events) == 1


# The whole --------------------------------------------------------------------------------------------------------


class Collapsing:
    """A model of the ring that loses modes, with a critic that knows which."""

    name, capabilities, undecided = "gan", frozenset({"sample", "score"}), 0.0

    def __init__(self, modes=8, finite=True):
        self.modes, self.finite = modes, finite

    def sample(self, events, *, seed):
        drawn = ring_modes(len(events), seed, self.modes).features.copy()
        if not self.finite:
            drawn[0, 0] = np.nan
        return Events(drawn, events.conditions, events.schema)

    def scores(self, events, *, seed=0):
        del seed
        angle = np.arctan2(events.features[:, 1], events.features[:, 0]) % (2 * np.pi) + np.pi / 8
        return np.where(angle % (2 * np.pi) < self.modes * np.pi / 4, -1.0, 1.0) + 0.1 * events.features[:, 0]


def test_a_watch_sees_modes_go(tmp_path, caplog):
    held, training = toys.Ring().sample(400, seed=1), toys.Ring().sample(800, seed=2)
    watch = Watch(held, training, tmp_path, seed=0, stop_after=3)
    for step, modes in enumerate([8, 8, 3, 2, 1], 1):
        figures = watch(Collapsing(modes), 100 * step)
        assert all(isinstance(v, float) for v in figures.values())
        assert set(figures) >= {"auc", "gap", "true_positive", "coverage", "precision", "kinds", "support", "seconds"}
        # the critic is right about generated events in the modes that are left
        assert figures["true_negative"] == pytest.approx(1.0)
        assert abs(figures["true_positive"] - (1 - modes / 8)) < 4 * np.sqrt(0.25 / 400)
    assert watch.symptoms[0].name == "lost modes"
    assert watch.stop.startswith("'lost modes' has lasted for 3 validations, since step 300")
    assert "lost modes since step 300" in caplog.text
    rows = read_watch(tmp_path / "watch.jsonl")
    assert [r["step"] for r in rows] == [100, 200, 300, 400, 500]
    assert [bool(r["symptoms"]) for r in rows] == [False, False, False, True, True]
    assert sum(rows[0]["scores"]["real"]) == pytest.approx(1, abs=1e-3)
    # a resumed training goes on from where it was, with the same figures
    again = Watch(held, training, tmp_path, seed=0, step=400, stop_after=3)
    again(Collapsing(1), 500)
    assert again.stop == watch.stop
    old, new = (dict(r[-1]["figures"], seconds=0) for r in (rows, read_watch(tmp_path / "watch.jsonl")))
    assert new == old


def test_a_watch_takes_models_without_a_critic_and_broken_ones(tmp_path):
    held, training = toys.Ring().sample(100, seed=1), toys.Ring().sample(100, seed=2)
    watch = Watch(held, training, tmp_path, seed=0)
    plain = Collapsing()
    plain.capabilities = frozenset({"sample"})
    assert "auc" not in watch(plain, 1)
    packed = Collapsing()

    def refuse(*_, **__):
        raise CapabilityError("judges two events together")  # noqa: EM101

    packed.scores = refuse
    assert "auc" not in watch(packed, 2)
    assert "kinds" in watch(packed, 3)
    broken = Collapsing()
    broken.scores = lambda events, seed: np.full(len(events), np.nan)  # noqa: ARG005
    assert "auc" not in watch(broken, 4)
    assert [s.name for s in watch.symptoms] == ["diverging"]
    assert "kinds" not in watch(Collapsing(finite=False), 5)
    assert [s.name for s in watch.symptoms] == ["diverging"]
    assert read_watch(tmp_path / "watch.jsonl")[-1]["finite"] is False


def test_showers_have_a_response(tmp_path, toy_showers):
    events = toy_showers(160, 1)
    model = SimpleNamespace(
        name="x",
        capabilities=frozenset(),
        sample=lambda e, seed: Events(e.features * 0.5, e.conditions, e.schema),  # noqa: ARG005
    )
    figures = Watch(events[:80], events[80:], tmp_path, seed=0)(model, 1)
    assert figures["response"] == pytest.approx(0.5, rel=1e-3)
    # cells that fall below the threshold of 0.01 MeV widen it a little
    assert figures["resolution"] == pytest.approx(1.0, rel=0.05)


SMALL = {
    "model.transform": "standard",
    "model.generator": {"kind": "mlp", "noise": 4, "hidden": 32, "layers": 2},
    "model.critic": {"kind": "mlp", "hidden": 32, "layers": 2},
    "model.objective": "non-saturating",
    "model.penalties": [],
    "model.schedule.critic_steps": 1,
    "training.learning_rate": 0.01,
    "training.final_rate": 1.0,
    "training.warmup": 0,
    "training.batch": 64,
    "training.ema": 0.0,
    "training.validation_events": 200,
    "training.validate_every": 20,
    "training.steps": 160,
}


def test_a_gan_that_really_collapses_is_stopped(tmp_path):
    # ten generator steps for each of the critic's: all events run after the critic's best place
    unbalanced = SMALL | {"model.schedule.generator_steps": 10, "training.stop_on_collapse": 3}
    with pytest.raises(TrainingError, match="'lost modes' has lasted"):
        facsim.fit(toys.Ring().sample(1500, seed=1), "wgan-gp", output=tmp_path / "run", overrides=unbalanced)
    rows = read_watch(tmp_path / "run" / "watch.jsonl")
    assert rows[-1]["symptoms"][0]["name"] == "lost modes"
    assert rows[-1]["figures"]["kinds"] < 0.5
    assert (tmp_path / "run" / "model.safetensors").is_file()
    assert "Lost modes, since" in (tmp_path / "run" / "page.html").read_text(encoding="utf-8")


def test_looking_changes_nothing(tmp_path):
    model = facsim.models.family("gan")(toys.Ring().schema, recipes.load("wgan-gp", SMALL).config)
    events = toys.Ring().sample(120, seed=1)
    model.prepare(events)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state, training = torch.get_rng_state(), model.train().training
    Watch(events[:60], events[60:], tmp_path, seed=0)(model, 1)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training == training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
