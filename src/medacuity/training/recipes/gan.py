"""Images out of noise: chest radiographs of 32 voxels, of the class asked for or of any.

DCGAN at half its size. Classes are drawn equally often, however rare one is among the pictures,
which are moved a little so that few are not learnt by heart. A critic as published let the
generator make one image per class, again and again; one that is bounded by spectral norm and
sees how much a batch varies does not.
"""

from functools import partial

from medacuity.models import DCGANCritic, DCGANGenerator
from medacuity.training.learners.descent import adam_in_games
from medacuity.training.learners.duel import Rules
from medacuity.training.learners.gan import GAN
from medacuity.training.recipes.recipe import Generation

CLASSES = ("normal", "pneumonia")
LATENT = 64
RULES = Rules(generator=adam_in_games(4e-4), critic=adam_in_games(8e-4))


def _chest(name: str, classes: int, task: str) -> Generation:
    return Generation(
        name=name,
        model=partial(DCGANGenerator, dims=2, size=32, latent=LATENT, width=32, classes=classes),
        learner=partial(
            GAN,
            critic=partial(
                DCGANCritic, dims=2, size=32, width=32, classes=classes, spectral=True, spread=True
            ),
            latent=LATENT,
            rules=RULES,
        ),
        classes=CLASSES,
        shows="chest X-ray",
        batch=64,
        steps=3_000,
        task=task,
    )


RECIPES = [
    _chest("gan-pneumonia", 0, "chest radiographs of 32 voxels"),
    _chest("cgan-pneumonia", len(CLASSES), "chest radiographs of 32 voxels, normal or pneumonia"),
]
