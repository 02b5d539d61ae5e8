"""From the named numbers of a file to a `Sinogram`, and back."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medacuity.errors import MalformedInput, UnsafeGeometry, UsageError
from medacuity.formats.limits import check_place, check_size
from medacuity.physics.dose import Attenuation
from medacuity.physics.geometry import Geometry, Grid
from medacuity.physics.redundancy import reach
from medacuity.sinograms.record import PICTURE, Sinogram

Fields = Mapping[str, Any]

NAMES = (
    "sinogram", "angles_deg", "pitch_mm", "shift_mm", "source_mm", "detector_mm", "curved",
    "frame", "grid_shape", "grid_spacing_mm", "grid_centre_mm", "mu_water_per_mm",
    "mu_air_per_mm", "photons", "electronic",
)  # fmt: skip
"""Everything a file may say; only the first three must be there."""

DEFAULT_WATER = Attenuation()


def sinogram_of(fields: Fields, path: Path) -> Sinogram:
    """Build what a file describes; whatever is missing or impossible is named."""
    missing = [name for name in NAMES[:3] if name not in fields]
    if missing:
        raise MalformedInput(
            f"a sinogram file needs {', '.join(missing)}, and this one has "
            f"{', '.join(sorted(fields)) or 'nothing'}",
            path=path,
        )
    array = _lines(fields["sinogram"], path)
    try:
        geometry = Geometry(
            tuple(_numbers(fields, "angles_deg").tolist()), array.shape[2],
            _number(fields, "pitch_mm"), shift=_number(fields, "shift_mm", 0.0),
            source=_number(fields, "source_mm", math.inf),
            detector=_number(fields, "detector_mm", math.inf),
            curved=bool(_number(fields, "curved", 0.0)),
        )  # fmt: skip
        return Sinogram(
            array, geometry, _grid(fields, geometry), _frame(fields, path), _attenuation(fields),
            _number(fields, "photons") if "photons" in fields else None,
            _number(fields, "electronic", 0.0),
        )  # fmt: skip
    except UsageError as error:
        raise UnsafeGeometry(str(error), path=path) from error


def fields_of(sinogram: Sinogram) -> dict[str, Any]:
    """Return the named numbers of a sinogram, the array apart."""
    geometry, grid = sinogram.geometry, sinogram.grid
    fields: dict[str, Any] = {
        "angles_deg": np.array(geometry.angles_deg), "pitch_mm": geometry.pitch,
        "shift_mm": geometry.shift, "frame": sinogram.frame, "grid_shape": grid.shape,
        "grid_spacing_mm": grid.spacing, "grid_centre_mm": grid.centre,
    }  # fmt: skip
    if not geometry.parallel:
        fields |= {"source_mm": geometry.source, "detector_mm": geometry.detector}
        fields["curved"] = int(geometry.curved)
    if sinogram.attenuation is not None:
        fields["mu_water_per_mm"] = sinogram.attenuation.water
        fields["mu_air_per_mm"] = sinogram.attenuation.air
    if sinogram.photons is not None:
        fields |= {"photons": sinogram.photons, "electronic": sinogram.electronic}
    return fields


def _lines(value: Any, path: Path) -> NDArray[np.float32]:
    array = np.asarray(value)
    if array.ndim not in (2, 3) or 0 in array.shape or array.dtype.kind not in "fiu":
        raise MalformedInput(
            "sinogram must be numbers of shape (views, bins) or (slices, views, bins), got "
            f"{array.dtype} {array.shape}",
            path=path,
        )
    check_size(array.shape, 4, path)
    with np.errstate(over="ignore"):  # what becomes infinite is refused below
        array = array.reshape(-1, *array.shape[-2:]).astype(np.float32)
    if not np.isfinite(array).all():
        raise MalformedInput(
            "the sinogram has values that are not finite; a dead bin needs a value between its "
            "neighbours'",
            path=path,
        )
    return array


def _grid(fields: Fields, geometry: Geometry) -> Grid:
    """Return the file's grid, or the circle that all views see in pixels as large as a bin."""
    if "grid_shape" in fields and "grid_spacing_mm" in fields:
        rows, columns = _numbers(fields, "grid_shape", count=2).tolist()
        du, dv = _numbers(fields, "grid_spacing_mm", count=2).tolist()
        u, v = _numbers(fields, "grid_centre_mm", count=2, default=(0.0, 0.0)).tolist()
        if not (rows.is_integer() and columns.is_integer()):
            raise UsageError(f"grid_shape must be 2 whole numbers, got {rows:g} and {columns:g}")
        return Grid((int(rows), int(columns)), (du, dv), (u, v))
    spacing_mm = geometry.pitch / geometry.magnification
    side = math.floor(2 * reach(geometry) / spacing_mm)
    if side < 1:
        raise UsageError(
            "the detector does not see the axis of rotation from both sides, so that there is no "
            "circle to make an image of: correct shift_mm, or give grid_shape and grid_spacing_mm"
        )
    return Grid((side, side), (spacing_mm, spacing_mm))


def _frame(fields: Fields, path: Path) -> NDArray[np.float64]:
    frame = _numbers(fields, "frame", count=16, default=PICTURE).reshape(4, 4)
    check_place(frame, path)
    return frame


def _attenuation(fields: Fields) -> Attenuation | None:
    if "mu_water_per_mm" not in fields:
        return None
    water = _number(fields, "mu_water_per_mm")
    return Attenuation(water, _number(fields, "mu_air_per_mm", water / 1000))


def _number(fields: Fields, name: str, default: float | None = None) -> float:
    return float(_numbers(fields, name, count=1, default=default)[0])


def _numbers(
    fields: Fields, name: str, *, count: int | None = None, default: Any = None
) -> NDArray[np.float64]:
    """Return a field as so many numbers in a row; None: as many as there are."""
    value = np.asarray(fields.get(name, default)).ravel()
    if value.dtype.kind not in "fiub" or value.size != (value.size if count is None else count):
        wanted = "numbers" if count is None else "one number" if count == 1 else f"{count} numbers"
        raise UsageError(f"{name} must be {wanted}, got {value.size} of {value.dtype}")
    return value.astype(np.float64)
