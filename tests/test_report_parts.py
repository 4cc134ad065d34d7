"""Parts of the report: bins, means, neighbours, pictures, words."""

import re

import numpy as np
import pytest

from facsim import Block, Events, Grid, Schema
from facsim.report.binning import histogram
from facsim.report.figures import draw_excess
from facsim.report.images import draw_mean_images, draw_neighbours
from facsim.report.labels import Label, label, number, with_error
from facsim.report.neighbours import nearest_neighbours
from facsim.report.physics import energy_edges, mean_and_spread
from facsim.report.sample import collect, opened
from facsim.report.verdict import judge

LINEAR = Label("x", "x", "x", "", log=False, discrete=False)
WHOLE = Label("n", "n", "n", "", log=False, discrete=True)


def test_shares_of_cells_fill_every_bin() -> None:
    # occupancies are k/72; bins that are no multiple of 1/72 would show a comb of ones and twos
    cells = np.random.default_rng(0).integers(10, 60, 20000)
    found = histogram(cells / 72, cells / 72, LINEAR)
    steps = np.diff(found.edges) * 72
    assert np.allclose(steps, np.round(steps))
    full = found.reference[1:-1]
    assert full.std() < 5 * np.sqrt(full.mean())  # flat within five statistical errors


def test_whole_numbers_are_centred() -> None:
    found = histogram(np.array([0.0, 1, 1, 3]), np.array([0.0, 5]), WHOLE)
    assert found.edges.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert found.reference.tolist() == [1, 2, 0, 1, 0, 0]
    assert found.outside == (0, 0)


def test_nothing_is_lost_from_a_histogram() -> None:
    rng = np.random.default_rng(1)
    truth = np.concatenate([rng.lognormal(8, 1, 2000), np.zeros(30)])
    copy = np.concatenate([rng.lognormal(8, 1, 1000), [1e30], np.zeros(7)])
    found = histogram(truth, copy, label("E_0"))
    assert found.log
    assert found.zeros == (30, 7)
    assert found.reference.sum() + found.zeros[0] + found.outside[0] == 2030
    assert found.generated.sum() + found.zeros[1] + found.outside[1] == 1008
    assert found.outside[1] >= 1  # the outlier does not squeeze the truth into one bin
    assert np.count_nonzero(found.reference) > 10


@pytest.mark.parametrize("values", [np.zeros(30), np.full(30, 7.0), np.array([0.0] * 29 + [1e-9])])
@pytest.mark.parametrize("name", ["E_0", "f_0", "max_depth"])
def test_constant_values_have_bins(values: np.ndarray, name: str) -> None:
    found = histogram(values, values, label(name))
    assert np.all(np.diff(found.edges) > 0)
    assert found.reference.sum() + found.zeros[0] + found.outside[0] == 30


def test_error_of_the_spread_is_the_scatter_of_the_spread() -> None:
    draws = np.random.default_rng(2).standard_t(8, (400, 500))
    found = [mean_and_spread(row) for row in draws]
    scatter = np.std([f["spread"] for f in found])
    # 400 draws know their scatter to 1/sqrt(800) = 3.5 %; the estimate has a bias of the same order in tails
    assert np.mean([f["spread_error"] for f in found]) == pytest.approx(scatter, rel=0.15)
    assert np.mean([f["mean_error"] for f in found]) == pytest.approx(np.std([f["mean"] for f in found]), rel=0.15)


def test_energy_bins() -> None:
    edges = energy_edges(np.random.default_rng(3).uniform(1, 100, 3000))
    assert len(edges) == 13
    assert energy_edges(np.full(40, 50.0)).tolist() == [50.0, 50.0]
    fixed = energy_edges(np.repeat(2.0 ** np.arange(8, 23), 4))  # CaloChallenge 1: fifteen energies
    assert len(fixed) == 16


def plane(n_x: int = 4, n_y: int = 3) -> Schema:
    grid = Grid(("x", "y"), (tuple(range(n_x + 1)), tuple(range(n_y + 1))), (0, 1))
    return Schema((Block("layer_0", (n_x, n_y), "energy", "MeV", grid=grid),), (Block("energy", (), "energy", "GeV"),))


def some(n: int, seed: int) -> Events:
    rng = np.random.default_rng(seed)
    return Events(rng.exponential(1, (n, 12)), rng.uniform(1, 9, (n, 1)), plane())


def test_nearest_neighbours_are_the_nearest() -> None:
    truth, copy = some(40, 1), some(60, 2)
    found = nearest_neighbours(truth, copy, truth.schema.layers, seed=0, examples=3, queries=40)[0]
    assert found.candidates == 39
    assert len(found.to_generated) == 40
    order = np.array([int(np.flatnonzero((truth.features == x.ravel()).all(axis=1))[0]) for x in found.reference])
    distances = np.linalg.norm(truth.features[:, None] - truth.features, axis=2)
    np.fill_diagonal(distances, np.inf)
    assert found.to_reference[:3] == pytest.approx(distances.min(axis=1)[order], rel=1e-6)
    shown = np.linalg.norm((found.reference - found.generated).reshape(3, -1), axis=1)
    assert found.to_generated[:3] == pytest.approx(shown, rel=1e-6)


