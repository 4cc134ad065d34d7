"""The training loop: resume bit for bit, several processes, failures."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from facsim import Block, Events, Schema, io
from facsim.detectors.mirrors import mirror_images, symmetric
from facsim.errors import CheckpointError, DataError, RecipeError, TrainingError
from facsim.models import Batch, family, load
from facsim.training import TrainingSettings, fit_model
from facsim.training.data import TrainingData, encode
from facsim.training.loop import learning_rate

SMALL = {
    "cfm": {"hidden": 32, "blocks": 1, "first_hidden": 16, "solver_steps": 2},
    "gan": {
        "generator": {"kind": "residual", "hidden": 32, "blocks": 1, "noise": 4},
        "critic": {"kind": "mlp", "hidden": 32, "layers": 2},
    },
}
QUICK = {"steps": 20, "batch": 32, "warmup": 5, "validate_every": 10, "checkpoint_every": 5, "validation_events": 100}


@pytest.fixture(scope="module")
def showers(toy_showers):
    return toy_showers(600, seed=5)


def fit(showers, folder, name="cfm", *, resume=False, **changes):
    config = family(name).config_type(**SMALL[name])
    return fit_model(showers, name, config, TrainingSettings(**(QUICK | changes)), folder, resume=resume)


def figures(folder):
    return [row for row in (folder / "log.csv").read_text().splitlines()[1:] if row]


@pytest.fixture(params=["cfm", "gan"])
def name(request):
    return request.param


def test_a_fit_leaves_model_state_record_and_logs(showers, tmp_path, name):
    model = fit(showers, tmp_path / "run", name)
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "model.safetensors",
        "state.safetensors",
        "run.json",
        "log.csv",
        "tensorboard",
        "watch.jsonl",
        "snapshots.npz",
        "page.html",
    }
    assert model.provenance["data"]["events"] == 600
    low, high = model.condition_range
    # Drawn from 1 to 100: covered, and hardly exceeded.
    assert 0.4 < low < 1.2
    assert 99.8 < high < 100.6
    assert any("validation/distance" in row for row in figures(tmp_path / "run"))


def test_resumed_is_the_same_as_uninterrupted_bit_for_bit(showers, tmp_path, name):
    fit(showers, tmp_path / "whole", name)
    calls = []

    def pull_the_plug(done, _):
        calls.append(done)
        if done == 13:
            os.kill(os.getpid(), signal.SIGINT)

    config = family(name).config_type(**SMALL[name])
    with pytest.raises(KeyboardInterrupt):
        fit_model(showers, name, config, TrainingSettings(**QUICK), tmp_path / "cut", progress=pull_the_plug)
    assert calls[-1] == 13
    fit(showers, tmp_path / "cut", name, resume=True)
    for file in ("model.safetensors", "state.safetensors"):
        whole, cut = ((tmp_path / run / file).read_bytes() for run in ("whole", "cut"))
        assert whole == cut, file


def test_killed_and_resumed_is_the_same_too(showers, tmp_path):
    data = tmp_path / "showers.h5"
    io.write(data, showers)
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from facsim.models import family\n"
        "from facsim.training import TrainingSettings, fit_model\n"
        f"config = family('cfm').config_type(**{SMALL['cfm']!r})\n"
        "slow = (lambda done, total: time.sleep(0.2)) if sys.argv[2] == 'slow' else None\n"
        f"fit_model({str(data)!r}, 'cfm', config, TrainingSettings(**{QUICK!r}), Path(sys.argv[1]),"
        " resume=sys.argv[2] != 'fresh', progress=slow)\n"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def run(folder, mode):
        return subprocess.Popen([sys.executable, "-c", script, str(tmp_path / folder), mode], env=environment)

    victim = run("cut", "slow")
    deadline = time.monotonic() + 60
    while not (tmp_path / "cut" / "state.safetensors").exists():
        assert victim.poll() is None
        assert time.monotonic() < deadline, "no checkpoint within a minute"
        time.sleep(0.02)
    victim.kill()
    victim.wait()
    others = [run("cut", "resume"), run("whole", "fresh")]
    assert [p.wait(timeout=120) for p in others] == [0, 0]
    same = [(tmp_path / run / "state.safetensors").read_bytes() for run in ("cut", "whole")]
    assert same[0] == same[1]
    # A log line averages over the steps since the last one; those before the kill are gone, so only the keys agree.
    keys = [[row.rsplit(",", 1)[0] for row in figures(tmp_path / run)] for run in ("cut", "whole")]
    assert keys[0] == keys[1]
    assert not [p for p in (tmp_path / "cut").iterdir() if ".part" in p.name or p.name.startswith(".encoded")]


def test_two_processes_equal_one_with_the_double_batch(showers, tmp_path):
    data = tmp_path / "showers.h5"
    io.write(data, showers)
    script = tmp_path / "train.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from facsim.models import family\n"
        "from facsim.training import TrainingSettings, fit_model\n"
        f"config = family(sys.argv[1]).config_type(**{SMALL!r}[sys.argv[1]])\n"
        f"settings = TrainingSettings(**({QUICK!r} | {{'batch': int(sys.argv[2])}}))\n"
        f"fit_model({str(data)!r}, sys.argv[1], config, settings, Path(sys.argv[3]))\n"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    two = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for model in SMALL:
        subprocess.run([*two, script, model, "16", tmp_path / f"{model}-two"], check=True, env=environment, timeout=120)
        subprocess.run(
            [sys.executable, script, model, "32", tmp_path / f"{model}-one"], check=True, env=environment, timeout=120
        )
        from safetensors.torch import load_file

        one, both = (load_file(tmp_path / f"{model}-{n}" / "state.safetensors") for n in ("one", "two"))
        for key in one:
            if key.startswith("model/"):
                # Sums in another order: float32 rounding, amplified by Adam where a gradient is nearly zero.
                np.testing.assert_allclose(one[key], both[key], rtol=1e-3, atol=2e-4, err_msg=key)


def test_another_run_in_the_folder_is_never_overwritten(showers, tmp_path):
    fit(showers, tmp_path / "run", steps=2)
    with pytest.raises(CheckpointError, match="holds a run already"):
        fit(showers, tmp_path / "run", steps=2)
    with pytest.raises(CheckpointError, match=r"training\.batch"):
        fit(showers, tmp_path / "run", steps=2, batch=16, resume=True)
    with pytest.raises(CheckpointError, match=r"data\.sha256"):
        fit(showers[np.arange(len(showers))[::-1]], tmp_path / "run", steps=2, resume=True)


def test_a_truncated_state_is_an_error_that_names_it(showers, tmp_path):
    fit(showers, tmp_path / "run", steps=2)
    state = tmp_path / "run" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"state\.safetensors: cannot resume"):
        fit(showers, tmp_path / "run", steps=2, resume=True)


def test_a_gradient_that_is_not_finite_stops_with_a_diagnosis(showers, tmp_path, monkeypatch):
    flow = family("cfm")
    original = flow.turns

    def explode(self, batch, step, draw):
        for player, loss, shown in original(self, batch, step, draw):
            yield player, loss * (float("inf") if step == 15 else 1), shown

    monkeypatch.setattr(flow, "turns", explode)
    with pytest.raises(TrainingError, match=r"step 15: gradient of 'flow_0' is not finite .*best checkpoint so far"):
        fit(showers, tmp_path / "run")
    assert load(tmp_path / "run").provenance["step"] == 10


@pytest.mark.parametrize(("value", "expected"), [(np.nan, "not finite"), (-5.0, "negative energy")])
def test_impossible_events_are_refused(showers, tmp_path, value, expected):
    features = showers.features.copy()
    features[7, 3] = value
    with pytest.raises(DataError, match=f"event 7.*{expected}"):
        fit(Events(features, showers.conditions, showers.schema), tmp_path / "run")


def test_weights_whose_sum_is_not_positive_are_refused(showers, tmp_path):
    with pytest.raises(DataError, match="positive sum"):
        fit(showers.with_weights(np.where(np.arange(600) % 2, -1.5, 1.0)), tmp_path / "run")


def test_one_event_is_too_few(showers, tmp_path):
    with pytest.raises(DataError, match="at least 2"):
        fit(showers[:1], tmp_path / "run")


def test_batches_from_a_file_equal_those_from_memory(showers, tmp_path):
    model = family("cfm")(showers.schema, family("cfm").config_type(**SMALL["cfm"]))
    model.prepare(showers)
    images = mirror_images(showers.schema)
    batches: list[Batch] = []
    for megabytes in (100, 0):
        rows = encode(model, iter([showers[:350], showers[350:]]), len(showers), megabytes, tmp_path)
        batches.append(TrainingData(rows, model, images, 32, seed=1)[40])
    for a, b in zip((*batches[0].code, batches[0].conditions), (*batches[1].code, batches[1].conditions), strict=True):
        assert torch.equal(a, b)
    assert list(tmp_path.iterdir()) == []  # the scratch file has no name any more


def test_every_event_is_seen_once_per_epoch(showers):
    model = family("cfm")(showers.schema, family("cfm").config_type(**SMALL["cfm"]))
    model.prepare(showers)
    rows = encode(model, iter([showers]), len(showers), 100, None)
    data = TrainingData(rows, model, mirror_images(showers.schema)[:1], 60, seed=1)
    seen = torch.cat([data[step].conditions[:, 0] for step in range(10)])
    np.testing.assert_array_equal(np.sort(seen), np.sort(showers["energy"]))


def test_mirror_images_are_used_only_where_the_data_are_symmetric(showers, tmp_path):
    images = mirror_images(showers.schema)
    assert len(images) == 4
    assert all(symmetric(showers, image) for image in images)
    lopsided = showers.features.copy()
    lopsided[:, 0] += 0.2 * showers.features.sum(1)
    tilted = Events(lopsided, showers.conditions, showers.schema)
    assert not symmetric(tilted, images[1])
    assert fit(showers, tmp_path / "even", steps=1).provenance["images"] == 4
    assert fit(tilted, tmp_path / "odd", steps=1).provenance["images"] == 1


def test_learning_rate_warms_up_and_falls():
    settings = TrainingSettings(steps=100, warmup=10, learning_rate=1.0, final_rate=0.1)
    rates = [learning_rate(s, settings) for s in range(100)]
    assert rates[0] == pytest.approx(0.1, rel=0.01)
    assert np.argmax(rates) == 9
    assert rates[-1] == pytest.approx(0.1, abs=0.01)


def test_training_learns_what_independent_columns_lack(tmp_path):
    """Two columns with correlation 0.95: the untrained model has 0, since only the marginals come for free."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=2000)
    schema = Schema((Block("x"), Block("y")), (Block("eta"),))
    y = 0.95 * x + np.sqrt(1 - 0.95**2) * rng.normal(size=2000)
    truth = Events(np.column_stack([x, y]), np.zeros((2000, 1)), schema)
    model = fit(truth, tmp_path / "run", steps=400, batch=128, validate_every=100, learning_rate=3e-3, ema=0.98)
    drawn = model.sample(np.zeros(2000), seed=1)
    assert np.corrcoef(drawn.features.T)[0, 1] > 0.85


def test_a_run_that_never_began_leaves_its_folder_free(showers, tmp_path):
    with pytest.raises(RecipeError, match=r"names \['critik'\]"):
        fit(showers, tmp_path / "run", "gan", steps=2, rates={"critik": 2.0})
    fit(showers, tmp_path / "run", "gan", steps=2)


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_weights_that_leave_nothing_are_an_error(showers, tmp_path, name, weight):
    events = Events(showers.features, showers.conditions, showers.schema, np.full(len(showers), weight))
    with pytest.raises(DataError, match=r"positive sum|no lower bound"):
        fit(events, tmp_path / "run", name)


def test_a_sorted_file_is_not_validated_on_its_beginning(toy_showers, tmp_path):
    events = toy_showers(400, seed=1)
    events = events[np.argsort(events.conditions[:, 0])]
    fit(events, tmp_path / "run", "gan", steps=2, validate_every=2)
    with np.load(tmp_path / "run" / "snapshots.npz") as shots:  # a few held-out events
        first = shots["conditions"][:, 0]
    assert first.max() > np.median(events.conditions)
    assert (np.diff(first) < 0).any()
