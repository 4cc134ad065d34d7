"""Laws that every file layout keeps: what is written is read, in one piece or many, and nothing is half-written."""

import dataclasses

import numpy as np
import pytest

import facsim.io
from facsim import Block, Events, Grid, Schema, concatenate, detectors
from facsim.errors import DataError, FileFormatError, SchemaMismatch
from facsim.io import calibration_tsv, pidgan_csv

CELLS = Block("cells", (2, 3), "energy", "MeV", grid=Grid(("x", "y"), ((0, 1, 2), (0, 1, 2, 4)), (0, 9)), threshold=0.1)
TABLE = Schema(
    (
        CELLS,
        Block("dll.K", kind="real"),
        Block("sort of", kind="category", names=("K", "pi")),
        Block("ok", (4,), "mask"),
    ),
    (Block("p", kind="energy", unit="GeV"), Block("direction", (2,), "angle", "rad")),
    "a table of everything",
)


def schema_of(table, detector):
    features, conditions = (tuple(c.block for c in columns) for columns in (table.FEATURES, table.CONDITIONS))
    return Schema(features, conditions, detector)


CASES = {  # name: (suffix, schema, layout chosen)
    "calogan": (".h5", detectors.calogan(), "calogan"),
    "calogan-overflow": (".hdf5", detectors.calogan(overflow=True), "calogan"),
    "calogan-angle": (
        ".h5",
        dataclasses.replace(detectors.calogan(), conditions=(*detectors.calogan().conditions, Block("theta"))),
        "calogan",
    ),
    "calochallenge": (".hdf5", detectors.get("calochallenge-1-pions"), "calochallenge"),
    "jet-images": (".h5", detectors.jet_images(), "jet-images"),
    "jet-images-quantities": (".hdf5", detectors.jet_images(quantities=True), "jet-images"),
    "hdf5": (".h5", TABLE, "hdf5"),
    "hdf5-mesh": (".h5", detectors.box_mesh((3, 2, 2), (9, 2, 2)), "hdf5"),
    "calogan-root": (".root", detectors.calogan(), "calogan-root"),
    "calogan-root-overflow": (".root", detectors.calogan(overflow=True), "calogan-root"),
    "root": (".root", TABLE, "root"),
    "npz": (".npz", TABLE, "npz"),
    "npz-calogan": (".npz", detectors.calogan(), "npz"),
    "parquet": (".parquet", TABLE, "parquet"),
    "parquet-calogan": (".parquet", detectors.calogan(), "parquet"),
    "calibration-tsv": (".tsv", schema_of(calibration_tsv, "rich"), "calibration-tsv"),
    "pidgan-csv": (".csv", schema_of(pidgan_csv, "rich"), "pidgan-csv"),
}
TEXT = {"calibration-tsv", "pidgan-csv"}  # public layouts: single columns, and no room for attributes
SLOW = {"calogan-root", "calogan-root-overflow"}  # uproot takes a second to set up 508 branches: not for every law
quick = pytest.mark.parametrize("case", [case for case in CASES if case not in SLOW])
each = pytest.mark.parametrize("case", [case for case in CASES if case != "calogan-root-overflow"])
both_ways = [(case, weighted) for case in CASES if case not in SLOW for weighted in (False, True)]
both_ways += [("calogan-root", True), ("calogan-root-overflow", False)]


def need(layout):
    if layout == "parquet":
        pytest.importorskip("pyarrow", reason='Parquet needs pyarrow: pip install "facsim[parquet]"')


