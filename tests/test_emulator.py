"""Emulators: trained from calls of a simulator, and judged with floors; a distorted copy is found."""

import logging

import numpy as np
import pytest
import torch
from torch import nn

from facsim import Block
from facsim.errors import DataError, SchemaMismatch
from facsim.observables.streaks import streaks
from facsim.simulators.parametric import Parameter, ParametricSimulator, Space, parametric
from facsim.tuning.emulator import evaluate_emulator, points_of, train_emulator
from facsim.tuning.emulator.gradient import gradient_check
from facsim.tuning.emulator.train import training_events

QUICK = {"training.steps": 4, "training.validate_every": 4, "training.batch": 8}


class Bars(ParametricSimulator):
    """Noisy images of a horizontal bar: its height and brightness are the parameters."""

    name, summary = "bars", "a bar"
    space = Space((Parameter("height", -1, 1), Parameter("light", 1, 2)))
    features = (Block("image", (8, 8)),)
    shift = 0.0
    fails_above = 9.0

    def _simulate(self, conditions, rng):
        height, light = conditions.T[:, :, None, None]
        rows = np.arange(8)[None, :, None] - 3.5
        image = light * np.exp(-((rows - 3 * (height + self.shift)) ** 2) / 4) * np.ones((1, 1, 8))
        image = (image + 0.1 * rng.normal(size=image.shape)).reshape(len(conditions), -1)
        image[conditions[:, 1] > self.fails_above] = np.nan
        return image


class BarNet(nn.Module):
    """The same as a differentiable emulator, without noise; `turned` moves the bar the other way."""

    latent = 1

    def __init__(self, turned=False):
        super().__init__()
        self.sign = -1 if turned else 1

    def forward(self, conditions, noise):  # noqa: ARG002 - the interface
        height, light = conditions.T[:, :, None]
        rows = (torch.arange(64) // 8 - 3.5)[None]
        return light * torch.exp(-((rows - 3 * self.sign * height) ** 2) / 4)


@pytest.fixture(scope="module")
def perfect():
    return evaluate_emulator(Bars(), Bars(), n=800, seed=3, reader_steps=300, epochs=4)


def test_the_simulator_is_a_perfect_emulator_of_itself(perfect):
    auc = perfect["auc"]
    assert abs(auc["value"] - 0.5) < 4 * auc["error"]
    assert abs(auc["floor"] - 0.5) < 4 * auc["floor_error"]
    assert perfect["pixels"]["mae"] == pytest.approx(perfect["pixels"]["mae_floor"], rel=0.05)
    for figures in perfect["round_trip"].values():
        assert abs(figures["bias"]) < 4 * figures["error"]
        assert figures["width"] == pytest.approx(1, abs=0.15)  # statistical error of each: 1 / sqrt(1600) = 2.5 %
    for figures in perfect["histograms"].values():
        assert figures["chi2_ndf"] < 2.5  # 19 degrees of freedom: exceeded in 3 of 10,000
        assert figures["w1"] < 5 * max(figures["w1_floor"], 0.02)
    assert set(perfect["speed"]) == {"1", "4096"}
    assert perfect["calls"] == 4000  # no torch module: no gradients


def test_a_distorted_copy_is_found(perfect):
    copy = Bars()
    copy.shift = 0.2
    found = evaluate_emulator(copy, Bars(), n=800, seed=3, reader_steps=300, epochs=4)
    assert found["auc"]["value"] > perfect["auc"]["value"] + 5 * perfect["auc"]["error"]
    height = found["round_trip"]["height"]
    assert height["bias"] == pytest.approx(0.1, abs=0.03)  # a shift of 0.2 in a range of 2
    assert height["bias_share"] > 0.05
    assert abs(found["round_trip"]["light"]["bias"]) < 0.03


def test_gradients_are_compared_with_finite_differences():
    from facsim.tuning.emulator.judges import Reader

    bars = Bars()
    points = bars.space.draw(2000, seed=9)
    reader = Reader(bars.sample(points, seed=9), bars.space.to_unit(points), steps=200)
    right, wrong = (gradient_check(BarNet(turned), bars, reader, points=16, seed=1) for turned in (False, True))
    assert right["cosine"] > 0.9
    assert right["ratio"] == pytest.approx(1, abs=0.2)
    assert right["cosine_floor"] > 0.8
    assert wrong["cosine"] < 0
    assert right["calls"] == 2 * 2 * 16 * 4


def test_any_recipe_is_trained_over_the_whole_space(tmp_path):
    changes = {**QUICK, "model.net.hidden": 4, "model.net.planes": 4}
    model = train_emulator(Bars(), calls=200, recipe="regression", overrides=changes, folder=tmp_path / "run")
    low, high = model.condition_range
    assert (low <= Bars.space.low).all()
    assert (high >= Bars.space.high).all()
    assert (tmp_path / "run" / "model.safetensors").is_file()
    assert model.provenance["simulator"] == "bars"
    assert model.schema == Bars().schema


def test_every_point_is_called_as_often_as_its_group_is_large():
    events = training_events(Bars(), 200, 2, seed=1)
    np.testing.assert_array_equal(events.conditions[::2], events.conditions[1::2])
    assert len(np.unique(events.conditions, axis=0)) == 100
    assert (events.features[::2] != events.features[1::2]).all()
    lines = training_events(parametric("lines"), 200, 2, seed=1)  # no randomness: one call says it all
    assert len(lines) == 400
    np.testing.assert_array_equal(lines.features[::2], lines.features[1::2])
    assert len(np.unique(lines.conditions, axis=0)) == 200


def test_a_point_with_a_failed_call_is_left_out_whole(caplog):
    bars = Bars()
    bars.fails_above = 1.5
    with caplog.at_level(logging.WARNING):
        events = training_events(bars, 400, 2, seed=1)
    assert (events.conditions[:, 1] <= 1.5).all()
    np.testing.assert_array_equal(events.conditions[::2], events.conditions[1::2])
    assert "light 1.5" in caplog.text


def test_what_does_not_fit_is_named():
    with pytest.raises(DataError, match=r"20 calls .* too few for an emulator"):
        train_emulator(Bars(), calls=20)
    with pytest.raises(DataError, match=r"at least 200 events"):
        evaluate_emulator(Bars(), Bars(), n=20)
    with pytest.raises(SchemaMismatch, match=r"emulator and simulator bars differ"):
        evaluate_emulator(parametric("lines"), Bars())


def test_streaks_are_those_of_the_lines_that_were_drawn():
    lines = parametric("lines", shortest=14)
    theta = points_of(lines, 200, seed=1)
    found = streaks(lines.sample(theta, seed=1)["image"], 0.5)
    m, c, x0, steps = theta.T
    np.testing.assert_array_equal(found["hits"], steps)
    np.testing.assert_array_equal(found["start"], x0)
    np.testing.assert_array_equal(found["end"], x0 + steps - 1)
    # Rounded by up to half a pixel over 14 columns and more: a slope is off by 3 sqrt(1/12) / 14^1.5 * sqrt(12) = 0.06.
    np.testing.assert_allclose(found["slope"], m, atol=0.1)
    assert np.abs(found["intercept"] - c).mean() < 0.5
    empty = streaks(np.zeros((2, 8, 8)), 0.5)
    assert all((v == 0).all() for v in empty.values())
