"""Optical photons of Geant4 in a box: closed forms, conservation, randomness, bad input."""

import importlib.util
import os

import numpy as np
import pytest

from facsim.errors import DataError, RangeError
from facsim.simulators.parametric import Parameter, Space
from facsim.simulators.parametric.light import Light, LightBox, direct_visibility

VERTICES = np.array([[0.5, 0.2, -0.4], [1.5, -0.9, 1.4], [0.1, 0.7, 0.6]])
FAR_M = 1e8


class Anything(Light):
    """Light with parameters in their limits, too."""

    def __post_init__(self):
        super().__post_init__()
        wide = Space(
            (Parameter("absorption", 1e-3, 1e9), Parameter("rayleigh", 1e-3, 1e9), Parameter("reflectivity", 0, 1))
        )
        object.__setattr__(self, "space", wide)


@pytest.fixture(scope="module")
def geant4(request):
    if importlib.util.find_spec("geant4_pybind") is None:
        pytest.skip("geant4-pybind is not installed")
    with pytest.MonkeyPatch.context() as patch:
        if "GEANT4_DATA_DIR" not in os.environ:
            patch.setenv("GEANT4_DATA_DIR", str(request.getfixturevalue("shared_data") / "geant4"))
        yield


@pytest.fixture(scope="module")
def light(geant4):  # noqa: ARG001 - it must be there
    return Anything(photons=20_000)


def chi_square(seen, expected):
    """Sum over all detectors in units of its standard deviation from its mean, the number of detectors."""
    terms = (seen - expected) ** 2 / expected
    return (terms.sum() - terms.size) / np.sqrt((2 + 1 / expected).sum())  # variance of a term for Poisson counts


def test_six_walls_see_everything():
    cube = LightBox(drift_m=2, height_m=2, length_m=2, rows=1, columns=1, side_m=2)
    at = np.random.default_rng(0).uniform(0.2, 1.8, 3)
    # the six walls of the cube, turned in front of the vertex one after another
    total = 0.0
    for axis in range(3):
        others = [at[k] - 1 for k in range(3) if k != axis]
        total += direct_visibility(cube, [[at[axis], *others]])[0, 0]
        total += direct_visibility(cube, [[2 - at[axis], *others]])[0, 0]
    assert total == pytest.approx(1)


def test_absorption_of_long_length_is_the_solid_angle():
    box = LightBox()
    np.testing.assert_allclose(direct_visibility(box, VERTICES, 1e9), direct_visibility(box, VERTICES), rtol=1e-6)
    far = np.array([[1.9, 0.0, 0.0]])
    at = np.sqrt(1.9**2 + (box.centres**2).sum(1))
    share = direct_visibility(box, far, 0.5)[0] / direct_visibility(box, far)[0]
    np.testing.assert_allclose(share, np.exp(-at / 0.5), rtol=0.02)  # small detectors: one distance for all of it


@pytest.mark.parametrize("absorption", [FAR_M, 0.7])
def test_direct_light_is_solid_angle_times_absorption(light, absorption):
    rows = np.column_stack([np.tile([absorption, FAR_M, 0.0], (3, 1)), VERTICES])
    seen = light.sample(rows, seed=2).features
    expected = light.photons * direct_visibility(light.box, VERTICES, absorption)
    assert abs(chi_square(seen, expected)) < 4  # standard deviations


def test_white_walls_lose_no_photon(light):
    events = light.sample([[FAR_M, FAR_M, 1.0, *VERTICES[0]]], seed=3)
    assert events["counts"].sum() == pytest.approx(light.photons, rel=1e-3)  # Geant4 gives a photon up now and then


def test_scattering_darkens_and_reflection_brightens(light):
    optics = np.array([[20, FAR_M, 0], [20, 0.3, 0], [20, FAR_M, 0.9]])
    counts = light.sample(np.column_stack([optics, np.tile(VERTICES[1], (3, 1))]), seed=4)["counts"].sum((1, 2))
    # 200 photons directly; scattering sends as many in as out, so what matters is that the walls take more of them
    assert counts[2] > counts[0] + 5 * np.sqrt(counts[0])
    assert counts[1] != counts[0]


@pytest.mark.usefixtures("geant4")
def test_calls_depend_on_their_place_and_conditions_alone():
    light = Light(photons=300)
    optics = light.space.draw(2, seed=0)
    rows = np.column_stack([optics[[0, 1, 0, 1]], VERTICES[[0, 1, 2, 0]]])
    events = light.sample(rows, seed=5)
    np.testing.assert_array_equal(light.sample(rows[:2], seed=5).features, events.features[:2])
    mixed = rows[[1, 1, 2, 2]]
    np.testing.assert_array_equal(light.sample(mixed, seed=5).features[[1, 2]], events.features[[1, 2]])
    assert not np.array_equal(light.sample(rows, seed=6).features, events.features)


def test_vertices_outside_the_argon_are_refused():
    with pytest.raises(RangeError, match="outside the argon"):
        Light().sample([[20, 1, 0.3, 1.0, 1.2, 0.0]])


@pytest.mark.parametrize(
    ("options", "words"),
    [({"photons": 0}, "photons=0"), ({"wavelength": 130}, "128, 175"), ({"rows": 40}, "make it smaller")],
)
def test_impossible_options(options, words):
    with pytest.raises(DataError, match=words):
        Light(**options)
