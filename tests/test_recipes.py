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


def test_a_base_is_a_preset_or_a_file_beside(tmp_path):
    (tmp_path / "below.yaml").write_text("base: lagan\nmodel: {critic: {dropout: 0.5}}\ntraining: {steps: 5}\n")
    (tmp_path / "above.yaml").write_text("base: below.yaml\ntraining: {batch: 7}\n")
    recipe = recipes.load(tmp_path / "above.yaml")
    assert (recipe.config.critic.kind, recipe.config.critic.dropout) == ("lagan", 0.5)
    assert (recipe.training.steps, recipe.training.batch) == (5, 7)
    (tmp_path / "below.yaml").write_text("base: above.yaml\n")
    with pytest.raises(RecipeError, match=r"based on itself.*above\.yaml.*below\.yaml"):
        recipes.load(tmp_path / "above.yaml")
    for base, expected in (
        ("gna", "no recipe 'gna'.*Did you mean 'gan'"),
        ("no.yaml", "no such recipe file"),
        ("3", "3"),
    ):
        (tmp_path / "above.yaml").write_text(f"base: {base}\n")
        with pytest.raises(RecipeError, match=expected):
            recipes.load(tmp_path / "above.yaml")


def test_what_is_set_wrongly_is_told():
    with pytest.raises(RecipeError, match=r"'model\.schedule\.critic_stepz'.*Did you mean 'critic_steps'"):
        recipes.load("gan", {"model.schedule.critic_stepz": "3"})
    with pytest.raises(RecipeError, match=r"model\.objective = '{kind: hinge' is not YAML"):
        recipes.load("gan", {"model.objective": "{kind: hinge"})
    with pytest.raises(RecipeError, match=r"training\.rates\.critic = -1"):
        recipes.load("gan", {"training.rates.critic": "-1"})
    with pytest.raises(RecipeError, match="'model' must be a mapping, got 3"):
        recipes.load("gan", {"model": "3"})


def test_on_and_off_are_words(tmp_path):
    changes = {"model.penalties": "[{kind: gradient, on: features+conditions}]", "training.mirror": "off"}
    recipe = recipes.load("wgan-gp", changes)
    assert recipe.config.penalties[0].on == "features+conditions"
    assert recipe.training.mirror == "off"
    path = tmp_path / "mine.yaml"
    path.write_text("base: wgan-gp\nmodel: {moments: yes, critic: {spectral: true}}\ntraining: {mirror: on}\n")
    recipe = recipes.load(path)
    assert (recipe.config.moments, recipe.config.critic.spectral, recipe.training.mirror) == (True, True, "on")
