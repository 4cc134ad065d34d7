"""Observables against hand-computed showers, original CaloGAN showers, and all detectors."""

import numpy as np
import pytest

from facsim import Block, Events, Grid, Schema, detectors, io, observables
from facsim.errors import DataError, SchemaMismatch
from facsim.observables import describe, showers, tables

# spec section 4.3: 51 original e+ showers, cells above 0; the last digit is rounded
ORIGINAL = {
    "f_2": 0.0017,
    "occupancy_0": 0.449,
    "occupancy_1": 0.795,
    "occupancy_2": 0.285,
    "E_ratio_0": 0.086,
    "E_ratio_1": 0.048,
    "E_ratio_2": 0.224,
    "width_x_0": 16.6,
    "width_x_1": 29.4,
    "width_x_2": 56.3,
    "width_y_0": 16.9,
    "width_y_1": 29.5,
    "width_y_2": 63.5,
    "s_d": 0.809,
    "sigma_sd": 0.379,
    "response": 0.9942,
    "brightest1_0": 0.41,
    "brightest1_1": 0.25,
}


@pytest.fixture(scope="module")
def original(shared_data):
    return io.read(shared_data / "calogan" / "hepcat_test.h5")


def shower(layers: dict[str, np.ndarray], energy: float = 10.0) -> Events:
    """One CaloGAN shower with the given cells, MeV."""
    schema = detectors.get("calogan")
    parts = [np.asarray(layers.get(b.name, np.zeros(b.shape))).reshape(1, -1) for b in schema.layers]
    return Events(np.concatenate(parts, axis=1), [[energy]], schema)


def at(shape: tuple[int, int], cells: dict[tuple[int, int], float]) -> np.ndarray:
    out = np.zeros(shape)
    for index, energy in cells.items():
        out[index] = energy
    return out


@pytest.mark.parametrize(("name", "value"), ORIGINAL.items())
def test_original_showers_give_the_numbers_of_the_specification(original, name, value):
    mean = showers.extended_observables(original, threshold=0.0)[name].mean()
    digits = len(str(value).split(".")[1])
    # half a unit of the last digit, and a little more since the quoted figure may itself end on a 5
    assert mean == pytest.approx(value, abs=0.51 * 10**-digits)


def test_the_threshold_of_the_schema_gives_the_occupancy_of_the_specification(original):
    values = showers.observables(original)
    means = [values[f"occupancy_{k}"].mean() for k in range(3)]
    np.testing.assert_allclose(means, [0.440, 0.780, 0.275], atol=5.1e-4)
    assert values["max_depth"].tolist().count(2.0) == 49  # 49 of 51 reach layer 2


def test_names_are_the_twenty_of_calogan(original):
    per_layer = ["E", "f", "occupancy", "width_x", "E_ratio"]
    expected = {f"{stem}_{k}" for stem in per_layer for k in range(3)}
    expected |= {"E_tot", "max_depth", "l_d", "s_d", "sigma_sd"}
    assert set(showers.observables(original)) == expected
    assert len(showers.extended_observables(original)) == 45


def test_hand_computed_shower():
    events = shower(
        {
            "layer_0": at((3, 96), {(1, 47): 3.0, (2, 48): 1.0}),  # rows 160 mm, columns 5 mm
            "layer_1": at((12, 12), {(6, 6): 12.0}),
            "layer_2": at((12, 6), {}),
        },
        energy=2**-6,  # GeV; exact in float32
    )
    got = {name: float(values[0]) for name, values in showers.extended_observables(events).items()}
    expected = {
        "E_0": 4,
        "E_1": 12,
        "E_2": 0,
        "E_tot": 16,
        "f_0": 0.25,
        "f_1": 0.75,
        "f_2": 0,
        "occupancy_0": 2 / 288,
        "occupancy_1": 1 / 144,
        "occupancy_2": 0,
        "max_depth": 1,
        "l_d": 12,
        "s_d": 0.75,
        "sigma_sd": np.sqrt(0.75 - 0.75**2),
        "E_ratio_0": 0.5,
        "E_ratio_1": 1,
        "E_ratio_2": 0,
        "centre_x_0": 40,  # (3 * 0 + 1 * 160) / 4
        "width_x_0": np.sqrt(160**2 / 4 - 40**2),
        "centre_y_0": (3 * -2.5 + 2.5) / 4,
        "width_y_0": np.sqrt(2.5**2 - 1.25**2),
        "centre_x_1": 20,
        "width_x_1": 0,  # one cell has no width, exactly
        "width_y_1": 0,
        "centre_x_2": 0,
        "brightest1_0": 0.75,
        "brightest2_0": 0.25,
        "brightest3_0": 0,
        "response": 16 / 15.625,
    }
    assert {name: got[name] for name in expected} == pytest.approx(expected, rel=1e-12, abs=0)


def test_an_empty_shower_gives_zero_everywhere():
    for name, values in showers.extended_observables(shower({})).items():
        assert values[0] == 0, name


