"""sWeights from a file with a mass peak: the fit, the weights, the test of independence, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import integrate, stats

import facsim
from facsim import Block, Events, Schema
from facsim.cli import cli
from facsim.errors import DataError, FitError, FitWarning, SchemaMismatch
from facsim.metrics import energy_distance
from facsim.sharding import ShardSampler
from facsim.sweights import BACKGROUNDS, PEAKS, fit_mass, independence, parse, sweights

LOW, HIGH = 5100.0, 5500.0
SCHEMA = Schema((Block("mass", unit="MeV"), Block("x"), Block("y")), (Block("P", unit="GeV"),))


def exponential(rng, n, tau=200.0):
    """Masses of a background that falls with exp(-m / tau)."""
    return LOW - tau * np.log(1 - rng.random(n) * (1 - np.exp(-(HIGH - LOW) / tau)))


def peak(n, share, seed, tilt=0.0):
    """Events of a peak over background, and which are signal; `tilt` moves x of the signal across the peak."""
    rng = np.random.default_rng(seed)
    signal = rng.random(n) < share
    mass = np.where(signal, rng.normal(5280, 18, n), exponential(rng, n))
    x = np.where(signal, rng.exponential(1, n) + tilt * (mass - 5280) / 18, rng.normal(-1, 1, n))
    y = np.where(signal, rng.normal(0, 1, n), rng.uniform(-3, 3, n)) + 0.5 * x
    return Events(np.column_stack([mass, x, y]), rng.uniform(3, 100, (n, 1)), SCHEMA), signal


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("splot") / "data.root"
    events, signal = peak(8000, 0.4, 1)
    facsim.write(path, events)
    return path, facsim.read(path), signal


# Shapes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PEAKS, *BACKGROUNDS])
@pytest.mark.parametrize("place", [0.2, 0.8])
def test_densities_are_normalised_within_the_range(name, place):
    """Also where the peak is cut off by an end of the range, and for narrow and wide shapes."""
    shape = {**PEAKS, **BACKGROUNDS}[name]
    values = [p.absolute(p.low + place * (p.high - p.low) if p.scale != "slope" else 40 * place - 20, LOW, HIGH)
              for p in shape.parameters]  # fmt: skip
    found, _ = integrate.quad(
        lambda m: float(shape.density(np.array([m]), LOW, HIGH, *values)[0]), LOW, HIGH, limit=200, epsabs=1e-10
    )
    assert found == pytest.approx(1, abs=1e-7)
    assert shape.density(np.linspace(LOW, HIGH, 101), LOW, HIGH, *values).min() >= 0


def test_the_crystal_ball_is_scipys():
    x = np.linspace(LOW, HIGH, 50)
    law = stats.crystalball(1.3, 4.0, 5300, 30)
    inside = law.cdf(HIGH) - law.cdf(LOW)
    np.testing.assert_allclose(PEAKS["cb"].density(x, LOW, HIGH, 5300, 30, 1.3, 4.0), law.pdf(x) / inside, rtol=1e-9)


def test_a_flat_exponential_is_flat():
    x = np.linspace(LOW, HIGH, 5)
    np.testing.assert_allclose(BACKGROUNDS["exp"].density(x, LOW, HIGH, 0.0), 1 / 400)


# Fit -----------------------------------------------------------------------------------------------------------------


def test_pulls_of_the_fit_are_standard():
    """60 experiments: means of pulls within 4 / sqrt(60), spreads within 4 / sqrt(2 * 59) of 1."""
    pulls = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        n_signal, n_background = rng.poisson(500), rng.poisson(1000)
        mass = np.concatenate([rng.normal(5280, 18, n_signal), exponential(rng, n_background)])
        found = fit_mass(mass, "gauss+exp", range=(LOW, HIGH))
        truth = {"mu": 5280, "sigma": 18, "slope": -1 / 200}
        pulls.append(
            [(found.signal - 500) / found.signal_error, (found.background - 1000) / found.background_error]
            + [(found.values[k] - v) / found.errors[k] for k, v in truth.items()]
        )
        assert found.signal + found.background == pytest.approx(len(mass), rel=1e-12)
    pulls = np.array(pulls)
    assert np.abs(pulls.mean(0)).max() < 4 / np.sqrt(60)
    assert np.abs(pulls.std(0, ddof=1) - 1).max() < 4 / np.sqrt(2 * 59)


@pytest.mark.parametrize("model", ["2gauss+exp", "cb+poly2", "bw+poly1", "gauss+flat"])
def test_every_shape_finds_itself(model):
    """Drawn by the inverse of the shape's own cumulative distribution; parameters within four of their errors."""
    truth = {
        "2gauss+exp": (5280, 12, 3.0, 0.6, -0.003),
        "cb+poly2": (5290, 15, 1.2, 4.0, 0.6, 0.2),
        "bw+poly1": (5250, 20, 0.7),
        "gauss+flat": (5300, 10),
    }[model]
    rng, chosen = np.random.default_rng(3), parse(model)
    grid = np.linspace(LOW, HIGH, 40_001)
    parts = []
    for density, n in zip(chosen.densities((grid[1:] + grid[:-1]) / 2, LOW, HIGH, truth), (4000, 6000), strict=True):
        filled = np.concatenate([[0], np.cumsum(density)])
        parts.append(np.interp(rng.random(n), filled / filled[-1], grid))
    fix = {"n": 4.0} if "cb" in model else None  # the tail's power and where it begins are hardly told apart
    found = fit_mass(np.concatenate(parts), model, range=(LOW, HIGH), fix=fix)
    assert abs(found.signal - 4000) < 4 * found.signal_error
    assert found.goodness.pvalue > 1e-3
    for name, value in zip(chosen.names, truth, strict=True):
        assert abs(found.values[name] - value) <= 4 * found.errors[name], name


