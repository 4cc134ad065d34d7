"""Cherenkov detectors, muon chambers and global identification against closed forms."""

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

import facsim
from facsim.cli import cli
from facsim.errors import DataError, RangeError, SimulationError
from facsim.simulators import cherenkov
from facsim.simulators.cherenkov import (
    BAR,
    GASES,
    MASS,
    PARTICLES,
    UNDEFINED,
    Dirc,
    GlobalPID,
    Muon,
    Rich,
    RichCalibration,
    repeat,
)
from facsim.simulators.cherenkov.likelihood import log_ratios, ring, uniform
from facsim.simulators.cherenkov.muon import _log_irwin_hall, _log_survival, stations

ALL = cherenkov.detector_names()
PI, K, P = PARTICLES.index("pi"), PARTICLES.index("K"), PARTICLES.index("p")


def at(n, momentum, eta=3.4, tracks=150, charge=1):
    return np.tile(np.array([momentum, eta, tracks, charge], np.float32), (n, 1))


def auc(high, low):
    return stats.mannwhitneyu(high, low).statistic / len(high) / len(low)


# light


@pytest.mark.parametrize(
    ("radiator", "pion", "kaon", "proton"),
    [  # m / sqrt(n^2 - 1), by hand
        (GASES[0].radiator, 2.637, 9.327, 17.73),
        (GASES[1].radiator, 4.413, 15.61, 29.67),
        (BAR, 0.1290, 0.4565, 0.8675),
    ],
)
def test_thresholds(radiator, pion, kaon, proton):
    np.testing.assert_allclose(radiator.threshold()[[PI, K, P]], [pion, kaon, proton], rtol=1e-3)
    assert (np.diagonal(radiator.angle(radiator.threshold()[:, None] * 0.9999)) == 0).all()
    assert (np.diagonal(radiator.angle(radiator.threshold()[:, None] * 1.0001)) > 0).all()


def test_angle_and_photons_are_those_of_frank_and_tamm():
    gas, p = GASES[0].radiator, np.array([12.0, 30.0, 100.0])
    beta = p / np.hypot(p, MASS[K])
    np.testing.assert_allclose(np.cos(gas.angle(p, MASS[K])), 1 / (gas.index * beta), rtol=1e-12)
    np.testing.assert_allclose(gas.photons(p, MASS[K]), gas.n0 * gas.length * (1 - 1 / (gas.index * beta) ** 2))
    fast = [medium.photons(1e4, MASS[PI]) for medium in (GASES[0].radiator, GASES[1].radiator)]
    np.testing.assert_allclose(fast, [20.4, 15.8], rtol=0.02)  # measured by the experiment


def test_photons_are_poisson_around_the_mean_and_lie_on_the_ring():
    n, mean = 4000, 18.0
    rng = np.random.default_rng(1)
    angles, owner = ring(rng, np.full(n, 0.05), np.full(n, mean), 1e-3, 0.0)
    counts = np.bincount(owner, minlength=n)
    assert abs(counts.mean() - mean) < 4 * np.sqrt(mean / n)
    assert counts.var() / mean == pytest.approx(
        1, abs=4 * np.sqrt(2 / n + 1 / (n * mean))
    )  # error of a Poisson variance
    # mixture: 92 % of width 1, 8 % of width 3 -> variance 0.92 + 0.08 * 9 = 1.64; the mean's error follows
    assert abs(angles.mean() - 0.05) < 4 * 1e-3 * np.sqrt(1.64 / len(angles))
    flat, _ = uniform(rng, np.full(n, 5.0), 0.08)
    assert stats.kstest(flat / 0.08, "uniform").pvalue > 1e-4
    # an error of the direction moves photons by delta cos(phi): its variance is delta^2 / 2
    moved, _ = ring(rng, np.full(n, 0.05), np.full(n, mean), 1e-9, 2e-3)
    assert moved.std() == pytest.approx(2e-3 / np.sqrt(2), rel=0.02)


# likelihood


