"""Training of the face finder: scenes composed on the fly, rounds of them."""

from dan.training.finder.pipeline import train_finder
from dan.training.finder.recipe import FinderRecipe

__all__ = ["FinderRecipe", "train_finder"]