def test_a_wrong_model_is_seen(data):
    _, events, _ = data
    assert fit_mass(events["mass"], "gauss+flat").goodness.pvalue < 1e-6
    with pytest.warns(FitWarning, match=r"gauss\+flat does not describe 'mass'.*p < 1e-12"):
        facsim.splot(events, "mass", model="gauss+flat", controls=[])


def test_a_parameter_at_its_limit_is_told():
    """A line that falls to zero within the range: the Bernstein coefficient ends at 1."""
    rng = np.random.default_rng(5)
    falling = LOW + (HIGH - LOW - 60) * (1 - np.sqrt(rng.random(3000)))
    mass = np.concatenate([rng.normal(5280, 15, 1500), falling])
    found = fit_mass(mass, "gauss+poly1", range=(LOW, HIGH))
    assert found.at_limit == ("falling",)
    assert (found.values["falling"], found.errors["falling"]) == (1.0, 0.0)


# Weights -------------------------------------------------------------------------------------------------------------


def test_weights_add_up_and_take_the_background_away(data):
    path, events, signal = data
    found = facsim.splot(path, "mass", range=(LOW, HIGH))
    inside = (events["mass"] >= LOW) & (events["mass"] <= HIGH)
    weights, signal = found.weights, signal[inside]
    assert len(weights) == inside.sum()
    assert found.warnings == ()
    assert weights.sum() == pytest.approx(found.fit.signal, rel=1e-9)
    # those of the background alone add up to nothing, within the error of such a sum
    assert abs(weights[~signal].sum()) < 4 * np.sqrt((weights[~signal] ** 2).sum())
    weighted = found.apply(events)
    truth = weighted[signal].with_weights(None).select(["x", "y"])
    distance = energy_distance(truth.features, weighted.select(["x", "y"]).features, wy=weights)
    plain = energy_distance(truth.features, weighted.select(["x", "y"]).features)
    assert abs(distance.value) < 4 * distance.error
    assert plain.value > 50 * distance.error


def test_variance_of_the_yield_is_the_sum_of_squares():
    """With shapes known, sum w^2 = V_ss, the variance of the yield (physics/0402083, eq. 21)."""
    events, _ = peak(4000, 0.5, 2)
    truth = {"mu": 5280.0, "sigma": 18.0, "slope": -1 / 200}
    found = fit_mass(events["mass"], range=(LOW, HIGH), fix=truth)
    x = events["mass"][(events["mass"] >= LOW) & (events["mass"] <= HIGH)]
    weights = sweights(*found.densities(x), found.signal, found.background)
    assert (weights**2).sum() == pytest.approx(found.signal_error**2, rel=5e-3)  # HESSE's numerical derivatives


# Independence --------------------------------------------------------------------------------------------------------


def test_p_values_of_independent_variables_are_flat():
    """100 experiments with shapes fitted, continuous, discrete and two-valued controls; Kolmogorov's p above 1e-3."""
    pvalues = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        signal = rng.random(2000) < 0.4
        mass = np.where(signal, rng.normal(size=2000), rng.uniform(-5, 5, 2000)).clip(-4.99, 4.99)
        shape = np.exp(-(mass**2) / 2) / np.sqrt(2 * np.pi)
        chance = 0.4 * shape / (0.4 * shape + 0.06)
        tests = (
            np.where(signal, rng.exponential(1, 2000), rng.normal(size=2000)),
            np.where(signal, rng.poisson(2, 2000), rng.poisson(1, 2000)),
            rng.random(2000) < np.where(signal, 0.7, 0.2),
        )
        pvalues.append([independence(mass, chance, t).pvalue for t in tests])
    for column in np.array(pvalues).T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
    assert independence(mass, chance, np.ones(2000)).pvalue == 1


