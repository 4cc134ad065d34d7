"""MC dropout as an ensemble, and spreads of several quantities at once."""

import numpy as np
import pytest
import torch
from torch import nn

from facsim import Block, Events, Schema
from facsim.errors import CapabilityError, DataError
from facsim.models import family, load
from facsim.models.composite import thinned
from facsim.models.composite.dropout import MASKS
from facsim.nets.residual import NormedMLP
from facsim.runtime import Spread, held_out, held_out_all, joined, spread

SCHEMA = Schema((Block("y"), Block("z")), (Block("x"),))
RATE = 0.25


def events(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (n, 1))
    return Events(np.hstack([np.sin(x), x]) + 0.3 * rng.normal(size=(n, 2)), x, SCHEMA)


@pytest.fixture(scope="module")
def single():
    cls = family("mixture")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = cls(SCHEMA, cls.config_type(components=3, hidden=32, blocks=2, dropout=RATE))
        for stack in (*model.net.net.blocks, model.net.net.leave):  # as after a training: they begin at zero
            nn.init.normal_(stack[-1].weight, std=0.05)
    model.prepare(events(2000, 0))
    return model.eval()


def test_a_member_is_the_network_with_one_choice_of_what_is_dropped(single):
    ensemble = thinned(single, 3, seed=5)
    x, z = (
        torch.linspace(-2, 2, 40)[:, None],
        torch.randn(40, single.latent, generator=torch.Generator().manual_seed(1)),
    )
    for member in range(3):
        random = np.random.default_rng([5, MASKS, member])
        masks = [torch.from_numpy(random.random(32) >= RATE).float() / (1 - RATE) for _ in range(3)]
        hooks = [
            stack[-1].register_forward_pre_hook(lambda _, inputs, mask=mask: (inputs[0] * mask,))
            for stack, mask in zip((*single.net.net.blocks, single.net.net.leave), masks, strict=True)
        ]
        with torch.no_grad():
            expected = single(x, z)
        for hook in hooks:
            hook.remove()
        with torch.no_grad():
            torch.testing.assert_close(ensemble.of_member(member, x, z), expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        assert (ensemble.of_member(0, x, z) - single(x, z)).abs().max() > 1e-3
        torch.testing.assert_close(thinned(single, 2, seed=5).of_member(1, x, z), ensemble.of_member(1, x, z))
        assert (thinned(single, 2, seed=6).of_member(1, x, z) - ensemble.of_member(1, x, z)).abs().max() > 1e-3


def test_it_is_saved_and_judged_as_any_ensemble(single, tmp_path):
    ensemble = thinned(single, 4)
    again = load(ensemble.save(tmp_path))
    x = np.linspace(-1, 1, 20)[:, None]
    np.testing.assert_array_equal(again.sample(x, member=2).features, ensemble.sample(x, member=2).features)
    assert spread(again, x, "y").sigma[0] > 0


def test_without_dropout_there_is_nothing_to_keep_on(single):
    cls = family("mixture")
    plain = cls(SCHEMA, cls.config_type(components=2, hidden=8))
    assert not any(isinstance(module, nn.Dropout) for module in NormedMLP(3, 2, hidden=8).modules())
    with pytest.raises(CapabilityError, match=r"'mixture' has no dropout.*--set model.dropout=0.1"):
        thinned(plain, 3)
    with pytest.raises(DataError, match="members=1"):
        thinned(single, 1)


def test_dropout_acts_in_training_alone():
    torch.manual_seed(0)
    net = NormedMLP(3, 2, hidden=64, blocks=1, dropout=0.5)
    nn.init.normal_(net.leave[-1].weight)
    x = torch.randn(5, 3)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))


def test_several_quantities_of_events_that_are_drawn_once(single):
    ensemble, truth = thinned(single, 3), events(900, 2).with_weights(np.linspace(-0.2, 1.2, 900))
    bins = np.arange(900) % 4
    quantities = {"y": "y", "positive": lambda e: e["z"] > 0}
    found = held_out_all(ensemble, truth, quantities, bins, seed=7)
    for name, quantity in quantities.items():
        one = held_out(ensemble, truth, quantity, bins, seed=7)
        for field in ("values", "spread", "statistical", "truth"):
            np.testing.assert_array_equal(getattr(found[name], field), getattr(one, field))
    both = joined([found["y"], found["positive"].of_bins([2, 0])])
    np.testing.assert_array_equal(both.pulls, np.concatenate([found["y"].pulls, found["positive"].pulls[[2, 0]]]))
    np.testing.assert_array_equal(both.of_bins(np.arange(6) > 3).sigma, found["positive"].sigma[[2, 0]])
    pooled = found["y"].pooled(0.25)
    square = found["y"].spread ** 2
    np.testing.assert_allclose(pooled.spread**2, 0.75 * square + 0.25 * square.mean())
    np.testing.assert_array_equal(found["y"].pooled(0.0).spread, found["y"].spread)
    with pytest.raises(DataError, match="share=2: must be between 0"):
        found["y"].pooled(2)
    with pytest.raises(DataError, match="one factor"):
        joined([found["y"], found["y"].scaled(2.0)])
    with pytest.raises(DataError, match="truth in all or in none"):
        joined([found["y"], spread(ensemble, truth, "y", bins)])


def test_members_that_agree_in_one_bin_by_chance_are_helped_by_the_others():
    rng = np.random.default_rng(4)
    truth = 0.3 * rng.normal(size=60)
    truth[7] = 0.3  # where all members say 0
    sigma = np.where(np.arange(60) == 7, 0.0, 0.3)
    found = Spread(np.zeros((5, 60)), sigma, np.full(60, 0.01), truth)
    with pytest.raises(DataError, match=r"pool bins, as in spread.pooled\(\)"):
        found.calibrated()
    fitted = found.pooled().calibrated()
    assert fitted.factor == pytest.approx(1, abs=4 / 120**0.5)
    assert fitted.coverage()[0] == pytest.approx(0.683, abs=4 * fitted.coverage()[1])
