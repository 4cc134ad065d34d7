"""Reading recipes: YAML in, checked settings out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from facsim.errors import RecipeError, nearest
from facsim.recipes.option_string import METHOD_GAN, is_option_string, recipe_of

if TYPE_CHECKING:
    from facsim.models import ModelConfig
    from facsim.training import TrainingSettings

__all__ = ["Recipe", "load", "names", "reference", "summary", "text"]

M = TypeVar("M", bound=BaseModel)

SUFFIXES = {".yaml", ".yml"}
TOP = ("base", "family", "summary", "reference", "model", "training")


class _Loader(yaml.SafeLoader):
    """YAML 1.2's booleans, true and false: `on` and `off` are words, and names of settings."""


BOOL = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != BOOL]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(BOOL, re.compile("true|True|TRUE|false|False|FALSE"), list("tTfF"))


@dataclass(frozen=True)
class Recipe:
    """Everything that a fit needs besides events.

    Attributes
    ----------
    name : str
        Name of the preset, or the file's stem.
    family : str
        Model family, see `facsim.models.families`.
    summary, reference : str
        One line for people; source of the settings.
    config : ModelConfig
        Hyper-parameters of the family.
    training : TrainingSettings
        Settings of the loop.
    """

    name: str
    family: str
    summary: str
    reference: str
    config: ModelConfig
    training: TrainingSettings

    def to_json(self) -> dict[str, Any]:
        """Plain values, complete with defaults."""
        return {
            "name": self.name,
            "family": self.family,
            "summary": self.summary,
            "reference": self.reference,
            "model": self.config.model_dump(),
            "training": self.training.model_dump(),
        }


def names() -> list[str]:
    """Names of the presets.

    Examples
    --------
    >>> "cfm" in names()
    True
    """
    return sorted(
        f.name.removesuffix(".yaml") for f in resources.files(__package__).iterdir() if f.name[-5:] == ".yaml"
    )


def text(name: str) -> str:
    """YAML of a preset, as it is on disk; of an option string of TMVA's MethodGAN, what it stands for.

    Raises
    ------
    RecipeError
        If there is no such preset.
    """
    if is_option_string(name):
        return yaml.safe_dump(_of_string(name), sort_keys=False, width=120)
    if name not in names():
        msg = f"no recipe '{name}'; there are {names()}.{nearest(name, names())} Or give the path of a YAML file"
        raise RecipeError(msg)
    return (resources.files(__package__) / f"{name}.yaml").read_text(encoding="utf-8")


def _of_string(string: str) -> dict[str, Any]:
    return recipe_of(string, names(), lambda preset: _read(preset)[0])


def summary(name: str) -> str:
    """One line about a preset; like `names` and `text`, it needs no torch.

    Examples
    --------
    >>> summary("wgan-gp").split(";")[0]
    'conditional Wasserstein GAN with gradient penalty on perceptrons'
    """
    return _words(name)["summary"]


def reference(name: str) -> str:
    """Where the settings of a preset come from.

    Examples
    --------
    >>> reference("wgan-gp").split(" (")[0]
    'Gulrajani et al., arXiv:1704.00028'
    """
    return _words(name)["reference"]


def _words(name: str) -> dict[str, str]:
    values, _ = _read(name)
    return {key: str(values.get(key, "")).strip() for key in ("summary", "reference")}


def _read(
    recipe: str | Path, beside: Path | None = None, above: tuple[str, ...] = ()
) -> tuple[dict[str, Any], dict[str, int]]:
    """Values of a preset or a file on top of those of its base, and the line of each key that stands in itself.

    A base that is a file is looked for `beside` the one that names it; `above` are those that led here.
    """
    origin = _origin(recipe)
    path = Path(recipe)
    if path.suffix not in SUFFIXES:
        source = text(str(recipe))
    else:
        path = (beside or Path()) / path
        if not path.is_file():
            msg = f"{path}: no such recipe file"
            raise RecipeError(msg)
        source, recipe, beside = path.read_text(encoding="utf-8"), str(path.resolve()), path.parent
    if str(recipe) in above:
        msg = f"{origin} is based on itself: {' > '.join([*above, str(recipe)])}. Change one 'base' of these"
        raise RecipeError(msg)
    values, lines = _parse(source, origin)
    base = values.pop("base", None)
    if base is None:
        return values, lines
    if not isinstance(base, str):
        msg = f"{origin}: base = {base!r} must be the name of a recipe, or the path of a YAML file"
        raise RecipeError(msg)
    return _merged(_read(base, beside, (*above, str(recipe)))[0], values), lines


