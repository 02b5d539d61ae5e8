"""One door in, one door out: the name says the kind, the input is never overwritten.

- Kinds are told from the name, or from the first bytes; what is missing or odd is named.
- ``check_output`` refuses before the work whatever ``write`` would refuse after it.
- A sidecar tells method, input hash and output hashes, and replaces nobody else's JSON.
- A failed write leaves what was there, and nothing else.
"""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from nifti_makers import image, plain, zipped
from PIL import Image

from medacuity.errors import LimitExceeded, MalformedInput, SafetyGate, StorageError, UsageError
from medacuity.formats import check_output, read, write

PROVENANCE = {"method": "mri-3d-x2", "method_sha256": "ab" * 32, "residual": 0.001}


@pytest.fixture
def source(tmp_path):
    """A small NIfTI in a folder of its own."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "scan.nii.gz").write_bytes(zipped(plain()))
    return read(tmp_path / "in" / "scan.nii.gz")


def test_the_kind_is_told_from_the_first_bytes(tmp_path, source):
    for name in ("a.nii", "a.nii.gz", "a.nrrd", "a.mha"):
        write(tmp_path / name, source.volumes, like=source)
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "a.tif")
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "a.jpg")
    for path in list(tmp_path.glob("a.*")):
        bare = tmp_path / "bare"
        bare.write_bytes(path.read_bytes())
        assert read(bare).volumes[0].shape == read(path).volumes[0].shape
        upper = path.with_name(path.name.upper())
        upper.write_bytes(path.read_bytes())
        assert read(str(upper)).volumes[0].shape == read(path).volumes[0].shape


def test_what_cannot_be_read_is_named(tmp_path):
    cases = {"missing.nii": StorageError, "text.txt": MalformedInput, "empty": MalformedInput}
    (tmp_path / "text.txt").write_text("not an image")
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe.nii")
    cases["pipe.nii"] = StorageError
    for name, error in cases.items():
        with pytest.raises(error, match=name) as caught:
            read(tmp_path / name)
        assert caught.value.exit_code == (7 if error is StorageError else 3)
    with pytest.raises(MalformedInput, match="NIfTI"):
        read(tmp_path / "text.txt")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".tif"])
def test_every_kind_becomes_every_kind(tmp_path, source, suffix):
    check_output(tmp_path / f"out{suffix}", source)
    write(tmp_path / f"out{suffix}", source.volumes, like=source)
    back = read(tmp_path / f"out{suffix}")
    np.testing.assert_array_equal(back.volumes[0].array, source.volumes[0].array)
    assert back.volumes[0].array.dtype == np.int16
    if suffix != ".tif":
        np.testing.assert_allclose(back.volumes[0].affine, source.volumes[0].affine, atol=1e-5)
    write(tmp_path / "again.nii.gz", back.volumes, like=back)
    again = read(tmp_path / "again.nii.gz").volumes[0]
    np.testing.assert_array_equal(again.array, source.volumes[0].array)
    np.testing.assert_allclose(again.affine, back.volumes[0].affine, atol=1e-5)


def test_one_slice_becomes_a_picture(tmp_path):
    (tmp_path / "a.nii").write_bytes(plain((6, 5, 1)))
    source = read(tmp_path / "a.nii")
    write(tmp_path / "a.png", source.volumes, like=source)
    page = np.asarray(Image.open(tmp_path / "a.png"))
    assert page.dtype == np.uint16
    np.testing.assert_array_equal(page.T, source.volumes[0].array[..., 0])
    negative = source.volumes[0].with_array(source.volumes[0].array - np.int16(500))
    with pytest.raises(UsageError, match=r"-\d+ to .*\*\.tif"):
        write(tmp_path / "b.png", [negative], like=source)


@pytest.mark.parametrize(
    ("name", "words"),
    [("out.png", r"\*\.nii\.gz"), ("out", r"\*\.nii\.gz"), ("out.dcm", r"\*\.nii\.gz"),
     ("out.zip", r"\*\.nii\.gz"), ("out.jpg", r"\*\.png"), ("out.nhdr", r"\*\.nrrd"),
     ("out.mhd", r"\*\.mha"), ("out.hdr", r"\*\.nii"), ("out.xyz", r"\.xyz")],
)  # fmt: skip
def test_what_makes_no_sense_names_the_way_out(tmp_path, source, name, words):
    for attempt in (check_output, lambda p, s: write(p, s.volumes, like=s)):
        with pytest.raises(UsageError, match=words):
            attempt(tmp_path / name, source)
    assert os.listdir(tmp_path) == ["in"]


def test_the_input_is_never_overwritten(tmp_path, source):
    before = source.path.read_bytes()
    (tmp_path / "link.nii.gz").symlink_to(source.path)
    os.link(source.path, tmp_path / "hard.nii.gz")
    roundabout = tmp_path / "in" / ".." / "in" / "scan.nii.gz"
    for path in (source.path, tmp_path / "link.nii.gz", tmp_path / "hard.nii.gz", roundabout):
        for attempt in (check_output, lambda p, s: write(p, s.volumes, like=s)):
            with pytest.raises(StorageError, match="never overwritten") as caught:
                attempt(path, source)
            assert caught.value.exit_code == 7
    assert source.path.read_bytes() == before


def test_a_detached_data_file_is_input_too(tmp_path):
    (tmp_path / "a.mha").write_bytes(np.zeros(8, "u1").tobytes())
    (tmp_path / "a.mhd").write_text(
        "NDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\nElementDataFile = a.mha\n"
    )
    source = read(tmp_path / "a.mhd")
    with pytest.raises(StorageError, match="never overwritten"):
        check_output(tmp_path / "a.mha", source)


def test_check_output_sees_what_is_in_the_way(tmp_path, source):
    (tmp_path / "folder.nii").mkdir()
    for path in (tmp_path / "missing" / "out.nii", tmp_path / "folder.nii"):
        with pytest.raises(StorageError):
            check_output(path, source)
    check_output(tmp_path / "out.nii", source)
    assert sorted(os.listdir(tmp_path)) == ["folder.nii", "in"]


def test_the_sidecar_tells_how_and_from_what(tmp_path, source):
    write(tmp_path / "out.v2.nii.gz", source.volumes, like=source, provenance=PROVENANCE)
    record = json.loads((tmp_path / "out.v2.json").read_text())
    assert record["method"] == "mri-3d-x2"
    assert record["input_sha256"] == hashlib.sha256(source.path.read_bytes()).hexdigest()
    output = (tmp_path / "out.v2.nii.gz").read_bytes()
    assert record["files_sha256"] == {"out.v2.nii.gz": hashlib.sha256(output).hexdigest()}
    write(tmp_path / "out.v2.nii.gz", source.volumes, like=source, provenance=PROVENANCE)
    write(tmp_path / "bare.nii", source.volumes, like=source)
    assert sorted(os.listdir(tmp_path)) == ["bare.nii", "in", "out.v2.json", "out.v2.nii.gz"]


@pytest.mark.parametrize("text", ['{"RepetitionTime": 2}', "not json", "[1]", "[" * 100_000])
def test_the_json_of_others_is_not_replaced(tmp_path, source, text):
    (tmp_path / "out.json").write_text(text)
    for attempt in (
        lambda: check_output(tmp_path / "out.nii", source),
        lambda: write(tmp_path / "out.nii", source.volumes, like=source, provenance=PROVENANCE),
    ):
        with pytest.raises(StorageError, match="sidecar"):
            attempt()
    assert (tmp_path / "out.json").read_text() == text
    assert not (tmp_path / "out.nii").exists()


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_provenance_must_be_json(tmp_path, source, value):
    with pytest.raises(UsageError, match="JSON"):
        write(tmp_path / "out.nii", source.volumes, like=source, provenance={"a": value})
    assert os.listdir(tmp_path) == ["in"]


@pytest.mark.parametrize("name", ["out.nii", "out.nii.gz", "out.nrrd", "out.mha", "out.tif"])
def test_a_failed_write_leaves_what_was_there(tmp_path, source, name, monkeypatch):
    (tmp_path / name).write_bytes(b"old")
    array = np.ones((5, 6, 7), np.float32)
    array[2, 2, 2] = np.nan
    with pytest.raises(SafetyGate):
        write(tmp_path / name, [source.volumes[0].with_array(array)], like=source)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            write(tmp_path / name, source.volumes, like=source)
    assert (tmp_path / name).read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == sorted(["in", name])


def test_frames_share_a_grid(tmp_path, source):
    finer = source.volumes[0].resampled(np.ones((10, 6, 7)))
    for frames in ([source.volumes[0], finer], []):
        with pytest.raises(UsageError):
            write(tmp_path / "out.nii", frames, like=source)


def test_a_limit_that_is_no_number_is_named(source, monkeypatch):
    monkeypatch.setenv("MEDACUITY_LIMIT_GIB", "lots")
    with pytest.raises(UsageError, match="lots"):
        read(source.path)
    monkeypatch.setenv("MEDACUITY_LIMIT_GIB", "1e-9")
    with pytest.raises(LimitExceeded):
        read(source.path)


def test_the_door_is_light():
    code = (
        "import sys, medacuity.formats;"
        "heavy = {'nibabel', 'pydicom', 'torch', 'scipy', 'PIL', 'tifffile', 'nrrd'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_real_scans_come_back_bit_equal(tmp_path):
    data = os.environ.get("MEDACUITY_DATA", "../shared/data")
    folder = os.path.join(data, "travel", "pet", "spm_templates")
    if not os.path.isdir(folder):
        pytest.skip("real scans are not here (MEDACUITY_DATA)")
    import nibabel as nib

    names = sorted(os.listdir(folder))[:4]
    assert names
    for name in names:
        theirs = nib.load(os.path.join(folder, name))
        source = read(os.path.join(folder, name))
        np.testing.assert_allclose(source.volumes[0].affine, theirs.affine)
        write(tmp_path / name, source.volumes, like=source)
        ours = nib.load(tmp_path / name)
        np.testing.assert_array_equal(ours.dataobj.get_unscaled(), theirs.dataobj.get_unscaled())
        np.testing.assert_array_equal(ours.affine, theirs.affine)


def test_time_series_do_not_fit_in_pictures(tmp_path):
    (tmp_path / "a.nii").write_bytes(image(np.zeros((4, 4, 1, 2), "u1")).to_bytes())
    for name in ("a.png", "a.tif"):
        with pytest.raises(UsageError, match=r"\*\.nii\.gz"):
            check_output(tmp_path / name, read(tmp_path / "a.nii"))
