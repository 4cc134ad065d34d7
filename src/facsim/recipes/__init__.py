"""Published systems as settings: a recipe names a family, its hyper-parameters and its training."""

from facsim.recipes.option_string import METHOD_GAN
from facsim.recipes.recipe import Recipe, load, names, reference, summary, text

__all__ = ["METHOD_GAN", "Recipe", "load", "names", "reference", "summary", "text"]
