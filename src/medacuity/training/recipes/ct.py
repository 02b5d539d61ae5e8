"""CT in Hounsfield units: more voxels in the plane, thin slices from thick, less noise.

The super-resolving networks begin as MRI's, which already know edges and tissue, and are
brought to CT by its own scans, its own scale and its own noise. RED-CNN begins from nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medacuity.card import Images
from medacuity.intensity import Fixed, Rule
from medacuity.losses import decibel
from medacuity.models import REDCNN, AcuityNet
from medacuity.training.cases import Case, find_cases
from medacuity.training.ct_degraded import any_ct_history, little_dose, phantom
from medacuity.training.degraded import make_pair, read_scan
from medacuity.training.learners.descent import adam
from medacuity.training.learners.supervised import Supervised, paired
from medacuity.training.recipes.mri import IN_PLANE
from medacuity.training.recipes.recipe import Enhancement
from medacuity.training.variety import fewer_voxels

RANGE = Fixed(-1024.0, 3071.0)
"""HU that become 0 and 1, as 12 bits hold them."""

CT = Images("CT", "HU")

PHANTOMS = [Case(Path(side), f"phantom to {side}", side, "") for side in ("train", "validate")]
"""Made anew for every variant; nobody's terms hold for them."""

CLOSER = partial(paired, loss=partial(decibel, floor=3e-8))  # 0.7 HU
TUNER = partial(Supervised, objective=CLOSER, descent=adam(3e-4, warm_up=50))
QUIETER = partial(paired, loss=partial(decibel, floor=1e-5))  # 13 HU
LEARNER = partial(Supervised, objective=QUIETER, descent=adam(1e-3))


@dataclass(frozen=True, kw_only=True)
class CTEnhancement(Enhancement):
    """As `Enhancement`, in HU; phantoms made on the fly stand beside the patients."""

    intensity: Rule = RANGE

    def find(self, data: Path, table: Path | None) -> list[Case]:
        """Return the scans, a phantom to train on and another to validate on."""
        return find_cases(data, table) + PHANTOMS

    def make(self, case: Case, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return a degraded case and itself; every variant of a phantom is another one."""
        made = phantom(rng) if case in PHANTOMS else read_scan(case.path)
        return make_pair(self, made, rng)

    def described(self, cases: Sequence[Case]) -> str:
        """Return which scans, and that phantoms stood beside them."""
        scans = [case for case in cases if case not in PHANTOMS]
        return super().described(scans) + ", and ellipsoids drawn by chance"

    def card(self, which: int) -> dict[str, Any]:
        """Return that it is for CT, in HU, as well."""
        return super().card(which) | {"input": CT, "output": CT}


def _in_plane() -> CTEnhancement:
    return CTEnhancement(
        name="ct-2d-x2",
        model=IN_PLANE,
        degrade=partial(fewer_voxels, factor=(2, 2), kspace=0.0, noise=(0.0, 0.0)),
        history=any_ct_history,
        learner=TUNER,
        patch=(40, 40),
        batch=12,
        steps=300,
        variants=4,
        seed=11,
        start="mri-2d-x2",
        task="CT slices with twice the voxels along both in-plane axes",
        measured_by="block mean",
    )


def _slices(factor: int) -> CTEnhancement:
    return CTEnhancement(
        name=f"ct-slices-x{factor}",
        model=partial(AcuityNet, scale=(1, 1, factor), dims=3, width=32, blocks=6),
        degrade=partial(fewer_voxels, factor=(1, 1, factor), kspace=0.0, noise=(0.0, 0.0)),
        history=any_ct_history,
        learner=TUNER,
        patch=(32, 32, {2: 16, 3: 10, 4: 8}[factor]),
        batch={2: 2, 3: 3, 4: 4}[factor],
        steps=150,
        variants=4,
        seed=20 + factor,
        start=f"mri-slices-x{factor}",
        task=f"CT volumes with {factor} slices for every thick one, along the last axis",
        measured_by="block mean",
    )


LOW_DOSE = CTEnhancement(
    name="ct-low-dose",
    model=partial(REDCNN, scale=(1, 1), dims=2, width=32, keeps=9),
    degrade=little_dose,
    history=any_ct_history,
    learner=LEARNER,
    patch=(64, 64),
    batch=12,
    steps=2_400,
    variants=4,
    seed=31,
    task="CT slices with the noise of little dose taken out, voxel for voxel",
    measured_by="block mean",
)

RECIPES = [_in_plane(), *(_slices(factor) for factor in (2, 3, 4)), LOW_DOSE]
