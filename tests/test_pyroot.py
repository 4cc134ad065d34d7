"""PyROOT scripts for MethodGAN, run with the import line changed."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import uproot

import facsim
from facsim import pyroot
from facsim.errors import DataError, FileFormatError, OptionStringError, RecipeError, SchemaMismatch
from facsim.pyroot import TMVA, NotInShim, ShimWarning, TChain, TCut, TFile
from facsim.pyroot.missing import NoSuchCall
from facsim.pyroot.parting import TEST, TRAIN, Parting
from facsim.tmva import FINDINGS

OPTIONS = (
    "!H:V:ErrorStrategy=CROSSENTROPY:VarTransform=N:WeightInitialization=XAVIERUNIFORM:"
    "InputLayout=1|1|16##1|1|16:BatchLayout=20|1|16##20|1|16:"
    "Layout=RESHAPE|1|1|16|FLAT,DENSE|24|RELU,DENSE|16|TANH##RESHAPE|1|1|16|FLAT,DENSE|24|RELU,DENSE|1|SIGMOID:"
    "TrainingStrategy=MaxEpochs=2,GeneratorLearningRate=2e-4,GeneratorBatchSize=20,GeneratorTestRepetitions=1,"
    "DiscriminatorLearningRate=2e-4,DiscriminatorBatchSize=20,DiscriminatorTestRepetitions=1:Architecture=CPU"
)

SCRIPT = """\
from ROOT import TMVA, TFile, TCut, gROOT

gROOT.SetBatch(True)
TMVA.Tools.Instance()

outputFile = TFile.Open("TMVA_GAN.root", "RECREATE")
factory = TMVA.Factory("MNIST", outputFile,
    "!V:Silent:Color:DrawProgressBar:Transformations=I;D;P;G,D:AnalysisType=Classification")
loader = TMVA.DataLoader("dataset")
for i in range(16):
    loader.AddVariable("x%d" % i, 'F')

