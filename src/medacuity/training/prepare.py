"""Cases on disk -> scaled arrays: the only training step that opens images.

What a case becomes is the recipe's affair; what comes out are pairs of ``.npy`` files that
training maps into memory.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medacuity.atomic import atomic_write
from medacuity.errors import UsageError
from medacuity.training.cases import Case
from medacuity.training.recipes import Recipe

Report = Callable[[int, int], None]


def prepare(
    recipe: Recipe, cases: Sequence[Case], folder: Path, *, report: Report = lambda done, of: None
) -> None:
    """Make the pairs of every case in all its variants, and write them to ``folder``.

    Pairs that are already there are kept, so that an interrupted preparation goes on where it
    stopped: what a pair holds depends only on the recipe, the case and the variant.

    Raises:
        UsageError: The folder holds pairs of another recipe or of other scans.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, recipe, cases)
    jobs = [(c, case, v) for c, case in enumerate(cases) for v in _variants(recipe, case)]
    pairs = []
    for done, (c, case, variant) in enumerate(jobs):
        name = f"{c:03d}-{variant:03d}"
        if not (folder / f"{name}-target.npy").exists():
            seed = (recipe.seed * 1009 + c) * 1009 + variant
            rng = torch.Generator().manual_seed(seed)
            given, target = recipe.make(case, rng)
            _save(folder / f"{name}-input.npy", given)
            _save(folder / f"{name}-target.npy", target)
        pairs.append({"name": name, "split": case.split, "patient": case.patient})
        report(done + 1, len(jobs))
    with atomic_write(folder / "pairs.json") as file:
        file.write(json.dumps(pairs, indent=1).encode())


def _claim(folder: Path, recipe: Recipe, cases: Sequence[Case]) -> None:
    """Keep pairs of other scans out: a patient must not change sides of the split unseen."""
    scans = [[case.path.name, case.patient, case.split, case.repeat] for case in cases]
    asked = json.dumps([recipe.name, recipe.seed, recipe.variants, recipe.scale, scans])
    claim, sha256 = folder / "prepared.sha256", hashlib.sha256(asked.encode()).hexdigest()
    if claim.exists():
        if claim.read_text() != sha256:
            raise UsageError(f"{folder} was prepared from other scans or for another recipe; "
                             "name a new folder")  # fmt: skip
        return
    with atomic_write(claim) as file:
        file.write(sha256.encode())


def _variants(recipe: Recipe, case: Case) -> Iterable[int]:
    # Few are enough to watch progress by.
    return range(recipe.variants * case.repeat if case.split == "train" else recipe.watched)


def _save(path: Path, x: Tensor) -> None:
    array: NDArray[Any] = x.numpy().astype(np.float16)
    with atomic_write(path) as file:
        np.save(file, array, allow_pickle=False)