def sample(schema, n, weighted=False, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.exponential(1e3, (n, schema.width)) * (rng.random((n, schema.width)) < 0.4)
    conditions = rng.uniform(1, 100, (n, schema.condition_width))
    return Events(features, conditions, schema, rng.normal(size=n) if weighted else None)


@pytest.fixture
def target(case, tmp_path):
    suffix, schema, layout = CASES[case]
    need(layout)
    return tmp_path / f"events{suffix}", schema, layout


def assert_equal(a, b):
    assert a.schema == b.schema
    np.testing.assert_array_equal(a.features, b.features)
    np.testing.assert_array_equal(a.conditions, b.conditions)
    assert (a.weights is None) == (b.weights is None)
    if a.weights is not None:
        np.testing.assert_array_equal(a.weights, b.weights)


@pytest.mark.parametrize(("case", "weighted"), both_ways)
def test_write_then_read_is_the_identity(target, weighted):
    path, schema, layout = target
    attrs = {"seed": 3, "made by": "test", "range": np.array([1, 100]), "origin": {"version": "11.4", "cut": None}}
    events = sample(schema, 300, weighted)  # more than a chunk, and not a multiple of it
    facsim.io.write(path, events, attrs=attrs)
    assert_equal(facsim.io.read(path, blocks="all"), events)
    with facsim.io.open(path) as reader:
        assert (len(reader), reader.layout, reader.weighted) == (300, layout, weighted)
        assert reader.attrs == ({} if layout in TEXT else attrs | {"range": [1, 100]})


@quick
def test_content_and_not_the_name_decides(target, tmp_path):
    path, schema, layout = target
    events = sample(schema, 3)
    facsim.io.write(path, events)
    path = path.rename(tmp_path / "anything.bin")
    with facsim.io.open(path, blocks="all") as reader:
        assert reader.layout == layout
        assert_equal(reader.read(), events)


@quick
def test_batches_joined_equal_read(target, monkeypatch):
    path, schema, _ = target
    monkeypatch.setattr("facsim.io.reader.SLAB_BYTES", 1 << 18)  # several slabs in a small file
    events = sample(schema, 301, weighted=True)
    facsim.io.write(path, events)
    with facsim.io.open(path, blocks="all") as reader:
        for n in (1, 7, 1000):
            batches = list(reader.batches(n))
            assert {len(b) for b in batches[:-1]} <= {n}
            assert_equal(concatenate(batches), events)


@quick
def test_slices_in_any_order(target):
    path, schema, _ = target
    events = sample(schema, 50)
    facsim.io.write(path, events)
    with facsim.io.open(path, blocks="all") as reader:
        for part in (slice(20, 30), slice(0, 5), slice(29, 50), slice(-3, None)):
            assert_equal(reader.read(part.start, part.stop), events[part])


@quick
def test_appending_in_parts_is_writing_at_once(target, monkeypatch):
    path, schema, _ = target
    monkeypatch.setattr("facsim.io.writer.BUFFER_BYTES", 1)  # flush at every 256 events
    events = sample(schema, 600, weighted=True)
    with facsim.io.create(path, schema) as writer:
        for first, last in ((0, 1), (1, 1), (1, 258), (258, 590), (590, 600)):
            writer.append(events[first:last])
        assert len(writer) == 600
        assert not path.exists()
    assert_equal(facsim.io.read(path, blocks="all"), events)


@quick
def test_an_error_while_writing_leaves_nothing_behind(target, monkeypatch):
    path, schema, layout = target
    monkeypatch.setattr("facsim.io.writer.BUFFER_BYTES", 1)  # so that something is on disk by then
    for error in (RuntimeError("mine"), KeyboardInterrupt("mine")):
        with pytest.raises(type(error), match="mine"), facsim.io.create(path, schema) as writer:  # noqa: PT012
            writer.append(sample(schema, 300))
            assert layout == "npz" or list(path.parent.iterdir()) != []  # npz spools to an unnamed file
            raise error
    assert list(path.parent.iterdir()) == []


@quick
def test_an_error_keeps_the_old_file(target):
    path, schema, _ = target
    old = sample(schema, 4)
    facsim.io.write(path, old)
    with pytest.raises(SchemaMismatch, match=path.name), facsim.io.create(path, schema) as writer:
        writer.append(Events(np.ones((1, 1)), np.ones((1, 0)), Schema((Block("other"),))))
    assert_equal(facsim.io.read(path, blocks="all"), old)
    assert list(path.parent.iterdir()) == [path]


@quick
def test_weights_for_some_only_are_refused(target):
    path, schema, _ = target
    with pytest.raises(DataError, match="weighted and unweighted"), facsim.io.create(path, schema) as writer:  # noqa: PT012
        writer.append(sample(schema, 2, weighted=True))
        writer.append(sample(schema, 2))
    assert not path.exists()


@each
def test_a_truncated_file_is_named(target):
    path, schema, _ = target
    facsim.io.write(path, sample(schema, 60, weighted=True))
    whole = path.read_bytes()
    for cut in (0, 3, 30, *(int(share * len(whole)) for share in (0.01, 0.3, 0.6, 0.9, 0.99)), len(whole) - 1):
        if path.suffix in {".tsv", ".csv"} and whole[:cut].endswith(b"\n"):
            continue  # a shorter table of text is a table
        path.write_bytes(whole[:cut])
        with pytest.raises(FileFormatError, match=path.name):
            facsim.io.read(path, blocks="all")
        with pytest.raises(FileFormatError, match=path.name):
            facsim.io.info(path)


@quick
def test_blocks_are_picked_in_order(target):
    path, schema, _ = target
    events = sample(schema, 20)
    facsim.io.write(path, events)
    names = [b.name for b in schema.features][1::-1]
    assert_equal(facsim.io.read(path, blocks=names), events.select(names))
    unknown = names[0][:-1] + "_"
    with pytest.raises(SchemaMismatch, match=rf"{path.name}.*'{unknown}'.*Did you mean '"):
        facsim.io.read(path, blocks=[unknown])


@pytest.mark.parametrize("case", [case for case in CASES if case not in SLOW | TEXT])
@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "not finite"), (np.inf, "not finite"), (-1.0, "negative energy")]
)
def test_impossible_values_are_refused(target, value, message):
    path, schema, _ = target
    events = sample(schema, 20)
    block = schema.features[0]
    events.features[7, schema.columns(block.name).start + 2] = value
    facsim.io.write(path, events)
    with pytest.raises(DataError, match=f"{path.name}.*'{block.name}', event 7, column 2.*{message}"):
        facsim.io.read(path)
    with facsim.io.open(path) as reader, pytest.raises(DataError, match=r"counting from event 5.*event 2,"):
        reader.read(5, 10)
    assert_equal(facsim.io.read(path, blocks="all", check=False), events)
    described = facsim.io.info(path)["features"][block.name]
    assert described["not_finite"] == (not np.isfinite(value))


