"""Events, schemas, conditions and files of the ground floor."""

import errno

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facsim import Block, Events, Grid, Schema, concatenate
from facsim.errors import DataError, MissingExtra, SchemaMismatch, require
from facsim.files import atomic, write_json
from facsim.sampler import as_conditions, flat, noise, parse_range

SCHEMA = Schema(
    (Block("layer_0", (2, 3), "energy", "MeV"), Block("time", (), "real", "ns")),
    (Block("energy", (), "energy", "GeV"),),
)


def make(n, seed=0, weights=False):
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=n) if weights else None
    return Events(rng.random((n, 7)), rng.random((n, 1)), SCHEMA, drawn)


def test_a_block_is_a_view_not_a_copy():
    events = make(5)
    assert events["layer_0"].shape == (5, 2, 3)
    assert np.shares_memory(events["layer_0"], events.features)
    assert events["energy"].shape == (5,)
    with pytest.raises(SchemaMismatch, match="Did you mean 'layer_0'"):
        events["layer_o"]


@given(st.integers(1, 30), st.floats(0, 1), st.integers(0, 5))
def test_a_split_keeps_every_event_once(n, fraction, seed):
    events = Events(np.repeat(np.arange(n, dtype=np.float32)[:, None], 7, 1), np.zeros((n, 1)), SCHEMA)
    first, second = events.split(fraction, seed)
    assert len(first) == round(fraction * n)
    assert sorted([*first["time"], *second["time"]]) == list(range(n))
    again, _ = events.split(fraction, seed)
    np.testing.assert_array_equal(first.features, again.features)


def test_slicing_and_concatenation_are_inverse():
    events = make(10, weights=True)
    joined = concatenate([events[:3], events[3:7], events[np.arange(7, 10)]])
    np.testing.assert_array_equal(joined.features, events.features)
    np.testing.assert_array_equal(joined.weights, events.weights)
    assert len(events[events["time"] > 2]) == 0
    assert len(events[-1]) == 1


def test_concatenation_refuses_what_does_not_belong_together():
    other = Events(np.zeros((1, 6)), np.zeros((1, 1)), Schema((Block("layer_0", (6,)),), SCHEMA.conditions))
    with pytest.raises(SchemaMismatch, match=r"layer_0 \(2, 3\) in MeV against layer_0 \(6,\)"):
        concatenate([make(2), other])
    with pytest.raises(DataError, match="weighted and unweighted"):
        concatenate([make(2), make(2, weights=True)])
    with pytest.raises(DataError, match="at least one"):
        concatenate([])


def test_select_picks_blocks_in_the_asked_order():
    events = make(4).select(["time", "layer_0"])
    assert [b.name for b in events.schema.features] == ["time", "layer_0"]
    np.testing.assert_array_equal(events["layer_0"], make(4)["layer_0"])
    with pytest.raises(SchemaMismatch, match="no block 'x'"):
        make(4).select(["x"])


@pytest.mark.parametrize(
    ("features", "conditions", "weights"),
    [
        (np.zeros((2, 6)), np.zeros((2, 1)), None),
        (np.zeros((2, 7)), np.zeros((3, 1)), None),
        (np.zeros((2, 7)), np.zeros((2, 1)), [1.0]),
    ],
)
def test_wrong_shapes_are_refused(features, conditions, weights):
    with pytest.raises(DataError, match=r"shape \("):
        Events(features, conditions, SCHEMA, weights)


def test_check_names_block_event_and_value():
    for value, words in ((np.nan, "not finite"), (-1.0, "a negative energy")):
        features = np.ones((3, 7))
        features[1, 2] = value
        with pytest.raises(DataError, match=f"showers.h5: block 'layer_0', event 1, column 2 .*{words}"):
            Events(features, np.ones((3, 1)), SCHEMA).check("showers.h5")
    with pytest.raises(DataError, match="empty"):
        make(0).check()
    with pytest.raises(DataError, match="weight of event 1"):
        make(2).with_weights([1, np.inf]).check()
    assert make(3, weights=True).check()


