"""CT of discs with holes from a limited angle: what the Helsinki challenge of 2022 asked for.

The network knows what discs with holes look like, and nothing else: it is for such phantoms and
parts of machines, never for patients, and is never chosen by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medacuity.card import Images
from medacuity.intensity import Fixed, Rule
from medacuity.losses import l1
from medacuity.models import FBPConvNet
from medacuity.training.cases import Case
from medacuity.training.discs import DISCS, Arc, make_discs
from medacuity.training.learners.descent import adam
from medacuity.training.learners.supervised import Supervised, paired
from medacuity.training.pairs import Pairs
from medacuity.training.recipes.recipe import Recipe
from medacuity.training.watch import Look, reconstructed


@dataclass(frozen=True, kw_only=True)
class LimitedAngle(Recipe):
    """From what reconstruction makes of few degrees to the disc with holes that was there."""

    arc: Arc
    needs_scans = False
    variants: int = 10
    intensity: Rule = field(default_factory=lambda: Fixed(-1000.0, 0.0))

    def find(self, data: Path, table: Path | None) -> list[Case]:
        """Return discs to train on and others to watch; they are drawn, and no file is read."""
        return DISCS

    def make(self, case: Case, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return reconstructions, and the discs."""
        return make_discs(self.arc, rng)

    def described(self, cases: Sequence[Case]) -> str:
        """Return that nothing is real."""
        return "drawn discs with holes"

    def batches(self, folder: Path, split: str, rank: int) -> Pairs:
        """Return whole slices, turned and mirrored by chance."""
        size = (self.arc.size, self.arc.size)
        return Pairs(folder, split, patch=size, scale=(1, 1), seed=self.seed, rank=rank)

    def look(self, model: nn.Module, batches: Sequence[Any], device: str, title: str) -> Look:
        """Measure the gain over total variation."""
        return reconstructed(model, batches, device, title, parts=())

    def card(self, which: int) -> dict[str, Any]:
        """Return what it takes and gives as well."""
        images = Images("CT", "HU")
        return super().card(which) | {"input": images, "output": images}


RECIPES = [
    LimitedAngle(
        name="fbpconvnet-discs",
        model=partial(FBPConvNet, dims=2, width=10, depth=4, beside=1),
        learner=partial(
            Supervised, objective=partial(paired, loss=l1), descent=adam(2e-3)
        ),
        arc=Arc(),
        batch=4,
        steps=1_500,
        task="CT of discs with holes from a limited angle, never of patients",
    )
]  # fmt: skip
