"""How sharp and how noisy an image is, by frequency in 1/mm: MTF and noise power spectrum.

A network can look sharp where edges are strong and blur what is faint, so that an MTF belongs to
the contrast and the noise at which it was measured.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal.windows import tukey
from scipy.special import j0
from torch import Tensor

from medacuity.errors import UsageError

FINER = 8
"""An edge or dot is sampled this many times finer than the pixels, by pixels all around it."""


class Spectrum(NamedTuple):
    """Values by frequency.

    Args:
        frequency: ``(n,)`` in 1/mm, from 0.
        value: ``(n,)``: the share of contrast that is left (MTF), or HU^2 mm^2 (NPS).
    """

    frequency: NDArray[np.float64]
    value: NDArray[np.float64]

    def falls_to(self, level: float) -> float:
        """Return the first frequency at which the value is down to ``level``; infinite if never.

        Example:
            >>> Spectrum(np.array([0, 1.0, 2.0]), np.array([1, 0.6, 0.2])).falls_to(0.5)
            1.25
        """
        under = np.flatnonzero(self.value <= level)
        if not len(under):
            return math.inf
        n = int(under[0])
        if n == 0:
            return float(self.frequency[0])
        (f0, f1), (a, b) = self.frequency[n - 1 : n + 1], self.value[n - 1 : n + 1]
        return float(f0 + (f1 - f0) * (a - level) / (a - b))


def noise_power(x: Tensor, *, spacing: tuple[float, float], bins: int | None = None) -> Spectrum:
    """Return the noise power spectrum of flat regions: how much noise at which coarseness.

    ``dx dy / (I J) |FFT(region - plane)|^2``, mean over the regions and over rings of frequency;
    its integral over the plane is the variance. Patches of one image of an even object, or
    differences of repeated scans over sqrt(2).

    Args:
        x: ``(B, 1, I, J)``: regions, each less its mean.
        spacing: Pixel in mm.
        bins: Rings; None for half as many as pixels along the shorter side.
    """
    if x.ndim != 4 or min(x.shape[2:]) < 8:
        raise UsageError(f"regions need the shape (B, C, I, J) of 8 or more, got {tuple(x.shape)}")
    regions = x.double().flatten(0, 1)
    regions = regions - regions.mean((1, 2), keepdim=True)
    area = math.prod(spacing) / math.prod(x.shape[2:])
    power = (torch.fft.fft2(regions).abs() ** 2).mean(0).numpy(force=True) * area
    f, g = (np.fft.fftfreq(n, mm) for n, mm in zip(x.shape[2:], spacing, strict=True))
    radius = np.hypot(f[:, None], g)
    highest = 0.5 / max(spacing)
    bins = min(x.shape[2:]) // 2 if bins is None else bins
    ring = np.ceil(radius / highest * bins - 1e-9).astype(int)
    kept = (ring >= 1) & (ring <= bins)  # the mean is not noise
    counts = np.bincount(ring[kept], minlength=bins + 1)[1:]
    total = np.bincount(ring[kept], weights=power[kept], minlength=bins + 1)[1:]
    middle = np.bincount(ring[kept], weights=radius[kept], minlength=bins + 1)[1:]
    return Spectrum(middle / counts, total / counts)


def mtf_edge(
    x: Tensor, *, spacing: tuple[float, float], centre: tuple[float, float], radius: float
) -> Spectrum:  # fmt: skip
    """Return the modulation transfer function at the edge of a disc.

    Pixels around the edge, by their distance from the disc's centre, sample its profile more
    finely than the pixels lie; the profile's slope is the line spread, whose transform is the
    MTF. Frequencies reach the pixels' own limit.

    Args:
        x: ``(I, J)``: an even disc on an even ground.
        spacing: Pixel in mm.
        centre: Of the disc, in mm from the middle of the image.
        radius: Of the disc, in mm.
    """
    step = min(spacing) / FINER
    reach = min(radius, 12 * max(spacing)) * 0.9
    profile = _around(x, spacing, centre, first=radius - reach, last=radius + reach, step=step)
    spread = np.diff(profile)
    spread *= tukey(len(spread))  # far from the edge there is only noise
    return _transfer(spread, step, 0.5 / min(spacing))


def mtf_wire(x: Tensor, *, spacing: tuple[float, float], centre: tuple[float, float]) -> Spectrum:
    """Return the modulation transfer function at a wire: a dot much thinner than a pixel.

    Args:
        x: ``(I, J)``: a dot on an even ground.
        spacing: Pixel in mm.
        centre: Of the dot, in mm from the middle of the image.
    """
    step, reach = min(spacing) / 2, 10 * max(spacing)
    profile = _around(x, spacing, centre, first=0.0, last=reach, step=step)
    profile = profile - profile[-max(2, len(profile) // 8) :].mean()
    r = (np.arange(len(profile)) + 0.5) * step
    frequency = np.linspace(0, 0.5 / min(spacing), 65)
    # The transform of something round: a wave, seen from all sides, is a Bessel function.
    value = (j0(2 * math.pi * frequency[:, None] * r) * profile * r).sum(1)
    return Spectrum(frequency, value / value[0])


def _around(
    x: Tensor, spacing: tuple[float, float], centre: tuple[float, float], *,
    first: float, last: float, step: float,
) -> NDArray[np.float64]:  # fmt: skip
    """Return the mean over all directions at distances from ``first`` to ``last``."""
    image = x.double().numpy(force=True)
    u, v = (
        (np.arange(n) - (n - 1) / 2) * mm - c
        for n, mm, c in zip(image.shape, spacing, centre, strict=True)
    )
    far = np.hypot(u[:, None], v)
    places = np.arange(first + step / 2, last, step)
    kept = (far > first - 2 * step) & (far < last + 2 * step)
    order = np.argsort(far[kept])
    distances, values = far[kept][order], image[kept][order]
    # A fine ring may hold no pixel: each place takes a tent-weighted mean of its neighbourhood.
    width = step
    weights = np.maximum(1 - np.abs(places[:, None] - distances) / width, 0)
    sums = weights.sum(1)
    found = np.interp(places, distances, values)
    mean: NDArray[np.float64] = weights @ values / np.maximum(sums, 1e-12)
    return np.asarray(np.where(sums > 0.5, mean, found), dtype=np.float64)


def _transfer(spread: NDArray[np.float64], step: float, highest: float) -> Spectrum:
    size = 8 * len(spread)
    value = np.abs(np.fft.rfft(spread, size))
    frequency = np.asarray(np.fft.rfftfreq(size, step), dtype=np.float64)
    kept = frequency <= highest
    # A difference of two samples is itself a blur, by a known amount.
    return Spectrum(frequency[kept], value[kept] / value[0] / np.sinc(frequency[kept] * step))
