"""The report's section on particle identification, its tables, and the study of several species."""

import csv
import io as text
import json
import re
import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from facsim import Block, Events, Schema, io
from facsim.cli.app import cli
from facsim.errors import DataError, SchemaMismatch
from facsim.report import pid, pid_figures, pid_tables
from facsim.report.gather import gather
from facsim.report.pid_pairs import Pair, pairs_of
from facsim.report.pid_samples import Binning, Side, Species
from facsim.report.result import Report
from facsim.report.studies import pid as study

toy = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("pid_toy.py"))))
BINNING = Binning(("P", "ETA"), (3, 3), "nTracks")


@pytest.fixture(scope="module")
def found():
    """Kaons with a flaw and sound pions."""
    samples = {s: [toy.events(50, 4000, s), toy.events(51, 4000, s, shift), toy.events(52, 4000, s)]
               for s, shift in (("K", -6.0), ("pi", 0.0))}  # fmt: skip
    return study.study(samples, binning="P:3,ETA:3", folds=0, bootstraps=0)


# --- which conditions


def test_conditions_are_recognised_in_plain_tables_alone():
    assert Binning.of(None, toy.SCHEMA) == Binning(("P", "ETA"), (6, 6), "nTracks")
    public = Schema((Block("RichDLLk"),), (Block("Brunel_P"), Block("Brunel_ETA"), Block("nTracks_Brunel")))
    assert Binning.of(None, public) == Binning(("Brunel_P", "Brunel_ETA"), (6, 6), "nTracks_Brunel")
    showers = Schema((Block("layer_0", (3, 3), "energy"),), (Block("energy"), Block("eta")))
    assert Binning.of(None, showers) is None
    assert Binning.of(None, Schema((Block("x"),), (Block("P"),))) is None
    assert Binning.of("eta:2,energy", showers) == Binning(("eta", "energy"), (2, 6))


def test_a_wrong_binning_is_named():
    with pytest.raises(SchemaMismatch, match=r"no condition 'Eta'.*--conditions P,Eta"):
        Binning.of("P,Eta", toy.SCHEMA)
    for wrong in ("P", "P,P", "P:x,ETA", "P:0,ETA"):
        with pytest.raises(DataError, match="binning"):
            Binning.of(wrong, toy.SCHEMA)


def test_scores_and_species_find_each_other():
    names = [b.name for b in toy.SCHEMA.features]
    assert pairs_of(names, toy.SPECIES) == [
        Pair("RichDLLk", "K", "pi"),
        Pair("RichDLLp", "p", "pi"),
        Pair("RichDLLmu", "mu", "pi"),
    ]
    assert pairs_of(["ProbNNpi", "MuonMuLL", "mass"], toy.SPECIES) == [Pair("MuonMuLL", "mu", "pi")]
    assert pairs_of(names, ["K", "p"]) == []


# --- the judgement


def test_the_flawed_species_has_red_bins_where_the_flaw_is_and_the_sound_one_none(found):
    kaons, pions = found["species"]["K"], found["species"]["pi"]
    assert pions["lights"]["green"] == 9
    red = [r for r in kaons["rows"] if r["light"] == "red"]
    assert red
    low_p, high_p, low_eta, high_eta = toy.BAD
    for row in red:
        assert row["worst"] == "RichDLLk"
        assert row["first_low"] < high_p
        assert row["first_high"] > low_p
        assert row["second_low"] < high_eta
        assert row["second_high"] > low_eta
    outside = [r for r in kaons["rows"] if r["second_high"] <= low_eta or r["first_high"] <= low_p]
    assert outside
    assert {r["light"] for r in outside} == {"green"}
    assert kaons["floor_lights"]["green"] == 9
    assert found["differs"]


def test_the_pair_sees_the_flaw_in_the_same_place(found):
    pair = found["pairs"][0]
    delta = np.array(pair["delta"])
    assert np.array(pair["light"])[np.unravel_index(np.argmin(delta), (3, 3))] == "red"
    assert (np.array(pair["light"])[:, 0] != "red").all()
    assert pair["within"] < pair["known"] == 9


def test_efficiency_and_response_know_all_conditions_and_features(found):
    entry = found["species"]["pi"]
    assert set(entry["efficiencies"]["RichDLLk"]) == {"P", "ETA", "nTracks"}
    both = entry["response"]["RichDLLp"]
    truth, copy, error = (
        np.array(both[r][k]) for r, k in (("reference", "mean"), ("generated", "mean"), ("generated", "mean_error"))
    )
    assert len(truth) == 8
    assert np.abs((truth - copy) / error / 2**0.5).max() < 4
    assert truth[-1] != pytest.approx(truth[0], abs=3 * error[0])  # the occupancy matters in the toy


def test_background_subtracted_truth_gives_the_same_judgement():
    truth = toy.with_background(toy.events(60, 5000), 0)
    sides = [Side.of(e) for e in (truth, toy.events(61, 5000, shift=6.0), toy.with_background(toy.events(62, 5000), 1))]
    out = pid.measure_species(Species(*sides), Binning(("P", "ETA"), (2, 2)))
    assert out["lights"]["red"] >= 1
    assert out["lights"]["red"] + out["lights"]["green"] == 4
    assert out["floor_lights"]["green"] == 4
    assert out["effective"][0] == pytest.approx(5000**2 / (5000 + 2 * 1500))


