"""What a tuning found: parameters with their uncertainty, and what it cost."""

from __future__ import annotations

import json
import logging
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facsim.errors import CheckpointError, DataError
from facsim.files import atomic, write_json
from facsim.simulators.parametric import Parameter, ParametricSimulator, Space
from facsim.simulators.parametric.rules import LinearRules, read_rules

__all__ = ["RESULT_FILE", "SAMPLES_FILE", "Kind", "Tuned", "central_point", "require_suffix"]

Array = NDArray[np.float64]
Kind = Literal["posterior", "population", "point"]

log = logging.getLogger(__name__)

RESULT_FILE, SAMPLES_FILE = "tuned.json", "samples.npz"
PLAIN = (".json", ".yaml", ".yml")
CODE = "a rule of the simulator's own"  # of which nothing else is known


@dataclass(frozen=True, eq=False)
class Tuned:
    """Parameters of a simulator, found from data.

    Parameters
    ----------
    method : str
        Name of the tuner.
    kind : {"posterior", "population", "point"}
        What the samples are: probable values of one point; values of the events of a population, whose width is no
        uncertainty; or one best point without any.
    space : Space
        The parameters.
    samples : array (n, p)
        Parameter points, in the simulator's units.
    estimate : array (p,)
        The point to simulate with.
    calls : int
        Calls of the simulator that were spent.
    failed : int, optional
        How many of them gave nothing.
    seconds : float, optional
        Wall time.
    label : str, optional
        For figures and tables.
    details : mapping, optional
        More figures of the method: numbers, strings, lists and mappings of them.
    verdict : mapping, optional
        ``headline`` and ``level`` (``good``, ``unsure``, ``alarm``) of what the page says first.

    Raises
    ------
    DataError
        If shapes do not fit the space, a value is not finite, or the kind is unknown.

    Examples
    --------
    >>> space = Space((Parameter("lifetime", 0.5, 5, unit="ns"),))
    >>> tuned = Tuned("posterior", "posterior", space, np.linspace(1, 3, 101)[:, None], np.array([2.0]), calls=1000)
    >>> low, high = tuned.interval(0.9)
    >>> print(f"{low[0]:.2f} to {high[0]:.2f}")
    1.10 to 2.90
    """

    method: str
    kind: Kind
    space: Space
    samples: Array
    estimate: Array
    calls: int
    failed: int = 0
    seconds: float = 0.0
    label: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    verdict: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        p = len(self.space)
        samples, estimate = np.asarray(self.samples, np.float64), np.asarray(self.estimate, np.float64)
        if self.kind not in get_args(Kind):
            msg = f"kind='{self.kind}': must be one of {list(get_args(Kind))}"
            raise DataError(msg)
        if samples.ndim != 2 or samples.shape[1] != p or len(samples) < 1 or estimate.shape != (p,):
            msg = f"samples {samples.shape} and estimate {estimate.shape} must be (n, {p}) and ({p},), n at least 1"
            raise DataError(msg)
        if not (np.isfinite(samples).all() and np.isfinite(estimate).all()):
            msg = f"{self.method}: samples or estimate are not finite"
            raise DataError(msg)
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "estimate", estimate)

    def __repr__(self) -> str:
        return f"Tuned({self.method}: {', '.join(self.lines())}; {self.calls} calls)"

    def lines(self, level: float = 0.68) -> list[str]:
        """Every parameter with its central interval (a best point has none), for people.

        Examples
        --------
        >>> space = Space((Parameter("m", -1, 1),))
        >>> Tuned("magan", "population", space, [[0.1], [0.2], [0.3]], [0.2], calls=9).lines()
        ['m = 0.2 (0.132 to 0.268)']
        """
        rows = zip(self.space, self.estimate, *self.interval(level), strict=True)
        return [
            f"{p.name} = {v:.4g}{f' ({a:.3g} to {b:.3g})' if a <= b else ''}{' ' + p.unit if p.unit else ''}"
            for p, v, a, b in rows
        ]

    def interval(self, level: float = 0.68) -> tuple[Array, Array]:
        """Ends (p,), (p,) of the central interval that holds this share of the samples.

        Ends of whole parameters are whole numbers. A best point has no interval: NaN.

        Raises
        ------
        DataError
            If `level` is not between 0 and 1.
        """
        if not 0 < level < 1:
            msg = f"level={level}: must be between 0 and 1"
            raise DataError(msg)
        if self.kind == "point":
            return np.full(len(self.space), np.nan), np.full(len(self.space), np.nan)
        low, high = np.quantile(self.samples, [(1 - level) / 2, (1 + level) / 2], axis=0)
        whole = self.space.whole
        return np.where(whole, np.floor(low), low), np.where(whole, np.ceil(high), high)

    def covariance(self) -> Array:
        """Covariance (p, p) of the samples; zero for a single one."""
        p = len(self.space)
        if len(self.samples) < 2:
            return np.zeros((p, p))
        return np.asarray(np.cov(self.samples, rowvar=False), np.float64).reshape(p, p)

    def values(self) -> dict[str, float | int]:
        """The estimate by name, whole parameters as integers: what a simulator can be given."""
        rows = zip(self.space, self.estimate, strict=True)
        return {p.name: round(float(v)) if p.whole else float(v) for p, v in rows}

    def apply(
        self, path: str | os.PathLike[str], level: float = 0.68, simulator: ParametricSimulator | None = None
    ) -> Path:
        """Write the parameters for the simulator.

        Parameters
        ----------
        path : path
            ``.json``, ``.yaml`` or ``.yml``: ``values`` by name, the ``verdict``, the interval, unit and default of
            each, and ``lines`` in the simulator's own words, if it has any. The simulator's own suffix: these lines,
            below the verdict as a comment.
        level : float, optional
            Of the central intervals.
        simulator : ParametricSimulator, optional
            Whose words are wanted.

        Raises
        ------
        DataError
            If the suffix is another one.

        Examples
        --------
        >>> import tempfile
        >>> tuned = Tuned("magan", "point", Space((Parameter("m", -1, 1),)), [[0.2]], [0.2], calls=9)
        >>> path = tuned.apply(tempfile.mkdtemp() + "/tuned.json")
        >>> json.loads(path.read_text())["values"]
        {'m': 0.2}
        """
        path = require_suffix(path, simulator)
        words = simulator.own_words(self.values()) if simulator is not None else []
        if path.suffix not in PLAIN:
            if self.verdict and simulator is not None:
                mark, headline = simulator.own_comment, self.verdict["headline"]
                words = [f"{mark} verdict ({self.verdict['level']}): {headline}", *words]
            with atomic(path) as temporary:
                temporary.write_text("".join(f"{line}\n" for line in words), encoding="utf-8")
            return path
        low, high = (_plain(ends) for ends in self.interval(level))
        about = {
            p.name: {"low": low[i], "high": high[i], "unit": p.unit, "default": p.default}
            for i, p in enumerate(self.space)
        }
        found: dict[str, Any] = {"values": self.values()}
        found |= {"verdict": dict(self.verdict)} if self.verdict else {}
        found |= {"method": self.method, "kind": self.kind, "level": level, "intervals": about}
        found |= {"lines": words} if words else {}
        if path.suffix == ".json":
            write_json(path, found)
        else:
            import yaml

            with atomic(path) as temporary:
                temporary.write_text(yaml.safe_dump(found, sort_keys=False), encoding="utf-8")
        return path

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``tuned.json`` and ``samples.npz`` into a folder.

        Numbers that are not finite are written as null, since JSON has none.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        # Without tuned.json there is no result: an interruption cannot pair one run's figures with another's samples.
        (folder / RESULT_FILE).unlink(missing_ok=True)
        with atomic(folder / SAMPLES_FILE) as temporary:
            np.savez_compressed(temporary, samples=self.samples)
        keys = ("method", "kind", "calls", "failed", "seconds", "label")
        plain = {k: getattr(self, k) for k in keys} | {
            "parameters": self.space.to_dict(),
            **_rule(self.space),
            "values": self.values(),
            "estimate": self.estimate,
            "verdict": self.verdict,
            "details": self.details,
        }
        write_json(folder / RESULT_FILE, _plain(plain))
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Tuned:
        """Read what `save` wrote.

        The space knows its rules of validity again if they were read from text (`read_space`); of one that is code it
        knows the description alone, and any point of the box is valid: a warning says so.

        Raises
        ------
        CheckpointError
            If a file is missing or damaged.
        """
        folder = Path(folder)
        try:
            data = json.loads((folder / RESULT_FILE).read_text(encoding="utf-8"))
            with (folder / SAMPLES_FILE).open("rb") as file, np.load(file, allow_pickle=False) as archive:
                samples = archive["samples"]
            keys = ("method", "kind", "calls", "failed", "seconds", "label", "details")
            space = _space(data, folder)
            verdict = data.get("verdict") or {}
            known = {k: data[k] for k in keys}
            return cls(space=space, samples=samples, estimate=data["estimate"], verdict=verdict, **known)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            msg = f"{folder}: not a tuning's result ({error}). Give the folder of a tuning, or tune anew"
            raise CheckpointError(msg) from error


