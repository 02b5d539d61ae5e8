"""Fewer voxels of the same patient, the way a scanner averages: block mean and slice profile."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from medacuity.resize import Band, resize

Profile = Callable[[Tensor], Tensor]
"""Sensitivity at a distance from the slice's centre, in units of its thickness."""


def shrunk(size: Sequence[int], factor: Sequence[float]) -> tuple[int, ...]:
    """Return how many voxels are left per axis: the nearest whole number, at least one.

    Example:
        >>> shrunk((155, 10), (2, 1))
        (78, 10)
    """
    if any(f < 1 for f in factor):
        raise ValueError(f"factor must be >= 1 on every axis, got {tuple(factor)}")
    return tuple(max(1, math.floor(n / f + 0.5)) for n, f in zip(size, factor, strict=True))


def block_mean(x: Tensor, *, factor: Sequence[float]) -> Tensor:
    """Average blocks of ``factor`` voxels, as when a scan is made with larger voxels.

    Args:
        x: ``(B, C, *S)``, float.
        factor: Old voxels per new one, per axis; need not divide the size, or be whole: the
            field of view is kept edge to edge, and a voxel on a border is shared.

    Shape:
        ``(B, C, *S)`` -> ``(B, C, *round(S / factor))``.

    Example:
        >>> block_mean(torch.tensor([[[1.0, 3.0, 5.0, 9.0]]]), factor=[2])
        tensor([[[2., 7.]]])
    """
    return resize(x, shrunk(x.shape[2:], factor), area)


def slice_profile(
    x: Tensor, *, factor: Sequence[float], thickness: float = 1.0, profile: Profile | None = None
) -> Tensor:
    """Acquire slices: weigh the tissue by the slice's profile, then keep one value per slice.

    Args:
        x: ``(B, C, *S)``, float.
        factor: Distance between slice centres in old voxels, per axis; 1 where nothing is done.
        thickness: Full width at half maximum of the profile over the distance between slice
            centres: 0.8 leaves gaps of a fifth, 1.2 overlaps.
        profile: `gaussian` (default, the profile of SMORE, Zhao et al., TMI 2021) or `box`.

    Shape:
        ``(B, C, *S)`` -> ``(B, C, *round(S / factor))``.
    """
    if not 0 < thickness < 10:
        raise ValueError(f"thickness must lie in (0, 10) slice distances, got {thickness:g}")
    shape = gaussian if profile is None else profile

    def rows(inputs: int, outputs: int, start: int, stop: int) -> Band:
        return _profile_rows(inputs, outputs, start, stop, thickness=thickness, profile=shape)

    return resize(x, shrunk(x.shape[2:], factor), rows)


def gaussian(t: Tensor) -> Tensor:
    """Return a Gaussian of full width 1 at half maximum."""
    return torch.exp(-4 * math.log(2) * t**2)


def box(t: Tensor) -> Tensor:
    """Return 1 inside a slice of thickness 1, with edges softened by a tenth of it."""
    return ((0.55 - t.abs()) * 10).clamp(0, 1)


def area(inputs: int, outputs: int, start: int, stop: int) -> Band:
    """Weigh every old voxel by how much of the new one it fills: a kernel for `resize`."""
    step = inputs / outputs
    low = torch.arange(start, stop, dtype=torch.float64)[:, None] * step
    old = torch.arange(inputs, dtype=torch.float64)
    overlap = torch.minimum(low + step, old + 1) - torch.maximum(low, old)
    return Band(0, inputs, overlap.clamp(min=0) / step)


def _profile_rows(
    inputs: int, outputs: int, start: int, stop: int, *, thickness: float, profile: Profile
) -> Band:
    step = inputs / outputs
    centres = (torch.arange(start, stop, dtype=torch.float64) + 0.5) * step - 0.5
    fine = 8  # samples per voxel: the profile is integrated over each voxel, not just sampled
    places = (torch.arange(inputs * fine, dtype=torch.float64) + 0.5) / fine - 0.5
    weights = profile((places - centres[:, None]) / (thickness * step))
    rows = weights.reshape(len(centres), inputs, fine).sum(2)
    return Band(0, inputs, rows / rows.sum(1, keepdim=True))
