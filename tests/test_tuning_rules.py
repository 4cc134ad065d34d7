"""The rule of validity of a tuned space survives the disk, or is said to be lost."""

import logging

import numpy as np
import pytest

from facsim.simulators.parametric import Parameter, Space
from facsim.simulators.parametric.rules import read_rules
from facsim.tuning import Tuned

BOX = (Parameter("a", 0, 1), Parameter("b", 0, 1))


def stored(space, folder):
    return Tuned.load(Tuned("posterior", "posterior", space, [[0.8, 0.1]], [0.8, 0.1], calls=1).save(folder))


def test_rules_from_text_are_known_again(tmp_path, caplog):
    texts = ["b <= a / 4", "0.1 < a"]
    space = Space(BOX, read_rules(texts, ("a", "b")), " and ".join(texts))
    back = stored(space, tmp_path / "once")
    back = Tuned.load(back.save(tmp_path / "twice"))
    points = np.array([[0.6, 0.6], [0.8, 0.2], [0.8, 0.1], [0.1, 0.0]])
    np.testing.assert_array_equal(back.space.contains(points), [False, True, True, False])
    assert back.space.rule == space.rule
    assert not caplog.records


@pytest.mark.parametrize(
    ("words", "kept"), [({"rule": "b is small"}, "b is small"), ({}, "a rule of the simulator's own")]
)
def test_of_a_rule_that_is_code_the_description_stays(words, kept, tmp_path, caplog):
    space = Space(BOX, lambda theta: theta[:, 1] <= theta[:, 0] / 4, **words)
    with caplog.at_level(logging.WARNING, "facsim"):
        back = stored(space, tmp_path / "once")
        assert back.space.contains([[0.6, 0.6]]).all()
        assert f"'{space.rule}' is code, and not known here" in caplog.text
        assert Tuned.load(back.save(tmp_path / "twice")).space.rule == kept


def test_without_a_rule_nothing_is_said(tmp_path, caplog):
    assert stored(Space(BOX), tmp_path).space == Space(BOX)
    assert not caplog.records
