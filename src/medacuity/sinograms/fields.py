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
from medacuity.sinograms.record import PICTURE, Sinogram

Fields = Mapping[str, Any]

NAMES = (
    "sinogram", "angles_deg", "pitch_mm", "shift_mm", "source_mm", "detector_mm", "curved",
    "frame", "grid_shape", "grid_spacing_mm", "grid_centre_mm", "mu_water_per_mm",
    "mu_air_per_mm", "photons",
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
            tuple(_floats(fields["angles_deg"]).ravel().tolist()), array.shape[2],
            _number(fields, "pitch_mm"), shift=_number(fields, "shift_mm", 0.0),
            source=_number(fields, "source_mm", math.inf),
            detector=_number(fields, "detector_mm", math.inf),
            curved=bool(_number(fields, "curved", 0.0)),
        )  # fmt: skip
        frame = _floats(fields.get("frame", PICTURE))
        check_place(frame, path)
        return Sinogram(
            array, geometry, _grid(fields, geometry), frame, _attenuation(fields),
            _number(fields, "photons", math.nan) if "photons" in fields else None,
        )  # fmt: skip
    except (UsageError, TypeError, ValueError) as error:
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
        fields["photons"] = sinogram.photons
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
        shape = _floats(fields["grid_shape"]).ravel()
        spacing = _floats(fields["grid_spacing_mm"]).ravel()
        centre = _floats(fields.get("grid_centre_mm", (0.0, 0.0))).ravel()
        return Grid(
            (int(shape[0]), int(shape[1])), (float(spacing[0]), float(spacing[1])),
            (float(centre[0]), float(centre[1])),
        )  # fmt: skip
    spacing_mm = geometry.pitch / geometry.magnification
    side = max(1, math.floor(2 * geometry.radius / spacing_mm))
    return Grid((side, side), (spacing_mm, spacing_mm))


def _attenuation(fields: Fields) -> Attenuation | None:
    if "mu_water_per_mm" not in fields:
        return None
    water = _number(fields, "mu_water_per_mm")
    return Attenuation(water, _number(fields, "mu_air_per_mm", water / 1000))


def _number(fields: Fields, name: str, default: float | None = None) -> float:
    if name not in fields and default is not None:
        return default
    value = _floats(fields[name]).ravel()
    if value.size != 1:
        raise UsageError(f"{name} must be one number, got {value.size}")
    return float(value[0])


def _floats(value: Any) -> NDArray[np.float64]:
    return np.asarray(value, dtype=np.float64)
