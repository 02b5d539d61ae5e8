"""NRRD and MetaImage agree with ITK, both ways: voxels, place, byte order, compression.

- What SimpleITK writes is read at the same place (its LPS is our RAS), and the reverse.
- Damaged, cut or unsupported files are refused; a data file lies beside its header or nowhere.
- Keys that could name a patient are not copied.
"""

import gzip

import nibabel as nib
import nrrd
import numpy as np
import pytest
from nifti_makers import image

from medacuity.errors import (
    LimitExceeded,
    MalformedInput,
    MedacuityError,
    StorageError,
    UnsafeGeometry,
    UsageError,
)
from medacuity.formats import read, write

ROTATION, _ = np.linalg.qr(np.array([[1, 0.2, 0.1], [-0.1, 1, 0.3], [0.2, -0.2, 1.0]]))
SUFFIXES = [".nrrd", ".nhdr", ".mha", ".mhd"]
DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


@pytest.fixture(scope="module")
def sitk():
    return pytest.importorskip("SimpleITK")


def itk_image(sitk, array):
    result = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    result.SetSpacing((1.5, 2.0, 3.25)[: array.ndim])
    result.SetOrigin((10.0, -20.0, 30.5)[: array.ndim])
    if array.ndim == 3:
        result.SetDirection(ROTATION.ravel().tolist())
    return result


def ras(result) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.array(result.GetDirection()).reshape(3, 3) * result.GetSpacing()
    affine[:3, 3] = result.GetOrigin()
    return np.diag([-1, -1, 1, 1]) @ affine


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_itk_and_we_mean_the_same(tmp_path, sitk, suffix, dtype):
    array = np.random.default_rng(0).integers(0, 100, (7, 6, 5)).astype(dtype)
    theirs = itk_image(sitk, array)
    for compressed in (False, True):
        path = tmp_path / f"a{int(compressed)}{suffix}"
        sitk.WriteImage(theirs, str(path), useCompression=compressed)
        source = read(path)
        assert source.volumes[0].array.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(source.volumes[0].array, array)
        np.testing.assert_allclose(source.volumes[0].affine, ras(theirs), atol=1e-9)
        finer = source.volumes[0].resampled(np.repeat(array, 2, axis=1))
        out = (
            tmp_path / f"out{int(compressed)}{suffix.replace('nhdr', 'nrrd').replace('mhd', 'mha')}"
        )
        write(out, [finer], like=source)
        back = sitk.ReadImage(str(out))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(back).T, finer.array)
        np.testing.assert_allclose(ras(back), finer.affine, atol=1e-9)
        assert sitk.GetArrayFromImage(back).dtype == np.dtype(dtype)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_slices_frames_and_widening(tmp_path, sitk, suffix):
    flat = np.arange(30, dtype=np.uint8).reshape(6, 5)
    sitk.WriteImage(itk_image(sitk, flat), str(tmp_path / f"flat{suffix}"))
    source = read(tmp_path / f"flat{suffix}")
    np.testing.assert_array_equal(source.volumes[0].array[:, :, 0], flat)
    np.testing.assert_allclose(source.volumes[0].affine[:2, 3], [-10, 20])
    write(tmp_path / f"out{suffix}", [source.volumes[0].with_array(flat[..., None] * 20.4)],
          like=source)  # fmt: skip
    np.testing.assert_array_equal(read(tmp_path / f"out{suffix}").volumes[0].array[..., 0],
                                  np.rint(flat * 20.4))  # fmt: skip
    frames = np.random.default_rng(0).integers(0, 99, (4, 5, 6, 3)).astype("i2")
    nib.save(image(frames), tmp_path / "f.nii")
    like = read(tmp_path / "f.nii")
    write(tmp_path / f"four{suffix}", like.volumes, like=like)
    four = read(tmp_path / f"four{suffix}")
    np.testing.assert_array_equal(four.volumes[2].array, frames[..., 2])
    np.testing.assert_allclose(four.volumes[0].affine, like.volumes[0].affine)
    write(tmp_path / f"again{suffix}", four.volumes, like=four)
    assert len(read(tmp_path / f"again{suffix}").volumes) == 3


@pytest.mark.parametrize(("space", "flip"), [("RAS", (1, 1)), ("LPS", (-1, -1)),
                                             ("left-anterior-superior", (-1, 1))])  # fmt: skip
