"""Numbers and figures of the studies of LAGAN and CaloGAN."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import facsim
from facsim import Block, Events, Schema
from facsim.errors import DataError, SchemaMismatch
from facsim.metrics import separation_power
from facsim.observables import showers as shower_observables
from facsim.report.studies import Study, critic_figures, jets, shower_figures, showers
from facsim.report.studies.study import SECOND, TRUTH, distances

SCRIPTS = Path(__file__).parents[1] / "scripts"
IMAGES = facsim.detectors.get("jet-images")


def toy_jets(n, seed, *, centre=1.0):
    """Two prongs, nearer and harder for the signal; the central pixel may be brighter."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    image = np.zeros((n, 25, 25))
    for i in range(n):
        pt, share = rng.uniform(250, 300), rng.uniform(0.3, 0.5) if label[i] else rng.uniform(0.05, 0.4)
        row = 12 + (6 if label[i] else rng.integers(3, 10))
        image[i, 12, 12], image[i, row, 12] = pt * (1 - share), pt * share
        rows, columns = rng.integers(8, 20, 10), rng.integers(8, 17, 10)
        np.add.at(image[i], (rows, columns), rng.exponential(1.0, 10))
    image[:, 12, 12] *= centre
    return Events(image.reshape(n, -1), label[:, None], IMAGES)


@pytest.fixture(scope="module")
def jet_study():
    study = Study(toy_jets(160, 0), toy_jets(160, 1), {"lagan": toy_jets(160, 2, centre=1.25)})
    samples = {TRUTH: jets.JetSample(study.truth), **{n: jets.JetSample(e) for n, e in study.others.items()}}
    return study, samples


@pytest.fixture(scope="module")
def calogan_showers(shared_data):
    return facsim.read(shared_data / "showers" / "eplus.h5"), facsim.read(shared_data / "showers" / "gamma.h5")


def test_a_study_is_of_one_schema():
    with pytest.raises(SchemaMismatch, match="'other'"):
        Study(toy_jets(5, 0), toy_jets(5, 1), {"other": Events([[1.0]], [[1.0]], Schema((Block("m"),), (Block("e"),)))})
    with pytest.raises(DataError, match="names of the truth"):
        Study(toy_jets(5, 0), toy_jets(5, 1), {TRUTH: toy_jets(5, 2)})


def test_distances_know_floor_and_error():
    rng = np.random.default_rng(0)
    found = distances(rng.normal(0, 1, 800), rng.normal(0.4, 1, 800))
    # a shift by 0.4; the mean of 800 + 800 events is known within 0.05
    assert abs(found["w1"]["value"] - 0.4) < 0.15
    assert found["w1"]["error"] == pytest.approx(0.05, rel=0.4)  # from 50 resamplings: 10 % of itself
    assert found["w1"]["floor"] == pytest.approx(1.29 * 0.05, rel=0.1)
    assert found["w1"]["pvalue"] == 0.005
    same = distances(rng.normal(0, 1, 800), rng.normal(0, 1, 800))
    assert all(e["pvalue"] > 0.01 for e in same.values())


def test_the_threshold_empties_pixels_and_quantities_are_those_of_the_image():
    schema = Schema((Block("image", (25, 25), "real", "GeV", threshold=0.5),), IMAGES.conditions)
    image = np.zeros((1, 25, 25))
    image[0, 12, 12], image[0, 12, 20], image[0, 0, 0] = 40.0, 30.0, 0.5
    sample = jets.JetSample(Events(image.reshape(1, -1), [[1]], schema))
    found = {name: float(v[0]) for name, v in sample.quantities.items()}
    assert found["central"] == 40
    assert found["occupancy"] == pytest.approx(2 / 625)
    assert found["jet_pt"] == pytest.approx(70)
    # two massless particles 0.8 apart in eta: m^2 = 2 pT1 pT2 (cosh 0.8 - 1)
    assert found["jet_mass"] == pytest.approx(np.sqrt(2 * 1200 * (np.cosh(0.8) - 1)), rel=1e-6)
    with pytest.raises(SchemaMismatch, match="block of two axes"):
        jets.JetSample(Events([[1.0]], [[1.0]], Schema((Block("m"),), IMAGES.conditions))).block  # noqa: B018


def test_the_central_excess_is_found(jet_study):
    study, samples = jet_study
    found = jets.measure(study, samples)
    for value, error in found["lagan"]["central_excess"].values():
        assert error < 0.06
        assert abs(value - 1.25) < 4 * error
    for value, error in found[SECOND]["central_excess"].values():
        assert abs(value - 1) < 4 * error
    assert max(found["lagan"]["selection"].values()) > 2 * max(found[SECOND]["selection"].values())
    classified = jets.classifiers(study, samples, network=False)
    assert classified["lagan"]["high_level"]["auc"] > 0.7
    assert abs(classified[SECOND]["high_level"]["auc"] - 0.5) < 0.15  # 4 errors of 0.035


def test_neighbours_of_the_sample_itself(jet_study):
    _, samples = jet_study
    shown, near, distance = jets.neighbours(samples[TRUTH], samples[TRUTH])
    assert np.array_equal(shown, near)
    assert not distance.any()


