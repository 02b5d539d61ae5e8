"""The patient stays still: through reading, enlarging and writing, everything is where it was.

For sampled affines (48 axis orders, oblique, mirrored, sheared, far from the origin), dtypes,
NIfTI versions, byte orders, units, codes, compression and uneven factors:

- The affine written is ``A @ [[diag(1/s), (1/s - 1)/2], [0, 1]]``: the eight corners of the
  field of view are kept within 1e-5 mm, or what the numbers of the header can say. NIfTI-1
  stores them as float32: half a unit in the last place per term, which is 1e-5 mm at 170 mm
  from the origin. A place that float32 would miss by 0.005 voxel is written as NIfTI-2.
- Any landmark is found within 0.01 voxel, and so is the centre of a Gaussian blob.
- Axis codes, qform and sform codes, units and the step in time are kept.
"""

import itertools

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import aff2axcodes
from nifti_makers import DTYPES, image

from medacuity.formats import read, write
from medacuity.volume import Volume

ORDERS = list(
    itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3))
)
FACTORS = [(1, 1, 1), (1.5,) * 3, (2,) * 3, (3,) * 3, (4,) * 3, (1, 1, 4), (2, 2, 1), (1, 3, 1.5)]
MM = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}


def sampled_affine(rng, *, shear: bool) -> np.ndarray:
    """Return one of the 48 orders, turned a little or a lot, in mm."""
    order, signs = ORDERS[rng.integers(48)]
    axes = np.zeros((3, 3))
    axes[list(order), range(3)] = signs
    angle, direction = rng.choice([0, 0.2, 2.0]) * rng.uniform(), rng.normal(size=3)
    x, y, z = direction / np.linalg.norm(direction)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    if shear:
        turn = turn @ (np.eye(3) + np.triu(rng.uniform(-0.3, 0.3, (3, 3)), 1))
    affine = np.eye(4)
    affine[:3, :3] = turn @ axes * rng.uniform(0.25, 6, 3)
    affine[:3, 3] = rng.normal(size=3) * rng.choice([0, 100, 3000, 1e5])
    return affine


def sampled(rng, folder):
    """Write one sampled scan; return its path and what it must keep."""
    shear = rng.uniform() < 0.2
    shape = tuple(int(n) for n in rng.integers(2, 5, 3) * 2)
    qcode, scode = [(1, 1), (0, 2), (2, 0), (1, 4)][rng.integers(4)]
    unit = ["mm", "mm", "mm", "meter", "micron", "unknown"][rng.integers(6)]
    affine = sampled_affine(rng, shear=shear and scode > 0)
    affine[:3] /= MM[unit]
    dtype = DTYPES[rng.integers(len(DTYPES))]
    frames = (2,) if rng.uniform() < 0.2 else ()
    img = image(
        rng.integers(0, 100, (*shape, *frames)).astype(dtype), affine,
        version=int(rng.integers(1, 3)), order="<>"[rng.integers(2)], qcode=0, scode=scode,
    )  # fmt: skip
    if qcode:
        img.header.set_qform(affine, qcode, strip_shears=True)
    img.header.set_xyzt_units(unit, "sec")
    img.header["pixdim"][4] = 1.75
    path = folder / ("a.nii.gz" if rng.uniform() < 0.3 else "a.nii")
    nib.save(img, path)
    return path, unit


def corners(affine, shape) -> np.ndarray:
    ends = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in shape])).reshape(3, -1)
    return affine[:3, :3] @ ends + affine[:3, 3:]


def float32_error(affine, shape) -> float:
    """Return how far half a unit in the last place of each term moves a corner."""
    reach = np.abs(affine[:3, :3]) @ np.array(shape) + np.abs(affine[:3, 3])
    return float(3 * reach.max() * 2.0**-24)


