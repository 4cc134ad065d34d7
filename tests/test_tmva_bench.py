"""The benchmark of GANs from ROOT files: what it measures, and that ROOT files teach what HDF5 files do."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import facsim
from facsim import datasets, io

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import _tmva_contestants  # noqa: E402
import _tmva_rivals  # noqa: E402
import tmva_bench  # noqa: E402


@pytest.fixture(scope="module")
def showers():
    return datasets.load("calogan-eplus-mini")[:150]


@pytest.fixture(scope="module")
def root(showers, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "showers.root"
    io.write(path, showers, layout="pixel-branches")
    return path


def test_a_training_from_root_is_one_from_hdf5_to_the_bit(showers, root, tmp_path):
    io.write(tmp_path / "showers.h5", showers)
    few = {"training.steps": 3, "training.batch": 32, "model.generator.hidden": 16, "model.critic.hidden": 16}
    drawn = []
    for data in (tmp_path / "showers.h5", _tmva_contestants.chosen("showers", root)):
        model = facsim.fit(data, "calogan+", output=tmp_path / f"run{len(drawn)}", overrides=few)
        drawn.append(model.sample(showers.conditions[:20], seed=1).features)
    np.testing.assert_array_equal(*drawn)


@pytest.fixture(scope="module")
def digits():
    learn, truth = tmva_bench.digits()
    return tmva_bench.classifier(learn), truth, learn[tmva_bench.DIGITS // 2 :]


def test_other_true_digits_are_the_floor(digits):
    network, truth, others = digits
    found = tmva_bench.of_digits(network, truth, others.features)
    assert found["digits"] == 10
    assert found["confidence"][0] > 0.9
    # 597 against 600: trees know an AUC of 0.5 to 0.02; three of that
    assert found["auc"][0] == pytest.approx(0.5, abs=0.06)
    # of one class, half of the pixels gone: seen by every figure
    zeros = others.features[others.conditions[:, 0] == 0] * (np.arange(64) % 2)
    worse = tmva_bench.of_digits(network, truth, zeros)
    assert worse["auc"][0] > 0.95
    assert worse["fpd"][0] > found["fpd"][0] + 3 * worse["fpd"][1]
    assert worse["digits"] < 10


def test_rivals_read_the_columns_in_the_order_of_the_events(showers, root):
    np.testing.assert_array_equal(_tmva_rivals.read(root, "layer"), showers.features)
    np.testing.assert_array_equal(_tmva_rivals.read(root, "energy"), showers.conditions)


def test_the_table_has_a_row_for_each_that_was_measured(tmp_path, monkeypatch):
    cost = {"steps": 1200, "seconds": 300.2, "memory": 512.4}
    figures = {"confidence": [0.93, 0.006], "digits": 10, "rarest": 0.082, "fpd": [0.02, 0.3], "auc": [0.84, 0.01]}
    found = {
        "truth": figures | {"events": [1200, 597]},
        "dense": figures | cost | {"best": 900},
        "hand": figures | cost,
    }
    (tmp_path / "figures.json").write_text(json.dumps({"digits": found}))
    (tmp_path / "digits").mkdir()
    for name in ("dense", "hand"):
        np.savez(tmp_path / "digits" / name, features=np.eye(4, 64, dtype=np.float32))
    page = tmp_path / "page.md"
    places = {"-o": tmp_path, "--fragment": page, "--figures": tmp_path / "f"}
    monkeypatch.setattr(sys, "argv", ["tmva_bench.py", "table", *(str(v) for pair in places.items() for v in pair)])
    tmva_bench.main()
    rows = [line for line in page.read_text().splitlines() if line.startswith("|")]
    assert len(rows) == 5
    assert "| 1,200 | 900 | 300 s | 512 MB |" in rows[3]
    assert "| 1,200 | last | 300 s | 512 MB |" in rows[4]
    assert (tmp_path / "f" / "digits-hand.png").exists()
