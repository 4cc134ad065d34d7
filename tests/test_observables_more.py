"""Profiles, images, jets and correlations against brute force, closed forms and numpy."""

import itertools
import math

import numpy as np
import pytest

from facsim import Block, Events, Schema, detectors, observables
from facsim.errors import DataError, SchemaMismatch, WeightError
from facsim.observables import correlations, describe, efp, images, jets, profiles
from facsim.observables.kinds import kind_of
from facsim.observables.showers import layer_energies
from facsim.observables.weights import band


def constituents(n: int, m: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    pt = rng.exponential(10, (n, m)) * (rng.random((n, m)) < 0.8)
    return pt, rng.normal(0, 0.3, (n, m)), (np.pi + rng.normal(0, 0.3, (n, m)) + np.pi) % (2 * np.pi) - np.pi


# --- profiles --------------------------------------------------------------------------------------------------------


def test_longitudinal_profile_is_the_mean_share(toy_showers):
    events = toy_showers(200, 1)
    found = profiles.longitudinal_profile(events)
    energies = layer_energies(events)
    shares = energies / energies.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.mean, shares.mean(axis=0))
    np.testing.assert_allclose(found.error, shares.std(axis=0) / np.sqrt(200))
    np.testing.assert_allclose(found.low, np.quantile(shares, 0.16, axis=0))
    np.testing.assert_array_equal(found.edges, [-0.5, 0.5, 1.5])
    assert found.events == 200


@pytest.mark.parametrize("detector", ["calochallenge-1-photons", "calogan"])
def test_radial_profile_by_plain_loops(detector):
    schema = detectors.get(detector)
    rng = np.random.default_rng(0)
    cells = rng.exponential(100, (5, schema.width)) * (rng.random((5, schema.width)) < 0.2)
    cells[3] = 0  # an empty shower does not count
    events = Events(cells, np.full((5, 1), 1e3), schema)
    edges = [0.0, 30.0, 100.0, 300.0]
    found = profiles.radial_profile(events, edges)
    shares = np.zeros((5, 3))
    for n in range(5):
        total = 0.0
        for block in schema.layers:
            first, second = ([(a + b) / 2 for a, b in itertools.pairwise(e)] for e in block.grid.edges)
            for i, a in enumerate(first):
                for j, b in enumerate(second):
                    energy = float(events[block.name][n, i, j])
                    energy = energy if energy >= np.float32(block.threshold) else 0.0
                    r = b if block.grid.axes[1] == "r" else math.hypot(a, b)
                    total += energy
                    for k in range(3):
                        if edges[k] <= r < edges[k + 1]:
                            shares[n, k] += energy
        shares[n] /= total or 1
    lit = [0, 1, 2, 4]
    np.testing.assert_allclose(found.mean, shares[lit].mean(axis=0), rtol=1e-6)
    assert found.events == 4
    everything = profiles.radial_profile(events)
    assert everything.mean.sum() == pytest.approx(1)
    one = profiles.radial_profile(events, layer=schema.layers[0].name)
    assert one.mean.sum() == pytest.approx(1)


def test_profiles_take_signed_weights(toy_showers):
    good, bad = toy_showers(200, 1), toy_showers(40, 2)
    mixed = Events(
        np.concatenate([good.features, bad.features, bad.features]),
        np.concatenate([good.conditions, bad.conditions, bad.conditions]),
        good.schema,
        np.repeat([1.0, 1.0, -1.0], [200, 40, 40]),
    )
    plain, cancelled = profiles.longitudinal_profile(good), profiles.longitudinal_profile(mixed)
    np.testing.assert_allclose(cancelled.mean, plain.mean)
    assert (cancelled.error > plain.error).all()
    # weight two is two copies
    values = np.random.default_rng(0).normal(size=(50, 2))
    twice, heavy = band(np.repeat(values, 2, axis=0), np.ones(100)), band(values, np.full(50, 2.0))
    np.testing.assert_allclose(twice.mean, heavy.mean)
    np.testing.assert_array_equal(twice.low, heavy.low)


def test_profiles_refuse_what_has_none(toy_showers):
    events = toy_showers(3, 1)
    with pytest.raises(DataError, match="ascending"):
        profiles.radial_profile(events, [1.0, 0.0])
    with pytest.raises(DataError, match="no event has energy"):
        profiles.longitudinal_profile(events, threshold=1e9)
    with pytest.raises(WeightError, match="sum to"):
        profiles.longitudinal_profile(events.with_weights([-1, 0, 0]))
    with pytest.raises(SchemaMismatch, match="grid"):
        profiles.longitudinal_profile(Events(np.zeros((2, 1)), np.zeros((2, 0)), Schema((Block("x"),))))


