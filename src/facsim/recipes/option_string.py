"""Option strings of TMVA's MethodGAN as recipes of the family ``gan``."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from facsim.errors import OptionStringError, RecipeError, nearest
from facsim.tmva import BatchNorm, DLOptions, GANOptions, GANPhase, NetTraining, TmvaWarning, parse_options, shapes

__all__ = ["METHOD_GAN", "is_option_string", "recipe_of"]

METHOD_GAN = "MethodGAN"
"""Name of the recipes of option strings."""

RANGES = {
    **dict.fromkeys(("TANH", "FTANH", "SOFTSIGN"), "symmetric-range"),
    **dict.fromkeys(("SIGMOID", "GAUSS"), "unit-range"),
    **dict.fromkeys(("RELU", "SYMMRELU"), "scale"),
}
"""Transform that moves data to where a generator's last activation can go; the others can go anywhere: ``standard``."""

OBJECTIVES = {"CROSSENTROPY": "non-saturating", "SUMOFSQUARES": "least-squares"}
EPSILON = {"ADAM": 1e-7, "RMSPROP": 1e-7, "ADAGRAD": 1e-8, "ADADELTA": 1e-8}
R1 = {"kind": "r1", "weight": 1.0}
"""What a string that names neither objective nor penalty gets: without it, MethodGAN's own networks fall back on two or
three of ten digits within a minute, with it they draw all ten (arXiv:1801.04406); ``Penalty=NONE`` leaves it out."""
SAMPLES = 1000  # events to leave in the run folder
BETA = 0.5  # Adam's first decay rate for adversaries, where none is named (arXiv:1511.06434, section 4)

Presets = Callable[[str], dict[str, Any]]


def is_option_string(recipe: str) -> bool:
    """Whether this is an option string, and not the name of a preset or of a file.

    Examples
    --------
    >>> is_option_string("!H:V:Layout=DENSE|4|TANH##DENSE|1|LINEAR"), is_option_string("runs/my=first.yaml")
    (True, False)
    """
    return "Layout=" in recipe or (":" in recipe and "=" in recipe and not recipe.endswith((".yaml", ".yml")))


def recipe_of(string: str, presets: Iterable[str], values_of: Presets) -> dict[str, Any]:
    """Values of a recipe, as a YAML file would give them.

    Parameters
    ----------
    string : str
        See `facsim.tmva.parse_options`.
    presets : iterable of str
        Names of recipes, whose objectives can be named, too: ``Objective=WGANGP``.
    values_of : callable
        Their values.

    Raises
    ------
    OptionStringError
        For what cannot be read; for options that have no meaning for a generator; where the generator does not make
        what the discriminator takes.
    RecipeError
        For MethodDL's strings: facsim trains generators. For unknown objectives and penalties.

    Examples
    --------
    >>> values = recipe_of("Layout=DENSE|8|RELU,DENSE|4|TANH##DENSE|8|RELU,DENSE|1|SIGMOID", [], dict)
    >>> values["model"]["transform"], values["model"]["critic"]["layout"]
    ('symmetric-range', 'DENSE|8|RELU,DENSE|1|LINEAR')
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\[generator-output\]", TmvaWarning)  # refused below
        options = parse_options(string)
    if isinstance(options, DLOptions):
        msg = (
            f"'{_short(string)}' is an option string of MethodDL, which classifies; facsim fit trains generators. Give "
            "a string of MethodGAN (Layout=GENERATOR##DISCRIMINATOR), or the name of a recipe; facsim.nets.layout "
            "builds the network of this string"
        )
        raise RecipeError(msg)
    from facsim.models.gan.objectives import OBJECTIVES as PARTS

    _check(string, options)
    critic = options.layout.discriminator.logits()
    phases = options.phases
    model: dict[str, Any] = {
        "transform": _transform(string, options),
        "generator": {
            "kind": "layout",
            "layout": str(options.layout.generator),
            "input": "" if options.latent or not options.input_layout.generator.given else _given(options, 0),
            "noise": options.latent or 0,
            "initialization": options.weight_initialization,
            "dropout": _most([p.generator for p in phases]),
        },
        "critic": {
            "kind": "layout",
            "layout": str(critic),
            "input": _given(options, 1) if options.input_layout.discriminator.given else "",
            "initialization": options.weight_initialization,
            "dropout": _most([p.discriminator for p in phases]),
        },
        **_game(options, presets, values_of),
    }
    if PARTS.parse(model["objective"]).outputs > 1:  # a projection of the conditions is for one output
        model["critic"]["conditioning"] = "none"
    size = options.validation_size
    normed = any(isinstance(layer, BatchNorm) for layer in options.layout.generator)
    training: dict[str, Any] = {
        "phases": [_phase(p) for p in phases],
        "batch": phases[0].discriminator.batch_size,
        "warmup": 0,
        "clip": None,
        "ema": 0.0 if normed else 0.999,  # an average of weights has not the moments of the last weights
        "mirror": "off",
        "validate_every": 2500,
        "samples": SAMPLES,
        "seed": options.random_seed,
        "device": "cpu" if options.architecture == "CPU" else "auto",
        **({"validation_fraction": size.fraction} if size.events is None else {"validation_events": size.events}),
    }
    return {
        "family": "gan",
        "summary": "GAN of an option string of TMVA's MethodGAN",
        "reference": str(options),
        "model": model,
        "training": training,
    }


def _check(string: str, options: GANOptions) -> None:
    """Refuse what was no warning of the grammar, and cannot be trained."""
    if options.error_strategy not in OBJECTIVES:
        _refuse(string, "ErrorStrategy", "a discriminator knows two classes", "Write CROSSENTROPY or SUMOFSQUARES.")
    if options.ignore_negative_weights:
        cure = 'Cut them away instead: --cut "weight > 0".'
        _refuse(string, "IgnoreNegWeights", "facsim drops no events by itself", cure)
    noise, event = options.noise_shape(), options.input_layout.discriminator.shape()
    if noise and event:
        made = math.prod(shapes(options.layout.generator, noise)[-1])
        if made != math.prod(event):
            problem = f"the generator makes {made} values, an event has {math.prod(event)}"
            _refuse(string, "Layout=", problem, f"End the generator with DENSE|{math.prod(event)}|TANH, for example.")


def _refuse(string: str, key: str, problem: str, cure: str) -> None:
    raise OptionStringError(problem, string, max(string.upper().find(key.upper()), 0), cure)


def _short(string: str) -> str:
    return string if len(string) < 60 else f"{string[:60]}..."


def _given(options: GANOptions, half: int) -> str:
    return str(tuple(options.input_layout)[half])


def _transform(string: str, options: GANOptions) -> str:
    """What maps data to the range of the generator's last activation, and its events back."""
    last = next((layer for layer in reversed(options.layout.generator.layers) if hasattr(layer, "activation")), None)
    activation = getattr(last, "activation", "LINEAR")
    asked = options.var_transform
    if asked == "G" and activation not in RANGES:
        return "marginals"  # every column through its own distribution, to a normal one
    if asked not in {"None", "I", "N"}:
        problem = f"VarTransform={asked} does not go with a generator that ends with {activation}"
        _refuse(string, "VarTransform", problem, "N does: data are moved to the range of that activation, and back.")
    return RANGES.get(activation, "standard")


