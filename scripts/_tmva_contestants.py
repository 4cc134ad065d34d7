"""facsim's side of the benchmark: option strings and recipes, trained from a ROOT file in a process of their own.

    python scripts/_tmva_contestants.py dense digits train.root asked.npz drawn.npz --run folder --seconds 300

The same arguments and the same last line as `_tmva_rivals.py`, and the step of the best checkpoint by validation, from
which the events are drawn.
"""

import argparse
import contextlib
import json
import os
import resource
import signal
import tempfile
import time
from pathlib import Path

os.environ |= dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1")

import numpy as np

import facsim
from facsim import io

_START = "!H:V:VarTransform=N:WeightInitialization=XAVIERUNIFORM"
_TESTS = "GeneratorTestRepetitions=20,DiscriminatorTestRepetitions=20,GeneratorConvergenceSteps=2000"


def _phases(*rates, batch=32, epochs=3000):
    sizes = f"GeneratorBatchSize={batch},DiscriminatorBatchSize={batch},{_TESTS}"
    phases = (f"MaxEpochs={epochs},GeneratorLearningRate={g},DiscriminatorLearningRate={d},{sizes}" for g, d in rates)
    return ":TrainingStrategy=" + "|".join(phases)


STRINGS = {
    # that of MethodGAN's last test, its three phases and all, for 64 pixels
    ("digits", "dense"): (
        f"{_START}:ErrorStrategy=CROSSENTROPY:InputLayout=1|1|64##1|1|64:"
        "Layout=RESHAPE|1|1|64|FLAT,DENSE|256|RELU,DENSE|512|RELU,DENSE|1024|RELU,DENSE|64|TANH"
        "##RESHAPE|1|1|64|FLAT,DENSE|512|RELU,DENSE|256|RELU,DENSE|1|SIGMOID"
        + _phases(("2e-4", "2e-4"), ("2e-5", "1e-5"), ("2e-6", "1e-6"))
    ),
    # with what did not work there: planes in the middle, and convolutions first. At MethodGAN's rates convolutions
    # learn too slowly; and a rim that is always white asks for weights of its own at every pixel
    ("digits", "convolutional"): (
        f"{_START}:ErrorStrategy=CROSSENTROPY:InputLayout=1|1|64##1|8|8:"
        "Layout=DENSE|512|RELU,UNFLAT|32|4|4,DECONV|16|4|4|2|2|1|1|RELU,LOCAL|1|3|3|1|1|1|1|TANH"
        "##CONV|16|3|3|1|1|1|1|LRELU,CONV|32|4|4|2|2|1|1|LRELU,RESHAPE|FLAT,DENSE|128|LRELU,DENSE|1|SIGMOID"
        + _phases(("2e-3", "1e-3"), ("5e-4", "2.5e-4"), epochs=250)
    ),
    ("showers", "dense"): (
        f"{_START}:Objective=WGANGP:Latent=64:"
        "Layout=DENSE|256|LRELU,DENSE|512|LRELU,DENSE|504|RELU##DENSE|512|LRELU,DENSE|256|LRELU,DENSE|1|LINEAR"
        + _phases(("5e-4", "5e-4"), batch=128)
    ),
    # twelve cells of a layer side by side: layer 1 is as it is
    ("showers", "convolutional"): (
        f"{_START}:Objective=WGANGP:Latent=64:InputLayout=1|1|65##1|42|12:"
        "Layout=DENSE|2016|LRELU,UNFLAT|16|21|6,DECONV|16|4|4|2|2|1|1|LRELU,CONV|1|3|3|1|1|1|1|RELU"
        "##CONV|16|4|4|2|2|1|1|LRELU,CONV|16|3|3|1|1|1|1|LRELU,RESHAPE|FLAT,DENSE|128|LRELU,DENSE|1|LINEAR"
        + _phases(("5e-4", "5e-4"), batch=64)
    ),
}
_GREY = {"model.transform": "symmetric-range"}  # grey levels have a smallest and a largest
RECIPES = {
    ("digits", "dcgan"): _GREY | {"model.generator.output": "tanh"},
    ("digits", "r3gan"): {},
    ("showers", "calogan+"): {},
    ("showers", "wgan-gp"): {},
}
"""Recipes, and what is set otherwise."""
NAMES = tuple(dict.fromkeys(name for _, name in [*STRINGS, *RECIPES]))
PACE = 40  # steps to learn how many fit into the time, where rates fall until the last one


def chosen(data, file):
    """Events of the file, as `facsim fit` would take them."""
    if data == "digits":
        return io.select(file, features=["image"], conditions=[])
    return io.select(file, features=["layer_0", "layer_1", "layer_2"])


def train(data, name, file, folder, seconds, seed):
    """Stop after `seconds` of the processor, as Ctrl-C does; the best checkpoint by validation is what remains."""
    begin, steps = time.process_time(), 0
    changes = {"training.seed": seed, "training.validate_every": max(20, round(4 * seconds))}
    recipe = STRINGS.get((data, name), name)
    if (data, name) in RECIPES:
        changes |= RECIPES[data, name]
        planned = _planned(chosen(data, file), recipe, changes, seconds)
        changes |= {"training.steps": planned, "training.validate_every": max(1, planned // 16)}

    def clock(done, _):
        nonlocal steps
        steps = done
        if time.process_time() - begin > seconds:
            os.kill(os.getpid(), signal.SIGINT)

    with contextlib.suppress(KeyboardInterrupt):
        facsim.fit(chosen(data, file), recipe, output=folder, overrides=changes, progress=clock)
    return facsim.load(folder), steps, time.process_time() - begin


def _planned(events, recipe, changes, seconds):
    """Steps that fit, so that the learning rate is at its end when the time is."""
    since = []
    few = changes | {"training.steps": PACE, "training.validate_every": PACE + 1}
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        facsim.fit(
            events,
            recipe,
            output=Path(folder) / "pace",
            overrides=few,
            progress=lambda *_: since.append(time.process_time()),
        )
    each = (since[-2] - since[PACE // 4]) / (PACE - 2 - PACE // 4)  # the first are slow, the last has a validation
    # a tenth for validations; the last step comes before the time is over
    return max(PACE, int(0.9 * (seconds - (time.process_time() - begin)) / each))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("data", choices=["digits", "showers"])
    parser.add_argument("file", type=Path)
    parser.add_argument("asked", type=Path)
    parser.add_argument("drawn", type=Path)
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model, steps, seconds = train(options.data, options.name, options.file, options.run, options.seconds, options.seed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    drawn = model.sample(np.load(options.asked)["conditions"].astype(np.float32), seed=1)
    np.savez(options.drawn, features=drawn.features)
    best = model.provenance["step"]
    print(json.dumps({"steps": steps, "best": best, "seconds": seconds, "memory": peak}))


if __name__ == "__main__":
    main()
