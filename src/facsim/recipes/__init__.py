"""Published systems as settings: a recipe names a family, its hyper-parameters and its training."""

from facsim.recipes.recipe import Recipe, load, names, reference, summary, text

__all__ = ["Recipe", "load", "names", "reference", "summary", "text"]