def test_copies_and_blind_copies_are_told_apart() -> None:
    truth = some(300, 1)
    blocks = truth.schema.layers
    repeated = nearest_neighbours(truth, truth, blocks, seed=0)[0]
    faithful = nearest_neighbours(truth, some(300, 2), blocks, seed=0)[0]
    shifted = Events(some(300, 3).features + 3, truth.conditions, truth.schema)
    missing = nearest_neighbours(truth, shifted, blocks, seed=0)[0]
    assert repeated.share_closer > 0.95
    assert repeated.copies > 290
    # 300 shares of one half: error 0.03, and neighbours are correlated
    assert faithful.share_closer == pytest.approx(0.5, abs=0.12)
    assert faithful.copies == 0
    assert missing.share_closer < 0.05


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("axes", [("x", "y"), ("alpha", "r")])
def test_pictures_of_both_geometries(axes: tuple[str, str], empty: bool) -> None:
    alpha = tuple(np.linspace(-np.pi, np.pi, 5))
    grid = Grid(axes, (alpha, (0.0, 1.0, 5.0, 6.0)), (0, 1))
    schema = Schema((Block("layer_0", (4, 3), "energy", "MeV", grid=grid),), (Block("energy", (), "energy", "GeV"),))
    cells = np.zeros((30, 12)) if empty else np.random.default_rng(0).exponential(1, (30, 12))
    events = Events(cells, np.arange(1, 31)[:, None], schema)
    block = schema.layers[0]
    mean = events.features.mean(axis=0).reshape(4, 3)
    picture = draw_mean_images(block, mean, mean, "mean")
    assert picture.count("<image") == (2 if empty else 5)  # colour bars, and what has cells to show
    ids = re.findall(r'id="([^"]*)"', picture)
    assert ids
    assert all(i.startswith("mean-") for i in ids)
    near = nearest_neighbours(events, events, schema.layers, seed=0)[0]
    assert "nearest generated" in draw_neighbours(near, "GeV", "near")


def test_titles_of_figures_are_escaped() -> None:
    floor = {"w1": 1.0, "w1_low": 0.5, "w1_high": 2.0}
    drawn = draw_excess({"a": {"excess": 3.0, "differs": True, "floor": floor}}, ["<b> & $x_1$"])
    assert "<b>" not in drawn
    assert "&lt;b&gt; &amp; $x_1$" in drawn


def test_a_large_sample_is_read_in_parts_and_thinned_evenly() -> None:
    events = some(5000, 4)
    events.features[:, 0] = np.arange(5000)
    rows = np.arange(0, 5000, 2)
    told: list[int] = []
    with opened(events) as source:
        sample = collect(source, [rows], ["truth"], max_events=250, seed=0, tick=told.append)[0]
    assert sum(told) == 5000
    assert len(sample) == 2500
    assert len(sample.events) == 250
    kept = sample.events.features[:, 0]
    assert set(kept) <= set(rows)
    assert abs(kept.mean() - 2500) < 5 * 1443 / 250**0.5  # spread over the whole: mean of 250 uniform numbers
    assert sample.mean == pytest.approx(events.features[rows].mean(axis=0, dtype=float), rel=1e-6)


def test_numbers_for_people() -> None:
    assert [number(v) for v in (0.00012345, 1e6, -0.5, 99999.0, float("nan"))] == [
        "0.000123",
        "10⁶",
        "−0.500",
        "10⁵",
        "–",
    ]
    assert with_error(1.0, 0.0) == "1.00"
    assert with_error(1234.5, 56.7) == "1234 ± 57"


def test_verdict_words() -> None:
    def metrics(observable: bool, high: bool) -> dict:
        entry = {"auc": 0.9, "auc_error": 0.01, "floor": 0.5, "floor_error": 0.01, "events": 1000, "differs": high}
        return {
            "observables": {"E_0": {"differs": observable, "excess": 2.0}, "f_0": {"differs": False, "excess": None}},
            "classifiers": {"high_level": entry, "low_level": {"skipped": "no torch"}},
            "events": {"generated": 1000},
        }

    assert judge(metrics(False, False)).headline == "No test sees a difference with 1,000 generated events."
    assert judge(metrics(True, True)).headline.endswith("both tests see it.")
    assert judge(metrics(False, True)).headline.endswith("1 of 2 tests sees it.")
    text = judge(metrics(True, False)).text
    assert "energy in layer 0 (2.0×)" in text
    assert "1 of 2 observables differs" in text
