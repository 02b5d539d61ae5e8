"""What reading DICOM promises.

Values are those that pydicom gives; places are those that SimpleITK and dcm2niix give; the
order and names of the files do not matter, nor does folder, archive or multi-frame file.
Slices at one place that an echo or a time tells apart become volumes of their own.
"""

import io
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import dicom_makers as make
import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_rescale

from medacuity.formats.dicom import read
from medacuity.volume import Volume

OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)
DATA = Path(os.environ.get("MEDACUITY_DATA", Path(__file__).parents[2] / "../shared/data"))
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def test_every_voxel_lies_where_its_slice_says(tmp_path: Path) -> None:
    headers = make.slices(make.ramp(5, 6, 4), orientation=OBLIQUE, spacing=(0.5, 0.7))
    order = [3, 0, 4, 1, 2]
    (volume,) = read(make.save([headers[n] for n in order], tmp_path / "s")).volumes
    assert volume.shape == (4, 6, 5)
    row, column = np.reshape(OBLIQUE, (2, 3))
    for k, header in enumerate(headers):
        origin = np.array(header.ImagePositionPatient, float)
        for i, j in ((0, 0), (3, 0), (0, 5), (3, 5)):
            lps = origin + i * 0.7 * row + j * 0.5 * column
            assert volume.affine @ [i, j, k, 1] == pytest.approx(LPS @ [*lps, 1], abs=1e-9)
            assert volume.array[i, j, k] == header.pixel_array[j, i]


def test_a_tilted_gantry_shears_the_stack(tmp_path: Path) -> None:
    places = [(0.0, 0.3 * k, 2.0 * k) for k in range(4)]
    path = make.save(make.slices(make.ramp(4, 3, 3), positions=places), tmp_path / "s")
    (volume,) = read(path).volumes
    assert volume.affine[:3, 2] == pytest.approx([0, -0.3, 2])


