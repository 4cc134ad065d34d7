"""Files that others wrote, and files that are wrong: read as documented, or an error that names file, key and cure."""

import json
import shutil
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

import facsim.io
from facsim import Block, Events, Schema, detectors
from facsim.errors import DataError, FileFormatError, MissingExtra, SchemaMismatch

N = 6


def calogan_datasets(n=N):
    """Datasets of a CaloGAN file as the original code writes them: double, contiguous."""
    rng = np.random.default_rng(1)
    shapes = {"layer_0": (3, 96), "layer_1": (12, 12), "layer_2": (12, 6), "overflow": (3,)}
    return {k: rng.exponential(10.0, (n, *s)) for k, s in shapes.items()} | {"energy": rng.uniform(1, 100, (n, 1))}


def write_hdf5(path, datasets):
    with h5py.File(path, "w") as file:
        for key, values in datasets.items():
            file[key] = values
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "other.h5"


# --- CaloGAN and CaloChallenge ---------------------------------------------------------------------------------------


def test_calogan_file_of_others(path):
    datasets = calogan_datasets()
    write_hdf5(path, datasets)
    events = facsim.io.read(path)
    assert events.schema == detectors.calogan()
    np.testing.assert_array_equal(events["layer_1"], datasets["layer_1"].astype(np.float32))
    np.testing.assert_array_equal(events["energy"], datasets["energy"][:, 0].astype(np.float32))
    assert facsim.io.read(path, blocks="all").schema == detectors.calogan(overflow=True)


def test_energy_of_shape_n_is_taken_too(path):
    datasets = calogan_datasets()
    write_hdf5(path, datasets | {"energy": datasets["energy"][:, 0]})
    assert facsim.io.read(path).conditions.shape == (N, 1)


def test_other_datasets_are_read_when_asked_for(path):
    """The set with positions and angles (arXiv:1711.08813) has x0, px and so on beside the layers."""
    write_hdf5(path, calogan_datasets() | {"x0": np.arange(N) - 2.0, "px": np.ones((N, 1))})
    events = facsim.io.read(path, conditions=["energy", "x0", "px"])
    assert [b.name for b in events.schema.conditions] == ["energy", "x0", "px"]
    assert events["x0"].tolist() == [-2, -1, 0, 1, 2, 3]
    assert facsim.io.read(path, weights="x0").weights.tolist() == [-2, -1, 0, 1, 2, 3]
    assert [b.name for b in facsim.io.read(path, blocks=["x0", "layer_2"]).schema.features] == ["x0", "layer_2"]


def test_rounding_of_overflow_is_forgiven_and_no_more(path):
    datasets = calogan_datasets()
    datasets["overflow"][2, 1] = -0.002
    write_hdf5(path, datasets)
    assert facsim.io.read(path, blocks="all")["overflow"][2, 1] == 0
    datasets["overflow"][2, 1] = -0.02
    write_hdf5(path, datasets)
    with pytest.raises(DataError, match=r"other\.h5: block 'overflow', event 2, column 1.*negative energy"):
        facsim.io.read(path, blocks="all")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer_2": None}, "needs the dataset 'layer_2'.*there are.*layer='hdf5'|needs the dataset 'layer_2'"),
        ({"energy": None}, "needs the dataset 'energy'"),
        ({"layer_1": np.ones((N, 12, 11))}, r"'layer_1' has shape \(6, 12, 11\).*\(n, 12, 12\).*layout='hdf5'"),
        ({"layer_1": np.ones((N - 1, 12, 12))}, "different length"),
        ({"layer_0": np.full((N, 3, 96), b"x")}, "not numbers"),
        ({"energy": np.float64(3)}, "'energy' has shape"),
    ],
)
def test_wrong_calogan_file(path, change, message):
    datasets = {k: v for k, v in (calogan_datasets() | change).items() if v is not None}
    write_hdf5(path, datasets)
    with pytest.raises(FileFormatError, match=rf"other\.h5.*{message}"):
        facsim.io.read(path)


@pytest.mark.parametrize(
    "name", ["calochallenge-1-photons", "calochallenge-1-pions", "calochallenge-2", "calochallenge-3"]
)
def test_calochallenge_file_of_others_is_known_by_its_voxels(path, name):
    schema = detectors.get(name)
    showers = np.random.default_rng(0).exponential(5.0, (3, schema.width))
    write_hdf5(path, {"showers": showers, "incident_energies": [[256.0], [512.0], [1024.0]]})
    events = facsim.io.read(path)
    assert events.schema == schema
    np.testing.assert_array_equal(events.features, showers.astype(np.float32))
    assert events["energy"].tolist() == [256, 512, 1024]
    last = schema.features[-1]
    block = facsim.io.read(path, blocks=[last.name])[last.name]
    np.testing.assert_array_equal(block.reshape(3, -1), showers[:, -last.size :].astype(np.float32))


