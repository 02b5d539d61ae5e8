"""Where on the detector every pixel's shadow falls: what a filtered back-projection looks up."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medacuity.physics.geometry import Geometry, Grid

PARALLEL, FLAT, CURVED = 0, 1, 2


class Shadows(NamedTuple):
    """For every view two linear functions of the pixel, and what to make of them.

    Args:
        across: ``(views, 3)``: mm along the detector's direction from the axis of rotation, of
            pixel (0, 0), and how much more per row and per column.
        depth: ``(views, 3)``: mm from the source along the central ray, likewise.
        middle: The bin at the foot of the central ray, counted from 0.
        scale: Bins per unit of what ``beam`` makes of the two.
        beam: `PARALLEL`: ``across``; `FLAT`: ``across / depth``; `CURVED`: the angle of both.
    """

    across: NDArray[np.float64]
    depth: NDArray[np.float64]
    middle: float
    scale: float
    beam: int

    def of(
        self, views: Sequence[int], shape: Sequence[int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the bins that pixels fall on, and their weights: ``(views, I, J)`` both."""
        i, j = np.ogrid[: shape[0], : shape[1]]
        across, depth = (
            part[views][:, 0, None, None] + part[views][:, 1, None, None] * i
            + part[views][:, 2, None, None] * j for part in (self.across, self.depth)
        )  # fmt: skip
        if self.beam == PARALLEL:
            unit, weight = across, np.ones_like(across)
        elif self.beam == FLAT:
            unit, weight = across / depth, depth**-2
        else:
            unit, weight = np.arctan2(across, depth), 1 / (across**2 + depth**2)
        return self.middle + self.scale * unit, weight


def shadows(geometry: Geometry, grid: Grid) -> Shadows:
    """Return where the pixels of ``grid`` fall in every view."""
    cos, sin = np.cos(geometry.beta), np.sin(geometry.beta)
    (du, dv), (u, v) = grid.spacing, (place[0] for place in grid.places())
    middle = (geometry.bins - 1) / 2 - geometry.shift / geometry.pitch
    across = np.stack([u * cos + v * sin, du * cos, dv * sin], 1)
    if geometry.parallel:
        return Shadows(across, np.zeros_like(across), middle, 1 / geometry.pitch, PARALLEL)
    depth = np.stack([geometry.source + u * sin - v * cos, du * sin, -dv * cos], 1)
    beam = CURVED if geometry.curved else FLAT
    return Shadows(across, depth, middle, geometry.detector / geometry.pitch, beam)