def test_simpleitk_sees_the_same_patient(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    path = make.save(make.slices(make.ramp(5, 6, 4), orientation=OBLIQUE), tmp_path / "s")
    (volume,) = read(path).volumes
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
    image = reader.Execute()
    assert np.array_equal(sitk.GetArrayFromImage(image).T, volume.array)
    for index in ((0, 0, 0), (3, 5, 4)):
        lps = image.TransformIndexToPhysicalPoint(index)
        assert volume.affine @ [*index, 1] == pytest.approx(LPS @ [*lps, 1], abs=1e-5)


def converted(path: Path, like: Volume, folder: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what dcm2niix makes of a series, its axes turned back as DICOM has them."""
    if not shutil.which("dcm2niix"):
        pytest.skip("dcm2niix is not installed")
    folder.mkdir()
    subprocess.run(["dcm2niix", "-f", "x", "-o", folder, path], check=True, capture_output=True)
    image = nibabel.load(next(folder.glob("*.nii")))
    array, affine = np.asarray(image.dataobj), np.array(image.affine)
    for axis in range(3):
        if np.dot(affine[:3, axis], like.affine[:3, axis]) < 0:
            affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
            affine[:3, axis] *= -1
            array = np.flip(array, axis)
    return array, affine


@pytest.mark.parametrize("orientation", [make.AXIAL, OBLIQUE, (0, 1, 0, 0, 0, -1)])
def test_dcm2niix_sees_the_same_patient(tmp_path: Path, orientation: tuple[float, ...]) -> None:
    path = make.save(make.slices(make.ramp(5, 6, 4), orientation=orientation), tmp_path / "s")
    (volume,) = read(path).volumes
    array, affine = converted(path, volume, tmp_path / "out")
    assert np.array_equal(array, volume.array)
    assert volume.affine == pytest.approx(affine, abs=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_padded.dcm",
        "examples_overlay.dcm",
    ],
)
def test_values_are_those_of_pydicom(name: str) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("pydicom does not ship it")
    header = dcmread(path)
    plain = dcmread(get_testdata_file("MR_small.dcm")) if "MR_small" in name else header
    expected = apply_rescale(plain.pixel_array, header)
    (volume,) = read(path).volumes
    assert np.array_equal(volume.array[:, :, 0].T, expected)
    assert volume.unit == ("HU" if header.Modality == "CT" else "a.u.")
    assert volume.array.dtype.kind in "iu"


def test_unused_bits_are_no_part_of_the_image(tmp_path: Path) -> None:
    stored = np.array([[[0x0FFF, 0xF800], [0x1001, 0x8000]]], np.uint16)
    header = make.slices(stored)[0]
    header.BitsStored, header.HighBit, header.PixelRepresentation = 12, 11, 1
    (volume,) = read(make.save(header, tmp_path / "x.dcm")).volumes
    assert volume.array[:, :, 0].T.tolist() == [[-1, -2048], [1, 0]]
    header.HighBit, header.PixelRepresentation = 15, 0
    (volume,) = read(make.save(header, tmp_path / "y.dcm")).volumes
    assert volume.array[:, :, 0].T.tolist() == [[0x0FF, 0xF80], [0x100, 0x800]]


def test_each_slice_has_its_own_slope(tmp_path: Path) -> None:
    headers = make.slices(make.ramp(3, 4, 4), kind=make.PT)
    for k, header in enumerate(headers):
        header.RescaleSlope = 0.5 + k
    (volume,) = read(make.save(headers, tmp_path / "s")).volumes
    assert (volume.unit, volume.array.dtype) == ("Bq/ml", np.float32)
    for k, header in enumerate(headers):
        np.testing.assert_allclose(volume.array[:, :, k].T, header.pixel_array * (0.5 + k))


@pytest.mark.parametrize(
    ("units", "unit"), [("BQML", "Bq/ml"), ("GML", "SUV"), ("CNTS", "counts"), ("X", "a.u.")]
)
def test_pet_says_its_unit(tmp_path: Path, units: str, unit: str) -> None:
    headers = make.slices(make.ramp(2, 4, 4), kind=make.PT)
    for header in headers:
        header.Units = units
    assert read(make.save(headers, tmp_path / "s")).volumes[0].unit == unit


def test_large_hounsfield_numbers_do_not_wrap(tmp_path: Path) -> None:
    stored = np.array([[[0, 65535], [1024, 1]]], np.uint16)
    (volume,) = read(make.save(make.slices(stored, kind=make.CT)[0], tmp_path / "x")).volumes
    assert volume.array[:, :, 0].T.tolist() == [[-1024, 64511], [0, -1023]]
    assert volume.array.dtype == np.int32


def test_echoes_become_volumes(tmp_path: Path) -> None:
    headers = []
    for echo, time in ((2, 80.0), (1, 20.0)):
        made = make.slices(make.ramp(4, 3, 3) + 100 * echo, first=10 * echo)
        for header in made:
            header.EchoNumbers, header.EchoTime = echo, time
        headers += made
    volumes = read(make.save(headers, tmp_path / "s")).volumes
    assert [int(v.array[0, 0, 0]) for v in volumes] == [100, 200]
    assert np.array_equal(volumes[0].affine, volumes[1].affine)


def test_a_number_that_differs_in_every_slice_divides_nothing(tmp_path: Path) -> None:
    headers = []
    for time in (0, 1):
        made = make.slices(make.ramp(4, 3, 3) + 100 * time, first=1 + 4 * time)
        for k, header in enumerate(made):
            header.AcquisitionNumber = 4 * time + k
            header.TemporalPositionIdentifier = time + 1
        headers += made
    assert len(read(make.save(headers, tmp_path / "s")).volumes) == 2


@pytest.mark.parametrize("kind", [make.ENHANCED_MR, make.ENHANCED_CT, make.ENHANCED_PT])
def test_a_multi_frame_file_is_a_series(tmp_path: Path, kind: str) -> None:
    stored = make.ramp(8, 6, 4)
    image = make.multiframe(stored, kind=kind, orientation=OBLIQUE, times=2)
    classic = make.slices(stored[:4], orientation=OBLIQUE)
    source = read(make.save(image, tmp_path / "e.dcm"))
    (expected,) = read(make.save(classic, tmp_path / "s")).volumes
    assert len(source.volumes) == 2
    assert np.array_equal(source.volumes[1].array, stored[4:].T)
    assert np.array_equal(source.volumes[0].array, expected.array)
    assert source.volumes[0].affine == pytest.approx(expected.affine, abs=1e-6)


def test_multi_frame_slopes_may_differ_by_frame(tmp_path: Path) -> None:
    image = make.multiframe(make.ramp(2, 3, 3), slopes=[1.5, 2.5])
    (volume,) = read(make.save(image, tmp_path / "e.dcm")).volumes
    assert volume.array[1, 0, 1] == pytest.approx(2.5 * 10)


def test_an_archive_is_a_folder(tmp_path: Path) -> None:
    folder = make.save(make.slices(make.ramp(4, 3, 3)), tmp_path / "s")
    (folder / "README.txt").write_text("not an image")
    (folder / "deeper").mkdir()
    (folder / "001").rename(folder / "deeper" / "001")
    with zipfile.ZipFile(tmp_path / "s.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.rglob("*"):
            archive.write(path, f"../../{path.name}")  # a name that wants out is only a name
    one, two = read(folder), read(tmp_path / "s.zip")
    assert np.array_equal(one.volumes[0].array, two.volumes[0].array)
    assert np.array_equal(one.volumes[0].affine, two.volumes[0].affine)
    assert one.sha256 == two.sha256
    assert sorted(p.name for p in tmp_path.parent.glob("00*")) == []


def test_one_file_of_a_series_is_one_slice(tmp_path: Path) -> None:
    folder = make.save(make.slices(make.ramp(4, 3, 3), gap=2.5), tmp_path / "s")
    (volume,) = read(folder / "002").volumes
    assert volume.shape == (3, 3, 1)
    assert volume.spacing == pytest.approx((0.7, 0.5, 2.5))


def test_positions_win_over_the_spacing_tag(tmp_path: Path) -> None:
    headers = make.slices(make.ramp(4, 3, 3), gap=3.0)
    for header in headers:
        header.SpacingBetweenSlices = 99
        header.SliceThickness = 1
    assert read(make.save(headers, tmp_path / "s")).volumes[0].spacing[2] == pytest.approx(3.0)


def test_rounded_positions_are_even(tmp_path: Path) -> None:
    places = [(0.0, 0.0, round(k * 0.977, 1)) for k in range(30)]
    path = make.save(make.slices(make.ramp(30, 2, 2), positions=places), tmp_path / "s")
    assert read(path).volumes[0].spacing[2] == pytest.approx(0.977, abs=0.005)


def test_jpeg_lossless_decodes(tmp_path: Path) -> None:
    gdcm = pytest.importorskip("gdcm")
    stored = make.ramp(1, 16, 16, np.uint16) * 13
    path = make.save(make.slices(stored)[0], tmp_path / "raw.dcm")
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(tmp_path / "lossless.dcm"))
    assert writer.Write()
    assert "Lossless" in dcmread(tmp_path / "lossless.dcm").file_meta.TransferSyntaxUID.name
    (volume,) = read(tmp_path / "lossless.dcm").volumes
    assert np.array_equal(volume.array[:, :, 0].T, stored[0])


def test_a_compressed_multi_frame_file_decodes(tmp_path: Path) -> None:
    stored = make.ramp(4, 16, 16, np.uint16)
    image = make.multiframe(stored)
    image.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)  # RLE
    (volume,) = read(make.save(image, tmp_path / "e.dcm")).volumes
    assert np.array_equal(volume.array, stored.T)


def test_a_deflated_file_reads(tmp_path: Path) -> None:
    header = make.slices(make.ramp(1, 5, 5))[0]
    header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    (volume,) = read(make.save(header, tmp_path / "x.dcm")).volumes
    assert np.array_equal(volume.array[:, :, 0].T, header.pixel_array)


def test_the_hash_is_that_of_the_files_in_the_order_of_the_slices(tmp_path: Path) -> None:
    import hashlib

    folder = make.save(make.slices(make.ramp(3, 3, 3))[::-1], tmp_path / "s")
    data = b"".join(p.read_bytes() for p in sorted(folder.iterdir(), reverse=True))
    assert read(folder).sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("name", "shape", "unit"),
    [
        ("bulk/mri/dicom_ge1.5T_PD", (256, 256, 20), "a.u."),
        ("bulk/pet/dicom_fdg_trunk", (128, 128, 40), "Bq/ml"),
    ],
)
def test_real_series(name: str, shape: tuple[int, ...], unit: str, tmp_path: Path) -> None:
    if not (DATA / name).is_dir():
        pytest.skip("the real scans are not here")
    (volume,) = read(DATA / name).volumes
    assert (volume.shape, volume.unit) == (shape, unit)
    array, affine = converted(DATA / name, volume, tmp_path / "out")
    first, step = volume.affine[:, [0, 1, 3]], volume.affine[:, 2]
    assert first == pytest.approx(affine[:, [0, 1, 3]], abs=1e-3)
    assert step == pytest.approx(affine[:, 2], abs=0.1)  # it extrapolates the first, rounded gap
    np.testing.assert_allclose(volume.array, array, rtol=1e-5)


def test_nothing_is_written_while_reading(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    make.slices(make.ramp(1, 4, 4))[0].save_as(buffer, enforce_file_format=True)
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr("a", buffer.getvalue())
    read(tmp_path / "s.zip")
    assert [p.name for p in tmp_path.iterdir()] == ["s.zip"]
