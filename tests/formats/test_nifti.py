"""NIfTI in agrees with nibabel, and NIfTI out says what came in: geometry, codes, dtype, slope.

- Voxels and affine are nibabel's, for every dtype, byte order, version, scaling and code.
- The same volumes written back are bit-equal in every integer dtype; values that changed are
  rounded to stored steps, and the dtype is widened where their range needs it.
- No text of the source reaches the result.
"""

import itertools
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from nifti_makers import DTYPES, image, plain, spoiled

from medacuity.errors import SafetyGate
from medacuity.formats import Source, read, write
from medacuity.volume import Volume

OBLIQUE = np.array(
    [[-1.5, 0.2, 0.1, 90], [0.2, 1.9, -0.3, -120], [0.1, 0.4, 2.9, -70], [0, 0, 0, 1]]
)


def saved(tmp_path, img, name="a.nii") -> Source:
    """Save with nibabel, read with ours."""
    nib.save(img, tmp_path / name)
    return read(tmp_path / name)


def written(tmp_path, volumes, like, name="out.nii"):
    """Write with ours, load with nibabel."""
    write(tmp_path / name, volumes, like=like)
    return nib.load(tmp_path / name)


def full_range(dtype, shape=(4, 5, 6)):
    rng = np.random.default_rng(5)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.normal(scale=1e3, size=shape).astype(dtype)
    info = np.iinfo(dtype)
    array = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    array[0, 0, :2] = info.min, info.max
    return array


@pytest.mark.parametrize("dtype", DTYPES)
def test_identity_is_bit_equal(tmp_path, dtype):
    array = full_range(dtype)
    for version, order, suffix in itertools.product((1, 2), "<>", (".nii", ".nii.gz")):
        source = saved(tmp_path, image(array, OBLIQUE, version=version, order=order), f"a{suffix}")
        assert source.volumes[0].array.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(source.volumes[0].array, array)
        out = written(tmp_path, source.volumes, source, f"out{suffix}")
        assert type(out) is type(nib.load(tmp_path / f"a{suffix}"))
        assert out.header.endianness == order
        assert out.get_data_dtype().newbyteorder("=") == np.dtype(dtype)
        np.testing.assert_array_equal(np.asarray(out.dataobj), array)
        np.testing.assert_array_equal(out.affine, source.volumes[0].affine)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
@pytest.mark.parametrize(
    ("slope", "inter"), [(2.5, -10), (0.001, 1024), (-3, 0), (1, 7), (1e-3, 1e6)]
)
def test_scaling_is_kept_and_stored_steps_come_back(tmp_path, dtype, slope, inter):
    stored = full_range(dtype)
    img = image(stored, OBLIQUE)
    (tmp_path / "a.nii").write_bytes(spoiled(img.to_bytes(), scl_slope=slope, scl_inter=inter))
    theirs = nib.load(tmp_path / "a.nii")
    source = read(tmp_path / "a.nii")
    values = source.volumes[0].array
    assert values.dtype.kind == "f"
    np.testing.assert_allclose(values, theirs.get_fdata(), rtol=1e-6, atol=0.02 * abs(slope))
    out = written(tmp_path, source.volumes, source)
    np.testing.assert_array_equal(out.dataobj.get_unscaled(), stored)
    assert (out.dataobj.slope, out.dataobj.inter) == (theirs.dataobj.slope, theirs.dataobj.inter)


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_a_slope_that_says_nothing_is_one(tmp_path, slope):
    (tmp_path / "a.nii").write_bytes(spoiled(plain(), scl_slope=slope, scl_inter=5.0))
    assert read(tmp_path / "a.nii").volumes[0].array.dtype == np.int16


def test_floats_with_a_slope(tmp_path):
    data = image(full_range("f4")).to_bytes()
    (tmp_path / "a.nii").write_bytes(spoiled(data, scl_slope=2.0, scl_inter=1.0))
    source = read(tmp_path / "a.nii")
    np.testing.assert_allclose(source.volumes[0].array, nib.load(tmp_path / "a.nii").get_fdata(),
                               rtol=1e-6)  # fmt: skip
    out = written(tmp_path, source.volumes, source)
    np.testing.assert_array_equal(np.asarray(out.dataobj, np.float32), source.volumes[0].array)


