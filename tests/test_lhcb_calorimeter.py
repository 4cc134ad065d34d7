"""The 30 x 30 calorimeter: real Geant4 at 1-2 GeV, conditions of the school's files, quantities along the track."""

import importlib.util
import os

import numpy as np
import pytest
from click.testing import CliRunner

import facsim
from facsim.cli import cli
from facsim.errors import DataError, RangeError, SimulationError
from facsim.simulators import LHCbCalorimeter, simulate

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
