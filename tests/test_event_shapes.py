"""Event shapes against closed forms and, where it is installed, Pythia's own."""

import numpy as np
import pytest

from facsim.observables.event_shapes import broadenings, event_shapes, tensor_eigenvalues, thrust


def isotropic(n, m, seed):
    """n events of m pairs of opposite unit vectors."""
    half = np.random.default_rng(seed).normal(size=(n, m, 3))
    half /= np.linalg.norm(half, axis=2, keepdims=True)
    return np.concatenate([half, -half], axis=1)


def test_two_back_to_back_particles_have_no_shape():
    p = np.zeros((1, 5, 3))
    p[0, :2] = [[1, 2, 2], [-1, -2, -2]]
    assert all(abs(v[0]) < 1e-12 for v in event_shapes(p).values())


def test_three_equal_particles_in_a_plane():
    angle = 2 * np.pi * np.arange(3) / 3
    p = np.stack([np.cos(angle), np.sin(angle), np.zeros(3)], axis=1)[None]
    found = event_shapes(p)
    assert found["one_minus_thrust"][0] == pytest.approx(1 / 3)  # the axis is along one of them: (1 + 1/2 + 1/2) / 3
    assert found["sphericity"][0] == pytest.approx(3 / 4)  # eigenvalues 1/2, 1/2, 0
    assert found["aplanarity"][0] == pytest.approx(0, abs=1e-12)
    assert found["c_parameter"][0] == pytest.approx(3 / 4)
    assert found["d_parameter"][0] == pytest.approx(0, abs=1e-12)
    assert found["total_broadening"][0] == pytest.approx(np.sqrt(3) / 6)  # two of sin 60 degrees over 2 * 3


def test_a_regular_cross_has_everything_of_an_isotropic_event_that_a_tensor_sees():
    p = np.concatenate([np.eye(3), -np.eye(3)])[None]
    found = event_shapes(p)
    expected = {"sphericity": 1, "aplanarity": 0.5, "c_parameter": 1, "d_parameter": 1}
    assert {k: found[k][0] for k in expected} == pytest.approx(expected)
    assert found["one_minus_thrust"][0] == pytest.approx(1 - 1 / np.sqrt(3))  # along (1, 1, 1)


def test_isotropic_events_reach_the_limits_of_thrust_and_broadening():
    found = event_shapes(isotropic(3, 4000, seed=0))
    # the mean of |cos| over 8000 directions has the error 0.29 / sqrt(4000) = 0.005; thrust is its largest, so above
    assert found["one_minus_thrust"] == pytest.approx(0.5, abs=0.02)
    assert found["total_broadening"] == pytest.approx(np.pi / 8, abs=0.01)
    assert found["wide_broadening"] == pytest.approx(np.pi / 16, abs=0.01)


def test_thrust_is_the_best_of_all_axes():
    p = np.random.default_rng(1).normal(size=(200, 7, 3))
    value, axis = thrust(p)
    # the best axis is the sum of the momenta with some signs: all 2^7 of them
    signs = np.array(np.meshgrid(*[[-1, 1]] * 7)).reshape(7, -1).T
    best = np.linalg.norm(signs @ p, axis=2).max(1) / np.linalg.norm(p, axis=2).sum(1)
    assert (value <= best * (1 + 1e-12)).all()
    assert (value < best * (1 - 1e-9)).mean() < 0.04  # measured 0.01: eight starts may end on a lower maximum
    along = np.abs(np.einsum("nmi,ni->nm", p, axis)).sum(1) / np.linalg.norm(p, axis=2).sum(1)
    np.testing.assert_allclose(along, value, rtol=1e-12)


def test_shapes_do_not_depend_on_order_padding_rotation_or_scale():
    rng = np.random.default_rng(2)
    p = rng.normal(size=(10, 12, 3))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    other = 7 * np.concatenate([p[:, ::-1] @ turn, np.zeros((10, 3, 3))], axis=1)
    a, b = event_shapes(p), event_shapes(other)
    assert all(np.allclose(a[k], b[k], atol=1e-12) for k in a)


def test_no_event_and_an_empty_event():
    assert event_shapes(np.zeros((0, 3, 3)))["sphericity"].shape == (0,)
    assert all(v[0] == 0 for v in event_shapes(np.zeros((1, 3, 3))).values())


def test_pythia_finds_the_same():
    pythia8 = pytest.importorskip("pythia8mc")
    rng = np.random.default_rng(3)
    p = rng.normal(size=(40, 30, 3)) * rng.exponential(1, (40, 30, 1)) * [1, 1, 6]
    value, axis = thrust(p)
    quadratic, linear = tensor_eigenvalues(p, 2), tensor_eigenvalues(p, 1)
    theirs = pythia8.Thrust(1), pythia8.Sphericity(2.0, 1), pythia8.Sphericity(1.0, 1)
    exact = np.zeros(len(p))
    for k, momenta in enumerate(p):
        event = pythia8.Event()
        event.init("", pythia8.ParticleData())
        event.append(90, -11, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 1.0, 1.0)
        for x, y, z in momenta.tolist():
            event.append(22, 1, 0, 0, 0, 0, 0, 0, x, y, z, float(np.hypot(np.hypot(x, y), z)), 0.0)
        assert all(shape.analyze(event) for shape in theirs)
        exact[k] = theirs[0].thrust()
        for ours, shape in ((quadratic, theirs[1]), (linear, theirs[2])):
            np.testing.assert_allclose(ours[k], [shape.eigenValue(i) for i in (1, 2, 3)], rtol=1e-6)
    assert (value <= exact * (1 + 1e-9)).all()  # Pythia tries all axes
    assert (value > exact * (1 - 1e-9)).mean() > 0.85
    wide, total = broadenings(p, axis)
    assert (wide <= total).all()
    assert (total <= 2 * wide + 1e-12).all()