def test_schema_survives_json_and_names_its_first_difference():
    grid = Grid(("x", "y"), ((-1, 0, 1), (0, 1, 2, 3)), (0, 90))
    schema = Schema((Block("layer_0", (2, 3), "energy", "MeV", grid=grid, threshold=0.01),), SCHEMA.conditions, "toy")
    assert Schema.from_json(schema.to_json()) == schema
    moved = Schema((Block("layer_0", (2, 3), "energy", "MeV", grid=grid, threshold=0.02),), SCHEMA.conditions)
    assert "differs in its threshold" in schema.first_difference(moved)
    assert "time in ns is only in the second" in SCHEMA.select(["layer_0"]).first_difference(SCHEMA)
    assert schema.first_difference(Schema.from_json(schema.to_json())) is None
    with pytest.raises(SchemaMismatch, match="not a schema"):
        Schema.from_json({"features": [{"colour": "red"}]})


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Block("a", kind="enrgy"),
        lambda: Block("a", (0,)),
        lambda: Schema((Block("a"),), (Block("a"),)),
        lambda: Grid(("x", "y"), ((0, 1), (1, 0)), (0, 1)),
        lambda: Grid(("x", "z"), ((0, 1), (0, 1)), (0, 1)),
        lambda: Block("a", (2, 2), grid=Grid(("x", "y"), ((0, 1), (0, 1)), (0, 1))),
    ],
)
def test_impossible_schemas_are_refused(wrong):
    with pytest.raises(DataError):
        wrong()


def test_cylinder_cells_lie_where_they_should():
    grid = Grid(("alpha", "r"), (tuple(np.linspace(-np.pi, np.pi, 5)), (0, 2, 4)), (0, 1))
    assert grid.shape == (4, 2)
    np.testing.assert_allclose(np.hypot(grid.centres("x"), grid.centres("y")), grid.centres("r"))
    np.testing.assert_allclose(grid.centres("r"), [1, 3] * 4)


def test_conditions_come_as_events_mappings_or_arrays():
    events = make(3)
    expected = events.conditions
    for given_as in (events, {"energy": events["energy"]}, events.conditions, events["energy"]):
        np.testing.assert_array_equal(as_conditions(given_as, SCHEMA), expected)
    for wrong in ({"enregy": [1.0]}, np.zeros((3, 2)), [np.inf], [-1.0], "abc", [None]):
        with pytest.raises(DataError):
            as_conditions(wrong, SCHEMA)


@pytest.mark.parametrize("text", ["", "a", "1:", "5:1", "0", "-3", "log:5", "1:2:3", "nan", "1:inf"])
def test_ranges_that_make_no_sense_are_refused(text):
    with pytest.raises(DataError, match="write one positive number"):
        parse_range(text)


def test_drawn_energies_follow_their_law():
    drawn = np.log(flat("log:1:100", 20_000, seed=1)) / np.log(100)
    assert abs(drawn.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 20_000)
    np.testing.assert_array_equal(flat("1:100", 10, 3), flat("1:100", 20, 3)[:10])
    assert set(flat("50", 3, 0)) == {50.0}


def test_noise_of_shards_is_independent():
    a, b = noise(0, 0, 1024, 4), noise(0, 1, 1024, 4)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / np.sqrt(4096)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.json"
    write_json(target, {"x": 1})

    def fail():
        with atomic(target) as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fail()
    with pytest.raises(ValueError, match="JSON"):
        write_json(target, {"x": float("nan")})
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert '"x": 1' in target.read_text()


def test_a_missing_package_comes_with_its_install_command():
    with pytest.raises(MissingExtra, match=r'pip install "facsim\[geant4\]"'):
        require("no_such_module", "geant4", "simulating showers")


def test_a_file_is_as_readable_as_any_other(tmp_path):
    import os

    (tmp_path / "plain").write_text("x")
    with atomic(tmp_path / "ours") as temporary:
        os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode
