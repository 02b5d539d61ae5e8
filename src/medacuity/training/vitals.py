"""What can be measured on generated images by themselves, beside real ones."""

import math
from collections.abc import Iterator
from math import inf, nan

import torch
from torch import Tensor

from medacuity.resize import cubic, resize

COARSE = 16  # voxels per axis that are enough to tell two images apart
LOOKED = 64  # images that are enough to look at
ALIKE = 1e-3  # of the unit range: real images that differ by less say nothing about diversity


def spread(images: Tensor) -> float:
    """Root mean square of the images about their mean brightness; not finite if they are not.

    **Shape**: ``(B, C, *S)``, or ``(B, C)``.
    """
    return float(images.detach().float().std(correction=0))


def distinct(samples: Tensor, real: Tensor) -> float:
    """Return how far samples are from each other, over the same among real images.

    1 is as distinct as real images, 0 says that they are all the same, or that every one has a
    twin: it is the smaller of two ratios, of the mean distance to all others and of that to
    the *nearest* other. The first would miss samples of a few kinds, all alike within a kind;
    the second would miss that there is one kind where real images are of a few. Compared at 16
    voxels per axis, where noise, which makes all real images differ, hardly counts.

    Args:
        samples: ``(B, C, *S)``, at least two.
        real: As many of them, of the same size.

    Returns:
        NaN where the real images do not differ themselves.

    Example:
        >>> rng = torch.Generator().manual_seed(0)
        >>> real = torch.rand(8, 1, 16, 16, generator=rng)
        >>> distinct(real[:2].repeat(4, 1, 1, 1), real)
        0.0
        >>> distinct(real.flip(2), real)
        1.0
    """
    made, true = (_distances(images.detach().float()) for images in (samples, real))
    ratios = [ours / theirs for ours, theirs in zip(made, true, strict=True) if theirs > ALIKE]
    return min(ratios, default=nan)


def _distances(images: Tensor) -> tuple[float, float]:
    """Return the mean distance, per voxel, of an image to the others and to the nearest."""
    flat = _coarse(images[:LOOKED])
    apart = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")
    apart /= flat.shape[1] ** 0.5
    others = float(apart.sum()) / max(1, len(flat) * (len(flat) - 1))
    nearest = float(apart.fill_diagonal_(inf).amin(1).mean())
    return round(others, 9), round(nearest, 9)


def _coarse(images: Tensor) -> Tensor:
    size = images.shape[2:]
    if any(n > COARSE for n in size):
        images = resize(images, [min(n, COARSE) for n in size], cubic)
    return images.flatten(1)


def ripple(images: Tensor) -> float:
    """Return the strength of grid patterns of periods 2 and 4 voxels, root mean square.

    Along each axis the spectrum is compared with itself a few frequencies away: what stands out
    at exactly a half or a quarter of the sampling frequency is not anatomy but the stride of a
    layer. The axis with most of it counts. An axis of fewer than 16 voxels, or 32 for the
    period of 4, is too short to tell.

    **Shape**: ``(B, C, *S)``; in the unit of the intensities.

    Example:
        >>> board = torch.zeros(1, 1, 32, 32)
        >>> board[..., ::2, ::2] = board[..., 1::2, 1::2] = 0.1
        >>> f"{ripple(board):.3f}"  # plus and minus 0.05
        '0.050'
    """
    images = images[:LOOKED].detach().float()
    strengths = [sum(_lines(images.movedim(axis, -1))) for axis in range(2, images.ndim)]
    return math.sqrt(max(strengths, default=0.0))


def _lines(images: Tensor) -> Iterator[float]:
    """Yield the mean square of what stands out at each frequency of a grid, along the last axis."""
    n = images.shape[-1] // 4 * 4  # both frequencies are frequencies of the transform
    if n < 16:
        return
    lines = images[..., :n]
    window = torch.hann_window(n, device=images.device)  # edges do not leak all over the spectrum
    waves = torch.fft.rfft((lines - lines.mean(-1, keepdim=True)) * window)
    power = waves.abs().square().flatten(0, -2).mean(0)
    yield 4 * max(0.0, _above(power, n // 2)) / n**2
    if n >= 32:
        yield 8 * max(0.0, _above(power, n // 4)) / n**2


def _above(power: Tensor, line: int) -> float:
    """Return the power of a line above what its neighbours let expect; the window fills +-1."""
    around = [line + off for off in (-3, -2, 2, 3) if 0 < line + off < len(power)]
    expected = power[around].clamp_min(1e-30).log().mean().exp()
    return float(power[line] - expected)