def test_calochallenge_file_as_the_challenge_wants_it(path):
    schema = detectors.get("calochallenge-1-photons")
    events = Events(np.ones((4, 368)), np.full((4, 1), 512), schema)
    facsim.io.write(path, events)
    with h5py.File(path) as file:
        assert set(file) == {"showers", "incident_energies"}
        assert (file["showers"].shape, file["incident_energies"].shape) == ((4, 368), (4, 1))


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ({"showers": np.ones((3, 367)), "incident_energies": np.ones((3, 1))}, "'showers' has 367 voxels.*368"),
        ({"showers": np.ones((3, 368))}, "needs the dataset 'incident_energies'"),
        ({"incident_energies": np.ones((3, 1))}, "needs the dataset 'showers'"),
        ({"showers": np.ones((3, 368)), "incident_energies": np.ones((2, 1))}, "different length"),
        ({"showers": np.ones(3), "incident_energies": np.ones((3, 1))}, "'showers' has"),
    ],
)
def test_wrong_calochallenge_file(path, datasets, message):
    write_hdf5(path, datasets)
    with pytest.raises(FileFormatError, match=rf"other\.h5.*{message}"):
        facsim.io.read(path)


# --- Tables without a schema -----------------------------------------------------------------------------------------

COLUMNS = {
    "pt": np.linspace(1, 2, N),
    "n hits": np.arange(N, dtype=np.int16),
    "w": np.linspace(-1, 1, N),
    "image": np.arange(N * 4, dtype=np.float32).reshape(N, 4),
}


def write_root(path):
    import uproot

    with uproot.recreate(path) as file:
        file.mktree("other", {"x": np.float64})
        file.mktree("jets", {k: np.dtype((v.dtype, v.shape[1:])) for k, v in COLUMNS.items()})
        file["jets"].extend(COLUMNS)


def write_rntuple(path):
    import uproot

    with uproot.recreate(path) as file:
        file["jets"] = COLUMNS


def write_npz(path):
    np.savez(path, **COLUMNS, name=np.array("scalar text"))


def write_parquet(path):
    pa = pytest.importorskip("pyarrow", reason='needs pyarrow: pip install "facsim[parquet]"')
    parquet = pytest.importorskip("pyarrow.parquet")
    image = pa.FixedSizeListArray.from_arrays(pa.array(COLUMNS["image"].ravel()), 4)
    table = pa.table({k: image if k == "image" else pa.array(v) for k, v in COLUMNS.items()} | {"text": ["a"] * N})
    parquet.write_table(table, path, row_group_size=4)


@pytest.mark.parametrize(
    ("suffix", "make"),
    [
        (".h5", lambda path: write_hdf5(path, COLUMNS | {"text": ["a"] * N})),
        (".npz", write_npz),
        (".root", write_root),
        (".root", write_rntuple),
        (".parquet", write_parquet),
    ],
)
def test_table_without_a_schema(tmp_path, suffix, make):
    path = tmp_path / f"table{suffix}"
    make(path)
    how = {"tree": "jets"} if suffix == ".root" else {}
    events = facsim.io.read(path, **how)
    assert {b.name: b.shape for b in events.schema.features} == {k: v.shape[1:] for k, v in COLUMNS.items()}
    assert {(b.kind, b.unit) for b in events.schema.features} == {("real", "")}
    picked = facsim.io.read(path, features=["image", "pt"], conditions=["n hits"], weights="w", **how)
    assert [b.name for b in picked.schema.features] == ["image", "pt"]
    np.testing.assert_array_equal(picked["image"], COLUMNS["image"])
    np.testing.assert_array_equal(picked.conditions[:, 0], COLUMNS["n hits"])
    np.testing.assert_array_equal(picked.weights, COLUMNS["w"])
    rest = facsim.io.read(path, conditions=["n hits"], weights="w", **how)
    assert {b.name for b in rest.schema.features} == {"pt", "image"}
    with pytest.raises(SchemaMismatch, match=r"no block 'n_hits'.*Did you mean 'n hits'"):
        facsim.io.read(path, conditions=["n_hits"], **how)
    with pytest.raises(DataError, match="weights='image' has shape"):
        facsim.io.read(path, weights="image", **how)
    with pytest.raises(DataError, match="once"):
        facsim.io.read(path, features=["pt"], conditions=["pt"], **how)


