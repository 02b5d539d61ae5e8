"""From one MR contrast to another: pix2pix from pairs, CycleGAN where the pairing is hidden.

``unet-...`` is the same network without a critic: the least absolute error, and what pix2pix
must look better than; pix2pix starts from it, as SRGAN does from SRResNet: anatomy is learnt
before a critic is. Networks are narrower and shallower than the papers', and have features
at full resolution beside; resizing rather than transposed convolutions keeps checkerboards out.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from medacuity.losses import l1
from medacuity.models import FineUNet, PatchGAN
from medacuity.resize import cubic, resize
from medacuity.training.contrasts import Contrasts
from medacuity.training.learners.conditional import Conditional
from medacuity.training.learners.cycle import Cycle
from medacuity.training.learners.descent import adam
from medacuity.training.learners.supervised import Supervised, paired
from medacuity.training.recipes.translation import Translation

NETWORK = partial(FineUNet, dims=2, width=20, depth=4, fine=16)
VOLUMES = partial(FineUNet, dims=3, width=16, depth=3, fine=12)
PAIR_CRITIC = partial(PatchGAN, dims=2, channels=2, width=24, layers=2)
VOLUME_CRITIC = partial(PatchGAN, dims=3, channels=2, width=12, layers=2)
SLICES = (128, 160)  # nearly all of a head: what the normalisation will see in use
IMAGE_CRITIC = partial(PatchGAN, dims=2, channels=1, width=24, layers=2, instance=True)
BLOCKS = (64, 80, 64)  # as much of a head as a step can take; its up is never its front
RIGHT_LEFT = (0,)


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
        learner=partial(Conditional, critic=PAIR_CRITIC),
        contrasts=Contrasts(given, wanted),
        patch=SLICES,
        batch=4,
        steps=1_500,
        start=f"unet-{given}-{wanted}".lower(),
        task="with likely texture",
    )


def _volumes_unet(given: str, wanted: str) -> Translation:
    return Translation(
        name=f"unet-3d-{given}-{wanted}".lower(),
        model=VOLUMES,
        learner=partial(Supervised, objective=partial(paired, loss=l1), descent=adam(1e-3)),
        contrasts=Contrasts(given, wanted),
        patch=BLOCKS,
        mirrors=RIGHT_LEFT,
        batch=1,
        steps=3_500,
        task="volumes, least absolute error",
    )


def _volumes_pix2pix(given: str, wanted: str) -> Translation:
    return Translation(
        name=f"pix2pix-3d-{given}-{wanted}".lower(),
        model=VOLUMES,
        learner=partial(Conditional, critic=VOLUME_CRITIC),
        contrasts=Contrasts(given, wanted),
        patch=BLOCKS,
        mirrors=RIGHT_LEFT,
        batch=1,
        steps=1_500,
        start=f"unet-3d-{given}-{wanted}".lower(),
        task="volumes, with likely texture",
    )


def recolour(network: Any, *, levels: Sequence[Sequence[float]], steps: int = 250) -> None:
    """Teach a translator a curve of brightness, on smooth noise; air stays air.

    Fluid is dark in one contrast and bright in the other. Without pairs to tell it so, a
    network that begins near identity leaves fluid dark, and draws bright lines beside it; the
    identity loss would keep it there. No scan is looked at.

    Args:
        network: Trained in place.
        levels: Pairs of a brightness and of what it becomes, rising by the first; straight between.
        steps: Updates.
    """
    given, wanted = torch.tensor(levels).T.contiguous()
    slopes = wanted.diff() / given.diff()
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    dims = network.dims
    count, size = (4, (64, 64)) if dims == 2 else (1, (24, 24, 24))
    for _ in range(steps):
        coarse = [resize(torch.randn(count, 1, *[n] * dims), size, cubic) for n in (4, 12)]
        inside = coarse[0] > -0.7
        x = torch.where(inside, (0.55 + 0.35 * coarse[1]).clamp(0.08, 1.0), 0.0)
        k = torch.bucketize(x, given).clamp(1, len(slopes)) - 1
        optimiser.zero_grad()
        curve = wanted[k] + slopes[k] * (x - given[k])
        l1(network(x), torch.where(inside, curve, 0.0)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()


upside_down = partial(recolour, levels=((0.0, 1.05), (1.0, 0.15)))
"""Dark becomes bright: T1 to T2, and back."""


def _back() -> nn.Module:
    network: nn.Module = NETWORK()
    upside_down(network)
    return network


def _cyclegan(given: str, wanted: str) -> Translation:
    return Translation(
        name=f"cyclegan-{given}-{wanted}".lower(),
        model=NETWORK,
        draw=upside_down,
        learner=partial(Cycle, back=_back, critic=IMAGE_CRITIC, identity=0.0),
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
    _volumes_unet("T1", "T2"),
    _volumes_pix2pix("T1", "T2"),
    _cyclegan("T1", "T2"),
]