def test_log_ratios_are_the_extended_likelihood_written_out():
    rng = np.random.default_rng(3)
    owner = np.array([0, 2, 2, 0, 2, 0, 2])
    angles, theta = rng.uniform(0.03, 0.06, 7), rng.uniform(0.04, 0.05, (3, 2))
    mean, sigma, density = rng.uniform(1, 20, (3, 2)), np.array([1e-3, 2e-3, 3e-3]), np.array([50.0, 100.0, 200.0])
    found = log_ratios(angles, owner, theta, mean, sigma, density)
    for t in range(3):
        mine = angles[owner == t]
        for h in range(2):
            with_ring = np.log(mean[t, h] * stats.norm.pdf(mine, theta[t, h], sigma[t]) + density[t]).sum() - mean[t, h]
            assert found[t, h] == pytest.approx(with_ring - len(mine) * np.log(density[t]), rel=1e-9)
    np.testing.assert_allclose(found[1], -mean[1])  # no photon: L_h = exp(-mu_h)


def test_the_mean_likelihood_ratio_is_one_without_a_ring():
    # E[L_h / L_0] = 1 under L_0; its variance is exp(mu^2 / (2 sqrt(pi) sigma rho)) - 1 = 0.76 here
    n, mu, sigma, rho, window = 20_000, 1.0, 0.01, 50.0, 1.0
    angles, owner = uniform(np.random.default_rng(5), np.full(n, rho * window), window)
    ratio = np.exp(log_ratios(angles, owner, np.full((n, 1), 0.5), np.full((n, 1), mu), sigma, rho))
    assert abs(ratio.mean() - 1) < 4 * np.sqrt(0.76 / n)


def test_below_threshold_all_dark_hypotheses_are_one():
    slow = Rich("pi").sample(at(500, 8.0), seed=1)
    np.testing.assert_array_equal(slow["RichDLLk"], slow["RichDLLbt"])
    np.testing.assert_array_equal(slow["RichDLLp"], slow["RichDLLbt"])
    kaon = Rich("K").sample(at(500, 13.0), seed=1)  # above C4F10's threshold, the proton below both
    np.testing.assert_array_equal(kaon["RichDLLp"], kaon["RichDLLbt"])
    assert (kaon["RichDLLk"] != kaon["RichDLLbt"]).mean() > 0.99
    proton = Dirc("p").sample(np.tile([1.1, 0, 0, 7, 0.4, 3000], (500, 1)), seed=1)  # p = 0.57 GeV
    np.testing.assert_array_equal(proton["dll_proton"], proton["dll_bt"])
    assert (proton["dll_kaon"] != proton["dll_bt"]).mean() > 0.9


# what every detector owes


@pytest.mark.parametrize("name", ALL)
def test_a_seed_gives_the_same_events_whatever_the_pieces(name):
    made = cherenkov.detector(name)
    assert isinstance(made, facsim.Sampler)
    whole = made.sample(1500, seed=3).check()
    pieces = facsim.concatenate(made.stream(1500, seed=3, start=1100))
    np.testing.assert_array_equal(pieces.features, whole.features[1100:])
    np.testing.assert_array_equal(pieces.conditions, whole.conditions[1100:])
    np.testing.assert_array_equal(made.sample(40, seed=3).features, whole.features[:40])
    assert not np.array_equal(made.sample(40, seed=4).features, whole.features[:40])


@pytest.mark.parametrize("kind", [Dirc, Rich, Muon, GlobalPID])
def test_given_tracks_are_kept_and_mixtures_know_their_kinds(kind):
    mixed = kind("all")
    drawn = mixed.sample(1200, seed=1)
    assert drawn.schema.block("particle").names == PARTICLES
    shares = np.bincount(drawn["particle"].astype(int), minlength=5) / 1200
    assert np.abs(shares - 0.2).max() < 4 * np.sqrt(0.16 / 1200)
    again = mixed.sample(drawn, seed=1)
    np.testing.assert_array_equal(again.features, drawn.features)  # noise depends on the seed alone
    np.testing.assert_array_equal(mixed.sample(drawn[:50], seed=1).features, drawn.features[:50])
    pure = kind("pi").sample(drawn, seed=1)  # the same tracks, were all of them pions
    pions = drawn["particle"] == PI
    assert pure.features.shape == drawn.features.shape
    assert not np.array_equal(pure.features[~pions], drawn.features[~pions])


