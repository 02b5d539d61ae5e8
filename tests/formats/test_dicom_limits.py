"""What asks for more than an image can need is refused before it gets it: exit code 4."""

import io
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import dicom_makers as make
import pytest
from test_dicom_refusals import refused, stack


def test_archives_are_checked_before_they_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = bytes(2 * 1024**2)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(40):
            archive.writestr(str(n), bytes(128) + b"DICM" + zeros)
    monkeypatch.setenv("MEDACUITY_LIMIT_GIB", "0.05")
    assert refused(tmp_path / "bomb.zip").exit_code == 4
    monkeypatch.delenv("MEDACUITY_LIMIT_GIB")
    with zipfile.ZipFile(tmp_path / "one.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", zeros * 40)
    assert "grow" in refused(tmp_path / "one.zip").reason
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    assert refused(tmp_path / "empty.zip").exit_code == 3


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for n, header in enumerate(stack()):
            data = io.BytesIO()
            header.save_as(data, enforce_file_format=True)
            archive.writestr(str(n), data.getvalue())
    data = bytearray(buffer.getvalue())
    data[300] ^= 0xFF
    (tmp_path / "flip.zip").write_bytes(data)
    assert refused(tmp_path / "flip.zip").exit_code == 3
    (tmp_path / "cut.zip").write_bytes(buffer.getvalue()[:-30])
    assert refused(tmp_path / "cut.zip").exit_code == 3


def test_a_deflated_bomb_costs_nothing(tmp_path: Path) -> None:
    header = stack(1)[0]
    header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    path = make.save(header, tmp_path / "bomb.dcm")
    data = path.read_bytes()
    length = 144 + int.from_bytes(data[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = b"".join(packer.compress(bytes(1024**2)) for _ in range(80)) + packer.flush()
    path.write_bytes(data[:length] + body)
    tracemalloc.start()
    error = refused(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error.exit_code == 4
    assert peak < 16 * 1024**2


def test_a_jpeg_larger_than_its_header_is_not_decoded(tmp_path: Path) -> None:
    from pydicom.encaps import encapsulate

    (header,) = make.slices(make.ramp(1, 64, 64))
    header.compress("1.2.840.10008.1.2.4.90", generate_instance_uid=False)
    small = bytearray(header.PixelData)
    at = small.index(b"\xff\x4f\xff\x51")
    code = small[at : small.index(b"\xff\xd9", at) + 2]
    for size, exit_code in ((20000, 4), (100, 3)):
        code[8:16] = size.to_bytes(4, "big") * 2
        header.PixelData = encapsulate([bytes(code)])
        error = refused(make.save(header, tmp_path / f"{size}"))
        assert f"{size} x {size}" in error.reason
        assert error.exit_code == exit_code


def test_the_limit_is_checked_before_memory_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make.save(stack(), tmp_path / "s")
    monkeypatch.setenv("MEDACUITY_LIMIT_GIB", "1e-7")
    assert refused(folder).exit_code == 4
