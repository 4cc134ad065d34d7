"""Recipes: presets load, changes are checked, mistakes are named."""

import pytest

from facsim import recipes
from facsim.errors import RecipeError
from facsim.models import families


@pytest.mark.parametrize("name", recipes.names())
def test_every_preset_is_complete(name):
    recipe = recipes.load(name)
    assert recipe.family in families()
    assert recipe.summary
    assert recipe.reference
    assert recipe.to_json()["training"]["steps"] == recipe.training.steps


def test_a_file_and_overrides_change_values(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(recipes.text("cfm").replace("hidden: 512", "hidden: 64"))
    recipe = recipes.load(path, {"training.steps": "7", "training.betas": "[0.5, 0.9]"})
    assert (recipe.config.hidden, recipe.training.steps, recipe.training.betas) == (64, 7, (0.5, 0.9))


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("family: cfm\ntrainning:\n  steps: 3\n", {}, r"unknown key 'trainning.*line 3.*Did you mean 'training.steps'"),
        ("family: cfm\nmodel:\n  hiden: 3\n", {}, r"'model.hiden' in .*line 3.*Did you mean 'model.hidden'"),
        ("family: cfm\n", {"steps": 3}, "Did you mean 'training.steps'"),
        ("family: cfm\n", {"training.steps": -1}, "training.steps = -1"),
        ("family: cmf\n", {}, "Did you mean 'cfm'"),
        ("summary: nothing\n", {}, "'family' is missing"),
        ("- a\n- b\n", {}, "a recipe is a mapping"),
        ("family: cfm\nmodel: 3\n", {}, "'model' must be a mapping"),
        ("family: [cfm\n", {}, "not YAML"),
    ],
)
def test_mistakes_are_named_with_their_cure(tmp_path, text, changes, expected):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=expected):
        recipes.load(path, changes)


def test_unknown_recipes_name_the_nearest(tmp_path):
    with pytest.raises(RecipeError, match="Did you mean 'wgan-gp'"):
        recipes.load("wgan-pg")
    with pytest.raises(RecipeError, match="no such recipe file"):
        recipes.load(tmp_path / "none.yaml")
