"""A parameter space from a YAML file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from facsim.errors import DataError, FileFormatError, nearest
from facsim.simulators.parametric.rules import read_rules
from facsim.simulators.parametric.space import Parameter, Space

__all__ = ["read_space"]

KEYS = ("low", "high", "default", "unit", "whole")


def read_space(path: str | os.PathLike[str]) -> Space:
    """Read a space from a YAML file.

    ``parameters`` maps names to ``low``, ``high`` and, if wanted, ``default``, ``unit`` and ``whole``. ``valid`` lists
    linear rules, see `facsim.simulators.parametric.rules.read_rules`; without it the whole box is valid.

    Raises
    ------
    FileFormatError
        If the file cannot be read as YAML.
    DataError
        For an unknown key, an impossible value, a rule that is not linear, or a default that is not valid.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "lines.yaml"
    >>> _ = path.write_text('''
    ... parameters:
    ...   m: {low: -1, high: 1}
    ...   c: {low: 0, high: 27, default: 13, unit: px}
    ...   x0: {low: 0, high: 23, default: 4, whole: true}
    ...   xsteps: {low: 5, high: 28, default: 20, whole: true}
    ... valid:
    ...   - x0 + xsteps <= 28
    ... ''')
    >>> print(read_space(path))
    m (-1 to 1), c (0 to 27 px), x0 (0 to 23), xsteps (5 to 28)
    """
    import yaml

    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        what = getattr(error, "strerror", None) or str(error).splitlines()[0]
        msg = f"{path}: cannot be read as YAML ({what})"
        raise FileFormatError(msg) from error
    content = _mapping(content, f"{path}", ("parameters", "valid"))
    parameters = content.get("parameters")
    if not isinstance(parameters, dict) or not parameters:
        msg = f"{path}: 'parameters' must map names to ranges, such as 'm: {{low: -1, high: 1}}'"
        raise DataError(msg)
    space = Space(tuple(_parameter(str(name), fields, str(path)) for name, fields in parameters.items()))
    rules = content.get("valid") or []
    rules = [rules] if isinstance(rules, str) else rules
    if not isinstance(rules, list) or not all(isinstance(rule, str) for rule in rules):
        msg = f"{path}: 'valid' must list rules as text, such as 'x0 + xsteps <= 28'"
        raise DataError(msg)
    if not rules:
        return space
    try:
        space = Space(space.parameters, read_rules(rules, space.names), " and ".join(rules))
    except DataError as error:
        msg = f"{path}: {error}"
        raise DataError(msg) from error
    if not space.contains(space.default).all():
        named = ", ".join(f"{k}={v:g}" for k, v in zip(space.names, space.default, strict=True))
        msg = f"{path}: the default point {named} is not valid ({space.rule}); give other defaults"
        raise DataError(msg)
    return space


def _parameter(name: str, fields: Any, path: str) -> Parameter:
    fields = _mapping(fields, f"{path}, parameter '{name}'", KEYS)
    for key, value in fields.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        wanted = {"unit": str, "whole": bool}.get(key, float)
        if not (number if wanted is float else isinstance(value, wanted)):
            msg = f"{path}, parameter '{name}': '{key}' is {value!r}, it must be of type {wanted.__name__}"
            raise DataError(msg)
    if not {"low", "high"} <= set(fields):
        msg = f"{path}, parameter '{name}': 'low' and 'high' are needed, such as {{low: -1, high: 1}}"
        raise DataError(msg)
    return Parameter(name, **fields)


def _mapping(value: Any, where: str, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        msg = f"{where}: expected {', '.join(known)}, got {value!r:.60}"
        raise DataError(msg)
    for key in value:
        if key not in known:
            msg = f"{where}: unknown key '{key}'; there are {list(known)}.{nearest(str(key), known)}"
            raise DataError(msg)
    return value