def _origin(recipe: str | Path) -> str:
    return str(recipe) if Path(recipe).suffix in SUFFIXES else f"recipe '{recipe}'"


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Values above on those below; a part with another ``kind`` replaces that below."""
    out = dict(below)
    for key, value in above.items():
        under = out.get(key)
        if isinstance(value, Mapping) and isinstance(under, str):  # a part that is given by name only
            under = {"kind": under}
        if isinstance(value, Mapping) and isinstance(under, dict) and value.get("kind") in {None, under.get("kind")}:
            out[key] = _merged(under, value)
        else:
            out[key] = value
    return out


def load(recipe: str | Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read a preset or a YAML file, and change some of its values.

    Parameters
    ----------
    recipe : str or path
        Name of a preset (`names`), an option string of TMVA's MethodGAN, or path of a ``.yaml`` file. A file's key
        ``base`` names another recipe, whose values it changes; one that is a file is looked for beside it.
    overrides : mapping, optional
        Dotted keys to values: ``{"training.steps": 2000}``. Values may be text as on a command line.

    Raises
    ------
    RecipeError
        For an unknown recipe, a key that does not exist (with the nearest that does, and the line), or an impossible
        value.

    Examples
    --------
    >>> load("cfm", {"training.steps": "2000"}).training.steps
    2000
    """
    from facsim.models import family
    from facsim.training import TrainingSettings

    if is_option_string(str(recipe)):
        origin, name = "the option string", METHOD_GAN
        values = _of_string(str(recipe))
        lines: dict[str, int] = {}
    else:
        origin, name = _origin(recipe), Path(recipe).stem if Path(recipe).suffix in SUFFIXES else str(recipe)
        values, lines = _read(recipe)
    for key, value in (overrides or {}).items():
        _set(values, key, _value(key, value) if isinstance(value, str) else value)
    for group in ("model", "training"):
        if not isinstance(values.get(group) or {}, dict):
            msg = f"{origin}: '{group}' must be a mapping, got {values[group]!r}"
            raise RecipeError(msg)
    if "family" not in values:
        msg = f"{origin}: the key 'family' is missing; write for example 'family: cfm'"
        raise RecipeError(msg)
    known = family(str(values["family"])).config_type
    allowed = {*TOP, *_dotted("model", known), *_dotted("training", TrainingSettings)}
    for key in _keys(values):
        if not _is_allowed(key, allowed):
            line = f", line {lines[key]}" if key in lines else ""
            msg = f"unknown key '{key}' in {origin}{line}.{_nearest_key(key, allowed)}"
            raise RecipeError(msg)
    config = _checked(known, values, "model", origin)
    training = _checked(TrainingSettings, values, "training", origin)
    words = {k: str(values.get(k, "")).strip() for k in ("summary", "reference")}
    return Recipe(name, str(values["family"]), words["summary"], words["reference"], config, training)


def _checked(model: type[M], values: Mapping[str, Any], group: str, origin: str) -> M:
    """Settings of a group of keys; an impossible value is a `RecipeError` with its dotted key."""
    try:
        return model(**(values.get(group) or {}))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(p) for p in (group, *first["loc"]))
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, RecipeError):  # a part says itself what is wrong
            msg = f"{origin}: {place}: {cause}"
        elif first["type"] == "extra_forbidden":
            known = _fields_around(model, first["loc"])
            msg = f"unknown key '{place}' in {origin}; there are {known}.{nearest(str(first['loc'][-1]), known)}"
        else:
            msg = f"{origin}: {place} = {first['input']!r}: {first['msg']}"
        raise RecipeError(msg) from error


def _fields_around(model: type[BaseModel], place: tuple[str | int, ...]) -> list[str]:
    """Names of the settings that stand where one of them does not exist."""
    for key in place[:-1]:
        inner = model.model_fields[str(key)].annotation if str(key) in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)


def _parse(source: str, origin: str) -> tuple[dict[str, Any], dict[str, int]]:
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


def _value(key: str, words: str) -> Any:
    """What text on a command line means."""
    try:
        return _Loader(words).get_single_data()
    except yaml.YAMLError as error:
        msg = f"{key} = {words!r} is not YAML: {' '.join(str(error).split())}"
        raise RecipeError(msg) from error


def _set(values: dict[str, Any], key: str, value: Any) -> None:
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


def _is_allowed(key: str, allowed: set[str]) -> bool:
    """Whether a dotted key names a setting, or lies within one that has settings of its own."""
    return key in allowed or any(key.startswith(f"{a}.") for a in allowed if a.count(".") == 1)


def _keys(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted keys of all values; a group counts by what stands in it."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _dotted(group: str, model: type[BaseModel]) -> list[str]:
    return [f"{group}.{field}" for field in model.model_fields]


def _nearest_key(key: str, allowed: set[str]) -> str:
    """Nearest dotted key; without the group if that alone is what is wrong ('steps' for 'training.steps')."""
    close = difflib.get_close_matches(key, allowed, n=1, cutoff=0.75)
    same_name = [a for a in sorted(allowed) if a.split(".")[-1] == key.rsplit(".", maxsplit=1)[-1]]
    found = close or same_name or difflib.get_close_matches(key, allowed, n=1, cutoff=0.5)
    return f" Did you mean '{found[0]}'?" if found else f" Known are: {', '.join(sorted(allowed))}"
