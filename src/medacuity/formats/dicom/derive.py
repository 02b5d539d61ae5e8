"""What a derived image must say about its origin, and what it must no longer say."""

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from medacuity.formats.dicom.frames import CLASSIC, ENHANCED, Frame
from medacuity.formats.dicom.header import drop, put
from medacuity.formats.dicom.series import instance_uid
from medacuity.formats.source import SYNTHETIC, Provenance
from medacuity.volume import Volume

IMPLEMENTATION = "2.25." + str(uuid.uuid5(uuid.NAMESPACE_URL, "medacuity").int)
SERIES_OFFSET = 1000
LONG_STRING = 64
SHORT_TEXT = 1024

NO_LONGER_TRUE = (
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries",
    "SmallestImagePixelValueInPlane",
    "LargestImagePixelValueInPlane",
    "PixelPaddingValue",  # interpolation leaves no value that surely means "not scanned"
    "PixelPaddingRangeLimit",
    "PixelAspectRatio",
    "PixelDataProviderURL",
    "IconImageSequence",
    "VOILUTSequence",
    "ImagePosition",
    "ImageOrientation",
    "Location",
    "GroupOrder",
    "InstanceCreatorUID",
    "NumberOfStudyRelatedInstances",
    "NumberOfSeriesRelatedInstances",
    "DigitalSignaturesSequence",
    "MACParametersSequence",
    "ConcatenationUID",
    "SOPInstanceUIDOfConcatenationSource",
    "InConcatenationNumber",
    "InConcatenationTotalNumber",
    "ConcatenationFrameOffsetNumber",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "DataSetTrailingPadding",
)
NOT_OF_SYNTHETIC = (  # they are of the measured image's values
    "WindowCenter",
    "WindowWidth",
    "WindowCenterWidthExplanation",
    "FrameVOILUTSequence",
    "RealWorldValueMappingSequence",
)
OVERLAYS = range(0x6000, 0x6100)
CURVES = range(0x5000, 0x5100)


@dataclass(frozen=True)
class Derivation:
    """How the new series was made, decided once for all its images.

    Args:
        provenance: As given to `write`.
        now: When; stands in dates only, never in a UID.
        key: What the UIDs are made of: the source images, the method and the new grids.
        resampled: Whether the grid changed.
    """

    provenance: Provenance
    now: datetime
    key: str
    resampled: bool = True

    @property
    def synthetic(self) -> bool:
        """Whether the images were made up."""
        return bool(self.provenance.get("synthetic"))

    @property
    def label(self) -> str:
        """A few words for the list of series."""
        label = self.text("label", "derived")
        said = SYNTHETIC in label or not self.synthetic
        return label if said else f"{SYNTHETIC} {label}"

    def text(self, name: str, default: str = "") -> str:
        """Return an entry of the provenance that fits into a DICOM text."""
        value = str(self.provenance.get(name) or default)
        return "".join(c if c.isprintable() and c != "\\" else " " for c in value).strip()

    def uid(self, *parts: object) -> UID:
        """Return a UID that is the same whenever source, method and parts are the same."""
        digest = hashlib.sha256(json.dumps([self.key, *map(str, parts)]).encode()).digest()
        return UID(f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}")


def derivation_of(
    stacks: Sequence[Sequence[Frame]], volumes: Sequence[Volume], provenance: Provenance | None
) -> Derivation:
    """Gather what the new UIDs depend on.

    The same source, method and options give the same UIDs on any machine; another result grid
    gives others, because one UID must never name two images.
    """
    provenance = dict(provenance or {})
    named = {k: provenance.get(k) for k in ("method", "method_sha256", "version", "options")}
    sources = [[instance_uid(frame), frame.index] for stack in stacks for frame in stack]
    grids = [[list(v.shape), [f"{x:.6g}" for x in v.affine.ravel()]] for v in volumes]
    key = json.dumps([sources, named, grids], sort_keys=True, default=str)
    resampled = any(
        volume.shape[2] != len(stack) or volume.shape[:2] != _size(stack[0])
        for stack, volume in zip(stacks, volumes, strict=True)
    )
    return Derivation(provenance, datetime.now().astimezone(), key, resampled)


