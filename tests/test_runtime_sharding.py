"""Laws of the shared sampling mechanics: chunking, threads, order, memory, range."""

import threading
import time

import numpy as np
import pytest

from facsim import Block, Schema
from facsim.errors import DataError, RangeError, RangeWarning
from facsim.sampler import SHARD, Sampler
from facsim.sharding import ShardSampler, check_range, run_shards

CONDITIONS = np.linspace(1, 100, 3 * SHARD + 200, dtype=np.float32)[:, None]


def toy(conditions, noise):
    return np.concatenate([conditions * noise[:, :1], noise], axis=1)


class Toy(ShardSampler):
    schema = Schema((Block("a"), Block("b", (2,))), (Block("energy", (), "energy", "GeV"),))
    latent = 2
    condition_range = (np.array([1.0]), np.array([100.0]))

    def _generate(self, conditions, noise):
        return toy(conditions, noise)


def run(**options):
    return np.concatenate(list(run_shards(toy, CONDITIONS, **{"latent": 2, "seed": 3, "threads": 1} | options)))


@pytest.mark.parametrize("threads", [2, 3, 16, None])
def test_same_events_for_any_number_of_threads(threads):
    np.testing.assert_array_equal(run(threads=threads), run())


@pytest.mark.parametrize("start", [0, 1, SHARD - 1, SHARD, SHARD + 7, 3 * SHARD + 199, len(CONDITIONS)])
def test_a_stream_resumes_anywhere(start):
    whole = Toy().sample(CONDITIONS, seed=3)
    pieces = list(Toy().stream(CONDITIONS, seed=3, start=start, threads=2))
    assert sum(map(len, pieces)) == len(CONDITIONS) - start
    if pieces:
        np.testing.assert_array_equal(np.concatenate([p.features for p in pieces]), whole.features[start:])
        np.testing.assert_array_equal(np.concatenate([p.conditions for p in pieces]), CONDITIONS[start:])


def test_seeds_and_shards_differ():
    first, second = run(), run(seed=4)
    assert not np.isclose(first[:, 1], second[:, 1]).any()
    assert not np.isclose(first[:SHARD, 1], first[SHARD : 2 * SHARD, 1]).any()


def test_order_is_kept_when_the_first_shard_is_the_slowest():
    def slow_first(conditions, noise):
        if conditions[0, 0] == 1:
            time.sleep(0.05)
        return toy(conditions, noise)

    np.testing.assert_array_equal(
        np.concatenate(list(run_shards(slow_first, CONDITIONS, latent=2, seed=3, threads=4))), run()
    )


def test_memory_is_bounded_and_an_abandoned_stream_stops():
    begun, lock = [], threading.Lock()

    def count(conditions, noise):
        with lock:
            begun.append(len(conditions))
        return noise

    pieces = run_shards(count, np.zeros((100 * SHARD, 1), np.float32), latent=1, seed=0, threads=2)
    next(pieces)
    time.sleep(0.05)  # a thread that ran ahead would show here
    assert len(begun) <= 3  # threads + 1
    pieces.close()
    assert len(begun) <= 3


def test_an_error_in_a_shard_reaches_the_caller():
    def broken(conditions, _):
        raise ArithmeticError(len(conditions))

    with pytest.raises(ArithmeticError):
        list(run_shards(broken, CONDITIONS, latent=1, seed=0, threads=2))


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"threads": 0}, {"start": -1}, {"start": len(CONDITIONS) + 1}])
def test_impossible_arguments(wrong):
    with pytest.raises(DataError, match=next(iter(wrong))):
        run(**wrong)


def test_empty_request():
    empty = Toy().sample(np.empty((0, 1)))
    assert empty.features.shape == (0, 3)
    assert list(Toy().stream(np.empty((0, 1)))) == []
    assert isinstance(Toy(), Sampler)


def test_range_says_by_how_much_and_for_how_many():
    low, high, names = [1, -1], [100, 1], ["energy in GeV", "angle"]
    inside = np.array([[1, -1], [100, 1]], np.float32)
    check_range(inside, low, high, names)
    outside = np.array([[0.5, 0], [140, 0], [130, 0], [50, 0]], np.float32)
    with pytest.warns(RangeWarning, match=r"^energy in GeV: 3 of 4 .* 1 to 100, by up to 40 \(value 140\)") as caught:
        check_range(outside, low, high, names)
    assert "angle" not in str(caught[0].message)
    with pytest.raises(RangeError, match="angle: 1 of 1"):
        check_range(np.array([[50, 2]], np.float32), low, high, names, strict=True)


def test_samplers_warn_at_the_call_and_refuse_when_strict():
    with pytest.warns(RangeWarning) as caught:
        Toy().sample([200.0])
    assert caught[0].filename == __file__
    with pytest.warns(RangeWarning) as caught:
        Toy().stream([200.0])  # without asking for an event
    assert caught[0].filename == __file__
    with pytest.raises(RangeError):
        Toy().sample([200.0], strict=True)
    with pytest.raises(RangeError):
        Toy().stream([200.0], strict=True)
