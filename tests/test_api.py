"""The verbs: conditions in three ways, streaming to disk, splitting, and what they refuse."""

import numpy as np
import pytest

import facsim
from facsim import Block, Events, Schema
from facsim.errors import DataError, FileFormatError, RangeError, RangeWarning, SchemaMismatch
from facsim.sampler import draw_conditions
from facsim.sharding import ShardSampler

ENERGY, ANGLE = Block("energy", (), "energy", "GeV"), Block("angle", (2,), "angle", "rad")


class Smear(ShardSampler):
    """A sampler that is known by heart: conditions plus noise."""

    latent = 3
    condition_range = (np.array([1.0, -1, -1]), np.array([100.0, 1, 1]))
    schema = Schema((Block("seen", (3,)),), (ENERGY, ANGLE))

    def _generate(self, conditions, noise):
        return conditions + noise


class OnlyEnergy(Smear):
    latent = 1
    condition_range = (np.array([1.0]), np.array([100.0]))
    schema = Schema((Block("seen"),), (ENERGY,))


@pytest.fixture
def truth(tmp_path):
    """3,000 events in a file, and in memory."""
    rng = np.random.default_rng(5)
    conditions = np.column_stack([rng.uniform(1, 100, 3000), rng.uniform(-1, 1, (3000, 2))])
    events = Events(rng.normal(size=(3000, 3)), conditions, Smear.schema)
    facsim.write(tmp_path / "truth.h5", events)
    return tmp_path / "truth.h5", events


def test_a_file_lends_its_conditions(truth):
    path, events = truth
    drawn = facsim.sample(Smear(), like=path, seed=3)
    expected = Smear().sample(events, seed=3)
    np.testing.assert_array_equal(drawn.features, expected.features)
    np.testing.assert_array_equal(drawn.conditions, events.conditions)
    assert len(facsim.sample(Smear(), like=events, n=7)) == 7


def test_the_file_holds_what_memory_would(truth, tmp_path):
    path, _ = truth
    ticks = []
    output = facsim.sample(
        Smear(), like=path, seed=3, output=tmp_path / "drawn.h5", progress=lambda *a: ticks.append(a), threads=1
    )
    assert output == tmp_path / "drawn.h5"
    assert ticks == [(1024, 3000), (2048, 3000), (3000, 3000)]
    back, expected = facsim.read(output), facsim.sample(Smear(), like=path, seed=3, threads=2)
    np.testing.assert_array_equal(back.features, expected.features)
    assert back.schema == expected.schema


def test_conditions_are_drawn_from_ranges():
    drawn = facsim.sample(Smear(), energy="10:20", ranges={"angle": "-0.5:0.5"}, n=2000, seed=1)
    energy, angle = drawn["energy"], drawn["angle"]
    assert energy.min() >= 10
    assert energy.max() <= 20
    # Mean of 2,000 flat numbers: width / sqrt(12 n), five sigma.
    assert abs(energy.mean() - 15) < 5 * 10 / np.sqrt(12 * 2000)
    assert abs(angle.mean()) < 5 * 1 / np.sqrt(12 * 4000)
    # Columns are independent: the correlation of n pairs has a spread of 1 / sqrt(n).
    assert np.abs(np.corrcoef(drawn.conditions.T) - np.eye(3)).max() < 5 / np.sqrt(2000)
    again = facsim.sample(OnlyEnergy(), energy="10:20", n=2000, seed=1)
    np.testing.assert_array_equal(again["energy"], energy)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "one way"),
        ({"energy": 5}, "n is missing"),
        ({"energy": 5, "n": 0}, "n=0"),
        ({"energy": "5:1", "ranges": {"angle": 0}, "n": 3}, "range '5:1'"),
        ({"energy": "0:1", "ranges": {"angle": 0}, "n": 3}, "positive"),
        ({"energy": 5, "n": 3, "ranges": {"angel": "0:1"}}, "Did you mean 'angle'"),
        ({"energy": 5, "n": 3}, r"missing: angle \(2,\) in rad"),
        ({"energy": 5, "n": 3, "conditions": np.ones((3, 3))}, "one way"),
    ],
)
def test_bad_conditions_are_named(arguments, message):
    with pytest.raises(DataError, match=message):
        facsim.sample(Smear(), **arguments)


