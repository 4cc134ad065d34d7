"""ROOT trees of others as training data: numbered and jagged branches, friends, cuts, several files, written back."""

import awkward as ak
import numpy as np
import pytest
import uproot
from click.testing import CliRunner

import facsim
import facsim.io
from facsim import Block, Events, Schema
from facsim.cli.app import cli
from facsim.errors import DataError, FileFormatError, SchemaMismatch

N = 60
RNG = np.random.default_rng(1)
PIXELS = (RNG.integers(0, 255, (N, 12)) * (RNG.random((N, 12)) < 0.4)).astype(np.uint8)
LABEL = np.arange(N, dtype=np.int32) % 10
SW = RNG.normal(size=N)
PT, ETA = RNG.uniform(0, 500, N).astype(np.float32), RNG.normal(size=N)
HITS = [list(RNG.normal(size=k).astype(np.float32)) for k in RNG.integers(0, 6, N)]
HITS[7] = [1.0] * 6  # the longest


def write_pixels(path, rows=slice(None), tree="train_sig", step=7):
    """A tree as TMVA has it, in several baskets."""
    types = {f"x{i}": np.uint8 for i in range(12)} | {"label": np.int32, "sw": np.float64, "pt": np.float32}
    columns = {f"x{i}": PIXELS[rows, i] for i in range(12)} | {"label": LABEL[rows], "sw": SW[rows], "pt": PT[rows]}
    with uproot.recreate(path) as file:
        made = file.mktree(tree, types | {"eta": np.float64})
        columns["eta"] = ETA[rows]
        for low in range(0, len(columns["sw"]), step):
            made.extend({k: v[low : low + step] for k, v in columns.items()})
    return path


def write_jagged(path, ntuple=False, hits=None):
    hits = HITS if hits is None else hits
    data = {"hits": ak.values_astype(ak.Array(hits), np.float32), "pt": PT[: len(hits)]}
    with uproot.recreate(path) as file:
        if ntuple:
            file.mkrntuple("t", data | {"name": ak.Array(["a"] * len(hits))}).extend(data | {"name": ["a"] * len(hits)})
        else:
            file.mktree("t", {"hits": "var * float32", "pt": np.float32}).extend(data)
    return path


@pytest.fixture
def pixels(tmp_path):
    return write_pixels(tmp_path / "mnist.root")


def test_numbered_branches_are_one_block_in_numerical_order(pixels):
    events = facsim.io.read(pixels, conditions=["label"], weights="sw", describe={"x": "3x4 energy MeV"})
    assert [str(b) for b in events.schema.features] == ["x (3, 4) in MeV", "pt", "eta"]
    assert events.schema.block("x").kind == "energy"
    np.testing.assert_array_equal(events["x"].reshape(N, 12), PIXELS)  # x10 comes after x9
    np.testing.assert_array_equal(events.weights, SW)
    np.testing.assert_array_equal(facsim.io.read(pixels, features=["x10"])["x10"], PIXELS[:, 10])


def test_what_is_no_family(tmp_path):
    path = tmp_path / "t.root"
    names = ["a0", "a2", "b2", "b3", "c0", "c1", "c", "d0", "d1", "e_1", "e_2"]
    with uproot.recreate(path) as file:
        types = {n: np.float64 if n == "d1" else np.float32 for n in names}
        file.mktree("t", types).extend({n: np.zeros(2, t) for n, t in types.items()})
    found = {b.name: b.shape for b in facsim.io.read(path).schema.features}
    assert found == {n: () for n in names if n[0] != "e"} | {"e": (2,)}  # gap, from 2, name taken, types differ