def test_a_variable_that_depends_on_the_mass_is_named():
    events, _ = peak(8000, 0.4, 3, tilt=0.3)
    inside = (events["mass"] >= LOW) & (events["mass"] <= HIGH)
    with pytest.warns(FitWarning, match=r"'x' depends on 'mass' .*p [=<] \d.*Leave it out"):
        found = facsim.splot(events[inside], "mass", controls=["x", "P"])
    assert list(found.controls) == ["x", "P"]
    assert found.controls["x"].pvalue < 1e-6
    assert found.controls["P"].pvalue > 1e-3


# Files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["root", "h5", "npz"])
def test_weights_are_written_as_the_files_weights(data, tmp_path, suffix):
    path, events, _ = data
    found = facsim.splot(path, "mass", range=(5150, 5450), output=tmp_path / f"weighted.{suffix}")
    back = facsim.read(tmp_path / f"weighted.{suffix}")
    np.testing.assert_array_equal(back.weights, found.weights)
    np.testing.assert_array_equal(back.features, events.features[found.inside])
    np.testing.assert_array_equal(back.conditions, events.conditions[found.inside])
    assert 0 < (~found.inside).sum() < len(events)
    assert facsim.io.open(tmp_path / f"weighted.{suffix}").attrs["splot"]["model"] == "gauss+exp"
    if suffix == "root":
        import uproot

        assert "sweight" in uproot.open(tmp_path / "weighted.root")["events"].keys()  # noqa: SIM118 - of a tree
        chosen = facsim.read(tmp_path / "weighted.root", weights="sweight", features=["x", "y"])
        assert chosen.schema.width == 2
        facsim.convert(tmp_path / "weighted.root", tmp_path / "again.root")
        np.testing.assert_array_equal(facsim.read(tmp_path / "again.root").weights, found.weights)
        with pytest.raises(DataError, match="events have weights"):
            facsim.splot(tmp_path / "weighted.root", "mass")


def test_only_what_is_selected_is_written(data, tmp_path):
    path, events, _ = data
    chosen = facsim.io.select(path, features=["x", "y"], conditions=["P"], cut="mass > 5150 && mass < 5450")
    found = facsim.splot(chosen, "mass", output=tmp_path / "w.root")
    back = facsim.read(tmp_path / "w.root")
    assert [b.name for b in back.schema.features] == ["x", "y"]
    assert set(found.controls) == {"x", "y", "P"}
    assert len(back) == ((events["mass"] > 5150) & (events["mass"] < 5450)).sum()


def test_the_command_prints_and_draws(data, tmp_path):
    path, _, _ = data
    arguments = ["splot", path, "--mass", "mass", "--range", f"{LOW}:{HIGH}", "--start", "mu=5270", "--control", "x,P"]
    page, figure = tmp_path / "fit.html", tmp_path / "fit.svg"
    result = CliRunner().invoke(cli, [str(a) for a in [*arguments, "--report", page, "--json"]])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["weights"]["sum"] == pytest.approx(said["signal"]["value"])
    assert set(said["controls"]) == {"x", "P"}
    assert "Nothing speaks against them" in page.read_text()
    result = CliRunner().invoke(cli, [str(a) for a in [*arguments, "--report", figure, "-o", tmp_path / "w.h5"]])
    assert "gauss+exp in mass from 5100 to 5500" in result.stdout
    assert figure.read_text().startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert facsim.read(tmp_path / "w.h5").weights is not None
    result = CliRunner().invoke(cli, ["splot", str(path), "--mass", "mass", "--fix", "sigma=wide"])
    assert result.exit_code == 2
    assert "sigma=wide: write a number" in result.output


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"mass": "mas"}, SchemaMismatch, r"no block 'mas'.*Did you mean 'mass'"),
        (
            {"range": (5.1, 5.5)},
            DataError,
            r"0 of 8000 events have a mass between 5.1 and 5.5; masses run from 5",
        ),
        ({"range": (5500, 5100)}, DataError, r"range=\(5500, 5100\): must rise"),
        ({"model": "gaus+exp"}, DataError, r"no shape 'gaus'.*Did you mean '.*gauss'"),
        ({"model": "gauss+cb"}, DataError, "2 peaks and 0 backgrounds"),
        ({"model": "gauss+gauss+exp"}, DataError, "2 peaks and 1 backgrounds"),
        ({"fix": {"sigm": 3}}, DataError, "no parameter 'sigm'.*Did you mean 'sigma'"),
        ({"start": {"mu": 3}}, DataError, "mu=3: must lie between 5"),
        ({"output": "data.root"}, DataError, "is the file to be read"),
        ({"output": "w.root", "name": "x"}, DataError, "has a column 'x' already"),
        ({"report": "fit.png"}, DataError, r"fit.png: .*\.svg"),
    ],
)
def test_what_is_wrong_is_named(data, options, error, words):
    path, _, _ = data
    if "output" in options:
        options = options | {"output": path.parent / options["output"]}
    with pytest.raises(error, match=words):
        facsim.splot(path, **({"mass": "mass"} | options))
    assert not (path.parent / "w.root").exists()


