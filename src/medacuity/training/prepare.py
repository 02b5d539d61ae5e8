"""Cases on disk -> degraded, scaled arrays: the only training step that opens images.

A case is degraded *whole* and the range is taken from its input, because a k-space crop of a
patch is not the patch of a k-space crop, and a range taken from the target is not there in
use. What comes out are pairs of ``.npy`` files that training maps into memory.
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

from medacuity import formats
from medacuity.atomic import atomic_write
from medacuity.errors import MalformedInput, UsageError
from medacuity.training.cases import Case
from medacuity.training.recipes import Recipe
from medacuity.volume import Volume

MARGIN = 8  # input voxels of air kept around the head
SLICES = 40  # of a stack kept per variant: neighbours look alike
THICK = 1.5  # ratio of spacings above which an axis counts as the slice axis

Report = Callable[[int, int], None]


def prepare(
    recipe: Recipe, cases: Sequence[Case], folder: Path, *, report: Report = lambda done, of: None
) -> None:
    """Degrade every case in all its variants, and write the pairs to ``folder``.

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
            given, target = make_pair(recipe, _read(case.path), rng)
            _save(folder / f"{name}-input.npy", given)
            _save(folder / f"{name}-target.npy", target)
        pairs.append({"name": name, "split": case.split, "patient": case.patient})
        report(done + 1, len(jobs))
    with atomic_write(folder / "pairs.json") as file:
        file.write(json.dumps(pairs, indent=1).encode())


def make_pair(recipe: Recipe, volume: Volume, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return one variant of a case, unit range.

    Shape:
        2D: input ``(N, 1, H, W)``, target ``(N, 1, H * s, W * s)``, for N slices.
        3D: the same with N = 1 and three spatial axes.
    """
    x = recipe.history(rng)(_oriented(volume, recipe.dims, rng))
    x = _whole_blocks(x, recipe.blocks)
    y = recipe.degrade(rng)(x)
    intensity = recipe.intensity.of(y.numpy())
    given, target = (torch.from_numpy(intensity.to_unit(a.numpy())) for a in (y, x))
    return _around_the_head(given, target, recipe.scale)


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
    # One untouched-by-chance variant is enough to watch progress by.
    return range(recipe.variants * case.repeat if case.split == "train" else 2)


def _read(path: Path) -> Volume:
    volume = formats.read(path).volumes[0]
    if not (np.isfinite(volume.array).all() and volume.array.any()):
        raise MalformedInput("nothing to learn from: all 0, or not finite", path=path)
    return volume


def _oriented(volume: Volume, dims: int, rng: torch.Generator) -> Tensor:
    """Return slices of a plane drawn by chance, or the volume with its axes in any order.

    Thick slices are only ever looked at as they were acquired in 2D; in 3D any axis may come
    last, which is the one that through-plane networks enlarge.
    """
    x = torch.from_numpy(np.ascontiguousarray(volume.array, dtype=np.float32))
    spacing = volume.spacing
    thick = max(range(3), key=spacing.__getitem__)
    axis = int(torch.randint(3, (), generator=rng))
    if dims == 3:
        return x.movedim(axis, -1)[None, None]
    if spacing[thick] > THICK * min(spacing):
        axis = thick
    if 1 in volume.shape:  # a picture
        axis = volume.shape.index(1)
    stack = x.movedim(axis, 0)[:, None]
    inside = stack.flatten(1).mean(1) > 0.25 * stack.mean()
    kept = inside.nonzero()[:, 0]
    chosen = kept[torch.randperm(len(kept), generator=rng)[:SLICES].sort().values]
    return stack[chosen]


def _whole_blocks(x: Tensor, scale: Sequence[int]) -> Tensor:
    for axis, s in enumerate(scale, start=2):
        x = x.narrow(axis, 0, x.shape[axis] // s * s)
    return x.contiguous()


def _around_the_head(given: Tensor, target: Tensor, scale: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Leave out air, which has nothing to teach."""
    for axis, s in enumerate(scale, start=2):
        lines = (given > 0.06).movedim(axis, 0).flatten(1).float().mean(1)
        used = (lines > 0.004).nonzero()
        if len(used) == 0:
            continue
        first = max(0, int(used.min()) - MARGIN)
        last = min(given.shape[axis], int(used.max()) + 1 + MARGIN)
        given = given.narrow(axis, first, last - first)
        target = target.narrow(axis, first * s, (last - first) * s)
    return given, target


def _save(path: Path, x: Tensor) -> None:
    array: NDArray[Any] = x.numpy().astype(np.float16)
    with atomic_write(path) as file:
        np.save(file, array, allow_pickle=False)
