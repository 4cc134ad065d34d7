"""LAGAN's evaluation: from jet images of the truth and of some models to figures, numbers and tables.

    python scripts/lagan_study.py --truth jets-test.h5 --model lagan=runs/lagan --model lagan+=runs/lagan-plus \\
        --note lagan="50 epochs, 5 h" --figures docs/images/lagan --fragment docs/generated/lagan.md

A model is a run folder, an exported file, or a file of its events. Half of the truth is compared with, the other half
gives the floors (or --second FILE). A GAN's discriminator and generator are looked into where there are some.
"""

import numpy as np
from _study import Clock, copies, halves, is_model, logistic, named, parser, picture, publish, tag, thin

import facsim
from facsim.errors import CapabilityError
from facsim.metrics.mlp import Training
from facsim.report.labels import with_error
from facsim.report.studies import Study, critic_figures, jet_figures, jets
from facsim.report.studies.study import SECOND, TRUTH
from facsim.report.studies.tables import auc_cell, distance_cell, draw_rocs, markdown, transfer_table

PUBLISHED_CONFUSION = ((0.9974, 0.0026), (0.0160, 0.9840))  # of the auxiliary head on GAN images, epoch 34, 20k images
SHOWN = 500  # most representative images
ACTIVATED = 2000  # events through the generator


def image_alone(events):
    """Without the quantities that files of jets also hold."""
    return events.select([jets.JetSample(events).block])


def scores(model, events):
    """What the discriminator says, or None if there is none or it judges several events together."""
    try:
        real = model.scores(events)
    except (AttributeError, CapabilityError):
        return None
    if getattr(model, "undecided", None) is not None:
        real = logistic(real - model.undecided)
    try:
        signal = model.auxiliary_probabilities(events)[:, 1]
    except (AttributeError, CapabilityError):
        signal = None
    return jets.Scores(real, signal)


def activations(model, conditions, labels, seed):
    """Mean signal less background after every non-linear or normalising layer of few channels, in order."""
    import torch

    from facsim.sampler import noise

    found = {}

    def note(name):
        def hook(_module, _inputs, out):
            if out.ndim == 4 and out.shape[1] <= 16:
                found[name] = critic_figures.mean_difference(out.double().numpy(), labels)

        return hook

    wanted = [(n, m) for n, m in model.net.named_modules() if any(w in type(m).__name__ for w in ("LeakyReLU", "Norm"))]
    handles = [m.register_forward_hook(note(n)) for n, m in wanted]
    model.eval()
    with torch.no_grad():
        model(torch.from_numpy(conditions), torch.from_numpy(noise(seed, 0, len(conditions), model.latent)))
    for handle in handles:
        handle.remove()
    return found


def filters(model):
    """First kernels of the discriminator that see the image, (f, h, w), or None."""
    weights = [
        p for n, p in model.critic.named_parameters() if n.endswith("weight") and p.ndim == 4 and p.shape[1] == 1
    ]
    return weights[0].detach().numpy()[:, 0].astype(np.float64) if weights else None


def look_inside(model, name, truth, copy, folder, seed):
    """Numbers and figures of discriminator and generator."""
    pages, numbers = [], {}
    of_truth, of_copy = (scores(model, s.events) for s in (truth, copy))
    end = f"{tag(name)}.png"
    if of_truth is not None:
        numbers["discriminator"] = jets.discriminator(truth, copy, of_truth, of_copy)
        given = (truth, copy, of_truth, of_copy, name)
        critic_figures.draw_representative(*given, folder / f"representative-{end}", count=SHOWN)
        critic_figures.draw_discriminator(*given, folder / f"discriminator-{end}")
        critic_figures.draw_pixel_correlations(*given, folder / f"pixels-{end}")
        pages += [
            (f"representative-{end}", f"`{name}`: average of the images that the discriminator finds typical."),
            (f"discriminator-{end}", f"`{name}`: discriminator against mass and momentum; columns sum to 1."),
            (f"pixels-{end}", f"`{name}`: correlation of every pixel with the discriminator's outputs."),
        ]
    if not hasattr(model, "net"):
        return numbers, pages
    found = activations(model, truth.events.conditions[:ACTIVATED], truth.labels[:ACTIVATED], seed)
    if found:
        critic_figures.draw_activations(found, folder / f"activations-{end}")
        pages.append((f"activations-{end}", f"`{name}`: mean activation of the generator, signal less background."))
    kernels = filters(model) if of_truth is not None else None
    if kernels is not None:
        means = [jet_figures.mean_image(truth, truth.labels == k) for k in (0, 1)]
        critic_figures.draw_filters(kernels, means[1] - means[0], folder / f"filters-{end}")
        words = "first filters of the discriminator, above what they make of signal less background (truth)."
        pages.append((f"filters-{end}", f"`{name}`: {words}"))
    return numbers, pages