def test_a_tree_must_be_chosen(tmp_path):
    path = tmp_path / "table.root"
    write_root(path)
    with pytest.raises(FileFormatError, match=r"table\.root.*several trees.*'other', 'jets'.*tree="):
        facsim.io.read(path)
    with pytest.raises(FileFormatError, match=r"no tree 'jet'.*Did you mean 'jets'"):
        facsim.io.read(path, tree="jet")


def test_fancy_tree_without_a_cell(tmp_path):
    import uproot

    path = tmp_path / "cells.root"
    with uproot.recreate(path) as file:
        file.mktree("fancy_tree", dict.fromkeys(["cell_0", "cell_1", "cell_2", "TotalEnergy"], np.float64))
    with pytest.raises(FileFormatError, match=r"cells\.root.*needs the branch 'cell_3' in tree 'fancy_tree'"):
        facsim.io.read(path)


def test_missing_values_in_parquet_are_refused(tmp_path):
    pa = pytest.importorskip("pyarrow", reason='needs pyarrow: pip install "facsim[parquet]"')
    path = tmp_path / "table.parquet"
    pytest.importorskip("pyarrow.parquet").write_table(pa.table({"x": [1, None, 3]}), path)
    with pytest.raises(DataError, match=r"table\.parquet: block 'x', event 1"):
        facsim.io.read(path)


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    events = Events([[1.0]], np.empty((1, 0)), Schema((Block("x"),)))
    with pytest.raises(MissingExtra, match=r'pip install "facsim\[parquet\]"'):
        facsim.io.write(tmp_path / "table.parquet", events)
    assert list(tmp_path.iterdir()) == []


def test_no_pickle_in_npz(tmp_path):
    path = tmp_path / "objects.npz"
    np.savez(path, x=np.array([{}, {}], object), allow_pickle=True)
    with pytest.raises(FileFormatError, match=r"objects\.npz"):
        facsim.io.read(path)


def test_npz_with_columns_stored_first(tmp_path):
    path = tmp_path / "fortran.npz"
    np.savez(path, x=np.asfortranarray(np.ones((4, 3))))
    with pytest.raises(FileFormatError, match=r"fortran\.npz: array 'x'.*ascontiguousarray"):
        facsim.io.read(path)


def test_npz_that_lacks_a_block(tmp_path):
    whole, path = tmp_path / "whole.npz", tmp_path / "part.npz"
    facsim.io.write(whole, Events(np.ones((2, 504)), np.ones((2, 1)), detectors.calogan()))
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            if name != "layer_1.npy":
                target.writestr(name, source.read(name))
    with pytest.raises(FileFormatError, match=r"part\.npz: lacks the array 'layer_1'"):
        facsim.io.read(path)


def test_schema_that_is_no_schema(path):
    with h5py.File(path, "w") as file:
        file["x"] = np.ones(3)
        file.attrs["facsim_schema"] = json.dumps({"columns": []})
    with pytest.raises(SchemaMismatch, match="not a schema"):
        facsim.io.read(path)


def test_attributes_of_others_become_plain(path):
    write_hdf5(path, calogan_datasets())
    with h5py.File(path, "a") as file:
        file.attrs.update(
            {"text": np.bytes_(b"abc"), "list": np.arange(2), "empty": h5py.Empty("f4"), "x": np.float32(2)}
        )
    attrs = facsim.io.info(path)["attrs"]
    assert {k: attrs[k] for k in ("text", "list", "x")} == {"text": "abc", "list": [0, 1], "x": 2.0}
    json.dumps(attrs)


def test_import_is_light():
    """Libraries of formats are loaded when a file of theirs is touched."""
    heavy = "h5py", "uproot", "awkward", "pyarrow"
    code = f"import sys, facsim.io, facsim.detectors; sys.exit(str([m for m in {heavy} if m in sys.modules] or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.strip() == ""


def test_nothing_to_read(path):
    with h5py.File(path, "w") as file:
        file.create_group("inside")
    with pytest.raises(FileFormatError, match=r"other\.h5: no numeric dataset.*inside"):
        facsim.io.read(path)


# --- Names and arguments ---------------------------------------------------------------------------------------------


