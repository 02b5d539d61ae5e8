"""Images out of noise: chest radiographs of 32 voxels, of the class asked for or of any.

DCGAN with a critic whose gain is bounded (spectral norm) and the hinge: a first run that does not
collapse. Classes are drawn equally often, however rare one is among the pictures.
"""

from functools import partial

from medacuity.adversarial import HINGE
from medacuity.models import DCGANCritic, DCGANGenerator
from medacuity.training.learners.duel import Rules
from medacuity.training.learners.gan import GAN
from medacuity.training.recipes.recipe import Generation

CLASSES = ("normal", "pneumonia")
LATENT = 64


def _chest(name: str, classes: int, task: str) -> Generation:
    return Generation(
        name=name,
        model=partial(DCGANGenerator, dims=2, size=32, latent=LATENT, width=32, classes=classes),
        learner=partial(
            GAN,
            critic=partial(DCGANCritic, dims=2, size=32, width=32, classes=classes, spectral=True),
            latent=LATENT,
            rules=Rules(game=HINGE),
        ),
        classes=CLASSES,
        shows="chest X-ray",
        batch=64,
        steps=10_000,
        task=task,
    )


RECIPES = [
    _chest("gan-pneumonia", 0, "chest radiographs of 32 voxels"),
    _chest("cgan-pneumonia", len(CLASSES), "chest radiographs of 32 voxels, normal or pneumonia"),
]
