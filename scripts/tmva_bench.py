"""MethodGAN's option strings on the bundled digits (8 x 8), from a ROOT file with a branch per pixel.

python scripts/tmva_bench.py --output bench            # both strings, 5 minutes of training each
python scripts/tmva_bench.py dense --seconds 60        # one of them, shorter

Trained without labels. Measured with a classifier that was trained on 600 true digits: its mean confidence in what is
generated, which digits there are, the Fréchet distance in its hidden layer, and how well pixels are told from true
ones; each beside what other true digits give, which neither the classifier nor the comparison has seen.
"""

import argparse
import contextlib
import json
import os
import resource
import signal
import time
from pathlib import Path

os.environ |= dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1")

import numpy as np
from sklearn.neural_network import MLPClassifier

import facsim
from facsim import Block, Events, Schema, datasets, io
from facsim.metrics import fpd, high_level_auc

TRAINING = 1200  # digits; the others are the truth to compare with

_RATES = "GeneratorLearningRate={0},GeneratorBatchSize=32,DiscriminatorLearningRate={1},DiscriminatorBatchSize=32"
_TESTS = "GeneratorTestRepetitions=20,DiscriminatorTestRepetitions=20,GeneratorConvergenceSteps=2000"
STRATEGY = "|".join(
    f"MaxEpochs={epochs},{_RATES.format(*rates)},{_TESTS}"
    for epochs, rates in ((3000, ("2e-4", "2e-4")), (3000, ("2e-5", "1e-5")), (3000, ("2e-6", "1e-6")))
)
STRINGS = {
    # that of MethodGAN's last test, its three phases and all, for 64 pixels
    "dense": (
        "!H:V:ErrorStrategy=CROSSENTROPY:VarTransform=N:WeightInitialization=XAVIERUNIFORM:InputLayout=1|1|64##1|1|64:"
        "Layout=RESHAPE|1|1|64|FLAT,DENSE|256|RELU,DENSE|512|RELU,DENSE|1024|RELU,DENSE|64|TANH"
        "##RESHAPE|1|1|64|FLAT,DENSE|512|RELU,DENSE|256|RELU,DENSE|1|SIGMOID:"
        f"TrainingStrategy={STRATEGY}"
    ),
    # with what did not work there: planes in the middle, and convolutions first
    "convolutional": (
        "!H:V:ErrorStrategy=CROSSENTROPY:VarTransform=N:WeightInitialization=XAVIERUNIFORM:InputLayout=1|1|64##1|8|8:"
        "Layout=DENSE|512|RELU,UNFLAT|32|4|4,DECONV|16|4|4|2|2|1|1|RELU,CONV|1|3|3|1|1|1|1|TANH"
        "##CONV|16|3|3|1|1|1|1|LRELU,CONV|32|4|4|2|2|1|1|LRELU,RESHAPE|FLAT,DENSE|128|LRELU,DENSE|1|SIGMOID:"
        f"TrainingStrategy={STRATEGY}"
    ),
}


def digits(folder):
    """Pixels and labels of the digits for training and for comparison, and the ROOT file of the first."""
    whole = facsim.read(datasets.path("digits"))
    whole = whole[np.random.default_rng(0).permutation(len(whole))]
    path = folder / "digits.root"
    io.write(path, whole[:TRAINING], layout="pixel-branches")
    labels = whole.conditions[:, 0].astype(int)
    return path, (whole.features[:TRAINING], labels[:TRAINING]), (whole.features[TRAINING:], labels[TRAINING:])


def train(path, string, folder, seconds, seed):
    """Stop after `seconds` of the processor, as Ctrl-C does; the best checkpoint by validation is what remains."""
    begin, steps = time.process_time(), 0

    def clock(done, _):
        nonlocal steps
        steps = done
        if time.process_time() - begin > seconds:
            os.kill(os.getpid(), signal.SIGINT)

    pixels = io.select(path, features=["image"], conditions=[])
    with contextlib.suppress(KeyboardInterrupt):
        facsim.fit(pixels, string, output=folder, overrides={"training.seed": seed}, progress=clock)
    return facsim.load(folder), steps, time.process_time() - begin


def hidden(network, pixels):
    """Rectified numbers of the classifier's hidden layer."""
    return np.maximum(pixels / 16 @ network.coefs_[0] + network.intercepts_[0], 0)


def auc(truth, other):
    """Area under the curve of boosted trees on pixels."""
    schema = Schema((Block("x", (truth.shape[1],)),))
    n = min(len(truth), len(other))
    return high_level_auc(*(Events(side[:n], np.empty((n, 0)), schema) for side in (truth, other))).auc


def measured(network, truth, drawn):
    """Figures of `drawn` pixels against `truth`."""
    chances = network.predict_proba(drawn / 16)
    shares = np.bincount(chances.argmax(1), minlength=10) / len(drawn)
    real, fake = hidden(network, truth), hidden(network, drawn)
    alive = real.std(0) > 0
    distance = fpd(real[:, alive], fake[:, alive])
    return {
        "confidence": float(chances.max(1).mean()),
        "rarest digit": float(shares.min()),
        "digits": int((shares > 0.01).sum()),
        "fpd": float(distance.value),
        "auc": auc(truth, drawn.round()),  # true pixels are whole numbers: what is not would be seen at once
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("strings", nargs="*", choices=[*STRINGS, []], help="all by default")
    parser.add_argument("--seconds", type=float, default=300, help="of the processor, in training each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("tmva-bench"))
    arguments = parser.parse_args()
    folder = arguments.output
    folder.mkdir(parents=True)
    path, (known, labels), (truth, _) = digits(folder)
    half = TRAINING // 2
    network = MLPClassifier((64,), max_iter=400, random_state=0).fit(known[:half] / 16, labels[:half])
    found = {"true digits": measured(network, truth, known[half : half + len(truth)])}
    for name in arguments.strings or STRINGS:
        model, steps, seconds = train(path, STRINGS[name], folder / name, arguments.seconds, arguments.seed)
        drawn = model.sample(np.empty((len(truth), 0)), seed=1)
        from facsim.training.images import write_grid

        write_grid(drawn.features[:100].reshape(-1, 8, 8), folder / f"{name}.png")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found[name] = measured(network, truth, drawn.features) | {
            "steps": steps,
            "best at step": model.provenance["step"],
            "CPU seconds": round(seconds, 1),
            "peak MB": round(peak),
        }
    (folder / "figures.json").write_text(json.dumps(found, indent=2) + "\n")
    for name, figures in found.items():
        print(name, *(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items()), sep=", ")


if __name__ == "__main__":
    main()