@pytest.mark.parametrize(
    ("dtype", "low", "high", "expected"),
    [
        ("u1", 0, 255, "u1"), ("u1", 0, 256, "i2"), ("u1", -1, 255, "i2"), ("u1", 0, 40000, "u2"),
        ("u1", -1, 40000, "i4"), ("i1", -128, 128, "i2"), ("i2", -32768, 32767, "i2"),
        ("i2", 0, 32768, "i4"), ("u2", 0, 65535, "u2"), ("u2", -1, 65535, "i4"),
        ("u2", 0, 65536, "i4"), ("i4", 0, 2**31, "i8"), ("u4", -1, 2**32 - 1, "i8"),
        ("i8", 0, 2.0**63, "u8"), ("u8", -1, 5, "i8"), ("u4", 0, 2**33, "i8"),
    ],
)  # fmt: skip
def test_integers_widen_where_the_range_needs_it(tmp_path, dtype, low, high, expected):
    source = saved(tmp_path, image(np.ones((2, 2, 2), dtype)))
    array = np.full((2, 2, 2), low, np.float64)
    array[0, 0, 0], array[1, 0, 0] = high, 0.4
    out = written(tmp_path, [source.volumes[0].with_array(array)], source)
    assert out.get_data_dtype() == np.dtype(expected)
    np.testing.assert_array_equal(np.asarray(out.dataobj, np.float64), np.rint(array))


def test_floats_are_rounded_and_integers_are_exact(tmp_path):
    source = saved(tmp_path, image(np.ones((2, 2, 2), "i8")))
    big = np.full((2, 2, 2), 2**62 + 1, np.int64)  # no float64 holds it
    out = written(tmp_path, [source.volumes[0].with_array(big)], source)
    np.testing.assert_array_equal(np.asarray(out.dataobj), big)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_floats_are_never_narrowed(tmp_path, dtype):
    source = saved(tmp_path, image(full_range(dtype)))
    for result in ("f4", "f8", "i2"):
        out = written(tmp_path, [source.volumes[0].with_array(np.ones((4, 5, 6), result))], source)
        assert out.get_data_dtype() == np.dtype(dtype)
    huge = source.volumes[0].with_array(np.full((4, 5, 6), 1e300))
    assert written(tmp_path, [huge], source).get_data_dtype() == np.float64


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_a_result_that_is_not_finite_is_not_written(tmp_path, value, dtype):
    source = saved(tmp_path, image(np.ones((2, 2, 2), dtype)))
    array = np.ones((2, 2, 2), np.float32)
    array[1, 1, 1] = value
    with pytest.raises(SafetyGate):
        write(tmp_path / "out.nii", [source.volumes[0].with_array(array)], like=source)
    assert not (tmp_path / "out.nii").exists()


@pytest.mark.parametrize(("qcode", "scode"), list(itertools.product(range(5), range(5))))
def test_codes_are_kept_and_decide_as_in_nibabel(tmp_path, qcode, scode):
    affine = np.diag([-2.0, 2, 2.5, 1])
    affine[:3, 3] = 10, -20, 30
    img = image(np.ones((4, 5, 6), "i2"), affine, qcode=qcode, scode=scode)
    if scode:
        img.header.set_sform(affine @ np.diag([1.1, 1, 1, 1]), scode)  # an atlas, not the scanner
    source = saved(tmp_path, img)
    nibabels = nib.load(tmp_path / "a.nii")
    np.testing.assert_allclose(source.volumes[0].affine, nibabels.affine, atol=1e-6)
    finer = source.volumes[0].resampled(np.ones((8, 5, 18), "i2"))
    out = written(tmp_path, [finer], source)
    assert (int(out.header["qform_code"]), int(out.header["sform_code"])) == (qcode, scode)
    np.testing.assert_allclose(out.affine, finer.affine, atol=1e-5)
    move = np.linalg.solve(source.volumes[0].affine, finer.affine)
    for theirs, ours in [(nibabels.get_qform, out.get_qform), (nibabels.get_sform, out.get_sform)]:
        if theirs(coded=True)[1]:
            np.testing.assert_allclose(ours(), theirs() @ move, atol=1e-5)


def test_a_grid_off_centre_gets_a_code(tmp_path):
    source = saved(tmp_path, image(np.ones((4, 4, 4), "i2"), qcode=0, scode=0))
    affine = source.volumes[0].affine.copy()
    affine[:3, 3] += 7
    out = written(tmp_path, [Volume(np.ones((4, 4, 4)), affine)], source)
    np.testing.assert_allclose(out.affine, affine, atol=1e-5)
    assert int(out.header["sform_code"]) == 2


def test_a_shear_moves_from_qform_to_sform(tmp_path):
    source = saved(tmp_path, image(np.ones((4, 4, 4), "i2"), qcode=1, scode=0))
    affine = source.volumes[0].affine.copy()
    affine[0, 1] = 0.7
    out = written(tmp_path, [Volume(np.ones((4, 4, 4)), affine)], source)
    np.testing.assert_allclose(out.affine, affine, atol=1e-5)
    assert (int(out.header["qform_code"]), int(out.header["sform_code"])) == (0, 1)


