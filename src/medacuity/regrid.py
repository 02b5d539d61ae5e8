"""The same patient on another grid: what one scan measured at the places of another's voxels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from medacuity.volume import Volume, world_order

SAME = 1e-4  # of a voxel: grids that differ by less are one


def onto(volume: Volume, grid: Volume) -> Volume:
    """Return ``volume`` at the voxels of ``grid``, whose numbers do not matter; linear.

    Its outermost voxels reach one voxel further; what lies beyond is 0. On the same grid nothing
    changes.

    Example:
        >>> fine = Volume(np.arange(8.0).reshape(8, 1, 1), np.eye(4))
        >>> shifted = np.eye(4)
        >>> shifted[0, 3] = 0.5
        >>> onto(fine, Volume(np.zeros((3, 1, 1)), shifted)).array[:, 0, 0]
        array([0.5, 1.5, 2.5], dtype=float32)
    """
    way = np.linalg.solve(volume.affine, grid.affine)  # voxels of the grid -> voxels of the scan
    corners = np.array(np.meshgrid(*([0, n - 1] for n in grid.shape), [1])).reshape(4, -1)
    off = np.abs((way - np.eye(4)) @ corners).max()
    array = volume.array.astype(np.float32, copy=False)
    if not (grid.shape == volume.shape and off < SAME):
        padded = np.pad(array, 1, mode="edge")  # a rounding beyond the last centre is not outside
        array = affine_transform(padded, way[:3, :3], way[:3, 3] + 1, grid.shape, order=1)
    return Volume(array, grid.affine, volume.unit)


def labels_onto(labels: Volume, grid: Volume) -> NDArray[np.int64]:
    """Return labels at the voxels of a grid: the one of which there is most around.

    Example:
        >>> fine = Volume(np.array([0, 0, 5, 5, 5, 0.0]).reshape(6, 1, 1), np.eye(4))
        >>> labels_onto(fine, fine.resampled(np.zeros((3, 1, 1))))[:, 0, 0]
        array([0, 5, 5])
    """
    way = np.linalg.solve(labels.affine, grid.affine)
    if np.abs(way - way.round()).max() < SAME:  # voxels lie on voxels: turned, not resampled
        return onto(labels, grid).array.round().astype(np.int64)
    best = np.zeros(grid.shape, np.int64)
    most = np.full(grid.shape, -np.inf, np.float32)
    for label in np.unique(labels.array)[::-1]:  # where two are equal, the higher one
        share = onto(labels.with_array((labels.array == label).astype(np.float32)), grid).array
        better = share > most + 1e-6
        best[better], most[better] = int(label), share[better]
    return best


def upright(volume: Volume, spacing: tuple[float | None, ...]) -> Volume:
    """Return an empty grid over the same field of view, with axes right, front, head.

    Args:
        volume: What it covers, edge to edge.
        spacing: mm between voxels, towards right, front and head; None keeps the scan's.
    """
    order = world_order(volume.affine)
    affine = volume.affine[:, [*order, 3]]
    shape = [volume.shape[axis] for axis in order]
    for axis in range(3):  # an axis that points the other way is turned round
        if affine[axis, axis] < 0:
            affine[:3, 3] += affine[:3, axis] * (shape[axis] - 1)
            affine[:3, axis] *= -1
    own = Volume(np.broadcast_to(np.zeros((), np.float32), shape), affine, volume.unit)
    wanted = zip(shape, own.spacing, spacing, strict=True)
    size = [n if mm is None else max(1, round(n * have / mm)) for n, have, mm in wanted]
    return own.resampled(_empty(size))


def _empty(shape: list[int]) -> NDArray[Any]:
    """Return a grid of zeros that takes no memory."""
    return np.broadcast_to(np.zeros((), np.float32), shape)