def test_nrrd_spaces(tmp_path, space, flip):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    header = {"space": space, "space directions": np.diag([1.0, 2, 3]), "kinds": ["domain"] * 3,
              "space origin": [5.0, 6, 7], "patient": "CANARY", "content": "CANARY"}  # fmt: skip
    nrrd.write(str(tmp_path / "a.nrrd"), array, header)
    source = read(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(source.volumes[0].array, array)
    np.testing.assert_allclose(source.volumes[0].affine[:3, 3], [5 * flip[0], 6 * flip[1], 7])
    write(tmp_path / "b.nrrd", source.volumes, like=source)
    voxels, fields = nrrd.read(str(tmp_path / "b.nrrd"))
    np.testing.assert_array_equal(voxels, array)
    assert fields["space"] == space
    np.testing.assert_allclose(fields["space directions"], header["space directions"])
    np.testing.assert_allclose(fields["space origin"], header["space origin"])
    assert b"CANARY" not in (tmp_path / "b.nrrd").read_bytes()


def test_nrrd_frames_first(tmp_path):
    array = np.arange(48, dtype=np.int16).reshape(2, 4, 3, 2)
    directions = np.vstack([[np.nan] * 3, np.diag([1.0, 2, 3])])
    nrrd.write(str(tmp_path / "a.nrrd"), array, {
        "space": "RAS", "space directions": directions, "space origin": [0.0, 0, 0],
        "kinds": ["list", "domain", "domain", "domain"]})  # fmt: skip
    source = read(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(source.volumes[1].array, array[1])


MHA = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
    "CompressedData = False\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\n"
    "ElementSpacing = 1 2 3\nDimSize = 2 3 4\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
)
NRRD = (
    "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 2 3 4\n"
    "space directions: (1,0,0) (0,2,0) (0,0,3)\nkinds: domain domain domain\n"
    "endian: little\nencoding: raw\nspace origin: (0,0,0)\n\n"
)
DATA = np.arange(24, dtype="<i2").tobytes()
BAD_MHA = [
    ("NDims = 3", "NDims = 5", MalformedInput), ("NDims = 3", "NDims = x", MalformedInput),
    ("DimSize = 2 3 4", "DimSize = 2 0 4", MalformedInput),
    ("DimSize = 2 3 4", "DimSize = 2 3", MalformedInput),
    ("DimSize = 2 3 4", "DimSize = 2 3 5", MalformedInput),
    ("DimSize = 2 3 4", "DimSize = 20000 30000 40000", LimitExceeded),
    ("MET_SHORT", "MET_SHORT_ARRAY", MalformedInput), ("MET_SHORT", "MET_FLOAT", MalformedInput),
    ("ElementSpacing = 1 2 3", "ElementSpacing = 1 0 3", UnsafeGeometry),
    ("ElementSpacing = 1 2 3", "ElementSpacing = 1 -2 3", UnsafeGeometry),
    ("ElementSpacing = 1 2 3", "ElementSpacing = 1 nan 3", UnsafeGeometry),
    ("ElementSpacing = 1 2 3", "ElementSpacing = 1 1e9 3", UnsafeGeometry),
    ("Offset = 0 0 0", "Offset = 0 inf 0", UnsafeGeometry),
    ("1 0 0 0 1 0 0 0 1", "1 0 0 1 0 0 0 0 1", UnsafeGeometry),
    ("1 0 0 0 1 0 0 0 1", "1 0 0 0 1 0 0 0", MalformedInput),
    ("CompressedData = False", "CompressedData = True", MalformedInput),
    ("CompressedData = False", "CompressedData = maybe", MalformedInput),
    ("LOCAL", "../a.raw", MalformedInput), ("LOCAL", "/etc/passwd", MalformedInput),
    ("LOCAL", "LIST", MalformedInput), ("LOCAL", "a%03d.raw 1 4 1", MalformedInput),
    ("ElementDataFile = LOCAL\n", "", MalformedInput),
]  # fmt: skip
BAD_NRRD = [
    ("NRRD0004", "NRRD0009", MalformedInput), ("type: short", "type: block", MalformedInput),
    ("dimension: 3", "dimension: 4", MalformedInput), ("2 3 4", "2 3 -4", MalformedInput),
    ("2 3 4", "2 3 5", MalformedInput), ("2 3 4", "20000 30000 40000", LimitExceeded),
    ("left-posterior-superior", "scanner-xyz", MalformedInput),
    ("(0,2,0)", "(0,0,0)", UnsafeGeometry), ("(0,2,0)", "(2,0,0)", UnsafeGeometry),
    ("(0,2,0)", "(0,2e9,0)", UnsafeGeometry), ("(0,2,0)", "none", MalformedInput),
    ("(0,2,0)", "(0,2)", MalformedInput),
    ("(0,0,0)", "(0,nan,0)", UnsafeGeometry), ("endian: little\n", "", MalformedInput),
    ("encoding: raw", "encoding: gzip", MalformedInput),
    ("encoding: raw", "encoding: ascii", MalformedInput),
    ("encoding: raw", "encoding: raw\nbyte skip: 4", MalformedInput),
    ("encoding: raw", "encoding: raw\ndata file: ../a.raw", MalformedInput),
    ("encoding: raw", "encoding: raw\ndata file: LIST", MalformedInput),
    ("encoding: raw", "encoding: raw\nencoding: gzip", MalformedInput),
    ("encoding: raw", "encoding: raw\nspace units: \"m\" \"m\" \"m\"", MalformedInput),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "text", "old", "new", "error"),
    [("mha", MHA, *bad) for bad in BAD_MHA] + [("nrrd", NRRD, *bad) for bad in BAD_NRRD],
)
def test_bad_headers_are_refused(tmp_path, kind, text, old, new, error):
    path = tmp_path / f"a.{kind}"
    path.write_bytes(text.encode() + DATA)
    assert read(path).volumes[0].shape == (2, 3, 4)
    assert old in text
    path.write_bytes(text.replace(old, new).encode() + DATA)
    (tmp_path.parent / "a.raw").write_bytes(DATA)
    with pytest.raises(error) as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(("kind", "text"), [("mha", MHA), ("nrrd", NRRD)])
