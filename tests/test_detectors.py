"""Cell geometries against the published figures."""

import math

import numpy as np
import pytest

from facsim import detectors
from facsim.errors import DataError, FileFormatError


def test_calogan_cells():
    schema = detectors.calogan()
    first, second, third = (block.grid for block in schema.layers)
    assert [g.depth for g in (first, second, third)] == [(0, 90), (90, 437), (437, 480)]
    assert np.ptp(first.centres("x")) == 2 * 160  # three rows of 160 mm, the beam in the middle of one
    assert np.unique(first.centres("x")).tolist() == [-160, 0, 160]
    assert np.diff(first.edges[1]).tolist() == [5] * 96
    assert 0.0 in second.edges[0]  # the beam lies between cells
    assert np.diff(second.edges[0]).tolist() == [40] * 12
    assert (np.diff(third.edges[0])[0], np.diff(third.edges[1])[0]) == (40, 80)
    assert all(g.edges[a][0] == -240 and g.edges[a][-1] == 240 for g in (first, second, third) for a in (0, 1))
    assert schema.block("energy").unit == "GeV"
    assert detectors.calogan(overflow=True).features[:3] == schema.features
    assert detectors.calogan(overflow=True).width == 507


@pytest.mark.parametrize(
    ("which", "voxels", "numbers", "alpha_binned"),
    [
        ("1-photons", [8, 160, 190, 5, 5], [0, 1, 2, 3, 12], [1, 2]),
        ("1-pions", [8, 100, 100, 5, 150, 160, 10], [0, 1, 2, 3, 12, 13, 14], [1, 2, 12, 13]),
        (2, [144] * 45, range(45), range(45)),
        (3, [900] * 45, range(45), range(45)),
    ],
)
def test_calochallenge_voxels(which, voxels, numbers, alpha_binned):
    """Counts of arXiv:2410.21611, by layer."""
    schema = detectors.calochallenge(which)
    assert [b.size for b in schema.layers] == voxels
    assert [b.name for b in schema.layers] == [f"layer_{k}" for k in numbers]
    assert [b.name for b in schema.layers if b.shape[0] > 1] == [f"layer_{k}" for k in alpha_binned]
    assert schema.conditions[0].unit == "MeV"
    for block in schema.layers:
        alpha, r = block.grid.edges
        assert (alpha[0], alpha[-1], r[0]) == (-math.pi, math.pi, 0)


def test_calochallenge_2_and_3_are_the_same_cylinder():
    coarse, fine = (detectors.calochallenge(w).layers for w in (2, 3))
    assert coarse[44].grid.edges[1][-1] == fine[44].grid.edges[1][-1] == 41.85
    assert coarse[44].grid.depth == (149.6, 153.0)
    assert set(coarse[0].grid.edges[1]) <= set(fine[0].grid.edges[1])


def test_storage_order_has_r_fastest():
    grid = detectors.calochallenge(2).layers[0].grid
    r = grid.centres("r")
    assert np.all(np.diff(r[:9]) > 0)
    assert np.all(grid.centres("alpha")[:9] == grid.centres("alpha")[0])


def test_box_mesh_is_centred_and_filled():
    schema = detectors.box_mesh((4, 2, 3), (100, 20, 30), threshold=0.5, detector="mine")
    assert [b.grid.depth for b in schema.layers] == [(0, 25), (25, 50), (50, 75), (75, 100)]
    assert schema.layers[0].grid.edges == ((-10, 0, 10), (-15, -5, 5, 15))
    assert schema.layers[0].grid.centres("x").sum() == schema.layers[0].grid.centres("y").sum() == 0
    assert (schema.detector, schema.layers[0].threshold, schema.conditions[0].unit) == ("mine", 0.5, "GeV")


def test_names_and_get():
    assert all(detectors.get(name).detector == name for name in detectors.names())
    with pytest.raises(DataError, match=r"no detector 'calogn'.*Did you mean 'calogan'"):
        detectors.get("calogn")
    with pytest.raises(DataError, match=r"'1-photon'.*Did you mean '1-photons'"):
        detectors.calochallenge("1-photon")


