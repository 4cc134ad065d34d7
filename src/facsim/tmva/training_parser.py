"""Reading TrainingStrategy: ``LearningRate=1e-3,BatchSize=100|LearningRate=1e-4``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from facsim.tmva.source import Piece
from facsim.tmva.training import OPTIMIZERS, PARAMETERS, DLPhase, GANPhase, NetTraining

__all__ = ["read_phases"]

NUMBERS = {
    "LearningRate": "learning_rate",
    "Momentum": "momentum",
    "WeightDecay": "weight_decay",
}
COUNTS = {
    "BatchSize": "batch_size",
    "ConvergenceSteps": "convergence_steps",
    "TestRepetitions": "test_repetitions",
}
IGNORED = ("Repetitions", "DropRepetitions", "DropFraction")  # TMVA accepts and never uses these
NET_KEYS = (
    *NUMBERS,
    *COUNTS,
    *("Regularization", "Renormalize", "DropConfig", "Optimizer", "Multithreading"),
    *PARAMETERS,
    *IGNORED,
)
SIDES = ("Generator", "Discriminator")
MOST_PHASES = 1000


def read_phases(piece: Piece, method: str) -> tuple[DLPhase, ...] | tuple[GANPhase, ...]:
    """Phases in their order."""
    parts = piece.split("|")
    if len(parts) > MOST_PHASES:
        parts[MOST_PHASES].fail(f"more than {MOST_PHASES} phases")
    phases: list[Any] = []
    for part in parts:
        if part.text.strip():
            phases.append(_phase(part, method))
        elif len(parts) > 1:
            part.warn("empty-phase", "an empty phase", "Skipped. Remove a |.")
    if not phases:
        piece.fail("a TrainingStrategy without phases", "Write for example LearningRate=1e-3,BatchSize=100.")
    return tuple(phases)


def _phase(piece: Piece, method: str) -> DLPhase | GANPhase:
    pairs = _pairs(piece, method)
    epochs = pairs.pop("MaxEpochs", None)
    default = DLPhase() if method == "DL" else GANPhase()
    count = default.max_epochs if epochs is None else epochs.integer("MaxEpochs", least=1)
    if isinstance(default, DLPhase):
        return DLPhase(count, _net(pairs, default.net))
    shared = {key: value for key, value in pairs.items() if not key.startswith(SIDES)}
    nets = []
    for side, net in zip(SIDES, (default.generator, default.discriminator), strict=True):
        own = {key.removeprefix(side): value for key, value in pairs.items() if key.startswith(side)}
        nets.append(_net(shared | own, net))
    return GANPhase(count, *nets)


def _pairs(piece: Piece, method: str) -> dict[str, Piece]:
    """Values by canonical key."""
    names = ["MaxEpochs", *NET_KEYS, *(side + key for side in SIDES for key in NET_KEYS if method == "GAN")]
    known = {name.upper(): name for name in names}
    pairs: dict[str, Piece] = {}
    for part in piece.split(","):
        word = part.strip()
        if not word.text:
            if part.text or "," in piece.text:
                part.warn("empty-setting", "nothing stands between two commas", "Skipped. Remove a comma.")
            continue
        at = word.text.find("=")
        if at < 0:
            word.fail(f"'{word.text}' is no Key=Value")
        key, value = word.cut(0, at).strip(), word.cut(at + 1).strip()
        name = known.get(key.text.upper())
        if name is None:
            key.fail(f"unknown key '{key.text}' in TrainingStrategy, which TMVA would ignore", known=names)
        if method == "GAN" and part.start not in {word.start, piece.start}:
            problem = f"MethodGAN drops {key.text}, since a blank stands before it"
            key.warn("leading-blank", problem, "Read as a setting. Remove the blank.")
        if name in pairs:
            repair = f"The first counts, as in TMVA: {pairs[name].text}."
            key.warn("duplicate-key", f"{name} stands twice in a phase", repair)
            continue
        if method == "GAN" and not name.startswith((*SIDES, "MaxEpochs", "Optimizer", *PARAMETERS)):
            repair = f"Read for each network without one of its own. Write Generator{name} or Discriminator{name}."
            key.warn("unprefixed-key", f"MethodGAN ignores {name}, since it names no network", repair)
        pairs[name] = value
    return pairs


def _net(pairs: dict[str, Piece], net: NetTraining) -> NetTraining:
    new: dict[str, Any] = {}
    for key, field in NUMBERS.items():
        if key in pairs:
            new[field] = pairs[key].number(key, most=1e6 if key != "Momentum" else 1)
    for key, field in COUNTS.items():
        if key in pairs:
            new[field] = pairs[key].integer(key, least=1)
    new["regularization"] = _regularization(pairs, net.regularization)
    if "DropConfig" in pairs:
        parts = [p.strip() for p in pairs["DropConfig"].split("+")]
        new["drop_config"] = tuple(p.number("a drop probability", most=0.999) for p in parts)
    if "Optimizer" in pairs:
        new["optimizer"] = pairs["Optimizer"].choice("optimizer", OPTIMIZERS, default="ADAM")
    if "Multithreading" in pairs:
        new["multithreading"] = pairs["Multithreading"].boolean("Multithreading")
    numbers = []
    for name in PARAMETERS:
        if name not in pairs:
            continue
        value = pairs[name].number(name, most=1)
        if name.split("_")[0] == new.get("optimizer", net.optimizer):
            numbers.append((name, value))
        else:
            problem = f"{name} has no effect with the optimizer {new.get('optimizer', net.optimizer)}"
            pairs[name].warn("ignored-key", problem, "Skipped, as in TMVA.")
    new["optimizer_parameters"] = tuple(numbers)
    for name in IGNORED:
        if name in pairs:
            value = pairs[name].number(name)
            if value != 1:  # strings of old tutorials say Repetitions=1: no harm
                pairs[name].warn("ignored-key", f"{name} has no effect, in TMVA neither", "Remove it.")
    return replace(net, **new)


def _regularization(pairs: dict[str, Piece], default: str) -> str:
    known = ("NONE", "L1", "L2")
    if "Regularization" in pairs:
        return pairs["Regularization"].choice("regularization", known, default="NONE")
    if "Renormalize" not in pairs:
        return default
    value = pairs["Renormalize"]
    meant = value.choice("regularization", known, default="NONE")
    value.warn(
        "renormalize", "TMVA reads the key Regularization, and ignores Renormalize", f"Read as Regularization={meant}."
    )
    return meant
