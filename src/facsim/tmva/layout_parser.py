"""Reading layers: ``CONV|10|3|3|1|1|1|1|RELU,RESHAPE|FLAT,DENSE|1|LINEAR``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, overload

from facsim.errors import OptionStringError
from facsim.tmva.filters import Conv, Deconv, Local
from facsim.tmva.layers import ACTIVATIONS, BatchNorm, Dense, Layer, MaxPool, Reshape, Unflat, Upsample
from facsim.tmva.layout import Halves, Layout
from facsim.tmva.recurrent import GRU, LSTM, RNN, Recurrent
from facsim.tmva.source import Piece
from facsim.tmva.widths import WIDEST, check, evaluate, is_formula

__all__ = ["Method", "halves", "parse_layout", "read_layout"]

Method = Literal["DL", "GAN"]

LONGEST = 100_000  # characters of a string
DEEPEST = 1000  # layers


@overload
def parse_layout(string: str, method: Literal["DL"], *, variables: int | None = None) -> Layout: ...
@overload
def parse_layout(string: str, method: Literal["GAN"], *, variables: int | None = None) -> Halves[Layout]: ...
@overload
def parse_layout(
    string: str, method: None = None, *, variables: int | None = None
) -> Layout | Halves[Layout]: ...  # pragma: no cover
def parse_layout(string: str, method: Method | None = None, *, variables: int | None = None) -> Layout | Halves[Layout]:
    """Read a Layout string of MethodDL, or a pair ``generator##discriminator`` of MethodGAN.

    Parameters
    ----------
    string : str
    method : {"DL", "GAN"}, optional
        Dialect; by default GAN where the string has a ``#``.
    variables : int, optional
        Number of input variables: formulas in N are evaluated. Without it they are kept.

    Returns
    -------
    Layout or Halves of Layout
        The pair has `generator` and `discriminator`, and can be unpacked.

    Raises
    ------
    OptionStringError
        With the string, a caret under the place, and the cure.

    Warns
    -----
    TmvaWarning
        Where TMVA would drop or misread something that has one meaning.

    Examples
    --------
    >>> generator, discriminator = parse_layout("DENSE|64|RELU,DENSE|784|TANH##DENSE|64|LRELU,DENSE|1|LINEAR")
    >>> str(discriminator)
    'DENSE|64|LRELU,DENSE|1|LINEAR'
    """
    piece = whole(string)
    if method == "GAN" or (method is None and "#" in string):
        pair = halves(piece)
        result = Halves(*(read_layout(half, "GAN") for half in pair))
        return result if variables is None else Halves(*(half.at(variables) for half in result))
    layout = read_layout(piece, "DL")
    return layout if variables is None else layout.at(variables)


def whole(string: str) -> Piece:
    """The string as a piece, if it is not absurdly long."""
    if len(string) > LONGEST:
        msg = f"an option string of {len(string)} characters"
        raise OptionStringError(msg, string, LONGEST, f"At most {LONGEST} are read.")
    return Piece.of(string)


def halves(piece: Piece) -> tuple[Piece, Piece]:
    """The two sides of ``##``; TMVA splits at every ``#`` and drops what is empty or comes third."""
    parts = [p for p in piece.split("#") if p.text.strip()]
    if len(parts) != 2:
        piece.fail(f"MethodGAN needs generator##discriminator, but there are {len(parts)} parts", "Write a##b.")
    if parts[1].start - (parts[0].start + len(parts[0].text)) == 1:
        parts[1].warn("single-hash", "one # alone separates the halves, as in TMVA", "Write ##.")
    return parts[0], parts[1]


def read_layout(piece: Piece, method: Method) -> Layout:
    """Layers of one network."""
    layers: list[Layer] = []
    parts = piece.split(",")
    if len(parts) > DEEPEST:
        parts[DEEPEST].fail(f"more than {DEEPEST} layers")
    for part in parts:
        name = part.strip()
        if not name.text:
            if len(parts) > 1:
                part.warn("empty-layer", "nothing stands between two commas", "Skipped. Remove a comma.")
            continue
        _check_blanks(part)
        layer = _layer(name, method)
        if isinstance(layer, Dense) and layers and not isinstance(layers[-1], _FLAT):
            problem = f"TMVA needs RESHAPE|FLAT between {layers[-1].NAME} and DENSE"
            name.warn("missing-flat", problem, "Read as if it stood there.")
        layers.append(layer)
    if not layers:
        piece.fail("a layout without layers", "Write for example DENSE|64|RELU,DENSE|1|LINEAR.")
    return Layout(tuple(layers))


