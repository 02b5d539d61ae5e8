"""The family on MRI: every network for the same four tasks, learning the same way.

``<network>-mri-2d-x2``, ``-x3``, ``-x4`` and ``<network>-mri-3d-x2``. Within a task everything
but the network and its highest learning rate is the same: cases, histories, degradations,
patches, the loss in decibels, Adam with a cosine. What a paper trained otherwise is left out
here (VDSR's clipping, LapSRN's losses at every level, warm starts from x2); the papers' own runs
are in ``photo.py``.

Sizes are the published ones where a CPU can train them; RCAN has 4 groups of 4 blocks instead of
10 of 20, and MS-LapSRN recurs twice instead of eight times. In 3D every network has half its
features, and AcuityNet the seven blocks it ships with.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from torch import nn

from medacuity.losses import decibel
from medacuity.models import (
    EDSR,
    ESPCN,
    FSRCNN,
    RCAN,
    SRCNN,
    VDSR,
    AcuityNet,
    LapSRN,
    MSLapSRN,
    SRResNet,
)
from medacuity.training.learners.descent import adam
from medacuity.training.learners.supervised import Supervised, paired
from medacuity.training.recipes.recipe import Enhancement
from medacuity.training.variety import any_history, fewer_voxels


class Member(NamedTuple):
    """A network of the family: its sizes for slices, its rate, what differs in volumes."""

    network: type[nn.Module]
    rate: float
    sizes: Mapping[str, Any]
    in_3d: Mapping[str, Any]


FAMILY = [
    Member(ESPCN, 2e-3, {"width": 64}, {"width": 32}),
    Member(FSRCNN, 2e-3, {"features": 56, "shrunk": 12, "mappings": 4},
           {"features": 28, "shrunk": 6}),
    Member(SRCNN, 1e-3, {"kernels": (9, 1, 5), "widths": (64, 32)}, {"widths": (32, 16)}),
    Member(VDSR, 1e-3, {"width": 64, "layers": 20}, {"width": 32}),
    Member(LapSRN, 1e-3, {"width": 64, "convolutions": 10}, {"width": 32}),
    Member(MSLapSRN, 1e-3, {"width": 64, "convolutions": 5, "recursions": 2}, {"width": 32}),
    Member(SRResNet, 1e-3, {"width": 64, "blocks": 16}, {"width": 32}),
    Member(EDSR, 1e-3, {"width": 64, "blocks": 16}, {"width": 32}),
    Member(RCAN, 1e-3, {"width": 64, "groups": 4, "blocks": 4}, {"width": 32}),
    Member(AcuityNet, 8e-4, {"width": 64, "blocks": 6}, {"width": 32, "blocks": 7}),
]  # fmt: skip
"""All networks. Rates: 1e-3 after trials of some twenty steps with three of them, twice that for
ESPCN and FSRCNN, and AcuityNet's as it ships."""

PATCHES = {2: (48, 48), 3: (32, 32), 4: (24, 24)}  # 96 x 96 of the truth at every factor


def _in_plane(member: Member, factor: int) -> Enhancement:
    name = member.network.__name__
    scale = (factor, factor)
    return Enhancement(
        name=f"{name.lower()}-mri-2d-x{factor}",
        model=partial(member.network, scale=scale, dims=2, **member.sizes),
        degrade=partial(fewer_voxels, factor=scale, kspace=0.75, noise=(0.0, 0.0)),
        history=any_history,
        learner=_learner(member),
        patch=PATCHES[factor],
        batch=16,
        steps=12_000,
        variants=8,
        seed=factor,
        task=f"MRI slices with {factor} times the voxels along both in-plane axes ({name})",
    )


def _all_axes(member: Member) -> Enhancement:
    name = member.network.__name__
    scale = (2, 2, 2)
    return Enhancement(
        name=f"{name.lower()}-mri-3d-x2",
        model=partial(member.network, scale=scale, dims=3, **{**member.sizes, **member.in_3d}),
        degrade=partial(fewer_voxels, factor=scale, kspace=0.4, noise=(0.0, 0.0)),
        history=any_history,
        learner=_learner(member),
        patch=(24, 24, 24),
        batch=5,
        steps=4_000,
        variants=4,
        seed=2,
        task=f"MRI volumes with twice the voxels along every axis ({name})",
        measured_by="block mean",
    )


def _learner(member: Member) -> partial[Any]:
    objective = partial(paired, loss=decibel)
    return partial(Supervised, objective=objective, descent=adam(member.rate))


RECIPES = [
    recipe
    for member in FAMILY
    for recipe in (*(_in_plane(member, factor) for factor in PATCHES), _all_axes(member))
]
