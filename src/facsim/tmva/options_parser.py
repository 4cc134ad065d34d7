"""Reading the outer string: ``!H:V:Key=Value:Key=Value``."""

from __future__ import annotations

import math
import re
from typing import Any, Literal, overload

from facsim.errors import OptionStringError
from facsim.tmva.inputs import BatchLayout, check_batch, read_batch, read_input
from facsim.tmva.layers import Shape
from facsim.tmva.layout import Halves, Layout, shapes
from facsim.tmva.layout_parser import Method, halves, read_layout, whole
from facsim.tmva.options import DLOptions, GANOptions, ValidationSize
from facsim.tmva.source import Piece
from facsim.tmva.training_parser import read_phases

__all__ = ["parse_options"]

FLAGS = {"H": "help", "V": "verbose", "IgnoreNegWeightsInTraining": "ignore_negative_weights", "CreateMVAPdfs": ""}
WORDS = {
    "ErrorStrategy": ("CROSSENTROPY", "SUMOFSQUARES", "MUTUALEXCLUSIVE"),
    "WeightInitialization": ("XAVIER", "XAVIERUNIFORM", "GAUSS", "UNIFORM", "ZERO", "IDENTITY"),
    "Architecture": ("CPU", "GPU", "CUDNN", "STANDARD", "OPENCL"),
}
COMMON = ("VarTransform", "RandomSeed", "ValidationSize", "VerbosityLevel")
NETWORK = ("InputLayout", "BatchLayout", "Layout", "TrainingStrategy")
EXTENSIONS = ("Objective", "Penalty", "Latent")


@overload
def parse_options(string: str, method: Literal["DL"], *, variables: int | None = None) -> DLOptions: ...
@overload
def parse_options(string: str, method: Literal["GAN"], *, variables: int | None = None) -> GANOptions: ...
@overload
def parse_options(string: str, method: None = None, *, variables: int | None = None) -> DLOptions | GANOptions: ...
def parse_options(string: str, method: Method | None = None, *, variables: int | None = None) -> DLOptions | GANOptions:
    """Read the option string of MethodDL or MethodGAN.

    Parameters
    ----------
    string : str
    method : {"DL", "GAN"}, optional
        Dialect; by default GAN where the string has a ``#`` or a setting of a generator or discriminator.
    variables : int, optional
        Number of input variables: evaluates formulas in N, and stands for an absent InputLayout.

    Returns
    -------
    DLOptions or GANOptions
        All defaults filled in; ``str()`` of it is the canonical string.

    Raises
    ------
    OptionStringError
        For what cannot be read, and for networks whose shapes do not fit (where the input is known).

    Warns
    -----
    TmvaWarning
        Where TMVA would drop or misread something that has one meaning.

    Examples
    --------
    >>> options = parse_options("!H:V:InputLayout=1|1|4:Layout=DENSE|N*2|RELU,LINEAR:TrainingStrategy=BatchSize=100")
    >>> options.layout.layers[0], options.phases[0].net.batch_size, options.error_strategy
    (Dense(width='N*2', activation='RELU'), 100, 'CROSSENTROPY')
    """
    piece = whole(string)
    gan = method == "GAN" or (method is None and bool(re.search("#|Generator|Discriminator", string)))
    values = _values(piece, (*NETWORK, *(EXTENSIONS if gan else ())), gan=gan)
    fields = _common(values)
    fields |= _gan(values, variables) if gan else _dl(values, variables)
    return GANOptions(**fields) if gan else DLOptions(**fields)


def _values(piece: Piece, own: tuple[str, ...], *, gan: bool) -> dict[str, Piece]:
    """Values by canonical key; flags have the values True and False."""
    names = (*FLAGS, *WORDS, *COMMON, *own)
    known = {name.upper(): name for name in names}
    values: dict[str, Piece] = {}
    parts = [p for p in (p.strip() for p in _glued(piece, values).split(":")) if p.text]
    for part in parts:
        at = part.text.find("=")
        if at < 0:
            key, value = part, Piece("True", part.start, part.whole)
            if part.text.startswith("!"):
                key, value = part.cut(1).strip(), Piece("False", part.start, part.whole)
            if known.get(key.text.upper(), "H") not in FLAGS:
                key.fail(f"{key.text} has no value", f"Write {key.text}=...")
            if key.text.upper() not in known:
                key.fail(f"'{key.text}' is neither a flag nor Key=Value", known=names)
        else:
            key, value = part.cut(0, at).strip(), part.cut(at + 1).strip()
        name = known.get(key.text.upper())
        if name is None:
            cure = "Objective, Penalty and Latent belong to GANs." if not gan and key.text in EXTENSIONS else ""
            key.fail(f"unknown option '{key.text}'", cure, known=names)
        if name in values:
            if values[name].text != value.text:
                key.fail(f"{name} stands twice, as {values[name].text} and {value.text}", "Keep one.")
            key.warn("duplicate-option", f"{name} stands twice", "Read once. Remove one.")
        if not value.text:
            key.fail(f"{name} has no value")
        values[name] = value
    return values