def _game(options: GANOptions, presets: Iterable[str], values_of: Presets) -> dict[str, Any]:
    """Objective, penalties and schedule: parts by name, or those of a preset."""
    from facsim.models.gan.objectives import OBJECTIVES as PARTS
    from facsim.models.gan.penalties import PENALTIES

    game: dict[str, Any] = {"objective": OBJECTIVES[options.error_strategy], "penalties": [R1]}
    if any(isinstance(layer, BatchNorm) for layer in options.layout.discriminator):
        game["penalties"] = []  # by the batch there is no slope event by event
    if options.objective:
        wanted = _plain(options.objective)
        parts = {_plain(name): name for name in PARTS.names()}
        systems = {_plain(name): name for name in presets}
        values = values_of(systems[wanted]) if wanted in systems and wanted not in parts else {}
        if wanted in parts:
            game = {"objective": parts[wanted]}
        elif values.get("family") == "gan":
            game = {key: v for key, v in values["model"].items() if key in {"objective", "penalties", "schedule"}}
        else:
            known = [*parts.values(), *systems.values()]
            msg = (
                f"Objective={options.objective} is unknown; there are {sorted(parts.values())}, and recipes of GANs, "
                f"such as WGANGP.{nearest(options.objective.lower(), known)}"
            )
            raise RecipeError(msg)
    if options.penalty and options.penalty.upper() == "NONE":
        game["penalties"] = []
    elif options.penalty:
        penalties = {_plain(name): name for name in PENALTIES.names()}
        if _plain(options.penalty) not in penalties:
            known = ["none", *sorted(penalties.values())]
            msg = f"Penalty={options.penalty} is unknown; there are {known}.{nearest(options.penalty.lower(), known)}"
            raise RecipeError(msg)
        kind = penalties[_plain(options.penalty)]
        if kind not in {p["kind"] if isinstance(p, dict) else p for p in game.get("penalties", ())}:
            game["penalties"] = [{"kind": kind}]
    return game


def _plain(name: str) -> str:
    """Letters and digits alone: WGANGP is wgan-gp."""
    return re.sub(r"[\W_]", "", name.lower())


def _phase(phase: GANPhase) -> dict[str, Any]:
    both = (phase.generator, phase.discriminator)
    return {
        "epochs": phase.max_epochs,
        "batch": phase.discriminator.batch_size,
        "generated": phase.generator.batch_size,
        "patience": max(net.convergence_steps for net in both),
        "test_every": min(net.test_repetitions for net in both),
        "players": {"generator": _player(phase.generator), "critic": _player(phase.discriminator)},
    }


def _player(net: NetTraining) -> dict[str, Any]:
    name = net.optimizer
    values: dict[str, Any] = {
        "learning_rate": net.learning_rate,
        "optimiser": name.lower(),
        "regularisation": net.regularization.lower(),
        "weight_decay": net.weight_decay,
        "dropout": list(net.drop_config),
    }
    if name in {"SGD", "RMSPROP"}:
        values["momentum"] = net.momentum
    if name == "ADAM":
        values["betas"] = [net.parameter("ADAM_beta1", BETA), net.parameter("ADAM_beta2", 0.999)]
    if name in {"RMSPROP", "ADADELTA"}:
        values["rho"] = net.parameter(f"{name}_rho", 0.9 if name == "RMSPROP" else 0.95)
    if name in EPSILON:
        values["eps"] = net.parameter(f"{name}_eps", EPSILON[name])
    return values


def _most(nets: list[NetTraining]) -> list[float]:
    """Largest probability of each layer to drop an input over the phases: where networks have dropout at all."""
    layers = max(len(net.drop_config) for net in nets)
    return [max(net.drop_config[i] if i < len(net.drop_config) else 0.0 for net in nets) for i in range(layers)]
