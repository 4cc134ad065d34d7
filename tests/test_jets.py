"""Jets by Pythia and FastJet: hand-made jets step by step, the physics of real ones, runs that are killed."""

import importlib.util
import signal
import subprocess
import sys
import time
from itertools import product

import h5py
import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score

import facsim
import facsim.io
from facsim import concatenate, detectors
from facsim.errors import DataError, FileFormatError, MissingExtra, SimulationError
from facsim.observables import compute, describe, kind_of
from facsim.observables.images import jet_quantities
from facsim.observables.kinds import pixel_centres
from facsim.simulators import JetSampler, simulate_jets
from facsim.simulators.jets import clustering, image, selection
from facsim.simulators.jets import subjettiness as nsub
from facsim.simulators.jets.clustering import Jet
from facsim.simulators.jets.generator import Generator, event_seed
from facsim.simulators.jets.processes import process

installed = all(importlib.util.find_spec(name) for name in ("pythia8mc", "fastjet"))
real = pytest.mark.skipif(not installed, reason='Pythia or FastJet is not installed: pip install "facsim[pythia]"')
CENTRES = pixel_centres(detectors.jet_images().features[0].grid)
RUN = {"process": "both", "n": 16, "seed": 5}


def jet_of(*parts):
    """A jet whose constituents are its subjets: (pt, eta, phi) each."""
    array = np.array(parts, float)
    return Jet(array, array[np.argsort(-array[:, 0])])


# -- steps, by hand ---------------------------------------------------------------------------------------------


def test_cells_add_energies_and_are_massless():
    muon = [3.0, 4.0, 0.0, np.hypot(5.0, 0.10566)]  # phi = 0.927, in the cell from 0.9 to 1.0
    pion = [-5.0, 1e-9, 12.0, 13.0]  # phi just below pi, in the cell from 3.1 to 3.2; rapidity atanh(12 / 13) = 1.609
    beam = [0.0, 0.0, 100.0, 100.0]
    found = clustering.cells(np.array([muon, muon, pion, beam]))
    np.testing.assert_allclose(found[:, 1:], [[0.05, 0.95], [1.65, 3.15]], atol=1e-12)
    np.testing.assert_allclose(found[:, 0] * np.cosh(found[:, 1]), [2 * muon[3], 13.0])


@real
def test_jet_and_trimming():
    hard, near, soft = [100.0, 0.05, 0.05], [40.0, 0.65, 0.05], [5.0, 0.05, 0.75]
    away = [120.0, 0.05, 3.05]
    rows = clustering.leading_jet(np.array([soft, hard, away, near]))
    assert set(rows) == {0, 1, 3}
    jet = clustering.trim(np.array([soft, hard, near]))
    assert jet.subjets[:, 0] == pytest.approx([100, 40])  # 5 of 144.6 GeV is less than 5 %
    assert sorted(jet.constituents[:, 0]) == [40, 100]
    assert len(clustering.leading_jet(np.array([[9.0, 0.0, 0.0]]))) == 0


@real
def test_trimming_agrees_with_fastjets_own():
    import fastjet as fj

    rng = np.random.default_rng(3)
    towers = np.stack([rng.exponential(5, 60), rng.normal(1, 0.5, 60), rng.normal(np.pi, 0.5, 60)], axis=1)
    jet = clustering.trim(towers)
    kt = fj.JetDefinition(fj.kt_algorithm, 0.3)
    whole = fj.ClusterSequence(clustering.massless(towers), fj.JetDefinition(fj.antikt_algorithm, 100.0))
    theirs = fj.Filter(kt, fj.SelectorPtFractionMin(0.05))(whole.inclusive_jets()[0])
    pt, eta, phi, mass = selection.kinematics(jet)
    expected = [theirs.pt(), theirs.eta(), theirs.phi_std(), theirs.m()]
    assert [pt, eta, phi, mass] == pytest.approx(expected, rel=1e-9)
    assert len(jet.subjets) == len(theirs.pieces())


def test_translation_wraps_and_keeps_the_momentum():
    moved = image.translate(jet_of((100, 0.5, 3.1), (50, 0.7, -3.1)))
    np.testing.assert_allclose(moved, [[100, 0, 0], [50, 0.2, 2 * np.pi - 6.2]], atol=1e-12)


