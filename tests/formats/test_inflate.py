"""A gzip file is read to its end, and only a whole one is read at all.

- Any flipped bit is refused, or (in a note of the gzip header such as the time) changes no voxel.
- Any missing byte is refused, the last one too; so are bytes after the end.
- More than the header announces is never decoded; a bomb is refused before memory is taken.
"""

import gzip
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from nifti_makers import image, plain, spoiled, zipped

from medacuity.errors import LimitExceeded, MalformedInput, StorageError
from medacuity.formats import read


def refused(path, data: bytes, error=MalformedInput) -> str:
    """Write and read ``data``; return the refusal."""
    path.write_bytes(data)
    with pytest.raises(error) as caught:
        read(path)
    assert str(path) in str(caught.value)
    return caught.value.reason


@pytest.fixture(scope="module")
def volumes():
    rng = np.random.default_rng(1)
    noise = rng.integers(-2000, 2000, (24, 24, 24)).astype(np.int16)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, 24)] * 3)
    smooth = (1000 * np.exp(-(x**2 + y**2 + z**2))).astype(np.int16)
    return [noise, smooth]


def test_every_flipped_bit_of_400_is_refused(tmp_path, volumes):
    rng = np.random.default_rng(2)
    for volume in volumes:
        good = zipped(image(volume).to_bytes())
        for _ in range(200):
            data = bytearray(good)
            data[rng.integers(10, len(data))] ^= 1 << rng.integers(8)
            refused(tmp_path / "a.nii.gz", bytes(data))


def test_flips_in_the_gzip_header_are_refused_or_harmless(tmp_path, volumes):
    good = zipped(image(volumes[0]).to_bytes())
    path = tmp_path / "a.nii.gz"
    harmless = set()
    for bit in range(80):
        data = bytearray(good)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        try:
            array = read(path).volumes[0].array
        except MalformedInput:
            continue
        np.testing.assert_array_equal(array, volumes[0])
        harmless.add(bit)
    assert harmless == {24, *range(32, 80)}  # "perhaps text"; time, level, system


def test_every_missing_end_is_refused(tmp_path, volumes):
    rng = np.random.default_rng(3)
    good = zipped(image(volumes[1]).to_bytes())
    for missing in [*range(1, 17), *rng.integers(17, len(good), 60)]:
        refused(tmp_path / "a.nii.gz", good[: len(good) - missing])


@pytest.mark.parametrize("extra", [b"\0", b"\0" * 512, b"garbage", zipped(b"more"), b"\x1f\x8b"])
def test_nothing_may_follow(tmp_path, extra):
    refused(tmp_path / "a.nii.gz", zipped(plain()) + extra)


def test_members_are_one_stream(tmp_path):
    data = plain()
    path = tmp_path / "a.nii.gz"
    blocks = b"".join(zipped(data[i : i + 100]) for i in range(0, len(data), 100))
    path.write_bytes(blocks + zipped(b""))  # as block gzip ends
    one = tmp_path / "b.nii"
    one.write_bytes(data)
    np.testing.assert_array_equal(read(path).volumes[0].array, read(one).volumes[0].array)


def test_a_million_empty_members_are_refused_early(tmp_path):
    assert "more data" in refused(tmp_path / "a.nii.gz", zipped(plain()) + zipped(b"") * 100_000)


def test_more_voxels_than_announced_are_not_decoded(tmp_path):
    data = plain() + bytes(40 * 2**20)
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(data, 1))
    tracemalloc.start()
    with pytest.raises(MalformedInput, match="more data"):
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    tracemalloc.stop()


def test_a_bomb_is_refused_before_memory_is_taken(tmp_path):
    header = spoiled(plain()[:352], dim1=1024, dim2=1024, dim3=1024)
    tracemalloc.start()
    reason = refused(tmp_path / "a.nii.gz", zipped(header + bytes(2**20)), LimitExceeded)
    assert "600 to 1" in reason
    assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_header_over_the_limit_is_refused_before_memory_is_taken(tmp_path, name):
    data = spoiled(plain()[:400], dim1=32767, dim2=32767, dim3=32767)
    reason = refused(tmp_path / name, zipped(data) if name.endswith("gz") else data, LimitExceeded)
    assert "MEDACUITY_LIMIT_GIB" in reason


def test_the_limit_can_be_set(tmp_path, monkeypatch):
    path = tmp_path / "a.nii"
    path.write_bytes(plain((64, 64, 64)))
    read(path)
    monkeypatch.setenv("MEDACUITY_LIMIT_GIB", "0.0001")
    with pytest.raises(LimitExceeded):
        read(path)


def test_names_must_say_whether_it_is_gzip(tmp_path):
    assert "rename" in refused(tmp_path / "a.nii", zipped(plain()))
    assert "not gzip" in refused(tmp_path / "a.nii.gz", plain())


def test_the_source_carries_the_hash_of_the_file(tmp_path):
    import hashlib

    for name, data in {"a.nii": plain(), "b.nii.gz": zipped(plain())}.items():
        (tmp_path / name).write_bytes(data)
        assert read(tmp_path / name).sha256 == hashlib.sha256(data).hexdigest()


def test_stored_blocks_and_an_embedded_name_are_fine(tmp_path):
    data = plain()
    encoder = zlib.compressobj(0, zlib.DEFLATED, -15)
    body = encoder.compress(data) + encoder.flush()
    head = b"\x1f\x8b\x08\x08" + bytes(4) + b"\0\x03PatientName.nii\0"
    tail = struct.pack("<II", zlib.crc32(data), len(data))
    (tmp_path / "a.nii.gz").write_bytes(head + body + tail)
    assert read(tmp_path / "a.nii.gz").volumes[0].shape == (5, 6, 7)
    refused(tmp_path / "a.nii.gz", head + body + tail[:4] + struct.pack("<I", len(data) + 1))


def test_a_folder_named_like_a_file_is_not_read(tmp_path):
    (tmp_path / "missing").mkdir()
    with pytest.raises(StorageError):
        read(tmp_path / "missing.nii")
