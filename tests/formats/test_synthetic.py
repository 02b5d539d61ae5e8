"""What is made up says so in every kind of file, and so does all that is made from it.

- NIfTI, DICOM, NRRD, MHA, PNG and TIFF are marked in their headers, and known again when read;
  what was measured is not marked.
- A mark survives any number of steps, from kind to kind, with and without a sidecar.
- DICOM says it in the words of the standard: SyntheticData YES, and equipment that synthesizes;
  windows and maps of the measured image's values do not stay.
- Values in another unit than the input's are written as floats, or refused where a header would
  claim the old unit.
"""

import json
import shutil
from pathlib import Path

import dicom_makers as make
import nibabel as nib
import nrrd
import numpy as np
import pydicom
import pytest
from PIL import Image
from test_dicom_validator import faults
from test_dicom_write import KINDS as SCANNERS
from test_dicom_write import some

from medacuity import formats
from medacuity.errors import UsageError
from medacuity.formats import Source, output_in
from medacuity.volume import Volume

MADE = {
    "method": "pix2pix-t1-t2", "method_sha256": "0123456789abcdef", "version": "0.1",
    "synthetic": True, "label": "SYNTHETIC T2", "description": "SYNTHETIC T2, made of T1.",
}  # fmt: skip
ENHANCED = {"method": "sinc", "version": "0.1", "label": "AI-enhanced", "description": "Larger."}
KINDS = ("a.nii.gz", "a.nii", "a.nrrd", "a.mha", "a.tif", "a.png")


@pytest.fixture
def source(tmp_path) -> Source:
    array = np.arange(48, dtype=np.uint8).reshape(8, 6, 1)
    return Source(tmp_path / "in", (Volume(array, np.diag([2.0, 3, 4, 1])),), None, "")


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_marked_and_known_again(source, tmp_path, name):
    for made, marked in ((MADE, True), (ENHANCED, False), (None, False)):
        formats.write(tmp_path / name, source.volumes, like=source, provenance=made)
        found = formats.read(tmp_path / name)
        assert found.synthetic is marked
        np.testing.assert_array_equal(found.volumes[0].array, source.volumes[0].array)
        assert (b"SYNTHETIC" in (tmp_path / name).read_bytes()) is (
            marked and not name.endswith(".gz")
        )


@pytest.mark.parametrize("made", [ENHANCED, None])
def test_what_is_made_from_it_stays_marked(source, tmp_path, made):
    before = tmp_path / "0.nii.gz"
    formats.write(before, source.volumes, like=source, provenance=MADE)
    for n, name in enumerate(KINDS, start=1):
        found = formats.read(before)
        after = tmp_path / f"{n}{name[1:]}"
        formats.write(after, found.volumes, like=found, provenance=made)
        assert formats.read(after).synthetic
        if made:
            assert json.loads((tmp_path / f"{n}.json").read_text())["synthetic"] is True
        before = after


def test_others_read_the_mark(source, tmp_path):
    for name in KINDS:
        formats.write(tmp_path / name, source.volumes, like=source, provenance=MADE)
    words = "SYNTHETIC medacuity 0.1 pix2pix-t1-t2 01234567"
    for name in ("a.nii.gz", "a.nii"):
        assert nib.load(tmp_path / name).header["descrip"].item().decode() == words
    assert nrrd.read_header(str(tmp_path / "a.nrrd"))["content"] == words
    assert f"Comment = {words}\n".encode() in (tmp_path / "a.mha").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.text == {"SYNTHETIC": words}
    with Image.open(tmp_path / "a.tif") as picture:
        assert picture.tag_v2[305] == words


def test_simpleitk_reads_marked_files(source, tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    for name in ("a.nii.gz", "a.nrrd", "a.mha"):
        formats.write(tmp_path / name, source.volumes, like=source, provenance=MADE)
        image = sitk.ReadImage(str(tmp_path / name))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T, source.volumes[0].array)


def series(tmp_path: Path, **values: str) -> Source:
    headers = make.slices(make.ramp(3, 6, 5))
    for header in headers:
        header.WindowCenter, header.WindowWidth = 40, 80
        header.SeriesDescription = "t1_mprage_sag_p2_iso_repeated_after_the_patient_moved"
        for name, value in values.items():
            setattr(header, name, value)
    return formats.read(make.save(headers, tmp_path / "source"))


def test_dicom_says_it_in_the_words_of_the_standard(tmp_path):
    source = series(tmp_path)
    formats.write(tmp_path / "out", source.volumes, like=source, provenance=MADE)
    for path in (tmp_path / "out").iterdir():
        header = pydicom.dcmread(path)
        assert header.SyntheticData == "YES"
        purpose = header.ContributingEquipmentSequence[-1].PurposeOfReferenceCodeSequence[0]
        assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("109100", "DCM")
        assert purpose.CodeMeaning == "Synthesizing Equipment"
        assert header.SeriesDescription.endswith("SYNTHETIC T2 pix2pix-t1-t2")
        assert len(header.SeriesDescription) <= 64
        assert header.DerivationDescription.startswith("SYNTHETIC T2")
        assert header.ImageType[:2] == ["DERIVED", "SECONDARY"]
        assert "WindowCenter" not in header
        assert "DerivationCodeSequence" not in header
    assert formats.read(tmp_path / "out").synthetic