def test_pixels_have_their_places_and_the_energy_of_the_boosted_frame():
    picture = image.pixelate(np.array([[10.0, 0.0, 0.0], [20.0, 1.19, 0.0], [30.0, 0.0, -1.19], [99.0, 0.0, 1.3]]))
    assert picture[12, 12] == 10
    assert picture[12, 24] == pytest.approx(20 * np.cosh(1.19) / np.cosh(1.2))
    assert picture[24, 12] == 30  # below: the first row is on top
    assert np.count_nonzero(picture) == 3
    eta, phi = CENTRES
    assert (eta[24], phi[24], phi[0]) == pytest.approx((1.2, -1.2, 1.2))


def test_a_turned_quadratic_is_exact():
    # Catmull-Rom splines reproduce second-degree polynomials; so far from the border the result is the turned function
    y, x = 12.0 - np.arange(25)[:, None], np.arange(25) - 12.0

    def function(x, y):
        return 100 + 2 * x - y + 0.1 * x * y + 0.2 * x**2

    angle = 0.7
    turned = image.rotate(function(x, y), angle)
    back = function(np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x)
    inside = np.hypot(x, y) < 9
    np.testing.assert_allclose(turned[inside], back[inside], rtol=1e-12)


@pytest.mark.parametrize("quarter", range(4))
def test_a_quarter_turn_moves_pixels(quarter):
    picture = np.random.default_rng(0).exponential(size=(25, 25))
    np.testing.assert_allclose(image.rotate(picture, quarter * np.pi / 2), np.rot90(picture, quarter), atol=1e-12)


@pytest.mark.parametrize("angle", np.linspace(-np.pi, np.pi, 9))
def test_the_second_subjet_comes_to_lie_below(angle):
    distance = 0.6
    picture = image.image(jet_of((200, 1.0, 3.0), (80, 1.0 + distance * np.cos(angle), 3.0 + distance * np.sin(angle))))
    below = picture[15:]
    eta, phi = CENTRES
    # a pixel's place is known to half its width; the spline then spreads it evenly
    assert (below.sum(0) @ eta) / below.sum() == pytest.approx(0, abs=0.05 * np.sqrt(2))
    assert (below.sum(1) @ phi[15:]) / below.sum() == pytest.approx(-distance, abs=0.05 * np.sqrt(2))
    assert picture[12, 12] == pytest.approx(200)
    assert ((picture == 0) | (picture >= 1e-3)).all()


def test_the_brighter_half_is_on_the_right():
    left = image.image(jet_of((200, 0, 0), (80, 0, -0.5), (20, -0.3, -0.3)))
    right = image.image(jet_of((200, 0, 0), (80, 0, -0.5), (20, 0.3, -0.3)))
    np.testing.assert_allclose(left, right, atol=1e-9)
    assert right[:, 13:].sum() > 10 * right[:, :12].sum()


def test_one_subjet_is_turned_by_its_principal_component():
    parts = np.array([[100, 0, 0], [30, 0.1, 0.1], [20, -0.2, -0.2]], float)
    eta, phi = image.second_axis(Jet(parts, parts[:1]))
    # energy: 30 cosh 0.1 on the one side, 20 cosh 0.2 on the other, which has less
    np.testing.assert_allclose([eta, phi] / np.hypot(eta, phi), [-np.sqrt(0.5)] * 2, atol=0.02)
    assert image.second_axis(jet_of((100, 0.3, 0.4))) == (0, -1)


# -- subjettiness -----------------------------------------------------------------------------------------------


def least(parts, groups):
    """Smallest tau for a given assignment of the constituents to axes: each axis a convex problem of its own."""
    total = 0.0
    for group in set(groups):
        mine = parts[np.array(groups) == group]
        start = np.average(mine[:, 1:], axis=0, weights=mine[:, 0])

        def distance(axis, mine=mine):
            return mine[:, 0] @ np.hypot(*(mine[:, 1:] - axis).T)

        at_points = min(distance(place) for place in mine[:, 1:])  # where it has a kink
        total += min(at_points, minimize(distance, start, method="Nelder-Mead", options={"xatol": 1e-7}).fun)
    return total / parts[:, 0].sum()


