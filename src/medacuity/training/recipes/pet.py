"""From MRI to PET in SUV: what anatomy determines of uptake, and how wide the rest is.

The U-Net and its 2.5D and 3D kin give two images: the median, learnt by L1, and the error that
is to be expected there. pix2pix and CycleGAN give one: a likely image, with likely noise. Grids
are 2 mm, which holds all that a scanner of 5 mm passes. Left and right are alike, front and back
are not: nothing else is mirrored. ``synth`` is the U-Net for pairs of your own.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import nn

from medacuity.intensity import Fixed
from medacuity.losses import median_and_spread
from medacuity.models import FineUNet, PatchGAN
from medacuity.training.contrasts import Contrasts
from medacuity.training.learners.conditional import Conditional
from medacuity.training.learners.cycle import Cycle
from medacuity.training.learners.descent import adam
from medacuity.training.learners.supervised import Supervised, paired
from medacuity.training.recipes.contrasts import recolour
from medacuity.training.recipes.translation import Translation

SUV = Fixed(0.0, 12.0)
T1_PET = Contrasts("T1", "PET", spacing=2.0, unit="SUV", scale=SUV)
AROUND = 2  # slices on either side: 4 mm, nearly the width of a scanner's blur
SLICES = (64, 80)
VOLUMES = (48, 64, 48)
RIGHT_LEFT = (0,)

NETWORK = partial(FineUNet, dims=2, width=20, depth=4, fine=16)
VOLUME_NETWORK = partial(FineUNet, dims=3, width=12, depth=3, fine=8)
MEASURED = partial(Supervised, objective=partial(paired, loss=median_and_spread),
                   descent=adam(1e-3))  # fmt: skip
PAIR_CRITIC = partial(PatchGAN, dims=2, channels=2, width=24, layers=2)
SLAB_CRITIC = partial(PatchGAN, dims=2, channels=2 + 2 * AROUND, width=24, layers=2)
VOLUME_CRITIC = partial(PatchGAN, dims=3, channels=2, width=12, layers=2)
IMAGE_CRITIC = partial(PatchGAN, dims=2, channels=1, width=24, layers=2, instance=True)

UNET = Translation(
    name="unet-t1-pet",
    model=partial(FineUNet, dims=2, outputs=2, width=20, depth=4, fine=16),
    learner=MEASURED,
    contrasts=T1_PET,
    patch=SLICES,
    mirrors=RIGHT_LEFT,
    batch=8,
    steps=3_000,
    task="median and expected error",
)
THICK_SLICES = Translation(
    name="unet-slab-t1-pet",
    model=partial(FineUNet, dims=2, channels=1 + 2 * AROUND, outputs=2, width=20, depth=4, fine=16),
    learner=MEASURED,
    contrasts=Contrasts("T1", "PET", spacing=2.0, unit="SUV", scale=SUV, around=AROUND),
    patch=SLICES,
    mirrors=RIGHT_LEFT,
    batch=8,
    steps=3_000,
    task="slices beside their neighbours, median and expected error",
)
IN_3D = Translation(
    name="unet-3d-t1-pet",
    model=partial(FineUNet, dims=3, outputs=2, width=12, depth=3, fine=8),
    learner=MEASURED,
    contrasts=T1_PET,
    patch=VOLUMES,
    mirrors=RIGHT_LEFT,
    batch=1,
    steps=4_000,
    task="volumes, median and expected error",
)
PIX2PIX = Translation(
    name="pix2pix-t1-pet",
    model=NETWORK,
    learner=partial(Conditional, critic=PAIR_CRITIC),
    contrasts=T1_PET,
    patch=SLICES,
    mirrors=RIGHT_LEFT,
    batch=8,
    steps=2_000,
    start="unet-t1-pet",  # all but its last layer, which gives a width as well
    task="with likely texture",
)
PIX2PIX_SLAB = replace(
    PIX2PIX,
    name="pix2pix-slab-t1-pet",
    model=partial(FineUNet, dims=2, channels=1 + 2 * AROUND, width=20, depth=4, fine=16),
    learner=partial(Conditional, critic=SLAB_CRITIC),
    contrasts=THICK_SLICES.contrasts,
    start=None,
    task="slices beside their neighbours, with likely texture",
)
PIX2PIX_3D = replace(
    PIX2PIX,
    name="pix2pix-3d-t1-pet",
    model=VOLUME_NETWORK,
    learner=partial(Conditional, critic=VOLUME_CRITIC),
    patch=VOLUMES,
    batch=1,
    steps=1_500,
    start="unet-3d-t1-pet",
    task="volumes, with likely texture",
)
# Grey matter takes up twice what white does, and fluid nearly nothing; in T1 white is brightest.
TAKEN_UP = ((0.0, 0.0), (0.2, 0.1), (0.55, 0.66), (0.9, 0.33), (1.0, 0.33))
LOOKS = ((0.0, 0.0), (0.1, 0.2), (0.33, 0.9), (0.66, 0.55), (1.0, 0.5))


def _back(network: Callable[[], nn.Module]) -> nn.Module:
    looking = network()
    recolour(looking, levels=LOOKS)
    return looking


CYCLEGAN = Translation(
    name="cyclegan-t1-pet",
    model=NETWORK,
    draw=partial(recolour, levels=TAKEN_UP),
    learner=partial(Cycle, back=partial(_back, NETWORK), critic=IMAGE_CRITIC, identity=0.0),
    contrasts=T1_PET,
    patch=SLICES,
    mirrors=RIGHT_LEFT,
    batch=4,
    steps=1_500,
    matched=False,
    back="cyclegan-pet-t1",
    task="learnt without pairs",
)
CYCLEGAN_3D = replace(
    CYCLEGAN,
    name="cyclegan-3d-t1-pet",
    model=VOLUME_NETWORK,
    learner=partial(
        Cycle,
        back=partial(_back, VOLUME_NETWORK),
        critic=partial(PatchGAN, dims=3, channels=1, width=12, layers=2, instance=True),
        identity=0.0,
    ),
    patch=VOLUMES,
    batch=1,
    back="cyclegan-3d-pet-t1",
    task="volumes, learnt without pairs",
)
OWN = replace(UNET, name="synth", contrasts=replace(T1_PET, given="", wanted=""))
"""For pairs of anybody's own: the columns of their table say what goes in and what comes out."""

RECIPES = [
    UNET, THICK_SLICES, IN_3D, PIX2PIX, PIX2PIX_SLAB, PIX2PIX_3D, CYCLEGAN, CYCLEGAN_3D, OWN,
]  # fmt: skip
