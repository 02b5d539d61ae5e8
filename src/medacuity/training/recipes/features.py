"""Features of MRI slices: to compare images by what they look like, as a loss and as a measure.

The network learns from damages we make (`medacuity.training.damages`) and from maps of tissues,
where a scan has one beside it; nobody rated images for it. It is trained from nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from medacuity import formats
from medacuity.errors import UnsafeGeometry
from medacuity.models import FeatureNet
from medacuity.training.cases import Case, find_cases
from medacuity.training.damages import HARM
from medacuity.training.degraded import SLICES, THICK, around_the_head, read_scan
from medacuity.training.learners.descent import adam
from medacuity.training.learners.perceiving import UNKNOWN, Lesson, Perceiving, in_order
from medacuity.training.lessons import Lessons
from medacuity.training.recipes.recipe import Recipe
from medacuity.training.watch import Look, picture


@dataclass(frozen=True, kw_only=True)
class Perception(Recipe):
    """Tell harm from what is harmless: every lesson damages patches in known ways."""

    patch: tuple[int, ...]
    """Voxels of a patch, per axis."""

    def find(self, data: Path, table: Path | None) -> list[Case]:
        """Return the scans, each with its map of tissues if ``_tissues`` lies beside ``_T1``."""
        return [replace(case, target=_tissues(case.path)) for case in find_cases(data, table)]

    def make(self, case: Case, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return slices of a plane drawn by chance, and their tissues."""
        volume = read_scan(case.path)
        unit = self.intensity.of(volume.array).to_unit(volume.array)
        known = np.full(volume.shape, UNKNOWN, np.float32)
        if case.target is not None:
            known = formats.read(case.target).volumes[0].array.astype(np.float32)
            if known.shape != volume.shape:
                raise UnsafeGeometry("its map of tissues has another size", path=case.path)
        spacing = volume.spacing
        axis = int(torch.randint(3, (), generator=rng))
        thick = max(range(3), key=spacing.__getitem__)
        if spacing[thick] > THICK * min(spacing):
            axis = thick
        slices, tissue = (torch.from_numpy(np.moveaxis(a, axis, 0)[:, None]) for a in (unit, known))
        inside = (slices.flatten(1).mean(1) > 0.25 * slices.mean()).nonzero()[:, 0]
        chosen = inside[torch.randperm(len(inside), generator=rng)[:SLICES].sort().values]
        return around_the_head(slices[chosen], tissue[chosen], (1, 1))

    def batches(self, folder: Path, split: str, rank: int) -> Lessons:
        """Return lessons."""
        return Lessons(folder, split, patch=self.patch, seed=self.seed, rank=rank)

    def look(self, model: nn.Module, batches: Sequence[Lesson], device: str, title: str) -> Look:
        """Look at how many pairs of damaged images are in the right order."""
        features = cast(FeatureNet, model)
        shares = [in_order(features, Lesson(*(x.to(device) for x in batch))) for batch in batches]
        each = {name: fmean(share[name] for share in shares) for name in shares[0]}
        numbers = {"order": fmean(each.values())} | {f"{name}_order": v for name, v in each.items()}
        last = batches[-1]
        names = ("truth", "milder", "worse", "harmless", "noisy")
        shown = {name: x[0, 0] for name, x in zip(names, last[:5], strict=True)}
        words = ", ".join(f"{name} {share:.1%}" for name, share in each.items())
        drawn = picture(shown, f"{title}; in order: {words}")
        return Look(numbers, drawn, last.input, last.input)


def _tissues(path: Path) -> Path | None:
    beside = path.with_name(path.name.replace("_T1.", "_tissues."))
    return beside if beside != path and beside.is_file() else None


RECIPES = [
    Perception(
        name="features-mri-2d",
        model=partial(FeatureNet, dims=2, channels=1, widths=(32, 64, 96, 128)),
        learner=partial(Perceiving, kinds=len(HARM), descent=adam(6e-4, warm_up=300, longest=5.0)),
        patch=(64, 64),
        batch=12,
        steps=1_500,
        variants=3,
        seed=1,
        task="features of MRI slices, to compare images by what they look like",
    )
]
