"""Small phantoms, a tiny recipe and prepared arrays, for the tests of training."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from medacuity.losses import decibel
from medacuity.models import AcuityNet
from medacuity.training.cases import Case
from medacuity.training.learners.descent import adam
from medacuity.training.learners.supervised import Supervised, paired
from medacuity.training.prepare import prepare
from medacuity.training.recipes import RECIPES, Enhancement
from medacuity.training.run import Settings
from medacuity.training.variety import any_history, fewer_voxels


def head(seed: int, shape: Sequence[int] = (40, 44, 36)) -> np.ndarray:
    """Return a head of nested ellipsoids with sharp edges, in air, as int16."""
    rng = np.random.default_rng(seed)
    places = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    array = np.zeros(tuple(shape))
    for radius, value in ((0.85, 700), (0.75, 300), (0.6, 500), (0.3, 100)):
        axes = radius * rng.uniform(0.85, 1.0, 3)
        array[sum((p / a) ** 2 for p, a in zip(places, axes, strict=True)) < 1] = value
    return (array * rng.uniform(0.5, 3)).astype(np.int16)


def save_scans(folder: Path, patients: int = 3) -> list[Case]:
    """Write a scan per patient; the last patient is there to validate."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = []
    for n in range(patients):
        path = folder / f"p{n}.nii.gz"
        nib.save(nib.Nifti1Image(head(n), np.diag([1.0, 1.1, 0.9, 1.0])), path)
        cases.append(Case(path, f"p{n}", "validate" if n == patients - 1 else "train", "CC0"))
    return cases


def tiny(**changes: Any) -> Enhancement:
    """Return a recipe that trains in seconds."""
    recipe = Enhancement(
        name="tiny",
        model=partial(AcuityNet, scale=(2, 2), dims=2, width=8, blocks=1),
        degrade=partial(fewer_voxels, factor=(2, 2), kspace=0.7, noise=(0.0, 0.0)),
        history=partial(any_history, strength=0.0),
        learner=partial(
            Supervised, objective=partial(paired, loss=decibel), descent=adam(3e-3)
        ),
        patch=(12, 12), batch=4, steps=8, variants=1, task="a test",
    )  # fmt: skip
    return replace(recipe, **changes)


def flat_pairs(folder: Path, **changes: Any) -> Enhancement:
    """Prepare phantoms for the tiny recipe, put it on the menu, and return it."""
    recipe = tiny(**changes)
    prepare(recipe, save_scans(folder / "scans"), folder / "arrays")
    RECIPES["tiny"] = recipe
    return recipe


def settings(folder: Path, recipe: Enhancement, **changes: Any) -> Settings:
    """Return what a quick run is asked for."""
    return Settings(**{
        "recipe": recipe.name, "arrays": str(folder / "arrays"), "steps": recipe.steps,
        "batch": recipe.batch, "seed": recipe.seed, "save_every": 3, "log_every": 1,
        "data": "phantoms", "licence": "CC0", **changes,
    })  # fmt: skip
