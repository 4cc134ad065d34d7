"""Values of recipes: YAML to plain values, one recipe on top of another, dotted keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from facsim.errors import RecipeError

__all__ = ["TOP", "meaning", "merged", "parse", "put"]

TOP = ("base", "family", "summary", "reference", "model", "training")
"""Keys of every recipe."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's booleans, true and false: `on` and `off` are words, and names of settings."""


BOOL = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != BOOL]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(BOOL, re.compile("true|True|TRUE|false|False|FALSE"), list("tTfF"))


def merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Values above on those below; a part with another ``kind`` replaces that below."""
    out = dict(below)
    for key, value in above.items():
        under = out.get(key)
        if isinstance(value, Mapping) and isinstance(under, str):  # a part that is given by name only
            under = {"kind": under}
        if isinstance(value, Mapping) and isinstance(under, dict) and value.get("kind") in {None, under.get("kind")}:
            out[key] = merged(under, value)
        else:
            out[key] = value
    return out


def parse(source: str, origin: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Values, and the line on which each dotted key stands."""
    try:
        values = _Loader(source).get_single_data()
        tree = _Loader(source).get_single_node()
    except yaml.YAMLError as error:
        msg = f"{origin} is not YAML: {error}"
        raise RecipeError(msg) from error
    if not isinstance(values, dict):
        msg = f"{origin}: a recipe is a mapping with the keys {', '.join(TOP)}"
        raise RecipeError(msg)
    lines: dict[str, int] = {}

    def walk(node: Any, prefix: str) -> None:
        for key, value in node.value:
            lines[prefix + str(key.value)] = key.start_mark.line + 1
            if isinstance(value, yaml.MappingNode):
                walk(value, f"{prefix}{key.value}.")

    walk(tree, "")
    return values, lines


def meaning(key: str, words: str) -> Any:
    """What text on a command line means."""
    try:
        return _Loader(words).get_single_data()
    except yaml.YAMLError as error:
        msg = f"{key} = {words!r} is not YAML: {' '.join(str(error).split())}"
        raise RecipeError(msg) from error


def put(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; whether it exists is checked afterwards, for all keys alike.

    ``model.penalties.0.weight`` reaches into a list; a part that is given by name only becomes a mapping.
    """
    *groups, last = key.split(".")
    at: Any = values
    for group in groups:
        place: Any = int(group) if isinstance(at, list) and group.isdigit() and int(group) < len(at) else group
        if isinstance(at, list) and place is group:
            msg = f"'{key}': '{group}' is not one of the {len(at)} places of that list, counted from 0"
            raise RecipeError(msg)
        inner = at[place] if isinstance(at, list) else at.get(place)
        if isinstance(inner, str) and group not in TOP:
            inner = {"kind": inner}
        at[place] = inner if isinstance(inner, (dict, list)) else {}
        at = at[place]
    if isinstance(at, list):
        msg = f"'{key}': give the whole list, or the number of a place and a setting"
        raise RecipeError(msg)
    at[last] = value
