"""The menu: what to train, on what, how long; one file per task."""

from medacuity.training.recipes.family import RECIPES as FAMILY
from medacuity.training.recipes.mri import RECIPES as MRI
from medacuity.training.recipes.photo import RECIPES as PHOTO
from medacuity.training.recipes.recipe import Recipe

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (*MRI, *FAMILY, *PHOTO)}
"""What ``medacuity train NAME`` knows."""

__all__ = ["RECIPES", "Recipe"]