def test_dicom_derived_from_synthetic_stays_synthetic(tmp_path):
    source = series(tmp_path, SyntheticData="YES")
    assert source.synthetic
    formats.write(tmp_path / "out", source.volumes, like=source, provenance=ENHANCED)
    header = pydicom.dcmread(next((tmp_path / "out").iterdir()))
    assert header.SyntheticData == "YES"
    assert header.SeriesDescription.endswith("SYNTHETIC AI-enhanced sinc")
    formats.write(tmp_path / "a.nii.gz", source.volumes, like=source)
    assert formats.read(tmp_path / "a.nii.gz").synthetic


def test_measured_dicom_is_processed_and_keeps_its_window(tmp_path):
    source = series(tmp_path)
    assert not source.synthetic
    formats.write(tmp_path / "out", source.volumes, like=source, provenance=ENHANCED)
    header = pydicom.dcmread(next((tmp_path / "out").iterdir()))
    assert "SyntheticData" not in header
    purpose = header.ContributingEquipmentSequence[-1].PurposeOfReferenceCodeSequence[0]
    assert purpose.CodeValue == "109102"
    assert header.WindowCenter == 40


def test_multiframe_dicom_is_marked_in_all_its_frames(tmp_path):
    source = formats.read(make.save(make.multiframe(make.ramp(3, 6, 5)), tmp_path / "source"))
    formats.write(tmp_path / "out", source.volumes, like=source, provenance=MADE)
    path = tmp_path / "out"
    header = pydicom.dcmread(next(path.iterdir()) if path.is_dir() else path)
    assert header.SyntheticData == "YES"
    groups = [*header.PerFrameFunctionalGroupsSequence, *header.SharedFunctionalGroupsSequence]
    assert not any("FrameVOILUTSequence" in group for group in groups)
    assert formats.read(path).synthetic


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
@pytest.mark.parametrize("kind", ["a.nii.gz", "a.nrrd", "a.mha", "a.png", "dicom"])
def test_values_in_another_unit_are_not_rounded_to_the_inputs_steps(tmp_path, source, name, kind):
    if kind == "dicom":
        given = series(tmp_path)
    else:
        formats.write(tmp_path / f"in{kind}", source.volumes, like=source)
        given = formats.read(tmp_path / f"in{kind}")
    volume = given.volumes[0]
    array = np.linspace(0, 7.3, volume.array.size, dtype=np.float32).reshape(volume.shape)
    made = Volume(array, volume.affine, "SUV")
    formats.check_output(tmp_path / name, given, unit="SUV")
    formats.write(tmp_path / name, [made], like=given, provenance=MADE)
    found = formats.read(tmp_path / name)
    np.testing.assert_array_equal(found.volumes[0].array, array)
    np.testing.assert_allclose(found.volumes[0].affine, volume.affine, atol=1e-6)


def test_headers_that_would_claim_another_unit_are_refused(tmp_path, source):
    given = series(tmp_path)
    made = Volume(given.volumes[0].array, given.volumes[0].affine, "SUV")
    formats.write(tmp_path / "in.png", source.volumes, like=source)
    picture = formats.read(tmp_path / "in.png")
    for path, like in ((tmp_path / "out", given), (tmp_path / "out.png", picture)):
        with pytest.raises(UsageError, match=r"in SUV and the input in a\.u\."):
            formats.check_output(path, like, unit="SUV")
        with pytest.raises(UsageError, match="cannot tell"):
            formats.write(path, [made], like=like)
        assert not path.exists()


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("t1.nii.gz", "t1_SYNTHETIC-t2.nii.gz"), ("a.b.NII", "a.b_SYNTHETIC-t2.nii"),
        ("x.jpeg", "x_SYNTHETIC-t2.png"), ("x.mhd", "x_SYNTHETIC-t2.mha"),
        ("series", "series_SYNTHETIC-t2"), ("1.dcm", "1_SYNTHETIC-t2.dcm"),
        ("x.zip", "x_SYNTHETIC-t2.zip"), ("x.hdr", "x_SYNTHETIC-t2.nii"),
    ],
)  # fmt: skip
def test_a_result_is_named_after_its_input(tmp_path, name, result):
    source = Source(tmp_path / name, (), None, "")
    assert output_in(tmp_path / "out", source, "SYNTHETIC-t2") == tmp_path / "out" / result


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dicom3tools is not installed")
@pytest.mark.parametrize("kind", SCANNERS)
def test_the_validator_finds_nothing_but_what_it_is_too_old_for(tmp_path, kind):
    source = formats.read(make.save(some(kind), tmp_path / "source"))
    formats.write(tmp_path / "out", source.volumes, like=source, provenance=MADE)
    places = (tmp_path / "source", tmp_path / "out")
    before, after = (sorted(p.iterdir())[0] if p.is_dir() else p for p in places)
    new = faults(after) - faults(before)
    assert all("(0008,001c)" in fault for fault in new)  # SyntheticData came after it
