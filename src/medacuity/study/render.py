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

SAME_PLACE = 1.0
"""Voxels by which the corners of two versions of a case may lie apart."""

EIGHT_BITS = (-65, 64, 320)
"""Pictures whose values lie above the first, and reach from the second to the third, are 8 bit."""

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
    turned = {name: as_seen(volume) for name, volume in versions.items()}
    check_alike(turned)
    first = next(iter(turned.values()))
    axis = _axis(first, look)
    window, held = _windows(list(turned.values()), look)
    across, up = [each for each in range(3) if each != axis]
    part = _middle(first.shape[axis], look.slices)
    stored = {
        name: quantised(volume.array.transpose(axis, up, across)[part], held)
        for name, volume in turned.items()
    }
    count, rows, columns = next(iter(stored.values())).shape
    spacing = (first.spacing[axis], first.spacing[up], first.spacing[across])
    left = "" if is_picture(first) else "RA"[across]
    image = Image(
        count, rows, columns, spacing, count // 2, held.low, held.high, first.unit,
        (window.low, window.high), left,
    )  # fmt: skip
    return image, stored


def as_seen(volume: Volume) -> Volume:
    """Return a volume whose axes run to the left, back and feet; a picture stays as it is.

    So the first slice is the uppermost, rows begin at the head or the front, and the patient's
    right is on the left, as radiologists look.
    """
    if is_picture(volume):
        return volume
    order = world_order(volume.affine)
    codes = axis_codes(volume.affine)
    flipped = [codes[axis] in "RAS" for axis in order]
    array = volume.array.transpose(order)[tuple(slice(None, None, -1 if f else 1) for f in flipped)]
    grid = np.zeros((4, 4))
    grid[3, 3] = 1
    for new, (axis, flip) in enumerate(zip(order, flipped, strict=True)):
        grid[axis, new] = -1 if flip else 1
        grid[axis, 3] = volume.shape[axis] - 1 if flip else 0
    return Volume(array, volume.affine @ grid, volume.unit)


def check_alike(versions: Mapping[str, Volume]) -> None:
    """Refuse versions of a case that could be told apart by their grid, or are another patient."""
    (name, first), *others = versions.items()
    for other, volume in others:
        if volume.shape != first.shape:
            raise UnsafeGeometry(
                f"all versions of a case need one grid: {name} has {_size(first)} voxels, {other} "
                f"has {_size(volume)}; bring them to the same size first"
            )
        apart = np.abs(volume.affine - first.affine)[:3] @ [*first.shape, 1]
        if apart.max() > SAME_PLACE * max(first.spacing):
            raise UnsafeGeometry(
                f"all versions of a case must show the same place: {name} and {other} lie "
                f"{apart.max():.3g} mm apart in the patient; check that they belong together"
            )
    for name, volume in versions.items():
        if not np.isfinite(volume.array).all():
            raise MalformedInput(f"every voxel must be finite; {name} has some that are not")


def quantised(array: NDArray[Any], held: Intensity) -> NDArray[Any]:
    """Return ``array`` in 16 bits: ``held.low`` becomes 0, ``held.high`` 65535."""
    unit = (array.astype(np.float64) - held.low) / (held.high - held.low)
    return np.ascontiguousarray(np.rint(np.clip(unit, 0, 1) * DEPTH).astype("<u2"))


def is_picture(volume: Volume) -> bool:
    """Tell whether a volume is a single slice without directions of its own, as PNG gives it."""
    directions = volume.affine[:3, :3] / volume.spacing
    return volume.shape[2] == 1 and bool(np.array_equal(directions, np.eye(3)))


def _axis(volume: Volume, look: Look) -> int:
    if look.axis is not None:
        return 2 - AXES.index(look.axis)
    if 1 in volume.shape:
        return max(axis for axis in range(3) if volume.shape[axis] == 1)
    thick = int(np.argmax(volume.spacing))
    others = max(mm for axis, mm in enumerate(volume.spacing) if axis != thick)
    return thick if volume.spacing[thick] >= THICK * others else 2


def _windows(versions: Sequence[Volume], look: Look) -> tuple[Intensity, Intensity]:
    """Return what is shown at first, and what 16 bits hold."""
    thinned = [v.array.reshape(-1)[:: max(1, v.array.size // THINNED)] for v in versions]
    low = min(float(v.array.min()) for v in versions)
    high = max(float(v.array.max()) for v in versions)
    usual = Percentile().of(np.concatenate(thinned))
    if is_picture(versions[0]) and high > 64 and all(v.array.dtype == np.uint8 for v in versions):
        usual = Intensity(0.0, 255.0)
    window = Intensity(*look.window) if look.window else usual
    room = BEYOND * (usual.high - usual.low)
    low = max(low, min(usual.low - room, window.low))
    high = min(high, max(usual.high + room, window.high))
    return window, Intensity(low, high if high > low else low + 1.0)


def _middle(count: int, wanted: int | None) -> slice:
    if wanted is None or wanted >= count:
        return slice(None)
    first = (count - wanted) // 2
    return slice(first, first + wanted)


def _size(volume: Volume) -> str:
    return " x ".join(map(str, volume.shape))
