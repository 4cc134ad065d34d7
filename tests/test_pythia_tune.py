"""The Pythia simulator with parameters: physics, randomness, cost of a point, failures."""

import copy

import numpy as np
import pytest

from facsim.errors import RangeError
from facsim.simulators.parametric.pythia_tune import PythiaTune
from facsim.simulators.parametric.pythia_tune.measured import BLOCKS, measure

pytest.importorskip("pythia8mc")


@pytest.fixture(scope="module")
def simulator():
    return PythiaTune()


def test_monash_gives_the_multiplicity_of_the_z(simulator):
    events = simulator.sample([simulator.space.default] * 400, seed=1)
    # LEP's average is 20.92 (PDG), and Monash is tuned to it; the standard error of 400 events is 0.33
    assert events["n_charged"].mean() == pytest.approx(20.9, abs=1.2)
    # the means that LEP measured: 17.0 pions, 2.24 kaons, 1.05 protons; Monash has them within 10 %
    for name, mean in (("n_pions", 17.0), ("n_kaons", 2.24), ("n_protons", 1.05)):
        assert events[name].mean() == pytest.approx(mean, rel=0.2)
    assert 0.055 < events["one_minus_thrust"].mean() < 0.08  # measured 0.066 to 0.068
    assert (events["spectrum"].sum(1) <= events["n_charged"]).all()
    assert (events["sphericity"] >= events["aplanarity"]).all()


def test_more_coupling_makes_more_particles(simulator):
    low, high = np.tile([0.68, 0.98, 0.11], (150, 1)), np.tile([0.68, 0.98, 0.17], (150, 1))
    events = simulator.sample(np.concatenate([low, high]), seed=2)
    n = events["n_charged"]
    assert n[150:].mean() - n[:150].mean() > 3  # 7 expected, standard error 0.8


def test_events_depend_on_their_place_and_parameters_alone(simulator):
    points = simulator.space.draw(3, seed=0)
    rows = points[[0, 1, 2, 0, 1, 2, 0]]
    events = simulator.sample(rows, seed=5)
    np.testing.assert_array_equal(simulator.sample(rows[:4], seed=5).features, events.features[:4])
    other = simulator.sample(rows[[1, 1, 1, 0, 0, 2, 2]], seed=5)
    np.testing.assert_array_equal(other.features[[1, 3, 5]], events.features[[1, 3, 5]])
    assert not np.array_equal(other.features[0], events.features[0])
    assert len(np.unique(events.features, axis=0)) == 7
    assert not np.array_equal(simulator.sample(rows, seed=6).features, events.features)


def test_a_point_costs_one_start_up():
    from facsim.simulators.jets.generator import event_seed
    from facsim.simulators.parametric.pythia_tune.generator import Generator

    generator, point = Generator(), {"StringZ:aLund": 0.7, "StringZ:bLund": 1.0, "TimeShower:alphaSvalue": 0.13}
    assert generator.set(point)
    first = generator.events([event_seed(0, 0, k) for k in range(3)])
    assert generator.set(dict(point))
    assert generator.starts == 1
    assert generator.set({**point, "StringZ:aLund": 0.2})
    assert generator.set(point)
    assert generator.starts == 3
    again = generator.events([event_seed(0, 0, k) for k in range(3)])
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_an_event_that_pythia_cannot_make_is_nan():
    momenta = np.ones((2, 3, 3))
    momenta[1] = np.nan
    found = measure(momenta, np.full((2, 3), 211), np.ones((2, 3)))
    assert found.shape == (2, sum(b.size for b in BLOCKS))
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


def test_parameters_outside_their_range_are_refused(simulator):
    with pytest.raises(RangeError, match=r"alphaS is 0\.3"):
        simulator.sample([[0.68, 0.98, 0.3]])


class InThrees(PythiaTune):
    """Jobs of three events."""

    shard = 3


def test_the_number_of_workers_does_not_change_the_events(simulator):
    rows = np.tile(simulator.space.default, (7, 1))
    one, two = (InThrees(workers=workers).sample(rows, seed=3).features for workers in (1, 2))
    np.testing.assert_array_equal(one, two)
    assert len(np.unique(one, axis=0)) == 7


def test_a_worker_that_dies_costs_its_job_and_is_replaced():
    simulator, rows = InThrees(), np.tile(PythiaTune.space.default, (4, 1))
    before = simulator.sample(rows, seed=3)
    (pool,) = simulator.crew._idle
    pool._processes[0].kill()
    pool._processes[0].wait()
    calls = simulator.call(rows, seed=3)
    assert calls.failed.tolist() == [True, True, True, False]
    assert "killed by signal 9" in calls.summary()
    np.testing.assert_array_equal(calls.events.features, before.features[3:])


def test_a_copy_starts_workers_of_its_own(simulator):
    simulator.sample([simulator.space.default], seed=1)
    again = copy.copy(simulator)
    assert "crew" not in again.__dict__
    assert again == simulator