@pytest.mark.parametrize(
    ("unit", "mm"), [("meter", 1000), ("micron", 0.001), ("mm", 1), ("unknown", 1)]
)
def test_units_become_mm_and_come_back(tmp_path, unit, mm):
    img = image(np.ones((4, 5, 6), "i2"), OBLIQUE)
    img.header.set_xyzt_units(unit, "msec")
    source = saved(tmp_path, img)
    expected = nib.load(tmp_path / "a.nii").affine * np.array([[mm], [mm], [mm], [1]])
    np.testing.assert_allclose(source.volumes[0].affine, expected, rtol=1e-6)
    finer = source.volumes[0].resampled(np.ones((8, 10, 12)))
    out = written(tmp_path, [finer], source)
    assert out.header.get_xyzt_units() == (unit, "msec")
    np.testing.assert_allclose(out.affine[:3] * mm, finer.affine[:3], rtol=1e-5, atol=1e-4 * mm)


def test_time_is_kept(tmp_path):
    array = np.random.default_rng(0).integers(0, 99, (4, 5, 6, 3)).astype("i2")
    img = image(array)
    img.header["pixdim"][4], img.header["toffset"] = 2.25, 0.5
    source = saved(tmp_path, img, "a.nii.gz")
    assert len(source.volumes) == 3
    np.testing.assert_array_equal(source.volumes[1].array, array[..., 1])
    out = written(tmp_path, source.volumes, source, "out.nii.gz")
    np.testing.assert_array_equal(np.asarray(out.dataobj), array)
    assert (float(out.header["pixdim"][4]), float(out.header["toffset"])) == (2.25, 0.5)
    short = saved(tmp_path, image(array[..., :1]))
    assert written(tmp_path, short.volumes, short).shape == (4, 5, 6, 1)


@pytest.mark.parametrize("shape", [(7,), (7, 5), (7, 5, 1, 1, 1), (7, 5, 2, 1, 1, 1, 1)])
def test_few_and_trailing_axes(tmp_path, shape):
    img = image(np.arange(np.prod(shape), dtype="i2").reshape(shape))
    source = saved(tmp_path, img)
    assert source.volumes[0].shape == (*shape, 1, 1)[:3]
    np.testing.assert_array_equal(
        np.asarray(written(tmp_path, source.volumes, source).dataobj).ravel(),
        np.arange(np.prod(shape)),
    )


def test_no_text_of_the_source_reaches_the_result(tmp_path):
    img = image(np.ones((4, 4, 4), "i2"))
    for field, size in [("descrip", 80), ("aux_file", 24), ("intent_name", 16), ("db_name", 18),
                        ("data_type", 10)]:  # fmt: skip
        img.header[field] = b"CANARY" + b"x" * (size - 6)
    img.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"CANARY extension"))
    source = saved(tmp_path, img)
    assert b"CANARY" in (tmp_path / "a.nii").read_bytes()
    write(tmp_path / "o.nii", source.volumes, like=source,
          provenance={"method": "mri-3d-x2", "method_sha256": "0123456789abcdef"})  # fmt: skip
    data = (tmp_path / "o.nii").read_bytes()
    assert b"CANARY" not in data
    out = nib.load(tmp_path / "o.nii")
    assert bytes(out.header["descrip"]).rstrip(b"\0").endswith(b"mri-3d-x2 01234567")
    assert len(out.header.extensions) == 0


def test_the_same_voxels_give_the_same_file(tmp_path):
    source = saved(tmp_path, image(full_range("i2")))
    written(tmp_path, source.volumes, source, "one.nii.gz")
    written(tmp_path, source.volumes, source, "two.nii.gz")
    assert (tmp_path / "one.nii.gz").read_bytes() == (tmp_path / "two.nii.gz").read_bytes()


def test_long_axes_become_nifti_2(tmp_path):
    source = saved(tmp_path, image(np.ones((20000, 1, 1), "u1")))
    finer = source.volumes[0].resampled(np.ones((40000, 1, 1), "u1"))
    out = written(tmp_path, [finer], source)
    assert isinstance(out, nib.Nifti2Image)
    np.testing.assert_allclose(out.affine, finer.affine, atol=1e-5)


def test_a_mapped_array_is_written_by_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("medacuity.formats.voxels.SLAB", 2**16)
    source = saved(tmp_path, image(np.ones((4, 4, 4), "i2")))
    array = np.lib.format.open_memmap(tmp_path / "m.npy", "w+", np.float32, (256, 256, 64))
    array[::16, ::16] = 3.2
    volume = Volume(array, np.eye(4))
    tracemalloc.start()
    write(tmp_path / "out.nii", [volume], like=source)
    assert tracemalloc.get_traced_memory()[1] < 3 * 2**20
    tracemalloc.stop()
    back = np.asarray(nib.load(tmp_path / "out.nii").dataobj)
    assert back.dtype == np.int16
    assert back.sum() == 3 * 16 * 16 * 64