@real
def test_subjettiness_against_brute_force():
    rng = np.random.default_rng(1)
    reached = 0
    for _ in range(10):
        parts = np.stack([rng.exponential(1, 5), *rng.uniform(-0.5, 0.5, (2, 5))], axis=1)
        # one axis: convex, so that the minimum is the only one
        assert nsub.subjettiness(parts, 1) == pytest.approx(least(parts, (0,) * 5), rel=1e-4)
        best = min(least(parts, groups) for groups in product((0, 1), repeat=5))
        found = nsub.subjettiness(parts, 2)
        start = nsub.winner_take_all(parts, 2)
        distance = np.hypot(*(parts[:, None, 1:] - start).transpose(2, 0, 1)).min(axis=1)
        assert best * (1 - 1e-4) <= found <= (parts[:, 0] @ distance) / parts[:, 0].sum() * (1 + 1e-9)
        reached += found < best * (1 + 1e-3)
    assert reached >= 6  # one pass finds the nearest minimum, mostly the best one


@real
def test_subjettiness_of_few_constituents_and_across_pi():
    parts = np.array([[50.0, 0.0, 3.1], [50.0, 0.0, -3.1]])
    assert nsub.subjettiness(parts, 1) == pytest.approx((2 * np.pi - 6.2) / 2, rel=1e-6)
    assert nsub.subjettiness(parts, 2) == 0
    found = selection.quantities(jet_of((50, 0, 3.1), (50, 0, -3.1)))
    names = [b.name for b in detectors.jet_images(quantities=True).features[1:]]
    values = dict(zip(names, found, strict=True))
    assert values["jet_delta_R"] == pytest.approx(2 * np.pi - 6.2)
    assert (values["tau_21"], values["tau_32"]) == (0, -10)


# -- real jets --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A file of `RUN`, simulated without a break by two workers."""
    return simulate_jets(**RUN, output=tmp_path_factory.mktemp("jets") / "whole.h5", workers=2)


@pytest.fixture(scope="module")
def jets(tmp_path_factory):
    """A file of 100 jets, half of them W bosons."""
    return simulate_jets(n=100, seed=1, output=tmp_path_factory.mktemp("jets") / "jets.h5", workers=2)


def of_class(path, number, blocks="all"):
    events = facsim.io.read(path, blocks=blocks)
    return events[events["signal"] == number]


@real
def test_jets_lie_in_the_window_and_the_mass_peaks_at_the_w(jets):
    events = facsim.io.read(jets, blocks="all")
    assert (events["signal"] == np.arange(100) % 2).all()
    for name, (low, high) in {"jet_pt": (250, 300), "jet_mass": (60, 100), "jet_eta": (-2, 2)}.items():
        assert low < events[name].min() < events[name].max() < high
    mass = of_class(jets, 1)["jet_mass"]
    # spread 6 GeV around 80: the median of 50 is known to 1.25 * 6 / sqrt(50) = 1.1 GeV, here within three of it
    assert np.median(mass) == pytest.approx(80, abs=3.2)
    within = [np.mean(np.abs(of_class(jets, k)["jet_mass"] - 80) < 8) for k in (0, 1)]
    assert within[1] > within[0] + 0.2  # 0.36 and 0.83 are expected; the error of the difference is 0.09


@real
def test_subjettiness_separates_the_classes(jets):
    events = facsim.io.read(jets, blocks="all")
    pixels = compute(facsim.io.read(jets))
    # 0.81 on a larger sample; the error with 50 + 50 jets is 0.043
    assert roc_auc_score(events["signal"], -events["tau_21"]) > 0.81 - 3 * 0.043
    assert roc_auc_score(events["signal"], -pixels["tau21"]) > 0.80 - 3 * 0.043
    assert np.corrcoef(events["tau_21"], pixels["tau21"])[0, 1] > 0.85


@real
def test_mean_images_are_as_published(jets):
    qcd, boson = (of_class(jets, k)["image"].mean(axis=0, dtype=float) for k in (0, 1))
    for mean in (qcd, boson):
        assert np.unravel_index(mean.argmax(), mean.shape) == (12, 12)
        assert mean[:, 13:].sum() > 1.3 * mean[:, :12].sum()
        assert mean[15:].sum() > 2 * mean[:10].sum()
    # two prongs: below the middle, where m = 80 GeV asks for it (2 m / pT = 0.58), a second maximum
    column = boson[:, 11:14].sum(axis=1)
    assert 17 <= 15 + column[15:].argmax() <= 19
    # QCD is broader around the second subjet's place
    _, phi = CENTRES

    def spread(mean):
        part = mean[15:]
        return np.sqrt((part.sum(axis=1) @ (phi[15:] + 0.58) ** 2) / part.sum())

    assert spread(qcd) > spread(boson)


