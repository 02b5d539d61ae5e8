"""Total variation: the image that explains the data and has the shortest edges."""

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from medacuity.errors import UsageError
from medacuity.physics.engine import engine
from medacuity.physics.fbp import fbp
from medacuity.physics.iterative import Report, Solved, Step, solve
from medacuity.physics.plain import shifted
from medacuity.physics.radon import Radon

INNER, FEWER = 5, 2
"""Steps on the edges for one on the data, or on a part of them; they go on where they stopped."""

PARTS, VIEWS, PASSES = 10, 10, 20
"""So many steps at first take the views in at most so many parts, of so many views or more."""

STRENGTH, STEPS, TOLERANCE = 0.7, 100, 5e-4
"""What serves most scans."""

CLOSEST = 6e-3
"""How well an image of few edges explains line integrals of tissue, where nobody knows the noise;
as a share of their size."""


def shortest_edges(
    y: Tensor, operator: Radon, *, weights: Tensor, known: bool, strength: float = STRENGTH,
    steps: int = STEPS, tolerance: float = TOLERANCE, report: Report | None = None,
) -> Solved:  # fmt: skip
    """Return the image of `tv`, from a calm start and by parts of the views at first.

    Args:
        y: ``(B, 1, views, bins)``.
        operator: ``A``.
        weights: One over the variance of each line integral.
        known: Whether the weights follow from what was counted. Where they are a guess, nothing
            is trusted to better than `CLOSEST`.
        strength: More is smoother.
        steps: At most; each goes through all views.
        tolerance: Stop once a step changes the image by less than this share.
        report: Told how far it is.
    """
    start = fbp(y, operator.geometry, operator.grid, window="hann", cutoff=0.5)
    if not known:
        size = y.flatten(1).square().mean(1).clamp(min=1e-12).reshape(-1, 1, 1, 1)
        weights = weights.minimum(1 / (CLOSEST**2 * size))
    method = tv(
        y, operator, weights=weights, strength=strength, start=start,
        parts=max(1, min(PARTS, operator.geometry.views // VIEWS)),
    )  # fmt: skip
    return solve(method, steps=steps, tolerance=tolerance, report=report)


def densest(x: Tensor) -> float:
    """Return what networks take for water where nobody says: the attenuation of what is densest.

    It is the 95th percentile of a slice ``(1, 1, I, J)`` of least total variation, which is of
    the right size however few sides it was seen from.
    """
    return float(torch.quantile(x.flatten()[:: max(1, x.numel() // 10**6)], 0.95))


def tv(
    y: Tensor, operator: Radon, *, weights: Tensor, strength: float, start: Tensor, parts: int = 1
) -> Iterator[Step]:  # fmt: skip
    """Minimise ``1/2 |y - A x|^2_W + lambda TV(x)`` over images that are nowhere below 0.

    FISTA (Beck and Teboulle, SIAM J. Imaging Sci. 2009) with a step for every pixel, from the
    bound ``A* W A 1`` on the curvature, and a restart whenever it would run uphill; the edges
    are solved for in their dual, as in the same authors' "Fast Gradient-Based Algorithms for
    Constrained Total Variation Image Denoising and Deblurring Problems" (IEEE TIP 2009).

    The first steps may take the views part by part, each as if it were all of them (ordered
    subsets): many descents for the price of one, which lead near the least and not to it.

    Args:
        y: ``(B, 1, views, bins)``.
        operator: ``A``.
        weights: One over the variance of each line integral: ``W``.
        strength: ``lambda`` over the noise that the data's gradient has in a pixel, so that the
            same number does for any dose, geometry and unit.
        start: ``(B, 1, I, J)``, such as a filtered back-projection.
        parts: Of the views, in the first steps.
    """
    if not 0 < strength < math.inf:
        raise UsageError(f"strength must be finite and above 0, got {strength:g}")
    curvature = operator.adjoint(weights * operator(torch.ones_like(start)))
    pace = 1 / curvature.clamp(min=1e-6 * float(curvature.max()))
    edges = _Edges(pace, _gradient_noise(weights, operator) * strength, operator.grid.spacing)
    x = start.clamp(min=0)
    yield Step(x, y - operator(x))
    if parts > 1:
        for step in islice(_descent(x, _in_parts(y, operator, weights, parts), edges), PASSES):
            yield step
            x = step.x
    yield from _descent(x, _in_parts(y, operator, weights, 1), edges)


class _Part(NamedTuple):
    """Some of the views, what they measured, and how sure that is."""

    views: slice
    y: Tensor
    operator: Radon
    weights: Tensor


def _in_parts(y: Tensor, operator: Radon, weights: Tensor, parts: int) -> list[_Part]:
    """Return every ``parts``-th view, for each start; neighbours in time are far apart in angle."""
    scan, found = operator.geometry, []
    for first in sorted(range(parts), key=lambda n: f"{n:08b}"[::-1]):
        views = slice(first, None, parts)
        some = Radon(scan.select(range(scan.views)[views]), operator.grid)
        found.append(_Part(views, y[:, :, views], some, weights[:, :, views]))
    return found


def _descent(x: Tensor, parts: Sequence[_Part], edges: "_Edges") -> Iterator[Step]:
    """Go through the parts, again and again, with momentum."""
    inner = INNER if len(parts) == 1 else FEWER
    ahead, momentum = x, torch.ones_like(x[:, :, :1, :1])
    left = torch.cat([part.y for part in parts], 2)
    while True:
        for part in parts:
            residual = part.y - part.operator(ahead)
            pull = part.operator.adjoint(part.weights * residual) * len(parts)
            before, x = x, edges.shorten(ahead + edges.pace * pull, inner)
            uphill = ((ahead - x) * (x - before)).sum((1, 2, 3), keepdim=True) > 0
            momentum = torch.where(uphill, 1.0, momentum)
            following = (1 + (1 + 4 * momentum**2).sqrt()) / 2
            ahead, momentum = x + (momentum - 1) / following * (x - before), following
            left[:, :, part.views] = residual
        yield Step(x, left)


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
        self.scale = mean / spacing[0], mean / spacing[1]
        self.pace, self.pull = pace, pace * weight
        near = torch.stack([pace + shifted(pace, axis) for axis in (2, 3)]).amax(0)
        self.step = 1 / (2 * max(self.scale) * sum(self.scale) * weight * near)
        self.dual = torch.zeros(2, *pace.shape, dtype=pace.dtype, device=pace.device)

    def shorten(self, x: Tensor, steps: int) -> Tensor:
        """Return the image near ``x`` with shorter edges, and nothing below 0."""
        image: Tensor = engine(x).shorten(
            x, self.dual, pull=self.pull, step=self.step, scale=self.scale, steps=steps
        )  # fmt: skip
        return image
