"""The verb `evaluate`: how far are generated events from the truth, beside how far truth is from truth."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import facsim
from facsim.errors import DataError, FacsimError, nearest
from facsim.events import Events
from facsim.metrics import calochallenge, effective_size
from facsim.metrics.protocols import PROTOCOLS
from facsim.report import distances, sections, worth
from facsim.report.classify import classify
from facsim.report.gather import Gathered, gather
from facsim.report.neighbours import Neighbours, nearest_neighbours, repeated
from facsim.report.observables import FALSE_ALARMS, compare_conditions, compare_observables, require_overlap
from facsim.report.page import render
from facsim.report.physics import means, response
from facsim.report.pid_samples import Binning
from facsim.report.progress import Stages
from facsim.report.result import Report
from facsim.report.sample import opened
from facsim.report.tails import Tested
from facsim.report.verdict import find_warnings, judge

__all__ = ["evaluate"]

DEFINITIONS = ("facsim", "jetnet")

MOST_LAYERS = 6
"""Layers drawn as pictures; of detectors with more, so many are picked evenly."""

STAGES = {  # shares of the work, per cent
    "read": 15,
    "observables": 10,
    "distances": 10,
    "classifiers": 45,
    "worth": 5,
    "sections": 5,
    "challenge": 0,
    "page": 10,
}


def evaluate(
    reference: str | os.PathLike[str] | Events,
    generated: str | os.PathLike[str] | Events,
    *,
    second_reference: str | os.PathLike[str] | Events | None = None,
    training: str | os.PathLike[str] | Events | None = None,
    output: str | os.PathLike[str] | None = None,
    seed: int = 0,
    low_level: bool = True,
    protocol: str | None = None,
    definition: str = "facsim",
    challenge: str | None = None,
    time_per_event: float | None = None,
    tolerance: float = 0.05,
    max_events: int = 100_000,
    binning: str | Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Compare generated events with reference events of the slow simulator.

    Every figure stands beside its floor: the same figure for the reference against a second sample of the truth with as
    many events as `generated`.

    Parameters
    ----------
    reference, generated : path or Events
        Truth, and the events to judge; best drawn at conditions distributed as those of the reference. Files may be
        larger than memory.
    second_reference : path or Events, optional
        Second truth sample for the floor. Default: the reference is parted at random, and `generated` is cut to
        at most half of it.
    training : path or Events, optional
        Truth that the model was fitted to: is it repeated, and by how much is it amplified? The generated events must
        then be drawn at other conditions than its own.
    output : path, optional
        Folder that gets ``metrics.json`` and ``report.html``.
    seed : int, optional
        Of every random choice: halves, kept events, folds, trainings.
    low_level : bool, optional
        Also train a neural network on the cells; needs torch, and is left out with a note without it.
    protocol : str, optional
        Also run the networks of a published protocol, ``"calochallenge"`` or ``"caloflow"``: hours on a CPU.
    definition : str, optional
        ``"jetnet"``: FPD and KPD as the standard package computes them, with its bias, for comparison with old papers.
    challenge : str, optional
        Data set of CaloChallenge, ``"ds1-photons"``, ``"ds1-pions"``, ``"ds2"`` or ``"ds3"``: compute its quantities by
        its definitions and place the model among the submissions. Its networks take hours on a CPU, and run only
        with ``protocol="calochallenge"``.
    time_per_event : float, optional
        Of the model, in seconds, on a CPU in batches, for figures of quality against speed.
    tolerance : float, optional
        A difference that is seen but smaller than this many standard deviations of the truth (W1) gets an amber
        light instead of a red one.
    max_events : int, optional
        Most events per sample for classifiers, multivariate distances and neighbours, spread over the whole file; the
        neural network takes at most 20,000. Observables and mean showers use all events, at most 200,000 per sample.
    binning : str or sequence of str, optional
        Two conditions whose bins are judged one by one, and perhaps the occupancy: ``"P,ETA"`` or
        ``"P:6,ETA:4,nTracks"``. Without, events of plain numbers with conditions called like momentum and
        pseudorapidity are judged so, others not.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    Report

    Raises
    ------
    SchemaMismatch
        If the samples do not hold the same blocks, or are not showers of the data set of `challenge`.
    DataError
        If there are too few events, values are not finite or negative energies, or the conditions of reference and
        generated events do not overlap.
    WeightError
        If the weights of a sample sum to zero or less.

    Notes
    -----
    Event weights may be negative (sWeights). What cannot take them (classifiers, precision and recall) is left out
    and says so.

    Examples
    --------
    >>> import numpy as np
    >>> from facsim import Block, Events, Schema
    >>> schema, normal = Schema((Block("mass", (), "real", "GeV"),)), np.random.default_rng(0).normal
    >>> truth, copy = (Events(normal(mean, 1, (400, 1)), np.zeros((400, 0)), schema) for mean in (0, 1))
    >>> report = evaluate(truth, copy, low_level=False)
    >>> report.metrics["observables"]["mass"]["differs"]
    True
    """
    if time_per_event is not None and not (time_per_event > 0 and np.isfinite(time_per_event)):
        msg = f"time_per_event={time_per_event}: must be a positive number of seconds"
        raise DataError(msg)
    if seed < 0:
        msg = f"seed={seed}: must be a whole number, 0 or more"
        raise DataError(msg)
    if max_events < 1:
        msg = f"max_events={max_events}: must be a positive number of events"
        raise DataError(msg)
    if not (tolerance >= 0 and np.isfinite(tolerance)):
        msg = f"tolerance={tolerance}: must be a number of standard deviations, 0 or more"
        raise DataError(msg)
    if definition not in DEFINITIONS:
        msg = f"definition='{definition}': must be one of {list(DEFINITIONS)}.{nearest(definition, DEFINITIONS)}"
        raise DataError(msg)
    if protocol is not None and protocol not in PROTOCOLS:
        msg = f"protocol='{protocol}': must be one of {list(PROTOCOLS)}.{nearest(protocol, PROTOCOLS)}"
        raise DataError(msg)
    if challenge is not None:
        with opened(reference) as source:
            calochallenge.data_set(challenge).layers(source)  # or an error, before the work
    stage = Stages(progress, STAGES)
    samples = gather(
        reference,
        generated,
        second_reference,
        training=training,
        max_events=max_events,
        seed=seed,
        progress=stage("read"),
    )
    first, copy, second = samples.reference, samples.generated, samples.second
    bins = Binning.of(binning, first.events.schema)
    require_overlap(first, copy)
    by_role = {"reference": first, "generated": copy, "second_reference": second}
    metrics = _head(samples, seed=seed, tolerance=tolerance, time_per_event=time_per_event)
    metrics["conditions"] = compare_conditions(first, copy)
    metrics["order"] = list(first.observables)
    metrics["observables"] = compare_observables(
        first, copy, second, tolerance=tolerance, seed=seed, progress=stage("observables")
    )
    metrics["floor_differs"] = _floor_differs(metrics["observables"], compare_conditions(first, second))
    metrics["distances"] = distances.measure(
        first.wide, copy.wide, second.wide, definition=definition, seed=seed, progress=stage("distances")
    )
    classified = classify(
        first, copy, second, low_level=low_level, protocol=protocol, seed=seed, progress=stage("classifiers")
    )
    metrics["classifiers"] = classified.entries
    metrics["worth"] = worth.measure(samples, metrics, seed=seed)
    metrics["means"] = means(by_role)
    metrics["response"] = response(by_role)
    found = _neighbours(samples, seed)
    metrics["neighbours"] = {n.block.name: n.to_json() for n in found}
    metrics["repeated"] = {
        role: repeated(first.events, sample.events) for role, sample in by_role.items() if role != "reference"
    }
    stage("worth")(1, 1)
    tested = Tested.of(classified.high_level, classified.floor, first, copy, second)
    metrics |= sections.measure(samples, metrics, tested, binning=bins, seed=seed, progress=stage("sections"))
    if challenge is not None:
        metrics["challenge"] = _stand(
            reference,
            generated,
            challenge,
            networks=protocol == "calochallenge",
            time_per_event=time_per_event,
            seed=seed,
            progress=stage("challenge"),
        )
    verdict = judge(metrics)
    metrics["verdict"], metrics["differs"], metrics["warnings"] = verdict.text, verdict.differs, find_warnings(metrics)
    report = Report(metrics, verdict.text, render(samples, metrics, verdict, found, progress=stage("page")))
    if output is not None:
        report.save(output)
    return report


