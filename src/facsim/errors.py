"""Every error and warning that facsim raises on purpose.

One rule for all messages: say what was given, what is allowed, and how to repair it. Each error also
derives from the built-in exception that a caller would expect, so that ``except ValueError`` keeps working.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType

__all__ = [
    "CapabilityError",
    "CheckpointError",
    "DataError",
    "ExportError",
    "FacsimError",
    "FileFormatError",
    "FitError",
    "FitWarning",
    "MissingData",
    "MissingExtra",
    "OptionStringError",
    "RangeError",
    "RangeWarning",
    "RecipeError",
    "SchemaMismatch",
    "SimulationError",
    "TrainingError",
    "WeightError",
    "nearest",
    "require",
]


class FacsimError(Exception):
    """Base of all errors raised on purpose."""


class DataError(FacsimError, ValueError):
    """Values that no physics can have: NaN, negative energies, an empty sample, a wrong shape."""


class WeightError(DataError):
    """Event weights that the asked quantity cannot take."""


class SchemaMismatch(FacsimError, ValueError):  # noqa: N818 - reads as what happened
    """Two things that must describe the same columns do not."""


class FileFormatError(FacsimError, OSError):
    """A file that is truncated, of another layout, or lacks a key."""


class CheckpointError(FacsimError, OSError):
    """A run folder or model file that cannot be restored."""


class ExportError(FacsimError, RuntimeError):
    """A model that cannot be written as one ONNX file, or whose file does not do what the model does."""


class RecipeError(FacsimError, ValueError):
    """A recipe with an unknown key or an impossible value."""


class OptionStringError(RecipeError):
    """A TMVA option string that cannot be read, with a caret under the place.

    Parameters
    ----------
    problem : str
        What is wrong.
    string : str
        The whole string.
    position : int
        Index of the first wrong character.
    cure : str, optional
        What to write instead.

    Examples
    --------
    >>> print(OptionStringError("unknown layer 'DENSSE'", "DENSSE|64|RELU", 0, "Did you mean 'DENSE'?"))
    unknown layer 'DENSSE', at character 1:
      DENSSE|64|RELU
      ^
      Did you mean 'DENSE'?
    """

    WINDOW = 48  # characters shown on each side

    def __init__(self, problem: str, string: str, position: int, cure: str = "") -> None:
        self.problem, self.string, self.position, self.cure = problem, string, position, cure
        super().__init__("\n  ".join(filter(None, [f"{problem}, at character {position + 1}:", *self._window(), cure])))

    def __reduce__(self) -> tuple[type[OptionStringError], tuple[str, str, int, str]]:
        return type(self), (self.problem, self.string, self.position, self.cure)

    def _window(self) -> list[str]:
        first, last = max(self.position - self.WINDOW, 0), self.position + self.WINDOW
        before, after = "..." if first else "", "..." if last < len(self.string) else ""
        # a line break or a tab in the string would move the caret
        shown = "".join(c if c.isprintable() else " " for c in self.string[first:last])
        return [before + shown + after, " " * (len(before) + self.position - first) + "^"]


class CapabilityError(FacsimError, TypeError):
    """A model was asked for something that its family cannot do."""


class RangeError(FacsimError, ValueError):
    """Conditions outside the range that a model was trained on (``strict``)."""


class RangeWarning(UserWarning):
    """Conditions outside the range that a model was trained on."""


class TrainingError(FacsimError, RuntimeError):
    """A training that cannot go on, with the diagnosis."""


class FitError(FacsimError, RuntimeError):
    """A fit of a spectrum that did not converge, or that finds nothing to fit, with what to change."""


class FitWarning(UserWarning):
    """A fit that should be looked at: poor agreement, a parameter at its limit, variables that depend on the mass."""


class SimulationError(FacsimError, RuntimeError):
    """A simulator that failed or was asked for something it cannot simulate."""


class MissingExtra(FacsimError, ImportError):  # noqa: N818 - reads as what happened
    """An optional package that is not installed."""


class MissingData(FacsimError, FileNotFoundError):  # noqa: N818 - reads as what happened
    """A data set that a simulator needs and that is not on this machine."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the known word closest to `word`, or an empty string.

    Examples
    --------
    >>> nearest("trainning", ["training", "data"])
    " Did you mean 'training'?"
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional `module`, or raise with the command that installs it.

    Parameters
    ----------
    module : str
        Name to import.
    extra : str
        The extra of facsim that brings it.
    purpose : str
        What needs it, as the subject of a sentence: ``"simulating showers"``.

    Raises
    ------
    MissingExtra
        If the module cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        msg = f'{purpose} needs {module}: pip install "facsim[{extra}]"'
        raise MissingExtra(msg) from error