@pytest.mark.parametrize(
    ("shape", "size"), [((0, 2, 2), (1, 1, 1)), ((1, 2, 2), (1, -1, 1)), ((1, 2, 2), (1, math.nan, 1))]
)
def test_impossible_mesh(shape, size):
    with pytest.raises(DataError, match=r"shape=|size="):
        detectors.box_mesh(shape, size)


def binning_xml(schema, name, pid):
    layers = [
        f'<Layer id="{b.name[6:]}" r_edges="{",".join(f"{r:g}" for r in b.grid.edges[1])}" n_bin_alpha="{b.shape[0]}"/>'
        for b in schema.layers
    ]
    return f'<Bin pid="{pid}" etaMin="20" etaMax="25" name="{name}">{"".join(layers)}<Layer id="99" r_edges="0"/></Bin>'


@pytest.fixture
def xml(tmp_path):
    """Both particles of data set 1 in one file, in the published form."""
    photons = binning_xml(detectors.calochallenge("1-photons"), "photon", 22)
    pions = binning_xml(detectors.calochallenge("1-pions"), "pion", 211)
    path = tmp_path / "binning.xml"
    path.write_text(f'<?xml version="1.0"?>\n<!-- voxels -->\n<Bins>{photons}{pions}</Bins>')
    return path


@pytest.mark.parametrize(("particle", "which"), [("photon", "1-photons"), (211, "1-pions")])
def test_xml_gives_the_built_in_geometry(xml, particle, which):
    schema = detectors.read_binning_xml(xml, particle, threshold=1.0)
    assert schema.first_difference(detectors.calochallenge(which)) is None


def test_xml_of_data_set_2(tmp_path):
    path = tmp_path / "binning.xml"
    path.write_text(f"<Bins>{binning_xml(detectors.calochallenge(2), 'electron', 11)}</Bins>")
    schema = detectors.read_binning_xml(path, threshold=0.01515, thickness=3.4)
    assert [b.grid.edges for b in schema.layers] == [b.grid.edges for b in detectors.calochallenge(2).layers]


def test_xml_particle_must_be_chosen(xml):
    with pytest.raises(DataError, match=r"choose one: particle='photon' \| 'pion'"):
        detectors.read_binning_xml(xml)
    with pytest.raises(DataError, match=r"no particle 'photons'.*Did you mean 'photon'"):
        detectors.read_binning_xml(xml, "photons")


BOMB = '<!DOCTYPE b [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><Bins><Bin name="&b;"/></Bins>'
OUTSIDE = '<!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/hostname">]><Bins><Bin name="&a;"/></Bins>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "document type"),
        (OUTSIDE, "document type"),
        ("<Bins><Bin name='e'><Layer id='0'", "not well-formed"),
        ("<Other/>", "no <Bin>"),
        ("<Bins><Bin name='e'><Layer id='0' n_bin_alpha='2'/></Bin></Bins>", "needs id"),
        ("<Bins><Bin name='e'><Layer id='0' r_edges='0,2,1' n_bin_alpha='2'/></Bin></Bins>", "ascending"),
        ("<Bins><Bin name='e'><Layer id='0' r_edges='0,nan' n_bin_alpha='2'/></Bin></Bins>", "ascending"),
        ("<Bins><Bin name='e'><Layer id='0' r_edges='0,1' n_bin_alpha='0'/></Bin></Bins>", "at least 1"),
        (" " * ((1 << 22) + 1), "more than"),
    ],
)
def test_bad_xml_is_refused(tmp_path, text, message):
    path = tmp_path / "binning.xml"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=f"binning.xml.*{message}"):
        detectors.read_binning_xml(path)


def test_missing_xml(tmp_path):
    with pytest.raises(FileFormatError, match=r"absent\.xml"):
        detectors.read_binning_xml(tmp_path / "absent.xml")