@pytest.mark.parametrize("ntuple", [False, True])
def test_jagged_branches_are_padded_with_a_mask(tmp_path, ntuple):
    path = write_jagged(tmp_path / "hits.root", ntuple)
    events = facsim.io.read(path)
    assert {b.name: (b.shape, b.kind) for b in events.schema.features} == {
        "pt": ((), "real"), "hits": ((6,), "real"), "hits_mask": ((6,), "mask"),
    }  # fmt: skip
    for row, hits in enumerate(HITS):
        assert events["hits"][row].tolist() == [*np.float32(hits), *[0.0] * (6 - len(hits))]
        assert events["hits_mask"][row].tolist() == [1.0] * len(hits) + [0.0] * (6 - len(hits))
    short = facsim.io.read(path, features=["hits", "hits_mask"], length=2)
    np.testing.assert_array_equal(short["hits"], events["hits"][:, :2])


def test_the_longest_of_all_files_counts(tmp_path):
    write_jagged(tmp_path / "a.root", hits=[[1.0], [2.0, 3.0]])
    write_jagged(tmp_path / "b.root", hits=[[4.0, 5.0, 6.0]])
    events = facsim.io.read(tmp_path / "?.root", features=["hits"])
    assert events["hits"].tolist() == [[1, 0, 0], [2, 3, 0], [4, 5, 6]]


def test_vectors_of_one_length_are_arrays(tmp_path):
    path = write_jagged(tmp_path / "v.root", hits=[[1.0, 2.0], [3.0, 4.0]])
    assert {b.name: b.shape for b in facsim.io.read(path).schema.features} == {"pt": (), "hits": (2,)}


def test_cut_and_defined_columns(pixels, monkeypatch):
    monkeypatch.setattr("facsim.io.derive.SLAB_BYTES", 200)  # many pieces
    chosen = facsim.io.select(
        pixels,
        features=["x", "double"],
        conditions=["r"],
        define={"m": "pt * 2", "r": "sqrt(m^2 + eta^2)", "double": "2 * x"},
        cut="pt > 250 && abs(eta) < 1 || x[3] > 200",
    )
    passed = (PT > 250) & (abs(ETA) < 1) | (PIXELS[:, 3] > 200)
    assert 5 < passed.sum() < N - 5
    events = facsim.io.read(chosen)
    np.testing.assert_array_equal(events["x"], PIXELS[passed])
    np.testing.assert_array_equal(events["double"], 2.0 * PIXELS[passed])
    np.testing.assert_allclose(events["r"], np.hypot(2 * PT, ETA)[passed], rtol=1e-6)  # single precision
    with facsim.io.open(chosen) as reader:
        joined = facsim.concatenate(reader.batches(4))
        np.testing.assert_array_equal(joined.features, events.features)
        np.testing.assert_array_equal(reader.read(3, 8).features, events.features[3:8])
    np.testing.assert_array_equal(
        facsim.io.read(pixels, cut="x3 > 200", features=["x"])["x"], PIXELS[PIXELS[:, 3] > 200]
    )


def test_shuffled_gives_every_event_once_and_the_same_for_a_seed(pixels, monkeypatch):
    monkeypatch.setattr("facsim.io.reader.SLAB_BYTES", 400)
    with facsim.io.open(pixels, features=["sw"], weights="pt") as reader:
        batches = list(reader.shuffled(9, seed=3))
        again = facsim.concatenate(reader.shuffled(9, seed=3))
        other = facsim.concatenate(reader.shuffled(9, seed=4))
    events = facsim.concatenate(batches)
    assert [len(b) for b in batches] == [9] * 6 + [6]
    np.testing.assert_array_equal(np.sort(events["sw"]), np.sort(np.float32(SW)))
    weight_of = dict(zip(np.float32(SW).tolist(), PT, strict=True))
    assert events.weights.tolist() == [weight_of[v] for v in events["sw"].tolist()]
    np.testing.assert_array_equal(events.features, again.features)
    assert (events.features != other.features).any()
    assert (events["sw"] != np.float32(SW)).sum() > N / 2


