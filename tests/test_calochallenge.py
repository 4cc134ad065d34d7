"""CaloChallenge's quantities against a second implementation: plain loops, written from the formulas alone."""

import importlib
import json
import math

import numpy as np
import pytest

from facsim import Block, Events, Schema, detectors
from facsim.errors import DataError, SchemaMismatch, WeightError
from facsim.metrics import calochallenge as cc
from facsim.report.standing import draw_standing

CUT = {"1-photons": 1.0, "1-pions": 1.0, "2": 0.5e-3 / 0.033, "3": 0.5e-3 / 0.033}
SIZES = {"1-photons": 60, "1-pions": 40, "2": 12, "3": 3}
WIDTHS = {"1-photons": 30, "1-pions": 46, "2": 362, "3": 362}


def showers(which: str, n: int, seed: int, *, spread: float = 1.0) -> Events:
    """Voxels with empty ones, some below the cut, and layers without energy."""
    schema = detectors.get(f"calochallenge-{which}")
    rng = np.random.default_rng([seed, len(which)])
    energies = 2.0 ** rng.integers(8, 23, n) if which.startswith("1") else 10 ** rng.uniform(3, 6, n)
    cells = rng.gamma(0.3, spread * 8 * CUT[which], (n, schema.width)) * (rng.random((n, schema.width)) < 0.3)
    for block in schema.layers[:2]:
        cells[rng.random(n) < 0.3, schema.columns(block.name)] = 0.0
    for block in schema.layers:  # the core of the shower is bright, or all centres lie outside the published ranges
        radius = block.grid.centres("r")
        cells[:, schema.columns(block.name)] *= np.exp(-radius / (0.15 * radius.max()))
    cells *= (energies * rng.normal(0.97, 0.08, n) / np.maximum(cells.sum(axis=1), 1e-9))[:, None]
    return Events(cells, energies[:, None], schema)


# --- the straight implementation ---------------------------------------------------------------------------------


def centre_of(block, a: int, r: int) -> tuple[float, float, float]:
    alphas, radii = block.grid.edges
    alpha, radius = (alphas[a] + alphas[a + 1]) / 2, (radii[r] + radii[r + 1]) / 2
    return radius * math.cos(alpha), radius * math.sin(alpha), radius


def straight_layer(block, cells: list[float]) -> dict[str, float]:
    """One layer of one shower; cells in storage order, r fastest."""
    energy = lit = 0.0
    first, second = [0.0] * 3, [0.0] * 3
    i = 0
    for a in range(block.shape[0]):
        for r in range(block.shape[1]):
            e = cells[i]
            i += 1
            energy += e
            lit += e > 0
            for k, x in enumerate(centre_of(block, a, r)):
                first[k] += x * e
                second[k] += x * x * e
    centre = [v / (energy + 1e-16) for v in first]
    width = [math.sqrt(max(s / (energy + 1e-16) - c * c, 0.0)) for s, c in zip(second, centre, strict=True)]
    return {"E": energy, "sparsity": 1 - lit / len(cells), "C": centre, "W": width, "top": max(cells)}


def straight(events: Events, which: str) -> list[dict]:
    out = []
    for n in range(len(events)):
        layers = {}
        for block in events.schema.layers:
            cells = [float(v) if v >= np.float32(CUT[which]) else 0.0 for v in events[block.name][n].ravel()]
            layers[int(block.name[6:])] = straight_layer(block, cells) | {"cells": cells}
        out.append({"E_inc": float(events.conditions[n, 0]), "layers": layers})
    return out


def straight_matrix(rows: list[dict], binned: list[int]) -> list[list[float]]:
    out = []
    for row in rows:
        layers = row["layers"]
        line = [math.log10(row["E_inc"])] + [math.log10(x["E"] + 1e-8) for x in layers.values()]
        for what, k in (("C", 0), ("C", 1), ("W", 0), ("W", 1)):
            line += [layers[number][what][k] / 100 for number in binned]
        line.append(math.log10(sum(x["E"] for x in layers.values()) + 1e-8))
        line += [x["sparsity"] for x in layers.values()]
        line += [x["C"][2] / 100 for x in layers.values()] + [x["W"][2] / 100 for x in layers.values()]
        out.append(line)
    return out


def straight_separation(p: list[float], q: list[float], edges: list[float]) -> float:
    shares = []
    for values in (p, q):
        counts = [0] * (len(edges) - 1)
        for v in values:
            for i in range(len(counts)):
                if edges[i] <= v < edges[i + 1] or (i == len(counts) - 1 and v == edges[-1]):
                    counts[i] += 1
        shares.append([c / max(sum(counts), 1) for c in counts])
    if not all(map(sum, shares)):
        return float(any(map(sum, shares)))
    return 0.5 * sum((a - b) ** 2 / (a + b + 1e-16) for a, b in zip(*shares, strict=True))


