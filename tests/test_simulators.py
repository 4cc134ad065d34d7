"""Calorimeters as data, settings, and data sets that are not there: nothing here starts Geant4."""

import importlib.util
import math
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import facsim
from facsim import detectors, simulators
from facsim.errors import DataError, MissingData, MissingExtra, SimulationError
from facsim.simulators import g4data
from facsim.simulators.calorimeter import SamplingCalorimeter
from facsim.simulators.engine import event_seeds
from facsim.simulators.setup import Setup


@pytest.fixture(params=simulators.presets())
def calorimeter(request):
    return simulators.preset(request.param)


def test_pieces_fill_the_block_and_lie_in_one_layer_each(calorimeter):
    pieces = calorimeter.pieces()
    assert pieces[0].start_mm == 0
    assert all(a.stop_mm == b.start_mm for a, b in pairwise(pieces))
    assert pieces[-1].stop_mm == calorimeter.depth_mm
    for piece in pieces:
        low, high = calorimeter.layers[piece.layer][1].depth
        assert low - 1e-9 <= piece.start_mm < piece.stop_mm <= high + 1e-9


def test_calogan_has_the_published_materials():
    calorimeter = simulators.preset("calogan")
    thickness = {True: 0.0, False: 0.0}
    for piece in calorimeter.pieces():
        thickness[piece.active] += piece.stop_mm - piece.start_mm
    assert thickness == pytest.approx({True: 80 * 4.0, False: 80 * 2.0})
    assert calorimeter.schema.first_difference(detectors.calogan(overflow=True)) is None


def test_the_depth_cut_inside_an_argon_gap_splits_that_gap():
    layers = {p.layer for p in simulators.preset("calogan").pieces() if p.start_mm == 434.0 and p.active}
    after = {p.layer for p in simulators.preset("calogan").pieces() if p.start_mm == 437.0 and p.active}
    assert (layers, after) == ({1}, {2})


def test_json_keeps_a_calorimeter(calorimeter):
    assert SamplingCalorimeter.from_json(calorimeter.to_json()) == calorimeter


def test_active_blocks_have_the_shape_of_their_layers_and_are_no_layers():
    schema = simulators.Geant4Sampler("calogan", active=True).schema
    assert [b.shape for b in schema.features if b.name.startswith("active_")] == [b.shape for b in schema.layers]
    assert [b.name for b in schema.layers] == ["layer_0", "layer_1", "layer_2"]


def test_geant4_is_a_sampler():
    assert isinstance(simulators.Geant4Sampler("calogan"), facsim.Sampler)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"repeats": 0}, "repeats"),
        ({"width_mm": 400.0}, "within"),
        ({"repeats": 70}, "depth"),
        ({"deposit": "lead"}, "deposit"),
        ({"scale": -1.0}, "scale"),
        ({"plates": (simulators.Plate(simulators.Material("G4_Pb"), 6.0),), "deposit": "active"}, "active"),
    ],
)
def test_impossible_calorimeters_are_refused(change, word):
    with pytest.raises(DataError, match=word):
        replace(simulators.preset("calogan"), **change)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"calorimeter": "calogna"}, "Did you mean 'calogan'"),
        ({"calorimeter": "calogan", "particle": "mu"}, "known are"),
        ({"calorimeter": "calogan", "physics": "FTFP"}, "FTFP_BERT"),
        ({"calorimeter": "calogan", "particle": "pi+", "physics": "em"}, "hadron"),
        ({"calorimeter": "calogan", "active": True, "active_only": True}, "choose one"),
        ({"calorimeter": "par04-siw", "active": True}, "active material.s"),
        ({"calorimeter": "calogan", "cut_mm": 0.0}, "cut_mm"),
        ({"calorimeter": "calogan", "angle_spread_deg": 90.0}, "angle_spread_deg"),
    ],
)
def test_unknown_settings_are_refused(arguments, word):
    with pytest.raises((SimulationError, DataError), match=word):
        simulators.Geant4Sampler(**arguments)


def test_conditions_that_geant4_cannot_take_are_refused():
    setup = Setup(simulators.preset("calogan"))
    with pytest.raises(DataError, match="event 1"):
        setup.primaries(np.array([[5.0], [0.0]], np.float32))


