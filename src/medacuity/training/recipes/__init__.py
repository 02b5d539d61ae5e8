"""The menu: what to train, on what, how long; one file per task."""

from medacuity.training.recipes.contrasts import RECIPES as CONTRASTS
from medacuity.training.recipes.ct import RECIPES as CT
from medacuity.training.recipes.discs import RECIPES as DISCS
from medacuity.training.recipes.family import RECIPES as FAMILY
from medacuity.training.recipes.features import RECIPES as FEATURES
from medacuity.training.recipes.gan import RECIPES as GAN
from medacuity.training.recipes.mri import RECIPES as MRI
from medacuity.training.recipes.pet import RECIPES as PET
from medacuity.training.recipes.photo import RECIPES as PHOTO
from medacuity.training.recipes.recipe import (
    Batches,
    Enhancement,
    Generation,
    Recipe,
    Reconstruction,
)
from medacuity.training.recipes.reconstruction import RECIPES as RECONSTRUCTION
from medacuity.training.recipes.srgan import RECIPES as SRGAN
from medacuity.training.recipes.tissues import RECIPES as TISSUES
from medacuity.training.recipes.translation import Translation

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *MRI, *CT, *FAMILY, *PHOTO, *SRGAN, *CONTRASTS, *PET, *GAN, *FEATURES, *RECONSTRUCTION,
        *TISSUES, *DISCS,
    )
}  # fmt: skip
"""What ``medacuity train NAME`` knows."""

__all__ = [
    "RECIPES",
    "Batches",
    "Enhancement",
    "Generation",
    "Recipe",
    "Reconstruction",
    "Translation",
]
