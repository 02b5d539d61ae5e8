"""SRGAN on MRI: first a network that minimises the squared error, then one a critic takes for real.

``srresnet-mri-x2`` and ``-x4`` are the starting points and the other end of the trade-off; a
generator that was trained against a critic from nothing would first have to learn the anatomy.
The networks are the papers' with fewer and narrower blocks, so that a CPU can train them.
"""

from functools import partial

from medacuity.adversarial import NON_SATURATING
from medacuity.losses import mse
from medacuity.models import SRGANCritic, SRResNet
from medacuity.training.learners.conditional import Conditional, alone, srgan_terms
from medacuity.training.learners.descent import adam, adam_in_stages
from medacuity.training.learners.duel import Rules
from medacuity.training.learners.supervised import Supervised, paired
from medacuity.training.phi import MedicalFeatures
from medacuity.training.recipes.recipe import Enhancement
from medacuity.training.variety import any_history, fewer_voxels

PATCHES = {2: (48, 48), 4: (24, 24)}  # 96 x 96 of the truth, as in the paper
RATE = 1e-4
RULES = Rules(
    game=NON_SATURATING,
    generator=adam_in_stages(RATE, stages=2, by=0.1),
    critic=adam_in_stages(2 * RATE, stages=2, by=0.1),  # it begins from nothing
)
FEATURES = 0.006


def _srresnet(factor: int) -> Enhancement:
    scale = (factor, factor)
    return Enhancement(
        name=f"srresnet-mri-x{factor}",
        model=partial(SRResNet, scale=scale, dims=2, width=32, blocks=8, smooth=True),
        degrade=partial(fewer_voxels, factor=scale, kspace=1.0, noise=(0.0, 0.0)),
        history=any_history,
        learner=partial(Supervised, objective=partial(paired, loss=mse), descent=adam(1e-3)),
        patch=PATCHES[factor],
        batch=8,
        steps=3_000,
        variants=3,
        seed=factor,
        task=f"MRI slices with {factor} times the voxels in the plane, least squared error",
    )


def _srgan(factor: int, adversarial: float, name: str) -> Enhancement:
    scale = (factor, factor)
    return Enhancement(
        name=name,
        model=partial(SRResNet, scale=scale, dims=2, width=32, blocks=8, smooth=True),
        degrade=partial(fewer_voxels, factor=scale, kspace=1.0, noise=(0.0, 0.0)),
        history=any_history,
        learner=partial(
            Conditional,
            critic=partial(SRGANCritic, dims=2, size=96, width=16),
            terms=srgan_terms(MedicalFeatures("relu1_2", "relu2_2", "relu3_2"), features=FEATURES),
            adversarial=adversarial,
            sight=alone,
            rules=RULES,
        ),
        patch=PATCHES[factor],
        batch=8,
        steps=1_000,
        variants=3,
        seed=factor,
        start=f"srresnet-mri-x{factor}",
        task=f"MRI slices with {factor} times the voxels in the plane, with likely texture",
    )


WEIGHTS = {"-light": 1e-4, "": 3e-4, "-heavy": 1e-3}
"""Weight of the adversarial loss, by what it adds to a recipe's name. The paper's 1e-3 is the heavy
one: beside features of MRI, and with a critic that keeps up, it overshoots on some scans."""

RECIPES = [
    recipe
    for factor in PATCHES
    for recipe in (
        _srresnet(factor),
        *(_srgan(factor, weight, f"srgan-mri-x{factor}{end}") for end, weight in WEIGHTS.items()),
    )
]