def test_patterns_lists_and_trees_in_the_path(tmp_path):
    write_pixels(tmp_path / "part1.root", slice(0, 25))
    write_pixels(tmp_path / "part2.root", slice(25, N))
    events = facsim.io.read(tmp_path / "part*.root", features=["x", "eta"])
    np.testing.assert_array_equal(events["x"], PIXELS)
    listed = facsim.io.read([tmp_path / "part2.root", f"{tmp_path}/part1.root"], features=["label"])
    np.testing.assert_array_equal(listed["label"], np.r_[LABEL[25:], LABEL[:25]])
    with facsim.io.open(f"{tmp_path}/part?.root:train_sig", features=["x"]) as reader:
        assert (len(reader), len(reader.files)) == (N, 2)
        np.testing.assert_array_equal(reader.read(20, 30)["x"], PIXELS[20:30])
        assert reader.bytes == sum(p.stat().st_size for p in tmp_path.iterdir())
    with pytest.raises(FileFormatError, match=r"port\*\.root: no file fits.*Did you mean 'part"):
        facsim.io.read(tmp_path / "port*.root")


def test_files_of_one_sample_have_the_same_columns(tmp_path):
    write_pixels(tmp_path / "a.root")
    with uproot.recreate(tmp_path / "b.root") as file:
        file.mktree("train_sig", {"pt": np.float32}).extend({"pt": PT})
    with pytest.raises(SchemaMismatch, match=r"b\.root has no 'x'.*a\.root has x \(12,\)"):
        facsim.io.read(tmp_path / "*.root")


def test_friends(tmp_path, pixels):
    friend = tmp_path / "extra.root"
    with uproot.recreate(friend) as file:
        file.mktree("w", {"better": np.float64, "pt": np.float64}).extend({"better": SW * 2, "pt": PT / 1000})
    events = facsim.io.read(pixels, friends=[friend], features=["pt", "extra.pt"], weights="better", cut="better > 0")
    np.testing.assert_array_equal(events.weights, 2 * SW[SW > 0])
    np.testing.assert_allclose(events["extra.pt"] * 1000, events["pt"], rtol=1e-6)
    assert "better" not in [b.name for b in facsim.io.read(pixels, friends=friend).schema.features]
    twin = tmp_path / "twin" / "extra.root"
    twin.parent.mkdir()
    twin.write_bytes(friend.read_bytes())
    with pytest.raises(
        DataError, match=r"twin/extra\.root: the column 'pt' would be 'extra\.pt', as that of .*another"
    ):
        facsim.io.read(pixels, friends=[friend, twin])
    short = write_pixels(tmp_path / "short.root", slice(0, 59))
    with pytest.raises(DataError, match=r"short\.root: this friend has 59 events, .*mnist\.root has 60"):
        facsim.io.read(pixels, friends=[short])


@pytest.mark.parametrize("layout", ["pixel-branches", "root", "rntuple"])
def test_layouts_give_back_what_was_written(tmp_path, layout):
    schema = Schema((Block("x", (2, 3), "energy"), Block("layer_0", (2,))), (Block("label", (), "count"),))
    events = Events(RNG.exponential(size=(9, 8)), RNG.integers(0, 9, (9, 1)), schema, RNG.normal(size=9))
    path = tmp_path / "x.root"
    facsim.io.write(path, events, layout=layout, tree="train_sig", attrs={"seed": 3})
    with facsim.io.open(path) as reader:
        back = reader.read()
        assert (reader.layout, reader.schema, reader.attrs) == (layout, schema, {"seed": 3})
    np.testing.assert_array_equal(back.features, events.features)
    np.testing.assert_array_equal(back.weights, events.weights)
    with uproot.open(path) as file:
        tree = file["train_sig"]
        names = set(tree.keys())
        assert tree.classname == ("ROOT::RNTuple" if layout == "rntuple" else "TTree")
    flat = {*(f"x{i}" for i in range(6)), "layer_0_0", "layer_0_1"}
    assert (flat if layout == "pixel-branches" else {"x", "layer_0"}) | {"label", "weights"} <= names