def line(low: float, high: float, count: int) -> list[float]:
    # numpy's, since sparsities lie exactly on edges, where the last bit of an edge decides
    return [float(v) for v in np.linspace(low, high, count)]


def log_line(low: float, high: float, count: int) -> list[float]:
    inner = [10 ** (math.log10(low) + math.log10(high / low) * i / (count - 1)) for i in range(1, count - 1)]
    return [low, *inner, high]


def straight_powers(first: list[dict], second: list[dict], which: str, binned: list[int]) -> dict[str, float]:
    def totals(rows):
        return [sum(x["E"] for x in row["layers"].values()) / row["E_inc"] for row in rows]

    par04 = which in {"2", "3"}
    out = {"E_tot": straight_separation(totals(first), totals(second), line(0.5, 1.5, 101))}
    cells = [[c for row in rows for x in row["layers"].values() for c in x["cells"]] for rows in (first, second)]
    out["cell"] = straight_separation(*cells, log_line(CUT[which], max(cells[0]), 50))
    for number in first[0]["layers"]:
        deep = number in {12, 13}

        def pair(what, k=None, number=number):
            return [
                [row["layers"][number][what] if k is None else row["layers"][number][what][k] for row in rows]
                for rows in (first, second)
            ]

        energies = pair("E")
        out[f"E_layer_{number}"] = straight_separation(*energies, log_line(CUT[which], max(energies[0]), 40))
        out[f"sparsity_{number}"] = straight_separation(*pair("sparsity"), line(0, 1, 21))
        r, w = (42, 20) if par04 else (1500, 1500) if deep else (500, 500)
        out[f"EC_r_{number}"] = straight_separation(*pair("C", 2), line(0, r, 101))
        out[f"width_r_{number}"] = straight_separation(*pair("W", 2), line(0, w, 101))
        if number in binned:
            c, w = (30, 30) if par04 else (500, 400) if deep else (100, 100)
            for k, axis in enumerate(("eta", "phi")):
                out[f"EC_{axis}_{number}"] = straight_separation(*pair("C", k), line(-c, c, 101))
                out[f"width_{axis}_{number}"] = straight_separation(*pair("W", k), line(0, w, 101))
    return out


BINNED = {"1-photons": [1, 2], "1-pions": [1, 2, 12, 13], "2": list(range(45)), "3": list(range(45))}