# --- jets ------------------------------------------------------------------------------------------------------------


def straight_tau2(pt: list[float], eta: list[float], phi: list[float]) -> float:
    def gap(a, b):
        d = abs(a[2] - b[2])
        return math.hypot(a[1] - b[1], min(d, 2 * math.pi - d))

    def kt(a, b):
        return min(a[0], b[0]) ** 2 * gap(a, b) ** 2

    parts = [list(p) for p in zip(pt, eta, phi, strict=True) if p[0] > 0]
    original = [list(p) for p in parts]
    while len(parts) > 2:
        pairs = itertools.combinations(range(len(parts)), 2)
        i, j = min(
            pairs, key=lambda ij: min(parts[ij[0]][0], parts[ij[1]][0]) ** 2 * gap(parts[ij[0]], parts[ij[1]]) ** 2
        )
        i, j = (i, j) if parts[i][0] >= parts[j][0] else (j, i)
        parts[i][0] += parts[j][0]
        del parts[j]
    if not original:
        return 0.0
    return sum(p[0] * min(gap(p, axis) for axis in parts) for p in original) / sum(p[0] for p in original)


def test_jet_quantities_by_plain_loops():
    pt, eta, phi = constituents(40, 12, 1)
    pt[0], pt[1, 1:], pt[2, 2:] = 0, 0, 0  # nobody, one, and two at most
    found = jets.observables(pt, eta, phi)
    for n in range(40):
        px, py, pz, e = 0.0, 0.0, 0.0, 0.0
        for p, h, f in zip(pt[n], eta[n], phi[n], strict=True):
            px, py, pz, e = px + p * math.cos(f), py + p * math.sin(f), pz + p * math.sinh(h), e + p * math.cosh(h)
        assert found["jet_pt"][n] == pytest.approx(math.hypot(px, py))
        assert found["jet_mass"][n] == pytest.approx(math.sqrt(max(0, e * e - px * px - py * py - pz * pz)), abs=1e-4)
        assert found["multiplicity"][n] == (pt[n] > 0).sum()
        k = int(np.argmax(pt[n]))
        gaps = [
            math.hypot(h - eta[n, k], math.remainder(f - phi[n, k], 2 * math.pi))
            for h, f in zip(eta[n], phi[n], strict=True)
        ]
        tau1 = sum(p * g for p, g in zip(pt[n], gaps, strict=True)) / (pt[n].sum() or 1)
        tau2 = straight_tau2(*(list(map(float, v[n])) for v in (pt, eta, phi)))
        assert found["tau1"][n] == pytest.approx(tau1, abs=1e-9)
        assert found["tau2"][n] == pytest.approx(tau2, abs=1e-9)
        assert found["tau21"][n] == pytest.approx(tau2 / tau1 if tau1 > 0 else 0, abs=1e-9)
    assert all(values[0] == 0 for values in found.values())


def test_energy_flow_polynomials_by_brute_force():
    pt, eta, phi = constituents(2, 4, 2)
    pt[1, 2:] = 0
    found = efp.energy_flow_polynomials(pt, eta, phi)
    graphs = efp.multigraphs(4)
    assert len(found) == 36 == 1 + len(graphs)
    for n in range(2):
        for name, graph in zip(list(found)[1:], graphs, strict=True):
            vertices = 1 + max(max(pair) for pair in graph)
            total = 0.0
            for places in itertools.product(range(4), repeat=vertices):
                term = math.prod(pt[n, i] for i in places)
                for a, b in graph if term else ():
                    i, j = places[a], places[b]
                    term *= math.hypot(eta[n, i] - eta[n, j], math.remainder(phi[n, i] - phi[n, j], 2 * math.pi))
                total += term
            assert found[name][n] == pytest.approx(total, rel=1e-9), name
            assert name.split("_")[1] == str(len(graph))


def test_multigraphs_are_all_and_all_different():
    # without loops and lonely vertices: 1, 3, 8, 23, 66 with 1 to 5 edges (OEIS A050535, differences by edges)
    counts = np.bincount([len(g) for g in efp.multigraphs(5)])
    np.testing.assert_array_equal(counts, [0, 1, 3, 8, 23, 66])
    seen = set()
    for graph in efp.multigraphs(3):
        names = range(1 + max(max(pair) for pair in graph))
        ways = {tuple(sorted(tuple(sorted((p[a], p[b]))) for a, b in graph)) for p in itertools.permutations(names)}
        assert not ways & seen
        seen |= ways
    with pytest.raises(DataError, match="degree=7"):
        efp.multigraphs(7)