def test_generated_events_open_beside_the_originals(tmp_path, pixels):
    """Same tree, branches and types: what is concatenated by name must fit."""
    with facsim.io.open(pixels, features=["x"], conditions=["label"], describe={"x": "3x4 energy"}) as reader:
        events, form = reader.read(), reader.form
    events.features[0, 0], events.features[0, 1] = 300.0, 1.6  # beyond the type, and between its numbers
    copy = tmp_path / "copy.root"
    facsim.io.write(copy, events, form=form)
    both = uproot.concatenate([f"{pixels}:train_sig", f"{copy}:train_sig"], ["x0", "x11", "label"], library="np")
    assert {k: v.dtype for k, v in both.items()} == {"x0": np.uint8, "x11": np.uint8, "label": np.int32}
    assert both["x0"][N] == 255
    np.testing.assert_array_equal(both["label"], np.r_[LABEL, LABEL])
    assert facsim.io.read(copy)["x"][0, 0, 1] == 2
    facsim.convert(copy, tmp_path / "again.root")
    with facsim.io.open(tmp_path / "again.root") as reader:
        assert (reader.layout, reader.form) == ("pixel-branches", facsim.io.open(copy).form)


def test_numbered_fields_of_an_rntuple_are_written_as_they_were_read(tmp_path):
    """Each number a field of its own, and an array an array; unless arrays are asked for."""
    path, cells = tmp_path / "n.root", {f"x{i}": RNG.normal(size=7).astype(np.float32) for i in range(1, 4)}
    kinds = {**dict.fromkeys(cells, np.float32), "box": np.dtype((np.float64, (2, 2))), "n": np.int32}
    with uproot.recreate(path) as file:
        file.mkrntuple("t", kinds).extend({**cells, "box": RNG.normal(size=(7, 2, 2)), "n": np.arange(7, dtype="i4")})
    facsim.convert(path, tmp_path / "alike.root")
    with uproot.open(path) as old, uproot.open(tmp_path / "alike.root") as new:
        assert new["t"].classname == "ROOT::RNTuple"
        assert new["t"].arrays().type == old["t"].arrays().type
        np.testing.assert_array_equal(new["t"].arrays(library="np")["x3"], cells["x3"])
    with facsim.io.open(tmp_path / "alike.root") as reader:
        assert reader.read()["x"].shape == (7, 3)
    facsim.convert(path, tmp_path / "array.root", layout="root")
    with uproot.open(tmp_path / "array.root") as file:
        assert file["t"].keys() == ["x", "box", "n"]


def test_an_array_beside_numbered_branches_stays_an_array(tmp_path):
    path = tmp_path / "mixed.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("t", {"y1": "f8", "y2": "f8", "box": np.dtype(("f4", (2,)))})
        tree.extend({"y1": np.arange(3.0), "y2": np.ones(3), "box": np.ones((3, 2), np.float32)})
    for output, layout in {"alike.root": None, "pixels.root": "pixel-branches"}.items():
        facsim.convert(path, tmp_path / output, layout=layout)
    with uproot.open(tmp_path / "alike.root") as file:
        assert {b.name: b.typename for b in file["t"].branches} == {"y1": "double", "y2": "double", "box": "float[2]"}
    with uproot.open(tmp_path / "pixels.root") as file:
        assert file["t"].keys() == ["y1", "y2", "box0", "box1"]


def test_a_sum_over_a_block_can_be_cut_and_defined(pixels):
    with facsim.io.open(pixels, define={"total": "sum(x)"}, features=["total"], cut="sum(x) > 600") as reader:
        totals = facsim.io.read(pixels, features=["x"])["x"].sum(axis=1)
        np.testing.assert_array_equal(reader.read()["total"], totals[totals > 600])