def _size(frame: Frame) -> tuple[int, int]:
    return (int(frame.header.Columns), int(frame.header.Rows))


def derived(frame: Frame, how: Derivation, *, instance: int, sources: Sequence[Frame]) -> Dataset:
    """Return a new image's header, made from that of the nearest source slice.

    Patient, study and frame of reference stay, as do the acquisition's attributes: they still
    describe the scan. Geometry and pixels are for the caller to set.
    """
    header = Dataset()
    for tag in frame.header.keys():  # noqa: SIM118, a Dataset iterates over elements
        if not (tag.is_private or tag.group in OVERLAYS or tag.group in CURVES):
            header[tag] = frame.header[tag]
    drop(header, *NO_LONGER_TRUE, *(NOT_OF_SYNTHETIC if how.synthetic else ()))
    _identify(header, how, instance)
    _explain(header, how)
    put(header, "SourceImageSequence", references(sources))
    put(header, "ReferencedSeriesSequence", [_series(sources, "ReferencedInstanceSequence")])
    return header


def _identify(header: Dataset, how: Derivation, instance: int) -> None:
    put(header, "SeriesInstanceUID", how.uid("series"))
    put(header, "SOPInstanceUID", how.uid("instance", instance))
    put(header, "SeriesNumber", _series_number(header))
    put(header, "SeriesDescription", description(header, how))
    put(header, "InstanceNumber", instance)
    put(header, "ImageType", image_type(header.get("ImageType"), header))
    for name in ("InstanceCreation", "Content"):  # the series' own time is what SUV decays from
        put(header, f"{name}Date", how.now.strftime("%Y%m%d"))
        put(header, f"{name}Time", how.now.strftime("%H%M%S.%f"))
    header.file_meta = _meta(header)
    header.preamble = b"\0" * 128


def _meta(header: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = header.SOPClassUID
    meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION)
    meta.ImplementationVersionName = "MEDACUITY"
    return meta


def _series_number(header: Dataset) -> int:
    try:
        number = int(header.get("SeriesNumber") or 0)
    except (TypeError, ValueError):
        number = 0
    return number + SERIES_OFFSET if 0 <= number < 2**31 - SERIES_OFFSET else SERIES_OFFSET


def description(header: Dataset, how: Derivation) -> str:
    """Return the name in the list of series: the source's, cut so that ours is readable.

    Example:
        >>> header = Dataset()
        >>> header.SeriesDescription = "t1_mprage_sag_p2_iso_repeated_after_the_patient_moved"
        >>> how = Derivation({"label": "AI-enhanced", "method": "mri-3d-x2"}, datetime.now(), "")
        >>> description(header, how)
        't1_mprage_sag_p2_iso_repeated_after_the_pa AI-enhanced mri-3d-x2'
    """
    ours = f"{how.label} {how.text('method')}".strip()[: LONG_STRING - 8]
    theirs = header.get("SeriesDescription") or ""
    theirs = theirs if isinstance(theirs, str) else " ".join(map(str, theirs))
    return f"{theirs[: LONG_STRING - 1 - len(ours)].strip()} {ours}".strip()


def image_type(value: Any, header: Dataset) -> list[str]:
    """Return DERIVED\\SECONDARY and what else stood there.

    PET and enhanced images know PRIMARY alone as second value (PS3.3, C.8.9.4.1.1 and
    C.8.16.1.2), so there it stays; an enhanced image's fourth value says that it was resampled.

    Example:
        >>> header = Dataset()
        >>> header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        >>> image_type(["ORIGINAL", "PRIMARY", "AXIAL"], header)
        ['DERIVED', 'SECONDARY', 'AXIAL']
    """
    values = [value] if isinstance(value, str) else list(value or ())
    rest = [str(v) for v in values[2:]]
    if str(header.SOPClassUID) in ENHANCED and len(rest) > 1:
        rest[1] = "RESAMPLED"
    second = "SECONDARY" if CLASSIC.get(str(header.SOPClassUID)) in ("MR", "CT") else "PRIMARY"
    return ["DERIVED", second, *rest]


