"""Reconstruction step by step: SIRT and CGLS, and one driver that knows when to stop.

A method is a generator of images, each with what it does not yet explain of the data; it goes
on for ever. `solve` takes from it, tells how far it is, and stops every slice by itself: when
the image stands still, when what is left is no more than noise, or when enough is enough.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from medacuity.errors import UsageError
from medacuity.physics.radon import Radon, inverse

Report = Callable[[int, int, float], None]
"""Told after each step: how many are done, of how many at most, and the relative change."""


PIXELS = 1e-3
"""How well pixels can explain line integrals at best."""


class Step(NamedTuple):
    """An image, and the data minus its line integrals."""

    x: Tensor
    residual: Tensor


class Solved(NamedTuple):
    """The image, the steps of the slice that took most, and why the last slice stopped.

    ``why`` is ``still`` (the image hardly changes), ``noise`` (what is left is noise) or
    ``steps`` (there were no more).
    """

    x: Tensor
    steps: int
    why: str


def solve(
    method: Iterator[Step], *, steps: int, tolerance: float = 0.0,
    weights: Tensor | None = None, report: Report | None = None,
) -> Solved:  # fmt: skip
    """Run a method until its image is good enough; a slice does not know of its neighbours.

    Args:
        method: Such as ``sirt(y, operator)``.
        steps: At most.
        tolerance: Stop a slice once a step changes it by less than this share of its norm.
        weights: One over the variance of each line integral. Stop a slice once its squared
            residuals, in these units, are those of noise: going on would fit it (Morozov's
            discrepancy principle; by their median, as few counts have logarithms far out).
        report: Told how far it is.

    Raises:
        UsageError: Steps below 1, or a tolerance that is not in [0, 1).
    """
    if steps < 1 or not 0 <= tolerance < 1:
        raise UsageError(f"steps must be >= 1 and tolerance in [0, 1), got {steps}, {tolerance}")
    kept, going, why = None, None, "steps"
    for done, step in enumerate(method):
        if kept is None or going is None:
            kept, change = step.x, math.inf
            going = torch.ones(len(step.x), 1, 1, 1, dtype=torch.bool, device=step.x.device)
        else:
            moved = _norm(step.x - kept) / _norm(step.x).clamp(min=1e-30)
            kept = torch.where(going, step.x, kept)
            change = float((moved * going).max())
            going = going & (moved >= tolerance)
            why = "still"
        if weights is not None and bool(going.any()):
            fits = _over_noise(weights * step.residual**2) <= 1
            why, going = ("noise" if bool((fits & going).any()) else why), going & ~fits
        if report is not None:
            report(done, steps, change)
        if not bool(going.any()):
            return Solved(kept, done, why)
        if done == steps:
            return Solved(kept, done, "steps")
    raise UsageError("a method must go on for ever")


def sirt(y: Tensor, operator: Radon, *, start: Tensor | None = None) -> Iterator[Step]:
    """Simultaneous iterative reconstruction: spread back what is left, by the rays' lengths.

    ``x + C A* R (y - A x)`` with one over the sums of rows and columns of ``A`` in ``R`` and
    ``C`` (Gregor and Benson, "Computational Analysis and Improvement of SIRT", IEEE TMI 2008),
    held at 0 from below.
    """
    x = y.new_zeros(*y.shape[:2], *operator.grid.shape) if start is None else start
    rows = inverse(operator(torch.ones_like(x[:1, :1])), least=1e-6)
    columns = inverse(operator.adjoint(torch.ones_like(y[:1, :1])), least=1e-6)
    while True:
        residual = y - operator(x)
        yield Step(x, residual)
        x = (x + columns * operator.adjoint(rows * residual)).clamp(min=0)


def cgls(y: Tensor, operator: Radon, *, start: Tensor | None = None) -> Iterator[Step]:
    """Conjugate gradients for least squares: the fastest way to the image that fits best.

    Hestenes and Stiefel's method on ``A* A x = A* y``; the first steps regularise, later ones
    fit the noise, so that it is the stopping that matters.
    """
    x = y.new_zeros(*y.shape[:2], *operator.grid.shape) if start is None else start
    residual = y - operator(x)
    gradient = operator.adjoint(residual)
    direction, size = gradient, _squares(gradient)
    while True:
        yield Step(x, residual)
        ahead = operator(direction)
        pace = size / _squares(ahead).clamp(min=1e-30)
        x, residual = x + pace * direction, residual - pace * ahead
        gradient = operator.adjoint(residual)
        before, size = size, _squares(gradient)
        direction = gradient + (size / before.clamp(min=1e-30)) * direction


def noise_level(y: Tensor) -> Tensor:
    """Estimate the noise of every slice's line integrals, ``(B, 1, 1, 1)``.

    Along a view neighbours are alike, so that second differences are mostly noise, sqrt(6) times
    as large; their median is not impressed by edges. Nothing is trusted to better than
    `PIXELS` of its size: pixels do not project as tissue does.
    """
    bends = (y[..., 2:] - 2 * y[..., 1:-1] + y[..., :-2]).abs().flatten(1)
    sigma = bends.median(1).values / (0.6745 * math.sqrt(6))
    least = PIXELS * y.flatten(1).square().mean(1).sqrt()
    return torch.maximum(sigma, least.clamp(min=1e-6)).reshape(-1, 1, 1, 1)


def _over_noise(squares: Tensor) -> Tensor:
    """Return the median of squared residuals over that of normal noise, ``(B, 1, 1, 1)``."""
    return squares.flatten(1).median(1).values.reshape(-1, 1, 1, 1) / 0.6745**2


def _squares(x: Tensor) -> Tensor:
    return (x**2).sum((1, 2, 3), keepdim=True)


def _norm(x: Tensor) -> Tensor:
    return _squares(x).sqrt()
