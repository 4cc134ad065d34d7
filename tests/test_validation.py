"""What chooses the checkpoint."""

import numpy as np
import pytest

from facsim import Block, Events, Schema, datasets
from facsim.training.validation import Validation


class Copies:
    """In the place of a model: other true events, each pixel moved by less than half a level."""

    def __init__(self, events, noise):
        self.events, self.noise = events, noise

    def sample(self, events, *, seed):
        moved = np.random.default_rng(seed).uniform(-self.noise, self.noise, events.features.shape)
        found = self.events.features[: len(events)] + moved
        return Events(found, np.empty((len(found), 0)), events.schema)


def test_whole_numbers_are_compared_as_whole_numbers():
    digits = datasets.load("digits")
    schema = Schema((Block("image", (8, 8), "energy"),))
    pixels = digits.features[np.random.default_rng(0).permutation(len(digits))[:400]]
    whole, finer = (Events(x, np.empty((400, 0)), schema) for x in (pixels, pixels * np.float32(1.25)))
    figures = Validation(whole[:200], seed=1)(Copies(whole[200:], 0.49))
    assert figures == Validation(whole[:200], seed=1)(Copies(whole[200:], 0.0))
    # 200 against 200 of one truth: 0.5 with an error of 0.03 to 0.04, four of which are allowed for
    assert figures["auc"] == pytest.approx(0.5, abs=0.15)
    # where levels are no whole numbers nothing is rounded, and pixels that are never empty give all copies away
    assert Validation(finer[:200], seed=1)(Copies(finer[200:], 0.49))["auc"] > 0.95
