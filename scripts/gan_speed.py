"""Training speed of a small Wasserstein GAN with gradient penalty: facsim beside its rivals, in the same run.

3 conditions -> 5 features, 16 noise numbers, 3 x 128 networks, 512 real and 512 generated events, one critic and one
generator update per step, Adam, one thread. Every system is a process of its own; they take turns of a few steps, so
that a busy machine slows all alike. Rivals from other packages run with a Python of their own:

    python scripts/gan_speed.py --pidgan ENV/bin/python --torchgan ENV/bin/python --rounds 15

pidgan 0.2.0 wants Python 3.11 and tensorflow 2.16.2; torchgan 0.1.0 wants torch and (a stub of) torchvision.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise

CONDITIONS, FEATURES, NOISE, HIDDEN, LAYERS = 3, 5, 16, 128, 3
BATCH, PENALTY, RATE, EVENTS = 512, 10.0, 1e-4, 65536

Steps = Callable[[int], None]


def sample() -> tuple:
    """Conditions (n, 3) and features (n, 5) of order one, as float32."""
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.normal(size=(EVENTS, CONDITIONS))
    y = rng.normal(size=(EVENTS, FEATURES)) * (1 + 0.3 * np.tanh(x @ rng.normal(size=(CONDITIONS, FEATURES))))
    return x.astype(np.float32), y.astype(np.float32)


# Systems: each returns a function that trains for a number of steps --------------------------------------------------


def facsim_loop() -> Steps:
    """The package's own loop with everything that it does: logs, average of the weights, checks, clipping."""
    import tempfile
    from pathlib import Path

    import numpy as np
    import torch

    from facsim import Block, Events, Schema, recipes
    from facsim.models import family
    from facsim.training.data import TrainingData, encode
    from facsim.training.loop import optimisers_of, train
    from facsim.training.processes import Processes
    from facsim.training.state import TrainingState

    torch.set_num_threads(1)
    x, y = sample()
    events = Events(y, x, Schema((Block("y", (FEATURES,)),), (Block("x", (CONDITIONS,)),)))
    network = {"kind": "mlp", "hidden": HIDDEN, "layers": LAYERS}
    recipe = recipes.load(
        "wgan-gp",
        {
            "model.transform": "standard",
            "model.generator": network | {"noise": NOISE},
            "model.critic": network,
            "model.penalties": [{"kind": "gradient", "weight": PENALTY}],
            "model.schedule.critic_steps": 1,
            "training.steps": 10**9,
            "training.batch": BATCH,
            "training.learning_rate": RATE,
            "training.validate_every": 10**9,
            "training.checkpoint_every": 10**9,
        },
    )
    model = family(recipe.family)(events.schema, recipe.config)
    model.prepare(events[:2000])
    folder = Path(tempfile.mkdtemp(prefix="gan_speed_"))
    rows = encode(model, iter([events]), len(events), 512, folder)
    data = TrainingData(rows, model, np.arange(FEATURES)[None], BATCH, 0)
    state = TrainingState(model, optimisers_of(model, recipe.training))

    # One training that waits after every turn: opening its logs again and again would be counted as training.
    go, done, left = threading.Semaphore(0), threading.Semaphore(0), [0]

    def tick(*_: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            done.release()
            go.acquire()

    def run() -> None:
        go.acquire()
        train(state, data, lambda _: {}, recipe.training, folder, processes=Processes(), progress=tick)

    threading.Thread(target=run, daemon=True).start()

    def steps(count: int) -> None:
        left[0] = count
        go.release()
        done.acquire()

    return steps


def by_hand(*, written_out: bool, kernels: bool = False) -> Steps:
    """A loop that somebody who knows PyTorch writes for this one network: batches in memory, fused Adam.

    The gradient penalty by double backward, or `written_out`: with ordinary operations, or with the `kernels` of
    PyTorch's own backward pass, as facsim does it.
    """
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    conditions, features = (torch.from_numpy(a) for a in sample())

    def network(inputs: int, outputs: int) -> nn.Sequential:
        widths = [inputs] + [HIDDEN] * LAYERS
        hidden = [m for a, b in pairwise(widths) for m in (nn.Linear(a, b), nn.LeakyReLU(0.2))]
        return nn.Sequential(*hidden, nn.Linear(HIDDEN, outputs))

    generator, critic = network(NOISE + CONDITIONS, FEATURES), network(FEATURES + CONDITIONS, 1)
    players = [list(critic.parameters()), list(generator.parameters())]
    optimisers = [torch.optim.Adam(p, lr=RATE, betas=(0.0, 0.9), fused=True) for p in players]
    dense = [m for m in critic if isinstance(m, nn.Linear)]

    def make(given: torch.Tensor) -> torch.Tensor:
        return generator(torch.cat([torch.randn(BATCH, NOISE), given], 1))

    def slope(x: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        if not written_out:
            x = x.requires_grad_(True)
            score = critic(torch.cat([x, given], 1))
            return torch.autograd.grad(score.sum(), x, create_graph=True)[0]
        with torch.no_grad():
            inner, h = [], torch.cat([x, given], 1)
            for layer in dense[:-1]:
                inner.append(layer(h))
                h = nn.functional.leaky_relu(inner[-1], 0.2)
        gradient = dense[-1].weight.expand(BATCH, -1)
        for k in reversed(range(LAYERS)):
            if kernels:
                gradient = torch.ops.aten.leaky_relu_backward(gradient, inner[k], 0.2, False)
            else:
                gradient = gradient * torch.where(inner[k] > 0, 1.0, 0.2)
            gradient = gradient @ (dense[k].weight if k else dense[k].weight[:, :FEATURES])
        return gradient

    def update(which: int, loss: torch.Tensor) -> None:
        gradients = torch.autograd.grad(loss, players[which], materialize_grads=True)
        for parameter, gradient in zip(players[which], gradients, strict=True):
            parameter.grad = gradient
        optimisers[which].step()

    def steps(count: int) -> None:
        for _ in range(count):
            rows = torch.randint(EVENTS, (BATCH,))
            given, real = conditions[rows], features[rows]
            with torch.no_grad():
                fake = make(given)
            mix = torch.rand(BATCH, 1)
            gradient = slope(torch.lerp(fake, real, mix), given)
            scores = critic(torch.cat([torch.cat([fake, real]), torch.cat([given, given])], 1))
            distance = scores[:BATCH].mean() - scores[BATCH:].mean()
            update(0, distance + PENALTY * (gradient.norm(dim=1) - 1).square().mean())
            update(1, -critic(torch.cat([make(given), given], 1)).mean())

    return steps


def pidgan_fit() -> Steps:
    """pidgan 0.2.0; it splits every batch into halves, so a batch of 1024 is 512 real and 512 generated events."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from pidgan.algorithms import WGAN_GP
    from pidgan.players.discriminators import Discriminator
    from pidgan.players.generators import Generator

    size = {"num_hidden_layers": LAYERS, "mlp_hidden_units": HIDDEN, "mlp_dropout_rates": 0.0}
    gan = WGAN_GP(
        generator=Generator(output_dim=FEATURES, latent_dim=NOISE, **size),
        discriminator=Discriminator(output_dim=1, **size),
        lipschitz_penalty=PENALTY,
        lipschitz_penalty_strategy="two-sided",
    )
    gan.compile(
        metrics=None,
        generator_optimizer=tf.keras.optimizers.Adam(RATE, beta_1=0.0, beta_2=0.9),
        discriminator_optimizer=tf.keras.optimizers.Adam(RATE, beta_1=0.0, beta_2=0.9),
        generator_upds_per_batch=1,
        discriminator_upds_per_batch=1,
    )
    x, y = sample()

    def steps(count: int) -> None:
        rows = 2 * BATCH * count
        reps = -(-rows // EVENTS)
        many = [a if reps == 1 else a.repeat(reps, 0) for a in (x, y)]
        gan.fit(many[0][:rows], many[1][:rows], batch_size=2 * BATCH, epochs=1, verbose=0, shuffle=True)

    return steps


def torchgan_trainer() -> Steps:
    """torchgan 0.1.0, batches made beforehand; its gradient penalty is an optimiser step of its own."""
    import contextlib
    import io
    import tempfile
    import types

    for name in ("torchvision", "torchvision.utils", "torchvision.models"):  # wanted at import only
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["torchvision"].utils = sys.modules["torchvision.utils"]
    sys.modules["torchvision"].models = sys.modules["torchvision.models"]
    sys.modules["torchvision.models"].inception_v3 = None
    import torch
    from torch import nn
    from torchgan.losses import WassersteinDiscriminatorLoss, WassersteinGeneratorLoss, WassersteinGradientPenalty
    from torchgan.models import Discriminator, Generator
    from torchgan.trainer import Trainer

    torch.set_num_threads(1)

    def network(inputs: int, outputs: int) -> nn.Sequential:
        widths = [inputs] + [HIDDEN] * LAYERS
        hidden = [m for a, b in pairwise(widths) for m in (nn.Linear(a, b), nn.LeakyReLU(0.2))]
        return nn.Sequential(*hidden, nn.Linear(HIDDEN, outputs))

    class MyGenerator(Generator):
        def __init__(self) -> None:
            super().__init__(NOISE, label_type="required")
            self.net = network(NOISE + CONDITIONS, FEATURES)

        def forward(self, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return self.net(torch.cat([z, y], 1))

    class MyCritic(Discriminator):
        def __init__(self) -> None:
            super().__init__(FEATURES, label_type="required")
            self.net = network(FEATURES + CONDITIONS, 1)

        def forward(self, x: torch.Tensor, y: torch.Tensor, **_: object) -> torch.Tensor:
            return self.net(torch.cat([x, y], 1))

    conditions, features = (torch.from_numpy(a) for a in sample())
    adam = {"name": torch.optim.Adam, "args": {"lr": RATE, "betas": (0.0, 0.9)}}
    folder = tempfile.mkdtemp(prefix="gan_speed_")
    trainer = Trainer(
        {
            "generator": {"name": MyGenerator, "args": {}, "optimizer": adam},
            "discriminator": {"name": MyCritic, "args": {}, "optimizer": adam},
        },
        [WassersteinGeneratorLoss(), WassersteinDiscriminatorLoss(), WassersteinGradientPenalty(lambd=PENALTY)],
        device=torch.device("cpu"),
        ncritic=1,
        epochs=1,
        sample_size=1,
        checkpoints=folder + "/m",
        retain_checkpoints=1,
        recon=folder,
        log_dir=folder,
    )
    trainer.batch_size = BATCH  # what calling the trainer reads from a loader
    for after_an_epoch in ("save_model", "eval_ops"):
        setattr(trainer, after_an_epoch, lambda *_, **__: None)
    trainer.logger.run_end_epoch = lambda *_, **__: None
    pieces = [(features[a : a + BATCH], conditions[a : a + BATCH]) for a in range(0, EVENTS, BATCH)]

    def steps(count: int) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.train([pieces[k % len(pieces)] for k in range(count)])

    return steps


SYSTEMS: dict[str, Callable[[], Steps]] = {
    "facsim": facsim_loop,
    "hand, plain": lambda: by_hand(written_out=False),
    "hand, written out": lambda: by_hand(written_out=True),
    "the same, kernels": lambda: by_hand(written_out=True, kernels=True),
    "pidgan": pidgan_fit,
    "torchgan": torchgan_trainer,
}

# Turns ---------------------------------------------------------------------------------------------------------------


def work(name: str) -> None:
    """Answer every line (a number of steps) with CPU and wall seconds."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a package prints goes elsewhere
    steps = SYSTEMS[name]()
    for line in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        steps(int(line))
        print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]), file=out, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--pidgan", help="python of an environment with pidgan")
    parser.add_argument("--torchgan", help="python of an environment with torchgan")
    parser.add_argument("--steps", type=int, default=64, help="steps per turn (64)")
    parser.add_argument("--rounds", type=int, default=15, help="turns of every system (15)")
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.worker)
        return
    pythons = dict.fromkeys(SYSTEMS, sys.executable) | {"pidgan": arguments.pidgan, "torchgan": arguments.torchgan}
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    workers = {
        name: subprocess.Popen(
            [python, __file__, "--worker", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for name, python in pythons.items()
        if python
    }
    seconds: dict[str, list[list[float]]] = {name: [] for name in workers}
    for turn in range(arguments.rounds + 2):  # two turns to warm up
        for name, worker in workers.items():
            assert worker.stdin is not None
            assert worker.stdout is not None
            print(arguments.steps, file=worker.stdin, flush=True)
            answer = worker.stdout.readline()
            if not answer:
                sys.exit(f"'{name}' stopped; see its message above")
            if turn >= 2:
                seconds[name].append(json.loads(answer))
    for worker in workers.values():
        worker.communicate()
    print(f"load average {os.getloadavg()[0]:.1f}; {arguments.rounds} turns of {arguments.steps} steps")
    print(f"{'':20}{'CPU ms/step':>12}{'range':>16}{'steps/s (wall)':>16}{'x facsim':>10}")
    own = [cpu for cpu, _ in seconds["facsim"]]
    for name, turns in seconds.items():
        cpu = sorted(1e3 * c / arguments.steps for c, _ in turns)
        wall = statistics.median(arguments.steps / w for _, w in turns)
        ratio = statistics.median(c / o for (c, _), o in zip(turns, own, strict=True))
        print(f"{name:20}{statistics.median(cpu):12.2f}{cpu[0]:8.2f}-{cpu[-1]:<7.2f}{wall:16.1f}{ratio:10.2f}")


if __name__ == "__main__":
    main()