def _check_blanks(part: Piece) -> None:
    """Warn once about blanks at words; before numbers they are harmless, and at the string's ends."""
    for raw in part.split("|"):
        token = raw.strip()
        before = token.start > raw.start > 0
        behind = raw.start < token.start + len(token.text) < raw.start + len(raw.text) < len(raw.whole)
        if (before or behind) and not token.text[:1].isdigit():
            problem = f"TMVA does not know '{token.text}' with a blank beside it, and drops or misreads the layer"
            token.warn("leading-blank", problem, "Read without. Remove the blank.")
            return


_FLAT = (Dense, BatchNorm, Reshape, Recurrent)  # after these a dense layer gets one row, or TMVA makes it so


def _layer(piece: Piece, method: Method) -> Layer:  # noqa: RET503 - `fail` does not return
    if piece.text.lower().startswith("layout="):  # ROOT's own regression tutorial has it
        piece.warn("stray-layout", "TMVA takes Layout= for a part of the layer's name", "Skipped. Remove it.")
        piece = piece.cut(len("layout=")).strip()
    first, *rest = (token.strip() for token in piece.split("|"))
    for token in (first, *rest):
        if not token.text:
            token.fail("an empty token", "TMVA would shift all later sizes: write them all.")
    name = first.text
    if name in _READERS:
        return _READERS[name](first, rest)
    if name.upper() in _READERS:
        first.warn("lower-case", f"TMVA does not know the layer '{name}'", f"Read as {name.upper()}.")
        return _READERS[name.upper()](first, rest)
    if name.upper() in ACTIVATIONS or is_formula(name):
        if method == "GAN":
            problem = f"MethodGAN silently drops the layer '{piece.text}'"
            first.warn("unnamed-layer", problem, f"Read as DENSE|{piece.text}.")
        return _dense(first, [first, *rest])
    first.fail(f"unknown layer '{name}', which TMVA would drop or take for a width", known=_READERS)


def _activation(token: Piece) -> str:
    return token.choice("activation", ACTIVATIONS)


def _dense(name: Piece, tokens: Sequence[Piece]) -> Dense:  # noqa: ARG001
    width: int | str | None = None
    act: str | None = None
    for token in tokens:
        if is_formula(token.text):
            if width is not None:
                token.fail("a dense layer with two widths", "TMVA would take the last: keep one.")
            width = _width(token)
        else:
            if act is not None:
                token.fail("a dense layer with two activations", "TMVA would take the last: keep one.")
            act = _activation(token)
    return Dense(0 if width is None else width, act or "TANH")


def _width(token: Piece) -> int | str:
    text = "".join(token.text.split()).upper()
    try:
        if "N" not in text:
            return evaluate(token.text, 0)
        check(token.text)
    except OptionStringError as error:
        raise OptionStringError(error.problem, token.whole, token.start + error.position, error.cure) from None
    return text


def _sizes(name: Piece, tokens: Sequence[Piece], wanted: Sequence[str], least: Sequence[int]) -> list[int]:
    """Whole numbers in their order; more tokens than wanted are an error, fewer are not."""
    if len(tokens) > len(wanted):
        extra = tokens[len(wanted)]
        extra.fail(f"{name.text} has no place for '{extra.text}'", f"{name.text}|{'|'.join(wanted)}")
    places = zip(tokens, wanted, least, strict=False)
    return [t.integer(f"{w} of {name.text}", least=m, most=WIDEST) for t, w, m in places]


_FILTER = ("depth", "fltH", "fltW", "strideRows", "strideCols", "padH", "padW")


def _filter(kind: Callable[..., Layer]) -> Callable[[Piece, Sequence[Piece]], Layer]:
    def read(name: Piece, tokens: Sequence[Piece]) -> Layer:
        act = "TANH"
        numbers = list(tokens)
        if numbers and numbers[-1].text.isalpha():
            last = numbers.pop()
            act = _activation(last)
            if act == "FTANH":
                last.fail(f"FTANH is for DENSE, not for {name.text}", "Write TANH.")
        sizes = _sizes(name, numbers, _FILTER, (1, 1, 1, 1, 1, 0, 0))
        if len(sizes) < 3:
            name.fail(f"{name.text} needs depth, fltH and fltW", f"{name.text}|{'|'.join(_FILTER)}|ACT")
        layer = kind(*sizes, activation=act)
        if len(sizes) < 7:
            missing = ", ".join(_FILTER[len(sizes) :])
            name.warn(
                "short-conv",
                f"TMVA reads positions: without {missing} it takes 0 for them, and TANH",
                f"Read as {layer}.",
            )
        return layer

    return read


