"""Volumes -> classic images: one file per slice, each derived from the nearest source slice."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.valuerep import format_number_as_ds

from medacuity.formats.dicom.derive import Derivation, derived
from medacuity.formats.dicom.frames import Frame
from medacuity.formats.dicom.geometry import Plane, plane_at, slice_spacing
from medacuity.formats.dicom.header import drop, put
from medacuity.formats.dicom.values import Scale, Storage, scale_of
from medacuity.volume import Volume


def images(
    volumes: Sequence[Volume],
    stacks: Sequence[Sequence[Frame]],
    *,
    grids: Sequence[Volume],
    storage: Storage,
    how: Derivation,
) -> Iterator[Dataset]:
    """Yield the images of a derived series, volume by volume, slice by slice.

    Args:
        volumes: The results.
        stacks: The source slices of each.
        grids: The source volumes, for where the source slices lie.
        storage: How values are stored, one way for the whole series.
        how: The derivation.
    """
    total = sum(volume.shape[2] for volume in volumes)
    instance = 0
    for volume, stack, grid in zip(volumes, stacks, grids, strict=True):
        window = window_of(volume.array)
        for k in range(volume.shape[2]):
            instance += 1
            near, around = nearest(volume, grid, k)
            header = derived(
                stack[near], how, instance=instance, sources=[stack[n] for n in around]
            )
            place(header, volume, grid, k)
            describe_pixels(header, volume, storage)
            data = storage.store(volume.array[:, :, k]).T.tobytes()
            set_pixels(header, data + b"\0" * (len(data) % 2), storage)
            _set_values(header, stack[near], storage)
            _set_window(header, window)
            _set_counts(header, instance, total)
            yield header


def nearest(volume: Volume, grid: Volume, k: int) -> tuple[int, list[int]]:
    """Return the source slice nearest to slice ``k``, and those on both sides of it.

    Example:
        >>> thick = Volume(np.zeros((4, 4, 3)), np.diag([1.0, 1.0, 4.0, 1.0]))
        >>> nearest(thick.resampled(np.zeros((4, 4, 12))), thick, 5)
        (1, [0, 1])
    """
    centre = volume.affine @ [*(np.array(volume.shape[:2]) - 1) / 2, k, 1]
    at = float((np.linalg.inv(grid.affine) @ centre)[2])
    at = round(at, 6)  # on a slice, give or take rounding: that slice alone
    last = grid.shape[2] - 1
    around = {int(np.clip(n, 0, last)) for n in (np.floor(at), np.ceil(at))}
    return int(np.clip(round(at), 0, last)), sorted(around)


def ds(value: float) -> str:
    """Return a number in the 16 characters that DICOM allows."""
    return str(format_number_as_ds(float(value)))


def place(header: Dataset, volume: Volume, grid: Volume, k: int) -> None:
    """Write where slice ``k`` lies."""
    plane = plane_at(volume.affine, k)
    for keyword, value in orientation(plane).items():
        put(header, keyword, value)
    for keyword, value in measures(header, volume, grid).items():
        put(header, keyword, value)
    put(header, "ImagePositionPatient", [ds(mm) for mm in plane.position])
    put(header, "SliceLocation", ds(plane.distance))


def orientation(plane: Plane) -> dict[str, Any]:
    """Return the direction of rows and columns."""
    return {"ImageOrientationPatient": [ds(cosine) for cosine in plane.along.ravel()]}


def measures(header: Dataset, volume: Volume, grid: Volume) -> dict[str, Any]:
    """Return pixel size, slice thickness and spacing.

    Slices made between others are as thick as they are apart; slices that stayed keep their
    thickness, which may be less than their distance (gaps) or more (overlap).
    """
    i, j, _ = volume.spacing
    spacing = slice_spacing(volume.affine)
    result: dict[str, Any] = {"PixelSpacing": [ds(j), ds(i)]}
    moved = abs(spacing - slice_spacing(grid.affine)) > 1e-6 * spacing
    if moved or volume.shape[2] == 1 or not header.get("SliceThickness"):
        result["SliceThickness"] = ds(spacing)
    if volume.shape[2] > 1 or "SpacingBetweenSlices" in header:
        result["SpacingBetweenSlices"] = ds(spacing)
    return result


def describe_pixels(header: Dataset, volume: Volume, storage: Storage) -> None:
    """Write the size of a slice and how its values are stored."""
    columns, rows, _ = volume.shape
    put(header, "SamplesPerPixel", 1)
    put(header, "Rows", rows)
    put(header, "Columns", columns)
    put(header, "BitsAllocated", storage.allocated)
    put(header, "BitsStored", storage.bits)
    put(header, "HighBit", storage.bits - 1)
    put(header, "PixelRepresentation", int(storage.signed))


def set_pixels(header: Dataset, data: bytes | io.BytesIO, storage: Storage) -> None:
    """Set the stored values; the whole is an even number of bytes, as DICOM wants it."""
    put(header, "PixelData", data)
    header["PixelData"].VR = "OW" if storage.allocated > 8 else "OB"


def _set_values(header: Dataset, near: Frame, storage: Storage) -> None:
    """Write the slope, and keep the window, which is in values and so still holds."""
    if storage.scale != Scale() or "RescaleSlope" in header:
        put(header, "RescaleSlope", ds(storage.scale.slope))
        put(header, "RescaleIntercept", ds(storage.scale.intercept))
        if not header.get("RescaleType"):
            put(header, "RescaleType", {"CT": "HU"}.get(near.modality, "US"))
    if scale_of(near) != storage.scale:
        drop(header, "RealWorldValueMappingSequence")


def _set_window(header: Dataset, window: tuple[float, float]) -> None:
    """Keep a display window that is one: it is in values, which stay; replace a broken one."""
    if "WindowCenter" in header and not valid_window(header):
        drop(header, "WindowCenterWidthExplanation", "VOILUTFunction")
        put(header, "WindowCenter", ds(window[0]))
        put(header, "WindowWidth", ds(window[1]))


def window_of(array: NDArray[Any]) -> tuple[float, float]:
    """Return a centre and a width that show 98 % of the values, from every fourth line."""
    low, high = np.percentile(array[::4, ::4], (1, 99))
    return float(low + high) / 2, max(1.0, float(high - low))


def valid_window(header: Dataset) -> bool:
    """Whether the display window is one: as many centres as widths, widths of 1 and more."""
    centers, widths = (
        [value] if isinstance(value, int | float) else list(value or ())
        for value in (header.get("WindowCenter"), header.get("WindowWidth"))
    )
    try:
        return 0 < len(centers) == len(widths) and all(
            np.isfinite(float(c)) and 1 <= float(w) < np.inf
            for c, w in zip(centers, widths, strict=True)
        )
    except (TypeError, ValueError):
        return False


def _set_counts(header: Dataset, instance: int, total: int) -> None:
    if "ImagesInAcquisition" in header:
        put(header, "ImagesInAcquisition", total)
    if "NumberOfSlices" in header:
        put(header, "NumberOfSlices", total // max(1, int(header.get("NumberOfTimeSlices") or 1)))
    if "ImageIndex" in header:
        put(header, "ImageIndex", instance)
