"""MRI measures k-space: fewer lines are a blurred image with ringing, in the same place."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from medacuity.physics.sampling import shrunk


def kspace_crop(
    x: Tensor, *, factor: Sequence[float], magnitude: bool = False, window: float = 0.0
) -> Tensor:
    """Keep the centre of k-space, as a scan with a smaller matrix does.

    The reduced image samples positions 0, s, 2s ... of the old grid unless k-space is given a
    linear phase; with it, the centres lie where those of larger voxels lie, and the patient
    stays where he was. Intensities are kept (n / N per axis for a 1/n-normalised inverse).

    Args:
        x: ``(B, C, *S)``, real or complex.
        factor: Old voxels per new one, per axis; the field of view is kept edge to edge.
        magnitude: Return the magnitude instead of the real part. The real part is linear; the
            magnitude is what a scanner stores, and folds the negative side of the ringing up.
        window: Share of the kept k-space, at its rim, that is faded by a raised cosine
            (Tukey): 0 rings, 1 is a Hann window.

    Shape:
        ``(B, C, *S)`` -> ``(B, C, *round(S / factor))``, real.

    Example:
        >>> kspace_crop(torch.ones(1, 1, 8, 8), factor=(2, 2)).shape
        torch.Size([1, 1, 4, 4])
    """
    if not 0 <= window <= 1:
        raise ValueError(f"window must lie in [0, 1], got {window:g}")
    out = x if x.is_complex() else torch.complex(x, torch.zeros_like(x))
    for axis, n in enumerate(shrunk(x.shape[2:], factor), start=2):
        if n != x.shape[axis] or window > 0:
            out = _crop_axis(out, n, axis, window)
    return out.abs() if magnitude else out.real.contiguous()


def zero_fill(x: Tensor, *, size: Sequence[int]) -> Tensor:
    """Fill k-space with zeros up to ``size``: sinc interpolation that adds no information."""
    out = x if x.is_complex() else torch.complex(x, torch.zeros_like(x))
    for axis, n in enumerate(size, start=2):
        if n != x.shape[axis]:
            out = _fill_axis(out, n, axis)
    return out.real.contiguous()


def _crop_axis(x: Tensor, n: int, axis: int, window: float) -> Tensor:
    old = x.shape[axis]
    kept = torch.arange(n, device=x.device) - n // 2
    spectrum = torch.fft.fft(x, dim=axis).index_select(axis, kept % old)
    shift = (old / n - 1) / 2  # old voxels from the first old centre to the first new one
    phase = _phase(kept.double() * (shift / old)) * (n / old) * _tukey(kept, n, window)
    spectrum = spectrum * _on_axis(phase, axis, x)
    return torch.as_tensor(torch.fft.ifft(torch.fft.ifftshift(spectrum, dim=axis), dim=axis))


def _fill_axis(x: Tensor, n: int, axis: int) -> Tensor:
    old = x.shape[axis]
    known = torch.arange(old, device=x.device) - old // 2
    shift = (old / n - 1) / 2  # old voxels; negative: the new first centre lies further out
    phase = _phase(known.double() * (shift / old)) * (n / old)
    spectrum = torch.fft.fft(x, dim=axis).index_select(axis, known % old)
    spectrum = spectrum * _on_axis(phase, axis, x)
    full = x.new_zeros([n if a == axis else s for a, s in enumerate(x.shape)])
    full.index_copy_(axis, known % n, spectrum)
    return torch.as_tensor(torch.fft.ifft(full, dim=axis))


def _phase(turns: Tensor) -> Tensor:
    return torch.exp(2j * math.pi * turns.to(torch.complex128))


def _on_axis(line: Tensor, axis: int, x: Tensor) -> Tensor:
    return line.to(x.dtype).reshape([-1 if a == axis else 1 for a in range(x.ndim)])


def _tukey(kept: Tensor, n: int, window: float) -> Tensor:
    if window == 0:
        return torch.ones(n, device=kept.device)
    rim = (2 * kept.abs() / n - (1 - window)).clamp(min=0) / window
    return 0.5 + 0.5 * torch.cos(math.pi * rim)
