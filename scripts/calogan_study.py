"""CaloGAN's evaluation: from showers of the truth and of some models to figures, numbers and tables.

    python scripts/calogan_study.py --truth e+ eplus-test.h5 --second e+ eplus-train.h5 --truth gamma gamma-test.h5 \\
        --model calogan e+ runs/calogan-eplus --model calogan gamma runs/calogan-gamma \\
        --figures docs/images/calogan --fragment docs/generated/calogan.md

A model is a run folder, an exported file, or a file of its showers; one per particle. Without --second, half of a
truth is compared with and the other half gives the floors. With two particles, they are told apart, too.
"""

import warnings

import numpy as np
from _study import Clock, copies, halves, is_model, named, parser, picture, publish, tag, thin

import facsim
from facsim.errors import RangeWarning
from facsim.events import Events, concatenate
from facsim.metrics import separation_power
from facsim.observables import showers as shower_observables
from facsim.report.labels import number, with_error
from facsim.report.studies import Study, shower_figures, showers
from facsim.report.studies.study import SECOND
from facsim.report.studies.tables import auc_cell, distance_cell, draw_rocs, markdown, transfer_table

ENERGIES = (50.0, 100.0, 150.0)  # GeV
WALK = np.linspace(15, 150, 10, dtype=np.float32)  # GeV
AT_EACH = 1000  # showers of a model at each of the ENERGIES
WINDOW = 0.05  # truth showers count for an energy within this share
PUBLISHED_AUC = {"e+": "1.000", "gamma": "1.000"}  # CaloGAN, on cells, 100,000 showers: recalled, unverified


def latent_walk(model):
    """Showers of one latent code at rising energies."""
    import torch

    from facsim.sampler import noise

    code = torch.from_numpy(noise(3, 0, 1, model.latent)).expand(len(WALK), -1)
    model.eval()
    with torch.no_grad():
        features = model(torch.from_numpy(WALK[:, None]), code.contiguous()).numpy()
    return Events(features, WALK[:, None], model.schema)


def at_energies(model, seed):
    """Showers of a model at the ENERGIES, also where it was not trained."""
    conditions = np.repeat(np.array(ENERGIES, np.float32), AT_EACH)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RangeWarning)
        return model.sample(conditions, seed=seed)


def truth_at_energies(truth):
    """Truth showers near the ENERGIES, scaled to them: the response stays."""
    parts = []
    for energy in ENERGIES:
        near = truth[np.abs(truth.conditions[:, 0] / energy - 1) < WINDOW]
        factor = (energy / near.conditions[:, :1]).astype(np.float32)
        parts.append(Events(near.features * factor, near.conditions * factor, near.schema))
    return concatenate(parts)


def trained(model):
    """Lowest and highest energy of the training (GeV)."""
    low, high = getattr(model, "condition_range", ((1.0,), (100.0,)))
    return float(np.floor(low[0])), float(np.ceil(high[0]))


def quality_table(particle, study, measured, classified, notes):
    rows = []
    for name in study.others:
        entry, found = measured[name], classified[name]
        sums = entry["summary"]
        cells = ["–"] * 3 if sums is None else [number(sums[k]) for k in ("separation", "ks", "mann_whitney")]
        label = "truth (floor)" if name == SECOND else f"`{name}`"
        areas = [auc_cell(found.get(level)) for level in ("high_level", "low_level")]
        rows.append([label, *areas, *cells, notes.get(name, "")])
    header = ["", "AUC, observables", "AUC, cells", "Σ −ln S", "Σ −ln p (KS)", "Σ −ln p (Mann-Whitney)", "training"]
    if particle in PUBLISHED_AUC:
        rows.append(["published CaloGAN (recalled, unverified)", "–", PUBLISHED_AUC[particle], *[""] * 4])
    return markdown(header, rows)


def occupancy_table(study, measured):
    names = list(measured[SECOND]["occupancy"])
    rows = []
    for name in study.others:
        label = "truth (floor)" if name == SECOND else f"`{name}`"
        rows.append([label, *(with_error(*measured[name]["occupancy"][key]) for key in names)])
    return markdown(["copy less truth", *(key.replace("_", ", layer ") for key in names)], rows)


def observable_table(study, measured):
    keys = list(measured[SECOND]["observables"])
    samples = list(study.others)
    rows = [[f"`{key}`", *(distance_cell(measured[n]["observables"][key]["w1"]) for n in samples)] for key in keys]
    return markdown(["W₁ (floor)", *("truth" if n == SECOND else f"`{n}`" for n in samples)], rows)


def response_table(found):
    rows = []
    for name, entries in found.items():
        for e in entries:
            cells = ["–", "–"] if e["mean"] is None else [with_error(*e["mean"]), with_error(*e["width"])]
            rows.append([name, f"{e['energy']:g} GeV", *cells, str(e["events"])])
    return markdown(["", "energy", "mean of E_tot / E", "half of its central 68 %", "showers"], rows)


