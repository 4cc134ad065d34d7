"""The bundled sample is what its provenance says."""

import hashlib

import numpy as np
import pytest

from facsim import datasets
from facsim.errors import MissingData


@pytest.fixture(scope="module")
def events():
    return datasets.load("calogan-eplus-mini")


def test_size_and_checksum():
    path = datasets.path("calogan-eplus-mini")
    assert path.stat().st_size < 6e6
    assert hashlib.sha256(path.read_bytes()).hexdigest() == datasets.provenance("calogan-eplus-mini")["sha256"]


def test_energies_are_flat_from_1_to_100(events):
    assert len(events) == 4000
    counts, _ = np.histogram(events["energy"], np.linspace(1, 100, 11))
    assert counts.sum() == 4000
    # chi-square of 9 degrees of freedom exceeds 28 once in a thousand times
    assert ((counts - 400) ** 2 / 400).sum() < 28


def test_showers_look_like_calogans(events):
    """Against 51 original showers (sum/E 0.9942 +- 0.0033 rms, layers 0.193, 0.806, 0.0017), five standard errors."""
    total = events.features.sum(axis=1, dtype=float)
    assert (total / (1e3 * events["energy"])).mean() == pytest.approx(0.9942, abs=5 * 0.0033 / np.sqrt(51))
    fractions = [(events[f"layer_{k}"].sum(axis=(1, 2)) / total).mean() for k in range(3)]
    spread = [(events[f"layer_{k}"].sum(axis=(1, 2)) / total).std() for k in range(3)]
    for got, original, rms in zip(fractions, [0.193, 0.806, 0.0017], spread, strict=True):
        assert got == pytest.approx(original, abs=5 * rms / np.sqrt(51))
    assert len(np.unique(events.features, axis=0)) == 4000


def test_overflow_is_there_for_who_asks():
    overflow = datasets.load("calogan-eplus-mini", blocks=["overflow"])["overflow"]
    assert (overflow >= 0).all()
    # the 51 original showers: 6.8, 38.8, 1.9 MeV
    assert 20 < overflow[:, 1].mean() < 60


def test_unknown_names_are_refused():
    with pytest.raises(MissingData, match="Did you mean 'calogan-eplus-mini'"):
        datasets.load("calogan-eplus")
