"""Groups of events under the same conditions stay together from file to batch."""

import numpy as np
import pytest
import torch

from facsim import Block, Events, Schema
from facsim.errors import DataError
from facsim.models import family
from facsim.training import TrainingSettings, fit_model
from facsim.training.data import TrainingData, encode

SCHEMA = Schema((Block("x", (2,)),), (Block("theta"),))
QUICK = {"steps": 6, "batch": 8, "warmup": 0, "validate_every": 6, "checkpoint_every": 3, "group": 2}


def pairs(n, seed=0):
    """n pairs: x scatters around theta, which both events of a pair share."""
    theta = np.random.default_rng(seed).random((n, 1)).repeat(2, axis=0)
    return Events(theta + 0.1 * np.random.default_rng(seed + 1).normal(size=(2 * n, 2)), theta, SCHEMA)


def batches(events, tmp_path, **options):
    model = family("cfm")(SCHEMA, family("cfm").config_type(hidden=8, blocks=1))
    model.prepare(events)
    rows = encode(model, [events], len(events), 512, tmp_path)
    return TrainingData(rows, model, np.arange(2)[None], 8, 3, **{"group": 2, **options})


def test_a_batch_holds_whole_groups_and_an_epoch_all_of_them(tmp_path):
    data = batches(pairs(20), tmp_path)
    theta = torch.cat([data[step].conditions for step in range(5)])[:, 0].view(-1, 2)  # 5 x 8 = one epoch
    assert torch.equal(theta[:, 0], theta[:, 1])
    assert len(theta[:, 0].unique()) == 20
    assert not torch.equal(data[0].conditions, data[5].conditions)  # another order in the next epoch


def test_processes_share_a_batch_in_whole_groups(tmp_path):
    parts = [batches(pairs(20), tmp_path, rank=r, world=2)[1].conditions[:, 0] for r in range(2)]
    assert all(torch.equal(part[::2], part[1::2]) for part in parts)
    assert len(torch.cat(parts).unique()) == 8


def test_a_group_of_one_is_an_event_as_ever(tmp_path):
    order = np.random.default_rng([3, 0, 0]).permutation(40)[:8]
    batch = batches(pairs(20), tmp_path, group=1)[0]
    np.testing.assert_array_equal(batch.conditions.numpy(), pairs(20).conditions[order])


@pytest.mark.parametrize(
    ("events", "changes", "expected"),
    [
        (pairs(20)[1:], {}, "39 events are no multiple of training.group = 2"),
        (pairs(20)[1:-1], {}, "conditions differ within a group.*follow each other"),
        (pairs(1), {}, "1 group of 2"),
    ],
)
def test_what_makes_no_groups_is_refused(tmp_path, events, changes, expected):
    config = family("cfm").config_type(hidden=8, blocks=1)
    with pytest.raises(DataError, match=f"(?s){expected}"):
        fit_model(events, "cfm", config, TrainingSettings(**(QUICK | changes)), tmp_path / "run")


def test_a_batch_of_broken_groups_is_refused():
    with pytest.raises(ValueError, match="batch = 9 is not a multiple of group = 2"):
        TrainingSettings(batch=9, group=2)


def test_a_resumed_training_on_groups_is_the_same_as_a_whole_one(tmp_path):
    config = family("cfm").config_type(hidden=8, blocks=1)

    def stop(done, _):
        if done == 4:
            raise RuntimeError

    fit_model(pairs(20), "cfm", config, TrainingSettings(**QUICK), tmp_path / "whole")
    with pytest.raises(RuntimeError):  # the state of step 3 is there
        fit_model(pairs(20), "cfm", config, TrainingSettings(**QUICK), tmp_path / "cut", progress=stop)
    fit_model(pairs(20), "cfm", config, TrainingSettings(**QUICK), tmp_path / "cut", resume=True)
    whole, cut = ((tmp_path / run / "state.safetensors").read_bytes() for run in ("whole", "cut"))
    assert whole == cut
