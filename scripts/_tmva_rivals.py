"""Rivals of the benchmark, which know nothing of facsim: a DCGAN written by hand in plain torch, and torchgan 0.1.0.

    python scripts/_tmva_rivals.py hand digits train.root asked.npz drawn.npz --seconds 300
    python scripts/_tmva_rivals.py torchgan showers train.root asked.npz drawn.npz --seconds 300

Both read the ROOT file with uproot, train for so many seconds of the processor, and draw events with the last weights:
that is what such loops keep. The last line printed is JSON: steps, seconds, peak memory.

torchgan is from 2020 and needs torchvision only to be imported and to save pictures; it gets a stub here. To get an
environment for it, beside one that has torch and uproot:

    python -m venv --system-site-packages torchgan && torchgan/bin/pip install --no-deps torchgan==0.1.0
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
import types

os.environ |= dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1")

import numpy as np
import torch
import uproot
from torch import nn

NOISE, BATCH = 100, 64
ADAM = {"lr": 2e-4, "betas": (0.5, 0.999)}  # Radford, Metz, Chintala, arXiv:1511.06434, section 4
SHAPES = {"digits": (8, 8), "showers": (42, 12)}  # twelve cells of a layer side by side: layer 1 is as it is
CHANNELS = {"digits": 32, "showers": 16}  # eight times as many pixels: fewer planes, for enough steps
MISSING = 3  # exit code


class Generator(nn.Module):
    """DCGAN: noise to planes of half the size, doubled by a transposed convolution, batch norm between."""

    def __init__(self, shape, channels, conditions, last):
        super().__init__()
        self.start = (2 * channels, shape[0] // 2, shape[1] // 2)
        self.enter = nn.Linear(NOISE + conditions, int(np.prod(self.start)))
        self.layers = nn.Sequential(
            nn.BatchNorm2d(2 * channels),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.ConvTranspose2d(channels, 1, 4, 2, 1),
            last,
        )
        self.apply(small_weights)

    def forward(self, noise, given):
        return self.layers(self.enter(torch.cat([noise, given], 1)).view(-1, *self.start))


class Critic(nn.Module):
    """Strided convolutions; conditions are further planes. One logit per image."""

    def __init__(self, shape, channels, conditions):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1 + conditions, channels, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, 2 * channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(2 * channels),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(2 * channels * (shape[0] // 2) * (shape[1] // 2), 1),
        )
        self.apply(small_weights)

    def forward(self, images, given):
        planes = given[:, :, None, None].expand(-1, -1, *images.shape[2:])
        return self.layers(torch.cat([images, planes], 1))[:, 0]


def small_weights(layer):
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(layer.weight, std=0.02)


def by_hand(images, given, channels, last, end):
    """Train until `end` on the processor's clock; the generator and its steps."""
    sizes = (images.shape[2:], channels, given.shape[1])
    generator, critic = Generator(*sizes, last), Critic(*sizes)
    of_generator, of_critic = (torch.optim.Adam(net.parameters(), **ADAM) for net in (generator, critic))
    loss, real, fake, steps = nn.BCEWithLogitsLoss(), torch.ones(BATCH), torch.zeros(BATCH), 0
    while time.process_time() < end:
        for rows in torch.randperm(len(images)).split(BATCH):
            if len(rows) < BATCH or time.process_time() > end:
                break
            x, about = images[rows], given[rows]
            made = generator(torch.randn(BATCH, NOISE), about)
            of_critic.zero_grad()
            (loss(critic(x, about), real) + loss(critic(made.detach(), about), fake)).backward()
            of_critic.step()
            of_generator.zero_grad()
            loss(critic(made, about), real).backward()
            of_generator.step()
            steps += 1
    return generator, steps


class TimeUpError(Exception):
    """Ends torchgan's loop, which knows epochs alone."""


def by_torchgan(images, given, channels, last, end):
    """The same with torchgan's trainer and losses: its own DCGAN for digits, above networks for showers."""
    torchgan = imported()
    from torchgan.losses import MinimaxDiscriminatorLoss, MinimaxGeneratorLoss
    from torchgan.models import DCGANDiscriminator, DCGANGenerator
    from torchgan.trainer import Trainer

    if given.shape[1]:
        made, judge = _as_torchgans(torchgan, (images.shape[2:], channels, given.shape[1]), last)
        nets = {"generator": {"name": made}, "discriminator": {"name": judge}}
    else:  # at least 16 x 16 pixels: a rim of four is put around
        images = nn.functional.pad(images, (4, 4, 4, 4), value=-1.0)
        sizes = {"step_channels": channels}
        make = {"encoding_dims": NOISE, "out_size": 16, "out_channels": 1, **sizes}
        see = {"in_size": 16, "in_channels": 1, "last_nonlinearity": nn.Identity(), **sizes}  # its losses take logits
        nets = {"generator": {"name": DCGANGenerator, "args": make}}
        nets["discriminator"] = {"name": DCGANDiscriminator, "args": see}
    for net in nets.values():
        net["optimizer"] = {"name": torch.optim.Adam, "args": ADAM}
    steps = 0

    class UntilTimeIsUp(torch.utils.data.DataLoader):
        def __iter__(self):
            nonlocal steps
            for batch in super().__iter__():
                if time.process_time() > end:
                    raise TimeUpError
                steps += 1
                yield batch

    data = UntilTimeIsUp(torch.utils.data.TensorDataset(images, given), BATCH, shuffle=True, drop_last=True)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            nets,
            [MinimaxGeneratorLoss(), MinimaxDiscriminatorLoss()],
            device=torch.device("cpu"),
            epochs=10**9,
            checkpoints=f"{folder}/gan",
            recon=f"{folder}/images",
        )
        try:
            trainer(data)
        except TimeUpError:
            generator = trainer.generator
    if given.shape[1]:
        return generator, steps
    return Cropped(generator), steps


