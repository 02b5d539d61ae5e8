"""What DICOM reading refuses, and how.

Each refusal is one line that names the file and the way out, with the exit code of its kind:
3 malformed, 4 over a limit, 5 unsafe geometry or identity, 7 storage. Nothing of the patient
stands in it. No bytes, whichever, give anything but a volume or such a refusal.
"""

import os
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import dicom_makers as make
import numpy as np
import pytest
from pydicom import Dataset
from pydicom.data import get_testdata_file

from medacuity.errors import (
    LimitExceeded,
    MalformedInput,
    MedacuityError,
    StorageError,
    UnsafeGeometry,
)
from medacuity.formats.dicom import read, write

CANARY = "Canary"


def stack(count: int = 4, **values: Any) -> list[Dataset]:
    headers = make.slices(make.ramp(count, 3, 3), **values)
    for header in headers:
        for keyword in ("PatientName", "PatientID", "SeriesDescription", "InstitutionName"):
            setattr(header, keyword, f"{CANARY}^{keyword}")
    return headers


def refused(path: Path) -> MedacuityError:
    """Return the refusal, once its form is what every refusal promises."""
    with pytest.raises(MedacuityError) as caught:
        read(path)
    text = str(caught.value)
    assert CANARY not in text
    assert "\n" not in text
    assert len(text) <= 400 + len(str(path))
    assert str(path) in text
    assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, OSError)
    return caught.value


def change(number: int, **values: Any) -> Callable[[list[Dataset]], None]:
    """Return a change of one slice, or of all (-1)."""

    def apply(headers: list[Dataset]) -> None:
        for header in headers if number < 0 else [headers[number]]:
            make.filled(header, values)

    return apply


def without(*numbers: int) -> Callable[[list[Dataset]], None]:
    def apply(headers: list[Dataset]) -> None:
        for number in numbers:
            headers.pop(number)

    return apply


def move(number: int, *mm: float) -> Callable[[list[Dataset]], None]:
    def apply(headers: list[Dataset]) -> None:
        place = np.array(headers[number].ImagePositionPatient, float) + mm
        headers[number].ImagePositionPatient = list(place)

    return apply


def twice(headers: list[Dataset]) -> None:
    copy = make.slices(make.ramp(1, 3, 3), first=50)[0]
    make.filled(copy, {k: headers[1][k].value for k in ("PatientName", "PatientID")})
    copy.ImagePositionPatient = headers[1].ImagePositionPatient
    headers.append(copy)


def bare(keyword: str, value: bytes) -> Callable[[list[Dataset]], None]:
    """Return a change that puts bytes where pydicom would not."""

    def apply(headers: list[Dataset]) -> None:
        from pydicom.datadict import dictionary_VR, tag_for_keyword
        from pydicom.dataelem import RawDataElement
        from pydicom.tag import Tag

        tag = Tag(tag_for_keyword(keyword))
        raw = RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, False, True)
        headers[1]._dict[tag] = raw

    return apply


