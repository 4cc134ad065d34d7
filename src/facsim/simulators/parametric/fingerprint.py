"""What a Python function computes, as a number: its code and all that it holds."""

from __future__ import annotations

import copyreg
import functools
import hashlib
import inspect
import itertools
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facsim.errors import DataError

__all__ = ["fingerprint"]

PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented))
BUILT_IN = (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, np.ufunc)


def fingerprint(function: Any) -> str:
    """Digest of a callable: equal for equal code and values, in every process of one version of Python.

    It covers the code with its constants, defaults, captured values, attributes, what `functools.partial` holds,
    an object's class and state, and the functions and values of its own module that it names. Other modules are known
    by name. Nothing is written or executed, but what the objects themselves say about their state (``__reduce_ex__``).

    Raises
    ------
    DataError
        If something that it holds has no state that can be compared: a lock, an open file, a generator.

    Examples
    --------
    >>> def scaled(by):
    ...     return lambda theta, rng: by * theta
    >>> fingerprint(scaled(2)) == fingerprint(scaled(2)), fingerprint(scaled(2)) == fingerprint(scaled(3))
    (True, False)
    """
    try:
        return _Reader(getattr(inspect.unwrap(function), "__module__", None)).read(function).hex()[:32]
    except RecursionError as error:
        msg = "what it holds is nested too deeply to be compared"
        raise DataError(msg) from error


@dataclass
class _Reader:
    """Reads values recursively; functions and classes once."""

    module: str | None
    known: dict[int, tuple[Any, bytes]] = field(default_factory=dict)  # with the object, so that its id stays its own
    open: list[int] = field(default_factory=list)  # what is being read: a value may hold itself

    def read(self, value: Any) -> bytes:
        if isinstance(value, PLAIN) and type(value) in PLAIN:
            return _join(type(value).__name__, repr(value))
        if id(value) in self.known:
            return self.known[id(value)][1]
        if id(value) in self.open:
            return _join("itself", str(len(self.open) - self.open.index(id(value))))
        self.open.append(id(value))
        try:
            found = self._composite(value)
        finally:
            self.open.pop()
        if isinstance(value, (types.FunctionType, type)):
            self.known[id(value)] = value, found
        return found

    def _composite(self, value: Any) -> bytes:
        if type(value) in {tuple, list}:
            return self._all(type(value).__name__, value)
        if type(value) in {set, frozenset}:
            return _join(type(value).__name__, *sorted(map(self.read, value)))
        if type(value) in {dict, types.MappingProxyType}:
            return self._all("mapping", itertools.chain.from_iterable(value.items()))
        if (type(value) is np.ndarray or isinstance(value, np.generic)) and not value.dtype.hasobject:
            return _join(type(value).__name__, repr(value.dtype.descr), str(value.shape), value.tobytes())
        if isinstance(value, types.CodeType):
            return self._code(value)
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.ModuleType):
            return _join("module", value.__name__)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, functools.partial):
            return self._all("partial", (type(value), value.func, value.args, value.keywords, vars(value)))
        if isinstance(value, types.MethodType):
            return self._all("method", (value.__func__, value.__self__))
        if isinstance(value, BUILT_IN):
            owner = getattr(value, "__self__", None)  # list.append of a list, but math of math.sin
            name = str(getattr(value, "__qualname__", value.__name__))
            return self._all("built-in", (str(getattr(value, "__module__", "")), name, owner))
        if isinstance(value, (staticmethod, classmethod)) or type(value) is functools._lru_cache_wrapper:
            return self._all(type(value).__name__, (value.__wrapped__,))
        if isinstance(value, property):
            return self._all("property", (value.fget, value.fset))
        return self._object(value)

    def _all(self, kind: str, parts: Iterable[Any]) -> bytes:
        return _join(kind, *map(self.read, parts))

    def _code(self, code: types.CodeType) -> bytes:
        numbers = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        return self._all(
            "code", (*numbers, code.co_code, *names, code.co_consts, getattr(code, "co_exceptiontable", b""))
        )

    def _function(self, function: types.FunctionType) -> bytes:
        captured = []
        for cell in function.__closure__ or ():
            try:
                captured.append(cell.cell_contents)
            except ValueError:  # not yet filled
                captured.append("empty")
        parts = (function.__code__, function.__defaults__, function.__kwdefaults__, captured, vars(function))
        return self._all("function", (*parts, self._named(function)))

    def _named(self, function: types.FunctionType) -> dict[str, Any]:
        """What the function names in its module, as far as it can be compared."""
        found: dict[str, Any] = {}
        for name in sorted(_names(function.__code__) & set(function.__globals__)):
            value = function.__globals__[name]
            if isinstance(value, (types.FunctionType, type)) and value.__module__ != self.module:
                found[name] = f"{value.__module__}.{value.__qualname__}"
            else:
                found[name] = self._or_type(value)
        return found

    def _class(self, cls: type) -> bytes:
        """Name, bases, and what stands in its body."""
        name = f"{cls.__module__}.{cls.__qualname__}"
        if not cls.__flags__ & (1 << 9) or cls.__module__ in {
            "builtins",
            "abc",
            "typing",
            "enum",
        }:  # not of Python code
            return _join("class", name)
        body = {k: v for k, v in vars(cls).items() if callable(v) or not (k.startswith("__") and k.endswith("__"))}
        inside = {k: self._or_type(v) for k, v in sorted(body.items())}
        return self._all("class", (name, cls.__bases__, inside))

    def _or_type(self, value: Any) -> Any:
        """What classes and modules hold: shared things, of which those that cannot be compared are known by type."""
        try:
            return self.read(value)
        except DataError:
            return f"some {type(value).__module__}.{type(value).__qualname__}"

    def _object(self, value: Any) -> bytes:
        """Class and state."""
        try:
            own = copyreg.dispatch_table.get(type(value))  # as for regular expressions
            told: Any = own(value) if own else value.__reduce_ex__(4)
            if isinstance(told, str):
                told = (told,)
            state = [list(part) if _iterates(part) else part for part in told]
        except Exception as error:
            msg = f"it holds a {type(value).__module__}.{type(value).__qualname__}, whose state cannot be compared"
            raise DataError(msg) from error
        return self._all("object", (type(value), *state))


def _names(code: types.CodeType) -> set[str]:
    """Names that code and the functions inside of it use."""
    inner = [_names(part) for part in code.co_consts if isinstance(part, types.CodeType)]
    return set(code.co_names).union(*inner)


def _iterates(part: Any) -> bool:
    return hasattr(part, "__next__") and not isinstance(part, Mapping)


def _join(*parts: str | bytes) -> bytes:
    """Hash in which no two lists of parts look alike."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode(errors="surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.digest()