class Cropped(nn.Module):
    """Digits without the rim."""

    def __init__(self, generator):
        super().__init__()
        self.generator = generator

    def forward(self, noise, given):  # noqa: ARG002 - nothing is given
        return self.generator(noise)[:, :, 4:-4, 4:-4]


def _as_torchgans(torchgan, sizes, last):
    """Networks above, as torchgan wants them; the energy takes the place of a label."""

    class Made(torchgan.models.Generator):
        def __init__(self):
            super().__init__(NOISE, "required")
            self.net = Generator(*sizes, last)

        def forward(self, noise, labels):
            return self.net(noise, labels)

        def sampler(self, size, device):  # for the picture after each epoch
            return [torch.randn(size, NOISE, device=device), torch.zeros(size, sizes[-1], device=device)]

    class Judge(torchgan.models.Discriminator):
        def __init__(self):
            super().__init__(1, "required")
            self.net = Critic(*sizes)

        def forward(self, images, labels):
            return self.net(images, labels)

    return Made, Judge


def imported():
    """torchgan, with a stub in the place of torchvision if that is missing."""
    os.environ |= {"TENSORBOARD_LOGGING": "0", "VISDOM_LOGGING": "0", "CONSOLE_LOGGING": "0"}
    try:
        import torchvision  # noqa: F401
    except ImportError:
        stub, stub.utils = types.ModuleType("torchvision"), types.ModuleType("torchvision.utils")
        stub.utils.make_grid = lambda images, **_: images
        stub.utils.save_image = lambda *_, **__: None
        sys.modules |= {"torchvision": stub, "torchvision.utils": stub.utils}
    try:
        import torchgan.models
    except ImportError as error:
        print(f"torchgan is missing here ({error}). To get it:{__doc__.rpartition(':')[2]}", file=sys.stderr)
        raise SystemExit(MISSING) from error
    return torchgan


def read(path, prefixes):
    """Columns of a tree, one branch per number, in the order of the file: (n, d)."""
    with uproot.open(path) as file:
        tree = next(v for v in file.values() if hasattr(v, "arrays"))
        names = [n for n in tree.keys() if n.startswith(prefixes)]  # noqa: SIM118
        columns = tree.arrays(names, library="np")
    return np.stack([columns[n] for n in names], axis=1).astype(np.float32) if names else np.empty((0, 0), np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rival", choices=["hand", "torchgan"])
    parser.add_argument("data", choices=list(SHAPES))
    parser.add_argument("file", help="ROOT file to learn from, a branch per pixel or cell")
    parser.add_argument("asked", help="npz file with the 'conditions' at which events are wanted")
    parser.add_argument("drawn", help="npz file to write, with 'features'")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    begin = time.process_time()
    asked = np.load(options.asked)["conditions"].astype(np.float32)
    if options.data == "digits":
        pixels = read(options.file, "image")
        images, given, ask, last = pixels / 8 - 1, np.empty((len(pixels), 0), np.float32), asked, nn.Tanh()

        def back(x):
            return (x + 1) * 8
    else:
        cells, energy = read(options.file, "layer"), read(options.file, "energy")
        shares = cells / energy
        unit = np.sqrt(np.mean(shares[shares > 0] ** 2))
        centre, spread = np.log(energy).mean(), np.log(energy).std()
        images, given, last = shares / unit, (np.log(energy) - centre) / spread, nn.ReLU()
        ask = (np.log(asked) - centre) / spread

        def back(x):
            return x * unit * asked

    images, given, ask = (torch.from_numpy(np.ascontiguousarray(a)) for a in (images, given, ask))
    train = by_hand if options.rival == "hand" else by_torchgan
    generator, steps = train(
        images.view(-1, 1, *SHAPES[options.data]), given, CHANNELS[options.data], last, begin + options.seconds
    )
    seconds = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    torch.manual_seed(options.seed + 1)
    generator.eval()
    with torch.no_grad():
        drawn = generator(torch.randn(len(ask), NOISE), ask).flatten(1).numpy()
    np.savez(options.drawn, features=back(drawn))
    print(json.dumps({"steps": steps, "seconds": seconds, "memory": peak}))


if __name__ == "__main__":
    main()