@real
def test_pixels_keep_the_momentum_until_they_are_turned(jets):
    """Pixels move a constituent by up to 0.05 and drop what is beyond 1.25; turning clips the spline below 0."""
    events = facsim.io.read(jets, blocks="all")
    pixels = compute(facsim.io.read(jets))
    ratio = pixels["jet_pt"] / events["jet_pt"]
    # measured with 3,328 jets: 1.052, spread 0.050 (docs/measurements.md)
    assert ratio.mean() == pytest.approx(1.052, abs=4 * 0.050 / 10)
    assert pixels["jet_mass"] / events["jet_mass"] == pytest.approx(1.07, abs=0.25)
    generator = Generator(process("wprime"))
    for event in range(5):
        jet = generator.jet(event_seed(0, 1, event))
        pt, _, _, mass = selection.kinematics(jet)
        found = jet_quantities(image.pixelate(image.translate(jet))[None], *CENTRES)
        # Cells and pixels have one width, so that all constituents move alike by d < 0.05, and their pT changes by
        # d tanh(eta): less than 4 % within the jet, and half of that for the sum, most of which is near the middle.
        assert found["jet_pt"][0] == pytest.approx(pt, rel=0.02)
        assert found["jet_mass"][0] == pytest.approx(mass, rel=0.04)
    again = Generator(process("wprime")).jet(event_seed(0, 1, 4))  # the fifth alone: nothing of the others stays
    assert np.array_equal(again.constituents, jet.constituents)


# -- seeds, workers, runs ---------------------------------------------------------------------------------------


def test_every_event_has_a_stream_of_its_own():
    seeds = {event_seed(seed, signal, event) for seed in (0, 1) for signal in (0, 1) for event in range(2000)}
    # four runs share a stream with a chance of 6 * 2000**2 / 9e8 = 0.03
    assert len(seeds) >= 8000 - 1
    assert 1 <= min(seeds) < max(seeds) <= 900_000_000


@real
def test_the_sampler_gives_the_same_jets_however_they_are_asked_for(whole):
    stored = facsim.io.read(whole)
    sampler = JetSampler(workers=2)
    assert isinstance(sampler, facsim.Sampler)
    assert stored.schema == sampler.schema == detectors.jet_images()
    again = sampler.sample(stored[:4], seed=RUN["seed"])
    assert np.array_equal(again.features, stored.features[:4])
    tail = concatenate(JetSampler(quantities=True).stream(stored["signal"][:8], seed=RUN["seed"], start=6))
    assert np.array_equal(tail.features, facsim.io.read(whole, blocks="all").features[6:8])
    other = sampler.sample([0.0], seed=RUN["seed"] + 1)
    assert not np.array_equal(other.features, stored.features[:1])


@real
def test_killed_and_continued_gives_the_same_file(tmp_path, whole):
    output, folder = tmp_path / "jets.h5", tmp_path / "jets.h5.parts"
    options = ["--process", "both", "-n", str(RUN["n"]), "--seed", str(RUN["seed"]), "-o", str(output)]
    with subprocess.Popen([sys.executable, "-m", "facsim", "simulate", "jets", *options]) as process:
        end = time.monotonic() + 60
        while len(list(folder.glob("0*.npz"))) < 2:
            assert process.poll() is None, "the run ended before it could be stopped"
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not output.exists()
    steps = []
    facsim.simulate("jets", **RUN, output=output, progress=lambda done, n: steps.append((done, n)))
    assert steps[0][0] >= 4
    assert steps[-1] == (16, 16)
    a, b = (facsim.io.read(path, blocks="all") for path in (output, whole))
    assert np.array_equal(a.features, b.features)
    assert np.array_equal(a.conditions, b.conditions)
    assert not folder.exists()
    with pytest.raises(SimulationError, match="begun with seed = 5, this run has 6"):
        simulate_jets(**RUN | {"seed": 6}, output=output)
    with facsim.io.open(output) as reader:
        assert (reader.layout, reader.attrs["process"]) == ("jet-images", "both")
        assert "pythia8mc 8.317" in reader.attrs["simulator"]


