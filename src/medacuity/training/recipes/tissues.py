"""From a map of tissues to the T1 that belongs to it: pix2pix the other way round."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from medacuity.intensity import Fixed, Percentile, Rule
from medacuity.losses import l1
from medacuity.models import FineUNet, PatchGAN
from medacuity.training.cases import Case
from medacuity.training.contrasts import Contrasts
from medacuity.training.learners.conditional import Conditional, Term
from medacuity.training.learners.supervised import Batch
from medacuity.training.masks import OfLabels, make_masks
from medacuity.training.recipes.translation import Translation
from medacuity.training.watch import Look, translated

TISSUES = ("outside", "fluid", "grey", "white")


@dataclass(frozen=True, kw_only=True)
class OfMasks(Translation):
    """From label maps to images; labels keep their numbers, whatever they are."""

    labels: tuple[str, ...]
    """Names of the labels, from 0."""
    intensity: Rule = field(default_factory=lambda: Fixed(0.0, 1.0))
    """Of the label map, which is not scaled; of the scan it is `Percentile`."""

    def make(self, case: Case, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return slices of a label map, a channel for each label, and of its scan."""
        return make_masks(
            case, count=len(self.labels), spacing=self.contrasts.spacing, intensity=Percentile()
        )

    def card(self, which: int) -> dict[str, Any]:
        """Return the names of the labels as well."""
        return super().card(which) | {"classes": list(self.labels)}

    def look(self, model: nn.Module, batches: Sequence[Any], device: str, title: str) -> Look:
        """Compare with the truth; the input is shown as the label map that it is."""
        count = len(self.labels)
        maps = [Batch(b.input.argmax(1, keepdim=True) / (count - 1), b.target) for b in batches]
        return translated(OfLabels(model, count), maps, device, title)


PIX2PIX = OfMasks(
    name="pix2pix-tissues-t1",
    model=partial(FineUNet, dims=2, channels=len(TISSUES), width=20, depth=4, fine=16),
    learner=partial(
        Conditional,
        critic=partial(PatchGAN, dims=2, channels=len(TISSUES) + 1, width=24, layers=2),
        terms={"l1": Term(30.0, l1)},
    ),
    contrasts=Contrasts("tissues", "T1", scale=Fixed(0.0, 1000.0)),  # no input to tell it by
    labels=TISSUES,
    patch=(128, 160),
    mirrors=(0,),
    batch=2,
    steps=1_500,
    task="with likely texture",
)

RECIPES = [PIX2PIX]
"""Fifteen hundred steps, a critic that sees the labels beside the image, L1 with a weight of 30."""
