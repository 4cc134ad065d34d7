"""The siamese game: the critic learns the parameters from a second true image of them."""

import numpy as np
import pytest
import torch

from facsim import Block, Events, Schema, api
from facsim.errors import DataError, SchemaMismatch
from facsim.models import GAN, Draw, GANConfig
from facsim.models.gan.companions import beside, require_pairs

PARTS = {
    "transform": "scale",
    "generator": {"kind": "emulator", "channels": 8, "noise": 2},
    "critic": {"kind": "siamese", "channels": 8, "features": 16, "hidden": 16, "dropout": 0.0},
    "objective": "non-saturating",
    "schedule": {"pack": 2},
}
SMALL = {
    "model.generator": PARTS["generator"],
    "model.critic": PARTS["critic"],
    "training.batch": 32,
    "training.validate_every": 250,
    "training.validation_events": 50,
    "training.ema": 0.9,
}


def blobs(n, seed=0):
    """Two noisy images for each of n heights of a blob: the height is the parameter."""
    rng = np.random.default_rng(seed)
    theta = rng.uniform(-1, 1, (n, 1)).repeat(2, axis=0)
    rows, columns = np.indices((8, 8)) - 3.5
    image = np.exp(-((rows - 3 * theta[:, :, None]) ** 2 + columns**2) / 4)
    noisy = image.reshape(2 * n, 64) + 0.05 * rng.normal(size=(2 * n, 64))
    return Events(noisy, theta, Schema((Block("image", (8, 8)),), (Block("height"),)))


def test_a_true_event_stands_beside_every_generated_one():
    real, fake = torch.arange(40.0).view(20, 2), torch.full((20, 2), -1.0)
    shown = beside(real, fake, Draw(1, 0))
    generated = (shown == -1).all(1).view(-1, 2)
    assert (generated.sum(1) == 1).all()
    assert 0 < generated[:, 0].sum() < 10  # on either side
    assert torch.equal(shown[~generated.view(-1)], real[~generated.view(-1)])


def test_the_emulator_learns_its_parameter_from_pairs_alone(tmp_path):
    changes = {**SMALL, "training.steps": 250, "training.learning_rate": 0.002}
    model = api.fit(blobs(500), "magan", output=tmp_path / "run", overrides=changes)
    theta = np.repeat([-0.8, 0.8], 50)[:, None]
    images = np.maximum(model.sample(theta, seed=1)["image"], 0)
    rows = np.arange(8) - 3.5
    height = (images.sum(2) * rows).sum(1) / images.sum((1, 2))
    # True heights of the blobs within the image: -2.0 and 2.0 pixels. An emulator that ignores the parameter has one.
    assert height[:50].mean() < -1
    assert height[50:].mean() > 1


def test_the_critic_compares_what_it_sees_in_either_order():
    torch.manual_seed(0)
    critic = GAN(blobs(2).schema, GANConfig(**PARTS)).critic.eval()
    one, other = torch.randn(2, 5, 64).unbind()
    context = torch.zeros(5, 2)
    assert torch.allclose(critic(torch.cat([one, other], 1), context), critic(torch.cat([other, one], 1), context))
    assert not torch.allclose(critic(torch.cat([one, one], 1), context), critic(torch.cat([one, other], 1), context))


def test_data_without_pairs_are_refused(tmp_path):
    events = blobs(20)
    with pytest.raises(DataError, match=r"differ within a group.*follow each other"):
        api.fit(events[::2], "magan", output=tmp_path / "a", overrides={**SMALL, "training.steps": 2})
    changes = {**SMALL, "training.steps": 2, "training.group": 1}
    with pytest.raises(DataError, match=r"(?s)'siamese' compares two events.*training\.group to 2"):
        api.fit(events, "magan", output=tmp_path / "b", overrides=changes)
    require_pairs(torch.from_numpy(events.conditions), "siamese")


def test_what_does_not_fit_the_pairs_is_named():
    with pytest.raises(ValueError, match=r"judges pairs.*schedule\.pack"):
        GANConfig(**{**PARTS, "schedule": {}})
    bare = Schema((Block("image", (8, 8)),))
    with pytest.raises(SchemaMismatch, match=r"these events have none.*dcgan"):
        GAN(bare, GANConfig(**PARTS))
