"""The 30 x 30 calorimeter: real Geant4 at 1-2 GeV, conditions of the school's files, quantities along the track."""

import importlib.util
import os

import numpy as np
import pytest
from click.testing import CliRunner

import facsim
from facsim import Block, Schema, observables
from facsim.cli import cli
from facsim.errors import DataError, RangeError, SimulationError, WeightError
from facsim.metrics import prd, worst_prd
from facsim.observables.lhcb import quantities, track_quantities
from facsim.simulators import LHCbCalorimeter, simulate

SCHEMA = Schema((Block("x"),), (Block("c"),))
ELECTRON = 0.000510999  # GeV


@pytest.fixture
def geant4_data(request, monkeypatch):
    """Geant4's data: $GEANT4_DATA_DIR, else the reference data; skips without them, or without geant4-pybind."""
    if importlib.util.find_spec("geant4_pybind") is None:
        pytest.skip('geant4-pybind is not installed: pip install "facsim[geant4]"')
    if "GEANT4_DATA_DIR" not in os.environ:
        monkeypatch.setenv("GEANT4_DATA_DIR", str(request.getfixturevalue("shared_data") / "geant4"))


@pytest.mark.usefixtures("geant4_data")
def test_showers_follow_their_tracks_and_depend_on_seed_and_number_alone(tmp_path):
    path = tmp_path / "images.h5"
    line = ["simulate", "lhcb-calorimeter", "-n", "16", "--energy", "1:2", "--workers", "2", "--seed", "3"]
    done = CliRunner().invoke(cli, [*line, "--set", "angle_spread_deg=20", "-o", str(path)])
    assert done.exit_code == 0, done.output
    events = facsim.io.read(path)
    assert events.schema == LHCbCalorimeter().schema
    with facsim.io.open(path) as reader:
        assert reader.attrs["particle"] == "e-, gamma"

    again = LHCbCalorimeter(angle_spread_deg=20).sample(events[:3], seed=3)
    np.testing.assert_array_equal(again.features, events.features[:3])

    momentum, point, images = (events[n].astype(float) for n in ("ParticleMomentum", "ParticlePoint", "EnergyDeposit"))
    total = images.sum((1, 2))
    # 66 x 4 mm of polystyrene see 17.4 % of the energy; 16 showers of 1.5 GeV fluctuate by 10 % each
    assert (total / np.linalg.norm(momentum, axis=1)).mean() == pytest.approx(174, rel=0.08)
    cells = np.arange(30) - 14.5
    centre = np.stack([images.sum(1) @ cells, images.sum(2) @ cells], axis=1) / total[:, None]
    expected = point[:, :2] + 24 * momentum[:, :2] / momentum[:, 2:]  # rows are y, columns x; a shower of 1.5 GeV
    # a cell and a half of scatter each: 0.3 of the mean; x and y exchanged, or a wrong sign, are off by 8 cells
    assert np.abs((centre - expected).mean(0)).max() < 1
    assert np.abs(centre - expected).mean() < 1.5


def test_what_is_drawn_is_what_was_asked_for():
    setup = LHCbCalorimeter(position_spread_mm=60, angle_spread_deg=10).setup
    drawn = setup.draw(np.full(4000, 5.0, np.float32), seed=1)
    np.testing.assert_array_equal(setup.draw(np.full(10, 5.0, np.float32), seed=1, first=90), drawn[90:100])
    kind = drawn[:, 6]
    total = np.linalg.norm(drawn[:, :3].astype(float), axis=1)
    mass = np.where(kind == 0, ELECTRON, 0.0)
    np.testing.assert_allclose(np.hypot(total, mass) - mass, 5.0, rtol=1e-6)
    assert kind.mean() == pytest.approx(0.5, abs=4 * 0.5 / 4000**0.5)
    cosine = drawn[:, 2] / total
    least = np.cos(np.radians(10))
    assert cosine.min() >= least - 1e-6
    assert cosine.mean() == pytest.approx((1 + least) / 2, abs=4 * (1 - least) / (12 * 4000) ** 0.5)  # flat
    assert np.abs(drawn[:, 3:5]).max() == pytest.approx(3, abs=0.01)  # cells of 20 mm
    assert not drawn[:, 5].any()
    assert set(LHCbCalorimeter("gamma").setup.draw(np.ones(20, np.float32), seed=2)[:, 6]) == {1.0}


def test_geant4_gets_kinetic_energy_and_the_point_on_the_face():
    given = np.array([[3.0, 0.0, 4.0, 1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0]], np.float32)
    electron, photon = LHCbCalorimeter().setup.primaries(given)
    # the first axis of Geant4's cells is y, and a cell has 20 mm
    np.testing.assert_allclose(electron[:5], [5000 - 0.511, 40, 20 * (1 + 19 * 0.75), 0, 0.6], rtol=1e-5)
    assert electron[5] == "e-"
    assert photon == [2000.0, 0.0, 0.0, 0.0, 0.0, "gamma"]