def test_big_endian(tmp_path, kind, text):
    big = text.replace("MSB = False", "MSB = True").replace("endian: little", "endian: big")
    (tmp_path / f"a.{kind}").write_bytes(big.encode() + np.arange(24, dtype=">i2").tobytes())
    array = read(tmp_path / f"a.{kind}").volumes[0].array
    np.testing.assert_array_equal(array.ravel(order="F"), np.arange(24))
    assert array.dtype.isnative


def test_a_data_file_that_is_missing_is_named(tmp_path):
    for name, text in (("a.mhd", MHA.replace("LOCAL", "a.raw")),
                       ("a.nhdr", NRRD.replace("raw", "raw\ndata file: a.raw"))):  # fmt: skip
        (tmp_path / name).write_text(text)
        with pytest.raises(StorageError, match=r"a\.raw"):
            read(tmp_path / name)
    (tmp_path / "a.raw").write_bytes(DATA)
    sums = {read(tmp_path / name).sha256 for name in ("a.mhd", "a.nhdr")}
    assert len(sums) == 2
    source = read(tmp_path / "a.mhd")
    with pytest.raises(UsageError, match=r"\*\.mha"):
        write(tmp_path / "out.mhd", source.volumes, like=source)


def test_nrrd_gzip_is_read_to_its_end(tmp_path):
    good = NRRD.replace("raw", "gzip").encode() + gzip.compress(DATA)
    path = tmp_path / "a.nrrd"
    path.write_bytes(good)
    assert read(path).volumes[0].array[1, 2, 3] == 23
    for bad in (good[:-1], good[:-8], good + b"\0", good[:-5] + bytes([good[-5] ^ 1]) + good[-4:]):
        path.write_bytes(bad)
        with pytest.raises(MalformedInput):
            read(path)


def test_mutations_are_read_or_refused(tmp_path):
    rng, codes = np.random.default_rng(4), set()
    for k in range(200):
        kind, text = [("mha", MHA), ("nrrd", NRRD)][k % 2]
        data = bytearray(text.encode() + DATA)
        at = rng.integers(len(text))
        if k % 3 == 0:
            data[at] ^= 1 << rng.integers(8)
        elif k % 3 == 1:
            del data[at : at + rng.integers(1, 30)]
        else:
            data[at:at] = rng.bytes(rng.integers(1, 5))
        (tmp_path / f"a.{kind}").write_bytes(data)
        try:
            read(tmp_path / f"a.{kind}")
        except MedacuityError as error:
            codes.add(error.exit_code)
    assert codes <= {3, 4, 5, 7}