@pytest.mark.parametrize("missing", ["pythia8mc", "fastjet"])
def test_what_is_not_installed_is_named_with_the_command(missing, monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else object())
    for call in (lambda: JetSampler().sample([0, 1]), lambda: simulate_jets(n=2, output=tmp_path / "x.h5")):
        with pytest.raises(MissingExtra, match=rf'needs {missing}: pip install "facsim\[pythia\]"'):
            call()
    assert list(tmp_path.iterdir()) == []


def test_bad_input_is_named(tmp_path):
    with pytest.raises(SimulationError, match=r"process 'wprim'.*Did you mean 'wprime'"):
        simulate_jets("wprim", n=3, output=tmp_path / "x.h5")
    with pytest.raises(DataError, match="event 1 is 2: give the number of one of"):
        JetSampler().sample([0, 2])
    with pytest.raises(DataError, match="n=0"):
        simulate_jets(n=0, output=tmp_path / "x.h5")


# -- files and observables --------------------------------------------------------------------------------------


def published(n=6, pixels=25):
    """Datasets of a file like LAGAN's."""
    rng = np.random.default_rng(0)
    names = [b.name for b in detectors.jet_images(quantities=True).features[1:]]
    pictures = rng.exponential(1, (n, pixels, pixels)) * (rng.random((n, pixels, pixels)) < 0.1)
    pictures[:, 0, 0] = -1e-5
    return {"image": pictures, "signal": np.arange(n) % 2.0} | {name: rng.random(n) for name in names}


def write(path, datasets):
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values


def test_the_published_file_is_read_as_images_with_quantities_on_demand(tmp_path):
    path, datasets = tmp_path / "jets.hdf5", published()
    write(path, datasets)
    events = facsim.io.read(path)
    assert events.schema == detectors.jet_images()
    np.testing.assert_array_equal(
        events["image"], np.where(datasets["image"] < 1e-3, 0, datasets["image"]).astype("f4")
    )
    assert facsim.io.read(path, blocks="all").schema == detectors.jet_images(quantities=True)
    np.testing.assert_array_equal(facsim.io.read(path, blocks=["tau_21"])["tau_21"], datasets["tau_21"].astype("f4"))
    del datasets["tau_32"]
    write(path, datasets)
    assert "tau_32" not in [b.name for b in facsim.io.read(path, blocks="all").schema.features]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signal": None}, "needs the dataset 'signal'.*layout='hdf5'"),
        ({"image": None}, "needs the dataset 'image'"),
        ({"image": published(pixels=20)["image"]}, r"'image' has images of 20 x 20 pixels.*25 x 25.*layout='hdf5'"),
        ({"signal": np.ones(5)}, "different length"),
        ({"image": np.ones(6)}, "'image'"),
    ],
)
def test_a_wrong_file_is_named(change, message, tmp_path):
    path = tmp_path / "wrong.h5"
    write(path, {k: v for k, v in (published() | change).items() if v is not None})
    with pytest.raises(FileFormatError, match=rf"wrong\.h5.*{message}"):
        facsim.io.read(path, layout="jet-images")


def test_observables_of_jet_images():
    schema = detectors.jet_images()
    picture = np.zeros((1, 25, 25))
    picture[0, 12, 12], picture[0, 18, 12] = 200, 60
    found = compute(facsim.Events(picture.reshape(1, -1), [[1.0]], schema))
    assert kind_of(schema) == "images"
    # two massless particles 0.6 apart in azimuth
    assert found["jet_pt"][0] == pytest.approx(np.hypot(200 + 60 * np.cos(0.6), 60 * np.sin(0.6)))
    assert found["jet_mass"][0] == pytest.approx(np.sqrt(2 * 200 * 60 * (1 - np.cos(0.6))))
    assert (found["tau1"][0], found["tau2"][0]) == pytest.approx((0.6 * 60 / 260, 0))
    assert describe("jet_mass", schema).unit == "GeV"
    assert found["intensity"][0] == 260