@pytest.mark.parametrize("which", list(SIZES))
def test_features_equal_the_straight_implementation(which):
    events = showers(which, SIZES[which], 1)
    found = cc.features(events, f"ds{which}")
    matrix = found.matrix()
    assert matrix.shape == (len(events), WIDTHS[which]) == (len(events), len(found.names))
    # widths are roots of differences: their rounding noise is 1e-8 of a radius, 1e-7 in these units at most
    np.testing.assert_allclose(matrix, straight_matrix(straight(events, which), BINNED[which]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("which", ["1-photons", "1-pions", "2"])
def test_separation_powers_equal_the_straight_implementation(which):
    a, b = showers(which, SIZES[which], 1), showers(which, SIZES[which] + 7, 2, spread=1.3)
    found = cc.separation_powers(a, b, which)
    wanted = straight_powers(straight(a, which), straight(b, which), which, BINNED[which])
    for name, value in wanted.items():
        assert found.values[name] == pytest.approx(value, abs=1e-6), name
    extra = set(found.values) - set(wanted)
    assert all(name.startswith("E_tot_") for name in extra)
    layers = [v for name, v in wanted.items() if name.startswith("EC_r_")]
    assert found.means["EC_r"] == pytest.approx(np.mean(layers), abs=1e-6)
    assert list(found.means)[:8] == list(PUBLISHED)


PUBLISHED = ("E_tot", "E_layer", "cell", "EC_eta", "EC_r", "width_eta", "width_r", "sparsity")


def test_response_at_each_discrete_energy():
    a, b = showers("1-photons", 600, 3), showers("1-photons", 600, 4)
    found = cc.separation_powers(a, b, "1-photons").values
    for k, energy in enumerate(2**i for i in range(8, 23)):
        edges = line(0.9, 1.1, 21) if k >= 4 else line(0.4, 1.4, 21)
        p, q = (
            [float(np.float64(r)) for r in (f.total / f.incident)[f.incident == energy]]
            for f in (cc.features(a, "1-photons"), cc.features(b, "1-photons"))
        )
        assert found[f"E_tot_{energy}"] == pytest.approx(straight_separation(p, q, edges), abs=1e-6)


@pytest.mark.parametrize("which", ["1-pions", "2"])
def test_classifier_inputs_equal_the_straight_implementation(which):
    events = showers(which, 4, 5)
    low, normed = (cc.classifier_inputs(events, which, inputs) for inputs in ("low", "low-normed"))
    pr = cc.prdc_inputs(events, which)
    for n in range(4):
        raw = [float(v) for v in events.features[n]]
        cut = [v if v >= np.float32(CUT[which]) else 0.0 for v in raw]
        assert any(0 < v < CUT[which] for v in raw)
        incident = float(events.conditions[n, 0])
        np.testing.assert_allclose(low[n], [math.log10(incident)] + [v / incident for v in cut], rtol=1e-9)
        sums, shares = [], []
        for block in events.schema.layers:
            part = raw[events.schema.columns(block.name)]
            sums.append(math.log10(sum(part) + 1e-8))
            shares += [v / (sum(part) + 1e-16) for v in part]
        np.testing.assert_allclose(normed[n], [math.log10(incident), *shares, *sums], rtol=1e-9)
        np.testing.assert_allclose(pr[n], [math.log10(v or 0.1) for v in cut], rtol=1e-6)  # float32


def test_a_file_in_batches_gives_the_same(tmp_path, monkeypatch):
    from facsim import io
    from facsim.metrics.calochallenge import dataset

    a, b = showers("2", 30, 1), showers("2", 30, 2)
    io.write(tmp_path / "a.h5", a)
    monkeypatch.setattr(dataset, "MOST_VALUES", 7 * 6480)
    at_once = cc.separation_powers(a, b, "2")
    with io.open(tmp_path / "a.h5") as reader:
        assert cc.separation_powers(reader, b, "2") == at_once
        np.testing.assert_array_equal(cc.features(reader, "2").matrix(), cc.features(a, "2").matrix())


def test_null_value_of_the_separation_power():
    # E[S] = (k - 1)(1/n + 1/m)/4 for filled bins: here 20 bins of equal population, 4,000 + 4,000 events
    rng = np.random.default_rng(0)
    values = [cc.histogram_separation(*rng.random((2, 4000)), np.linspace(0, 1, 21)) for _ in range(50)]
    expected = 19 * (2 / 4000) / 4
    # S is chi2 with 19 degrees of freedom up to a factor: relative spread sqrt(2/19), four errors of the mean of 50
    assert np.mean(values) == pytest.approx(expected, rel=4 * math.sqrt(2 / 19 / 50))


def test_events_outside_the_range_do_not_exist_and_weights_count():
    edges = np.linspace(0, 1, 5)
    p, q = np.array([0.1, 0.3, 0.6, 0.9]), np.array([0.1, 0.1, 0.6, 0.9])
    plain = cc.histogram_separation(p, q, edges)
    assert cc.histogram_separation(np.append(p, [5.0, -3.0]), q, edges) == plain
    assert cc.histogram_separation(p + 5, q, edges) == 1.0
    assert cc.histogram_separation(p + 5, q + 5, edges) == 0.0
    # weight two is two copies, and a negative weight cancels an added event
    assert cc.histogram_separation(p, q, edges, wp=[2, 1, 1, 1]) == pytest.approx(
        cc.histogram_separation(np.append(p, 0.1), q, edges)
    )
    assert cc.histogram_separation(np.append(p, [0.1, 0.1]), q, edges, wp=[1] * 5 + [-1]) == pytest.approx(plain)
    with pytest.raises(WeightError, match="binning of the challenge"):
        cc.histogram_separation(p, q, edges, wp=[-1, 1, 1, 1])


def test_weights_of_showers_reach_every_histogram():
    a, b, junk = showers("1-photons", 300, 1), showers("1-photons", 300, 2), showers("1-photons", 50, 3, spread=3)
    mixed = Events(
        np.concatenate([b.features, junk.features, junk.features]),
        np.concatenate([b.conditions, junk.conditions, junk.conditions]),
        b.schema,
        np.repeat([1.0, 1.0, -1.0], [300, 50, 50]),
    )
    plain, cancelled = cc.separation_powers(a, b, "1-photons"), cc.separation_powers(a, mixed, "1-photons")
    for name, value in plain.values.items():
        assert cancelled.values[name] == pytest.approx(value, abs=1e-9), name


def test_what_is_no_shower_of_the_data_set_is_refused():
    photons = showers("1-photons", 4, 1)
    with pytest.raises(SchemaMismatch, match="not showers of CaloChallenge 2"):
        cc.features(photons, "2")
    with pytest.raises(DataError, match="Did you mean"):
        cc.data_set("ds1-photon")
    with pytest.raises(DataError, match="inputs="):
        cc.classifier_inputs(photons, "ds1-photons", "lows")
    with pytest.raises(DataError, match="must be positive"):
        cc.features(Events(photons.features, np.zeros((4, 1)), photons.schema), "ds1-photons")
    bad = photons.features.copy()
    bad[2, 5] = np.nan
    with pytest.raises(DataError, match="shower 2"):
        cc.features(Events(bad, photons.conditions, photons.schema), "ds1-photons")
    bare = Schema(photons.schema.features, (Block("angle", (), "angle", "rad"),))
    with pytest.raises(SchemaMismatch, match="incident energy"):
        cc.features(Events(photons.features, photons.conditions, bare), "ds1-photons")


def test_published_results_are_complete():
    counts = {which: len(cc.published(which)) for which in ("ds1-photons", "ds1-pions", "ds2", "ds3")}
    assert counts == {"ds1-photons": 15, "ds1-pions": 12, "ds2": 17, "ds3": 15}
    everything = [s for which in counts for s in cc.published(which)]
    assert len({s.id for s in everything}) == len({s.model for s in everything}) == 31
    for s in everything + [cc.geant4(which) for which in counts]:
        assert set(s.separation) == set(PUBLISHED)
        assert set(s.prdc) == {"precision", "recall", "density", "coverage"}
        assert set(s.milliseconds) == {f"{d}_{b}" for d in ("gpu", "cpu") for b in (1, 100, 10000)}
        assert all(len(pair) == 2 for pair in (s.fpd, s.kpd, s.auc_low, s.auc_high))
        assert (s.log_posterior is None) == (s.id == 0)
    assert all(s.auc_cnn is not None for which in ("ds2", "ds3") for s in cc.published(which))


@pytest.mark.parametrize(
    ("which", "model", "quantity", "value"),
    [
        ("ds1-photons", "CaloForest", "parameters_generation", 3.84e9),
        ("ds1-pions", "GEANT4", "auc_low", 0.6089),
        ("ds2", "CaloDREAM", "fpd", 24.65e-3),
        ("ds2", "CaloVAE+INN", "cpu_10000", 3.384),
        ("ds3", "CaloDiffusion", "auc_cnn", 0.6558),
        ("ds3", "GEANT4 transformer", "separation_sparsity", 0.572),
        ("ds1-photons", "BoloGAN", "kpd", 11.627e-3),
    ],
)
def test_published_values_at_random(which, model, quantity, value):
    found = next(s for s in (cc.geant4(which), *cc.published(which)) if s.model == model)
    assert found.value(quantity) == pytest.approx(value, rel=1e-12)


def test_pareto_fronts_are_those_of_the_publication():
    assert cc.pareto_front("ds1-photons") == (
        "CaloINN",
        "CaloFlow student",
        "CaloScore single-shot",
        "CaloScore distilled",
        "CaloScore",
    )
    assert cc.pareto_front("ds2")[-2:] == ("conv. L2LFlows", "CaloDREAM")


def test_standing_ranks_between_its_neighbours():
    found = cc.standing("ds1-pions", {"auc_low": 0.7, "fpd": 1e-4, "kpd": None, "gpu_100": 9000.0}, "mine")
    low, best, slow = (found.places[q] for q in ("auc_low", "fpd", "gpu_100"))
    assert (low.rank, low.among) == (3, 13)
    assert low.better == ("CaloDiffusion", 0.6804)
    assert low.worse == ("CaloINN", 0.7841)
    assert low.floor == 0.6089
    assert (best.rank, best.better, best.worse[0]) == (1, None, "CaloDiffusion")
    assert slow.worse is None
    assert slow.rank == slow.among == 12  # CaloForest has no time on a GPU
    assert any("0.609" in note and "0.558" in note for note in found.notes)
    assert any("no scores" in note for note in found.notes)
    assert "auc_low" in str(found)
    assert found.to_json()["places"]["fpd"]["rank"] == 1
    # no better than a coin by being worse than one
    assert cc.standing("ds2", {"auc_high": 0.4}).places["auc_high"].rank == 3
    stored = found.to_json()
    assert json.loads(json.dumps(stored)) == stored  # lists, as a page and a file alike expect
    with pytest.raises(DataError, match="Did you mean 'auc_low'"):
        cc.standing("ds2", {"auc_lo": 0.6})
    with pytest.raises(DataError, match="finite"):
        cc.standing("ds2", {"fpd": np.nan})


def test_the_standing_is_drawn_with_front_floor_and_own_model():
    from xml.etree import ElementTree

    drawn = draw_standing("ds2", {"fpd": 0.05, "gpu_100": 2.0}, name="mine & more")
    texts = [e.text for e in ElementTree.fromstring(drawn).iter() if e.tag == "text"]  # noqa: S314 - our own
    assert {"mine & more", "CaloDREAM", "Geant4 0.0108", "Fréchet physics distance"} <= set(texts)
    assert drawn.count('class="generated large dots"') == 1
    unknown_time = draw_standing("ds1-pions", {"auc_high": 0.62}, quality="auc_high", speed="cpu_100")
    assert "this model 0.62" in unknown_time
    assert 'class="generated dashed"' in unknown_time
    with pytest.raises(DataError, match="was published"):
        draw_standing("ds1-photons", quality="auc_cnn")
    with pytest.raises(DataError, match="Did you mean 'gpu_100'"):
        draw_standing("ds2", speed="gpu_10")


def test_the_challenge_puts_everything_together(tmp_path):
    import json

    from facsim import io

    a, b = showers("1-photons", 300, 1), showers("1-photons", 250, 2)
    ticks = []
    found = cc.challenge(
        a,
        b,
        "ds1-photons",
        name="toy",
        classifiers=(),
        milliseconds={"cpu_100": 3.0},
        progress=lambda *t: ticks.append(t),
    )
    assert found.separation == cc.separation_powers(a, b, "ds1-photons")
    assert found.fpd is None
    assert any("10,000 events" in note for note in found.notes)
    assert set(found.prdc) == {"precision", "recall", "density", "coverage"}
    assert set(found.standing().places) == {"cpu_100", *(f"separation_{n}" for n in PUBLISHED)}
    assert ticks[-1] == (300, 300)
    stored = json.loads(json.dumps(found.to_json()))
    assert stored["standing"]["places"]["cpu_100"]["among"] == 16
    assert stored["events"] == [300, 250]
    io.write(tmp_path / "a.h5", a)
    io.write(tmp_path / "b.h5", b)
    with io.open(tmp_path / "a.h5") as first, io.open(tmp_path / "b.h5") as second:
        assert cc.challenge(first, second, "ds1-photons", classifiers=()).separation == found.separation
    with pytest.raises(DataError, match="at least 20"):
        cc.challenge(a[:5], b, "ds1-photons")
    with pytest.raises(SchemaMismatch, match="another data set"):
        cc.challenge(a, b, "ds1-pions", classifiers=())


def test_the_challenge_trains_its_classifiers():
    pytest.importorskip("torch")
    a, b = showers("1-photons", 150, 1), showers("1-photons", 150, 2)
    found = cc.challenge(a, b, "ds1-photons", classifiers=("high",), runs=2, epochs=1, width=8)
    assert set(found.auc) == {"high"}
    value, spread, error = found.auc["high"]
    assert 0 <= value <= 1
    assert error > 0 <= spread
    assert "auc_high" in found.standing().places
    assert any("1 epochs" in note for note in found.notes)
    assert any("2 training" in note for note in found.notes)


def test_signed_weights_leave_out_only_what_cannot_take_them():
    a, b = showers("1-photons", 300, 1), showers("1-photons", 300, 2)
    b = b.with_weights(np.repeat([1.0, 1.0, -1.0], [200, 50, 50]))
    b = Events(
        np.concatenate([b.features[:250], b.features[200:250]]),
        np.concatenate([b.conditions[:250], b.conditions[200:250]]),
        b.schema,
        b.weights,
    )
    found = cc.challenge(a, b, "ds1-photons", classifiers=())
    assert found.prdc is None
    assert any("negative weights" in note for note in found.notes)


def test_fpd_and_kpd_are_those_of_the_publication(monkeypatch):
    from facsim.metrics import jetnet

    module = importlib.import_module("facsim.metrics.calochallenge.challenge")
    monkeypatch.setattr(module, "FEWEST", 400)
    a, b = showers("1-photons", 1000, 1), showers("1-photons", 1000, 2, spread=1.2)
    found = cc.challenge(a, b, "ds1-photons", classifiers=())
    x, y = (cc.features(e, "ds1-photons").matrix() for e in (a, b))
    assert found.fpd[0] == jetnet.fpd(x, y, min_samples=400).value
    assert found.kpd[0] == jetnet.kpd(x, y, batch_size=400).value
    assert {"fpd", "kpd"} <= set(found.standing().places)
    weighted = cc.challenge(a.with_weights(np.ones(1000)), b, "ds1-photons", classifiers=())
    assert weighted.fpd is None
    assert any("take no weights" in note for note in weighted.notes)
