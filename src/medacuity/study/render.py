"""Volumes -> the 16-bit slices that raters see: one grid, one map, one window per case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medacuity.errors import MalformedInput, UnsafeGeometry, UsageError
from medacuity.intensity import Intensity, Percentile
from medacuity.study.design import Image
from medacuity.volume import Volume, axis_codes, world_order

DEPTH = 65535
THICK = 1.5
"""An axis whose spacing is this many times the others' is the one across the slices."""

BEYOND = 4.0
"""Windows above and below the usual one that 16 bits hold; numbers beyond are cut off."""

SAME_PLACE = 0.05
"""Share of a voxel by which versions of a case may lie apart."""

THINNED = 2**22
"""Voxels per version from which the window is decided."""

AXES = ("axial", "coronal", "sagittal")


@dataclass(frozen=True)
class Look:
    """How cases are cut and windowed.

    Args:
        axis: ``axial``, ``coronal``, ``sagittal``, or None: across the thickest slices, axial
            where they are as thick as the pixels are wide.
        slices: How many around the middle; None for all.
        window: Scanner numbers shown black and white; None decides from each case.
    """

    axis: str | None = None
    slices: int | None = None
    window: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.axis not in (None, *AXES):
            raise UsageError(f"the axis is one of {', '.join(AXES)}; got {self.axis!r}")
        if self.slices is not None and self.slices < 1:
            raise UsageError(f"at least 1 slice must be shown, got {self.slices}")
        if self.window is not None:
            Intensity(*self.window)


def render(versions: Mapping[str, Volume], look: Look) -> tuple[Image, dict[str, NDArray[Any]]]:
    """Return what the versions of a case share, and the slices of each.

    Slices run from the head down (or right to left, front to back), rows from the head (or the
    front), columns from the patient's right (or the front), as radiologists look. A picture is
    shown as it is.

    Args:
        versions: By method, on one grid.
        look: How to cut and window.

    Shape:
        ``(I, J, K)`` -> ``(slices, rows, columns)``, little-endian uint16.

    Raises:
        UnsafeGeometry: The versions are not on one grid.
        MalformedInput: A value is not finite.
    """
    check_alike(versions)
    first = next(iter(versions.values()))
    axis = _axis(first, look)
    window, held = _windows(list(versions.values()), look)
    stacks = {name: stack(volume, axis) for name, volume in versions.items()}
    part = _middle(stacks, look.slices)
    stored = {name: quantised(array[part], held) for name, array in stacks.items()}
    count, rows, columns = next(iter(stored.values())).shape
    up, across = _plane(first, axis)
    spacing = (first.spacing[axis], first.spacing[up], first.spacing[across])
    left = "" if is_picture(first) else "R" if axis_codes(first.affine)[across] in "RL" else "A"
    image = Image(
        count, rows, columns, spacing, count // 2, held.low, held.high, first.unit,
        (window.low, window.high), left,
    )  # fmt: skip
    return image, stored


def check_alike(versions: Mapping[str, Volume]) -> None:
    """Refuse versions of a case that could be told apart by their grid, or are another patient."""
    (name, first), *others = versions.items()
    for other, volume in others:
        if volume.shape != first.shape:
            raise UnsafeGeometry(
                f"all versions of a case need one grid: {name} has {_size(first)} voxels, {other} "
                f"has {_size(volume)}; bring them to the same size first"
            )
        apart = np.abs(volume.affine - first.affine) @ [*first.shape, 1]
        if apart.max() > SAME_PLACE * min(first.spacing) * max(first.shape):
            raise UnsafeGeometry(
                f"all versions of a case must show the same place: {name} and {other} lie apart "
                "in the patient; check that they belong together"
            )
    for name, volume in versions.items():
        if not np.isfinite(volume.array).all():
            raise MalformedInput(f"every voxel must be finite; {name} has some that are not")


def stack(volume: Volume, axis: int) -> NDArray[Any]:
    """Return all slices across an axis, turned as a radiologist looks, as a view."""
    up, across = _plane(volume, axis)
    turned = volume.array.transpose(axis, up, across)
    if is_picture(volume):
        return turned
    codes = axis_codes(volume.affine)
    return turned[
        :: -1 if codes[axis] in "RAS" else 1,
        :: -1 if codes[up] in "RAS" else 1,
        :: -1 if codes[across] in "RA" else 1,
    ]


def quantised(array: NDArray[Any], held: Intensity) -> NDArray[Any]:
    """Return ``array`` in 16 bits: ``held.low`` becomes 0, ``held.high`` 65535."""
    unit = (array.astype(np.float64) - held.low) / (held.high - held.low)
    return np.ascontiguousarray(np.rint(np.clip(unit, 0, 1) * DEPTH).astype("<u2"))


def is_picture(volume: Volume) -> bool:
    """Tell whether a volume is a single slice without directions of its own, as PNG gives it."""
    directions = volume.affine[:3, :3] / volume.spacing
    return volume.shape[2] == 1 and bool(np.array_equal(directions, np.eye(3)))


def _axis(volume: Volume, look: Look) -> int:
    right, front, head = world_order(volume.affine)
    if look.axis is not None:
        return dict(zip(AXES, (head, front, right), strict=True))[look.axis]
    if 1 in volume.shape:
        return volume.shape.index(1) if volume.shape[2] != 1 else 2
    thick = int(np.argmax(volume.spacing))
    others = max(mm for n, mm in enumerate(volume.spacing) if n != thick)
    return thick if volume.spacing[thick] >= THICK * others else head


def _plane(volume: Volume, axis: int) -> tuple[int, int]:
    """Return the axes that run along the rows' order (down) and along a row (across)."""
    across, up = [each for each in world_order(volume.affine) if each != axis]
    return up, across


def _windows(versions: Sequence[Volume], look: Look) -> tuple[Intensity, Intensity]:
    """Return what is shown at first, and what 16 bits hold."""
    thinned = [v.array.reshape(-1)[:: max(1, v.array.size // THINNED)] for v in versions]
    low = min(float(v.array.min()) for v in versions)
    high = max(float(v.array.max()) for v in versions)
    usual = Percentile().of(np.concatenate(thinned))
    if is_picture(versions[0]) and 64 < high and all(v.array.dtype == np.uint8 for v in versions):
        usual = Intensity(0.0, 255.0)
    window = Intensity(*look.window) if look.window else usual
    room = BEYOND * (usual.high - usual.low)
    low = max(low, min(usual.low - room, window.low))
    high = min(high, max(usual.high + room, window.high))
    return window, Intensity(low, high if high > low else low + 1.0)


def _middle(stacks: Mapping[str, NDArray[Any]], wanted: int | None) -> slice:
    count = next(iter(stacks.values())).shape[0]
    if wanted is None or wanted >= count:
        return slice(None)
    first = (count - wanted) // 2
    return slice(first, first + wanted)


def _size(volume: Volume) -> str:
    return " x ".join(map(str, volume.shape))
