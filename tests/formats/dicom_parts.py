"""What every DICOM image of the tests says: patient, study, series, equipment, pixels."""

from typing import Any

from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

MR = "1.2.840.10008.5.1.4.1.1.4"
CT = "1.2.840.10008.5.1.4.1.1.2"
PT = "1.2.840.10008.5.1.4.1.1.128"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
ENHANCED_PT = "1.2.840.10008.5.1.4.1.1.130"
ROOT = "1.2.826.0.1.3680043.8.498.1"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def items(*values: dict[str, Any]) -> list[Dataset]:
    """Return the items of a sequence."""
    return [filled(Dataset(), value) for value in values]


def filled(header: Dataset, values: dict[str, Any]) -> Dataset:
    """Set attributes by keyword; None removes one."""
    for keyword, value in values.items():
        if value is None:
            if keyword in header:
                del header[keyword]
        else:
            setattr(header, keyword, value)
    return header


def code(value: str, scheme: str, meaning: str) -> list[Dataset]:
    return items({"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning})


def common(kind: str, modality: str, number: int) -> Dataset:
    """Return what every image says: patient, study, series, equipment, grey pixels."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return filled(
        header,
        {
            "SOPClassUID": kind,
            "SOPInstanceUID": f"{ROOT}.3.{number}",
            "StudyDate": "20200101",
            "SeriesDate": "20200101",
            "AcquisitionDate": "20200101",
            "ContentDate": "20200101",
            "StudyTime": "120000",
            "SeriesTime": "120100",
            "AcquisitionTime": "120101",
            "ContentTime": "120102",
            "AccessionNumber": "",
            "Modality": modality,
            "Manufacturer": "Maker",
            "ManufacturerModelName": "Scanner",
            "DeviceSerialNumber": "1",
            "SoftwareVersions": "1",
            "ReferringPhysicianName": "",
            "SeriesDescription": "a series",
            "PatientName": "Doe^Jane",
            "PatientID": "P1",
            "PatientBirthDate": "19700101",
            "PatientSex": "F",
            "StudyInstanceUID": f"{ROOT}.1",
            "SeriesInstanceUID": f"{ROOT}.2",
            "FrameOfReferenceUID": f"{ROOT}.4",
            "PositionReferenceIndicator": "",
            "PatientPosition": "HFS",
            "StudyID": "1",
            "SeriesNumber": 3,
            "InstanceNumber": number,
            "AcquisitionNumber": 1,
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
        },
    )


def set_pixels(header: Dataset, stored: NDArray[Any]) -> None:
    """Set ``(rows, columns)`` or ``(frames, rows, columns)`` stored values."""
    bits = stored.dtype.itemsize * 8
    rows, columns = stored.shape[-2:]
    filled(
        header,
        {
            "Rows": rows,
            "Columns": columns,
            "BitsAllocated": bits,
            "BitsStored": bits,
            "HighBit": bits - 1,
            "PixelRepresentation": int(stored.dtype.kind == "i"),
        },
    )
    header.PixelData = stored.tobytes() + b"\0" * (stored.nbytes % 2)
    header["PixelData"].VR = "OW" if bits > 8 else "OB"
