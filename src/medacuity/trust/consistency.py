"""Does the result, pushed back through the physics, still explain what was measured?

``A`` is the way the scanner is taken to have made the input: a k-space crop, a block mean, or
the bicubic reduction by which the super-resolution papers make their small pictures.
``A z - y`` is what the result ``z`` fails to explain of the measurement ``y``; a projection
takes it out again, and leaves untouched what the measurement says nothing about.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medacuity.physics.kspace import kspace_crop, zero_fill
from medacuity.physics.sampling import area, block_mean
from medacuity.resize import Band, cubic, resize

ROUNDS = 30  # of conjugate gradients, at most; whole factors need one to four
SETTLED = 1e-5  # of the measurement left unexplained: stop


@dataclass(frozen=True)
class Scanner:
    """A way to measure, and the way back.

    Args:
        name: As on a card.
        measure: ``(image, size) -> measurement``, linear.
        explain: ``(measurement, size) -> image``, its adjoint up to a factor: what it returns
            holds nothing that the scanner does not see.
        local: Each measured voxel sees only the image at its own place, along every axis.
    """

    name: str
    measure: Callable[[Tensor, Sequence[int]], Tensor]
    explain: Callable[[Tensor, Sequence[int]], Tensor]
    local: bool


def _factor(x: Tensor, size: Sequence[int]) -> list[float]:
    return [old / new for old, new in zip(x.shape[2:], size, strict=True)]


def cubic_back(inputs: int, outputs: int, start: int, stop: int) -> Band:
    """The adjoint of `cubic` as a kernel: rows of its transpose, times the factor."""
    ratio = outputs / inputs
    # Only measured voxels within the kernel's four see any of these; the rest is never built.
    low, high = max(0, int(start / ratio) - 4), min(inputs, math.ceil(stop / ratio) + 4)
    made = cubic(outputs, inputs, low, high)
    rows = torch.zeros(stop - start, high - low, dtype=made.rows.dtype)
    first, last = max(start, made.first), min(stop, made.last)
    if first < last:
        seen = made.rows[:, first - made.first : last - made.first]
        rows[first - start : last - start] = seen.T
    return Band(low, high, rows * ratio)


KSPACE = Scanner(
    "kspace",
    lambda x, size: kspace_crop(x, factor=_factor(x, size)),
    lambda y, size: zero_fill(y, size=size),
    local=False,
)
BLOCK_MEAN = Scanner(
    "block mean",
    lambda x, size: block_mean(x, factor=_factor(x, size)),
    lambda y, size: resize(y, size, area),
    local=True,
)
BICUBIC = Scanner(
    "bicubic",
    lambda x, size: resize(x, size, cubic),
    lambda y, size: resize(y, size, cubic_back),
    local=False,
)
SCANNERS = {scanner.name: scanner for scanner in (KSPACE, BLOCK_MEAN, BICUBIC)}


@dataclass(frozen=True)
class Residual:
    """What a result leaves unexplained.

    Args:
        scanner: How the input is taken to have been measured.
        relative: ``||A z - y|| / ||y||``.
        largest: ``max |A z - y|`` over the range of ``y``.
    """

    scanner: str
    relative: float
    largest: float


def residual(result: NDArray[Any], measured: NDArray[Any], scanner: Scanner) -> Residual:
    """Return what ``result`` (a finer grid over the same field of view) leaves unexplained."""
    square = energy = largest = 0.0
    low, high = float(measured.min()), float(measured.max())
    for fine, coarse in _parts(result.shape, measured.shape, scanner):
        y = _tensor(measured[coarse])
        off = scanner.measure(_tensor(result[fine]), y.shape[2:]) - y
        square += float(off.double().square().sum())
        energy += float(y.double().square().sum())
        largest = max(largest, float(off.abs().max()))
    return Residual(
        scanner.name,
        relative=(square / energy) ** 0.5 if energy else 0.0,
        largest=largest / (high - low) if high > low else 0.0,
    )


def project(result: NDArray[Any], measured: NDArray[Any], scanner: Scanner) -> None:
    """Change ``result`` in place as little as it takes to explain what was measured."""
    for fine, coarse in _parts(result.shape, measured.shape, scanner):
        z, y = _tensor(result[fine]), _tensor(measured[coarse])
        missing = y - scanner.measure(z, y.shape[2:])
        source = _solve(scanner, missing, z.shape[2:], SETTLED * float(y.norm()))
        result[fine] = (z + scanner.explain(source, z.shape[2:]))[0, 0].numpy()


def _solve(scanner: Scanner, missing: Tensor, size: Sequence[int], settled: float) -> Tensor:
    """Return the measurement whose explanation measures as ``missing``: conjugate gradients."""
    source, left = torch.zeros_like(missing), missing
    direction, square = left, _square(left)
    for _ in range(ROUNDS):
        if square**0.5 <= settled:
            break
        seen = scanner.measure(scanner.explain(direction, size), missing.shape[2:])
        curvature = float((direction * seen).double().sum())
        if curvature <= 0:  # nothing the scanner could see is left in it
            break
        step = square / curvature
        source, left = source + step * direction, left - step * seen
        before, square = square, _square(left)
        direction = left + square / before * direction
    return source


def _square(x: Tensor) -> float:
    return float(x.double().square().sum())


def _parts(
    fine: Sequence[int], coarse: Sequence[int], scanner: Scanner
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Cut both grids into slabs that know nothing of each other; one piece if there are none."""
    ratios = [f / c for f, c in zip(fine, coarse, strict=True)]
    free = [
        axis for axis, ratio in enumerate(ratios)
        if ratio == 1 or (scanner.local and ratio == int(ratio))
    ]  # fmt: skip
    everything = (slice(None),) * 3
    if not free:
        yield everything, everything
        return
    axis = max(free, key=coarse.__getitem__)
    ratio = int(ratios[axis])
    step = max(1, (1 << 23) * coarse[axis] // int(np.prod(fine)))  # about 8 M fine voxels
    for start in range(0, coarse[axis], step):
        stop = min(start + step, coarse[axis])
        yield (
            _slab(axis, start * ratio, stop * ratio),
            _slab(axis, start, stop),
        )


def _slab(axis: int, start: int, stop: int) -> tuple[slice, ...]:
    return tuple(slice(start, stop) if a == axis else slice(None) for a in range(3))


def _tensor(part: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(part, dtype=np.float32))[None, None]