@quick
def test_an_empty_sample_is_refused(target):
    path, schema, _ = target
    facsim.io.write(path, sample(schema, 0))
    with pytest.raises(DataError, match=f"{path.name}.*empty"):
        facsim.io.read(path)
    with facsim.io.open(path) as reader, pytest.raises(DataError, match="empty"):
        next(reader.batches(10))
    assert_equal(facsim.io.read(path, check=False, blocks="all"), sample(schema, 0))
    assert facsim.io.info(path)["features"][schema.features[0].name]["mean"] is None


@quick
def test_info_agrees_with_the_events(target):
    path, schema, layout = target
    events = sample(schema, 1500 if schema.width < 30 else 300, weighted=True)
    facsim.io.write(path, events)
    seen = []
    summary = facsim.io.info(path, progress=lambda done, total: seen.append((done, total)))
    assert (summary["layout"], summary["events"], seen[-1]) == (layout, len(events), (len(events),) * 2)
    assert summary["weights"]["sum"] == pytest.approx(events.weights.sum())
    assert summary["weights"]["negative"] == np.mean(events.weights < 0)
    for block in schema.features:
        said, values = summary["features"][block.name], events[block.name]
        assert (said["shape"], said["unit"], said["kind"]) == (list(block.shape), block.unit, block.kind)
        assert (said["min"], said["max"]) == (values.min(), values.max())
        assert said["mean"] == pytest.approx(values.mean(dtype=np.float64))
        assert said["zeros"] == np.mean(values == 0)
        assert said["below_threshold"] == (np.mean(values < block.threshold) if block.threshold else None)
    for block in schema.conditions:
        assert summary["conditions"][block.name]["max"] == events[block.name].max()
