"""Parts that a recipe picks by name: small frozen settings that can build or compute something."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, SerializeAsAny, ValidationError

from facsim.errors import RecipeError, nearest

__all__ = ["Part", "Registry"]

P = TypeVar("P", bound="Part")


class Part(BaseModel):
    """Settings of one interchangeable part; its class does the work.

    Attributes
    ----------
    kind : str
        Name under which it is registered.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = ""

    summary: ClassVar[str] = ""
    reference: ClassVar[str] = ""


class Registry(Generic[P]):
    """Parts of one sort by name.

    Parameters
    ----------
    sort : str
        What the parts are, for messages: ``"penalty"``.
    group : str
        Entry-point group from which other packages' parts are loaded.

    Examples
    --------
    >>> from facsim.models.parts import Part, Registry
    >>> spices = Registry("spice", "kitchen.spices")
    >>> @spices.register("salt")
    ... class Salt(Part):
    ...     grams: float = 1.0
    >>> spices.parse("salt"), spices.parse({"kind": "salt", "grams": 2})
    (Salt(kind='salt', grams=1.0), Salt(kind='salt', grams=2.0))
    """

    def __init__(self, sort: str, group: str) -> None:
        self.sort, self.group = sort, group
        self._known: dict[str, type[P]] = {}
        self._plugins = False

    def register(self, name: str) -> Callable[[type[P]], type[P]]:
        """Decorate a part with the name by which recipes pick it."""

        def add(cls: type[P]) -> type[P]:
            self._known[name] = cls
            return cls

        return add

    def names(self) -> list[str]:
        """Names of all parts, those of installed plug-ins included."""
        if not self._plugins:
            self._plugins = True
            for entry in entry_points(group=self.group):
                entry.load()
        return sorted(self._known)

    def __getitem__(self, name: str) -> type[P]:
        """The class of a part; an unknown name is a `RecipeError` with the nearest one."""
        if name not in self._known and name not in self.names():
            msg = f"unknown {self.sort} '{name}'; there are {self.names()}.{nearest(name, self.names())}"
            raise RecipeError(msg)
        return self._known[name]

    def parse(self, value: Any) -> P:
        """A part from its name, or from a mapping with the name under ``kind`` and its settings.

        Raises
        ------
        RecipeError
            For an unknown name or setting, with the nearest that exists, or for an impossible value.
        """
        if isinstance(value, Part):
            return value  # type: ignore[return-value]
        settings = {"kind": value} if isinstance(value, str) else value
        if not isinstance(settings, Mapping) or "kind" not in settings:
            msg = f"a {self.sort} is a name or a mapping with the key 'kind', got {value!r}; there are {self.names()}"
            raise RecipeError(msg)
        cls = self[str(settings["kind"])]
        try:
            return cls(**settings)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(p) for p in first["loc"])
            if first["type"] == "extra_forbidden":
                known = [f for f in cls.model_fields if f != "kind"]
                msg = f"{self.sort} '{settings['kind']}' has no setting '{key}'; it has {known}.{nearest(key, known)}"
            else:
                msg = f"{self.sort} '{settings['kind']}': {key} = {first['input']!r}: {first['msg']}"
            raise RecipeError(msg) from error

    def field(self) -> Any:
        """Type of a pydantic field that holds one of these parts: ``objective: OBJECTIVES.field()``."""
        return Annotated[SerializeAsAny[Part], BeforeValidator(self.parse)]