IOP, IPP = "ImageOrientationPatient", "ImagePositionPatient"
CASES: dict[str, tuple[Callable[[list[Dataset]], None], int, str]] = {
    "a slice is missing": (without(1), 5, "evenly spaced"),
    "two slices are missing": (without(1, 1), 5, "evenly spaced"),
    "a slice is there twice": (twice, 5, "same place"),
    "a slice is off by a fifth": (move(2, 0, 0, 0.6), 5, "evenly spaced"),
    "a slice slides aside": (move(1, 2.0, 0, 0), 5, "one line"),
    "slices a million km apart": (move(3, 0, 0, 1e12), 5, "evenly spaced"),
    "another patient": (change(1, PatientID="other"), 5, "2 patients"),
    "another name": (change(1, PatientName="other"), 5, "2 patients"),
    "another study": (change(1, StudyInstanceUID="1.2"), 5, "2 studies"),
    "another series": (change(1, SeriesInstanceUID="1.2"), 5, "2 series"),
    "another frame of reference": (change(1, FrameOfReferenceUID="1.2"), 5, "frames of ref"),
    "another kind": (change(1, SOPClassUID=make.CT), 5, "kinds of image"),
    "another size": (change(1, Rows=2), 5, "image sizes"),
    "another pixel size": (change(1, PixelSpacing=[1, 1]), 5, "one pixel size"),
    "another orientation": (change(1, **{IOP: [0, 1, 0, 0, 0, 1]}), 5, "parallel"),
    "a localizer": (change(1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), 5, "localizer"),
    "the same image twice": (lambda h: h.append(h[0]), 5, "there twice"),
    "no position": (change(1, **{IPP: None}), 5, IPP),
    "no orientation": (change(1, **{IOP: None}), 5, IOP),
    "no pixel spacing": (change(1, PixelSpacing=None), 5, "PixelSpacing"),
    "no spacing": (change(-1, PixelSpacing=[0, 0]), 5, "PixelSpacing"),
    "negative spacing": (change(-1, PixelSpacing=[-1, 1]), 5, "PixelSpacing"),
    "vast spacing": (change(-1, PixelSpacing=[1e9, 1e9]), 5, "PixelSpacing"),
    "negative thickness": (change(-1, SliceThickness=-3), 5, "SliceThickness"),
    "one cosine too few": (change(1, **{IOP: [1, 0, 0, 0, 1]}), 5, IOP),
    "parallel rows and columns": (change(-1, **{IOP: [1, 0, 0, 1, 0, 0]}), 5, "perpendicular"),
    "no unit vectors": (change(-1, **{IOP: [0] * 6}), 5, "perpendicular"),
    "position not a number": (bare(IPP, b"nan\\0\\0"), 5, IPP),
    "position infinite": (bare(IPP, b"1e999\\0\\0 "), 5, IPP),
    "position a name": (bare(IPP, b"Canary\\0\\0"), 5, IPP),
    "slope not a number": (bare("RescaleSlope", b"nan "), 5, "RescaleSlope"),
    "slope of zero": (change(1, RescaleSlope=0, RescaleIntercept=0), 3, "RescaleSlope"),
    "no pixels": (change(1, PixelData=None), 3, "no pixels"),
    "pixels cut short": (change(1, PixelData=b"\0\0"), 3, "cut short"),
    "no rows": (change(-1, Rows=0), 3, "0 rows"),
    "colours": (change(-1, SamplesPerPixel=3, PhotometricInterpretation="RGB"), 3, "grey"),
    "a palette": (change(-1, PhotometricInterpretation="PALETTE COLOR"), 3, "grey"),
    "twelve bits allocated": (change(-1, BitsAllocated=12), 3, "BitsAllocated"),
    "more bits than room": (change(-1, BitsStored=17, HighBit=16), 3, "BitsStored"),
    "an odd sign": (change(-1, PixelRepresentation=2), 3, "PixelRepresentation"),
    "frames in a classic image": (change(-1, NumberOfFrames=4), 3, "1 frame"),
    "a mosaic": (change(-1, ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]), 3, "mosaic"),
    "a report": (change(-1, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11"), 3, "Basic Text SR"),
    "a segmentation": (change(-1, SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4"), 3, "Segmentation"),
    "an unknown kind": (change(-1, SOPClassUID="1.2.3"), 3, "unknown kind"),
    "a vast image": (change(-1, Rows=65535, Columns=65535), 4, "65535 x 65535"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_refused(tmp_path: Path, case: str) -> None:
    spoil, code, words = CASES[case]
    headers = stack(6)
    spoil(headers)
    folder = make.save(headers, tmp_path / "s")
    error = refused(folder)
    assert error.exit_code == code
    assert words in error.reason


def test_a_lone_slice_must_be_thick(tmp_path: Path) -> None:
    (header,) = stack(1)
    del header.SliceThickness
    assert refused(make.save(header, tmp_path / "x")).exit_code == 5


def test_frames_must_be_described(tmp_path: Path) -> None:
    image = make.multiframe(make.ramp(4, 3, 3))
    image.PerFrameFunctionalGroupsSequence.pop()
    assert refused(make.save(image, tmp_path / "e")).exit_code == 3
    image.NumberOfFrames = 2**31 - 1
    assert refused(make.save(image, tmp_path / "f")).exit_code == 3


def test_an_unclear_fourth_dimension_is_refused(tmp_path: Path) -> None:
    headers = stack(3) + stack(3, first=10)
    assert "echo" in refused(make.save(headers, tmp_path / "s")).reason


def test_what_is_no_dicom_is_refused(tmp_path: Path) -> None:
    for name, data in (("empty", b""), ("short", b"x"), ("text", b"no image " * 100)):
        (tmp_path / name).write_bytes(data)
        assert refused(tmp_path / name).exit_code == 3
    assert "3 files" in refused(tmp_path).reason
    (tmp_path / "folder").mkdir()
    assert refused(tmp_path / "folder").exit_code == 3
    (tmp_path / "stub").write_bytes(bytes(128) + b"DICM")
    assert refused(tmp_path / "stub").exit_code == 3


def test_a_missing_path_is_a_storage_error(tmp_path: Path) -> None:
    assert refused(tmp_path / "nothing").exit_code == 7
    (tmp_path / "pipe").touch()
    os.remove(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe")
    assert isinstance(refused(tmp_path / "pipe"), StorageError)


def test_cut_and_damaged_compressed_pixels_are_refused(tmp_path: Path) -> None:
    path = get_testdata_file("MR_small_jpeg_ls_lossless.dcm", download=False)
    if path is None:
        pytest.skip("pydicom does not ship it")
    data = Path(path).read_bytes()
    for keep in (len(data) - 700, len(data) // 2):
        (tmp_path / "x").write_bytes(data[:keep])
        assert refused(tmp_path / "x").exit_code == 3


def test_every_truncation_is_refused_or_whole(tmp_path: Path) -> None:
    path = make.save(stack(1)[0], tmp_path / "x")
    data = path.read_bytes()
    for keep in range(0, len(data), 29):
        path.write_bytes(data[:keep])
        assert refused(path).exit_code in (3, 5)


def mutated(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at, kind = rng.randrange(132, len(changed)), rng.random()
        if kind < 0.5:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind < 0.7:
            changed[at : at + 4] = rng.choice((b"\xff" * 4, bytes(4), b"\xfe\xff\x00\xe0"))
        elif kind < 0.8:
            changed[at:at] = rng.randbytes(rng.choice((1, 2, 4)))
        elif kind < 0.9:
            del changed[at : at + rng.choice((1, 2, 16))]
        else:
            del changed[max(200, at) :]
    return bytes(changed)


def check_mutations(folder: Path, seed: int, count: int, sources: list[Path]) -> None:
    """No mutation may give anything but a volume that comes back once written, or a refusal."""
    rng = random.Random(seed)
    came_back = 0
    for _ in range(count):
        (folder / "x").write_bytes(mutated(rng.choice(sources).read_bytes(), rng))
        source = None
        with suppress(MalformedInput, LimitExceeded, UnsafeGeometry):
            source = read(folder / "x")
        if source:
            write(folder / "out.zip", source.volumes, like=source)
            for a, b in zip(read(folder / "out.zip").volumes, source.volumes, strict=True):
                np.testing.assert_array_equal(a.array, b.array)
            came_back += 1
    assert 0 < came_back < count


def test_mutations_are_refused_or_read(tmp_path: Path) -> None:
    sources = [
        make.save(stack(1)[0], tmp_path / "classic"),
        make.save(make.multiframe(make.ramp(4, 3, 3)), tmp_path / "enhanced"),
    ]
    check_mutations(tmp_path, 1, 60, sources)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_many_mutations_are_refused_or_read(tmp_path: Path, seed: int) -> None:
    names = ("RLE", "jp2klossless", "jpeg_ls_lossless", "bigendian", "implicit")
    found = [get_testdata_file(f"MR_small_{name}.dcm", download=False) for name in names]
    sources = [Path(path) for path in found if path]
    sources.append(make.save(make.multiframe(make.ramp(4, 3, 3)), tmp_path / "enhanced"))
    check_mutations(tmp_path, seed, 500, sources)


def test_nothing_is_left_behind_and_nothing_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = get_testdata_file("MR_small_RLE.dcm", download=False)
    if path is None:
        pytest.skip("pydicom does not ship it")
    shutil.copy(path, tmp_path / "x")
    data = bytearray(Path(path).read_bytes())
    data[-2000:-1000] = bytes(range(250)) * 4
    (tmp_path / "x").write_bytes(data)
    refused(tmp_path / "x")
    assert capfd.readouterr() == ("", "")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