def test_what_is_wrong_with_an_expression_names_the_file(tmp_path):
    path = tmp_path / "t.root"
    with uproot.recreate(path) as file:
        file.mkrntuple("t", ak.Array({"name": ["a", "b"], "a": [[1.0], [2.0, 3.0]], "b": [[1.0], [2.0] * 3]}))
    for options, message in {
        "exec(a)": r"t\.root: cut: no function 'exec'",
        "name == 1": r"(?s)t\.root: cut: 'name' is no column: the field of 't' holds 'string', .*\n  \^",
        "a[5] > 1": r"t\.root: cut: a\[5\]: the block 'a' has shape \(2,\)",
        "sum(a + b) > 1": r"t\.root: cut: .*shapes do not fit together \(a \(2,\), b \(3,\)",
    }.items():
        with pytest.raises(DataError, match=message):
            facsim.io.read(path, cut=options)


def test_a_file_of_texts_says_why_nothing_can_be_read(tmp_path):
    with uproot.recreate(tmp_path / "t.root") as file:
        file.mkrntuple("t", ak.Array({"name": ["a", "b"]}))
    with pytest.raises(FileFormatError, match=r"no numeric column.*\n  name: the field of 't' holds 'string'"):
        facsim.io.read(tmp_path / "t.root")


def test_a_jagged_branch_without_events_is_an_empty_sample(tmp_path):
    with uproot.recreate(tmp_path / "t.root") as file:
        file.mktree("t", {"x": "var * float32"})
    with pytest.raises(DataError, match="the sample is empty"):
        facsim.io.read(tmp_path / "t.root")


def test_parts_of_a_file_have_its_tree_and_branches(tmp_path, pixels):
    parts = facsim.split(pixels, tmp_path / "a.root", tmp_path / "b.root", seed=1)
    with uproot.open(pixels) as whole, uproot.open(parts[0]) as part:
        assert {b.name: b.typename for b in part["train_sig"].branches}.items() >= {
            b.name: b.typename for b in whole["train_sig"].branches if b.name[0] == "x"
        }.items()


@pytest.mark.parametrize("compression", [None, "ZLIB", "LZ4", "ZSTD", "LZMA"])
def test_every_compression_of_root(tmp_path, compression):
    """Zlib and none are unpacked here, the others by uproot."""
    path = tmp_path / "c.root"
    codec = None if compression is None else getattr(uproot, compression)(4)
    if compression in {"LZ4", "ZSTD"}:
        pytest.importorskip({"LZ4": "lz4", "ZSTD": "cramjam"}[compression])
    values = np.repeat(RNG.normal(size=(50, 3)), 20, axis=0)
    with uproot.recreate(path, compression=codec) as file:
        file.mktree("t", {"x": np.dtype((np.float64, (3,))), "y": np.bool_, "z": np.int64}).extend(
            {"x": values, "y": values[:, 0] > 0, "z": np.arange(1000)}
        )
    events = facsim.io.read(path)
    np.testing.assert_array_equal(events["x"], np.float32(values))
    np.testing.assert_array_equal(events["y"], values[:, 0] > 0)
    np.testing.assert_array_equal(events["z"], np.arange(1000))


# --- What is wrong is named ------------------------------------------------------------------------------------------


