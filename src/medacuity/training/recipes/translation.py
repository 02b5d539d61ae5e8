"""Recipes from one kind of image to another of the same patient."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medacuity.card import Images, rule_as_json
from medacuity.errors import UsageError
from medacuity.formats import scans_in
from medacuity.training.cases import Case, split_by_name
from medacuity.training.contrasts import (
    ABOUT,
    Contrasts,
    find_contrasts,
    make_apart,
    make_contrasts,
    rows_of,
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
    named: bool = False
    """Whether a table said what goes in and what comes out, by the names of its columns."""

    @property
    def made(self) -> tuple[str, ...]:
        """Names of the weights of the way there and, if there is one, of the way back."""
        return (self.weights, self.back) if self.back else (self.weights,)

    def told(self, table: Path | None) -> "Translation":
        """Return the recipe for the scans that a table names, where it was not for any."""
        if self.contrasts.given:
            return self
        given, wanted = _named_in(table)
        named = replace(self.contrasts, given=given, wanted=wanted)
        if "PET" not in wanted.upper():  # without a unit, brightness is the image's own
            named = replace(named, unit="a.u.", scale=None)
        return replace(self, contrasts=named, named=True)

    def said(self) -> list[str]:
        """Say that scans are resampled, once, and onto what; and by what the result is scaled."""
        given, wanted = self.contrasts.given, self.contrasts.wanted
        grid = f"grid of {self.contrasts.spacing:g} mm with axes right, front, head"
        if self.matched:
            lines = [
                f"{given} and {wanted} of each patient are resampled once, linearly, onto one "
                f"{grid}; that they lie on each other in mm is taken for granted"
            ]
        else:
            lines = [
                f"{given} and {wanted} are resampled once, linearly, onto a {grid}; training is "
                f"not told which belong together: in two folders, {given} and {wanted}, none need "
                "to, and each scan has a grid of its own; of scans that are listed or named as "
                "pairs, those to validate on must lie on each other in mm"
            ]
        return [*lines, *self._scaled()]

    def _scaled(self) -> list[str]:
        """Say by what the values of the result are scaled, where that is not always so."""
        wanted, scale = self.contrasts.wanted, self.contrasts.scale
        if scale is None:
            way = "by its own brightness, without a unit; name the column PET to have it in SUV"
            return [f"{wanted} is learnt {way}"] if self.named else []
        why = f", as the column's name, {wanted}, has PET in it" if self.named else ""
        unit = self.contrasts.unit
        return [f"{wanted} is learnt in {unit}, from {scale.low:g} to {scale.high:g}{why}"]

    def find(self, data: Path, table: Path | None) -> list[Case]:
        """Return the patients that have both contrasts, or two folders of them apart."""
        folders = (data / self.contrasts.given, data / self.contrasts.wanted)
        if not self.matched and table is None and all(folder.is_dir() for folder in folders):
            return _find_apart(data, self.contrasts)
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


def _find_apart(data: Path, contrasts: Contrasts) -> list[Case]:
    """Return scans of two folders, named after their contrasts, as cases that are no pairs.

    One in ten of either folder is kept to validate, by the hash of its name; the shorter list
    is gone through again.
    """
    sides = [
        [(path, path.relative_to(folder).as_posix().split("/")[0]) for path in scans_in(folder)]
        for folder in (data / contrasts.given, data / contrasts.wanted)
    ]
    cases = []
    for split in ("train", "validate"):
        given, wanted = ([x for x in side if split_by_name(x[1]) == split] for side in sides)
        for n in range(max(len(given), len(wanted)) if given and wanted else 0):
            (path, name), (target, _) = given[n % len(given)], wanted[n % len(wanted)]
            cases.append(Case(path, name.split(".")[0], split, target=target, apart=True))
    if not any(case.split == "train" for case in cases):
        raise UsageError(
            f"{data} needs scans to train on in both {contrasts.given} and {contrasts.wanted}"
        )
    return cases


def _named_in(table: Path | None) -> tuple[str, str]:
    """Return what goes in and what comes out, by the columns of a table of pairs.

    Raises:
        UsageError: There is no table, or it does not name two kinds of scans.
    """
    if table is None:
        raise UsageError(
            "pairs of your own are listed in a table, whose name ends in .csv: --data pairs.csv"
        )
    rows = rows_of(table)
    columns = [name for name in (rows[0] if rows else {}) if name not in ABOUT]
    if len(columns) != 2:
        raise UsageError(
            f"{table} needs two columns of scans, what goes in and what comes out, beside "
            f"{', '.join(ABOUT)}; got {columns}"
        )
    return columns[0], columns[1]