def test_repeated_draws_are_the_conditional_density():
    tracks = np.array([[20.0, 3.0, 100, 0], [60.0, 3.5, 300, 1]])
    first = repeat(Muon("K"), tracks, 4000, seed=1)
    assert first.shape == (2, 4000, 3)
    chance = Muon("K").probability(tracks)
    assert np.all(np.abs(first[:, :, 0].mean(axis=1) - chance) < 4 * np.sqrt(chance * (1 - chance) / 4000))
    with pytest.raises(DataError, match="times=0"):
        repeat(Muon("K"), tracks, 0)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ([[1.5, 3, 100, 1]], r"P=1.5 GeV of track 0 is outside the acceptance 3 to 200 \(1 of 1 tracks are\)"),
        ([[30, 3, 100, 1], [30, 6, 100, 1]], r"ETA=6 of track 1 is outside the acceptance 1.8 to 5.5"),
        ([[30, 3, 0, 1]], r"nTracks=0 of track 0 is outside the acceptance 1 to 999"),
        ([[30, 3, 100, 2]], r"charge=2 of track 0 is outside"),
    ],
)
def test_tracks_outside_the_acceptance_are_named(conditions, message):
    for kind in (Rich, Muon, GlobalPID):
        with pytest.raises(RangeError, match=message):
            kind("K").sample(conditions)


def test_impossible_conditions_and_options():
    with pytest.raises(RangeError, match="particle=5 of track 0 is outside"):
        Rich("all").sample([[30, 3, 100, 1, 5]])
    with pytest.raises(RangeError, match=r"particle_one_energy=0.9 GeV of track 0 is below .* 0.9383 GeV"):
        Dirc("p").sample([[0.9, 0, 0, 7, 0, 0]])
    with pytest.raises(RangeError, match=r"particle_two_eta=0.7 of track 0"):
        Dirc("p").sample([[7, 0, 0, 7, 0.7, 0]])
    with pytest.raises(DataError, match="not finite"):
        Rich().sample([[np.nan, 3, 100, 1]])
    with pytest.raises(DataError, match="Did you mean 'kaon'"):
        Rich("kaons")
    with pytest.raises(DataError, match=r"kinematics='rael' must be.*Did you mean 'real'"):
        Rich(kinematics="rael")
    with pytest.raises(RangeError, match="P=1:20 reaches beyond the acceptance 3 to 200"):
        Rich(P="1:20")
    with pytest.raises(DataError, match=r"signal=1.5 must lie between 0 and 1"):
        RichCalibration(signal=1.5)
    with pytest.raises(DataError, match="give the number of events"):
        RichCalibration().sample([[30, 3, 100, 1]])
    with pytest.raises(SimulationError, match="Did you mean 'rich'"):
        cherenkov.detector("rihc")
    with pytest.raises(DataError, match="signal='much' must be of type float"):
        cherenkov.detector("rich-calibration", signal="much")


def test_ranges_replace_what_is_drawn():
    narrow = Rich("pi", P="10:20", nTracks="100", charge="-1").sample(3000, seed=1)
    assert 10 <= narrow["P"].min() < narrow["P"].max() <= 20
    assert set(narrow["nTracks"]) == {100}
    assert set(narrow["charge"]) == {0}
    flat = Rich("pi", kinematics="flat").sample(3000, seed=1)
    assert stats.kstest(np.log(flat["P"] / 3) / np.log(200 / 3), "uniform").pvalue > 1e-4
    real = Rich("pi").sample(3000, seed=1)
    assert stats.spearmanr(real["P"], real["ETA"]).statistic > 0.3  # P = pT cosh(ETA)


# rings


def test_kaons_and_pions_part_as_in_the_experiment():
    n, tracks = 3000, {"kinematics": "flat", "ETA": "2.2:4.2", "nTracks": "50:300"}
    for low, high, least, most in ((10, 40, 0.985, 1.0), (60, 90, 0.80, 0.97), (150, 200, 0.5, 0.70)):
        kaon, pion = (
            Rich(x, P=f"{low}:{high}", **tracks).sample(n, seed=i)["RichDLLk"] for i, x in enumerate(("K", "pi"))
        )
        assert least < auc(kaon, pion) < most
        if low == 10:  # arXiv:1211.6759: 95 % of kaons, 10 % of pions, over 2 to 100 GeV
            assert (kaon > 0).mean() > 0.95
            assert 0.02 < (pion > 0).mean() < 0.10


