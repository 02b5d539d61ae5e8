"""Stored integers <-> values in the unit of the scan: slopes in, slopes out, nothing wrapped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.valuerep import format_number_as_ds

from medacuity.errors import MalformedInput, SafetyGate
from medacuity.formats.dicom.frames import Frame

UNITS = {"HU": "HU", "BQML": "Bq/ml", "GML": "SUV", "PROPCPS": "cps", "CNTS": "counts"}
SUV_TYPES = {"LBM": "lbm", "LBMJAMES128": "lbm", "LBMJANMA": "lbm", "BSA": "bsa", "IBW": "ibw"}
HOUNSFIELD = ("", "HU", "HU_MOD")


@dataclass(frozen=True)
class Scale:
    """How a stored integer becomes a value: ``slope * stored + intercept``."""

    slope: float = 1.0
    intercept: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether integers stay integers."""
        return self.slope.is_integer() and self.intercept.is_integer()


@dataclass(frozen=True)
class Storage:
    """How values are stored: a scale, and integers of ``bits``, signed or not."""

    scale: Scale
    bits: int
    signed: bool
    allocated: int = 16

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest stored value."""
        half = 1 << (self.bits - 1)
        return (-half, half - 1) if self.signed else (0, 2 * half - 1)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The integers in the file."""
        return np.dtype(f"<{'i' if self.signed else 'u'}{self.allocated // 8}")

    def holds(self, low: float, high: float) -> bool:
        """Whether values from ``low`` to ``high`` fit once rounded."""
        least, most = self.limits
        ends = [round((v - self.scale.intercept) / self.scale.slope) for v in (low, high)]
        return least <= min(ends) and max(ends) <= most

    def store(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return ``array`` as stored integers, rounded to the nearest."""
        scaled = (np.asarray(array, np.float64) - self.scale.intercept) / self.scale.slope
        return np.rint(scaled).astype(self.dtype)


def scale_of(frame: Frame) -> Scale:
    """Return a slice's own scale.

    Raises:
        MalformedInput: The slope is 0.
        UnsafeGeometry: A number is not finite.
    """
    slope, intercept = frame.number("RescaleSlope"), frame.number("RescaleIntercept")
    if slope == 0:
        raise MalformedInput("RescaleSlope must not be 0; correct the header", path=frame.path)
    return Scale(1.0 if slope is None else slope, 0.0 if intercept is None else intercept)


def unit_of(frame: Frame) -> str:
    """Return what a value means, in the words of `Volume.unit`; PET is never turned into SUV.

    SUV without more is by body weight, as DICOM has it where SUVType is absent (PS3.3, C.8.9.1).
    """
    kind = str(frame.get("RescaleType") or "").strip().upper()
    if frame.modality == "CT":
        return "HU" if kind in HOUNSFIELD else "a.u."
    if frame.modality == "PT":
        unit = UNITS.get(str(frame.get("Units") or kind).strip().upper(), "a.u.")
        by = str(frame.get("SUVType") or "BW").strip().upper()
        return unit if unit != "SUV" or by == "BW" else f"SUV{SUV_TYPES.get(by, ' of its own')}"
    return "a.u."


def rescaled(stored: NDArray[Any], scales: Sequence[Scale]) -> NDArray[Any]:
    """Apply one scale per slice; integers stay integers where every scale is whole.

    Shape:
        ``(slices, rows, columns)`` -> the same
    """
    if all(scale == Scale() for scale in scales):
        return stored
    if not all(scale.whole for scale in scales):
        array = np.empty(stored.shape, np.float32)
        for k, scale in enumerate(scales):
            array[k] = stored[k] * scale.slope + scale.intercept
        return array
    return _whole(stored, scales)


def _whole(stored: NDArray[Any], scales: Sequence[Scale]) -> NDArray[Any]:
    ends = [
        s.slope * float(end) + s.intercept
        for s, part in zip(scales, stored, strict=True)
        for end in (part.min(), part.max())
    ]
    low, high = min(ends), max(ends)
    fits = (t for t in (np.int16, np.int32) if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
    array = np.empty(stored.shape, next(fits, np.float64))
    for k, scale in enumerate(scales):
        array[k] = stored[k] * scale.slope + scale.intercept  # exact: whole, below 2**53
    return array


def storage_for(arrays: Sequence[NDArray[Any]], frames: Sequence[Frame]) -> Storage:
    """Choose how results are stored: as the source was if that holds them, else wider.

    First choice: the source's own bits, sign and slope. Then 16 bits, unsigned or signed, with
    its slope, or with another intercept. Last, and for PET, whose slices each had a slope of
    their own and whose intercept is 0: signed 16 bits with one slope that makes the largest
    value 32767.

    Raises:
        SafetyGate: A value is not finite.
    """
    low, high = _range(arrays)
    scales = {scale_of(frame) for frame in frames}
    header = frames[0].header
    signed = bool(header.get("PixelRepresentation") or 0)
    allocated = min(16, int(header.BitsAllocated))
    bits = min(allocated, int(header.get("BitsStored") or allocated))
    pet = frames[0].modality == "PT" and scales != {Scale()}
    if len(scales) == 1 and not pet:
        scale = scales.pop()
        for choice in (
            Storage(scale, bits, signed, allocated),
            Storage(scale, 16, False),
            Storage(scale, 16, True),
        ):
            if choice.holds(low, high):
                return choice
        shifted = Storage(Scale(scale.slope, float(np.floor(low))), 16, False)
        if scale.slope > 0 and shifted.holds(low, high):
            return shifted
    largest = max(abs(low), abs(high)) or 1.0
    return Storage(Scale(float(format_number_as_ds(largest / 32767))), 16, True)


def _range(arrays: Sequence[NDArray[Any]]) -> tuple[float, float]:
    ends = []
    for array in arrays:
        for k in range(array.shape[2]):  # by slice: the array may live on disk
            ends += [float(array[:, :, k].min()), float(array[:, :, k].max())]
    if not np.isfinite(ends).all():
        raise SafetyGate("every value must be finite to be written; the result is refused")
    return min(ends), max(ends)
