"""The CT operators in plain torch: any device, no compiler, and the gradients come with it."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from medacuity.physics.shadows import Shadows
from medacuity.physics.sweeps import Sweep

CHUNK = 2**22
"""Places that are interpolated at a time: what is kept of them is 16 MB for each slice."""


def forward(x: Tensor, sweeps: Sequence[Sweep]) -> Tensor:
    """Return line integrals of slices: ``(L, I, J)`` -> ``(L, views, bins)``."""
    views, bins = sweeps[0].start.shape
    y = x.new_zeros(len(x), views * bins)
    for image, sweep in zip((x.transpose(1, 2), x), sweeps, strict=True):
        for rays, start, step, length in _chunks(sweep, image):
            y[:, rays] = _sum_along(image, start, step) * length
    return y.reshape(len(x), views, bins)


def adjoint(y: Tensor, sweeps: Sequence[Sweep], shape: Sequence[int]) -> Tensor:
    """Return the transpose of `forward`: ``(L, views, bins)`` -> ``(L, I, J)``."""
    x = y.new_zeros(len(y), *shape)
    y = y.flatten(1)
    for axes, sweep in zip(((1, 2), (1, 1)), sweeps, strict=True):
        image = torch.zeros_like(x.transpose(*axes), requires_grad=True)
        for rays, start, step, length in _chunks(sweep, image):
            with torch.enable_grad():
                sums = _sum_along(image, start, step)
            (back,) = torch.autograd.grad(sums, image, y[:, rays] * length)
            x += back.transpose(*axes)
    return x


def backproject(y: Tensor, shadows: Shadows, shape: Sequence[int]) -> Tensor:
    """Return, for every pixel, the sum of what lies in its shadows: -> ``(L, I, J)``."""
    x = y.new_zeros(len(y), *shape)
    step = max(1, CHUNK // (shape[0] * shape[1]))
    for first in range(0, y.shape[1], step):
        views = range(first, min(first + step, y.shape[1]))
        places, weights = shadows.of(views, shape)
        rows = torch.arange(len(views)).to(y)[:, None, None].expand(places.shape)
        found = _sample(y[:, views], rows, torch.from_numpy(places).to(y))
        x = x + (found * torch.from_numpy(weights).to(y)).sum(1)
    return x


def shorten(
    x: Tensor, dual: Tensor, *, pull: Tensor, step: Tensor, scale: tuple[float, float], steps: int
) -> Tensor:  # fmt: skip
    """Return ``x (B, 1, I, J)`` less what its edges pull together, and nothing below 0.

    ``dual (2, B, 1, I, J)``, how hard each edge pulls, is improved in place, with momentum.
    """
    ahead, momentum = dual, 1.0
    for _ in range(steps):
        edges = ahead + step * _edges(_pulled(x, ahead, pull, scale), scale)
        edges = edges / edges.norm(dim=0).clamp(min=1)
        following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = edges + (momentum - 1) / following * (edges - dual)
        dual.copy_(edges)
        momentum = following
    return _pulled(x, dual, pull, scale)


def shifted(x: Tensor, axis: int) -> Tensor:
    """Return every pixel's next neighbour along an axis; the last one is its own."""
    last = x.narrow(axis, x.shape[axis] - 1, 1)
    return torch.cat([x.narrow(axis, 1, x.shape[axis] - 1), last], axis)


def _edges(x: Tensor, scale: tuple[float, float]) -> Tensor:
    """Return the differences to the next pixel along both axes; 0 at the last one."""
    return torch.stack([part * (shifted(x, n + 2) - x) for n, part in enumerate(scale)])


def _pulled(x: Tensor, dual: Tensor, pull: Tensor, scale: tuple[float, float]) -> Tensor:
    """Return ``x`` less what the edges pull; the dual is 0 beyond the last edge."""
    inward = sum(
        part * (torch.roll(dual[n], 1, n + 2) - dual[n]) for n, part in enumerate(scale)
    )  # fmt: skip
    return torch.as_tensor(x - pull * inward).clamp(min=0)


def _chunks(sweep: Sweep, image: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Yield the numbers, starts, steps and lengths of some of the rays of a sweep."""
    rays = torch.from_numpy(sweep.length.ravel().nonzero()[0])
    for part in torch.split(rays, max(1, CHUNK // image.shape[1])):
        numbers = [
            torch.from_numpy(a.ravel())[part] for a in (sweep.start, sweep.step, sweep.length)
        ]
        start, step, length = (n.to(image.device) for n in numbers)
        yield part.to(image.device), start, step, length.to(image)


def _sum_along(image: Tensor, start: Tensor, step: Tensor) -> Tensor:
    """Sum ``(L, rows, columns)`` along rays: -> ``(L, rays)``."""
    rows = torch.arange(image.shape[1], device=image.device, dtype=start.dtype)
    columns = start[:, None] + step[:, None] * rows
    return _sample(image, rows.expand(columns.shape), columns).sum(-1)


def _sample(image: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Interpolate ``(L, rows, columns)`` at places ``(n, ...)``; 0 is beyond its border."""
    size = columns.new_tensor([image.shape[2], image.shape[1]])
    places = (torch.stack([columns, rows.to(columns)], -1) * 2 + 1) / size - 1
    flat = places.flatten(0, -3)[None].to(image)
    found = grid_sample(image[None], flat, align_corners=False)
    return found.reshape(len(image), *columns.shape)
