"""OSEM: the image most likely to have been counted, by ordered subsets of the views.

A step multiplies the image by what the counts of a subset of views say it should be over what
it explains (Hudson and Larkin, "Accelerated image reconstruction using ordered subsets of
projection data", IEEE TMI 1994; with one subset it is the EM of Shepp and Vardi, 1982). So it
never goes below 0, and after each step the image explains as many counts as its subset had.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from medacuity.errors import UsageError
from medacuity.physics.geometry import Geometry, Grid
from medacuity.physics.radon import Radon

LITTLE = 1e-9


class Counts(NamedTuple):
    """What a PET scanner counted, and what is known of how.

    Args:
        counts: ``(B, 1, views, bins)``, whole numbers.
        factor: Counts expected for a line integral of 1: sensitivity and survival of photons.
        background: Counts expected without any activity in view: randoms and scatter.
    """

    counts: Tensor
    factor: Tensor
    background: Tensor

    def line_integrals(self) -> Tensor:
        """Return the counts with background and attenuation corrected: what FBP takes."""
        return (self.counts - self.background) / self.factor.clamp(min=LITTLE)


def osem(
    data: Counts, geometry: Geometry, grid: Grid, *, iterations: int = 3, subsets: int = 8,
    start: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return the activity that explains the counts.

    Args:
        data: Counts and what is known of them.
        geometry: The rays; a parallel beam for PET.
        grid: The pixels wanted.
        iterations: Times that all views are gone through.
        subsets: Parts of the views, each evenly spread over the angles.
        start: Image to begin with, above 0; None: a uniform one.

    Shape:
        ``(B, 1, views, bins)`` -> ``(B, 1, I, J)``.

    Raises:
        UsageError: Iterations below 1, or more subsets than views.

    Example:
        >>> from medacuity.physics.geometry import parallel
        >>> scan, grid = parallel(30, bins=21, pitch=1.0), Grid((15, 15), (1.0, 1.0))
        >>> y = Radon(scan, grid)(torch.ones(1, 1, 15, 15))
        >>> x = osem(Counts(y, torch.ones_like(y), torch.zeros_like(y)), scan, grid, subsets=5)
        >>> bool(((x - 1).abs() < 0.05).all())
        True
    """
    if iterations < 1 or not 1 <= subsets <= geometry.views:
        raise UsageError(
            f"osem needs iterations >= 1 and 1 to {geometry.views} subsets, got {iterations}, "
            f"{subsets}"
        )
    if data.counts.ndim != 4 or tuple(data.counts.shape[2:]) != (geometry.views, geometry.bins):
        raise UsageError(
            f"counts need the shape (B, C, {geometry.views}, {geometry.bins}), got "
            f"{tuple(data.counts.shape)}"
        )
    parts = [_Part(data, geometry, grid, range(n, geometry.views, subsets)) for n in range(subsets)]
    x = data.counts.new_ones(*data.counts.shape[:2], *grid.shape) if start is None else start
    for _ in range(iterations):
        for part in parts:
            x = part.step(x)
    return x


class _Part:
    """Some of the views, and a step of EM by them."""

    def __init__(self, data: Counts, geometry: Geometry, grid: Grid, views: range) -> None:
        chosen = list(views)
        self.operator = Radon(geometry.select(chosen), grid)
        self.data = Counts(*(x.expand_as(data.counts)[:, :, chosen] for x in data))
        self.sensitivity = self.operator.adjoint(self.data.factor.contiguous())

    def step(self, x: Tensor) -> Tensor:
        expected = self.operator(x) * self.data.factor + self.data.background
        ratio = torch.where(expected > LITTLE, self.data.counts / expected.clamp(min=LITTLE), 0.0)
        back = self.operator.adjoint(ratio * self.data.factor)
        seen = self.sensitivity > LITTLE * self.sensitivity.max()
        return torch.where(seen, x * back / self.sensitivity.clamp(min=LITTLE), 0.0)