def test_busy_events_and_the_edge_tell_less():
    n = 3000
    quiet, busy, edge = (
        auc(Rich("K").sample(given, seed=1)["RichDLLk"], Rich("pi").sample(given, seed=2)["RichDLLk"])
        for given in (at(n, 60), at(n, 60, tracks=900), at(n, 60, eta=5.4))
    )
    assert quiet > busy + 0.01  # the error of an AUC near 0.9 is 0.004
    assert edge < 0.6


def test_lost_pions_are_a_tail():
    dll = Rich("pi").sample(at(20_000, 25.0), seed=1)["RichDLLk"]
    # lost in C4F10, and with it in CF4: 1 - (1 - 0.03 * 0.98) exp(-2 * 0.1396 / (25 * 7.80)) = 0.031; four times the
    # error of the share is 0.005, and background makes some look like kaons or pions all the same
    wrong = (dll > 0).mean()
    assert 0.02 < wrong < 0.05
    assert stats.norm.sf(-dll.mean() / dll.std()) < wrong  # heavier than a normal tail


def test_the_second_track_spoils_the_first_where_it_is_close():
    def spread(x_two):
        given = np.tile([6.0, 0.0, 0.0, 6.0, 0.02, x_two], (4000, 1))
        return auc(Dirc("K").sample(given, seed=1)["dll_kaon"], Dirc("pi").sample(given, seed=2)["dll_kaon"])

    assert spread(8000) > spread(0) + 0.02  # the error of an AUC near 0.9 is 0.003
    real = Dirc("K").sample(4000, seed=1)
    assert real["particle_one_energy"].mean() == pytest.approx(7, abs=4 * 1.5 / np.sqrt(4000))


# muons


def test_is_muon_has_the_stated_probability():
    mixed = Muon("all")
    events = mixed.sample(20_000, seed=1)
    chance = mixed.probability(events)
    for kind in range(5):
        of = events["particle"] == kind
        error = np.sqrt((chance[of] * (1 - chance[of])).sum())
        assert abs(events["isMuon"][of].sum() - chance[of].sum()) < 4 * error
    rate = [chance[events["particle"] == kind].mean() for kind in range(5)]
    assert rate[1] > 0.9
    assert rate[0] < 0.02
    assert 0.005 < rate[PI] < 0.03
    low, high = Muon("mu").probability(at(1, 3.05)), Muon("mu").probability(at(1, 5.0))
    assert low[0] < 0.3  # the iron
    assert high[0] > 0.95
    np.testing.assert_array_equal(stations([3.0, 5.99, 6.0, 9.99, 10.0]), [2, 2, 3, 3, 4])


def test_muon_likelihoods_are_defined_where_is_muon_is_set():
    events = Muon("all").sample(8000, seed=2)
    on = events["isMuon"] == 1
    for name in ("MuonMuLL", "MuonBgLL"):
        assert (events[name][~on] == UNDEFINED).all()
        assert (events[name][on] < 0).all()
        assert (events[name][on] > -9).all()
    muon = events["particle"] == 1
    ratio = events["MuonMuLL"] - events["MuonBgLL"]
    assert auc(ratio[on & muon], ratio[on & ~muon]) > 0.85


def test_closed_forms_of_the_muon_likelihoods():
    total, k = np.array([0.5, 4.0, 20.0]), np.array([2, 3, 4])
    np.testing.assert_allclose(_log_survival(total, k), stats.chi2.logsf(total, 2 * k), rtol=1e-10)
    sums = np.random.default_rng(1).random((200_000, 4))
    for count in (2, 3, 4):
        x = 0.4 * count
        share = (sums[:, :count].sum(axis=1) < x).mean()
        expected = np.exp(_log_irwin_hall(np.array([x]), np.array([count])))[0]
        assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / 200_000)


