"""From one MR contrast to another: pix2pix from pairs, CycleGAN where the pairing is hidden.

``unet-...`` is the same network without a critic: the least absolute error, and what pix2pix
must look better than. Networks are narrower and shallower than the papers', and have features
at full resolution beside; resizing rather than transposed convolutions keeps checkerboards out.
"""

from functools import partial

from medacuity.losses import l1
from medacuity.models import FineUNet, PatchGAN
from medacuity.training.contrasts import Contrasts
from medacuity.training.learners.conditional import Conditional, Term
from medacuity.training.learners.cycle import Cycle
from medacuity.training.learners.descent import adam
from medacuity.training.learners.supervised import Supervised, paired
from medacuity.training.recipes.recipe import Translation

NETWORK = partial(FineUNet, dims=2, width=20, depth=4, fine=16)
VOLUMES = partial(FineUNet, dims=3, width=12, depth=3, fine=8)
PAIR_CRITIC = partial(PatchGAN, dims=2, channels=2, width=24, layers=2)
VOLUME_CRITIC = partial(PatchGAN, dims=3, channels=2, width=12, layers=2)
SLICES = (128, 160)  # nearly all of a head: what the normalisation will see in use
IMAGE_CRITIC = partial(PatchGAN, dims=2, channels=1, width=24, layers=2, instance=True)
TERMS = {"l1": Term(30.0, l1)}  # the paper's 100 leaves little to a critic of a small network


def _unet(given: str, wanted: str) -> Translation:
    return Translation(
        name=f"unet-{given}-{wanted}".lower(),
        model=NETWORK,
        learner=partial(Supervised, objective=partial(paired, loss=l1), descent=adam(1e-3)),
        contrasts=Contrasts(given, wanted),
        patch=SLICES,
        batch=4,
        steps=2_500,
        task="least absolute error",
    )


def _pix2pix(given: str, wanted: str) -> Translation:
    return Translation(
        name=f"pix2pix-{given}-{wanted}".lower(),
        model=NETWORK,
        learner=partial(Conditional, critic=PAIR_CRITIC, terms=TERMS),
        contrasts=Contrasts(given, wanted),
        patch=SLICES,
        batch=4,
        steps=2_500,
        task="with likely texture",
    )


def _volumes(given: str, wanted: str) -> Translation:
    return Translation(
        name=f"pix2pix-3d-{given}-{wanted}".lower(),
        model=VOLUMES,
        learner=partial(Conditional, critic=VOLUME_CRITIC, terms=TERMS),
        contrasts=Contrasts(given, wanted),
        patch=(40, 40, 40),
        batch=2,
        steps=2_500,
        task="volumes, with likely texture",
    )


def _cyclegan(given: str, wanted: str) -> Translation:
    return Translation(
        name=f"cyclegan-{given}-{wanted}".lower(),
        model=NETWORK,
        # What stays as it is would keep fluid dark, which one contrast shows bright.
        learner=partial(Cycle, back=NETWORK, critic=IMAGE_CRITIC, identity=0.0),
        contrasts=Contrasts(given, wanted),
        patch=SLICES,
        batch=2,
        steps=2_000,
        matched=False,
        back=f"cyclegan-{wanted}-{given}".lower(),
        task="learnt without pairs",
    )


RECIPES = [
    _unet("T1", "T2"),
    _unet("T1", "FLAIR"),
    _pix2pix("T1", "T2"),
    _pix2pix("T1", "FLAIR"),
    _volumes("T1", "T2"),
    _cyclegan("T1", "T2"),
]
