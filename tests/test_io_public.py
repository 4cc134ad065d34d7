"""Public layouts of particle identification, chambers and calorimeters, as their authors' files have them."""

import logging

import numpy as np
import pytest

import facsim.io
from facsim.errors import DataError, FileFormatError, SchemaMismatch

TSV = """RichDLLe\tRichDLLk\tRichDLLmu\tRichDLLp\tRichDLLbt\tBrunel_P\tBrunel_ETA\tnTracks_Brunel\tprobe_sWeight\trun
-1.5\t12.25\t0.5\t-3.0\t-20.5\t5300.5\t3.25\t180\t-1.02\tA
2.0\t-7.5\t1.5\t4.0\t-18.0\t99000.0\t2.5\t95\t1.16\tB
"""
CSV = """,P,ETA,nTracks,trackcharge,RichDLLe,RichDLLmu,RichDLLk,RichDLLp
0,19112.5,3.36,180.468,-1.0,-8.9,-1.8,-3.6,-3.7
1,3000.0908,1.800331,9.000999,1.0,0.5,0.25,12.0,14.0
"""
DIGITS = """params: 1.5 -20.25 100.75 40.5
39 99 12.5 40 101 250.0
params: -3.0 10.0 35.2 7.9
4 28 1.25 11 43 2.5
"""


def put(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def test_a_calibration_sample(tmp_path):
    path = put(tmp_path, "kaon_+_down_2016_.csv", TSV)
    with facsim.io.open(path) as reader:
        events = reader.read()
        assert (reader.layout, reader.schema.detector) == ("calibration-tsv", "rich")
    assert [b.name for b in events.schema.features] == ["RichDLLe", "RichDLLk", "RichDLLmu", "RichDLLp", "RichDLLbt"]
    np.testing.assert_allclose(events.conditions, [[5.3005, 3.25, 180], [99, 2.5, 95]], rtol=1e-7)
    np.testing.assert_array_equal(events.weights, [-1.02, 1.16])
    assert events.schema.block("P").unit == "GeV"
    with pytest.raises(FileFormatError, match="'run' can be no block: the column holds words"):
        facsim.io.read(path, features=["run"])


def test_a_pidgan_table(tmp_path):
    """With pandas' column of row numbers, which has no name."""
    events = facsim.io.read(put(tmp_path, "toy.csv", CSV))
    assert [b.name for b in events.schema.conditions] == ["P", "ETA", "nTracks", "charge"]
    np.testing.assert_array_equal(events["charge"], [0, 1])
    assert events.schema.block("charge").names == ("-1", "+1")
    np.testing.assert_allclose(events["P"], [19.1125, 3.0000908], rtol=1e-7)
    assert events.weights is None


def test_any_table_of_text(tmp_path):
    path = put(tmp_path, "table.txt", "x; y ;word\n1;2.5;a\n-3;nan;b\n")
    with facsim.io.open(path, check=False) as reader:
        assert (reader.layout, [b.name for b in reader.schema.features]) == ("csv", ["x", "y"])
        assert reader.read(1, 2).features[0, 0] == -3
    with pytest.raises(DataError, match=r"table.txt: block 'y', event 1"):
        facsim.io.read(path)
    with pytest.raises(FileFormatError, match=r"cannot tell the layout from the suffix"):
        facsim.io.write(tmp_path / "x.txt", facsim.io.read(path, features=["x"]))


def test_long_tables_are_read_from_any_place(tmp_path, monkeypatch):
    monkeypatch.setattr("facsim.io.text_table.STEP", 7)
    monkeypatch.setattr("facsim.io.text_table.PIECE", 50)
    path = put(tmp_path, "long.csv", "i,j\n" + "".join(f"{i},{i * i}\n" for i in range(100)))
    with facsim.io.open(path) as reader:
        for start, stop in ((0, 100), (6, 8), (13, 49), (98, 100), (7, 14), (21, 22)):
            np.testing.assert_array_equal(reader.read(start, stop)["i"], np.arange(start, stop))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TSV[:-1], "the last line does not end"),
        (TSV.replace("\t95\t", "\t"), r"line 3: 9 values instead of 10"),
        (TSV.replace("99000.0", "many"), "between lines 2 and 3: .*many"),
        (TSV.replace("Brunel_ETA", "Brunel_EAT"), r"needs the column 'Brunel_ETA', which is not there.*'Brunel_EAT'"),
        (TSV.replace("3.25\t180", "?\t180"), r"needs the column 'Brunel_ETA', which holds words"),
        ("x,y\n1,2,3\n", "which is not the beginning of any known layout"),
        ("some words\nand others\n", "which is not the beginning of any known layout"),
        (DIGITS[:-1], r"line 4: the last line does not end"),
        (DIGITS.rsplit("4 28", 1)[0], "line 3: a line of parameters has no line of digits"),
        (DIGITS.replace("params: -3.0", "parms: -3.0"), "line 3: 'parms: -3.0 10.0.*is no line of parameters"),
        (DIGITS.replace(" 2.5\n", "\n"), "line 4: 5 numbers are no triples"),
        (DIGITS.replace("250.0", "2x"), "line 2: .*2x"),
        ("params: 1 2\n3 4 5\n", "2 parameters per event"),
    ],
)
def test_a_wrong_file_is_named_with_the_line(tmp_path, text, words):
    with pytest.raises(FileFormatError, match=rf"(?s)file\.dat.*{words}"):
        facsim.io.read(put(tmp_path, "file.dat", text))