def test_nan_in_a_branch_is_named(tmp_path):
    events, _ = peak(500, 0.5, 6)
    events.features[7, 1] = np.nan
    facsim.write(tmp_path / "bad.root", events)
    with pytest.raises(DataError, match=r"bad.root: block 'x', event 7.*not finite.*Remove these events"):
        facsim.splot(tmp_path / "bad.root", "mass", range=(LOW, HIGH))
    events.features[7, 0] = np.nan
    with pytest.raises(DataError, match="1 NaN or infinities"):
        facsim.splot(events, "mass")


def test_yields_of_zero_are_refused():
    rng = np.random.default_rng(7)
    with pytest.raises(FitError, match=r"finds no background.*no weights are needed"):
        fit_mass(rng.random((3, 2000)).sum(0) - 1.5, "gauss+flat", range=(-5, 5))  # nearly Gaussian, without tails
    dip = rng.uniform(-5, 5, 4000)
    dip = dip[(np.abs(dip) > 0.5) | (rng.random(4000) < 0.5)]  # too few events where the peak is said to be
    with pytest.raises(FitError, match=r"finds no signal.*Is the peak in the range"):
        fit_mass(dip, "gauss+flat", range=(-5, 5), fix={"mu": 0.0, "sigma": 0.5})
    weak = np.concatenate([rng.uniform(-5, 5, 3000), rng.normal(0, 0.5, 20)])[:, None]
    events = Events(weak, np.empty((len(weak), 0)), Schema((Block("m"),)))
    options = {"model": "gauss+flat", "range": (-5, 5), "fix": {"mu": 0.0, "sigma": 0.5}}
    with pytest.warns(FitWarning, match=r"yield of the signal, .* is not clear of zero"):
        facsim.splot(events, "m", **options)


def test_a_fit_that_does_not_converge_says_where_it_was():
    """A density that is another one each time has no minimum to arrive at."""
    events, _ = peak(500, 0.5, 8)
    rng = np.random.default_rng(8)
    model = parse("gauss+exp")
    restless = dataclasses.replace(model.peak, density=lambda *a: model.peak.density(*a) * rng.uniform(0.5, 1.5))
    with pytest.raises(FitError, match=r"gauss\+exp to \d+ events did not converge: .*mu=.*Take a simpler model"):
        fit_mass(events["mass"], dataclasses.replace(model, peak=restless), range=(LOW, HIGH))


def test_proportional_densities_are_refused():
    with pytest.raises(DataError, match="are proportional"):
        sweights([1.0, 2.0], [2.0, 4.0], 1.0, 1.0)


# Use ------------------------------------------------------------------------------------------------------------------


class Smear(ShardSampler):
    """A model that is known by heart: the condition plus noise."""

    latent = 1
    condition_range = (np.array([0.0]), np.array([200.0]))
    schema = Schema((Block("x"),), (Block("P", unit="GeV"),))

    def _generate(self, conditions, noise):
        return conditions + noise


def test_copies_at_weighted_conditions_carry_the_weights(data, tmp_path):
    path, _, _ = data
    found = facsim.splot(path, "mass", range=(LOW, HIGH), output=tmp_path / "w.root")
    weighted = facsim.read(tmp_path / "w.root")
    for like in (tmp_path / "w.root", weighted):
        drawn = facsim.sample(Smear(), like=like, n=3000, seed=1)
        np.testing.assert_array_equal(drawn.weights, found.weights[:3000])
    facsim.sample(Smear(), like=tmp_path / "w.root", seed=1, output=tmp_path / "copies.h5")
    np.testing.assert_array_equal(facsim.read(tmp_path / "copies.h5").weights, found.weights)
    assert facsim.sample(Smear(), like=path, seed=1).weights is None