@pytest.mark.parametrize("count", [300, pytest.param(6000, marks=pytest.mark.slow)])
def test_the_patient_stays_still(tmp_path, monkeypatch, count):
    monkeypatch.setattr("os.fsync", lambda _: None)  # speed; the disk is not the point here
    rng = np.random.default_rng(count)
    for _ in range(count):
        path, unit = sampled(rng, tmp_path)
        source, theirs = read(path), nib.load(path)
        volume, factor = source.volumes[0], FACTORS[rng.integers(len(FACTORS))]
        np.testing.assert_allclose(volume.affine[:3], theirs.affine[:3] * MM[unit], rtol=1e-6)
        shape = tuple(round(n * f) for n, f in zip(volume.shape, factor, strict=True))
        finer = [v.resampled(np.zeros(shape, v.array.dtype)) for v in source.volumes]
        out = tmp_path / f"out{path.name[1:]}"
        write(out, finer, like=source)
        check(read(out), nib.load(out), volume, theirs, unit)


def check(result, written, volume, theirs, unit):
    """Compare what was written with what was read."""
    s = np.array(result.volumes[0].shape) / np.array(volume.shape)
    grid = np.diag([*1 / s, 1])
    grid[:3, 3] = (1 / s - 1) / 2
    expected, affine = volume.affine @ grid, result.volumes[0].affine
    tolerance = 1e-5
    if isinstance(written, nib.Nifti1Image) or int(written.header["sform_code"]) == 0:
        tolerance += float32_error(expected, result.volumes[0].shape)
        if int(written.header["sform_code"]) == 0:
            tolerance *= 10  # a quaternion stores the half angle of the turn
    before, after = corners(volume.affine, volume.shape), corners(affine, result.volumes[0].shape)
    np.testing.assert_allclose(after, before, atol=tolerance, rtol=0)
    landmark = volume.affine @ [*(np.array(volume.shape) * 0.37), 1]
    found = np.linalg.solve(affine, landmark) - np.linalg.solve(expected, landmark)
    assert np.abs(found).max() < 0.01
    assert aff2axcodes(affine) == aff2axcodes(volume.affine)
    for field in ("qform_code", "sform_code", "xyzt_units"):
        assert int(written.header[field]) == int(theirs.header[field]), field
    assert float(written.header["pixdim"][4]) == 1.75
    assert written.header.endianness == theirs.header.endianness
    assert written.header.get_xyzt_units()[0] == unit


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("seed", range(6))
def test_a_blob_stays_where_it_is(tmp_path, suffix, seed):
    """Compute the blob on both grids from mm, and find its centre in mm."""
    rng = np.random.default_rng(seed)
    shape = np.array([24, 20, 16])
    affine = sampled_affine(rng, shear=False)
    affine[:3, :3] /= np.linalg.norm(affine[:3, :3], axis=0)
    affine[:3, 3] = rng.normal(size=3) * 100
    volume = Volume(np.zeros(shape, np.float32), affine)
    centre = affine[:3, :3] @ (shape / 2 + rng.uniform(-1, 1, 3)) + affine[:3, 3]
    first = tmp_path / f"a{suffix}"
    img = image(blob(volume, centre), affine)
    nib.save(img, tmp_path / "start.nii")
    start = read(tmp_path / "start.nii")
    write(first, start.volumes, like=start)
    source = read(first)
    finer = source.volumes[0].resampled(np.zeros(shape * [1, 2, 3], np.float32))
    write(tmp_path / f"b{suffix}", [finer.with_array(blob(finer, centre))], like=source)
    for name in ("a", "b"):
        found = centre_of_mass(read(tmp_path / f"{name}{suffix}").volumes[0])
        np.testing.assert_allclose(found, centre, atol=0.01 * min(finer.spacing))


def world(volume) -> np.ndarray:
    index = np.indices(volume.shape).reshape(3, -1)
    return volume.affine[:3, :3] @ index + volume.affine[:3, 3:]


def blob(volume, centre) -> np.ndarray:
    distance = ((world(volume) - centre[:, None]) ** 2).sum(axis=0)
    return np.exp(-distance / (2 * 1.6**2)).reshape(volume.shape).astype(np.float32)


def centre_of_mass(volume) -> np.ndarray:
    weights = volume.array.reshape(-1).astype(np.float64)
    return world(volume) @ weights / weights.sum()