def test_the_schools_file_and_the_simulation_have_one_schema(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "EnergyDeposit": rng.exponential(size=(4, 30, 30, 1)),
        "ParticleMomentum": rng.normal(size=(4, 3)),
        "ParticlePoint": rng.normal(size=(4, 3)),
        "ParticlePDG": np.array([11, 22, 22, 11]),
    }
    np.savez(tmp_path / "data.npz", **arrays)
    events = facsim.io.read(tmp_path / "data.npz")
    assert events.schema == LHCbCalorimeter().schema


@pytest.mark.usefixtures("geant4_data")
@pytest.mark.parametrize(
    ("options", "error", "expected"),
    [
        ({"particle": "gama"}, SimulationError, r"known are.*Did you mean .gamma."),
        ({"angle": 3}, DataError, "no option 'angle'.*angle_spread_deg"),
        ({"angle_spread_deg": "wide"}, DataError, "angle_spread_deg='wide' must be of type float"),
        ({"angle_spread_deg": 90}, DataError, "angle_spread_deg=90.*between 0 and 80"),
        ({"position_spread_mm": -1}, DataError, "position_spread_mm=-1.*between 0 and 500"),
        ({"energy": "5:1"}, DataError, "low:high"),
        ({"workers": "two"}, DataError, "workers='two' must be of type int"),
    ],
)
def test_bad_options_are_named(options, error, expected, tmp_path):
    with pytest.raises(error, match=expected):
        simulate("lhcb-calorimeter", n=1, output=tmp_path / "x.h5", **options)


@pytest.mark.parametrize(
    ("changes", "error", "expected"),
    [
        ({2: -1.0}, RangeError, "event 1: a momentum along z above 0 is needed"),
        ({3: 30.0}, RangeError, r"event 1: a track that meets the face \(±500 mm\) is needed"),
        ({6: 2.0}, DataError, r"event 1: 0 or 1 for \('e-', 'gamma'\) is needed"),
    ],
)
def test_tracks_beside_the_calorimeter_are_named(changes, error, expected):
    given = np.tile(np.array([0.0, 0.0, 5.0, 0.0, 0.0, 0.0, 0.0], np.float32), (3, 1))
    for column, value in changes.items():
        given[1, column] = value
    with pytest.raises(error, match=expected):
        LHCbCalorimeter().setup.primaries(given)


# quantities along and across the track --------------------------------------------------------------------------------


def streak(angle, length, start=(0.0, 0.0)):
    """An image of a line of points from `start` on, which ends `length` cells further; much finer than the cells."""
    t = np.linspace(0, length, 20001)
    x, y = start[0] + t * np.cos(angle), start[1] + t * np.sin(angle)
    edges = np.arange(31) - 15.0
    return np.histogram2d(y, x, bins=(edges, edges))[0]  # rows are y


@pytest.mark.parametrize("angle", [0.3, 1.2, 2.5, -2.0])
def test_a_streak_along_the_track(angle):
    momentum = np.array([[np.cos(angle), np.sin(angle), 20.0]])
    point = np.array([[0.3, -0.2]]) - 25 / 20 * momentum[:, :2]  # so that the track is at (0.3, -0.2) in the end
    image = streak(angle, 10.0, (0.3, -0.2))[None]
    found = {k: float(v[0]) for k, v in track_quantities(image, momentum, point).items()}
    # cells blur places by half a cell: the energy behind the start is within one cell of ten
    assert found["asymmetry_along"] > 0.85
    assert abs(found["asymmetry_across"]) < 0.35  # its own cells lie on either side by chance of the grid
    assert found["width_along"] == pytest.approx(10 / 12**0.5, abs=0.15)  # flat over ten cells
    assert found["width_across"] < 0.75  # cells at the start alone
    turned = track_quantities(image, -momentum * [1, 1, -1], point + 2 * 25 / 20 * momentum[:, :2])
    assert turned["asymmetry_along"][0] == pytest.approx(-found["asymmetry_along"])
    assert turned["asymmetry_across"][0] == pytest.approx(-found["asymmetry_across"])
    assert turned["width_along"][0] == pytest.approx(found["width_along"])


def test_a_shift_to_the_left_of_the_track():
    momentum, point = np.array([[0.0, 1.0, 25.0]]), np.array([[0.0, 0.0]])  # along y, so that left is -x
    image = np.zeros((1, 30, 30))
    image[0, :, 10] = 3.0
    image[0, :, 20] = 1.0
    found = track_quantities(image, momentum, point)
    assert found["asymmetry_across"][0] == pytest.approx((3 - 1) / 4)
    assert found["width_across"][0] == pytest.approx(10 * (3 / 4 * 1 / 4) ** 0.5)  # two places ten cells apart