def _glued(piece: Piece, values: dict[str, Piece]) -> Piece:
    """The string without an architecture glued to its end: a test of MethodGAN forgot ``:Architecture=``."""
    found = re.search(r"(?<=[A-Za-z0-9.])(CPU|GPU|CUDNN)\s*$", piece.text)
    if not found or "architecture=" in piece.text.lower():
        return piece
    place = piece.cut(found.start(1), found.end(1))
    problem = f"'{place.text}' is glued to the last value"
    place.warn("glued-architecture", problem, f"Read as :Architecture={place.text}.")
    values["Architecture"] = place
    return piece.cut(0, found.start(1))


def _common(values: dict[str, Piece]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, field in FLAGS.items():
        if name in values:
            truth = values[name].boolean(name)
            if field:
                fields[field] = truth
    for name, known in WORDS.items():
        if name in values:
            field = "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")
            fields[field] = values[name].choice(name, known)
    if fields.get("architecture") in ("STANDARD", "OPENCL"):
        problem = f"Architecture {fields['architecture']} does not exist any more"
        values["Architecture"].warn("old-architecture", problem, "Read as CPU.")
        fields["architecture"] = "CPU"
    if "VarTransform" in values:
        fields["var_transform"] = _transform(values["VarTransform"])
    if "RandomSeed" in values:
        fields["random_seed"] = values["RandomSeed"].integer("RandomSeed")
    if "ValidationSize" in values:
        fields["validation_size"] = ValidationSize.read(values["ValidationSize"])
    return fields


def _transform(piece: Piece) -> str:
    """Names of preprocessings, each of which may name its class (``D_Background``) and its variables in brackets."""
    if piece.text.upper() == "NONE":
        return "None"
    if not re.fullmatch(r"[INDPGU][\w()]*([,+;\s][\s,+;]*[INDPGU][\w()]*)*", piece.text):
        piece.fail(f"VarTransform '{piece.text}' is unknown", "Letters I, N, D, P, G, U joined by commas, or None.")
    return ",".join(re.split(r"[,+;\s]+", piece.text))


def _dl(values: dict[str, Piece], variables: int | None) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if "InputLayout" in values:
        fields["input_layout"] = read_input(values["InputLayout"])
    if "BatchLayout" in values:
        fields["batch_layout"] = read_batch(values["BatchLayout"])
    if "Layout" in values:
        fields["layout"] = read_layout(values["Layout"], "DL")
    if "TrainingStrategy" in values:
        fields["phases"] = read_phases(values["TrainingStrategy"], "DL")
    options = DLOptions(**fields)
    if variables is not None:
        fields["layout"] = options.layout.at(variables)
    inputs = options.input_layout.shape(variables)
    batches = [phase.net.batch_size for phase in options.phases]
    if inputs:
        _check(values, "", inputs, options.layout, options.batch_layout, batches, variables)
    return fields


def _gan(values: dict[str, Piece], variables: int | None) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if "InputLayout" in values:
        fields["input_layout"] = Halves(*map(read_input, halves(values["InputLayout"])))
    if "BatchLayout" in values:
        generator, discriminator = map(read_batch, halves(values["BatchLayout"]))
        if generator and discriminator:
            fields["batch_layout"] = Halves(generator, discriminator)
    if "Layout" in values:
        fields["layout"] = Halves(*(read_layout(half, "GAN") for half in halves(values["Layout"])))
    if "TrainingStrategy" in values:
        fields["phases"] = read_phases(values["TrainingStrategy"], "GAN")
    for name in ("Objective", "Penalty"):
        if name in values:
            if not re.fullmatch(r"[\w.+-]+", values[name].text):
                values[name].fail(f"{name} '{values[name].text}' is no name", "Write for example Objective=WGANGP.")
            fields[name.lower()] = values[name].text
    if "Latent" in values:
        fields["latent"] = values["Latent"].integer("Latent", least=1, most=2**20)
    options = GANOptions(**fields)
    if variables is not None:
        fields["layout"] = Halves(*(half.at(variables) for half in options.layout))
    _check_gan(values, options, variables)
    return fields


def _check_gan(values: dict[str, Piece], options: GANOptions, variables: int | None) -> None:
    made: int | None = None
    for i, side in enumerate(("generator", "discriminator")):
        inputs = options.input_layout.discriminator.shape(variables) if i else options.noise_shape(variables)
        if not inputs:
            return
        batch = None
        if options.batch_layout and (i or not options.latent):
            batch = getattr(options.batch_layout, side)
        batches = [getattr(phase, side).batch_size for phase in options.phases]
        layout: Layout = getattr(options.layout, side)
        last = _check(values, side, inputs, layout, batch, batches, variables)
        if i == 0:
            made = math.prod(last)
        elif made != math.prod(inputs) and "Layout" in values:
            problem = f"the generator makes {made} values, the discriminator takes {math.prod(inputs)}"
            repair = "Each network can be built, but they cannot be trained together."
            values["Layout"].warn("generator-output", problem, repair)


def _check(
    values: dict[str, Piece],
    side: str,
    inputs: Shape,
    layout: Layout,
    batch: BatchLayout | None,
    batches: list[int],
    variables: int | None,
) -> Shape:
    """Shapes of a network, which must fit, and its batch layout, which should; returns the output's shape."""
    try:
        last = shapes(layout, inputs, variables=variables)[-1]
    except OptionStringError as error:
        problem = f"{side}: {error.problem}" if side else error.problem
        raise OptionStringError(problem, error.string, error.position, error.cure) from None
    if batch is not None:
        check_batch(values["BatchLayout"], batch, inputs, layout, batches)
    return last
