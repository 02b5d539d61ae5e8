"""How scans come: random drawing of degradations and histories, apart from applying them.

Everything here draws numbers once and returns a plain function of a tensor, so that what was
done to a case is decided by its seed alone.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from medacuity.physics.kspace import kspace_crop, zero_fill
from medacuity.physics.noise import rician
from medacuity.physics.sampling import block_mean, box, shrunk, slice_profile
from medacuity.resize import cubic, linear, resize, spline

Degradation = Callable[[Tensor], Tensor]
Draw = Callable[[torch.Generator], Degradation]
"""Draws one way to degrade a case, or one way in which it came to be."""


def uniform(rng: torch.Generator, low: float, high: float) -> float:
    """Draw a number between ``low`` and ``high``."""
    return low + (high - low) * float(torch.rand((), generator=rng))


def chance(rng: torch.Generator, probability: float) -> bool:
    """Draw yes with ``probability``."""
    return float(torch.rand((), generator=rng)) < probability


def fewer_voxels(
    rng: torch.Generator, *, factor: Sequence[int], kspace: float, noise: tuple[float, float]
) -> Degradation:
    """Draw a way to acquire fewer voxels: k-space crop, block mean, slice profile, bicubic.

    Args:
        rng: Source of randomness.
        factor: Old voxels per new one, per axis.
        kspace: Probability of a k-space crop; the other three share the rest.
        noise: Range of Rician sigma over the brightness of the input, ``(0, 0)`` for none.
    """
    sample = _crop(rng, factor) if chance(rng, kspace) else _average(rng, factor)
    low, high = noise
    if high <= 0:
        return sample
    sigma, seed = uniform(rng, low, high), int(torch.randint(2**31, (), generator=rng))
    return partial(_noisy, sample=sample, sigma=sigma, seed=seed)


def any_history(rng: torch.Generator, *, strength: float = 0.6) -> Degradation:
    """Draw what happened to a scan before it reached us.

    A smaller matrix, the scanner's own interpolation and filters, resampling by software,
    noise, other contrasts, storage in 8 bits: each with some probability, one after another.

    Args:
        rng: Source of randomness.
        strength: Share of scans that anything happened to at all.
    """
    candidates: list[tuple[float, Draw]] = [
        (0.25, _other_contrast),
        (0.55, _coarser),
        (0.25, _scanner_interpolated),
        (0.20, _software_resampled),
        (0.25, _some_noise),
        (0.10, _eight_bit),
    ]
    eventful = chance(rng, strength)
    steps = [draw(rng) for p, draw in candidates if chance(rng, p) and eventful]

    def history(x: Tensor) -> Tensor:
        """Apply what was drawn, in order."""
        for step in steps:
            x = step(x)
        return x

    return history


def untouched(rng: torch.Generator) -> Degradation:
    """Draw nothing: the case is the truth as it is."""
    return lambda x: x


def brightness(x: Tensor) -> float:
    """Return the 99.9th percentile: just under the brightest vessels."""
    flat = x.flatten()
    thin = flat[:: max(1, len(flat) // 1_000_000)]
    return max(float(torch.quantile(thin, 0.999)), 1e-12)


def _crop(rng: torch.Generator, factor: Sequence[int]) -> Degradation:
    window = uniform(rng, 0, 0.6) if chance(rng, 0.15) else 0.0
    return partial(kspace_crop, factor=factor, magnitude=chance(rng, 0.2), window=window)


def _average(rng: torch.Generator, factor: Sequence[int]) -> Degradation:
    which = int(torch.randint(5, (), generator=rng))
    if which < 2:
        return partial(block_mean, factor=factor)
    if which == 2:
        return lambda x: resize(x, shrunk(x.shape[2:], factor), cubic)
    if which == 3:
        return partial(slice_profile, factor=factor, thickness=uniform(rng, 0.6, 1.0), profile=box)
    return partial(slice_profile, factor=factor, thickness=uniform(rng, 0.6, 1.25))


def _noisy(x: Tensor, *, sample: Degradation, sigma: float, seed: int) -> Tensor:
    y = sample(x)
    rng = torch.Generator().manual_seed(seed)
    return rician(y, sigma=sigma * brightness(y), rng=rng)


def _coarser(rng: torch.Generator) -> Degradation:
    """Draw a smaller matrix for the truth itself: other voxel sizes from the same scan."""
    ratio = math.exp(uniform(rng, math.log(1.05), math.log(2.6)))
    window = uniform(rng, 0, 1) if chance(rng, 0.4) else 0.0
    # As a scanner does it, as careful software does, and as careless software does: aliased.
    by_kspace, kernel = chance(rng, 0.5), (cubic, spline)[chance(rng, 0.4)]

    def coarser(x: Tensor) -> Tensor:
        """Return the scan with larger voxels."""
        # Only axes with voxels to spare: a stack of thick slices stays a stack.
        factor = [ratio if n >= 96 else 1.0 for n in x.shape[2:]]
        if by_kspace:
            return kspace_crop(x, factor=factor, magnitude=True, window=window)
        return resize(x, shrunk(x.shape[2:], factor), kernel)

    return coarser


def _scanner_interpolated(rng: torch.Generator) -> Degradation:
    ratio = uniform(rng, 1.1, 2.0)
    window = uniform(rng, 0, 1) if chance(rng, 0.6) else 0.0

    def interpolated(x: Tensor) -> Tensor:
        """Return a magnitude of a cropped k-space, filled with zeros to the old size."""
        size = x.shape[2:]
        return zero_fill(kspace_crop(x, factor=[ratio] * len(size), window=window), size=size).abs()

    return interpolated


def _software_resampled(rng: torch.Generator) -> Degradation:
    ratio = uniform(rng, 0.85, 1.2)
    kernel = (linear, spline, cubic)[int(torch.randint(3, (), generator=rng))]

    def resampled(x: Tensor) -> Tensor:
        """Return the scan on another grid of the same field of view."""
        return resize(x, [max(8, math.floor(n * ratio)) for n in x.shape[2:]], kernel)

    return resampled


def _some_noise(rng: torch.Generator) -> Degradation:
    sigma, seed = uniform(rng, 0.002, 0.025), int(torch.randint(2**31, (), generator=rng))
    return lambda x: rician(
        x.clamp(min=0), sigma=sigma * brightness(x), rng=torch.Generator().manual_seed(seed)
    )


def _other_contrast(rng: torch.Generator) -> Degradation:
    """Draw a curve that turns one contrast into another: brighter, darker, or upside down."""
    gamma, top, flipped = uniform(rng, 0.6, 1.6), uniform(rng, 1.0, 1.3), chance(rng, 0.35)

    def contrast(x: Tensor) -> Tensor:
        """Return the scan with its brightness bent by the drawn curve."""
        unit = (x / brightness(x)).clamp(min=0)
        if flipped:  # fluid bright, fat and white matter dark; air stays air
            return torch.where(unit > 0.07, (top - unit).clamp(min=0), unit)
        return unit**gamma

    return contrast


def _eight_bit(rng: torch.Generator) -> Degradation:
    levels = uniform(rng, 150, 255)
    return lambda x: torch.round(x * (levels / brightness(x)))
