"""Where slices lie: DICOM's positions and directions <-> one affine in mm, RAS+.

DICOM counts towards the patient's left, back and head (LPS); an affine here, as in NIfTI,
towards right, front and head: the first two rows change sign.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medacuity.errors import UnsafeGeometry
from medacuity.formats.dicom.frames import Frame

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
SAME_DIRECTION = 1e-3
"""Largest difference between two slices' direction cosines: 0.06 degrees."""
SAME_PLACE_MM = 0.01
"""Slices closer than this are at the same place."""
EVEN, EVEN_MM = 0.02, 0.1
"""Gaps are even within this part of their mean, or this many mm: series round positions."""
LEAST_MM, MOST_MM = 1e-4, 200.0
"""Spacing that a scan of a patient can have."""
PERPENDICULAR = 1e-2
"""Largest |cosine| between rows and columns; some writers round to two digits."""


@dataclass(frozen=True)
class Plane:
    """One slice's place: LPS, mm.

    Args:
        position: ``(3,)``, the centre of the first pixel.
        along: ``(2, 3)``, unit vectors from one column to the next, from one row to the next.
        spacing: Distance between columns, between rows.
        thickness: Of the slice; None when not told.
    """

    position: NDArray[np.float64]
    along: NDArray[np.float64]
    spacing: tuple[float, float]
    thickness: float | None = None

    @property
    def normal(self) -> NDArray[np.float64]:
        """``(3,)``, the direction in which slices are counted."""
        across = np.cross(self.along[0], self.along[1])
        return np.asarray(across / np.linalg.norm(across))

    @property
    def distance(self) -> float:
        """Position along the normal in mm: what SliceLocation should say."""
        return float(self.position @ self.normal)


def plane_of(frame: Frame) -> Plane:
    """Read where a slice lies.

    Raises:
        UnsafeGeometry: An attribute is missing, not finite, or describes no plane.
    """
    position = _required(frame, "ImagePositionPatient", 3)
    along = np.reshape(_required(frame, "ImageOrientationPatient", 6), (2, 3))
    rows, columns = _required(frame, "PixelSpacing", 2)  # DICOM tells the rows' first
    for value in (rows, columns):
        _check_mm(frame, "PixelSpacing", value)
    lengths = np.linalg.norm(along, axis=1)
    if (abs(lengths - 1) > PERPENDICULAR).any() or abs(along[0] @ along[1]) > PERPENDICULAR:
        raise UnsafeGeometry(
            "ImageOrientationPatient must be two perpendicular unit vectors; correct the header",
            path=frame.path,
        )
    return Plane(position, along / lengths[:, None], (columns, rows), _thickness(frame))


def _required(frame: Frame, keyword: str, count: int) -> NDArray[np.float64]:
    values = frame.numbers(keyword, count)
    if values is None:
        raise UnsafeGeometry(
            f"{keyword} is missing, so nobody can tell where the slice lies; "
            "export the series again with its geometry",
            path=frame.path,
        )
    return np.array(values)


def _check_mm(frame: Frame, what: str, value: float) -> None:
    if not LEAST_MM <= value <= MOST_MM:
        raise UnsafeGeometry(
            f"{what} must be above 0 and at most {MOST_MM:g} mm, it is {value:g}; "
            "correct the header",
            path=frame.path,
        )


def _thickness(frame: Frame) -> float | None:
    thickness = frame.number("SliceThickness")
    if thickness is None:  # may be negative, for slices counted backwards
        spacing = frame.number("SpacingBetweenSlices")
        thickness = None if spacing is None else abs(spacing)
    if thickness is not None:
        _check_mm(frame, "SliceThickness", thickness)
    return thickness


def check_parallel(frames: Sequence[Frame], planes: Sequence[Plane]) -> None:
    """Refuse a stack with a slice of another orientation or pixel size: often a localizer."""
    kinds: list[list[int]] = []
    for k, plane in enumerate(planes):
        kind = next((kind for kind in kinds if _parallel(planes[kind[0]], plane)), None)
        kinds.append([k]) if kind is None else kind.append(k)
    if len(kinds) > 1:
        odd = min(kinds, key=len)
        raise UnsafeGeometry(
            f"slices must be parallel and of one pixel size, these {len(planes)} are of "
            f"{len(kinds)} kinds, {len(odd)} like this one (a localizer?); "
            "move those out of the folder",
            path=frames[odd[0]].path,
        )


def _parallel(a: Plane, b: Plane) -> bool:
    return bool(
        np.allclose(a.along, b.along, rtol=0, atol=SAME_DIRECTION)
        and np.allclose(a.spacing, b.spacing, rtol=1e-3, atol=0)
    )


