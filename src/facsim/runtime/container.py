"""What an ONNX file holds and needs, read without handing it to any engine.

A model file may come from a stranger. Two features of ONNX reach beyond the file: operators of a foreign domain, which
need a compiled library, and tensors stored elsewhere, whose location the file names. Both are found here, before
onnxruntime sees the file. ONNX is a protocol buffer (field numbers: ``onnx.proto3``); walking its few nested messages
takes less code than a dependency would.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["STANDARD_DOMAINS", "Contents", "inspect"]

STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
"""Operator sets of the ONNX standard, which onnxruntime brings itself."""

# Which fields of a message are messages themselves, and of what type.
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 14: "entry", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 9: "opset", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_DEEPEST = 32  # graphs within graphs; ours have one level


@dataclass
class Contents:
    """What `inspect` found.

    Parameters
    ----------
    metadata : dict
        The file's key-value pairs.
    domains : set of str
        Operator sets that the file asks for or defines.
    external : bool
        Whether any tensor is stored outside the file.
    """

    metadata: dict[str, str] = field(default_factory=dict)
    domains: set[str] = field(default_factory=set)
    external: bool = False


def inspect(data: bytes) -> Contents:
    """List what an ONNX file holds and needs.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    ValueError
        If the bytes are not a complete ONNX model; the text says what is wrong where.

    Examples
    --------
    >>> inspect(b"<html>")
    Traceback (most recent call last):
    ValueError: field 7 of the model has the impossible wire type 4
    """
    found = Contents()
    if not _walk(memoryview(data), "model", found, 0) & {7}:
        msg = "there is no graph inside"
        raise ValueError(msg)
    return found


def _walk(message: memoryview, kind: str, found: Contents, depth: int) -> set[int]:
    """Visit a message and its children; return the field numbers seen."""
    if depth > 4 * _DEEPEST:  # a level of graph is four messages: graph, node, attribute, graph
        msg = "its graphs are nested too deeply"
        raise ValueError(msg)
    children, seen = _CHILDREN.get(kind, {}), set()
    texts: dict[int, str] = {}
    for number, value in _fields(message, kind):
        seen.add(number)
        if isinstance(value, memoryview) and number in children:
            _walk(value, children[number], found, depth + 1)
        elif isinstance(value, memoryview) and (number, kind) in _TEXTS:
            texts[number] = str(value, "utf-8")
        elif kind == "tensor" and (number == 13 or (number == 14 and value != 0)):  # external_data, data_location
            found.external = True
    if kind == "entry":
        found.metadata[texts.get(1, "")] = texts.get(2, "")
    found.domains.update(texts[number] for number in texts if (number, kind) in _DOMAINS)
    return seen


_DOMAINS = {(1, "opset"), (7, "node"), (10, "function")}
_TEXTS = _DOMAINS | {(1, "entry"), (2, "entry")}


def _fields(message: memoryview, kind: str) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value): an integer, or the bytes of everything else."""
    place, end = 0, len(message)
    while place < end:
        tag, place = _varint(message, place)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 2**29:  # other readers may cut such a number to another field's
            msg = f"the {kind} has the impossible field {number}"
            raise ValueError(msg)
        if wire == 0:
            value, place = _varint(message, place)
            yield number, value
            continue
        if wire == 2:
            size, place = _varint(message, place)
        elif wire in {1, 5}:
            size = 8 if wire == 1 else 4
        else:
            msg = f"field {number} of the {kind} has the impossible wire type {wire}"
            raise ValueError(msg)
        if place + size > end:
            msg = f"field {number} of the {kind} should have {size} bytes, only {end - place} are left"
            raise ValueError(msg)
        yield number, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    msg = "a number is cut off"
    raise ValueError(msg)
