"""A case and its degraded self: what super-resolution learns from.

A case is degraded *whole* and the range is taken from its input, because a k-space crop of a
patch is not the patch of a k-space crop, and a range taken from the target is not there in
use.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from medacuity import formats
from medacuity.errors import MalformedInput
from medacuity.intensity import Rule
from medacuity.training.variety import Draw
from medacuity.volume import Volume

MARGIN = 8  # input voxels of air kept around the head
SLICES = 40  # of a stack kept per variant: neighbours look alike
THICK = 1.5  # ratio of spacings above which an axis counts as the slice axis


class Degrading(Protocol):
    """What must be known of a recipe to make its pairs.

    Attributes:
        dims: Spatial axes, 2 or 3.
        scale: Target voxels per input voxel, per axis.
        blocks: Sizes of targets are multiples of these, per axis.
        history: Draws what happened to a scan before it became a truth.
        degrade: Draws how the input is made of it.
        intensity: How scanner numbers become the unit range, by the input.
    """

    @property
    def dims(self) -> int: ...
    @property
    def scale(self) -> tuple[int, ...]: ...
    @property
    def blocks(self) -> tuple[int, ...]: ...
    @property
    def history(self) -> Draw: ...
    @property
    def degrade(self) -> Draw: ...
    @property
    def intensity(self) -> Rule: ...


def read_scan(path: Path) -> Volume:
    """Return a scan; refuse one that has nothing to teach."""
    volume = formats.read(path).volumes[0]
    if not (np.isfinite(volume.array).all() and volume.array.any()):
        raise MalformedInput("nothing to learn from: all 0, or not finite", path=path)
    return volume


def make_pair(recipe: Degrading, volume: Volume, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return one variant of a case, unit range.

    Shape:
        2D: input ``(N, 1, H, W)``, target ``(N, 1, H * s, W * s)``, for N slices.
        3D: the same with N = 1 and three spatial axes.
    """
    nothing = recipe.intensity.of(volume.array).low
    x = recipe.history(rng)(_oriented(volume, recipe.dims, rng, nothing))
    x = _whole_blocks(x, recipe.blocks)
    y = recipe.degrade(rng)(x)
    intensity = recipe.intensity.of(y.numpy())
    given, target = (torch.from_numpy(intensity.to_unit(a.numpy())) for a in (y, x))
    return around_the_head(given, target, recipe.scale)


def _oriented(volume: Volume, dims: int, rng: torch.Generator, nothing: float) -> Tensor:
    """Return slices of a plane drawn by chance, or the volume with its axes in any order.

    Slices with a quarter of the usual brightness above ``nothing``, the air's, are left out.

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
    inside = stack.flatten(1).mean(1) - nothing > 0.25 * (stack.mean() - nothing)
    kept = inside.nonzero()[:, 0]
    chosen = kept[torch.randperm(len(kept), generator=rng)[:SLICES].sort().values]
    return stack[chosen]


def _whole_blocks(x: Tensor, scale: Sequence[int]) -> Tensor:
    for axis, s in enumerate(scale, start=2):
        x = x.narrow(axis, 0, x.shape[axis] // s * s)
    return x.contiguous()


def around_the_head(given: Tensor, target: Tensor, scale: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Leave out air, which has nothing to teach; ``given`` decides where it is."""
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