def test_mixed_samples_are_judged_species_by_species():
    parts = [toy.mixed(seed, 500) for seed in (70, 71, 72)]
    out = pid.measure(gather(*parts, max_events=10_000, seed=0), None, Binning(("P", "ETA"), (2, 1), "nTracks"))
    assert list(out["species"]) == ["pi", "K"]
    assert out["usable"] == out["bins"] == 4
    assert out["species"]["K"]["bins"]["auc"][0][0] == pytest.approx(0.5, abs=0.15)
    assert [p["score"] for p in out["pairs"]] == ["RichDLLk"]


def test_a_species_without_enough_tracks_does_not_sink_the_others():
    few = Side({"RichDLLk": np.zeros(5)}, {"P": np.ones(5), "ETA": np.ones(5)}, None)
    good = [Side.of(toy.events(s, 1000)) for s in (80, 81, 82)]
    out = pid.measure_all({"e": Species(few, few, few), "K": Species(*good)}, Binning(("P", "ETA"), (2, 2)))
    assert "constant" in out["species"]["e"]["error"]
    assert out["bins"] == 4
    assert "K: the copy may be used in 4 of 4 bins" in out["sentence"]
    # Kolmogorov's tail for 1 % over 16 tests, with 250 events a side: sqrt(ln(2 * 1600) / 250)
    assert "would not show a KS distance below 0.18" in out["sentence"]


# --- tables and figures


def test_tables_hold_every_bin_and_can_be_pasted(found):
    lines = pid_tables.markdown(found).splitlines()
    assert lines[0].startswith("| species | P | ETA |")
    bins = [line for line in lines if re.match(r"\| (K|pi) \|", line)]
    assert len(bins) == 18
    assert sum("not usable" in line for line in bins) == found["lights"]["red"]
    latex = pid_tables.latex(found)
    assert latex.count("\\begin{tabular}") == latex.count("\\end{tabular}") == 2
    for line in latex.splitlines():
        if line.endswith("\\\\"):
            assert line.count("&") in {9, 6}
    assert latex.isascii() or set(latex) - {"’"} <= set(map(chr, range(128)))
    rows = list(csv.DictReader(text.StringIO(pid_tables.to_csv(found))))
    assert len(rows) == 18
    assert {"species", "P_low", "ETA_high", "ks", "light"} <= set(rows[0])
    assert float(rows[0]["P_low"]) == found["species"]["K"]["rows"][0]["first_low"]


def test_figures_are_drawn_for_all_and_the_page_stands_alone(found, tmp_path):
    titles = [d.title for d in pid_figures.draw(found)]
    for wanted in ("Bins that may be used (K)", "ΔAUC of RichDLLk, K against pi"):
        assert wanted in titles
    assert sum("against nTracks" in t for t in titles) == 4
    page = study.write(found, tmp_path)
    html = page.read_text(encoding="utf-8")
    assert html.count("cell red") == found["lights"]["red"] + sum(
        x == "red" for r in found["pairs"][0]["light"] for x in r
    )
    assert "http" not in re.sub(r"http://www.w3.org\S*", "", html)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bins.csv", "bins.md", "bins.tex", "pid.html", "pid.json"]
    json.loads((tmp_path / "pid.json").read_text())


def test_a_report_without_bins_writes_no_table(tmp_path):
    Report({"pid": None}, "", "").save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["metrics.json", "report.html"]


def test_study_names_what_is_wrong():
    kaons = toy.events(90, 300)
    with pytest.raises(DataError, match="no species 'pi'"):
        study.study({"K": [kaons, kaons]}, pairs=[Pair("RichDLLk", "K", "pi")], folds=0)
    with pytest.raises(DataError, match="1 samples"):
        study.study({"K": [kaons]}, folds=0)
    other = Events(kaons.features[:, :1], kaons.conditions, Schema(toy.SCHEMA.features[:1], toy.SCHEMA.conditions))
    with pytest.raises(SchemaMismatch, match="'pi'"):
        study.study({"K": [kaons, kaons], "pi": [other, other]}, folds=0)
    plain = Events(kaons.features, np.zeros((300, 0)), Schema(toy.SCHEMA.features))
    with pytest.raises(DataError, match="binning='P,ETA'"):
        study.study({"K": [plain, plain]}, folds=0)


def test_a_root_file_of_dlls_is_judged_from_the_command_line(tmp_path):
    truth, fast = toy.events(95, 1600), toy.events(96, 800)
    slow_tracks = fast.conditions[:, [0]] < np.median(fast.conditions[:, 0])
    for name, sample in (("truth", truth), ("fast", replace(fast, features=fast.features + 3 * slow_tracks))):
        io.write(tmp_path / f"{name}.root", sample)
    command = ["evaluate", str(tmp_path / "truth.root"), str(tmp_path / "fast.root"), "--no-low-level"]
    done = CliRunner().invoke(cli, [*command, "--binning", "P:2,ETA:1", "-o", str(tmp_path / "report"), "--json"])
    assert done.exit_code == 0, done.output
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert metrics["pid"]["species"][""]["bins"]["light"] == [["red"], ["green"]]
    assert metrics["pid"]["sentence"] in metrics["verdict"]
    html = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "Where the copy may be used" in html
    assert (tmp_path / "report" / "bins.tex").exists()
