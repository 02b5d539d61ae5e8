"""More or fewer voxels of the same patient: grid-true, per axis, the same for 2D and 3D.

Every way of resizing here is linear and separable: one matrix per axis, ``new = rows @ old``.
A kernel says how its rows look; `resize` applies them in bands, so that a long axis costs no
more than it must.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from medacuity.nd import along

BAND = 256  # rows made at a time: large enough for fast products, small enough to stay banded


class Band(NamedTuple):
    """Some rows of a matrix, without the columns that are zero in all of them."""

    first: int
    last: int
    rows: Tensor  # (rows, last - first), float64


Kernel = Callable[[int, int, int, int], Band]
"""``kernel(inputs, outputs, start, stop)`` -> rows ``start`` to ``stop`` of its matrix."""


def resize(x: Tensor, size: Sequence[int], kernel: "Kernel") -> Tensor:
    """Return ``x`` with ``size`` voxels in the same field of view, edge to edge.

    Args:
        x: Any float tensor whose last axes are spatial.
        size: New number of voxels, one per spatial axis.
        kernel: One of `nearest`, `linear`, `cubic`, `lanczos`, `spline`, `sinc`; or any other
            way to make the rows of a matrix, such as a slice profile.

    Shape:
        ``(..., *S)`` -> ``(..., *size)``.

    Example:
        >>> resize(torch.tensor([[[0.0, 4.0]]]), [4], linear)
        tensor([[[0., 1., 3., 4.]]])
    """
    if any(n < 1 for n in size):
        raise ValueError(f"size must be at least 1 voxel per axis, got {tuple(size)}")
    for axis, n in zip(range(-len(size), 0), size, strict=True):
        if x.shape[axis] != n:
            x = _resize_axis(x, n, axis, kernel)
    return x


def bicubic(x: Tensor, scale: float) -> Tensor:
    """Resize pictures as the super-resolution papers do: MATLAB's ``imresize``, bit for bit.

    Keys' cubic with a = -0.5, stretched when it shrinks (antialiased), symmetric edges, and
    ``ceil(size * scale)`` pixels, placed by ``scale`` rather than by the ratio of the sizes.

    Shape:
        ``(..., H, W)`` -> ``(..., ceil(H * scale), ceil(W * scale))``.
    """
    for axis in (-2, -1):
        n = x.shape[axis]
        # The last pixel may hang over the edge; 1e-9 keeps 3 * (1 / 3) from becoming 2.
        outputs = math.ceil(n * scale - 1e-9)
        rows = _taps(n, _centres(outputs, 1 / scale), max(1.0, 1 / scale), 2.0, _keys)
        x = along(x, rows, axis)
    return x


def nearest(inputs: int, outputs: int, start: int, stop: int) -> Band:
    """Repeat the voxel that each new voxel's centre falls into."""
    centres = _centres(outputs, inputs / outputs)[start:stop]
    columns = torch.floor(centres + 0.5).long().clamp(0, inputs - 1)
    rows = torch.zeros(stop - start, inputs, dtype=torch.float64)
    return _band(rows.scatter_(1, columns[:, None], 1.0))


def linear(inputs: int, outputs: int, start: int, stop: int) -> Band:
    """Draw straight lines between centres; averages when it shrinks."""
    return _windowed(inputs, outputs, start, stop, 1.0, lambda t: (1 - t.abs()).clamp(min=0))


def cubic(inputs: int, outputs: int, start: int, stop: int) -> Band:
    """Keys' cubic convolution, a = -0.5, antialiased when it shrinks."""
    return _windowed(inputs, outputs, start, stop, 2.0, _keys)


def lanczos(inputs: int, outputs: int, start: int, stop: int) -> Band:
    """A sinc under the middle lobe of a wider one (Lanczos 3), antialiased when it shrinks."""
    return _windowed(
        inputs, outputs, start, stop, 3.0,
        lambda t: torch.sinc(t) * torch.sinc(t / 3) * (t.abs() < 3),
    )  # fmt: skip


def spline(inputs: int, outputs: int, start: int, stop: int) -> Band:
    """Interpolate by the cubic B-spline through all voxels (mirrored at the edges).

    The same numbers as ``scipy.ndimage.zoom(order=3, mode="reflect", grid_mode=True)``; never
    antialiased.
    """
    centres = _centres(outputs, inputs / outputs)[start:stop]
    rows = _taps(inputs, centres, 1.0, 2.0, _b3, normalise=False)
    return _band(rows @ _spline_coefficients(inputs))