inputFile = TFile.Open("digits.root")
signal = inputFile.Get("train_sig")
loader.AddSignalTree(signal, 1.0)
cut = TCut("label < 5") + TCut("x0 >= 0")
loader.PrepareTrainingAndTestTree(cut, "nTrain_Signal=120:nTest_Signal=50:SplitMode=Random:NormMode=NumEvents:!V")
method = factory.BookMethod(loader, TMVA.Types.kGAN, "GAN", options)
factory.TrainAllMethods()
factory.TestAllMethods()
factory.EvaluateAllMethods()
outputFile.Close()
"""


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """A file as TMVA wants it, in the working folder: 400 images of 4 x 4 pixels, and their labels.

    The label is in the first pixel, so that one can see which events were taken.
    """
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    label = rng.integers(0, 10, 400)
    pixels = rng.random((400, 16)).astype(np.float32)
    pixels[:, 0] = label
    columns = {f"x{i}": pixels[:, i] for i in range(16)} | {"label": label.astype(np.int32)}
    with uproot.recreate("digits.root") as file:
        for tree, events in {"train_sig": 400, "train_bkg": 5}.items():
            rows = {name: values[:events] for name, values in columns.items()}
            file.mktree(tree, {name: values.dtype for name, values in rows.items()}).extend(rows)
    return columns


def loader_of(*variables, tree="train_sig"):
    loader = TMVA.DataLoader("dataset")
    for variable in variables:
        loader.AddVariable(variable, "F")
    loader.AddSignalTree(TFile.Open("digits.root").Get(tree))
    return loader


def test_a_users_script_runs_with_its_import_line_changed(digits, tmp_path):
    script = SCRIPT.replace("from ROOT import", "from facsim.pyroot import")
    Path("script.py").write_text(script)
    runpy.run_path("script.py", {"options": OPTIONS})
    run = tmp_path / "dataset" / "weights" / "MNIST_GAN"
    model = facsim.load(run)
    assert model.provenance["data"]["events"] == 120
    assert facsim.sample(model, n=3, seed=1).features.shape == (3, 16)
    train, test = (facsim.io.read(tmp_path / "dataset" / f"{part}.root") for part in ("train", "test"))
    assert (len(train), len(test)) == (120, 50)
    assert max(train["x"][:, 0].max(), test["x"][:, 0].max()) == 4  # the cut
    both = np.concatenate([train["x"], test["x"]])
    assert len(np.unique(both, axis=0)) == 170  # no event is in both
    whole = np.stack([digits[f"x{i}"] for i in range(16)], axis=1)
    assert not (both[:, None, 1:3] - whole[None, :, 1:3]).any(axis=2).all(axis=1).any()  # each is one of the file
    for path in (run / "generated.root", tmp_path / "TMVA_GAN.root"):
        with uproot.open(path) as file:
            tree = file["train_sig"]
            assert tree.num_entries == 50
            assert tree.typenames() == {f"x{i}": "float" for i in range(16)}
    assert (run / "history.csv").read_text().count("\n") == 3  # the names, and two epochs
    assert "<html" in (tmp_path / "dataset" / "reports" / "MNIST_GAN" / "report.html").read_text()
    saved = (run / "model.safetensors").read_bytes()
    Path("script.py").write_text(script.replace("factory.EvaluateAllMethods()\n", ""))
    runpy.run_path("script.py", {"options": OPTIONS})  # nothing is trained twice
    assert (run / "model.safetensors").read_bytes() == saved


def test_expressions_weights_and_several_trees(digits):
    loader = TMVA.DataLoader("dataset")
    loader.AddVariable("sum := x1 + x2", "F")
    loader.AddVariable("sqrt(x3)", "a title", "GeV", "F", 0, 1)
    loader.AddVariable("x4")
    file = TFile.Open("digits.root")
    loader.AddTree(file.train_sig, "Signal", 1.0, TCut("label == 3"))
    loader.AddTree(file.train_bkg, "Signal", 3.0)
    loader.SetWeightExpression("1 + label")
    loader.PrepareTrainingAndTestTree("", "SplitMode=Block:TrainTestSplit_Signal=0.9")
    parts = loader.parts()
    threes = np.flatnonzero(digits["label"] == 3)
    total = len(threes) + 5
    assert (parts.trained, parts.tested) == (round(0.9 * total), total - round(0.9 * total))
    events = facsim.concatenate([facsim.read(parts.train), facsim.read(parts.test)])
    rows = np.concatenate([threes, np.arange(5)])
    np.testing.assert_allclose(events["sum"], (digits["x1"] + digits["x2"])[rows], rtol=1e-6)
    np.testing.assert_allclose(events["sqrt_x3"], np.sqrt(digits["x3"])[rows], rtol=1e-6)
    factors = np.r_[np.ones(len(threes)), 3 * np.ones(5)]
    np.testing.assert_allclose(events.weights, factors * (1 + digits["label"][rows]))


def test_files_trees_and_chains(digits, capsys):
    file = pyroot.TFile("digits.root")
    assert file.train_sig.GetEntries() == 400
    assert file.train_sig.GetEntries("label < 2") == (digits["label"] < 2).sum()
    assert [b.GetName() for b in file.Get("train_bkg;1").GetListOfBranches()] == list(digits)
    file.train_sig.Print()
    assert capsys.readouterr().out == "train_sig: 400 events in digits.root\n  x (16,)\n  label\n"
    chain = TChain("train_bkg")
    assert (chain.Add("digits.root"), chain.Add("digi*.root")) == (1, 1)
    assert chain.GetEntries() == 10
    with pytest.raises(NoSuchCall, match=r"no tree 'train_sg'.*Did you mean 'train_sig'"):
        file.train_sg  # noqa: B018
    with pytest.raises(FileFormatError, match=r"nowhere\.root: no such file"):
        TFile.Open("nowhere.root")
    with pytest.raises(DataError, match="mode 'UPDATE': there are READ"):
        TFile.Open("digits.root", "UPDATE")


@pytest.mark.parametrize("mode", ["Random", "Alternate", "Block"])
@pytest.mark.parametrize(
    ("numbers", "train", "test"),
    [
        ("", 50, 50),
        ("nTrain_Signal=30", 30, 70),
        ("nTest_Signal=30", 70, 30),
        ("nTrain_Signal=9:nTest_Signal=40", 9, 40),
    ],
)
def test_parting(mode, numbers, train, test):
    rows = Parting.read(f"SplitMode={mode}:{numbers}:!V").rows(100)
    assert ((rows == TRAIN).sum(), (rows == TEST).sum()) == (train, test)
    if mode == "Block":
        assert (rows[:train] == TRAIN).all()
    if mode == "Alternate":
        assert rows[:18:2].tolist() == [TRAIN] * 9
        assert rows[1:18:2].tolist() == [TEST] * 9
    if mode == "Random":
        other = Parting.read(f"SplitMode=Random:SplitSeed=7:{numbers}").rows(100)
        assert (rows != other).any()


@pytest.mark.usefixtures("digits")
def test_all_forms_of_prepare():
    forms = [
        ("label < 5", "nTrain_Signal=50:nTest_Signal=20:!V"),
        ("label < 5", ""),
        (TCut("label < 5"), TCut("label < 5"), "nTrain_Signal=50:nTest_Signal=20"),
        ("label < 5", 50, 0, 20, 0, "!V"),
        ("label < 5", 50, 20),
    ]
    for form in forms:
        loader = loader_of("x0", "x1")
        loader.PrepareTrainingAndTestTree(*form)
        train, test = loader.parts()[2:]
        assert (train, test) == (50, 20) if "" not in form else abs(train - test) <= 1 < train


@pytest.mark.usefixtures("digits")
def test_what_has_no_meaning_for_a_gan_is_a_named_warning():
    file, loader = TFile.Open("digits.root"), TMVA.DataLoader("dataset")
    for name, call in {
        "background": lambda: loader.AddBackgroundTree(file.train_bkg, 1.0),
        "background ": lambda: loader.AddTree(file.train_bkg, "Background"),
        "background  ": lambda: loader.SetBackgroundWeightExpression("w"),
        "background   ": lambda: loader.PrepareTrainingAndTestTree("", "x0 > 1", "nTrain_Signal=3"),
        "background    ": lambda: loader.PrepareTrainingAndTestTree("", "nTrain_Background=1000"),
        "spectator": lambda: loader.AddSpectator("x3", "F"),
    }.items():
        with pytest.warns(ShimWarning) as caught:
            call()
        assert caught[0].message.name == name.strip()
        assert caught[0].filename == __file__


DL = "!H:V:Layout=DENSE|8|TANH,DENSE|1|LINEAR:TrainingStrategy=MaxEpochs=2"


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda f, b: f.BookMethod(b, TMVA.Types.kDL, "a", OPTIONS), RecipeError, "book it as TMVA.Types.kGAN"),
        (lambda f, b: f.BookMethod(b, TMVA.Types.kDL, "a", DL), RecipeError, "trains generators"),
        (lambda f, b: f.BookMethod(b, TMVA.Types.kGAN, "a", DL), RecipeError, "MethodDL, which classifies"),
        (lambda f, _b: f.BookMethod(TMVA.Types.kGAN, "a", OPTIONS), DataError, r"give \(loader, "),
        (lambda f, b: f.BookMethod(b, "BDT", "a", "NTrees=3"), RecipeError, "book kGAN"),
        (lambda f, b: f.BookMethod(b, "GAN", "a/b", OPTIONS), DataError, "can be no folder's name"),
        (
            lambda f, b: f.BookMethod(b, "GAN", "a", OPTIONS.replace("DENSE|24", "DENSSE|24")),
            OptionStringError,
            "DENSE",
        ),
        (lambda f, _b: f.TrainAllMethods(), DataError, "call BookMethod first"),
        (lambda _f, _b: TMVA.Types.kBDT, NoSuchCall, "there are kDL, kGAN"),
        (lambda _f, _b: TMVA.Types.kTraining, NoSuchCall, r"^Types\..*PrepareTrainingAndTestTree parts"),
        (lambda f, b: f.GetROCCurve(b), NoSuchCall, "EvaluateAllMethods"),
        (lambda _f, _b: TMVA.Reader, NotInShim, r"facsim.load\(folder\)"),
        (lambda _f, _b: pyroot.RDataFrame, NotInShim, "facsim.io.read"),
        (lambda _f, _b: pyroot.gROOT.ProcessLine(".x a.C"), NoSuchCall, r"nothing runs C\+\+"),
        (lambda _f, b: b.PrepareTrainingAndTestTree("", "nTrain_Sgnal=3"), OptionStringError, "'nTrain_Signal'"),
        (lambda _f, b: b.PrepareTrainingAndTestTree("", "SplitMode=Blok"), OptionStringError, "Did you mean 'Block'"),
        (lambda _f, b: b.PrepareTrainingAndTestTree("", 1, 2, 3), DataError, r"give \(cut, options\)"),
        (lambda _f, _b: TMVA.Factory("f", "!V:Colour"), OptionStringError, "Did you mean 'Color'"),
        (lambda _f, _b: TMVA.Factory("f", "AnalysisType=Regression"), OptionStringError, "trains GANs"),
        (lambda _f, _b: TMVA.Factory("f", TFile.Open("digits.root")), DataError, "RECREATE"),
        (lambda _f, b: b.AddVariable("sqrt(x1", "F"), DataError, r"sqrt\(x1"),
        (lambda _f, b: b.AddVariable("x1", "D"), DataError, "type 'D'"),
        (lambda _f, b: b.AddSignalTree(TFile.Open("digits.root")), DataError, r"take file.Get\(name\)"),
        (lambda _f, b: b.AddSignalTree(TFile.Open("digits.root").train_sig, "1"), DataError, "weight='1' of the tree"),
        (lambda _f, _b: TFile.Open("digits.root").train_sig.AddFriend("f = t", "a.root"), NotInShim, "own name"),
        (lambda _f, b: b.AddSignalTree(b, 1.0, "Training"), NotInShim, "PrepareTrainingAndTestTree parts it"),
        (lambda _f, _b: TMVA.DataLoader("empty").parts(), DataError, "call AddSignalTree"),
        (lambda _f, _b: loader_of().parts(), DataError, "call AddVariable"),
        (lambda _f, _b: loader_of("x0", "x0").parts(), DataError, "stands twice"),
        (lambda _f, _b: loader_of("y7").parts(), SchemaMismatch, "no block 'y7'"),
        (
            lambda _f, b: loader_of("x0", tree="train_bkg").parts() and b.AddVariable("x1"),
            DataError,
            "before BookMethod",
        ),
    ],
)
def test_errors_say_what_there_is_and_what_to_do(call, error, says):
    factory, loader = TMVA.Factory("f", "Silent"), loader_of("x0", "x1")
    if "before BookMethod" in says:
        loader.parts()
    with pytest.raises(error, match=says):
        call(factory, loader)


@pytest.mark.usefixtures("digits")
def test_a_layout_that_does_not_fit_names_the_data_and_the_layer_and_leaves_nothing():
    factory, loader = TMVA.Factory("f", "Silent"), loader_of("x0", "x1")
    factory.BookMethod(loader, "GAN", "a", OPTIONS)
    where = r"^train\.root, tree 'train_sig', x0, x1: "
    says = where + r"(?s:the generator's layout makes 16 values, an event has 2.*\^.*DENSE\|2)"
    with pytest.raises(SchemaMismatch, match=says):
        factory.TrainAllMethods()
    assert list(Path("dataset/weights").iterdir()) == []


def test_too_few_events(digits):
    loader = loader_of("x0", "x1")
    loader.PrepareTrainingAndTestTree("label == 3", "nTrain_Signal=300")
    passing = int((digits["label"] == 3).sum())
    with pytest.raises(DataError, match=f"{passing} events pass the cut"):
        loader.parts()


@pytest.mark.usefixtures("digits")
def test_an_array_is_a_variable_and_has_a_length():
    with uproot.recreate("array.root") as file:
        file["t"] = {"vars": np.ones((20, 6), np.float32)}
    for size, says in ((6, None), (5, "the tree has 6 values")):
        loader = TMVA.DataLoader("dataset")
        loader.AddVariablesArray("vars", size)
        loader.AddSignalTree(TFile.Open("array.root").t)
        if says:
            with pytest.raises(DataError, match=says):
                loader.parts()
        else:
            assert facsim.read(loader.parts().train)["vars"].shape == (10, 6)


def test_friends_of_a_tree(digits):
    with uproot.recreate("more.root") as file:
        file["t"] = {"label": np.arange(400), "z": digits["x1"] + 1}
        file["short"] = {"z": np.ones(3)}
    loader = TMVA.DataLoader("dataset")
    for name in ("z", "more.label", "x1"):
        loader.AddVariable(name, "F")
    with TFile.Open("digits.root") as file:
        file.train_sig.AddFriend("t", "more.root")
        loader.AddSignalTree(file.Get("train_sig"))  # the same tree again
    loader.PrepareTrainingAndTestTree(
        TCut("z > 1.5") + "TMath::Abs(more.label) < 300", "SplitMode=Block:nTrain_Signal=9"
    )
    events = facsim.read(loader.parts().train)
    rows = np.flatnonzero((digits["x1"] > 0.5) & (np.arange(400) < 300))[:9]
    np.testing.assert_array_equal(events["more.label"], rows)
    np.testing.assert_allclose(events["z"], events["x1"] + 1, rtol=1e-6)
    with uproot.open(loader.parts().train) as file:
        assert file["train_sig"]["more.label"].typename == "int64_t"
    tree = TFile.Open("digits.root").train_sig
    tree.AddFriend("short", "more.root")
    with pytest.raises(DataError, match=r"more\.root:short: this friend has 3 events, digits\.root has 400"):
        tree.GetEntries()


def test_names_of_root_are_importable_or_say_why():
    with pytest.raises(NotInShim, match=r"ROOT\.TH1F is not in facsim\.pyroot"):
        from facsim.pyroot import TH1F  # noqa: F401
    import facsim.pyroot as ROOT  # noqa: N812

    assert ROOT.TMVA.DataLoader is TMVA.DataLoader
    assert not hasattr(ROOT, "smth")


def test_cuts():
    assert str(TCut("a > 1") + TCut() + "b < 2") == "(a > 1)&&(b < 2)"
    assert str("a > 1" + (TCut("n", "b") | "c")) == "(a > 1)&&((b)||(c))"
    assert str(TCut("a") | TCut()) == ""  # all events, or some
    assert TCut("a") * "w" == "(a)*(w)"


def test_the_tutorial_names_every_warning():
    page = (Path(__file__).parents[1] / "docs" / "howto" / "tmva.md").read_text(encoding="utf-8")
    assert [name for name in FINDINGS if f"`{name}`" not in page] == []