def test_missing_file_and_folder_and_unknown_format(tmp_path):
    (tmp_path / "showers.h5").touch()
    with pytest.raises(FileFormatError, match=r"shower\.h5: no such file.*Did you mean 'showers\.h5'"):
        facsim.io.read(tmp_path / "shower.h5")
    with pytest.raises(FileFormatError, match="a folder without PNG images"):
        facsim.io.read(tmp_path)
    (tmp_path / "notes.txt").write_text("some text")
    with pytest.raises(FileFormatError, match=r"notes\.txt: begins with b'some tex'.*calogan, calochallenge"):
        facsim.io.read(tmp_path / "notes.txt")
    with pytest.raises(FileFormatError, match=r"showers\.h5: is empty \(0 bytes\)"):
        facsim.io.read(tmp_path / "showers.h5")


def test_unknown_suffix_and_layout(tmp_path):
    events = Events([[1.0]], np.empty((1, 0)), Schema((Block("x"),)))
    with pytest.raises(FileFormatError, match=r"suffix '\.txt'.*\.h5.*\.npz"):
        facsim.io.write(tmp_path / "x.txt", events)
    with pytest.raises(FileFormatError, match=r"layout='calogn'.*Did you mean 'calogan'"):
        facsim.io.write(tmp_path / "x.h5", events, layout="calogn")
    with pytest.raises(SchemaMismatch, match=r"layout 'calogan' cannot hold this schema.*layer_0"):
        facsim.io.write(tmp_path / "x.h5", events, layout="calogan")
    facsim.io.write(tmp_path / "x.txt", events, layout="npz")
    with pytest.raises(FileFormatError, match="not the beginning of layout 'root'"):
        facsim.io.read(tmp_path / "x.txt", layout="root")
    assert facsim.io.read(tmp_path / "x.txt").features == 1


@pytest.mark.parametrize("name", ["weights", "facsim_schema", "a/b", ""])
def test_reserved_names(tmp_path, name):
    with pytest.raises(DataError, match="rename"):
        facsim.io.create(tmp_path / "x.h5", Schema((Block(name),)))


def test_arguments_that_make_no_sense(path):
    write_hdf5(path, COLUMNS)
    with pytest.raises(DataError, match=r"blocks=.*features="):
        facsim.io.open(path, blocks=["pt"], features=["pt"])
    with pytest.raises(DataError, match=r"features='pt'.*\['pt'\]"):
        facsim.io.open(path, blocks="pt")
    with pytest.raises(DataError, match=r"attrs=.*object"):
        facsim.io.create(path, Schema((Block("x"),)), attrs={"x": object()})
    with facsim.io.open(path) as reader, pytest.raises(DataError, match="n=0"):
        next(reader.batches(0))
    with pytest.raises(DataError, match=r"with facsim\.io\.create"):
        facsim.io.create(path, Schema((Block("x"),))).append(Events([[1.0]], np.empty((1, 0)), Schema((Block("x"),))))


def test_another_detector_of_the_same_shape_is_not_passed_off_as_calogan(tmp_path):
    """A mesh with the cells of CaloGAN's layer names but other edges goes to facsim's own layout."""
    schema = detectors.calogan()
    grids = [detectors.box_mesh((1, *b.shape), (10, 10, 10)).layers[0].grid for b in schema.layers]
    blocks = tuple(Block(b.name, b.shape, b.kind, b.unit, grid=g) for b, g in zip(schema.layers, grids, strict=True))
    writer = facsim.io.create(tmp_path / "x.h5", Schema(blocks, schema.conditions))
    assert writer.layout == "hdf5"


FULL_DISK = """
import resource, sys, numpy as np, facsim.io
from facsim import Block, Events, Schema
schema = Schema((Block("x", (500,)),))
events = Events(np.random.default_rng(0).normal(size=(600, 500)), np.empty((600, 0)), schema)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for suffix in sys.argv[2:]:
    try:
        facsim.io.write(sys.argv[1] + "/full" + suffix, events)
    except facsim.errors.FileFormatError as error:
        sys.stdout.write(str(error) + "\\n")
"""


def test_a_full_disk_is_noticed_before_it_is_full(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000))
    with pytest.raises(FileFormatError, match=r"x\.h5: writing failed.*97 kB left on the disk.*Nothing was left"):
        facsim.io.write(tmp_path / "x.h5", Events([[1.0]], np.empty((1, 0)), Schema((Block("x"),))))
    assert list(tmp_path.iterdir()) == []


def test_a_failing_write_is_a_clear_error_and_leaves_nothing(tmp_path):
    """A limit on the size of files stands for the disk that fails; HDF5 itself cannot survive one."""
    suffixes = [".root", ".npz"]
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path), *suffixes]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(suffixes), done.stdout + done.stderr
    for suffix, line in zip(suffixes, lines, strict=True):
        assert f"full{suffix}: writing failed" in line
        assert "disk" in line
    assert list(tmp_path.iterdir()) == []