def test_digits_become_images_around_the_track(tmp_path, caplog):
    path = put(tmp_path, "digits.dat", DIGITS)
    with caplog.at_level(logging.WARNING):
        events = facsim.io.read(path)
    response = events["response"]
    assert response.shape == (2, 8, 16)
    # pad 40 - (40 - 3) = 3, time 101 - (100 - 7) = 8
    assert {tuple(map(int, p)): float(response[0][tuple(p)]) for p in np.argwhere(response[0])} == {
        (2, 6): 12.5,
        (3, 8): 250.0,
    }
    # the second event's second digit is 11 - (7 - 3) = 7 pads and 43 - (35 - 7) = 15 bins in: the last cell of all
    assert (response[1, 0, 0], response[1, 7, 15]) == (1.25, 2.5)
    np.testing.assert_allclose(events.conditions[1], [-3.0, 10.0, 35.2, 7.9], rtol=1e-6)
    assert caplog.text == ""
    facsim.io.read(put(tmp_path, "digits.dat", DIGITS.replace("11 43", "12 43")))
    assert "1 of 4 digits lie outside of 8 x 16" in caplog.text
    with pytest.raises(SchemaMismatch, match="no room for weights"):
        facsim.io.write(tmp_path / "again.dat", events, layout="tpc-digits")


def school(path, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "EnergyDeposit": rng.exponential(size=(5, 30, 30, 1)),
        "ParticleMomentum": rng.normal(size=(5, 3)),
        "ParticlePoint": rng.normal(size=(5, 3)),
        "ParticlePDG": np.array([11, 22, 22, 11, 11]),
    } | changes
    np.savez_compressed(path, **{k: v for k, v in arrays.items() if v is not None})
    return arrays


def test_the_schools_calorimeter(tmp_path):
    path = tmp_path / "data_train.npz"
    arrays = school(path)
    events = facsim.io.read(path)
    np.testing.assert_array_equal(events["EnergyDeposit"], arrays["EnergyDeposit"][..., 0].astype(np.float32))
    np.testing.assert_array_equal(events["ParticlePDG"], [0, 1, 1, 0, 0])
    assert events.schema.block("ParticlePDG").names == ("e-", "gamma")
    assert [b.name for b in events.schema.conditions] == ["ParticleMomentum", "ParticlePoint", "ParticlePDG"]
    facsim.io.write(tmp_path / "again.npz", events)  # in our layout, under the same names
    np.testing.assert_array_equal(facsim.io.read(tmp_path / "again.npz")["ParticlePDG"], events["ParticlePDG"])
    np.testing.assert_array_equal(np.load(tmp_path / "again.npz")["EnergyDeposit"], events["EnergyDeposit"])
    school(path, ParticlePDG=None)
    assert "ParticlePDG" not in [b.name for b in facsim.io.read(path).schema.conditions]
    whole = path.read_bytes()
    for cut in (1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(FileFormatError, match=r"data_train\.npz"):
            facsim.io.read(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ParticlePoint": None}, r"lacks the array 'ParticlePoint'.*layout='npz'"),
        ({"EnergyDeposit": np.ones((5, 7, 7, 5))}, r"'EnergyDeposit' has shape \(5, 7, 7, 5\), not \(n, 30, 30\)"),
        ({"ParticlePDG": np.array([11, 22, 13, 11, 11])}, r"ParticlePDG holds \[13\]; known are"),
        ({"ParticleMomentum": np.ones((4, 3))}, "arrays of different length"),
    ],
)
def test_another_calorimeter_is_named(tmp_path, changes, words):
    school(tmp_path / "data.npz", **changes)
    with pytest.raises(FileFormatError, match=words):
        facsim.io.read(tmp_path / "data.npz")