def _stand(
    reference: Any,
    generated: Any,
    which: str,
    *,
    networks: bool,
    time_per_event: float | None,
    seed: int,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Place the model among the submissions of CaloChallenge, or say why not."""
    name = "generated events" if isinstance(generated, Events) else Path(generated).stem
    try:
        with opened(reference) as truth, opened(generated) as copy:
            return calochallenge.challenge(
                truth,
                copy,
                which,
                name=name,
                classifiers=("low", "high") if networks else (),
                milliseconds={} if time_per_event is None else {"cpu_100": 1e3 * time_per_event},
                seed=seed,
                progress=progress,
            ).to_json()
    except FacsimError as error:
        return {"error": str(error)}


def _head(samples: Gathered, **options: Any) -> dict[str, Any]:
    """Say what was compared."""
    by_role = {
        "reference": samples.reference,
        "generated": samples.generated,
        "second_reference": samples.second,
    }
    return {
        "format": 2,
        "facsim_version": facsim.__version__,
        **options,
        "samples": samples.names,
        "detector": samples.reference.events.schema.detector,
        "weighted": any(sample.weights is not None for sample in by_role.values()),
        "events": {
            **{role: len(sample) for role, sample in by_role.items()},
            "halved": samples.halved,
            "available": samples.available,
            "whole_events": {role: len(sample.events) for role, sample in by_role.items()},
            "wide_events": {role: len(sample.wide) for role, sample in by_role.items()},
            "effective": {r: effective_size(len(sample), sample.weights) for r, sample in by_role.items()},
        },
    }


def _floor_differs(observables: dict[str, Any], conditions: dict[str, Any]) -> list[str]:
    """Names by which the two truth samples differ, with a tenth of the usual rate of false alarms."""
    pvalues = [{n: e["floor"]["ks_pvalue"] for n, e in observables.items() if "error" not in e}]
    pvalues.append({name: entry["ks_pvalue"] for name, entry in conditions.items()})
    return [name for group in pvalues for name, p in group.items() if p < FALSE_ALARMS / 10 / len(group)]


def _neighbours(samples: Gathered, seed: int) -> list[Neighbours]:
    layers = samples.reference.events.schema.layers
    if len(layers) > MOST_LAYERS:
        layers = tuple(layers[round(i * (len(layers) - 1) / (MOST_LAYERS - 1))] for i in range(MOST_LAYERS))
    return nearest_neighbours(samples.reference.events, samples.generated.events, layers, seed=seed)
