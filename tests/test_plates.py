"""The calorimeter with variable plates: depth, physics of sampling, geometry rebuilt in place."""

import importlib.util
import os

import numpy as np
import pytest

from facsim.errors import RangeError, SimulationError
from facsim.simulators.parametric.plates import Plates


@pytest.fixture(scope="module")
def plates(request):
    if importlib.util.find_spec("geant4_pybind") is None:
        pytest.skip("geant4-pybind is not installed")
    with pytest.MonkeyPatch.context() as patch:
        if "GEANT4_DATA_DIR" not in os.environ:
            patch.setenv("GEANT4_DATA_DIR", str(request.getfixturevalue("shared_data") / "geant4"))
        yield Plates()


def test_plates_fill_the_depth_and_not_more_than_one_repetition_more():
    simulator = Plates()
    for absorber, gap in simulator.space.draw(200, seed=0):
        depth = simulator.calorimeter(absorber, gap).depth_mm
        assert 480 - 1e-6 <= depth < 480 + absorber + gap
    assert simulator.calorimeter(2.0, 4.0) == simulator.setup.calorimeter


def test_default_plates_are_calogan(plates):
    events = plates.sample([[2, 4, 2.0]] * 8, seed=1)
    visible, absorbed = events["visible"].sum(1), events["absorbed"].sum(1)
    assert ((visible + absorbed) < 2000).all()
    assert ((visible + absorbed) > 1800).all()  # 27 radiation lengths hold a shower of 2 GeV
    # the argon's share of an electron's shower in 2 mm Pb + 4 mm lAr is 0.187 (40 showers of 5 GeV: 0.1858 +- 0.001)
    assert (visible / (visible + absorbed)).mean() == pytest.approx(0.187, abs=0.012)


def test_the_share_of_the_argon_follows_the_thicknesses(plates):
    rows = np.repeat([[1.0, 4.0, 1.0], [2.0, 4.0, 1.0], [4.0, 4.0, 1.0]], 4, axis=0)
    visible = plates.sample(rows, seed=2)["visible"].sum(1).reshape(3, 4).mean(1)
    assert visible[0] > 1.3 * visible[1] > 1.6 * visible[2]  # by 40 % each time; 4 events are good to 5 %


def test_a_rebuilt_block_gives_the_events_of_a_new_one(plates):
    rows = np.array([[1.0, 1.0, 0.3], [2.0, 4.0, 0.3], [5.0, 2.0, 0.3], [2.0, 4.0, 0.3]])
    events = plates.sample(rows, seed=3)
    fresh = Plates(workers=1).sample(rows[[1, 1]], seed=3)  # another process, which begins with these plates
    np.testing.assert_array_equal(fresh.features[1], events.features[1])
    assert len(np.unique(events.features, axis=0)) == 4


def test_cells_add_up_to_the_layers(plates):
    rows = [[3.0, 2.0, 0.5]] * 2
    cells = Plates(cells=True).sample(rows, seed=4)
    assert cells["layer_1"].shape == (2, 12, 12)
    sums = np.stack([cells[f"layer_{k}"].reshape(2, -1).sum(1) for k in range(3)], axis=1)
    np.testing.assert_allclose(sums, plates.sample(rows, seed=4)["visible"], rtol=1e-5, atol=1e-6)


def test_bad_input():
    with pytest.raises(RangeError, match="absorber is 9"):
        Plates().sample([[9, 4, 1.0]])
    with pytest.raises(SimulationError, match=r"e\+"):
        Plates(particle="positron")