def places(planes: Sequence[Plane]) -> list[int]:
    """Number the places along the normal: slices at the same place get the same number.

    Example:
        >>> here = Plane(np.zeros(3), np.eye(3)[:2], (1.0, 1.0))
        >>> there = Plane(np.array([0, 0, 5.0]), np.eye(3)[:2], (1.0, 1.0))
        >>> places([there, here, there])
        [1, 0, 1]
    """
    normal = planes[0].normal
    distances = np.array([plane.position @ normal for plane in planes])
    order = np.argsort(distances, kind="stable")
    numbers = np.zeros(len(planes), dtype=int)
    numbers[order[1:]] = np.cumsum(np.diff(distances[order]) > SAME_PLACE_MM)
    return [int(n) for n in numbers]


def affine_of(frames: Sequence[Frame], planes: Sequence[Plane]) -> NDArray[np.float64]:
    """Return the affine of slices that are in order, one per place.

    Positions decide, not the spacing tags, which real series round or fill with the gap.

    Raises:
        UnsafeGeometry: The slices are not evenly spaced within the larger of 2 % and 0.1 mm,
            or a lone slice does not tell its thickness.
    """
    first = planes[0]
    affine = np.eye(4)
    affine[:3, 0] = first.along[0] * first.spacing[0]
    affine[:3, 1] = first.along[1] * first.spacing[1]
    affine[:3, 2] = _step(frames, planes)
    affine[:3, 3] = first.position
    affine[:3] = LPS_TO_RAS @ affine[:3]
    return affine


def _step(frames: Sequence[Frame], planes: Sequence[Plane]) -> NDArray[np.float64]:
    if len(planes) == 1:
        if planes[0].thickness is None:
            raise UnsafeGeometry(
                "a lone slice must tell its SliceThickness; add it, or read the whole series",
                path=frames[0].path,
            )
        return planes[0].normal * planes[0].thickness
    positions = np.array([plane.position for plane in planes])
    step = (positions[-1] - positions[0]) / (len(planes) - 1)
    gaps = np.diff(positions @ planes[0].normal)
    tolerance = max(EVEN * float(gaps.mean()), EVEN_MM)
    off = abs(gaps - gaps.mean())
    worst = int(np.argmax(off))
    if off[worst] > tolerance:
        raise UnsafeGeometry(
            f"slices must be evenly spaced, most are {np.median(gaps):g} mm apart, slices "
            f"{worst + 1} and {worst + 2} of {len(planes)} are {gaps[worst]:g} mm: one is missing "
            "or misplaced; fetch the series again",
            path=frames[worst + 1].path,
        )
    _check_mm(frames[1], "the distance between slices", float(gaps.mean()))
    _check_line(frames, positions, step, tolerance)
    return np.asarray(step)


def _check_line(
    frames: Sequence[Frame],
    positions: NDArray[np.float64],
    step: NDArray[np.float64],
    tolerance: float,
) -> None:
    """Refuse a stack whose slices slide sideways other than evenly (a tilted gantry is even)."""
    offset = positions - positions[0]
    along = step / np.linalg.norm(step)
    aside = np.linalg.norm(offset - np.outer(offset @ along, along), axis=1)
    worst = int(np.argmax(aside))
    if aside[worst] > tolerance:
        raise UnsafeGeometry(
            f"slices must lie in one line, slice {worst + 1} of {len(positions)} lies "
            f"{aside[worst]:g} mm aside; fetch the series again",
            path=frames[worst].path,
        )


def plane_at(affine: NDArray[np.float64], k: int) -> Plane:
    """Return where slice ``k`` of a grid lies: the inverse of `affine_of`.

    Raises:
        UnsafeGeometry: Rows and columns are not perpendicular; DICOM has no words for that.
    """
    lps = LPS_TO_RAS @ affine[:3]
    i, j = (float(n) for n in np.linalg.norm(lps[:, :2], axis=0))
    along = np.stack([lps[:, 0] / i, lps[:, 1] / j])
    if abs(along[0] @ along[1]) > PERPENDICULAR:
        raise UnsafeGeometry("rows and columns must be perpendicular to be written as DICOM")
    return Plane(lps[:, 2] * k + lps[:, 3], along, (i, j), slice_spacing(affine))


def slice_spacing(affine: NDArray[np.float64]) -> float:
    """Return the distance between slices in mm, measured along their normal."""
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    return float(abs(affine[:3, 2] @ normal) / np.linalg.norm(normal))