def test_compute_finds_them_where_the_conditions_are():
    rng = np.random.default_rng(1)
    given = LHCbCalorimeter().setup.draw(np.full(6, 5.0, np.float32), seed=1)
    events = facsim.Events(rng.exponential(size=(6, 900)), given, LHCbCalorimeter().schema)
    found = observables.compute(events)
    wanted = track_quantities(events["EnergyDeposit"], events["ParticleMomentum"], events["ParticlePoint"])
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values)
        assert observables.describe(name, events.schema).symbol != name
    more = observables.compute(events, extended=True)
    assert len([name for name in more if name.startswith("cells_above_")]) == 20
    assert len(quantities(events["EnergyDeposit"], given[:, :3], given[:, 3:6])) == 24


def test_the_score_falls_when_images_are_noise():
    """The school's script takes the copies' embedding from the truth: half of its score does not see the copies."""
    rng, schema = np.random.default_rng(0), LHCbCalorimeter().schema
    cells = np.arange(30) - 14.5

    def showers(n):
        given = LHCbCalorimeter().setup.draw(rng.uniform(1, 50, n).astype(np.float32), seed=int(rng.integers(1e6)))
        centre = given[:, 3:5] + 25 * given[:, :2] / given[:, 2:3]
        bell = np.exp(
            -((cells - centre[:, 0, None])[:, None, :] ** 2 + (cells - centre[:, 1, None])[:, :, None] ** 2) / 4
        )
        images = bell * given[:, 2, None, None] * rng.gamma(4.0, size=(n, 30, 30))
        return facsim.Events(images.reshape(n, 900), given, schema)

    mix = rng.normal(size=(900, 16)) / 30  # stands for the regression's inner layer

    def embedding(events):
        return np.tanh(events.features @ mix / 50)

    def physics(events):
        parts = quantities(events["EnergyDeposit"], events["ParticleMomentum"], events["ParticlePoint"])
        return np.column_stack(list(parts.values()))

    truth, again = showers(600), showers(600)
    noise = facsim.Events(rng.permuted(again.features, axis=1), again.conditions, schema)
    views = {"embedding": embedding, "physics": physics}
    good, _ = worst_prd(truth, again, views, clusters=10, runs=2)
    bad, each = worst_prd(truth, noise, views, clusters=10, runs=2)
    # one truth: 1 - 10 (2 / 600) / 2 = 0.983 for equal clusters; unequal ones lose more
    assert good > 0.93
    assert bad < 0.3
    assert each["physics"] < 0.3
    # the view of noisy images alone, as the defect hides it: the other view would still see them
    assert each["embedding"] < good - 0.05


def test_prd_of_known_shares():
    # two clusters, shares (1/2, 1/2) and (1, 0): precision min(lambda/2, 1), recall min(1/2, 1/lambda)
    x, y = np.repeat([0.0, 10.0], 500)[:, None], np.zeros((1000, 1))
    found = prd(x, y, clusters=2, runs=1, normalise=None)
    assert found.auc == pytest.approx(0.5, abs=2e-3)  # the grid of slopes
    assert found.precision[0] == pytest.approx(1)
    assert found.recall[-1] == pytest.approx(0.5)
    assert prd(x, x, clusters=2, runs=1).auc == pytest.approx(1, abs=4e-3)
    assert prd(x, x + 100, clusters=4, runs=1).auc == 0
    # a weight of two is two events
    assert prd(x, y, clusters=2, runs=1, wx=np.repeat([1.0, 3.0], 500)).auc == pytest.approx(0.25, abs=2e-3)
    rng = np.random.default_rng(0)
    loss = [1 - prd(*rng.random((2, 600, 2)), clusters=10, runs=1, seed=seed).auc for seed in range(8)]
    assert np.mean(loss) == pytest.approx(10 / 600, rel=0.5)  # k (1/n + 1/m) / 2; chi-square with 9 x 8: 17 %
    with pytest.raises(WeightError, match="prd cannot take"):
        prd(x, y, wy=np.full(1000, -1.0))
    with pytest.raises(DataError, match="clusters=5000"):
        prd(x, y, clusters=5000)
    with pytest.raises(DataError, match="views is empty"):
        worst_prd(facsim.Events(x, x, SCHEMA), facsim.Events(y, y, SCHEMA), {})


def test_quantities_refuse_what_does_not_fit():
    with pytest.raises(DataError, match="need \\(n, rows, columns\\)"):
        track_quantities(np.ones((2, 30, 30)), np.ones((3, 3)), np.ones((2, 2)))
    with pytest.raises(DataError, match="event 1"):
        track_quantities(np.ones((2, 30, 30)), np.array([[0, 0, 1.0], [0, 0, -1.0]]), np.zeros((2, 3)))
