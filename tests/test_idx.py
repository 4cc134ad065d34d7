"""Images from anywhere: IDX files as MNIST's, folders of PNG images, and the bundled digits."""

import gzip
import hashlib
import struct

import numpy as np
import pytest
from PIL import Image

import facsim
import facsim.io
from facsim import datasets
from facsim.errors import FileFormatError, SchemaMismatch

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 5, 4)).astype(np.uint8)
LABELS = (np.arange(20) % 4).astype(np.uint8)


def idx(array, code=0x08):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.tobytes()


@pytest.mark.parametrize("packed", [False, True])
def test_images_with_the_labels_beside_them(tmp_path, packed):
    pack, end = (gzip.compress, ".gz") if packed else (bytes, "")
    path = tmp_path / f"train-images-idx3-ubyte{end}"
    path.write_bytes(pack(idx(IMAGES)))
    (tmp_path / f"train-labels-idx1-ubyte{end}").write_bytes(pack(idx(LABELS)))
    with facsim.io.open(path) as reader:
        events = reader.read()
        assert reader.layout == ("idx-gz" if packed else "idx")
        np.testing.assert_array_equal(reader.read(7, 11)["image"], IMAGES[7:11])
    np.testing.assert_array_equal(events["image"], IMAGES)
    np.testing.assert_array_equal(events["label"], LABELS)
    label = events.schema.block("label")
    assert (label.kind, label.names, events.schema.is_condition("label")) == ("category", ("0", "1", "2", "3"), True)


def test_labels_elsewhere_are_a_friend(tmp_path):
    (tmp_path / "a.idx").write_bytes(idx(IMAGES.astype(">f4"), 0x0D))
    (tmp_path / "b.idx").write_bytes(idx(LABELS))
    events = facsim.io.read(tmp_path / "a.idx", friends=[tmp_path / "b.idx"], conditions=["label"], cut="label == 2")
    np.testing.assert_array_equal(events["image"], IMAGES[LABELS == 2])


def test_wrong_idx_files(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(idx(IMAGES)[:-1])
    with pytest.raises(FileFormatError, match=r"idx3-ubyte: has 415 bytes.*need 416.*cut short"):
        facsim.io.read(path)
    path.write_bytes(b"\0\0\7\1" + bytes(30))
    with pytest.raises(FileFormatError, match=r"idx3-ubyte.*no IDX file"):
        facsim.io.read(path)
    path.write_bytes(idx(IMAGES))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS[:19]))
    with pytest.raises(FileFormatError, match=r"labels-idx1-ubyte: has shape \(19,\) beside 20 images"):
        facsim.io.read(path)
    packed = tmp_path / "x.gz"
    packed.write_bytes(gzip.compress(idx(IMAGES))[:-40])
    with pytest.raises(FileFormatError, match=r"x\.gz: cannot be read"):
        facsim.io.read(packed)
    with pytest.raises(SchemaMismatch, match="only read"):
        facsim.io.convert(tmp_path / "train-labels-idx1-ubyte", tmp_path / "y", layout="idx")


def test_a_packed_file_that_says_its_images_are_huge(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12))
    with pytest.raises(FileFormatError, match=r"images\.gz: says that an entry has the shape .* damaged"):
        facsim.io.read(path)


def test_a_folder_without_images(tmp_path):
    with pytest.raises(FileFormatError, match="a folder without PNG images"):
        facsim.io.read(tmp_path)


@pytest.mark.parametrize(("mode", "shape"), [("L", (5, 4)), ("RGB", (3, 5, 4))])
def test_a_folder_of_pngs(tmp_path, mode, shape):
    values = RNG.integers(0, 256, (6, *shape)).astype(np.uint8)
    for i, pixels in enumerate(values):
        folder = tmp_path / ("cats" if i < 4 else "dogs")
        folder.mkdir(exist_ok=True)
        Image.fromarray(np.moveaxis(pixels, 0, -1) if mode == "RGB" else pixels).save(folder / f"{i}.png")
    with facsim.io.open(tmp_path) as reader:
        events = reader.read()
        assert reader.layout == "png"
    np.testing.assert_array_equal(events["image"], values)
    assert events["label"].tolist() == [0, 0, 0, 0, 1, 1]
    assert events.schema.block("label").names == ("cats", "dogs")
    assert facsim.info(tmp_path)["events"] == 6
    Image.new(mode, (9, 9)).save(tmp_path / "dogs" / "z.png")
    with pytest.raises(FileFormatError, match=r"z\.png: has shape .*9, 9"):
        facsim.io.read(tmp_path)
    (tmp_path / "dogs" / "z.png").write_bytes(b"no image")
    with pytest.raises(FileFormatError, match=r"z\.png: cannot be read as an image"):
        facsim.io.read(tmp_path)


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    events, found = datasets.load("digits"), load_digits()
    np.testing.assert_array_equal(events["image"], found.images)
    np.testing.assert_array_equal(events["digit"], found.target)
    checksum = hashlib.sha256(datasets.path("digits").read_bytes()).hexdigest()
    assert checksum == datasets.provenance("digits")["sha256"]


def test_constant_columns_need_no_noise(tmp_path):
    """TMVA needed noise added to pixels that are always zero: here they are fitted as they are, and stay zero."""
    pytest.importorskip("torch")
    digits = datasets.load("digits")[:400]
    dark = (digits.features == 0).all(axis=0)
    assert dark.sum() >= 2  # corners that nobody writes in
    facsim.io.write(tmp_path / "d.root", digits, layout="pixel-branches", tree="train_sig")
    small = {"training.steps": 4, "training.batch": 16, "training.fit_events": 300, "training.validate_every": 4}
    for kind in ("energy", "real"):
        data = facsim.io.select(tmp_path / "d.root", describe={"image": f"8x8 {kind}"})
        model = facsim.fit(data, "cfm", output=tmp_path / kind, overrides=small)
        events = model.sample(digits[:50], seed=1)
        assert np.isfinite(events.features).all()
        # one pixel in ten million lights up, and 400 are drawn; real columns vary by the rounding of their mean
        assert np.abs(events.features[:, dark]).max() < 1e-6
    out = facsim.sample(tmp_path / "energy", like=digits, n=5, output=tmp_path / "new.root")
    with facsim.io.open(out) as reader:  # written as the training data were
        assert (reader.layout, reader.form["tree"]) == ("pixel-branches", "train_sig")
