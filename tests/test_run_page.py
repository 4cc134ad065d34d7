"""The page of a training: from the files of a run alone, whatever its events are, and while it goes on."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import facsim
from facsim import Block, Events, Schema
from facsim.cli import cli
from facsim.errors import CheckpointError
from facsim.report.film import draw_film
from facsim.report.run import Film, Run, read_run
from facsim.report.runpage import render
from facsim.report.series import draw_series, drawings
from facsim.simulators import toys
from facsim.training.collapse import Detector
from facsim.training.journal import Journal
from facsim.training.snapshots import Snapshots

STEPS = (100, 200, 300)


class Copying:
    """Gives the events that it is asked for, with noise."""

    def sample(self, events, *, seed):
        rng = np.random.default_rng(seed)
        noisy = np.maximum(events.features * rng.uniform(0.8, 1.2, events.features.shape), 0)
        return Events(noisy, events.conditions, events.schema)


def make(folder, events, lost=True):
    """A run folder as a training writes it."""
    folder.mkdir()
    record = {"family": "gan", "recipe": {"name": "wgan-gp"}, "training": {"steps": 1000}, "facsim_version": "0"}
    (folder / "run.json").write_text(json.dumps(record))
    lines = ["step,name,value"]
    for step in STEPS:
        for name, value in (
            ("critic/loss", -2.0),
            ("critic/gradient", 3.0),
            ("generator/loss", 1.0 / step),
            ("generator/gradient", 1e-3 * step),
            ("validation/distance", 100 / step),
            ("validation/best", 0.1),
            ("learning_rate", 1e-3),
            ("watch/auc", 0.8),
        ):
            lines.append(f"{step},{name},{value}")
    (folder / "log.csv").write_text("\n".join(lines) + "\n")
    journal, detector, snapshots = Journal(folder, 0), Detector(), Snapshots(folder, events, 0)
    for k, step in enumerate(STEPS):
        figures = {
            "precision": 0.8,
            "coverage": 0.9,
            "kinds": 0.2 if lost and k else 0.9,
            "support": 0.9,
            "spread": 1.0,
            "true_positive": 0.8,
            "false_negative": 0.2,
            "false_positive": 0.3,
            "true_negative": 0.7,
            "auc": 0.8,
            "gap": 1.0,
            "moved": snapshots.add(Copying(), step) or 0.0,
        }
        scores = {"low": -1.0, "high": 2.0, "threshold": 0.0, "real": [0.2, 0.5, 0.3], "fake": [0.5, 0.5, 0.0]}
        row = {"step": step, "finite": True, "figures": figures, "scores": scores}
        row["symptoms"] = [s.to_json() for s in detector(row)]
        journal.append(row)
    return folder


def shapes(toy_showers):
    rng = np.random.default_rng(1)
    blocks = Schema(tuple(Block(n) for n in "abcd"))
    return {
        "showers": toy_showers(20, 1),
        "images": toys.Digits().sample(20, seed=1),
        "curves": toys.LightCurves().sample(20, seed=1),
        "plane": toys.Ring().sample(300, seed=1),
        "pairs": Events(rng.normal(size=(300, 4)), np.empty((300, 0)), blocks),
        "column": toys.LogTransport().sample(300, seed=1),
    }


@pytest.mark.parametrize("kind", ["showers", "images", "curves", "plane", "pairs", "column"])
def test_the_page_shows_every_kind_of_event(tmp_path, toy_showers, kind):
    folder = make(tmp_path / "run", shapes(toy_showers)[kind])
    path = facsim.watch(folder)
    assert path == folder / "page.html"
    page = path.read_text(encoding="utf-8")
    assert page.count('class="frame-of') == 3
    assert re.findall(r'class="frame-of( now)?" data-step="(\d+)"', page) == [("", "100"), ("", "200"), (" now", "300")]
    frames = re.split(r'<g class="frame-of', page)[1:]
    assert all(len(frame) > 100 for frame in frames)
    marks = {"showers": "<image", "images": "<image", "curves": 'class="generated"', "plane": "generated small-dots"}
    assert all(marks.get(kind, "generated") in frame for frame in frames)
    assert len(page) < 400_000
    # nothing is loaded from outside
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"|url\((?!data:|#)|@import', page)
    assert "Lost modes, since step 200" in page
    assert "--set model.schedule.pack=2" in page
    assert "step 300 of 1,000" in page
    assert "NaN" not in page


def test_figures_hold_what_was_logged(tmp_path):
    run = read_run(make(tmp_path / "run", toys.Ring().sample(50, seed=1), lost=False))
    found = drawings(run)
    titles = {section: [d.title for d in figures] for section, figures in found.items()}
    assert titles["training"] == ["Validation", "Critic: loss", "Generator: loss", "Gradient norms"]
    assert titles["game"] == ["Right answers of the critic", "How well the critic tells them", "Distance of the scores"]
    assert titles["scores"] == [f"Scores at step {s}" for s in STEPS]
    assert titles["response"] == titles["copies"] == []
    assert run.step == 300
    np.testing.assert_array_equal(run.figure("kinds")[1], [0.9, 0.9, 0.9])
    page = render(run)
    assert "No symptom of a collapse" in page
    assert "Lost modes" not in page


def test_a_line_is_where_its_values_are():
    # a panel is 264 px wide and 144 px high; the axis of steps ends 2 % beyond the last
    svg = draw_series({"a": (np.array([0.0, 100.0]), np.array([0.0, 1.0]))}, "x")
    (path,) = re.findall(r'class="series s0" d="M0 ([\d.]+)L([\d.]+) ([\d.]+)"', svg)
    np.testing.assert_allclose([float(v) for v in path], [144 * 1.02 / 1.04, 264 / 1.02, 144 * 0.02 / 1.04], atol=0.06)
    gap = draw_series({"a": (np.arange(4.0), np.array([1.0, np.nan, 1.0, 2.0]))}, "x")
    assert gap.count("M") > svg.count("M")
    many = draw_series({"a": (np.arange(50_000.0), np.exp(np.linspace(0, 20, 50_000)))}, "x")
    assert len(many) < 10_000
    draw_series({"a": (np.zeros(1), np.zeros(1))}, "x", best=0.0, level=0.0)


def test_odd_events_are_drawn():
    schema = Schema((Block("x", (9, 9), "energy"),))
    features = np.zeros((2, 3, 81), np.float32)
    features[1, 0, 0] = np.nan
    film = Film(schema, (1, 2), features, np.zeros((3, 81), np.float32), np.empty((3, 0), np.float32))
    assert draw_film(film).count("<image") == 9
    plane = Schema((Block("x"), Block("y")))
    features = np.full((2, 3, 2), np.inf, np.float32)
    film = Film(plane, (1, 2), features, np.zeros((3, 2), np.float32), np.empty((3, 0), np.float32))
    assert "nan" not in draw_film(film).lower()


def test_a_run_can_be_looked_at_while_it_goes_on(tmp_path):
    folder = make(tmp_path / "run", toys.Ring().sample(50, seed=1))
    for name, text in (("log.csv", "400,critic/lo"), ("watch.jsonl", '{"step": 400, "figu')):
        with (folder / name).open("a") as sink:
            sink.write(text)
    result = CliRunner().invoke(cli, ["watch", str(folder), "--json", "-o", str(tmp_path / "look.html")])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told == {"output": str(tmp_path / "look.html"), "step": 300, "symptoms": ["lost modes"]}
    assert Path(told["output"]).is_file()
    for name in ("log.csv", "watch.jsonl", "snapshots.npz"):
        (folder / name).unlink()
    assert "Nothing has been watched yet" in facsim.watch(folder).read_text(encoding="utf-8")
    assert render(Run("bare", {"family": "cfm"}))


def test_what_is_no_run_is_a_message(tmp_path):
    with pytest.raises(CheckpointError, match="Give the folder that facsim fit"):
        facsim.watch(tmp_path)
    result = CliRunner().invoke(cli, ["watch", str(tmp_path / "nothing")])
    assert result.exit_code == 2
    assert "Give the folder" in result.output
    folder = make(tmp_path / "run", toys.Ring().sample(50, seed=1))
    (folder / "snapshots.npz").write_bytes(b"PK not an archive")
    with pytest.raises(CheckpointError, match=r"snapshots.npz: not readable"):
        facsim.watch(folder)


def test_symptoms_that_have_gone_are_told(tmp_path):
    folder = make(tmp_path / "run", toys.Ring().sample(50, seed=1))
    journal = Journal(folder, 300)
    journal.append({"step": 400, "finite": True, "figures": {"kinds": 0.9}, "symptoms": []})
    page = facsim.watch(folder).read_text(encoding="utf-8")
    assert "No symptom of a collapse" in page
    assert "<strong>lost modes</strong>, steps 200 to 300" in page
