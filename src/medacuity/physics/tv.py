"""Total variation: the image that explains the data and has the shortest edges."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from medacuity.errors import UsageError
from medacuity.physics.fbp import fbp
from medacuity.physics.iterative import Report, Solved, Step, solve
from medacuity.physics.radon import Radon

INNER = 5
"""Steps on the edges for one on the data; they go on where they stopped the last time."""


def shortest_edges(
    y: Tensor, operator: Radon, *, weights: Tensor, photons: float | None, strength: float,
    steps: int, tolerance: float, report: Report | None = None,
) -> Solved:  # fmt: skip
    """Return the image of `tv`, from a start that is calm already.

    Args:
        y: ``(B, 1, views, bins)``.
        operator: ``A``.
        weights: One over the variance of each line integral.
        photons: That an open bin counted; None where nobody knows.
        strength: More is smoother.
        steps: At most.
        tolerance: Stop once a step changes the image by less than this share.
        report: Told how far it is.
    """
    start = fbp(y, operator.geometry, operator.grid, window="hann")
    method = tv(y, operator, weights=weights, strength=strength, start=start)
    return solve(method, steps=steps, tolerance=tolerance, report=report)


def tv(
    y: Tensor, operator: Radon, *, weights: Tensor, strength: float, start: Tensor
) -> Iterator[Step]:  # fmt: skip
    """Minimise ``1/2 |y - A x|^2_W + lambda TV(x)`` over images that are nowhere below 0.

    FISTA (Beck and Teboulle, SIAM J. Imaging Sci. 2009) with a step for every pixel, from the
    bound ``A* W A 1`` on the curvature, and a restart whenever it would run uphill; the edges
    are solved for in their dual, as in the same authors' "Fast Gradient-Based Algorithms for
    Constrained Total Variation Image Denoising and Deblurring Problems" (IEEE TIP 2009).

    Args:
        y: ``(B, 1, views, bins)``.
        operator: ``A``.
        weights: One over the variance of each line integral: ``W``.
        strength: ``lambda`` over the noise that the data's gradient has in a pixel, so that the
            same number does for any dose, geometry and unit.
        start: ``(B, 1, I, J)``, such as a filtered back-projection.
    """
    if not 0 < strength < math.inf:
        raise UsageError(f"strength must be finite and above 0, got {strength:g}")
    curvature = operator.adjoint(weights * operator(torch.ones_like(start)))
    pace = 1 / curvature.clamp(min=1e-6 * float(curvature.max()))
    edges = _Edges(pace, _gradient_noise(weights, operator) * strength, operator.grid.spacing)
    x = ahead = start.clamp(min=0)
    momentum = torch.ones(len(y), 1, 1, 1, dtype=y.dtype, device=y.device)
    while True:
        residual = y - operator(ahead)
        yield Step(x, residual)
        before, x = x, edges.shorten(ahead + pace * operator.adjoint(weights * residual))
        uphill = ((ahead - x) * (x - before)).sum((1, 2, 3), keepdim=True) > 0
        momentum = torch.where(uphill, 1.0, momentum)
        following = (1 + (1 + 4 * momentum**2).sqrt()) / 2
        ahead, momentum = x + (momentum - 1) / following * (x - before), following


def _gradient_noise(weights: Tensor, operator: Radon) -> Tensor:
    """Return the standard deviation of ``A* W noise`` in a typical pixel, ``(B, 1, 1, 1)``.

    Squares of the entries of ``A`` are about a pixel's size times two thirds of the entries:
    the mean square of linear weights over their mean.
    """
    width = math.sqrt(math.prod(operator.grid.spacing)) * 2 / 3
    return (width * operator.adjoint(weights)).mean((1, 2, 3), keepdim=True).sqrt()


class _Edges:
    """Total variation as a proximal step, each pixel with its own pace."""

    def __init__(self, pace: Tensor, weight: Tensor, spacing: tuple[float, float]) -> None:
        mean = math.sqrt(math.prod(spacing))
        self.scale = tuple(mean / mm for mm in spacing)
        self.pace, self.weight = pace, weight
        near = torch.stack([pace + _shifted(pace, axis) for axis in (2, 3)]).amax(0)
        bound = 2 * max(self.scale) * sum(self.scale)
        self.step = 1 / (bound * weight * near)
        self.dual = torch.zeros(2, *pace.shape, dtype=pace.dtype, device=pace.device)

    def shorten(self, x: Tensor) -> Tensor:
        """Return the image near ``x`` with shorter edges, and nothing below 0."""
        ahead, momentum = self.dual, 1.0
        for _ in range(INNER):
            edges = ahead + self.step * self._edges(self._image(x, ahead))
            edges = edges / edges.norm(dim=0).clamp(min=1)
            following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            ahead = edges + (momentum - 1) / following * (edges - self.dual)
            self.dual, momentum = edges, following
        return self._image(x, self.dual)

    def _image(self, x: Tensor, dual: Tensor) -> Tensor:
        """Return ``x`` less what the dual's edges pull together."""
        pulled = sum(
            scale * (torch.roll(part, 1, axis) - part)
            for part, scale, axis in zip(dual, self.scale, (2, 3), strict=True)
        )
        return torch.as_tensor(x - self.pace * self.weight * pulled).clamp(min=0)

    def _edges(self, x: Tensor) -> Tensor:
        """Return the differences to the next pixel along both axes; 0 at the last one."""
        return torch.stack(
            [
                scale * (_shifted(x, axis) - x)
                for scale, axis in zip(self.scale, (2, 3), strict=True)
            ]
        )


def _shifted(x: Tensor, axis: int) -> Tensor:
    """Return every pixel's next neighbour along an axis; the last one is its own."""
    last = x.narrow(axis, x.shape[axis] - 1, 1)
    return torch.cat([x.narrow(axis, 1, x.shape[axis] - 1), last], axis)