def _explain(header: Dataset, how: Derivation) -> None:
    put(header, "DerivationDescription", derivation_text(how))
    drop(header, "DerivationCodeSequence")
    if how.synthetic:  # PS3.3, C.12.1: made artificially; what is derived from it stays so
        put(header, "SyntheticData", "YES")
    if how.resampled:
        put(header, "DerivationCodeSequence", [RESAMPLING])
    machine = Dataset()
    put(machine, "PurposeOfReferenceCodeSequence", [SYNTHESIS if how.synthetic else PROCESSING])
    put(machine, "Manufacturer", "medacuity")
    put(machine, "ManufacturerModelName", (how.text("method", "medacuity"))[:LONG_STRING])
    version, sha256 = how.text("version"), how.text("method_sha256")
    versions = [f"medacuity {version}".strip()[:LONG_STRING], sha256[:LONG_STRING]]
    put(machine, "SoftwareVersions", [text for text in versions if text])
    put(machine, "ContributionDateTime", how.now.strftime("%Y%m%d%H%M%S.%f%z"))
    put(machine, "ContributionDescription", derivation_text(how)[:SHORT_TEXT])
    before = list(header.get("ContributingEquipmentSequence") or [])
    put(header, "ContributingEquipmentSequence", [*before, machine])


def derivation_text(how: Derivation) -> str:
    """Return one readable sentence for DerivationDescription."""
    what = how.text("description") or how.label
    method = how.text("method")
    return f"{what} ({method})"[:SHORT_TEXT] if method and method not in what else what[:SHORT_TEXT]


def code(value: str, meaning: str) -> Dataset:
    """Return an item of a code sequence, from DICOM's own list of codes."""
    item = Dataset()
    put(item, "CodeValue", value)
    put(item, "CodingSchemeDesignator", "DCM")
    put(item, "CodeMeaning", meaning)
    return item


def _named(frame: Frame) -> Dataset:
    item = Dataset()
    put(item, "ReferencedSOPClassUID", str(frame.header.SOPClassUID))
    put(item, "ReferencedSOPInstanceUID", instance_uid(frame))
    return item


def _reference(frames: Sequence[Frame]) -> Dataset:
    item = _named(frames[0])
    numbers = sorted({frame.index + 1 for frame in frames if frame.index is not None})
    if numbers:
        put(item, "ReferencedFrameNumber", numbers)
    purpose = code("121322", "Source image for image processing operation")
    put(item, "PurposeOfReferenceCodeSequence", [purpose])
    return item


def references(sources: Sequence[Frame]) -> list[Dataset]:
    """Return the items of SourceImageSequence, one per file."""
    return [_reference(frames) for frames in _by_file(sources)]


def _by_file(frames: Sequence[Frame]) -> list[list[Frame]]:
    files: dict[str, list[Frame]] = {}
    for frame in frames:
        files.setdefault(instance_uid(frame), []).append(frame)
    return list(files.values())


def _series(sources: Sequence[Frame], instances: str) -> Dataset:
    """Return an item that names the source series and its files under ``instances``."""
    series = Dataset()
    put(series, "SeriesInstanceUID", str(sources[0].header.get("SeriesInstanceUID") or ""))
    put(series, instances, [_named(frames[0]) for frames in _by_file(sources)])
    return series


def evidence(sources: Sequence[Frame]) -> Dataset:
    """Return the study and series that a multi-frame image was derived from."""
    study = Dataset()
    put(study, "StudyInstanceUID", str(sources[0].header.get("StudyInstanceUID") or ""))
    put(study, "ReferencedSeriesSequence", [_series(sources, "ReferencedSOPSequence")])
    return study


RESAMPLING = code("113085", "Spatial resampling")
PROCESSING = code("109102", "Processing Equipment")
SYNTHESIS = code("109100", "Synthesizing Equipment")
