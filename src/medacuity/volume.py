"""A volume: numbers, where they are in the patient, and their unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medacuity.errors import UnsafeGeometry, UsageError

LARGEST_SHEAR = 1e-3
"""Smallest |determinant| of the axis directions that still counts as three directions."""


@dataclass(frozen=True)
class Volume:
    """Numbers on a grid that has a place in the patient.

    A single picture is a volume with one voxel along its last axis.

    Args:
        array: ``(I, J, K)``, in ``unit``; the file's own dtype until somebody needs floats.
        affine: ``(4, 4)``, voxel index -> mm, towards the patient's right, front and head
            (RAS+, as in NIfTI).
        unit: What a value means: ``"HU"``, ``"SUV"``, ``"Bq/ml"``, or ``"a.u."``.

    Raises:
        UnsafeGeometry: The affine is not finite, or does not span three directions.
        UsageError: The array has not three axes, or one of them is empty.

    Example:
        >>> thick = Volume(np.zeros((64, 64, 10)), np.diag([1.0, 1.0, 4.0, 1.0]))
        >>> thick.resampled(np.zeros((64, 64, 40))).spacing
        (1.0, 1.0, 1.0)
    """

    array: NDArray[Any]
    affine: NDArray[np.float64]
    unit: str = "a.u."

    def __post_init__(self) -> None:
        affine = np.asarray(self.affine, dtype=np.float64)
        if self.array.ndim != 3 or 0 in self.array.shape:
            raise UsageError(
                f"a volume needs 3 axes with at least one voxel each, got {self.array.shape}"
            )
        check_affine(affine)
        object.__setattr__(self, "affine", affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along I, J, K."""
        i, j, k = self.array.shape
        return (i, j, k)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance in mm between neighbours along I, J, K."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return (float(i), float(j), float(k))

    def resampled(self, array: NDArray[Any]) -> "Volume":
        """Return ``array`` in the same field of view, edge to edge.

        With ``s = new size / old size`` per axis, the first voxel's centre moves by
        ``(1/s - 1) / 2`` old voxels: the voxels change, the patient does not move.
        """
        step = np.array(self.array.shape) / np.array(array.shape)
        grid = np.diag([*step, 1.0])
        grid[:3, 3] = (step - 1) / 2
        return Volume(array, self.affine @ grid, self.unit)

    def with_array(self, array: NDArray[Any]) -> "Volume":
        """Return the same grid with other numbers."""
        if array.shape != self.array.shape:
            raise UsageError(f"the grid has shape {self.array.shape}, got {array.shape}")
        return Volume(array, self.affine, self.unit)


def check_affine(affine: NDArray[np.float64]) -> None:
    """Refuse an affine that places voxels nowhere, or all in one plane."""
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise UnsafeGeometry("the affine must be 4 x 4 and finite; correct the header")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if (spacing <= 0).any():
        raise UnsafeGeometry(f"spacing must be above 0 mm on every axis, got {_mm(spacing)}")
    if abs(np.linalg.det(affine[:3, :3] / spacing)) < LARGEST_SHEAR:
        raise UnsafeGeometry("the affine is singular: its three axes lie in one plane")


def axis_codes(affine: NDArray[np.float64]) -> str:
    """Return where each axis points, such as ``"LPS"``: the nearest anatomical direction.

    Example:
        >>> axis_codes(np.diag([-1.0, -1.0, 3.0, 1.0]))
        'LPS'
    """
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    codes = [""] * 3
    for world, axis in _assignment(directions):
        codes[axis] = ("RAS" if directions[world, axis] > 0 else "LPI")[world]
    return "".join(codes)


def world_order(affine: NDArray[np.float64]) -> tuple[int, int, int]:
    """Return the array axes nearest to right-left, front-back and head-foot, in that order.

    Example:
        >>> world_order(np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]]))
        (2, 0, 1)
    """
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    right, front, head = (axis for _, axis in sorted(_assignment(directions)))
    return (right, front, head)


def _assignment(directions: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pair the world's directions with the array's axes, strongest first."""
    strength = np.abs(directions)
    pairs = []
    for _ in range(3):
        world, axis = np.unravel_index(np.argmax(strength), (3, 3))
        pairs.append((int(world), int(axis)))
        strength[world, :] = strength[:, axis] = -1
    return pairs


def _mm(spacing: Sequence[float] | NDArray[np.float64]) -> str:
    return " x ".join(f"{mm:g}" for mm in spacing)
