"""Another shape of the same anatomy: turned, scaled, sheared, shifted and bent, smoothly.

A warp is drawn apart from its use, so that an image and its labels move together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from medacuity.resize import cubic, resize


@dataclass(frozen=True)
class Shape:
    """How far a warp goes; every draw is even between minus and plus, but for ``bend``.

    Args:
        rotation_deg: About every axis.
        scaling: Share by which each axis is stretched or shrunk.
        shearing: Shift along one axis for each voxel along another.
        shift: Voxels, along every axis.
        bend: Standard deviation of a displacement, in voxels, at the points of a coarse grid,
            between which it is smooth.
        coarse: Voxels from one point of that grid to the next.
    """

    rotation_deg: float = 15.0
    scaling: float = 0.15
    shearing: float = 0.012
    shift: float = 6.0
    bend: float = 3.0
    coarse: int = 32


def draw_places(count: int, size: Sequence[int], rng: torch.Generator, shape: Shape) -> Tensor:
    """Return, for each voxel of ``count`` warped images, the place that it takes its value from.

    Args:
        count: Warps to draw, each for one image.
        size: Voxels per axis.
        rng: Source of randomness.
        shape: How far the warps go.

    Shape:
        ``(count, *size, dims)``, in voxels, in the order of the axes.
    """
    dims = len(size)
    grids = torch.meshgrid(*(torch.arange(float(n)) for n in size), indexing="ij")
    identity = torch.stack(grids, -1)
    centre = torch.tensor([(n - 1) / 2 for n in size])
    matrix = _matrices(count, dims, rng, shape)
    moved = torch.einsum("...i,bji->b...j", identity - centre, matrix) + centre
    shift = _even((count, *[1] * dims, dims), rng) * shape.shift
    few = [max(2, math.ceil(n / shape.coarse)) for n in size]
    bend = torch.randn(count, dims, *few, generator=rng) * shape.bend
    return moved + shift + resize(bend, size, cubic).movedim(1, -1)


def warped(x: Tensor, places: Tensor, *, labels: bool = False) -> Tensor:
    """Return images whose voxels take their values from other places; from outside, 0.

    Args:
        x: Images or labels.
        places: From `draw_places`.
        labels: Take the value of the nearest voxel, rather than a mean of those around.

    Shape:
        ``(B, C, *S)``, any dtype, and ``(B, *T, dims)`` -> ``(B, C, *T)``.

    Example:
        >>> x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        >>> upside_down = torch.tensor([[[[1.0, 0.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]]]])
        >>> warped(x, upside_down)
        tensor([[[[3., 4.],
                  [1., 2.]]]])
    """
    size = torch.tensor(x.shape[2:], dtype=places.dtype)
    unit = (2 * places / (size - 1).clamp(min=1) - 1).flip(-1)  # torch counts axes from the last
    taken = F.grid_sample(
        x.to(places.dtype), unit, mode="nearest" if labels else "bilinear", align_corners=True
    )
    return taken.to(x.dtype)


def _matrices(count: int, dims: int, rng: torch.Generator, shape: Shape) -> Tensor:
    """Return rotations times stretches times shears ``(count, dims, dims)``."""
    skew = torch.zeros(count, dims, dims)
    upper = torch.triu_indices(dims, dims, 1)
    angles = _even((count, upper.shape[1]), rng) * math.radians(shape.rotation_deg)
    skew[:, upper[0], upper[1]] = angles
    turn: Tensor = torch.linalg.matrix_exp(skew - skew.mT)
    stretch = torch.diag_embed(1 + _even((count, dims), rng) * shape.scaling)
    off = _even((count, dims, dims), rng) * shape.shearing * (1 - torch.eye(dims))
    return turn @ stretch @ (torch.eye(dims) + off)


def _even(shape: Sequence[int], rng: torch.Generator) -> Tensor:
    """Draw evenly from -1 to 1."""
    return 2 * torch.rand(*shape, generator=rng) - 1