def test_bad_input(tmp_path, pixels):
    with pytest.raises(
        FileFormatError, match=r"mnist\.root: no tree 'train_sog'; there are \['train_sig'\].*mean 'train_sig'"
    ):
        facsim.io.read(pixels, tree="train_sog")
    with pytest.raises(SchemaMismatch, match=r"no block 'etaa'.*Did you mean 'eta'"):
        facsim.io.read(pixels, features=["etaa"])
    with pytest.raises(DataError, match=r"(?s)no function 'system'; allowed are abs.*\n  system\(pt\)\n  \^"):
        facsim.io.read(pixels, cut="system(pt)")
    with pytest.raises(DataError, match=r"(?s)mnist\.root: cut: no column 'ptt'.*mean 'pt'\?\n  eta > ptt\n        \^"):
        facsim.io.read(pixels, cut="eta > ptt")
    with pytest.raises(DataError, match=r"none of the 60 events passes the cut 'pt > 1e9'"):
        facsim.io.read(pixels, cut="pt > 1e9")
    with pytest.raises(DataError, match=r"gives numbers of shape \(12,\)"):
        facsim.io.read(pixels, cut="x > 3")
    with pytest.raises(DataError, match=r"describe x='28x28'.*12 numbers, not 784"):
        facsim.io.read(pixels, describe={"x": "28x28"})
    with pytest.raises(DataError, match=r"describe 'y'.*no such block"):
        facsim.io.read(pixels, describe={"y": "28x28"})
    with pytest.raises(DataError, match=r"define pt='1'.*has a column 'pt'"):
        facsim.io.read(pixels, define={"pt": "1"})
    with pytest.raises(DataError, match=r"block 'bad', event .* \(not finite"):
        facsim.io.read(pixels, features=["bad"], define={"bad": "log(eta)"})
    with pytest.raises(DataError, match="length=0"):
        facsim.io.read(pixels, length=0)
    with pytest.raises(DataError, match=r"tree='t'.*layout 'npz' has no tree"):
        facsim.convert(pixels, tmp_path / "x.npz", tree="t")


def test_a_branch_of_strings_is_named(tmp_path):
    path = write_jagged(tmp_path / "s.root", ntuple=True)
    with pytest.raises(FileFormatError, match=r"s\.root: 'name' can be no block: the field of 't' holds 'string'"):
        facsim.io.read(path, features=["name"])


def test_a_file_without_trees_and_an_empty_tree(tmp_path):
    path = tmp_path / "none.root"
    with uproot.recreate(path) as file:
        file["note"] = "text"
    with pytest.raises(FileFormatError, match=r"none\.root: holds no tree.*note.*TObjString"):
        facsim.io.read(path)
    write_pixels(path, slice(0, 0))
    with pytest.raises(DataError, match=r"none\.root: the sample is empty"):
        facsim.io.read(path)


def test_a_damaged_basket_is_an_error_that_names_the_file(pixels):
    data = bytearray(pixels.read_bytes())
    with uproot.open(pixels) as file:
        where = int(file["train_sig"]["x5"].member("fBasketSeek")[2])
    for i in range(where + 60, where + 90):
        data[i] ^= 0xFF
    pixels.write_bytes(data)
    with pytest.raises(FileFormatError, match=r"mnist\.root"):
        facsim.io.read(pixels)


# --- The command line ------------------------------------------------------------------------------------------------


def run(*words):
    result = CliRunner().invoke(cli, [str(w) for w in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_digits_become_what_tmva_takes(tmp_path):
    path = tmp_path / "digits.root"
    run("convert", "digits", path, "--layout", "pixel-branches", "--tree", "train_sig")
    with uproot.open(path) as file:
        tree = file["train_sig"]
        assert (tree.num_entries, len(tree.keys())) == (1797, 65)
        assert tree["image0"].typename == "float"
    assert facsim.io.read(path).schema == facsim.datasets.load("digits").schema


def test_options_choose_on_the_command_line(tmp_path, pixels):
    out = tmp_path / "out.h5"
    words = ["--features", "x,m", "--conditions", "label", "--weights", "sw", "--define", "m=pt*2"]
    words += ["--cut", "pt > 250", "--describe", "x=3x4 energy"]
    run("convert", f"{pixels}:train_sig", out, *words)
    events = facsim.io.read(out)
    assert [str(b) for b in events.schema.features + events.schema.conditions] == ["x (3, 4)", "m", "label"]
    np.testing.assert_array_equal(events["m"], PT[PT > 250] * 2)
    np.testing.assert_array_equal(events.weights, SW[PT > 250])
    assert '"events": ' in run("info", pixels, "--tree", "train_sig", "--cut", "pt > 250", "--json")
    result = CliRunner().invoke(cli, ["info", str(pixels), "--cut", "pt >> 250"])
    assert result.exit_code == 2
    assert "      ^" in result.output
