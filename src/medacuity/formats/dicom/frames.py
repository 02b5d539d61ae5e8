"""One slice as its file describes it, whether it has a file of its own or shares one."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.uid import UID

from medacuity.errors import LimitExceeded, MalformedInput, UnsafeGeometry
from medacuity.formats.dicom import limits

CLASSIC = {
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.128": "PT",
}
ENHANCED = {
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.130": "PT",
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",  # the legacy converted ones
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",
    "1.2.840.10008.5.1.4.1.1.128.1": "PT",
}

MACRO = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RescaleType": "PixelValueTransformationSequence",
    "StackID": "FrameContentSequence",
    "TemporalPositionIndex": "FrameContentSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "DiffusionBValue": "MRDiffusionSequence",
    "NominalCardiacTriggerDelayTime": "CardiacSynchronizationSequence",
}
"""Which functional group of a multi-frame file holds what a classic file has at its top."""


@dataclass(frozen=True)
class Frame:
    """One slice: its file's header, and which frame of the file it is.

    Args:
        path: The file, for messages.
        header: Of the whole file, without pixels.
        index: Frame number from 0 in a multi-frame file; None in a classic one.
    """

    path: Path
    header: Dataset
    index: int | None = None

    @property
    def modality(self) -> str:
        """``"MR"``, ``"CT"`` or ``"PT"``, from the kind of object rather than its Modality."""
        kind = str(self.header.SOPClassUID)
        return CLASSIC.get(kind) or ENHANCED[kind]

    @property
    def groups(self) -> tuple[Dataset, ...]:
        """Where to look for an attribute, the nearest place first."""
        if self.index is None:
            return (self.header,)
        per_frame = self.header.PerFrameFunctionalGroupsSequence[self.index]
        shared = self.header.get("SharedFunctionalGroupsSequence") or [Dataset()]
        return (per_frame, shared[0], self.header)

    def get(self, keyword: str) -> Any:
        """Return an attribute's value, from this frame, from all frames or from the file."""
        macro = MACRO.get(keyword)
        for group in self.groups:
            items = group.get(macro) if macro and group is not self.header else None
            value = items[0].get(keyword) if items else None
            if value is None and group is self.header:
                value = group.get(keyword)
            if value is not None and value != "":
                return value
        return None

    def numbers(self, keyword: str, count: int) -> tuple[float, ...] | None:
        """Return an attribute as ``count`` finite numbers; None when it is not there.

        Raises:
            UnsafeGeometry: There are more or fewer, or they are not finite numbers.
        """
        value = self.get(keyword)
        if value is None:
            return None
        try:
            values = [float(v) for v in ([value] if count == 1 else value)]
        except (TypeError, ValueError, OverflowError):
            values = []
        if len(values) != count or not all(math.isfinite(v) for v in values):
            raise UnsafeGeometry(
                f"{keyword} must be {count} finite number{'s' * (count > 1)}; correct the header",
                path=self.path,
            )
        return tuple(values)

    def number(self, keyword: str) -> float | None:
        """Return an attribute as one finite number; None when it is not there."""
        values = self.numbers(keyword, 1)
        return values[0] if values else None

    def image_type(self) -> tuple[str, ...]:
        """Return ImageType (of the frame, where frames differ)."""
        for group in self.groups:
            for macro in FRAME_TYPES:
                if group is not self.header and macro in group and group[macro].value:
                    return _texts(group[macro].value[0].get("FrameType"))
        return _texts(self.header.get("ImageType"))


FRAME_TYPES = (
    "MRImageFrameTypeSequence",
    "CTImageFrameTypeSequence",
    "PETFrameTypeSequence",
)


def frames_of(path: Path, header: Dataset) -> list[Frame]:
    """Return the frames of one file, once its header promises an image that can be read.

    Raises:
        MalformedInput: It is no MR, CT or PET image, has colours, or contradicts itself.
        LimitExceeded: Its frames are too large.
    """
    kind = UID(str(header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID")))
    if kind not in CLASSIC and kind not in ENHANCED:
        name = kind.name if kind.name != kind else "an unknown kind of object"
        raise MalformedInput(
            f"it must be an MR, CT or PET image, classic or enhanced, it is {name}; "
            "name the files of such a series",
            path=path,
        )
    header.SOPClassUID = kind
    _check_pixels(path, header)
    count = _whole(path, header, "NumberOfFrames", default=1)
    if kind in CLASSIC:
        if count != 1:
            raise MalformedInput(f"a classic image has 1 frame, this one says {count}", path=path)
        return [Frame(path, header)]
    described = header.get("PerFrameFunctionalGroupsSequence") or []
    if count < 1 or len(described) != count:
        raise MalformedInput(
            f"its {count} frames must each be described, {len(described)} are; fetch it again",
            path=path,
        )
    return [Frame(path, header, index) for index in range(count)]


def _check_pixels(path: Path, header: Dataset) -> None:
    samples = _whole(path, header, "SamplesPerPixel", default=1)
    photometric = str(header.get("PhotometricInterpretation") or "MONOCHROME2")
    if samples != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise MalformedInput(
            "it must be a grey image, this one has colours (a screenshot or a fused picture); "
            "name the scan itself",
            path=path,
        )
    if "ModalityLUTSequence" in header:
        raise MalformedInput("its values go through a lookup table, not a slope", path=path)
    rows, columns = (_whole(path, header, k, default=0) for k in ("Rows", "Columns"))
    if rows < 1 or columns < 1:
        raise MalformedInput(f"it has {rows} rows and {columns} columns; fetch it again", path=path)
    if rows * columns > limits.FRAME_PIXELS:
        raise LimitExceeded(
            f"a frame may have {limits.FRAME_PIXELS} pixels, this one claims {rows} x {columns}",
            path=path,
        )
    _check_bits(path, header)


def _check_bits(path: Path, header: Dataset) -> None:
    allocated = _whole(path, header, "BitsAllocated", default=0)
    stored = _whole(path, header, "BitsStored", default=allocated)
    high = _whole(path, header, "HighBit", default=stored - 1)
    signed = _whole(path, header, "PixelRepresentation", default=0)
    if allocated not in (8, 16, 32) or not 1 <= stored <= high + 1 <= allocated:
        raise MalformedInput(
            f"BitsAllocated must be 8, 16 or 32 and hold BitsStored up to HighBit, "
            f"they are {allocated}, {stored} and {high}",
            path=path,
        )
    if signed not in (0, 1):
        raise MalformedInput(f"PixelRepresentation must be 0 or 1, it is {signed}", path=path)


def _whole(path: Path, header: Dataset, keyword: str, *, default: int) -> int:
    value = header.get(keyword)
    if value is None or value == "":
        return default
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise MalformedInput(f"{keyword} must be one whole number", path=path) from None


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(str(v) for v in value)