def test_a_discriminator_is_judged(jet_study):
    _, samples = jet_study
    n = len(samples[TRUTH].images)
    sure = jets.Scores(np.full(n, 0.9), samples[TRUTH].labels.astype(float))
    unsure = jets.Scores(np.full(n, 0.1), np.full(n, 0.9))
    found = jets.discriminator(samples[TRUTH], samples["lagan"], sure, unsure)
    assert found["auc"][0] == pytest.approx(1)
    assert np.allclose(found["confusion_truth"]["table"], [[1, 0], [0, 1]])
    assert np.allclose(found["confusion_copies"]["table"], [[0, 1], [0, 1]])


def test_correlations_of_pixels():
    rng = np.random.default_rng(0)
    images, values = rng.normal(size=(50, 2, 3)), rng.normal(size=50)
    expected = np.corrcoef(images[:, 1, 2], values)[0, 1]
    assert critic_figures.pixel_correlation(images, values)[1, 2] == pytest.approx(expected)
    weights = rng.integers(0, 3, 50)
    repeated = critic_figures.pixel_correlation(np.repeat(images, weights, 0), np.repeat(values, weights))
    assert np.allclose(critic_figures.pixel_correlation(images, values, weights.astype(float)), repeated)


def test_gamma_against_positrons_is_as_published(calogan_showers):
    eplus, gamma = calogan_showers
    first, second = (shower_observables.observables(e) for e in (gamma, eplus[: len(gamma)]))
    found = separation_power(first["E_0"], second["E_0"], 10)
    # published for 100,000 showers each: 0.0836; its error here is about 2 sqrt(S (1/n + 1/m)) / 2 = 0.007
    assert abs(found - showers.PUBLISHED_SUMMARY["separation_E_0"]) < 0.02
    apart = showers.summary(first, second)
    alike = showers.summary(*(shower_observables.observables(e) for e in (eplus[:1000], eplus[1000:2000])))
    assert apart["observables"] == 20
    assert apart["separation"] < alike["separation"]
    assert apart["ks"] > 10 * alike["ks"]
    assert set(shower_figures.AXES) == set(first)


def test_the_summary_refuses_other_observables():
    with pytest.raises(DataError, match="different observables"):
        showers.summary({"a": np.ones(3)}, {"b": np.ones(3)})
    same = showers.summary({"a": np.ones(3)}, {"a": np.ones(3)})
    assert same["ks"] == 0


def test_response_at_energies(toy_showers):
    events = toy_showers(300, 1)
    conditions = np.repeat([20.0, 60.0, 150.0], 100).astype(np.float32)[:, None]
    factor = np.random.default_rng(0).normal(0.9, 0.05, 300)
    total = events.features.sum(axis=1, dtype=np.float64)
    scaled = Events(events.features * (factor * conditions[:, 0] * 1e3 / total)[:, None], conditions, events.schema)
    for entry, chosen in zip(
        showers.response_at(scaled, [20, 60, 150, 300]), (*np.split(factor, 3), None), strict=True
    ):
        if chosen is None:
            assert entry["mean"] is None
            continue
        assert entry["mean"][0] == pytest.approx(chosen.mean(), rel=1e-3)
        assert abs(entry["width"][0] - 0.05) < 4 * entry["width"][1]


def test_figures_are_drawn(jet_study, toy_showers, tmp_path):
    _, samples = jet_study
    truth, copy = samples[TRUTH], samples["lagan"]
    rng = np.random.default_rng(0)
    of_truth, of_copy = (jets.Scores(rng.random(160), rng.random(160)) for _ in range(2))
    events = toy_showers(60, 0)
    files = [
        critic_figures.draw_discriminator(truth, copy, of_truth, of_copy, "lagan", tmp_path / "critic.svg"),
        critic_figures.draw_activations({"second": rng.normal(size=(6, 4, 4))}, tmp_path / "activations.png"),
        shower_figures.draw_averages(events, {"calogan": toy_showers(60, 1)}, tmp_path / "layers.png"),
        shower_figures.draw_walk(events[np.argsort(events.conditions[:, 0])[::20]], (1, 50), tmp_path / "walk.png"),
    ]
    assert all(file.stat().st_size > 3000 for file in files)
    assert b"P(real)" in files[0].read_bytes()
    assert not list(tmp_path.glob("*.part*"))


def run_script(monkeypatch, name, *arguments):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(SCRIPTS / name), run_name="__main__")


def test_the_script_of_lagan(monkeypatch, tmp_path):
    for name, seed in (("truth", 0), ("copies", 1)):
        facsim.write(tmp_path / f"{name}.h5", toy_jets(80, seed))
    out = tmp_path / "out"
    run_script(
        monkeypatch, "lagan_study.py", "--truth", tmp_path / "truth.h5", "--model", f"lagan={tmp_path / 'copies.h5'}",
        "--runs", 1, "--no-network", "-o", out,
    )  # fmt: skip
    numbers = json.loads((out / "lagan.json").read_text())
    assert numbers["events"] == {TRUTH: 40, SECOND: 40, "lagan": 40}
    assert "| `lagan` |" in (out / "lagan.md").read_text()
    assert (out / "transfer.png").exists()
