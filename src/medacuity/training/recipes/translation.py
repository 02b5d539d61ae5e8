"""Recipes from one kind of image to another of the same patient."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medacuity.card import Images, rule_as_json
from medacuity.training.cases import Case
from medacuity.training.contrasts import (
    Contrasts,
    find_apart,
    find_contrasts,
    make_apart,
    make_contrasts,
    named_in,
)
from medacuity.training.pairs import Pairs, Unmatched
from medacuity.training.recipes.recipe import Recipe
from medacuity.training.watch import Look, translated


@dataclass(frozen=True, kw_only=True)
class Translation(Recipe):
    """From one contrast to another of the same patient."""

    contrasts: Contrasts
    """What goes in and what comes out."""
    patch: tuple[int, ...]
    """Voxels of a training patch, per axis."""
    matched: bool = True
    """Whether batches are pairs; else nothing tells which scans belong together."""
    mirrors: tuple[int, ...] | None = None
    """Axes of a patch whose two directions are alike; None: all, and the axes too."""
    back: str = ""
    """Name of the weights of the way back, for a learner that has them."""

    @property
    def made(self) -> tuple[str, ...]:
        """Names of the weights of the way there and, if there is one, of the way back."""
        return (self.weights, self.back) if self.back else (self.weights,)

    def told(self, table: Path | None) -> "Translation":
        """Return the recipe for the scans that a table names, where it was not for any."""
        if self.contrasts.given:
            return self
        given, wanted = named_in(table)
        named = replace(self.contrasts, given=given, wanted=wanted)
        if "PET" not in wanted.upper():  # without a unit, brightness is the image's own
            named = replace(named, unit="a.u.", scale=None)
        return replace(self, contrasts=named)

    def said(self) -> list[str]:
        """Say that scans are resampled, once, and onto what."""
        kinds = f"{self.contrasts.given} and {self.contrasts.wanted}"
        return [
            f"{kinds} of each patient are resampled once, linearly, onto one grid of "
            f"{self.contrasts.spacing:g} mm with axes right, front, head; that they lie on each "
            "other in mm is taken for granted"
        ]

    def find(self, data: Path, table: Path | None) -> list[Case]:
        """Return the patients that have both contrasts, or two folders of them apart."""
        folders = (data / self.contrasts.given, data / self.contrasts.wanted)
        if not self.matched and table is None and all(folder.is_dir() for folder in folders):
            return find_apart(data, self.contrasts)
        return find_contrasts(data, table, self.contrasts)

    def make(self, case: Case, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return both contrasts on one grid; of two patients, each on its own."""
        make = make_apart if case.apart else make_contrasts
        return make(case, contrasts=self.contrasts, intensity=self.intensity, dims=self.dims)

    def card(self, which: int) -> dict[str, Any]:
        """Return the contrasts and the grid as well; the second network goes the other way."""
        sides = [
            Images(self.contrasts.given),
            Images(self.contrasts.wanted, self.contrasts.unit),
        ]
        given, wanted = reversed(sides) if which else sides
        scale = None if which else self.contrasts.scale
        return super().card(which) | {
            "output_intensity": rule_as_json(scale) if scale else {},
            "input": given,
            "output": wanted,
            "task": f"{given.contrast} to {wanted.contrast}, {self.task}",
            "spacing": [self.contrasts.spacing] * self.dims,
            "patch": list(self.patch) if self.dims == 3 else [],
        }

    def batches(self, folder: Path, split: str, rank: int) -> Pairs:
        """Return patches; to validate on they are always pairs."""
        kind = Pairs if self.matched or split != "train" else Unmatched
        return kind(
            folder, split, patch=self.patch, scale=self.scale, seed=self.seed,
            mirrors=self.mirrors, rank=rank,
        )  # fmt: skip

    def look(self, model: nn.Module, batches: Sequence[Any], device: str, title: str) -> Look:
        """Compare with the truth."""
        return translated(model, batches, device, title)
