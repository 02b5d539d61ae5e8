"""What writing DICOM promises.

The result is a new series of the same study that says how it was made, refers to its source
slices, has UIDs that are a function of source and method alone, and says nothing any more that
no longer holds. Values come back in the unit that went in, never wrapped. The validator finds
no fault that the source had not.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dicom_makers as make
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import UID
from test_dicom_read import OBLIQUE

from medacuity.errors import SafetyGate, StorageError, UsageError
from medacuity.formats.dicom import read, write
from medacuity.formats.source import Source
from medacuity.volume import Volume

PROVENANCE = {
    "method": "mri-3d-x2",
    "method_sha256": "0123456789abcdef" * 4,
    "version": "0.1.0",
    "label": "AI-enhanced",
    "description": "Super-resolution by a network; not for primary diagnosis",
}


def derive(
    tmp_path: Path, headers: Any, scale: Sequence[int] = (1, 1, 1), **provenance: Any
) -> tuple[Source, list[Dataset]]:
    """Write the enlargement of a series; return the source and the new headers."""
    source = read(make.save(headers, tmp_path / "source"))
    volumes = [make.enlarged(volume, scale) for volume in source.volumes]
    write(tmp_path / "out", volumes, like=source, provenance=PROVENANCE | provenance)
    out = tmp_path / "out"
    files = sorted(out.iterdir()) if out.is_dir() else [out]
    return source, [dcmread(file) for file in files]


KINDS = [make.MR, make.CT, make.PT, make.ENHANCED_MR, make.ENHANCED_CT, make.ENHANCED_PT]


def some(kind: str) -> Any:
    """Return a series of four slices of any kind."""
    stored = make.ramp(4, 6, 4)
    return (
        make.multiframe(stored, kind=kind) if kind in KINDS[3:] else make.slices(stored, kind=kind)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_derived_series_says_so(tmp_path: Path, kind: str) -> None:
    source, made = derive(tmp_path, some(kind), (2, 2, 2))
    old = source.header.stacks[0][0].header
    assert len(made) == (1 if kind in KINDS[3:] else 8)
    assert len({header.SOPInstanceUID for header in made}) == len(made)
    assert len({header.SeriesInstanceUID for header in made}) == 1
    for header in made:
        for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "SOPClassUID"):
            assert header[keyword] == old[keyword]
        assert header.SeriesInstanceUID != old.SeriesInstanceUID
        assert header.SOPInstanceUID.startswith("2.25.")
        assert header.SOPInstanceUID.is_valid
        assert header.file_meta.MediaStorageSOPInstanceUID == header.SOPInstanceUID
        assert header.ImageType[0] == "DERIVED"
        assert header.ImageType[1] == ("SECONDARY" if kind in (make.MR, make.CT) else "PRIMARY")
        assert header.SeriesNumber == 1003
        assert header.SeriesDescription == "a series AI-enhanced mri-3d-x2"
        assert "not for primary diagnosis" in header.DerivationDescription
        machine = header.ContributingEquipmentSequence[-1]
        assert machine.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
        assert machine.ManufacturerModelName == "mri-3d-x2"
        assert PROVENANCE["method_sha256"] in machine.SoftwareVersions
        assert header.Manufacturer == "Maker"


def test_slices_refer_to_the_slices_they_were_made_from(tmp_path: Path) -> None:
    headers = make.slices(make.ramp(3, 3, 3))
    uids = [header.SOPInstanceUID for header in headers]
    _, made = derive(tmp_path, headers, (1, 1, 2))
    named = [[item.ReferencedSOPInstanceUID for item in h.SourceImageSequence] for h in made]
    assert named == [uids[:1], uids[:2], uids[:2], uids[1:], uids[1:], uids[2:]]
    series = made[1].ReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == headers[0].SeriesInstanceUID
    instances = [item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence]
    assert instances == uids[:2]
    item = made[0].SourceImageSequence[0]
    assert item.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    assert made[0].DerivationCodeSequence[0].CodeValue == "113085"


def test_slices_enlarged_in_their_plane_refer_to_themselves(tmp_path: Path) -> None:
    headers = make.slices(make.ramp(3, 3, 3), orientation=OBLIQUE)
    _, made = derive(tmp_path, headers, (2, 2, 1))
    named = [[item.ReferencedSOPInstanceUID for item in h.SourceImageSequence] for h in made]
    assert named == [[header.SOPInstanceUID] for header in headers]


def test_frames_refer_to_frames(tmp_path: Path) -> None:
    _, (made,) = derive(tmp_path, make.multiframe(make.ramp(6, 3, 3), times=2), (1, 1, 2))
    assert made.NumberOfFrames == 12
    groups = made.PerFrameFunctionalGroupsSequence
    items = [g.DerivationImageSequence[0].SourceImageSequence[0] for g in groups]
    numbers = [item.ReferencedFrameNumber for item in items]
    assert numbers == [1, [1, 2], [1, 2], [2, 3], [2, 3], 3, 4, [4, 5], [4, 5], [5, 6], [5, 6], 6]
    indices = [list(g.FrameContentSequence[0].DimensionIndexValues) for g in groups]
    assert indices == [[1, k + 1, t + 1] for t in range(2) for k in range(6)]
    shared = made.SharedFunctionalGroupsSequence[0]
    assert shared.MRImageFrameTypeSequence[0].FrameType[0] == "DERIVED"


def test_uids_are_a_function_of_source_method_and_grid(tmp_path: Path) -> None:
    source = read(make.save(make.slices(make.ramp(2, 3, 3)), tmp_path / "source"))

    def uids(name: str, scale: Sequence[int], **provenance: Any) -> set[str]:
        volumes = [make.enlarged(source.volumes[0], scale)]
        write(tmp_path / name, volumes, like=source, provenance=PROVENANCE | provenance)
        made = [dcmread(file) for file in sorted((tmp_path / name).iterdir())]
        return {uid for h in made for uid in (h.SOPInstanceUID, h.SeriesInstanceUID)}

    first = uids("a", (2, 2, 1))
    assert uids("b", (2, 2, 1), description="other words", residual=0.1) == first
    for name, scale, change in (
        ("c", (2, 2, 1), {"method": "another"}),
        ("d", (2, 2, 1), {"method_sha256": "ff"}),
        ("e", (2, 2, 1), {"version": "0.2"}),
        ("f", (2, 2, 1), {"options": {"consistent": True}}),
        ("g", (4, 2, 1), {}),
    ):
        assert not uids(name, scale, **change) & first


def test_geometry_is_recomputed(tmp_path: Path) -> None:
    headers = make.slices(make.ramp(4, 4, 4), spacing=(1.0, 2.0), gap=4.0)
    for header in headers:
        header.SliceThickness, header.SpacingBetweenSlices, header.SliceLocation = 3, 99, 7
    _, made = derive(tmp_path, headers, (2, 4, 4))
    assert (made[0].Rows, made[0].Columns, len(made)) == (16, 8, 16)
    assert list(made[0].PixelSpacing) == [0.25, 1.0]
    assert [h.InstanceNumber for h in made] == list(range(1, 17))
    assert {float(h.SliceThickness) for h in made} == {1.0}
    assert {float(h.SpacingBetweenSlices) for h in made} == {1.0}
    assert list(made[0].ImagePositionPatient) == [-10.5, 19.625, 28.5]
    assert [float(h.SliceLocation) for h in made[:2]] == [28.5, 29.5]


def test_slices_that_stay_keep_their_thickness(tmp_path: Path) -> None:
    headers = make.slices(make.ramp(3, 4, 4), gap=7.0)
    for header in headers:
        header.SliceThickness = 5
    _, made = derive(tmp_path, headers, (2, 2, 1))
    assert {(float(h.SliceThickness), float(h.SpacingBetweenSlices)) for h in made} == {(5.0, 7.0)}


def test_what_no_longer_holds_is_gone(tmp_path: Path) -> None:
    headers = make.slices(make.ramp(2, 4, 4))
    for header in headers:
        header.add_new(0x00091001, "LO", "private")
        header.add_new(0x60003000, "OW", b"\0\0")
        header.SmallestImagePixelValue = 0
        header.PixelPaddingValue = 0
        header.LossyImageCompression = "01"
        header.LossyImageCompressionRatio = 10
        header.BurnedInAnnotation = "YES"
        header.WindowWidth = 0
        header.ContributingEquipmentSequence = make.items({"Manufacturer": "Before"})
        header.DataSetTrailingPadding = b"\0\0"
    _, made = derive(tmp_path, headers, (2, 2, 1))
    for header in made:
        assert not [e for e in header if e.tag.is_private or e.tag.group in (0x6000, 0xFFFC)]
        for keyword in ("SmallestImagePixelValue", "PixelPaddingValue"):
            assert keyword not in header
        assert header.WindowWidth > 1
        assert (header.LossyImageCompression, header.BurnedInAnnotation) == ("01", "YES")
        machines = [item.Manufacturer for item in header.ContributingEquipmentSequence]
        assert machines == ["Before", "medacuity"]


def test_a_long_description_leaves_ours_readable(tmp_path: Path) -> None:
    headers = make.slices(make.ramp(1, 3, 3))
    headers[0].SeriesDescription = "x" * 64
    _, (made, *_) = derive(tmp_path, headers, (1, 1, 1), method="m" * 80 + "\\n")
    assert len(made.SeriesDescription) <= 64
    assert "AI-enhanced mmm" in made.SeriesDescription
    assert made.SeriesDescription.startswith("xxx")


def test_hounsfield_stays_hounsfield(tmp_path: Path) -> None:
    headers = make.slices(make.ramp(2, 8, 8, np.uint16) * 10, kind=make.CT)
    for header in headers:
        header.BitsStored, header.HighBit = 12, 11
    source, made = derive(tmp_path, headers)
    assert {(h.RescaleSlope, h.RescaleIntercept, h.BitsStored) for h in made} == {(1, -1024, 12)}
    assert np.array_equal(read(tmp_path / "out").volumes[0].array, source.volumes[0].array)
    assert [made[0].WindowCenter, made[0].WindowWidth] == [40, 400]


@pytest.mark.parametrize(
    ("low", "high", "bits", "signed", "error"),
    [
        (0, 4095, 12, 0, 0.5),
        (0, 5000, 16, 0, 0.5),
        (-20, 5000, 16, 1, 0.5),
        (0, 65535, 16, 0, 0.5),
        (-20.5, 65000, 16, 0, 0.51),
        (0, 1e6, 16, 1, 16.0),
        (-1e-3, 1e-3, 12, 0, 0.5),
    ],
)
def test_values_never_wrap(
    tmp_path: Path, low: float, high: float, bits: int, signed: int, error: float
) -> None:
    headers = make.slices(make.ramp(2, 4, 4, np.uint16))
    for header in headers:
        header.BitsStored, header.HighBit = 12, 11
    source = read(make.save(headers, tmp_path / "source"))
    array = np.linspace(low, high, 32).reshape(4, 4, 2)
    write(tmp_path / "out", [source.volumes[0].with_array(array)], like=source)
    (back,) = read(tmp_path / "out").volumes
    made = dcmread(tmp_path / "out" / "IM-0001.dcm")
    assert abs(back.array - array).max() <= error
    assert (made.BitsStored, made.PixelRepresentation) == (bits, signed)
    assert made.HighBit == made.BitsStored - 1


def test_pet_keeps_its_numbers(tmp_path: Path) -> None:
    headers = make.slices(make.ramp(3, 8, 8), kind=make.PT)
    for k, header in enumerate(headers):
        header.RescaleSlope = 0.31 * (k + 1)
    source, made = derive(tmp_path, headers, (1, 1, 2))
    array = source.volumes[0].array
    (back,) = read(tmp_path / "out").volumes
    assert back.unit == "Bq/ml"
    assert abs(back.array[:, :, ::2] - array).max() <= array.max() / 65000
    assert len({header.RescaleSlope for header in made}) == 1
    assert {header.RescaleIntercept for header in made} == {0}
    assert [header.ImageIndex for header in made] == [1, 2, 3, 4, 5, 6]
    assert {header.NumberOfSlices for header in made} == {6}
    assert {header.SeriesTime for header in made} == {headers[0].SeriesTime}  # SUV needs it


def test_eight_bits_stay_eight(tmp_path: Path) -> None:
    source, (made, *_) = derive(tmp_path, make.slices(make.ramp(2, 5, 5, np.uint8)))
    assert (made.BitsAllocated, made["PixelData"].VR) == (8, "OB")
    assert np.array_equal(read(tmp_path / "out").volumes[0].array, source.volumes[0].array)


def test_echoes_are_all_written(tmp_path: Path) -> None:
    headers = make.slices(make.ramp(2, 3, 3)) + make.slices(make.ramp(2, 3, 3) + 50, first=3)
    for k, header in enumerate(headers):
        header.EchoNumbers = 1 + k // 2
    source, made = derive(tmp_path, headers, (1, 1, 2))
    assert [h.EchoNumbers for h in made] == [1] * 4 + [2] * 4
    back = read(tmp_path / "out")
    assert [v.shape for v in back.volumes] == [(3, 3, 4)] * 2
    assert np.array_equal(back.volumes[1].array[:, :, ::2], source.volumes[1].array)


def test_one_file_gives_one_file_and_an_archive_an_archive(tmp_path: Path) -> None:
    source = read(make.save(make.slices(make.ramp(1, 3, 3))[0], tmp_path / "x.dcm"))
    write(tmp_path / "one.dcm", [make.enlarged(source.volumes[0], (2, 2, 1))], like=source)
    assert (tmp_path / "one.dcm").is_file()
    write(tmp_path / "many", [make.enlarged(source.volumes[0], (1, 1, 2))], like=source)
    assert len(list((tmp_path / "many").iterdir())) == 2
    write(tmp_path / "a.zip", [make.enlarged(source.volumes[0], (1, 1, 2))], like=source)
    (zipped,), (folder,) = read(tmp_path / "a.zip").volumes, read(tmp_path / "many").volumes
    assert np.array_equal(zipped.array, folder.array)
    assert np.array_equal(zipped.affine, folder.affine)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    source = read(make.save(make.slices(make.ramp(2, 3, 3)), tmp_path / "source"))
    (volume,) = source.volumes
    bad = volume.array.astype(float)
    bad[1, 1, 1] = np.nan
    with pytest.raises(SafetyGate):
        write(tmp_path / "out", [volume.with_array(bad)], like=source)
    with pytest.raises(UsageError):
        write(tmp_path / "out", [volume, volume], like=source)
    with pytest.raises(UsageError):
        write(tmp_path / "out", [Volume(volume.array, volume.affine, "HU")], like=source)
    with pytest.raises(StorageError):
        write(tmp_path / "source", [volume], like=source)
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


def test_an_implicit_big_source_becomes_explicit_little(tmp_path: Path) -> None:
    header = make.slices(make.ramp(1, 3, 3))[0]
    header.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2")
    _, (made,) = derive(tmp_path, header)
    assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
