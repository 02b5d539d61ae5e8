"""Images out of noise: chest radiographs of 32 voxels, of the class asked for or of any.

DCGAN as published, at half its size. Classes are drawn equally often, however rare one is among
the pictures, which are moved a little so that few are not learnt by heart. A critic bounded by
spectral norm, and the hinge, learned more slowly in trials.
"""

from functools import partial

from medacuity.models import DCGANCritic, DCGANGenerator
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
            critic=partial(DCGANCritic, dims=2, size=32, width=32, classes=classes),
            latent=LATENT,
        ),
        classes=CLASSES,
        shows="chest X-ray",
        batch=64,
        steps=5_000,
        task=task,
    )


RECIPES = [
    _chest("gan-pneumonia", 0, "chest radiographs of 32 voxels"),
    _chest("cgan-pneumonia", len(CLASSES), "chest radiographs of 32 voxels, normal or pneumonia"),
]