def require_suffix(path: str | os.PathLike[str], simulator: ParametricSimulator | None = None) -> Path:
    """A file to which parameters can be written.

    Raises
    ------
    DataError
        If nothing is known by its suffix.

    Examples
    --------
    >>> require_suffix("tuned.yaml").suffix
    '.yaml'
    """
    path, known = Path(path), list(PLAIN)
    if simulator is not None and simulator.own_suffix:
        known.append(simulator.own_suffix)
    if path.suffix not in known:
        msg = f"'{path}': the suffix chooses the format, give one of {', '.join(known)}"
        raise DataError(msg)
    return path


def central_point(samples: ArrayLike, space: Space) -> Array:
    """A valid point in the middle of samples (n, p): their mean, whole parameters rounded.

    Where the mean is not valid (outside the region, or between two curved branches of it) the sample that is nearest to
    it, in units of the spreads.

    Examples
    --------
    >>> central_point([[1.0, 2], [2.0, 3], [6.0, 3]], Space((Parameter("a", 0, 9), Parameter("n", 0, 9, whole=True))))
    array([3., 3.])
    """
    points = np.asarray(samples, np.float64)
    mean = points.mean(axis=0)
    rounded: Array = np.clip(np.where(space.whole, np.rint(mean), mean), space.low, space.high)
    if space.contains(rounded[None])[0]:
        return rounded
    spread = points.std(axis=0)
    unit = (points - mean) / np.where(spread > 0, spread, 1.0)
    inside = space.contains(points)
    distance = np.where(inside, (unit**2).sum(axis=1), math.inf)
    nearest: Array = points[int(distance.argmin())]
    return nearest


def _rule(space: Space) -> dict[str, Any]:
    """A space's rule for people, and its texts if it was read from some."""
    described = space.valid is not None or space.rule != Space.rule
    texts = list(space.valid.texts) if isinstance(space.valid, LinearRules) else []
    return {"rule": space.rule if described else None, "rules": texts or None}


def _space(data: Mapping[str, Any], folder: Path) -> Space:
    parameters = tuple(Parameter(**p) for p in data["parameters"])
    rule, texts = data["rule"], data.get("rules")
    if not rule:
        return Space(parameters)
    if texts:
        return Space(parameters, read_rules(texts, [p.name for p in parameters]), rule)
    log.warning("%s: the rule of validity '%s' is code, and not known here: take the simulator's space", folder, rule)
    return Space(parameters, rule=CODE if rule == Space.rule else rule)


def _plain(value: Any) -> Any:
    """Numbers, strings, lists and mappings that JSON can hold; arrays become lists, what is not finite None."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
