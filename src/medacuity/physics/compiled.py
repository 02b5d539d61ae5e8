"""The CT operators by compiled loops: slices innermost, and as many threads as torch has."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from medacuity.physics import kernels
from medacuity.physics.shadows import Shadows
from medacuity.physics.sweeps import Sweep

BLOCK = 24
"""Views of a projection, or rows of an image, that a thread does at a time."""


def forward(x: Tensor, sweeps: Sequence[Sweep]) -> Tensor:
    """Return line integrals of slices: ``(L, I, J)`` -> ``(L, views, bins)``."""
    y = x.new_zeros(*sweeps[0].start.shape, len(x))
    for image, sweep in zip((x.transpose(1, 2), x), sweeps, strict=True):
        if len(sweep.runs):
            padded = pad(image.permute(1, 2, 0), (0, 0, 1, 2)).contiguous()
            rays = (sweep.runs, sweep.start + 1, sweep.step)
            _share(kernels.project, len(sweep.runs), y.numpy(), padded.numpy(), *rays)
    y *= _lengths(sweeps, y)
    return y.permute(2, 0, 1).contiguous()


def adjoint(y: Tensor, sweeps: Sequence[Sweep], shape: Sequence[int]) -> Tensor:
    """Return the transpose of `forward`: ``(L, views, bins)`` -> ``(L, I, J)``."""
    carried = y.permute(1, 2, 0).contiguous()
    carried = carried * _lengths(sweeps, carried)
    x = y.new_zeros(len(y), *shape)
    for image, sweep in zip((x.transpose(1, 2), x), sweeps, strict=True):
        if len(sweep.runs):
            padded = y.new_zeros(image.shape[1], image.shape[2] + 3, len(y))
            rays = (sweep.runs, sweep.start + 1, sweep.step)
            _share(kernels.spread, len(padded), padded.numpy(), carried.numpy(), *rays)
            image += padded[:, 1:-2].permute(2, 0, 1)
    return x


def backproject(y: Tensor, shadows: Shadows, shape: Sequence[int]) -> Tensor:
    """Return, for every pixel, the sum of what lies in its shadows: -> ``(L, I, J)``."""
    padded = pad(y.permute(1, 2, 0), (0, 0, 1, 2)).contiguous()
    x = y.new_zeros(*shape, len(y))
    places = (shadows.across, shadows.depth, (shadows.middle + 1, shadows.scale), shadows.beam)
    _share(kernels.gather, len(x), x.numpy(), padded.numpy(), *places)
    return x.permute(2, 0, 1).contiguous()


def shorten(
    x: Tensor, dual: Tensor, *, pull: Tensor, step: Tensor, scale: tuple[float, float], steps: int
) -> Tensor:  # fmt: skip
    """Return ``x (B, 1, I, J)`` less what its edges pull; as `plain.shorten` has it."""
    out = torch.empty_like(x)
    image, *rates = (
        array.expand_as(x).flatten(0, 1).contiguous().numpy() for array in (x, pull, step)
    )
    _share(
        kernels.shorten, len(image), out.flatten(0, 1).numpy(), dual.flatten(1, 2).numpy(), image,
        tuple(rates), scale, steps,
    )  # fmt: skip
    return out


def _share(kernel: Callable[..., None], count: int, *arguments: Any) -> None:
    """Run a kernel over ``count`` in blocks, shared among threads."""
    workers = torch.get_num_threads()
    block = min(BLOCK, -(-count // workers))
    blocks = [(low, min(count, low + block)) for low in range(0, count, block)]
    if workers == 1:
        for low, high in blocks:
            kernel(low, high, *arguments)
        return
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda ends: kernel(*ends, *arguments), blocks))


def _lengths(sweeps: Sequence[Sweep], like: Tensor) -> Tensor:
    return torch.from_numpy(sweeps[0].length + sweeps[1].length).to(like)[..., None]