# global identification


def test_global_variables_follow_from_the_stages():
    events = GlobalPID("all").sample(8000, seed=1)
    extra = events["PIDK"] - events["RichDLLk"]
    assert abs(extra.mean()) < 4 * 0.5 / np.sqrt(8000)
    assert extra.std() == pytest.approx(0.5, rel=4 / np.sqrt(2 * 8000))
    on = events["isMuon"] == 1
    chambers = events["PIDmu"] - events["RichDLLmu"]
    np.testing.assert_allclose(chambers[on], (events["MuonMuLL"] - events["MuonBgLL"])[on], atol=1e-4)
    assert abs(chambers[~on].mean() + 3) < 4 * 0.5 / np.sqrt((~on).sum())
    electron = events["particle"] == 0
    assert (events["PIDe"] - events["RichDLLe"])[electron].mean() > 1
    for name in ("ProbNNe", "ProbNNpi", "ProbNNk", "ProbNNp", "ProbNNmu"):
        assert 0 < events[name].min() < events[name].max() < 1
    kinds = ("ProbNNe", "ProbNNmu", "ProbNNpi", "ProbNNk", "ProbNNp")
    best = np.argmax([events[name] for name in kinds], axis=0)
    assert (best == events["particle"]).mean() > 0.6  # by chance 0.2


# calibration samples


def test_the_mass_has_its_shapes_and_is_independent():
    sample, n = RichCalibration("K", signal=0.4), 12_000
    events = sample.sample(n, seed=1)
    signal = events["signal"] == 1
    assert abs(signal.mean() - 0.4) < 4 * np.sqrt(0.24 / n)
    low, high = sample.window
    pull = (events["mass"].astype(float) - sample.decay.mass) / sample.decay.resolution
    assert low <= events["mass"].min() < events["mass"].max() <= high
    assert stats.kstest(pull[signal], "norm").pvalue > 1e-4
    assert stats.kstest((pull[~signal] + 6) / 10, stats.truncexpon(1.2).cdf).pvalue > 1e-4
    broken = RichCalibration("K", signal=0.4, correlated=1.0).sample(n, seed=1)
    for rows in (signal, ~signal):
        for other in ("P", "ETA", "nTracks", "RichDLLk"):
            assert abs(stats.spearmanr(events["mass"][rows], events[other][rows]).statistic) < 4 / np.sqrt(rows.sum())
        assert stats.spearmanr(broken["mass"][rows], broken["P"][rows]).statistic > 10 / np.sqrt(rows.sum())


def test_the_signal_is_the_detector_itself_and_the_background_is_not():
    events = RichCalibration("K").sample(8000, seed=1)
    signal, truth = events[events["signal"] == 1], Rich("K").sample(4000, seed=2)
    below = events[events["signal"] == 0]
    for name in ("P", "ETA", "nTracks", "RichDLLk", "RichDLLbt"):
        assert stats.ks_2samp(signal[name], truth[name]).pvalue > 1e-4
        assert stats.ks_2samp(below[name], truth[name]).pvalue < 1e-10


# files


def test_simulate_writes_them(tmp_path):
    found = {}
    for name, settings in (("rich", ["particle=pi", "P=10:20"]), ("muon-calibration", ["signal=0.3"]), ("dirc", [])):
        path = tmp_path / f"{name}.root"
        options = [word for text in settings for word in ("--set", text)]
        done = CliRunner().invoke(cli, ["simulate", name, "-n", "300", "--seed", "1", "-o", str(path), *options])
        assert done.exit_code == 0, done.output
        found[name] = facsim.io.read(path)
    same = Rich("pi", P="10:20").sample(300, seed=1)
    np.testing.assert_array_equal(found["rich"]["RichDLLk"], same["RichDLLk"])
    assert found["rich"].schema == same.schema
    assert {"mass", "signal"} <= {b.name for b in found["muon-calibration"].schema.features}
    refused = CliRunner().invoke(
        cli, ["simulate", "rich", "-n", "3", "-o", str(tmp_path / "x.h5"), "--set", "partcle=K"]
    )
    assert refused.exit_code != 0
    assert "Did you mean 'particle'" in refused.output
