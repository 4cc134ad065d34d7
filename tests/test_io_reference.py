"""The original CaloGAN showers and our reference showers, against the figures that stand beside them."""

import numpy as np
import pytest

import facsim.io
from facsim import detectors


@pytest.fixture(scope="module")
def showers(shared_data):
    """51 e+ showers in the original layout."""
    return facsim.io.read(shared_data / "calogan" / "hepcat_test.h5", blocks="all")


def test_51_original_showers(showers):
    """Figures as published with the file; tolerances are half a unit of their last digit."""
    layers = [showers[f"layer_{k}"].astype(np.float64) for k in range(3)]
    energies = np.stack([x.sum(axis=(1, 2)) for x in layers], axis=1)
    total, incident = energies.sum(axis=1), 1000.0 * showers["energy"]
    overflow = showers["overflow"]
    assert showers.schema == detectors.calogan(overflow=True)
    assert len(showers) == 51
    assert (incident.min(), incident.max()) == pytest.approx((1500, 99400), abs=50)
    assert np.mean(total / incident) == pytest.approx(0.9942, abs=5e-5)
    assert np.std(total / incident) == pytest.approx(0.0033, abs=5e-5)
    assert np.mean((total + overflow.sum(axis=1)) / incident) == pytest.approx(0.9951, abs=5e-5)
    assert (energies / total[:, None]).mean(axis=0) == pytest.approx([0.193, 0.806, 0.0017], abs=5e-4)
    for threshold, occupancy in ((0, (0.449, 0.795, 0.285)), (1e-2, (0.440, 0.780, 0.275))):
        assert [np.mean(x > threshold) for x in layers] == pytest.approx(occupancy, abs=5e-4)
    assert overflow.mean(axis=0) == pytest.approx([6.8, 38.8, 1.9], abs=0.05)
    cells = showers.select(["layer_0", "layer_1", "layer_2"]).features
    assert cells[cells > 0].min() == pytest.approx(2.4e-5, abs=5e-7)
    assert cells.max() == pytest.approx(22.3e3, abs=50)
    assert np.count_nonzero(energies[:, 2]) == 49


def test_geometry_gives_the_published_widths(showers):
    """Lateral widths along rows and columns in mm: a wrong axis or cell size would show."""
    for axis, published in (("x", (16.6, 29.4, 56.3)), ("y", (16.9, 29.5, 63.5))):
        for block, expected in zip(showers.schema.layers, published, strict=True):
            cells = showers[block.name].reshape(51, -1).astype(np.float64)
            centre = block.grid.centres(axis)
            hit = cells.sum(axis=1) > 0
            weights = cells[hit] / cells[hit].sum(axis=1, keepdims=True)
            width = np.sqrt(np.clip(weights @ centre**2 - (weights @ centre) ** 2, 0, None))
            if block.name != "layer_2":  # there the published mean treats empty layers in its own way
                assert width.mean() == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("name", "n"), [("cargicar_t0.root", 4), ("cargicar_t1.root", 6)])
def test_original_root_trees(shared_data, name, n):
    """TotalEnergy is the incident energy in GeV: cells in MeV sum to 0.994 of it, as in the HDF5 file."""
    with facsim.io.open(shared_data / "calogan" / name) as reader:
        assert (len(reader), reader.layout, reader.schema) == (n, "calogan-root", detectors.calogan())
        events = reader.read()
    ratio = events.features.sum(axis=1) / (1000 * events["energy"])
    # rms of a single shower 0.0033, larger at low energy: five of them
    assert ratio == pytest.approx(np.full(n, 0.994), abs=5 * 0.0033)
    everything = facsim.io.read(shared_data / "calogan" / name, blocks="all")
    assert everything.schema == detectors.calogan(overflow=True)
    assert np.all(everything.features.sum(axis=1) / (1000 * events["energy"]) <= 1.0)


def test_original_tree_read_as_plain_branches(shared_data):
    path = shared_data / "calogan" / "cargicar_t0.root"
    events = facsim.io.read(path, layout="root", features=["cell_505", "cell_0"], conditions=["TotalEnergy"])
    assert [b.name for b in events.schema.features] == ["cell_505", "cell_0"]
    assert events["cell_505"][0] == pytest.approx(54.03, abs=0.005)


@pytest.mark.parametrize(
    ("name", "ratio", "fractions", "occupancy"),
    [
        ("eplus.h5", 0.9965, (0.194, 0.804, 0.0016), (0.423, 0.779, 0.275)),
        ("gamma.h5", 0.9963, (0.145, 0.853, 0.0021), (0.379, 0.778, 0.296)),
    ],
)
def test_reference_showers(shared_data, name, ratio, fractions, occupancy):
    """Means of the README beside them; the set grows, so tolerances are twice the last digit."""
    with facsim.io.open(shared_data / "showers" / name) as reader:
        assert (reader.layout, reader.schema) == ("calogan", detectors.calogan())
        assert "Geant4" in reader.attrs["source"]
        events = reader.read(0, 3000)
    energies = np.stack([events[b.name].sum(axis=(1, 2), dtype=np.float64) for b in events.schema.layers], axis=1)
    total = energies.sum(axis=1)
    # statistical errors of 3,000 showers: sum/E 0.0033/sqrt(3000); fractions and occupancies vary by 0.1 per shower
    assert np.mean(total / (1000 * events["energy"])) == pytest.approx(ratio, abs=2e-4)
    assert (energies / total[:, None]).mean(axis=0) == pytest.approx(fractions, abs=5e-3)
    seen = [np.mean(events[b.name] >= b.threshold) for b in events.schema.layers]
    assert seen == pytest.approx(occupancy, abs=1e-2)


def test_argon_is_picked_by_name(shared_data):
    path = shared_data / "showers" / "eplus.h5"
    with facsim.io.open(path, blocks=["active_0", "active_1", "active_2"]) as reader:
        argon = reader.read(0, 500)
    with facsim.io.open(path) as reader:
        total = reader.read(0, 500)
    assert argon.schema.layers[1].grid == detectors.calogan().layers[1].grid
    fraction = argon.features.sum(axis=1) / total.features.sum(axis=1)
    assert fraction.mean() == pytest.approx(0.1875, abs=0.002)
