"""The verbs: what a program or the command line asks of facsim. Those that concern one room are that room's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike

from facsim import io
from facsim.deploy import bench
from facsim.deploy.memory import open_model
from facsim.errors import DataError, require
from facsim.events import Events
from facsim.io import convert, read, write
from facsim.io.split import split
from facsim.report import compare, evaluate, monitor
from facsim.report.runpage import watch
from facsim.runtime.members import Member
from facsim.sampler import Sampler, as_conditions, draw_conditions
from facsim.schema import Schema
from facsim.sharding import ShardSampler
from facsim.simulators import simulate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from facsim.deploy.writer import Profile
    from facsim.models import Surrogate
    from facsim.simulators.parametric import ParametricSimulator
    from facsim.sweights import SPlot
    from facsim.tuning import Tuned

__all__ = [
    "bench",
    "compare",
    "convert",
    "evaluate",
    "export",
    "fit",
    "info",
    "load",
    "monitor",
    "read",
    "sample",
    "simulate",
    "split",
    "splot",
    "tune",
    "watch",
    "write",
]

StrPath = str | os.PathLike[str]
Progress = Callable[[int, int], None]


def fit(
    data: StrPath | Events,
    recipe: str | Path = "cfm",
    *,
    output: StrPath,
    overrides: Mapping[str, Any] | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Surrogate:
    """Fit a surrogate to events.

    Parameters
    ----------
    data : path, Selection or Events
        A file may be larger than memory; `facsim.io.select` says what to take of it.
    recipe : str or Path, optional
        Name of a preset (``facsim recipes`` lists them), a YAML file, or an option string of TMVA's MethodGAN.
    output : path
        Run folder; holds the best checkpoint by validation, the resumable state and the logs.
    overrides : mapping, optional
        Recipe values to change, by dotted key: ``{"training.steps": 2000}``.
    resume : bool, optional
        Continue the run in `output`, with the same data and recipe.
    progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    Surrogate
        The best checkpoint.

    Raises
    ------
    MissingExtra
        If torch is not installed.
    RecipeError
        For an unknown recipe, key or value.
    CheckpointError
        If `output` holds another run, or one and `resume` is not set.
    TrainingError
        If the training diverges.
    KeyboardInterrupt
        On Ctrl-C, after a resumable state has been written.

    Examples
    --------
    >>> import facsim
    >>> facsim.fit("train.h5", output="runs/eplus", overrides={"training.steps": 2000})  # doctest: +SKIP
    """
    require("torch", "train", "fitting a model")
    from facsim import recipes
    from facsim.training.images import as_images

    chosen = recipes.load(recipe, overrides)
    if chosen.name == recipes.METHOD_GAN:  # whose users have pixels as so many variables
        data = as_images(data, getattr(getattr(chosen.config, "critic", None), "input", ""))
    return chosen.fit(data, Path(output), resume=resume, progress=progress)


def load(path: StrPath) -> ShardSampler:
    """Load a fitted model: a run folder, a ``.safetensors`` file, or an exported ``.onnx`` file.

    An exported file needs neither torch nor anything else of the extra ``train``. Nothing in a file can run code.

    Returns
    -------
    Surrogate or RuntimeModel
        A sampler either way.

    Raises
    ------
    CheckpointError
        If there is no such model, or its file is damaged.
    MissingExtra
        If a run folder is to be read without torch.

    Examples
    --------
    >>> load("nowhere.onnx")
    Traceback (most recent call last):
    facsim.errors.CheckpointError: nowhere.onnx: No such file or directory
    """
    model: ShardSampler = open_model(path)
    return model


@overload
def sample(
    model: StrPath | Sampler,
    conditions: ArrayLike | Events | Mapping[str, ArrayLike] | None = ...,
    *,
    energy: str | float | None = ...,
    ranges: Mapping[str, str | float] | None = ...,
    like: StrPath | Events | None = ...,
    n: int | None = ...,
    seed: int = ...,
    output: None = ...,
    layout: str | None = ...,
    tree: str | None = ...,
    threads: int | None = ...,
    strict: bool = ...,
    member: int | None = ...,
    progress: Progress | None = ...,
) -> Events: ...
@overload
def sample(
    model: StrPath | Sampler,
    conditions: ArrayLike | Events | Mapping[str, ArrayLike] | None = ...,
    *,
    energy: str | float | None = ...,
    ranges: Mapping[str, str | float] | None = ...,
    like: StrPath | Events | None = ...,
    n: int | None = ...,
    seed: int = ...,
    output: StrPath,
    layout: str | None = ...,
    tree: str | None = ...,
    threads: int | None = ...,
    strict: bool = ...,
    member: int | None = ...,
    progress: Progress | None = ...,
) -> Path: ...
def sample(
    model: StrPath | Sampler,
    conditions: ArrayLike | Events | Mapping[str, ArrayLike] | None = None,
    *,
    energy: str | float | None = None,
    ranges: Mapping[str, str | float] | None = None,
    like: StrPath | Events | None = None,
    n: int | None = None,
    seed: int = 0,
    output: StrPath | None = None,
    layout: str | None = None,
    tree: str | None = None,
    threads: int | None = None,
    strict: bool = False,
    member: int | None = None,
    progress: Progress | None = None,
) -> Events | Path:
    """Draw events from a model, one per row of conditions.

    The conditions are given in one of three ways: as numbers (`conditions`), as those of other events (`like`), or by
    ranges to draw from (`energy`, `ranges` and `n`).

    Parameters
    ----------
    model : path or Sampler
        What `load` takes, or any sampler.
    conditions : Events, mapping or array (n, k), optional
        See `facsim.sampler.as_conditions`.
    energy : str or float, optional
        Range of the one condition of kind energy, in its unit: ``50``, ``"1:100"`` or ``"log:1:100"``.
    ranges : mapping, optional
        Ranges of conditions by name.
    like : path or Events, optional
        Take the conditions of these events, and their weights if they have any: of conditions that carry background,
        the copies must carry it, too. With `n`, of the first n.
    n : int, optional
        Number of events, where conditions are drawn.
    seed : int, optional
        Same seed, same events, whatever the number of threads.
    output : path, optional
        File to write; events are streamed to it, and it appears only when it is complete. A model that was fitted to a
        ROOT file writes a ROOT file with the same names and types of tree and branches.
    layout, tree : str, optional
        Of the file, as for `facsim.io.create`: ``layout="pixel-branches"``.
    threads : int, optional
        All usable cores by default.
    strict : bool, optional
        Refuse conditions outside the training range instead of warning.
    member : int, optional
        Draw from this member of an ensemble, fitted or exported, from 0; all get the same noise.
    progress : callable, optional
        Called with (events done, events in all) while writing to `output`.

    Returns
    -------
    Events or Path
        `output`, if that is given.

    Raises
    ------
    DataError
        If the conditions are given in no way, in several, or do not fit the model.
    SchemaMismatch
        If the events of `like` lack a condition, or have it in another unit.
    RangeError
        If `strict` and a condition lies outside the training range.

    Examples
    --------
    >>> import facsim
    >>> facsim.sample("eplus.onnx", energy="1:100", n=1000, seed=1)  # doctest: +SKIP
    Events(1000 x [layer_0 (3, 96) in MeV, layer_1 (12, 12) in MeV, layer_2 (12, 6) in MeV])
    """
    name = str(model) if isinstance(model, (str, os.PathLike)) else type(model).__name__
    source = load(model) if isinstance(model, (str, os.PathLike)) else model
    sampler = source if member is None else Member(source, member)
    given = _conditions(sampler.schema, conditions, energy, ranges, like, n, seed)
    # Only fast samplers know these two: a simulator has no training range, and its own idea of workers.
    options: dict[str, Any] = ({} if threads is None else {"threads": threads}) | ({"strict": True} if strict else {})
    weights = given.weights if like is not None and isinstance(given, Events) else None
    if output is None:
        drawn = sampler.sample(given, seed=seed, **options)
        return drawn if weights is None else drawn.with_weights(weights)
    provenance = getattr(sampler, "provenance", {})
    attrs = {"model": name, "seed": seed, "provenance": provenance}
    matrix = as_conditions(given, sampler.schema)
    form = provenance.get("form")
    with io.create(output, sampler.schema, attrs=attrs, layout=layout, tree=tree, form=form) as writer:
        for events in sampler.stream(matrix, seed=seed, **options):
            done = len(writer)
            writer.append(events if weights is None else events.with_weights(weights[done : done + len(events)]))
            if progress is not None:
                progress(len(writer), len(matrix))
    return Path(output)


def splot(
    data: StrPath | Sequence[StrPath] | Events,
    mass: str,
    *,
    model: str = "gauss+exp",
    range: tuple[float, float] | None = None,  # noqa: A002 - what numpy.histogram calls it
    start: Mapping[str, float] | None = None,
    fix: Mapping[str, float] | None = None,
    controls: Iterable[str] | None = None,
    output: StrPath | None = None,
    name: str = "sweight",
    report: StrPath | None = None,
    progress: Progress | None = None,
) -> SPlot:
    """Fit a mass peak over background, and give every event the sWeight that leaves the signal.

    Parameters
    ----------
    data : path, Selection or Events
        Without weights.
    mass : str
        Column of the discriminating variable.
    model : str, optional
        Peak and background: ``gauss``, ``2gauss``, ``cb`` (Crystal Ball) or ``bw`` (Breit-Wigner); ``exp``, ``poly1``,
        ``poly2`` or ``flat``.
    range : (float, float), optional
        Events outside are left out; all by default.
    start, fix : mapping, optional
        Values of parameters to begin with, or to keep; starting values are read off the spectrum by default.
    controls : iterable of str, optional
        Variables that are tested for independence of the mass; every column of one number by default.
    output : path, optional
        File to write: the events within the range, with all columns that `data` selects, and the weights as the file's
        event weights, which `fit` and `evaluate` use unasked.
    name : str, optional
        Of the weights' branch in a ROOT file; other formats call it ``weights``.
    report : path, optional
        Figure (``.svg``) or page (``.html``) to write.
    progress : callable, optional
        Called with (events done, events in all) while `output` is written.

    Returns
    -------
    SPlot
        The fit, the weights, the tests; ``.apply(events)`` gives weighted events.

    Raises
    ------
    SchemaMismatch
        If there is no such column, with the nearest name.
    DataError
        For NaN, an empty range, too few events, an unknown model or parameter, events that have weights.
    FitError
        If the fit does not converge, or finds no signal or no background.

    Warns
    -----
    FitWarning
        For a poor fit, a parameter at its limit, a yield not clear of zero, or a variable that depends on the mass.

    Notes
    -----
    Pivk and Le Diberder, arXiv:physics/0402083; see `facsim.sweights`.

    Examples
    --------
    >>> import numpy, facsim
    >>> from facsim import Block, Schema
    >>> rng = numpy.random.default_rng(1)
    >>> mass = numpy.concatenate([rng.normal(5280, 20, 600), rng.uniform(5100, 5500, 900)])
    >>> x = rng.normal(mass * 0 + (numpy.arange(1500) < 600))
    >>> events = Events(numpy.column_stack([mass, x]), numpy.empty((1500, 0)), Schema((Block("m"), Block("x"))))
    >>> found = facsim.splot(events, "m", model="gauss+flat")
    >>> bool(abs(found.weights.sum() - found.fit.signal) < 1e-6 * found.fit.signal), found.warnings
    (True, ())
    """
    import facsim
    from facsim.report import massfit
    from facsim.sweights import weigh

    if report is not None:
        massfit.require_suffix(report)
    found = weigh(
        data, mass, model=model, range=range, start=start, fix=fix, controls=controls, output=output, name=name,
        progress=progress,
    )  # fmt: skip
    if report is not None:
        origin = "" if isinstance(data, Events) else str(data)
        massfit.write(found.to_json(), report, data=origin, version=facsim.__version__)
    return found


def export(
    model: StrPath | Surrogate,
    output: StrPath,
    *,
    profile: Profile = "default",
    check: bool = True,
    licence: str | None = None,
) -> Path:
    """Write a fitted model as one ``.onnx`` file that runs without torch, or as JSON for lwtnn.

    Parameters
    ----------
    model : path or Surrogate
        Run folder, ``.safetensors`` file, or one of them loaded.
    output : path
        The file; it appears only when the self-test has passed.
    profile : {"default", "sofie", "lwtnn"}, optional
        For whom: ONNX Runtime, ROOT's SOFIE (one event per call, operators of its list), or lwtnn (JSON of a dense
        network, with a description beside it). See `facsim.deploy.export`.
    check : bool, optional
        Run the self-test: the file must give the model's events.
    licence : str, optional
        Terms for the file, stored in it.

    Raises
    ------
    MissingExtra
        If torch or onnx is not installed.
    ExportError
        If the model cannot be written, or not within the profile, or the self-test fails.

    Examples
    --------
    >>> import facsim
    >>> facsim.export("runs/eplus", "eplus.onnx")  # doctest: +SKIP
    """
    from facsim import deploy

    surrogate: Any = load(model) if isinstance(model, (str, os.PathLike)) else model
    if not hasattr(surrogate, "generator"):
        msg = f"{model} is an exported file already; give the run folder that it came from"
        raise DataError(msg)
    return deploy.export(surrogate, output, profile=profile, check=check, licence=licence)


def tune(
    simulator: str | ParametricSimulator,
    data: StrPath | Events,
    *,
    output: StrPath,
    method: str = "posterior",
    calls: int = 10_000,
    seed: int = 0,
    settings: Any = None,
    truth: Mapping[str, float] | None = None,
    apply: StrPath | None = None,
    retry: bool = False,
    progress: Progress | None = None,
    calls_progress: Callable[[int, int, int], None] | None = None,
) -> Tuned:
    """Tune the parameters of a simulator to data.

    Parameters
    ----------
    simulator, data, output, method, calls, seed, settings, truth, apply, retry, progress, calls_progress
        See `facsim.tuning.tune`.

    Returns
    -------
    Tuned
        Parameters with their uncertainty; the folder `output` holds the page ``report.html``.

    Raises
    ------
    MissingExtra
        If torch is not installed.
    DataError, SchemaMismatch, RecipeError, SimulationError
        See `facsim.tuning.tune`.

    Examples
    --------
    >>> import facsim
    >>> facsim.tune("lines", "data.h5", calls=20_000, output="runs/lines", apply="tuned.json")  # doctest: +SKIP
    """
    require("torch", "train", "tuning")
    from facsim import tuning

    return tuning.tune(
        simulator,
        data,
        output=output,
        method=method,
        calls=calls,
        seed=seed,
        settings=settings,
        truth=truth,
        apply=apply,
        retry=retry,
        progress=progress,
        calls_progress=calls_progress,
    )


def info(path: StrPath, *, progress: Progress | None = None) -> dict[str, Any]:
    """Describe a file of events (see `facsim.io.info`) or a model, in plain numbers and strings.

    Parameters
    ----------
    path : path or Selection
    progress : callable, optional
        Called with (events done, events in all).

    Returns
    -------
    dict
        For a model: ``path``, ``model`` (its family), ``parameters``, ``latent``, ``detector``, ``features`` and
        ``conditions`` (by block: ``shape``, ``unit``, ``kind``, and the training range), ``provenance``.

    Examples
    --------
    >>> from facsim import datasets
    >>> summary = info(datasets.path("calogan-eplus-mini"))
    >>> summary["detector"], summary["events"], sorted(summary["conditions"])
    ('calogan', 4000, ['energy'])
    """
    file = Path(path)
    if file.suffix in {".onnx", ".safetensors"} or (file.is_dir() and not any(file.rglob("*.png"))):
        return _describe(load(file), file)
    return io.info(path, progress=progress)


def _conditions(
    schema: Schema,
    conditions: ArrayLike | Events | Mapping[str, ArrayLike] | None,
    energy: str | float | None,
    ranges: Mapping[str, str | float] | None,
    like: StrPath | Events | None,
    n: int | None,
    seed: int,
) -> ArrayLike | Events | Mapping[str, ArrayLike]:
    """Conditions from whichever of the three ways was used."""
    drawn = energy is not None or ranges is not None or (conditions is like is None and not schema.conditions)
    if (conditions is not None) + (like is not None) + drawn != 1:
        msg = "give the conditions in one way: as numbers, with like=, or with energy= (or ranges=) and n="
        raise DataError(msg)
    if conditions is not None:
        return conditions
    if like is not None:
        events = like if isinstance(like, Events) else _conditions_of(like, schema)
        if n is not None and not 0 < n <= len(events):
            msg = f"n={n}, but there are {len(events)} events to take conditions from"
            raise DataError(msg)
        return events[:n]
    if n is None:
        msg = "n is missing: say how many events to draw"
        raise DataError(msg)
    wanted = dict(ranges or {})
    if energy is not None:
        energies = [b.name for b in schema.conditions if b.kind == "energy"]
        if len(energies) != 1:
            msg = f"the model has {len(energies)} conditions of kind energy {energies}: give their ranges by name"
            raise DataError(msg)
        wanted[energies[0]] = energy
    return draw_conditions(schema, wanted, n, seed)


def _conditions_of(path: StrPath, schema: Schema) -> Events:
    """Events of a file with the conditions that `schema` asks for and no features, read as a stream."""
    names = [b.name for b in schema.conditions]
    with io.open(path) as reader:
        rest = [b for b in reader.schema.features if b.name not in names]
    smallest = [min(rest, key=lambda b: b.size).name] if rest else None
    with io.open(path, features=smallest, conditions=names) as reader:
        parts = list(reader.batches(8192))
        matrix = np.concatenate([events.conditions for events in parts])
        weights = np.concatenate([e.weights for e in parts if e.weights is not None]) if reader.weighted else None
        bare = Schema((), reader.schema.conditions, reader.schema.detector)
    return Events(np.empty((len(matrix), 0), np.float32), matrix, bare, weights)


def _describe(model: Any, path: Path) -> dict[str, Any]:
    schema = model.schema
    low, high = (np.asarray(side, float) for side in model.condition_range)

    def block(name: str) -> dict[str, Any]:
        found = schema.block(name)
        return {"shape": list(found.shape), "unit": found.unit, "kind": found.kind, "threshold": found.threshold}

    def trained(name: str) -> dict[str, Any]:
        columns = schema.columns(name)
        return {"min": float(low[columns].min()), "max": float(high[columns].max())}

    family = getattr(model, "name", None) or model.provenance.get("family", "unknown")
    parameters = (
        sum(p.numel() for p in model.generator().parameters())
        if hasattr(model, "generator")
        else model.metadata.get("parameters")
    )
    return {
        "path": str(path),
        "model": str(family),
        "parameters": parameters,
        "latent": model.latent,
        "detector": schema.detector,
        "features": {b.name: block(b.name) for b in schema.features},
        "conditions": {b.name: {**block(b.name), **trained(b.name)} for b in schema.conditions},
        "provenance": model.provenance,
    }
