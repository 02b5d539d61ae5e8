"""Super-resolution of MRI: in the plane, in all directions, and between thick slices.

Every network comes in two: for clean scans, which must give back each voxel's own noise, and
for noisy ones (``-noisy``), which must not. The noisy one starts from the clean one, and x3
and x4 start from x2, as in EDSR.
"""

from dataclasses import replace
from functools import partial

from medacuity.losses import decibel
from medacuity.models import AcuityNet
from medacuity.training.learners.descent import adam
from medacuity.training.learners.supervised import Supervised, paired
from medacuity.training.recipes.recipe import Enhancement
from medacuity.training.variety import any_history, fewer_voxels

CLEAN = (0.0, 0.0)
NOISY = (0.01, 0.06)

SHARPER = partial(paired, loss=decibel)
LEARNER = partial(Supervised, objective=SHARPER, descent=adam(8e-4))
FINE_TUNER = partial(Supervised, objective=SHARPER, descent=adam(5e-4))

IN_PLANE = partial(AcuityNet, scale=(2, 2), dims=2, width=64, blocks=6)
ALL_AXES = partial(AcuityNet, scale=(2, 2, 2), dims=3, width=32, blocks=7)


def _in_plane(name: str, noise: tuple[float, float], start: str | None) -> Enhancement:
    return Enhancement(
        name=name,
        model=IN_PLANE,
        degrade=partial(fewer_voxels, factor=(2, 2), kspace=0.75, noise=noise),
        history=any_history,
        learner=FINE_TUNER if start else LEARNER,
        patch=(48, 48),
        batch=16,
        steps=3_000 if start else 12_000,
        variants=8,
        seed=1,
        start=start,
        task="MRI slices with twice the voxels along both in-plane axes",
        noise=noise,
    )


def _all_axes(name: str, noise: tuple[float, float], start: str | None) -> Enhancement:
    return Enhancement(
        name=name,
        model=ALL_AXES,
        degrade=partial(fewer_voxels, factor=(2, 2, 2), kspace=0.4, noise=noise),
        history=any_history,
        learner=FINE_TUNER if start else LEARNER,
        patch=(24, 24, 24),
        batch=5,
        steps=1_500 if start else 4_000,
        variants=4,
        seed=2,
        start=start,
        task="MRI volumes with twice the voxels along every axis",
        measured_by="block mean",
        noise=noise,
    )


def _slices(factor: int, noise: tuple[float, float], start: str | None) -> Enhancement:
    name = f"mri-slices-x{factor}" + ("-noisy" if noise[1] else "")
    return Enhancement(
        name=name,
        model=partial(AcuityNet, scale=(1, 1, factor), dims=3, width=32, blocks=6),
        degrade=partial(fewer_voxels, factor=(1, 1, factor), kspace=0.15, noise=noise),
        history=any_history,
        learner=FINE_TUNER if start else LEARNER,
        patch=(32, 32, {2: 16, 3: 10, 4: 8}[factor]),
        batch={2: 4, 3: 6, 4: 8}[factor],
        steps=(1_200 if noise[1] else 1_500) if start else 3_500,
        variants=4,
        seed=factor,
        start=start,
        task=f"MRI volumes with {factor} slices for every thick one, along the last axis",
        measured_by="block mean",
        noise=noise,
    )


SMALL = replace(
    _in_plane("mri-2d-x2-small", CLEAN, None),
    model=partial(AcuityNet, scale=(2, 2), dims=2, width=32, blocks=3),
    steps=8_000,
    task="as mri-2d-x2, in an eighth of the time",
)
LARGE = replace(
    _in_plane("mri-2d-x2-large", CLEAN, "mri-2d-x2"),
    model=partial(AcuityNet, scale=(2, 2), dims=2, width=64, blocks=12),
    task="as mri-2d-x2, twice as deep",
)

RECIPES = [
    _in_plane("mri-2d-x2", CLEAN, None),
    _in_plane("mri-2d-x2-noisy", NOISY, "mri-2d-x2"),
    SMALL,
    LARGE,
    _all_axes("mri-3d-x2", CLEAN, None),
    _all_axes("mri-3d-x2-noisy", NOISY, "mri-3d-x2"),
    _slices(2, CLEAN, None),
    _slices(3, CLEAN, "mri-slices-x2"),
    _slices(4, CLEAN, "mri-slices-x3"),
    _slices(2, NOISY, "mri-slices-x2"),
    _slices(3, NOISY, "mri-slices-x3"),
    _slices(4, NOISY, "mri-slices-x4"),
]