def one_particle(particle, study, models, options, clock):
    """Numbers, fragment and figures of one particle."""
    end, folder = tag(particle), options.figures
    measured = showers.measure(study, seed=options.seed)
    clock(f"{particle}: distances")
    classified = showers.classifiers(
        study, network=not options.no_network, epochs=options.epochs, seed=options.seed, progress=clock
    )
    pages = []
    truth, drawn = study.truth, study.copies
    if drawn:
        shower_figures.draw_observables(truth, drawn, folder / f"observables-{end}.png")
        shower_figures.draw_averages(truth, drawn, folder / f"averages-{end}.png")
        pages += [
            (f"observables-{end}.png", f"{particle}: the 20 observables with the published axes."),
            (f"averages-{end}.png", f"{particle}: average of every layer, on the truth's scale."),
        ]
        for block in truth.schema.layers:
            file = f"neighbours-{end}-{block.name}.png"
            shower_figures.draw_neighbours(truth, drawn, block, folder / file, seed=options.seed)
            words = f"{particle}: five showers in {block.name.replace('_', ' ')} and their nearest copies."
            pages.append((file, words))
    beyond = [options.beyond[particle]] if particle in options.beyond else []  # showers at 150 GeV, say
    fixed, limits = {"truth": truth_at_energies(concatenate([truth, *beyond]))}, (1.0, 100.0)
    for name, path in models.items():
        if not is_model(path):
            continue
        model = facsim.load(path)
        fixed[name], limits = at_energies(model, options.seed), trained(model)
        if hasattr(model, "forward"):
            file = f"walk-{end}-{tag(name)}.png"
            shower_figures.draw_walk(latent_walk(model), limits, folder / file)
            words = "one latent code at rising energies, green within those of the training, red beyond."
            pages.append((file, f"`{name}`, {particle}: {words}"))
    response = {name: showers.response_at(events, ENERGIES) for name, events in fixed.items()}
    if len(fixed) > 1:
        shower_figures.draw_energies(fixed, ENERGIES, limits, folder / f"energies-{end}.png")
        words = f"{particle}: response at fixed energies; truth within {WINDOW:.0%} of them."
        pages.append((f"energies-{end}.png", words))
    clock(f"{particle}: figures")
    size = f"{len(truth):,} truth showers against as many copies"
    words = "in brackets the floor, what truth against truth gives on average; ± is one standard deviation"
    fragment = [
        f"### {particle}\n\n{size}; {words}.\n",
        quality_table(particle, study, measured, classified, named(options.note)),
        occupancy_table(study, measured),
        observable_table(study, measured),
        response_table(response),
        *(picture(options, file, text) for file, text in pages),
    ]
    sizes = {name: len(events) for name, events in study.others.items()}
    numbers = {"events": {"truth": len(truth), **sizes}, "distances": measured, "classifiers": classified}
    return {**numbers, "response": response}, fragment


def two_particles(studies, options, clock):
    """Distance between the particles, and classification transfer."""
    (first, a), (second, b) = studies.items()
    truths = [shower_observables.observables(concatenate([s.truth, s.second])) for s in (a, b)]
    apart = showers.summary(*truths)
    apart["separation_E_0"] = separation_power(truths[0]["E_0"], truths[1]["E_0"], 10)
    size = min(len(t["E_0"]) for t in truths)
    keys = list(showers.PUBLISHED_SUMMARY)
    rows = [
        [f"{first} against {second}, from {size:,} showers", *(number(apart[k]) for k in keys)],
        ["published, 100,000 showers", *(f"{v:g}" for v in showers.PUBLISHED_SUMMARY.values())],
    ]
    fragment = [f"### {first} against {second}\n", markdown(["truth", "Σ −ln S", "KS", "Mann-Whitney", "S(E₀)"], rows)]
    moved = {"trees on the observables": showers.transfers(a, b, (first, second), runs=options.runs, seed=options.seed)}
    clock("transfer, trees")
    if not options.no_network and options.network_runs:
        moved["network on the cells"] = showers.transfers(
            a, b, (first, second), "network", runs=options.network_runs, seed=options.seed
        )
        clock("transfer, network")
    for how, found in moved.items():
        table = transfer_table(found, showers.PUBLISHED_TRANSFER)
        fragment.append(f"Classification transfer, {how}:\n\n{table}")
    draw_rocs(next(reversed(moved.values())), options.figures / "transfer.png")
    fragment.append(picture(options, "transfer.png", f"{second} against {first}, {list(moved)[-1]}."))
    transfer = {how: {name: r.to_json() for name, r in found.items()} for how, found in moved.items()}
    return {"apart": apart, "transfer": transfer}, fragment


def main():
    arguments = parser(__doc__, "calogan")
    arguments.add_argument("--truth", nargs=2, action="append", required=True, metavar=("PARTICLE", "FILE"))
    arguments.add_argument("--second", nargs=2, action="append", default=[], metavar=("PARTICLE", "FILE"))
    arguments.add_argument("--model", nargs=3, action="append", default=[], metavar=("NAME", "PARTICLE", "PATH"))
    arguments.add_argument("--beyond", nargs=2, action="append", default=[], metavar=("PARTICLE", "FILE"))
    options = arguments.parse_args()
    options.figures = options.figures or options.output
    options.beyond = {particle: facsim.read(file) for particle, file in options.beyond}
    clock, studies, numbers, fragment = Clock(), {}, {}, []
    seconds = dict(options.second)
    for particle, file in options.truth:
        second = facsim.read(seconds[particle]) if particle in seconds else None
        truth, second = halves(facsim.read(file), second, options.events)
        models = {name: path for name, which, path in options.model if which == particle}
        drawn = {name: thin(copies(path, truth, options.seed), len(truth)) for name, path in models.items()}
        studies[particle] = Study(truth, second, drawn)
        numbers[particle], text = one_particle(particle, studies[particle], models, options, clock)
        fragment += text
    if len(studies) == 2:
        numbers["both"], text = two_particles(studies, options, clock)
        fragment += text
    publish(options, "calogan", numbers, "\n".join(fragment))
    clock(f"written to {options.output}")


if __name__ == "__main__":
    main()
