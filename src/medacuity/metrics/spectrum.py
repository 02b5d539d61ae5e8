"""How sharp images are, by frequency: power spectra, and what a network adds that is no image.

Frequencies are in turns per voxel: 0.5 is a pattern of two voxels, the finest there is. Every
axis is faded towards its edges first (Hann), or a step from one edge of an image to the other
would be taken for detail.
"""

import math

import torch
from torch import Tensor

from medacuity.errors import UsageError

NYQUIST = 0.5
FINE = 0.25
"""Where fine detail begins: half the finest frequency, lost when a matrix is halved."""

USUAL = 0.75
"""Quantile of the power around a peak; at the rim of a k-space cut off, half of it is none."""


def power_spectrum(x: Tensor, *, bins: int | None = None) -> Tensor:
    """Return the mean power in rings of frequency, from 0 to 0.5 turns per voxel.

    The mean over an image does not count; corners beyond 0.5 are left out.

    Args:
        x: Images.
        bins: Rings, all as wide; None for half as many as the shortest axis has voxels, and
            no more, or there would be rings without a frequency.

    Shape:
        ``(B, C, *S)`` -> ``(B, bins)``, double precision; images of 4 voxels or more an axis.

    Raises:
        UsageError: Images are smaller, or there are no or too many rings.

    Example:
        >>> power_spectrum(torch.rand(2, 1, 32, 32), bins=8).shape
        torch.Size([2, 8])
    """
    power, radius = _power(x), _radius(x).flatten()
    most = min(x.shape[2:]) // 2
    bins = most if bins is None else bins
    if type(bins) is not int or not 1 <= bins <= most:
        raise UsageError(f"bins must be a whole number from 1 to {most}, got {bins}")
    ring = (radius / NYQUIST * bins - 1e-9).ceil().long() - 1  # a ring holds its outer rim
    kept = (ring >= 0) & (ring < bins)
    total = power.new_zeros(len(x), bins).index_add_(1, ring[kept], power.flatten(1)[:, kept])
    return total / torch.bincount(ring[kept], minlength=bins)


def fine_energy(x: Tensor, *, above: float = FINE) -> Tensor:
    """Return the energy of detail finer than ``above`` turns per voxel, all axes together.

    Shape:
        ``(B, C, *S)`` -> ``(B,)``, double precision.
    """
    if not 0 <= above < NYQUIST:
        raise UsageError(f"above must be from 0 to {NYQUIST:g} turns per voxel, got {above:g}")
    return (_power(x) * (_radius(x) > above)).flatten(1).sum(1)


def sharpness(prediction: Tensor, target: Tensor, *, above: float = FINE) -> Tensor:
    """Return the energy of fine detail over that of the truth: 1 is as sharp as the truth.

    Less is blur; more is noise or made-up texture, which no number of this kind tells apart.
    Shapes as in `fine_energy`; NaN where the truth holds no detail at all.
    """
    _check_pair(prediction, target)
    return fine_energy(prediction, above=above) / fine_energy(target, above=above)


def spectral_distance(prediction: Tensor, target: Tensor, *, bins: int | None = None) -> Tensor:
    """Return the mean over rings of the difference of power in decibels: 0 where all agree.

    Every ring counts the same, whatever little power it holds; power below a billionth of
    the strongest ring of the truth counts as nothing.

    Shape:
        ``(B, C, *S)`` twice -> ``(B,)``, double precision.
    """
    _check_pair(prediction, target)
    ours, theirs = (power_spectrum(x, bins=bins) for x in (prediction, target))
    floor = 1e-9 * theirs.amax(1, keepdim=True) + 1e-300
    decibels = 10 * torch.log10((ours + floor) / (theirs + floor))
    return decibels.abs().mean(1)


def checkerboard(x: Tensor, *, period: int = 2) -> Tensor:
    """Return how far the frequencies of a pattern of ``period`` voxels stick out, 1 if not.

    Networks that enlarge carelessly leave a pattern of as many voxels as they enlarge by. It
    shows as peaks at multiples of 1 / ``period`` along one axis or several; each is set against
    the power around it, and the largest ratio counts. Images without a pattern give below 10,
    by chance and by their noise; a faint one gives a hundred and more.

    Args:
        x: Images, of 4 periods or more along every axis.
        period: 2 for a pattern of two voxels.

    Shape:
        ``(B, C, *S)`` -> ``(B,)``, double precision.
    """
    if type(period) is not int or period < 2:
        raise UsageError(f"period must be a whole number >= 2, got {period}")
    if min(x.shape[2:]) < 4 * period:
        raise UsageError(f"images must be 4 periods of {period} voxels or larger, "
                         f"got {tuple(x.shape[2:])}")  # fmt: skip
    for axis in range(2, x.ndim):  # peaks lie on a line of the spectrum
        x = x.narrow(axis, 0, x.shape[axis] // period * period)
    power = _power(x)
    worst = power.new_zeros(len(x))
    for place in _peaks(x.shape[2:], period):
        around = power
        for axis, middle in enumerate(place, start=1):
            near = (torch.arange(middle - 4, middle + 5, device=x.device)) % power.shape[axis]
            around = around.index_select(axis, near)
        around = around.flatten(1)
        peak, usual = around[:, around.shape[1] // 2], around.quantile(USUAL, dim=1)
        worst = torch.maximum(worst, peak / usual.clamp(min=1e-300))
    return worst


def _peaks(size: torch.Size, period: int) -> list[tuple[int, ...]]:
    """Return where in k-space a pattern shows: all multiples of 1 / period, but for the mean."""
    steps = [[n * k // period for k in range(period)] for n in size]
    grid = torch.cartesian_prod(*map(torch.tensor, steps)).reshape(-1, len(size)).tolist()
    return [tuple(place) for place in grid if any(place)]


def _power(x: Tensor) -> Tensor:
    """Return the energy at every frequency, mean over channels ``(B, *S)``; constants give 0."""
    if x.ndim < 3 or min(x.shape[2:]) < 4:
        raise UsageError(
            f"spectra take images (batch, channels, space) of 4 voxels or more an axis, got "
            f"{tuple(x.shape)}"
        )
    axes = tuple(range(2, x.ndim))
    window = torch.ones((), dtype=torch.float64, device=x.device)
    for axis in axes:
        line = torch.hann_window(x.shape[axis], dtype=torch.float64, device=x.device)
        window = window * line.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    x = x.double()
    mean = (x * window).sum(axes, keepdim=True) / window.sum()
    energy = torch.fft.fftn((x - mean) * window, dim=axes).abs().square()
    power: Tensor = energy.mean(1) / window.square().sum() / math.prod(x.shape[2:])
    return power


def _radius(x: Tensor) -> Tensor:
    """Return the length of every frequency, in turns per voxel, in the order of an FFT."""
    squares = torch.zeros((), dtype=torch.float64, device=x.device)
    dims = x.ndim - 2
    for axis, n in enumerate(x.shape[2:]):
        line = torch.fft.fftfreq(n, dtype=torch.float64, device=x.device).square()
        squares = squares + line.reshape([-1 if a == axis else 1 for a in range(dims)])
    return squares.sqrt()


def _check_pair(prediction: Tensor, target: Tensor) -> None:
    if prediction.shape != target.shape:
        raise UsageError(
            "prediction and target need one shape (batch, channels, space), got "
            f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        )