# --- images ----------------------------------------------------------------------------------------------------------


def pictures(n: int, h: int, w: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.exponential(5, (n, h, w)) * (rng.random((n, h, w)) < 0.15)


def test_jet_images_are_jets_of_pixels():
    pixels = pictures(30, 9, 11, 0)
    pixels[4] = 0
    eta, phi = np.linspace(-1, 1, 11), np.linspace(0.8, -0.8, 9)
    found = images.jet_quantities(pixels, eta, phi)
    flat = jets.observables(pixels.reshape(30, -1), np.tile(eta, (30, 9)), np.tile(np.repeat(phi, 11), (30, 1)))
    for name, values in found.items():
        np.testing.assert_allclose(values, flat[name], rtol=1e-6, atol=1e-9, err_msg=name)
    with pytest.raises(DataError, match="centres"):
        images.jet_quantities(pixels, phi, eta)


def test_image_quantities_by_plain_loops():
    pixels = pictures(6, 5, 7, 1)
    pixels[2] = 0
    found = images.observables(pixels)
    for n in range(6):
        total = sum(float(v) for v in pixels[n].ravel())
        centre = sum((i - 2) * pixels[n, i, j] for i in range(5) for j in range(7)) / (total or 1)
        square = sum((j - 3) ** 2 * pixels[n, i, j] for i in range(5) for j in range(7)) / (total or 1)
        mean = sum((j - 3) * pixels[n, i, j] for i in range(5) for j in range(7)) / (total or 1)
        assert found["intensity"][n] == pytest.approx(total)
        assert found["centre_row"][n] == pytest.approx(centre)
        assert found["width_column"][n] == pytest.approx(math.sqrt(max(0, square - mean**2)), abs=1e-9)
        assert found["occupancy"][n] == pytest.approx((pixels[n] > 0).mean())
    np.testing.assert_allclose(images.sparsity(pixels), 1 - found["occupancy"])


def test_intensity_spectrum_is_a_histogram_per_image():
    pixels = pictures(50, 8, 8, 2)
    edges = np.array([0.0, 2.0, 5.0, float(pixels.max())])
    mean, error = images.intensity_spectrum(pixels, edges)
    np.testing.assert_allclose(mean, np.histogram(pixels, edges)[0] / 50)
    each = np.array([np.histogram(p, edges)[0] for p in pixels])
    np.testing.assert_allclose(error, each.std(axis=0) / np.sqrt(50))
    doubled, _ = images.intensity_spectrum(np.concatenate([pixels, pixels[:10]]), edges)
    weighted, _ = images.intensity_spectrum(pixels, edges, weights=np.where(np.arange(50) < 10, 2.0, 1.0))
    np.testing.assert_allclose(weighted, doubled)
    with pytest.raises(DataError, match="ascending"):
        images.intensity_spectrum(pixels, [3, 1])


def test_power_spectrum_of_noise_and_its_sum():
    rng = np.random.default_rng(3)
    noise = rng.normal(10, 2, (400, 16, 16))
    power = images.power_spectrum(noise)
    assert power.shape == (400, 8)
    # the power of a mode of white noise is exponential with mean 4: errors 4 / sqrt(400 x modes / 2), modes >= 4
    np.testing.assert_allclose(power.mean(axis=0), 4, atol=4 * 4 / math.sqrt(400 * 2))
    # Parseval: all modes together are the sum of squares, by hand for one image
    one = noise[0] - noise[0].mean()
    modes = [
        sum(one[y, x] * np.exp(-2j * np.pi * (ky * y + kx * x) / 16) for y in range(16) for x in range(16))
        for ky, kx in ((0, 1), (1, 0), (0, 15), (15, 0), (1, 1), (1, 15), (15, 1), (15, 15))
    ]
    assert power[0, 0] == pytest.approx(np.mean(np.abs(modes) ** 2) / 256)
    with pytest.raises(DataError, match="2 x 2"):
        images.power_spectrum(np.zeros((1, 1, 5)))


# --- correlations ----------------------------------------------------------------------------------------------------


def test_correlations_equal_numpy_and_take_weights():
    rng = np.random.default_rng(4)
    x = rng.multivariate_normal([0, 0, 0], [[1, 0.6, 0], [0.6, 1, -0.3], [0, -0.3, 1]], 400)
    columns = {"a": x[:, 0], "b": 5 * x[:, 1] + 3, "c": x[:, 2]}
    found = correlations.correlations(columns)
    np.testing.assert_allclose(found.values, np.corrcoef(x.T), atol=1e-12)
    # Gaussian columns: (1 - r^2) / sqrt(n), and the estimate of that scatters by some per cent with 400 events
    np.testing.assert_allclose(found.errors[0, 1], (1 - 0.6**2) / 20, rtol=0.25)
    assert found.pairs()["a", "b"] == found.values[0, 1]
    junk = rng.normal(size=(100, 3)) * 3
    mixed = {name: np.concatenate([v, junk[:, i], junk[:, i]]) for i, (name, v) in enumerate(columns.items())}
    cancelled = correlations.correlations(mixed, np.repeat([1.0, 1.0, -1.0], [400, 100, 100]))
    np.testing.assert_allclose(cancelled.values, found.values, atol=1e-12)
    assert (cancelled.errors[0, 1:] > found.errors[0, 1:]).all()


def test_the_errors_of_correlations_cover():
    rng = np.random.default_rng(5)
    pulls = []
    for _ in range(200):
        x = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 300)
        found = correlations.correlations({"a": x[:, 0], "b": x[:, 1]})
        pulls.append((found.values[0, 1] - 0.5) / found.errors[0, 1])
    # a standard deviation of 1 is known to 5 % with 200
    assert np.std(pulls) == pytest.approx(1, abs=0.2)


