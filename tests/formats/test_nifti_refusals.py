"""Damaged or doubtful NIfTI is refused, with the exit code that says why, and never crashes.

- A contradiction, an unknown kind or a wrong length is malformed (3), a size beyond the limit
  is a limit (4), a place that cannot be trusted is unsafe geometry (5).
- What decides nothing (a broken qform under a good sform) is no reason to refuse.
- Whatever is done to the bytes, they are read or refused.
"""

import collections

import nibabel as nib
import numpy as np
import pytest
from nifti_makers import image, plain, spoiled, zipped

from medacuity.errors import MalformedInput, MedacuityError, UnsafeGeometry
from medacuity.formats import read, write

MALFORMED, GEOMETRY = MalformedInput, UnsafeGeometry
BAD = {
    "size": ({"sizeof_hdr": 349}, MALFORMED),
    "magic": ({"magic": b"abc\0"}, MALFORMED),
    "pair": ({"magic": b"ni1\0"}, MALFORMED),
    "no axes": ({"dim0": 0}, MALFORMED),
    "eight axes": ({"dim0": 8}, MALFORMED),
    "negative axes": ({"dim0": -3}, MALFORMED),
    "zero size": ({"dim1": 0}, MALFORMED),
    "negative size": ({"dim2": -5}, MALFORMED),
    "smaller": ({"dim3": 6}, MALFORMED),
    "larger": ({"dim3": 8}, MALFORMED),
    "five axes": ({"dim0": 5, "dim4": 1, "dim5": 2}, MALFORMED),
    "complex": ({"datatype": 32, "bitpix": 64}, MALFORMED),
    "rgb": ({"datatype": 128, "bitpix": 24}, MALFORMED),
    "float128": ({"datatype": 1536, "bitpix": 128}, MALFORMED),
    "no type": ({"datatype": 0}, MALFORMED),
    "bitpix": ({"bitpix": 8}, MALFORMED),
    "offset early": ({"vox_offset": 0.0}, MALFORMED),
    "offset late": ({"vox_offset": 1e9}, MALFORMED),
    "offset half": ({"vox_offset": 352.5}, MALFORMED),
    "offset nan": ({"vox_offset": np.nan}, MALFORMED),
    "offset inf": ({"vox_offset": np.inf}, MALFORMED),
    "offset moved": ({"vox_offset": 368.0}, MALFORMED),
    "slope inf": ({"scl_slope": np.inf}, MALFORMED),
    "inter nan": ({"scl_slope": 1.0, "scl_inter": np.nan}, MALFORMED),
    "units": ({"xyzt_units": 5}, MALFORMED),
    "zero spacing": ({"pixdim1": 0.0}, GEOMETRY),
    "negative spacing": ({"pixdim3": -1.0}, GEOMETRY),
    "nan spacing": ({"pixdim2": np.nan}, GEOMETRY),
    "inf spacing": ({"pixdim2": np.inf}, GEOMETRY),
    "huge spacing": ({"pixdim2": 1e9}, GEOMETRY),
    "sform nan": ({"srow_x0": np.nan}, GEOMETRY),
    "sform inf": ({"srow_x3": np.inf}, GEOMETRY),
    "sform zero": ({"srow_x0": 0.0}, GEOMETRY),
    "sform singular": ({"srow_x0": 0.0, "srow_x1": 1.0, "srow_y0": 0.0}, GEOMETRY),
    "sform huge": ({"srow_x0": 1e9}, GEOMETRY),
    "quaternion": ({"sform_code": 0, "quatern_b": 0.9, "quatern_c": 0.9}, GEOMETRY),
    "quaternion nan": ({"sform_code": 0, "quatern_b": np.nan}, GEOMETRY),
    "qoffset nan": ({"sform_code": 0, "qoffset_x": np.nan}, GEOMETRY),
    "qfac": ({"sform_code": 0, "qfac": 3.0}, GEOMETRY),
    "qfac nan": ({"sform_code": 0, "qfac": np.nan}, GEOMETRY),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_headers_are_refused_with_the_right_code(tmp_path, case):
    fields, error = BAD[case]
    for name, pack in {"a.nii": bytes, "a.nii.gz": zipped}.items():
        (tmp_path / name).write_bytes(pack(spoiled(plain(), **fields)))
        with pytest.raises(error) as caught:
            read(tmp_path / name)
        message = str(caught.value)
        assert str(tmp_path / name) in message
        assert len(message) < 400
        assert "\n" not in message


@pytest.mark.parametrize(
    "fields", [{"qfac": 0.0, "sform_code": 0}, {"quatern_b": 0.9, "quatern_c": 0.9}]
)
def test_doubts_that_decide_nothing_are_no_refusal(tmp_path, fields):
    (tmp_path / "a.nii").write_bytes(spoiled(plain(), **fields))
    source = read(tmp_path / "a.nii")
    np.testing.assert_allclose(source.volumes[0].affine, np.diag([2.0, 3, 4, 1]), atol=1e-6)
    write(tmp_path / "out.nii", source.volumes, like=source)
    out = nib.load(tmp_path / "out.nii")
    np.testing.assert_allclose(out.affine, np.diag([2.0, 3, 4, 1]), atol=1e-6)


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 100, 347, 348, 351, 352, 353, 400, -1])
def test_a_truncated_file_is_refused(tmp_path, cut):
    (tmp_path / "a.nii").write_bytes(plain()[:cut])
    with pytest.raises(MalformedInput):
        read(tmp_path / "a.nii")


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_voxels_that_are_no_numbers_are_counted_and_refused(tmp_path, dtype):
    array = np.ones((4, 4, 4), dtype)
    array[0, 0, :2], array[1, 1, 1] = np.nan, np.inf
    nib.save(image(array), tmp_path / "a.nii.gz")
    with pytest.raises(MalformedInput, match=r"3 are not.*nan_to_num"):
        read(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("count", [300, pytest.param(6000, marks=pytest.mark.slow)])
def test_mutations_are_read_or_refused(tmp_path, count):
    rng = np.random.default_rng(count)
    kinds = [("i2", 1, "<"), ("f4", 1, ">"), ("u1", 2, "<"), ("f8", 2, ">")]
    base = [plain((3, 4, 5), dtype, version=v, order=o) for dtype, v, o in kinds]
    outcomes = collections.Counter()
    for k in range(count):
        data = mutated(bytearray(base[k % 4]), rng)
        path = tmp_path / ("a.nii.gz" if k % 3 else "a.nii")
        path.write_bytes(zipped(data) if k % 3 else data)
        try:
            read(path)
            outcomes["read"] += 1
        except MedacuityError as error:
            outcomes[error.exit_code] += 1
    assert set(outcomes) == {"read", 3, 4, 5}


def mutated(data: bytearray, rng) -> bytes:
    """Flip, insert, delete, cut, or swap what is in the header."""
    kind, at = rng.integers(6), rng.integers(min(len(data), 600))
    if kind == 0:
        data[at] ^= 1 << rng.integers(8)
    elif kind == 1:
        data[at:at] = rng.bytes(rng.integers(1, 9))
    elif kind == 2:
        del data[at : at + rng.integers(1, 9)]
    elif kind == 3:
        del data[rng.integers(len(data)) :]
    elif kind == 4:
        other = rng.integers(340)
        data[at : at + 4], data[other : other + 4] = data[other : other + 4], data[at : at + 4]
    else:
        data[at : at + 4] = rng.bytes(4)
    return bytes(data)
