"""The pages in a real browser: no errors, nothing loaded, links that lead somewhere, a phone's width, and print."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facsim import Block, Events, Schema
from facsim.report import evaluate, runpage
from facsim.report.run import Film, Run
from facsim.report.sidebyside import compare
from facsim.training.collapse import symptoms

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome found in PATH")

PHONE = 390  # px

# the page lies in a frame as wide as a phone; the outer page asks it what a reader would see
PROBE = """<!DOCTYPE html><meta charset="utf-8"><style>iframe { width: %dpx; height: 844px; border: 0 }</style>
<iframe id="frame" srcdoc="%s"></iframe>
<pre id="found"></pre>
<script>
const frame = document.getElementById("frame");
frame.addEventListener("load", () => {
  const inner = frame.contentWindow, page = frame.contentDocument;
  const links = [...page.querySelectorAll('a[href^="#"]')].map(a => a.getAttribute("href").slice(1));
  const wide = page.documentElement.scrollWidth;
  const cut = e => /auto|scroll|hidden/.test(inner.getComputedStyle(e).overflowX);
  const scrolls = e => e && (cut(e) || scrolls(e.parentElement));
  const beyond = [...page.body.querySelectorAll("*")].filter(
    e => e.getBoundingClientRect().right > inner.innerWidth + 1 && !scrolls(e.parentElement));
  const drawn = [...page.querySelectorAll("svg.figure")].map(s => s.getBoundingClientRect());
  document.getElementById("found").textContent = JSON.stringify({
    errors: inner.errors,
    loaded: inner.performance.getEntriesByType("resource").map(e => e.name),
    links: links.length,
    dead: links.filter(id => !page.getElementById(id)),
    width: inner.innerWidth,
    overflow: wide - inner.innerWidth,
    beyond: beyond.slice(0, 5).map(e => e.outerHTML.slice(0, 120)),
    figures: drawn.length,
    flat: drawn.filter(r => r.width < 50 || r.height < 30).length,
    text: page.body.innerText.match(/NaN|undefined|Infinity/g),
  });
});
</script>"""
LISTEN = (
    "<script>window.errors=[];window.addEventListener('error',e=>errors.push(e.message||'load'),true);"
    "for(const k of ['error','warn'])console[k]=(...a)=>errors.push(a.join(' '));</script>"
)


def run(*arguments: str) -> str:
    assert BROWSER
    common = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    done = subprocess.run([BROWSER, *common, *arguments], capture_output=True, timeout=60, check=True)
    return done.stdout.decode("utf-8", "replace")


def look(page: str, folder: Path, width: int = PHONE) -> dict[str, Any]:
    """What a reader of that width sees."""
    outer = folder / f"probe-{width}.html"
    framed = page.replace("<head>", f"<head>{LISTEN}", 1)
    outer.write_text(PROBE % (width, html.escape(framed)), encoding="utf-8")
    dom = run("--virtual-time-budget=4000", "--dump-dom", outer.as_uri())
    found = re.search(r'<pre id="found">(\{.*?\})</pre>', dom, re.DOTALL)
    assert found, dom[-2000:]
    return json.loads(html.unescape(found[1]))


def columns(n: int, seed: int, shift: float = 0.0) -> Events:
    rng = np.random.default_rng(seed)
    names = ("an_observable_with_quite_a_long_name", "mass", "width")
    schema = Schema(tuple(Block(name, (), "real", "GeV") for name in names), (Block("p"), Block("eta")))
    c = rng.uniform(1, 2, (n, 2))
    return Events(rng.normal(c[:, :1] + shift, 1, (n, 3)), c, schema)


def run_of(events: Events) -> Run:
    """A training with a symptom and a film."""
    figures = {"coverage": 0.9, "precision": 0.8, "true_positive": 0.9, "false_negative": 0.1, "false_positive": 0.2}
    figures |= {"true_negative": 0.8, "auc": 0.9, "gap": 1.5, "kinds": 0.2}
    scores = {"low": -1.0, "high": 1.0, "threshold": 0.0, "real": [0.2, 0.8], "fake": [0.9, 0.1]}
    told = [s.to_json() for s in symptoms([{"step": k, "figures": {"kinds": 0.2}} for k in range(3)])]
    rows = [{"step": 10 * k, "figures": figures, "scores": scores, "symptoms": told} for k in (1, 2, 3)]
    log = {"validation/distance": (np.arange(3.0), np.arange(1.0, 4.0)), "critic/loss": (np.arange(3.0), np.ones(3))}
    truth, steps = events.features[:40], (10, 20, 30)
    film = Film(events.schema, steps, np.stack([truth + 0.1 * k for k in steps]), truth, events.conditions[:40])
    return Run("a-run-folder-with-a-long-name", {"family": "gan", "training": {"steps": 30}}, log, rows, film)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, Path]]:
    """A report and a comparison, each with the folder it was saved to."""
    folder = tmp_path_factory.mktemp("pages")
    truth = columns(800, 1)
    reports = {
        name: evaluate(truth, columns(400, seed, shift), low_level=False)
        for name, seed, shift in (("good", 2, 0.0), ("shifted", 3, 0.5))
    }
    compare(reports, {"good": 2e-3, "shifted": 1e-4}).save(folder)
    training = folder / "training.html"
    training.write_text(runpage.render(run_of(truth)), encoding="utf-8")
    return {
        "training": (training.read_text(encoding="utf-8"), training),
        "report": (reports["shifted"].html, folder / "shifted" / "report.html"),
        "comparison": ((folder / "compare.html").read_text(encoding="utf-8"), folder / "compare.html"),
    }


@pytest.mark.parametrize("name", ["report", "comparison", "training"])
def test_a_phone_shows_the_whole_page(pages: dict[str, tuple[str, Path]], name: str, tmp_path: Path) -> None:
    found = look(pages[name][0], tmp_path)
    assert found["width"] == PHONE
    assert found["errors"] == []
    assert found["loaded"] == []
    assert found["links"] >= 3
    assert found["dead"] == []
    assert found["beyond"] == []
    assert found["overflow"] <= 0
    assert found["figures"] >= 3
    assert found["flat"] == 0
    assert found["text"] is None


def test_the_probe_would_notice(tmp_path: Path) -> None:
    page = (
        '<!DOCTYPE html><html><head><title>x</title></head><body style="margin:0"><a href="#gone">x</a> NaN'
        '<div style="width:600px">wide</div><script>console.error("oh")</script></body></html>'
    )
    found = look(page, tmp_path)
    assert found["errors"] == ["oh"]
    assert found["dead"] == ["gone"]
    assert found["overflow"] == 600 - PHONE
    assert found["text"] == ["NaN"]


def test_the_film_runs_and_can_be_stopped(pages: dict[str, tuple[str, Path]], tmp_path: Path) -> None:
    script = """<pre id="found"></pre><script>
      const label = () => document.querySelector('output').textContent, seen = [];
      const button = document.querySelector('.film button');
      const look = () => seen.push(label() + ' ' + document.querySelectorAll('.frame-of.now').length);
      for (let t = 100; t < 1000; t += 100) setTimeout(look, t);
      setTimeout(() => { button.click(); look(); }, 1000);
      const tell = () => { document.getElementById('found').textContent = seen.join(';') + button.textContent; };
      setTimeout(() => { look(); tell(); }, 6000);
    </script></body>"""
    page = tmp_path / "film.html"
    page.write_text(pages["training"][0].replace("</body>", script), encoding="utf-8")
    for flags in ([], ["--force-prefers-reduced-motion"]):
        dom = run("--virtual-time-budget=8000", "--dump-dom", *flags, page.as_uri())
        found = re.search(r'<pre id="found">(.*?)(Play|Pause)</pre>', dom)
        assert found, dom[-2000:]
        seen = found[1].split(";")
        if flags:  # who wants no motion gets the last frame; the click of the test then starts the film
            assert set(seen[:10]) == {"step 30 1"}
            assert found[2] == "Pause"
        else:  # which frames are seen, and where it stops, depends on how busy the machine is
            assert len(set(seen[:10])) > 1
            assert set(seen) <= {"step 10 1", "step 20 1", "step 30 1"}
            assert seen[9] == seen[10]
            assert found[2] == "Play"


def test_print_gives_pages(pages: dict[str, tuple[str, Path]], tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    run("--no-pdf-header-footer", f"--print-to-pdf={target}", pages["report"][1].as_uri())
    written = target.read_bytes()
    assert written.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", written)) >= 3