def test_more_events_than_the_file_has(truth):
    with pytest.raises(DataError, match="there are 3000 events"):
        facsim.sample(Smear(), like=truth[0], n=3001)


def test_a_condition_in_another_unit_is_refused(tmp_path):
    schema = Schema((Block("seen"),), (Block("energy", (), "energy", "MeV"),))
    facsim.write(tmp_path / "mev.h5", Events(np.ones((4, 1)), np.full((4, 1), 5e4), schema))
    with pytest.raises(SchemaMismatch, match=r"energy in MeV.*energy in GeV"):
        facsim.sample(OnlyEnergy(), like=tmp_path / "mev.h5")


def test_a_file_without_the_condition_is_refused(tmp_path):
    facsim.write(tmp_path / "bare.h5", Events(np.ones((4, 1)), np.empty((4, 0)), Schema((Block("seen"),), ())))
    with pytest.raises(SchemaMismatch, match="no block 'energy'"):
        facsim.sample(OnlyEnergy(), like=tmp_path / "bare.h5")


def test_conditions_outside_the_training_range(tmp_path):
    with pytest.warns(RangeWarning, match="1 to 100, by up to 20"):
        facsim.sample(OnlyEnergy(), energy=120, n=3)
    output = tmp_path / "none.h5"
    with pytest.raises(RangeError, match="energy in GeV"):
        facsim.sample(OnlyEnergy(), energy=120, n=3, strict=True, output=output)
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_sampling_leaves_nothing(tmp_path):
    class Breaks(OnlyEnergy):
        def _generate(self, conditions, noise):
            if len(conditions) < 1024:
                msg = "no more"
                raise RuntimeError(msg)
            return noise

    with pytest.raises(RuntimeError, match="no more"):
        facsim.sample(Breaks(), energy=5, n=5000, threads=1, output=tmp_path / "half.h5")
    assert list(tmp_path.iterdir()) == []


def test_split_is_that_of_events_and_streams(truth, tmp_path):
    path, events = truth
    parts = facsim.split(path, tmp_path / "a.h5", tmp_path / "b.npz", fraction=0.3, seed=4)
    for part, expected in zip(parts, events.split(0.3, seed=4), strict=True):
        back = facsim.read(part)
        np.testing.assert_array_equal(back.features, expected.features)
        np.testing.assert_array_equal(back.conditions, expected.conditions)


@pytest.mark.parametrize(("second", "fraction"), [("a.h5", 0.5), ("b.h5", 0.0), ("b.h5", 1.0), ("b.h5", 1.5)])
def test_split_refuses(truth, tmp_path, second, fraction):
    with pytest.raises(DataError):
        facsim.split(truth[0], tmp_path / "a.h5", tmp_path / second, fraction=fraction)
    assert [p.name for p in tmp_path.iterdir()] == ["truth.h5"]


def test_info_of_a_missing_file():
    with pytest.raises(FileFormatError, match="no such file"):
        facsim.info("nowhere.h5")


class Free(Smear):
    latent = 1
    condition_range = (np.empty(0), np.empty(0))
    schema = Schema((Block("seen"),))

    def _generate(self, conditions, noise):  # noqa: ARG002
        return noise


def test_samplers_without_conditions_are_asked_for_a_number():
    assert len(facsim.sample(Free(), n=7, seed=1)) == len(Free().sample(7, seed=1)) == 7
    with pytest.raises(DataError, match="n is missing"):
        facsim.sample(Free())
    with pytest.raises(DataError, match="0 events"):
        Free().sample(0)


def test_categories_are_drawn_whole_and_by_name():
    label = Block("label", (), "category", names=("qcd", "wprime", "top"))
    schema = Schema((), (label, Block("energy", (), "energy", "GeV")))
    drawn = draw_conditions(schema, {"label": "0:2", "energy": 50}, 3000, seed=1)
    share = np.bincount(drawn[:, 0].astype(int)) / 3000
    np.testing.assert_allclose(share, 1 / 3, atol=5 * np.sqrt(2 / 9 / 3000))  # 5 standard deviations
    assert (drawn[:, 0] == drawn[:, 0].round()).all()
    assert (draw_conditions(schema, {"label": "wprime", "energy": 50}, 3, seed=1)[:, 0] == 1).all()