def test_correlations_of_bad_columns():
    constant = correlations.correlations({"a": [1.0, 2.0, 4.0], "b": [7.0, 7.0, 7.0]})
    np.testing.assert_array_equal(constant.values, np.eye(2))
    with pytest.raises(DataError, match="event 1 is nan"):
        correlations.correlations({"a": [1.0, np.nan, 2.0]})
    with pytest.raises(DataError, match="one length"):
        correlations.correlations({"a": [1.0, 2.0, 3.0], "b": [1.0]})
    with pytest.raises(WeightError, match="negative variance"):
        correlations.correlations({"a": [0.0, 0.0, 5.0]}, [1.0, 1.0, -1.0])


# --- choice by schema ------------------------------------------------------------------------------------------------


def jet_events(n: int, names: tuple[str, str, str]) -> Events:
    pt, eta, phi = constituents(n, 6, 7)
    schema = Schema(
        (
            Block(names[1], (6,)),
            Block(names[2], (6,), "angle", "rad"),
            Block(names[0], (6,), unit="GeV"),
            Block("mask", (6,), "mask"),
        )
    )
    dirty = np.where(pt > 0, pt, 99.0)  # what the mask hides must not count
    return Events(np.concatenate([eta, phi, dirty, pt > 0], axis=1), np.zeros((n, 0)), schema)


@pytest.mark.parametrize("names", [("pt", "eta", "phi"), ("ptrel", "etarel", "phirel")])
def test_jets_are_known_by_their_blocks(names):
    events = jet_events(20, names)
    found = observables.compute(events)
    pt, eta, phi = constituents(20, 6, 7)
    for name, values in jets.observables(pt, eta, phi).items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-3)  # float32
    assert len(observables.compute(events, extended=True)) == 7 + 36
    assert kind_of(events.select([names[0], names[1], names[2]]).schema) == "table"
    assert describe("jet_mass", events.schema).label == "jet mass [GeV]"


def test_images_are_known_by_their_shape():
    schema = Schema((Block("image", (12, 10), "energy", "GeV", threshold=1.0),))
    pixels = pictures(8, 12, 10, 3).astype(np.float32)
    found = observables.compute(Events(pixels.reshape(8, -1), np.zeros((8, 0)), schema), extended=True)
    np.testing.assert_allclose(found["occupancy"], (pixels > 1).mean(axis=(1, 2)))
    assert sum(name.startswith("power_") for name in found) == 5
    assert kind_of(Schema((Block("a", (7, 8)),))) == "table"
    assert kind_of(Schema((Block("a", (9, 9)), Block("b")))) == "table"
    for name in found:
        info = describe(name, schema)
        assert info.kind != "column", name
        assert describe(name).kind == info.kind
    assert describe("intensity", schema).unit == "GeV"


def test_every_observable_of_jets_is_described():
    events = jet_events(3, ("pt", "eta", "phi"))
    for name in observables.compute(events, extended=True):
        assert describe(name, events.schema).kind != "column", name
    # a table's column of the same name is only a column
    assert describe("tau1", Schema((Block("tau1"),))).kind == "column"
