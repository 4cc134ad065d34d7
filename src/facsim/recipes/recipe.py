"""Reading recipes: YAML in, checked settings out."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from facsim.errors import RecipeError, nearest
from facsim.recipes.option_string import METHOD_GAN, is_option_string, recipe_of
from facsim.recipes.values import TOP, meaning, merged, parse, put

if TYPE_CHECKING:
    import os

    from facsim.events import Events
    from facsim.models import ModelConfig, Surrogate
    from facsim.training import TrainingSettings

__all__ = ["Recipe", "checked", "load", "made", "names", "read", "reference", "summary", "text"]

M = TypeVar("M", bound=BaseModel)

SUFFIXES = {".yaml", ".yml"}


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

    def fit(
        self,
        data: str | os.PathLike[str] | Events,
        folder: Path,
        *,
        resume: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Surrogate:
        """Fit it to events; see `facsim.training.fit_model`."""
        from facsim.training import fit_model

        return fit_model(
            data,
            self.family,
            self.config,
            self.training,
            folder,
            resume=resume,
            recipe=self.to_json(),
            progress=progress,
        )


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
    return recipe_of(string, names(), lambda preset: read(preset)[0])


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
    values, _ = read(name)
    return {key: str(values.get(key, "")).strip() for key in ("summary", "reference")}


def read(
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
    values, lines = parse(source, origin)
    base = values.pop("base", None)
    if base is None:
        return values, lines
    if not isinstance(base, str):
        msg = f"{origin}: base = {base!r} must be the name of a recipe, or the path of a YAML file"
        raise RecipeError(msg)
    return merged(read(base, beside, (*above, str(recipe)))[0], values), lines


def _origin(recipe: str | Path) -> str:
    return str(recipe) if Path(recipe).suffix in SUFFIXES else f"recipe '{recipe}'"


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
    beside = None
    if is_option_string(str(recipe)):
        origin, name = "the option string", METHOD_GAN
        values = _of_string(str(recipe))
        lines: dict[str, int] = {}
    else:
        origin, name = _origin(recipe), Path(recipe).stem if Path(recipe).suffix in SUFFIXES else str(recipe)
        values, lines = read(recipe)
        beside = Path(recipe).parent if Path(recipe).suffix in SUFFIXES else None
    for key, value in (overrides or {}).items():
        for place in (*_below(values, key), key):
            put(values, place, meaning(key, value) if isinstance(value, str) else value)
    return made(values, name, origin, lines=lines, beside=beside)


def made(
    values: dict[str, Any],
    name: str,
    origin: str,
    *,
    lines: Mapping[str, int] | None = None,
    beside: Path | None = None,
) -> Recipe:
    """The recipe of plain values, checked.

    Parameters
    ----------
    values : dict
        As in a file, its bases included.
    name, origin : str
        What it is called, and where the values come from: for messages.
    lines : mapping, optional
        Line of every dotted key.
    beside : Path, optional
        Folder in which files are looked for that it names.
    """
    from facsim.models import family
    from facsim.recipes.composite import COMPOSITE
    from facsim.recipes.student import SPECIAL
    from facsim.training import TrainingSettings

    for group in ("model", "training"):
        if not isinstance(values.get(group) or {}, dict):
            msg = f"{origin}: '{group}' must be a mapping, got {values[group]!r}"
            raise RecipeError(msg)
    if "family" not in values:
        msg = f"{origin}: the key 'family' is missing; write for example 'family: cfm'"
        raise RecipeError(msg)
    if values["family"] in COMPOSITE:
        return COMPOSITE[str(values["family"])](values, name, origin, beside)
    known = family(str(values["family"])).config_type
    allowed = {*TOP, *_dotted("model", known), *_dotted("training", TrainingSettings)}
    for key in _keys(values):
        if not _is_allowed(key, allowed):
            line = f", line {lines[key]}" if lines and key in lines else ""
            msg = f"unknown key '{key}' in {origin}{line}.{_nearest_key(key, allowed)}"
            raise RecipeError(msg)
    config = checked(known, values, "model", origin)
    training = checked(TrainingSettings, values, "training", origin)
    words = {k: str(values.get(k, "")).strip() for k in ("summary", "reference")}
    kind = SPECIAL.get(str(values["family"]), Recipe)
    return kind(name, str(values["family"]), words["summary"], words["reference"], config, training)


def _below(values: Mapping[str, Any], key: str) -> list[str]:
    """Where a change of a chain's training belongs, too: in each of its stages."""
    stages = values.get("stages")
    return [f"stages.{s}.{key}" for s in stages] if key.startswith("training.") and isinstance(stages, dict) else []


def checked(model: type[M], values: Mapping[str, Any], group: str, origin: str) -> M:
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
