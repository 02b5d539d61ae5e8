"""DICOM series for the tests, built by hand from their geometry and their values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from dicom_parts import (
    AXIAL,
    CT,
    ENHANCED_CT,
    ENHANCED_MR,
    ENHANCED_PT,
    MR,
    PT,
    ROOT,
    code,
    common,
    filled,
    items,
    set_pixels,
)
from numpy.typing import NDArray
from pydicom import Dataset

from medacuity.volume import Volume

__all__ = [
    "AXIAL", "CT", "ENHANCED_CT", "ENHANCED_MR", "ENHANCED_PT", "MR", "PT", "code", "enlarged",
    "filled", "items", "multiframe", "ramp", "save", "slices",
]  # fmt: skip

CLASSIC: dict[str, dict[str, Any]] = {
    MR: {
        "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
        "ScanningSequence": "SE",
        "SequenceVariant": "NONE",
        "ScanOptions": "",
        "MRAcquisitionType": "2D",
        "RepetitionTime": 500,
        "EchoTime": 10,
        "EchoTrainLength": 1,
        "BodyPartExamined": "BRAIN",
        "WindowCenter": 500,
        "WindowWidth": 1000,
    },
    CT: {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "KVP": 120,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "RescaleType": "HU",
        "BodyPartExamined": "CHEST",
        "WindowCenter": 40,
        "WindowWidth": 400,
    },
    PT: {
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "Units": "BQML",
        "CountsSource": "EMISSION",
        "SeriesType": ["STATIC", "IMAGE"],
        "NumberOfSlices": 4,
        "CorrectedImage": ["DECY", "ATTN"],
        "DecayCorrection": "START",
        "CollimatorType": "NONE",
        "ActualFrameDuration": 60000,
        "FrameReferenceTime": 0,
        "DecayFactor": 1,
        "RescaleIntercept": 0,
        "RescaleSlope": 2.5,
        "BodyPartExamined": "CHEST",
    },
}
MODALITY = {MR: "MR", CT: "CT", PT: "PT", ENHANCED_MR: "MR", ENHANCED_CT: "CT", ENHANCED_PT: "PT"}


def slices(
    stored: NDArray[Any],
    *,
    kind: str = MR,
    spacing: tuple[float, float] = (0.5, 0.7),
    orientation: Sequence[float] = AXIAL,
    positions: Sequence[Sequence[float]] | None = None,
    gap: float = 3.0,
    first: int = 1,
) -> list[Dataset]:
    """Return one classic image per slice of ``(slices, rows, columns)`` stored values.

    ``spacing`` is DICOM's: between rows, then between columns.
    """
    row, column = np.reshape(orientation, (2, 3))
    normal = np.cross(row, column)
    if positions is None:
        positions = [np.array([-10.0, 20.0, 30.0]) + k * gap * normal for k in range(len(stored))]
    made = []
    for k, (pixels, position) in enumerate(zip(stored, positions, strict=True)):
        header = filled(common(kind, MODALITY[kind], first + k), CLASSIC[kind])
        set_pixels(header, pixels)
        header.PixelSpacing = list(spacing)
        header.SliceThickness = gap
        header.ImageOrientationPatient = [f"{c:.14f}"[:16] for c in orientation]
        header.ImagePositionPatient = [f"{mm:.12f}"[:16] for mm in position]
        if kind == PT:
            header.ImageIndex = first + k
            header.PatientOrientationCodeSequence = code("F-10450", "SRT", "recumbent")
            header.PatientGantryRelationshipCodeSequence = code("F-10470", "SRT", "headfirst")
            del header.PatientPosition
            header.RadiopharmaceuticalInformationSequence = items({"Radiopharmaceutical": "FDG"})
            header.RadiopharmaceuticalInformationSequence[0].RadionuclideCodeSequence = code(
                "C-111A1", "SRT", "^18^Fluorine"
            )
        made.append(header)
    return made


FRAME_TYPE = {
    ENHANCED_MR: "MRImageFrameTypeSequence",
    ENHANCED_CT: "CTImageFrameTypeSequence",
    ENHANCED_PT: "PETFrameTypeSequence",
}


def multiframe(
    stored: NDArray[Any],
    *,
    kind: str = ENHANCED_MR,
    spacing: tuple[float, float] = (0.5, 0.7),
    orientation: Sequence[float] = AXIAL,
    gap: float = 3.0,
    times: int = 1,
    slopes: Sequence[float] | None = None,
) -> Dataset:
    """Return one enhanced image of ``(times * slices, rows, columns)`` stored values."""
    header = common(kind, MODALITY[kind], 1)
    set_pixels(header, stored)
    image_type = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    filled(
        header,
        {
            "ImageType": image_type,
            "NumberOfFrames": len(stored),
            "PixelPresentation": "MONOCHROME",
            "VolumetricProperties": "VOLUME",
            "VolumeBasedCalculationTechnique": "NONE",
            "ContentQualification": "RESEARCH",
            "BurnedInAnnotation": "NO",
            "LossyImageCompression": "00",
            "PresentationLUTShape": "IDENTITY",
            "AcquisitionDateTime": "20200101120101",
            "AcquisitionDuration": 1.0,
            "InstanceNumber": 1,
            "DimensionOrganizationSequence": items({"DimensionOrganizationUID": f"{ROOT}.9"}),
            "AcquisitionContextSequence": [],
        },
    )
    if kind == ENHANCED_MR:
        filled(
            header,
            {
                "ComplexImageComponent": "MAGNITUDE",
                "AcquisitionContrast": "T1",
                "MagneticFieldStrength": 1.5,
                "ResonantNucleus": "1H",
                "KSpaceFiltering": "NONE",
                "ApplicableSafetyStandardAgency": "IEC",
            },
        )
    header.DimensionIndexSequence = [
        *_dimension(0x00209056, 0x00209111),
        *_dimension(0x00209057, 0x00209111),
        *_dimension(0x00209128, 0x00209111),
    ]
    shared = Dataset()
    shared.PlaneOrientationSequence = items({"ImageOrientationPatient": list(orientation)})
    shared.PixelMeasuresSequence = items(
        {"PixelSpacing": list(spacing), "SliceThickness": gap, "SpacingBetweenSlices": gap}
    )
    shared.FrameAnatomySequence = items({"FrameLaterality": "U"})
    shared.FrameAnatomySequence[0].AnatomicRegionSequence = code("T-A0100", "SRT", "Brain")
    frame_type = {"FrameType": image_type, "PixelPresentation": "MONOCHROME"}
    frame_type |= {"VolumetricProperties": "VOLUME", "VolumeBasedCalculationTechnique": "NONE"}
    if kind == ENHANCED_MR:
        frame_type |= {"ComplexImageComponent": "MAGNITUDE", "AcquisitionContrast": "T1"}
    setattr(shared, FRAME_TYPE[kind], items(frame_type))
    header.SharedFunctionalGroupsSequence = [shared]
    header.PerFrameFunctionalGroupsSequence = [
        _frame(n, len(stored) // times, orientation, gap, (slopes or [1.0] * len(stored))[n], kind)
        for n in range(len(stored))
    ]
    return header


def _dimension(pointer: int, group: int) -> list[Dataset]:
    return items(
        {
            "DimensionIndexPointer": pointer,
            "FunctionalGroupPointer": group,
            "DimensionOrganizationUID": f"{ROOT}.9",
        }
    )


def _frame(
    n: int, count: int, orientation: Sequence[float], gap: float, slope: float, kind: str
) -> Dataset:
    time, k = divmod(n, count)
    row, column = np.reshape(orientation, (2, 3))
    position = np.array([-10.0, 20.0, 30.0]) + k * gap * np.cross(row, column)
    group = Dataset()
    group.PlanePositionSequence = items(
        {"ImagePositionPatient": [f"{mm:.12f}"[:16] for mm in position]}
    )
    group.FrameContentSequence = items(
        {
            "StackID": "1",
            "InStackPositionNumber": k + 1,
            "TemporalPositionIndex": time + 1,
            "DimensionIndexValues": [1, k + 1, time + 1],
            "FrameAcquisitionNumber": 1,
            "FrameReferenceDateTime": "20200101120101",
            "FrameAcquisitionDateTime": "20200101120101",
            "FrameAcquisitionDuration": 1.0,
        }
    )
    group.PixelValueTransformationSequence = items(
        {
            "RescaleSlope": slope,
            "RescaleIntercept": 0,
            "RescaleType": "HU" if kind == ENHANCED_CT else "US",
        }
    )
    group.FrameVOILUTSequence = items({"WindowCenter": 500, "WindowWidth": 1000})
    return group


def save(headers: Sequence[Dataset] | Dataset, folder: Path) -> Path:
    """Write images as files of a new folder, or one image as a file; return its path."""
    if isinstance(headers, Dataset):
        headers.save_as(folder, enforce_file_format=True)
        return folder
    folder.mkdir(parents=True)
    for number, header in enumerate(headers):
        header.save_as(folder / f"{number:03d}", enforce_file_format=True)
    return folder


def ramp(count: int, rows: int, columns: int, dtype: Any = np.int16) -> NDArray[Any]:
    """Return stored values that are all different, so that no two axes can be confused."""
    return np.arange(count * rows * columns).reshape(count, rows, columns).astype(dtype)


def enlarged(volume: Volume, scale: Sequence[int]) -> Volume:
    """Return each voxel repeated, in the same field of view."""
    array = volume.array
    for axis, times in enumerate(scale):
        array = array.repeat(times, axis)
    return volume.resampled(array)