def sinc(inputs: int, outputs: int, start: int, stop: int) -> Band:
    """Fill k-space with zeros, or crop it, with the phase that keeps the patient still.

    The periodic sinc (Dirichlet) kernel; an unpaired highest frequency counts as a cosine.
    """
    kept = min(inputs, outputs)
    distance = _centres(outputs, inputs / outputs)[start:stop, None] - torch.arange(inputs)
    angle = math.pi * distance / inputs
    bottom = torch.tan(angle) if kept % 2 == 0 else torch.sin(angle)
    at_centre = bottom.abs() < 1e-12
    ratio = torch.sin(kept * angle) / torch.where(at_centre, 1.0, bottom)
    wraps = torch.cos(kept * angle) * torch.cos(angle) ** (1 - kept % 2)
    return Band(0, inputs, torch.where(at_centre, kept * wraps, ratio) / inputs)


KERNELS: dict[str, Kernel] = {
    kernel.__name__: kernel for kernel in (nearest, linear, cubic, lanczos, spline, sinc)
}
"""By name, for those who ask for one."""


def _resize_axis(x: Tensor, outputs: int, axis: int, kernel: Kernel) -> Tensor:
    parts = []
    for band in _bands(kernel, x.shape[axis], outputs):
        old = x.narrow(axis, band.first, band.last - band.first)
        parts.append(along(old, band.rows.to(x.device), axis))
    return parts[0] if len(parts) == 1 else torch.cat(parts, axis)


@lru_cache(maxsize=64)
def _bands(kernel: Kernel, inputs: int, outputs: int) -> list[Band]:
    with torch.inference_mode(mode=False):  # kept for later, and later something may be learnt
        return [
            kernel(inputs, outputs, start, min(start + BAND, outputs))
            for start in range(0, outputs, BAND)
        ]


def _centres(outputs: int, step: float) -> Tensor:
    """Return where the new centres lie, in old voxels."""
    return (torch.arange(outputs, dtype=torch.float64) + 0.5) * step - 0.5


def _windowed(
    inputs: int, outputs: int, start: int, stop: int, radius: float,
    window: Callable[[Tensor], Tensor],
) -> Band:  # fmt: skip
    step = inputs / outputs
    centres = _centres(outputs, step)[start:stop]
    return _band(_taps(inputs, centres, max(1.0, step), radius, window))


def _taps(
    inputs: int, centres: Tensor, stretch: float, radius: float,
    window: Callable[[Tensor], Tensor], *, normalise: bool = True,
) -> Tensor:  # fmt: skip
    """Return a window around each centre as rows over the inputs, reflected at the edges."""
    reach = math.ceil(radius * stretch) + 1
    columns = torch.floor(centres)[:, None].long() + torch.arange(-reach, reach + 1)
    weights = window((centres[:, None] - columns) / stretch)
    if normalise:
        weights = weights / weights.sum(1, keepdim=True)
    folded = columns % (2 * inputs)  # ... c b a | a b c | c b a ...
    folded = torch.where(folded < inputs, folded, 2 * inputs - 1 - folded)
    rows = torch.zeros(len(centres), inputs, dtype=torch.float64)
    return rows.scatter_add_(1, folded, weights)


def _band(rows: Tensor) -> Band:
    used = rows.abs().sum(0).nonzero()
    first, last = int(used.min()), int(used.max()) + 1
    return Band(first, last, rows[:, first:last].clone())


def _keys(t: Tensor) -> Tensor:
    """Keys, "Cubic convolution interpolation for digital image processing", 1981; a = -0.5."""
    t = t.abs()
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return torch.where(t <= 1, near, torch.where(t < 2, far, torch.zeros_like(t)))


def _b3(t: Tensor) -> Tensor:
    """Return the centred cubic B-spline."""
    t = t.abs()
    near = 2 / 3 - t**2 + t**3 / 2
    return torch.where(t < 1, near, (2 - t).clamp(min=0) ** 3 / 6)


@lru_cache(maxsize=16)
def _spline_coefficients(inputs: int) -> Tensor:
    """Return the matrix that turns voxels into B-spline coefficients."""
    with torch.inference_mode(mode=False):
        centres = torch.arange(inputs, dtype=torch.float64)
        samples = _taps(inputs, centres, 1.0, 2.0, _b3, normalise=False)
        return torch.as_tensor(torch.linalg.inv(samples))