def _pool(name: Piece, tokens: Sequence[Piece]) -> Layer:
    wanted = ("fltH", "fltW", "strideRows", "strideCols")
    sizes = _sizes(name, tokens, wanted, (1, 1, 1, 1))
    if len(sizes) < 4:
        name.fail(f"MAXPOOL without {wanted[len(sizes)]}: TMVA would divide by zero", f"MAXPOOL|{'|'.join(wanted)}")
    return MaxPool(*sizes)


def _reshape(name: Piece, tokens: Sequence[Piece]) -> Layer:
    flat = [t for t in tokens if t.text.upper() == "FLAT"]
    for token in flat:
        if token.text != "FLAT":
            token.warn("value-case", f"TMVA reads '{token.text}' as size 0", "Read as FLAT.")
    sizes = _sizes(name, [t for t in tokens if t.text.upper() != "FLAT"], ("depth", "height", "width"), (0, 0, 0))
    zero = not all(sizes)
    if (len(sizes) not in (0, 3)) or (not flat and (zero or not sizes)) or (flat and zero and any(sizes)):
        name.fail("RESHAPE needs depth, height and width, or FLAT", "RESHAPE|depth|height|width or RESHAPE|FLAT")
    depth, height, width = sizes or (0, 0, 0)
    return Reshape(depth, height, width, bool(flat))


def _exactly(kind: Callable[..., Layer], *wanted: str) -> Callable[[Piece, Sequence[Piece]], Layer]:
    def read(name: Piece, tokens: Sequence[Piece]) -> Layer:
        sizes = _sizes(name, tokens, wanted, (1,) * len(wanted))
        if len(sizes) < len(wanted):
            name.fail(f"{name.text} without {wanted[len(sizes)]}", f"{name.text}|{'|'.join(wanted)}")
        return kind(*sizes)

    return read


def _norm(name: Piece, tokens: Sequence[Piece]) -> Layer:  # noqa: ARG001
    if len(tokens) > 2:
        tokens[2].fail(f"BNORM has no place for '{tokens[2].text}'", "BNORM|momentum|epsilon")
    momentum = tokens[0].number("momentum of BNORM", least=-1, most=1) if tokens else -1.0
    if -1 < momentum < 0:
        tokens[0].fail(f"momentum of BNORM is {momentum:g}", "Write -1 (cumulative average), or 0 to 1.")
    return BatchNorm(momentum, tokens[1].number("epsilon of BNORM", least=1e-12) if len(tokens) > 1 else 1e-4)


def _recurrent(kind: Callable[..., Layer]) -> Callable[[Piece, Sequence[Piece]], Layer]:
    wanted = ["state", "input", "timesteps", "rememberState", "returnSequence", *["resetGateAfter"] * (kind is GRU)]

    def read(name: Piece, tokens: Sequence[Piece]) -> Layer:
        sizes = _sizes(name, tokens[:3], wanted[:3], (1, 0, 0))
        if not sizes:
            name.fail(f"{name.text} without state", f"{name.text}|{'|'.join(wanted)}")
        if len(tokens) > len(wanted):
            extra = tokens[len(wanted)]
            extra.fail(f"{name.text} has no place for '{extra.text}'", f"{name.text}|{'|'.join(wanted)}")
        flags = [bool(t.integer(f"{w} of {name.text}", most=1)) for t, w in zip(tokens[3:], wanted[3:], strict=False)]
        return kind(*sizes, *([0] * (3 - len(sizes)) if flags else []), *flags)

    return read


_READERS: dict[str, Callable[[Piece, Sequence[Piece]], Layer]] = {
    "DENSE": _dense,
    "CONV": _filter(Conv),
    "MAXPOOL": _pool,
    "RESHAPE": _reshape,
    "BNORM": _norm,
    "RNN": _recurrent(RNN),
    "LSTM": _recurrent(LSTM),
    "GRU": _recurrent(GRU),
    "DECONV": _filter(Deconv),
    "LOCAL": _filter(Local),
    "UNFLAT": _exactly(Unflat, "depth", "height", "width"),
    "UPSAMPLE": _exactly(Upsample, "factorRows", "factorCols"),
}
