"""The rays of a scan, sorted by the axis of the image that they run along."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medacuity.physics.geometry import Geometry, Grid


class Sweep(NamedTuple):
    """Rays that run along the rows of an image: they meet row n at ``start + n * step``.

    Args:
        start: ``(views, bins)``: the column at which a ray meets row 0.
        step: ``(views, bins)``: columns from one row to the next, at most 1 either way.
        length: ``(views, bins)``: mm of the ray in every row; 0 for rays of the other sweep.
        runs: ``(n, 3)``: view, first bin and last bin + 1 of neighbours in this sweep.
    """

    start: NDArray[np.float64]
    step: NDArray[np.float64]
    length: NDArray[np.float64]
    runs: NDArray[np.int64]


def sweeps(geometry: Geometry, grid: Grid) -> tuple[Sweep, Sweep]:
    """Return the rays summed along the second axis of the image, and those along the first.

    A ray belongs to the axis along which it passes at most one pixel sideways per pixel.
    """
    phi, s = geometry.lines()
    cos, sin = np.cos(phi), np.sin(phi)
    (du, dv), (u, v) = grid.spacing, (place[0] for place in grid.places())
    upright = np.abs(sin) * dv <= np.abs(cos) * du
    return (
        _sweep(upright, s, columns=(cos, u, du), rows=(sin, v, dv)),
        _sweep(~upright, s, columns=(sin, v, dv), rows=(cos, u, du)),
    )


_Axis = tuple[NDArray[np.float64], float, float]  # the normal's part, first place, spacing


def _sweep(
    member: NDArray[np.bool_], s: NDArray[np.float64], *, columns: _Axis, rows: _Axis
) -> Sweep:
    (part, first, width), (other, top, height) = columns, rows
    part = np.where(member, part, 1.0)
    return Sweep(
        start=((s - top * other) / part - first) / width,
        step=-height / width * other / part,
        length=np.where(member, height / np.abs(part), 0.0),
        runs=_runs(np.where(member, np.sign(part), 0).astype(np.int64)),
    )


def _runs(label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return view, begin and end of neighbouring bins that share a label other than 0.

    Along a run the rays meet every row in the order of the bins, or in the opposite one.
    """
    border = np.ones((len(label), label.shape[1] + 1), bool)
    border[:, 1:-1] = label[:, 1:] != label[:, :-1]
    view, place = np.nonzero(border)
    runs = np.stack([view[:-1], place[:-1], place[1:]], 1)[view[1:] == view[:-1]]
    return np.ascontiguousarray(runs[label[runs[:, 0], runs[:, 1]] != 0])
