"""Reading recipes: YAML in, checked settings out."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from facsim.errors import RecipeError, nearest

if TYPE_CHECKING:
    from facsim.models import ModelConfig
    from facsim.training import TrainingSettings

__all__ = ["Recipe", "load", "names", "summary", "text"]

M = TypeVar("M", bound=BaseModel)

TOP = ("family", "summary", "reference", "model", "training")


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
    """YAML of a preset, as it is on disk.

    Raises
    ------
    RecipeError
        If there is no such preset.
    """
    if name not in names():
        msg = f"no recipe '{name}'; there are {names()}.{nearest(name, names())} Or give the path of a YAML file"
        raise RecipeError(msg)
    return (resources.files(__package__) / f"{name}.yaml").read_text(encoding="utf-8")


def summary(name: str) -> str:
    """One line about a preset; like `names` and `text`, it needs no torch.

    Examples
    --------
    >>> summary("wgan-gp").split(";")[0]
    'conditional Wasserstein GAN with gradient penalty on perceptrons'
    """
    return str(_parse(text(name), f"recipe '{name}'")[0].get("summary", "")).strip()


def load(recipe: str | Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read a preset or a YAML file, and change some of its values.

    Parameters
    ----------
    recipe : str or path
        Name of a preset (`names`) or path of a ``.yaml`` file.
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

    path = Path(recipe)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            msg = f"{path}: no such recipe file"
            raise RecipeError(msg)
        origin, source, name = str(path), path.read_text(encoding="utf-8"), path.stem
    else:
        origin, source, name = f"recipe '{recipe}'", text(str(recipe)), str(recipe)
    values, lines = _parse(source, origin)
    for key, value in (overrides or {}).items():
        _set(values, key, yaml.safe_load(value) if isinstance(value, str) else value)
    if "family" not in values:
        msg = f"{origin}: the key 'family' is missing; write for example 'family: cfm'"
        raise RecipeError(msg)
    known = family(str(values["family"])).config_type
    allowed = {*TOP, *_dotted("model", known), *_dotted("training", TrainingSettings)}
    for key in _keys(values):
        if key not in allowed:
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
        msg = f"{origin}: {place} = {first['input']!r}: {first['msg']}"
        raise RecipeError(msg) from error


def _parse(source: str, origin: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Values, and the line on which each dotted key stands."""
    try:
        values = yaml.safe_load(source)
        tree = yaml.compose(source, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        msg = f"{origin} is not YAML: {error}"
        raise RecipeError(msg) from error
    if not isinstance(values, dict):
        msg = f"{origin}: a recipe is a mapping with the keys {', '.join(TOP)}"
        raise RecipeError(msg)
    for group in ("model", "training"):
        if not isinstance(values.get(group) or {}, dict):
            msg = f"{origin}: '{group}' must be a mapping, got {values[group]!r}"
            raise RecipeError(msg)
    lines: dict[str, int] = {}

    def walk(node: Any, prefix: str) -> None:
        for key, value in node.value:
            lines[prefix + str(key.value)] = key.start_mark.line + 1
            if isinstance(value, yaml.MappingNode):
                walk(value, f"{prefix}{key.value}.")

    walk(tree, "")
    return values, lines


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; whether it exists is checked afterwards, for all keys alike."""
    *groups, last = key.split(".")
    for group in groups:
        inner = values.get(group)
        values[group] = inner if isinstance(inner, dict) else {}
        values = values[group]
    values[last] = value


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