def quality_tables(study, measured, classified, notes):
    """Summary, and the distances of mass, momentum and subjettiness."""
    classes = list(next(iter(measured.values()))["classes"])
    summary, distances = [], []
    for name in study.others:
        entry, found = measured[name], classified[name]
        label = "truth (floor)" if name == SECOND else f"`{name}`"
        excess = ["–" if e is None else with_error(*e) for e in entry["central_excess"].values()]
        chosen = f"{max(entry['selection'].values()):.2f}"
        areas = [auc_cell(found.get(level)) for level in ("high_level", "low_level")]
        summary.append([label, *areas, chosen, *excess, notes.get(name, "")])
        for k in classes:
            cells = [distance_cell(entry["classes"][k][quantity]["w1"]) for quantity in jets.RANGES]
            distances.append([label, k, *cells])
    header = ["", "AUC, quantities", "AUC, pixels", "selection [bins]"]
    first = markdown([*header, *(f"central pixel / truth, {k}" for k in classes), "training"], summary)
    titles = ("mass [GeV]", "pT [GeV]", "τ₂₁")
    return first + "\n" + markdown(["", "class", *(f"W₁ of {t}" for t in titles)], distances)


def discriminator_table(inside):
    rows = []
    for name, numbers in inside.items():
        d = numbers.get("discriminator")
        if d is None:
            continue
        for on in ("truth", "copies"):
            table = d.get(f"confusion_{on}")
            shares = [] if table is None else [with_error(table["table"][i][i], table["error"][i][i]) for i in (0, 1)]
            rows.append([f"`{name}`", on, with_error(*d[f"real_{on}"]), with_error(*d["auc"]), *(shares or ["–", "–"])])
    rows.append(["published, epoch 34", "copies", "", "", *(f"{PUBLISHED_CONFUSION[i][i]:.4f}" for i in (0, 1))])
    return markdown(["", "events", "mean P(real)", "AUC of P(real)", "background kept", "signal kept"], rows)


def main():
    arguments = parser(__doc__, "lagan")
    arguments.add_argument("--truth", required=True, help="file of jet images")
    arguments.add_argument("--second", help="more truth for the floors")
    arguments.add_argument("--model", action="append", default=[], metavar="NAME=PATH")
    options = arguments.parse_args()
    options.figures = options.figures or options.output
    clock, seed, models = Clock(), options.seed, named(options.model)
    second = image_alone(facsim.read(options.second)) if options.second else None
    truth, second = halves(image_alone(facsim.read(options.truth)), second, options.events)
    drawn = {name: thin(image_alone(copies(path, truth, seed)), len(truth)) for name, path in models.items()}
    study = Study(truth, second, drawn)
    samples = {TRUTH: jets.JetSample(truth), **{name: jets.JetSample(e) for name, e in study.others.items()}}
    clock(f"{len(truth)} truth jets, " + ", ".join(f"{len(e)} of {n}" for n, e in study.others.items()))
    measured = jets.measure(study, samples, seed=seed)
    clock("distances")
    training = Training(width=512, epochs=options.epochs, patience=15, updates=16)
    classified = jets.classifiers(
        study, samples, network=not options.no_network, training=training, seed=seed, progress=clock
    )
    moved = {"trees on the quantities of the jets": jets.transfers(study, runs=options.runs, seed=seed)}
    if not options.no_network and options.network_runs:
        moved["network on the pixels"] = jets.transfers(study, "network", runs=options.network_runs, seed=seed)
    clock("transfer")
    only = {name: samples[name] for name in drawn}
    folder, pages = options.figures, []
    if drawn:
        jet_figures.draw_spectra(samples[TRUTH], only, folder / "spectra.png")
        jet_figures.draw_pixels(samples[TRUTH], only, folder / "pixels.png")
        near = {name: jets.neighbours(samples[TRUTH], copy, seed=seed) for name, copy in only.items()}
        jet_figures.draw_neighbours(near, folder / "neighbours.png")
        pages += [
            ("spectra.png", "Mass, momentum and subjettiness per class: truth filled, copies dashed."),
            ("pixels.png", "Spectrum of the pixels, share of lit pixels, and the central pixel."),
            ("neighbours.png", "Five truth images, and the nearest copy of every model with its distance."),
        ]
    draw_rocs(next(reversed(moved.values())), folder / "transfer.png")
    pages.append(("transfer.png", f"W' against QCD, {list(moved)[-1]}."))
    inside = {}
    for name, path in models.items():
        jet_figures.draw_averages(samples[TRUTH], only[name], name, folder / f"averages-{tag(name)}.png")
        pages.append((f"averages-{tag(name)}.png", f"`{name}`: average images and truth less copies."))
        if is_model(path):
            inside[name], more = look_inside(facsim.load(path), name, samples[TRUTH], only[name], folder, seed)
            pages += more
    clock("figures")
    numbers = {
        "events": {TRUTH: len(truth), **{n: len(e) for n, e in study.others.items()}},
        "distances": measured,
        "classifiers": classified,
        "transfer": {how: {name: r.to_json() for name, r in found.items()} for how, found in moved.items()},
        "inside": inside,
    }
    size = f"{len(truth):,} truth jets against as many copies"
    fragment = "\n".join(
        [
            f"{size}; in brackets the floor, what truth against truth gives on average; ± is one standard deviation.\n",
            quality_tables(study, measured, classified, named(options.note)),
            *(f"Classification transfer, {how}:\n\n{transfer_table(found)}" for how, found in moved.items()),
            *(["The discriminator on truth and on its copies:\n", discriminator_table(inside)] if inside else []),
            *(picture(options, file, words) for file, words in pages),
        ]
    )
    publish(options, "lagan", numbers, fragment)
    clock(f"written to {options.output}")


if __name__ == "__main__":
    main()
