"""A farm's latency against closed forms and against every event followed one by one."""

import numpy as np
import pytest

from facsim.deploy import Farm
from facsim.errors import DataError


def one_by_one(farm, rate, window, events, seed):
    """Latency (events,) of a discrete-event simulation."""
    rng = np.random.default_rng(seed)
    arrived = np.cumsum(rng.exponential(1 / rate, events))
    each = farm.per_track * farm.tracks
    free = np.zeros(farm.cores)
    answered = np.empty(events)
    if not window:
        for i, (time, core) in enumerate(zip(arrived, rng.integers(farm.cores, size=events), strict=True)):
            free[core] = answered[i] = max(time, free[core]) + farm.overhead + each
        return answered - arrived
    number = np.floor(arrived / window).astype(int)
    windows, first = np.unique(number, return_index=True)
    for which, start, stop in zip(windows, first, [*first[1:], events], strict=True):
        core = which % farm.cores
        free[core] = max((which + 1) * window, free[core]) + farm.overhead + each * (stop - start)
        answered[start:stop] = free[core]
    return answered - arrived


@pytest.mark.parametrize("load", [0.3, 0.8])
def test_without_a_window_it_is_the_queue_m_d_1(load):
    farm = Farm(20e-6, 1e-6, tracks=80, cores=3)
    rate = load * farm.capacity()
    expected = 100e-6 * (1 + load / (2 * (1 - load)))  # Pollaczek and Khinchine
    assert farm.latency(rate).mean == pytest.approx(expected, rel=0.005)  # 100 steps of the grid per call
    assert farm.load(rate) == pytest.approx(load)


@pytest.mark.parametrize(
    ("cores", "window", "load"), [(1, 2e-3, 0.5), (4, 1e-3, 0.9), (2, 0.2e-3, 0.7), (2, 0.0, 0.8), (4, 0.03e-3, 0.5)]
)
def test_latency_is_that_of_events_followed_one_by_one(cores, window, load):
    farm = Farm(60e-6, 1e-6, tracks=100, cores=cores)
    low, high = 1.0, farm.cores / (farm.per_track * farm.tracks)
    for _ in range(60):  # the rate that makes this load
        low, high = (low, (low + high) / 2) if farm.load((low + high) / 2, window) > load else ((low + high) / 2, high)
    found = farm.latency(low, window)
    seen = np.stack([one_by_one(farm, low, window, 12_000, seed)[2_000:] for seed in range(4)])  # 2,000 to settle
    # the error is that of four independent runs, whose events depend on each other; and 1 % of the grid
    for value, each in ((found.mean, seen.mean(1)), (found.p99, np.quantile(seen, 0.99, axis=1))):
        error = each.std(ddof=1) / 2
        assert abs(value - each.mean()) < 5 * error + 0.01 * each.mean()


def test_capacity_is_where_the_load_is_one():
    farm = Farm(50e-6, 1e-6, tracks=100, cores=4)
    for window in (0.0, 1e-3, 1e-2):
        assert farm.load(farm.capacity(window), window) == pytest.approx(1)
    assert farm.capacity(1e-2) > farm.capacity(1e-3) > farm.capacity()  # an overhead is shared by more events
    assert farm.latency(1.01 * farm.capacity(1e-3), 1e-3).mean == np.inf
    assert Farm(50e-6, 1e-6, tracks=100).capacity(40e-6) > 0  # most of such windows are empty


def test_little_traffic_waits_for_window_and_call_alone():
    farm = Farm(50e-6, 1e-6, tracks=100)
    assert farm.latency(1e-3, 10e-3).mean == pytest.approx(5e-3 + 150e-6, rel=1e-3)
    assert farm.latency(1e-3).mean == pytest.approx(150e-6, rel=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Farm(-1, 1e-6, 100),
        lambda: Farm(0, 0, 100),
        lambda: Farm(0, 1e-6, 100, cores=0),
        lambda: Farm(0, 1e-6, 100).latency(0),
        lambda: Farm(0, 1e-6, 100).latency(10, -1),
        lambda: Farm.measured([1, 1], [1e-3, 1e-3], tracks=10),
    ],
)
def test_numbers_that_make_no_sense_are_named(wrong):
    with pytest.raises(DataError, match=r"= "):
        wrong()


def test_measured_calls_give_overhead_and_time_per_track():
    batches = [1, 10, 100, 1000, 10_000]
    farm = Farm.measured(
        batches, [(40e-6 + 0.9e-6 * n) * f for n, f in zip(batches, (1, 1.02, 0.98, 1.02, 1), strict=True)], tracks=50
    )
    assert farm.overhead == pytest.approx(40e-6, rel=0.03)
    assert farm.per_track == pytest.approx(0.9e-6, rel=0.03)