def test_cells_below_the_threshold_count_nowhere():
    below, exactly = np.nextafter(np.float32(0.01), np.float32(0)), np.float32(0.01)
    with_crumbs = shower({"layer_1": at((12, 12), {(0, 0): 5.0, (11, 11): below, (3, 3): exactly})})
    values = showers.observables(with_crumbs)
    assert values["occupancy_1"][0] == 2 / 144
    assert values["E_tot"][0] == pytest.approx(5.01, rel=1e-7)  # the crumb of 0.01 MeV would make 5.02
    assert showers.observables(with_crumbs, threshold=1.0)["occupancy_1"][0] == 1 / 144
    assert showers.observables(with_crumbs, threshold=0.0)["occupancy_1"][0] == 3 / 144
    with pytest.raises(DataError, match="threshold"):
        showers.observables(with_crumbs, threshold=-1.0)


def test_units_do_not_matter():
    grid = Grid(("x", "y"), ((-2, 0, 2), (-1, 0, 1)), (0, 10))
    in_mev, in_gev = (
        Schema((Block("layer_0", (2, 2), "energy", u, grid=grid, threshold=t),), (Block("energy", (), "energy", c),))
        for u, t, c in (("MeV", 10.0, "MeV"), ("GeV", 0.01, "GeV"))
    )
    a = showers.extended_observables(Events([[1, 500, 20, 3]], [[1000]], in_mev))
    b = showers.extended_observables(Events([[0.001, 0.5, 0.02, 0.003]], [[1]], in_gev))
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-6, err_msg=name)  # float32 input
    unknown = Schema((Block("layer_0", (2, 2), "energy", "J", grid=grid),))
    with pytest.raises(SchemaMismatch, match="'J'"):
        showers.observables(Events([[1, 2, 3, 4]], [[]], unknown))


def test_events_are_independent_of_each_other(original, monkeypatch):
    whole = showers.extended_observables(original)
    monkeypatch.setattr(showers, "CHUNK_VALUES", 2000)  # several chunks, of different length per layer
    chunked = showers.extended_observables(original)
    order = np.random.default_rng(0).permutation(len(original))
    shuffled = showers.extended_observables(original[order])
    for name, values in whole.items():
        np.testing.assert_allclose(chunked[name], values, rtol=1e-12, atol=1e-9, err_msg=name)
        np.testing.assert_allclose(shuffled[name], values[order], rtol=1e-12, atol=1e-9, err_msg=name)


@pytest.mark.parametrize(
    "detector", ["calogan", "calochallenge-1-photons", "calochallenge-1-pions", "calochallenge-2", "calochallenge-3"]
)
def test_every_detector_has_its_observables(detector):
    schema = detectors.get(detector)
    generator = np.random.default_rng(1)
    cells = generator.exponential(100, (3, schema.width)) * (generator.random((3, schema.width)) < 0.3)
    events = Events(cells, np.full((3, schema.condition_width), 1000.0), schema)
    values = showers.observables(events)
    extended = showers.extended_observables(events)
    layers = len(schema.layers)
    assert len(values) == 5 * layers + 5
    assert set(values) <= set(extended)
    for name, column in extended.items():
        assert column.shape == (3,), name
        assert column.dtype == np.float64, name
        assert np.isfinite(column).all(), name
        if describe(name).kind == "fraction":
            assert ((column >= 0) & (column <= 1)).all(), name
    np.testing.assert_allclose(sum(v for n, v in values.items() if n.startswith("f_")), 1, rtol=1e-12)


def test_rings_have_a_radius_and_no_direction():
    schema = detectors.get("calochallenge-1-photons")  # layers 0, 3, 12: one alpha bin
    events = Events(np.ones((1, schema.width)) * 10, np.ones((1, schema.condition_width)), schema)
    names = showers.extended_observables(events)
    assert {"width_r_12", "centre_r_12", "width_x_1", "width_y_1", "width_r_1"} <= set(names)
    assert not {"width_x_12", "centre_x_0", "width_y_3"} & set(names)
    assert names["centre_x_1"][0] == pytest.approx(0, abs=1e-9)  # equal energy all around


def test_compute_chooses_by_schema(original):
    assert set(observables.compute(original)) == set(showers.observables(original))
    assert "response" in observables.compute(original, extended=True)
    table = Events([[1, 2, 3]], [[]], Schema((Block("dll_k"), Block("p", (2,), "real", "GeV"))))
    assert list(observables.compute(table, extended=True)) == ["dll_k", "p_0", "p_1"]
    with pytest.raises(SchemaMismatch, match="dll_k"):
        showers.observables(table)
    assert tables.observables(table)["p_1"].dtype == np.float64


def test_a_nan_is_not_hidden():
    events = shower({"layer_1": at((12, 12), {(0, 0): np.nan})})
    assert np.isnan(showers.observables(events)["E_tot"][0])


def test_descriptions_render_and_carry_units(original):
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("path")
    for name in showers.extended_observables(original):
        info = describe(name, original.schema)
        assert info.kind != "column", name
        parser.parse(info.label)  # an unknown command raises
    assert describe("E_tot").unit == "MeV"
    assert describe("width_y_2").label.endswith("[mm]")
    assert describe("E_ratio_1").kind == "fraction"
    table = Schema((Block("p", (2,), "real", "GeV"), Block("species", (), "category")))
    assert describe("p_1", table).label == "p_1 [GeV]"
    assert describe("species", table).discrete