def test_energies_reach_geant4_in_mev():
    for name, mev in (("calogan", 50e3), ("par04-siw", 50.0)):
        assert Setup(simulators.preset(name)).primaries(np.array([[50.0]], np.float32))[0][0] == mev


def test_positions_and_directions_fill_what_was_asked():
    setup = Setup(simulators.preset("calogan"), position_spread_mm=20, angle_spread_deg=5)
    drawn = setup.draw(np.full(2000, 10, np.float32), seed=3)
    position, sine = drawn[:, 1:3], np.hypot(drawn[:, 3], drawn[:, 4])
    # uniform in +-20: spread 20/sqrt(3); the spread of a spread of 2000 uniform numbers is 1 %, so 5 % is 5 sigma
    assert position.std(axis=0) == pytest.approx([20 / math.sqrt(3)] * 2, rel=0.05)
    # isotropic: cos(theta) uniform, so sin^2 is nearly uniform from 0 to sin^2(5 deg); mean within 5 sigma = 6.5 %
    assert (sine**2).mean() == pytest.approx(math.sin(math.radians(5)) ** 2 / 2, rel=0.065)
    assert sine.max() <= math.sin(math.radians(5)) + 1e-6
    later = setup.draw(np.full(10, 10, np.float32), seed=3, first=1990)
    assert np.array_equal(later, drawn[1990:])


def test_random_streams_differ_and_never_stop_at_a_zero():
    words = [event_seeds(1, k) for k in range(1000)]
    assert len({tuple(w) for w in words}) == 1000
    assert all(0 < v < 2**32 for w in words for v in w)


def test_without_data_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GEANT4_DATA_DIR", raising=False)
    with pytest.raises(MissingData, match=r"(?s)GEANT4_DATA_DIR is not set.*import geant4_pybind"):
        g4data.find()
    with pytest.raises(MissingData, match="GEANT4_DATA_DIR=/no/such"):
        g4data.find(environment={"GEANT4_DATA_DIR": "/no/such"})


def test_without_geant4_pybind_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtra, match=r'pip install "facsim\[geant4\]"'):
        simulators.Geant4Sampler("calogan").sample([1.0])


def _files(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("1" if "." in name else "", encoding="utf-8")
    return {"GEANT4_DATA_DIR": str(folder)}


def test_the_missing_data_set_is_named(tmp_path):
    environment = _files(tmp_path, "G4EMLOW8.8/brem_SB/br1")
    with pytest.raises(MissingData, match="photoelectric"):
        g4data.find(environment=environment)
    _files(tmp_path, "G4EMLOW8.8/livermore/x")
    with pytest.raises(MissingData, match="G4ENSDFSTATE"):
        g4data.find(environment=environment)
    _files(tmp_path, "G4ENSDFSTATE3.0/ENSDFSTATE.dat", "PhotonEvaporation6.1.2/.keep")
    assert g4data.find(environment=environment).photoelectric == "livermore"
    with pytest.raises(MissingData, match="G4PARTICLEXS"):
        g4data.find(hadrons=True, environment=environment)
    _files(tmp_path, "G4PARTICLEXS4.2/neutron/inel1", "PhotonEvaporation6.1.2/z1.a2", "G4SAIDDATA2.0/x")
    _files(tmp_path, "G4EMLOW8.8/epics_2017/x")
    found = g4data.find(hadrons=True, environment=environment)
    assert (found.photoelectric, "G4PARTICLEXS4.2" in found.names) == ("epics_2017", True)


def test_without_data_simulate_ends_at_once_and_leaves_nothing(tmp_path):
    if importlib.util.find_spec("geant4_pybind") is None:
        pytest.skip("geant4-pybind is not installed")
    (tmp_path / "empty").mkdir()
    output, printed = tmp_path / "out" / "x.h5", tmp_path / "printed"
    script = f"from facsim.simulators import simulate; simulate('calogan', n=2, energy=1, output={str(output)!r})"
    for environment in ({"GEANT4_DATA_DIR": str(tmp_path / "empty")}, {"HOME": str(tmp_path)}):
        # standard input stays open and silent: whoever asked a question would hang until the time is up
        with (
            printed.open("w") as out,
            subprocess.Popen([sys.executable, "-c", script], env=environment, stdin=subprocess.PIPE, stderr=out) as run,
        ):
            assert run.wait(timeout=60) == 1
        assert "facsim.errors.MissingData" in printed.read_text()
        assert not output.parent.exists()
