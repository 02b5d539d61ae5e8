"""The patient stays still: whatever makes voxels fewer or more moves nothing by 0.01 voxel.

A Gaussian blob at a known place in mm is put on a grid, the grid is changed, and its centre is
measured again through the affine that ``Volume.resampled`` gives the new grid. Its sum, times
the size of a voxel, stays too.
"""

from functools import partial
from itertools import product

import numpy as np
import pytest
import torch

from medacuity import resize as rs
from medacuity.physics.kspace import kspace_crop, zero_fill
from medacuity.physics.sampling import block_mean, box, shrunk, slice_profile
from medacuity.volume import Volume

SHRINKING = {
    "kspace": kspace_crop,
    "kspace, magnitude": partial(kspace_crop, magnitude=True),
    "kspace, windowed": partial(kspace_crop, window=0.5),
    "kspace, Hann": partial(kspace_crop, window=1.0),
    "block mean": block_mean,
    "slice profile, Gaussian": slice_profile,
    "slice profile, thick": partial(slice_profile, thickness=1.3),
    "slice profile, box with gaps": partial(slice_profile, thickness=0.8, profile=box),
    **{
        name: lambda x, *, factor, kernel=kernel: rs.resize(
            x, shrunk(x.shape[2:], factor), kernel
        )
        for name, kernel in [
            ("linear", rs.linear), ("cubic", rs.cubic), ("lanczos", rs.lanczos),
            ("spline", rs.spline), ("sinc", rs.sinc),
        ]
    },
}  # fmt: skip
FACTORS_2D = [(2, 2), (3, 3), (4, 4), (1, 4), (3, 1), (1.5, 2.4)]
FACTORS_3D = [(2, 2, 2), (1, 1, 4), (3, 1, 2), (1, 1.7, 1)]


def blob(shape: tuple[int, ...]) -> Volume:
    """Return a blob off the middle of an oblique grid, with nothing at its borders."""
    rng = np.random.default_rng(7)
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0] * [0.9, 1.1, 1.3]
    affine[:3, 3] = [-40, 25, 11]
    full = (*shape, 1)[:3]
    place = [0.0 if n == 1 else n / 2 + 0.37 for n in full]
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in full), indexing="ij"), -1)
    width = [1.0 if n == 1 else n / 13 for n in full]
    array = np.exp(-(((grid - place) / width) ** 2).sum(-1) / 2)
    return Volume(array, affine)


def centre(volume: Volume) -> np.ndarray:
    """Return the centre of mass in mm."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in volume.shape), indexing="ij"), -1)
    weights = volume.array / volume.array.sum()
    index = (grid * weights[..., None]).sum((0, 1, 2))
    return volume.affine[:3, :3] @ index + volume.affine[:3, 3]


def check(volume: Volume, out: torch.Tensor) -> None:
    """Compare place and mass before and after."""
    array = out[0, 0].numpy()
    moved = volume.resampled(array.reshape((*array.shape, 1)[:3]))
    off = np.linalg.solve(volume.affine[:3, :3], centre(moved) - centre(volume))
    assert np.abs(off).max() < 0.01
    per_voxel = np.prod(np.array(volume.shape) / moved.shape)
    # Slices with gaps between them do not see all of the blob alike.
    assert moved.array.sum() * per_voxel == pytest.approx(volume.array.sum(), rel=8e-3)


def tensor(volume: Volume, dims: int) -> torch.Tensor:
    """Return the array as a network sees it."""
    x = torch.from_numpy(volume.array)[None, None]
    return x[..., 0] if dims == 2 else x


@pytest.mark.parametrize("name", SHRINKING)
@pytest.mark.parametrize("factor", FACTORS_2D)
@pytest.mark.parametrize("shape", [(96, 96), (95, 89)])
def test_fewer_voxels_in_2d(name, factor, shape):
    volume = blob(shape)
    check(volume, SHRINKING[name](tensor(volume, 2), factor=factor))


@pytest.mark.parametrize("name", SHRINKING)
@pytest.mark.parametrize("factor", FACTORS_3D)
def test_fewer_voxels_in_3d(name, factor):
    volume = blob((40, 41, 56))
    check(volume, SHRINKING[name](tensor(volume, 3), factor=factor))


SMOOTH = [rs.linear, rs.cubic, rs.lanczos, rs.spline, rs.sinc]


@pytest.mark.parametrize(
    ("kernel", "factor"),
    [*product(SMOOTH, [2, 3, 4, 1.3]), *product([rs.nearest], [2, 3, 4])],
)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_more_voxels(kernel, factor, axis):
    volume = blob((32, 33, 31))
    size = [round(n * factor) if a == axis else n for a, n in enumerate(volume.shape)]
    check(volume, rs.resize(tensor(volume, 3), size, kernel))


@pytest.mark.parametrize("size", [(64, 64), (65, 99), (33, 33), (47, 128)])
def test_zero_filling(size):
    volume = blob((32, 33))
    check(volume, zero_fill(tensor(volume, 2), size=size))


def test_a_crop_without_the_phase_would_be_seen():
    volume = blob((64, 64))
    spectrum = torch.fft.fftshift(torch.fft.fft2(tensor(volume, 2)), dim=(2, 3))[..., 16:48, 16:48]
    naive = torch.fft.ifft2(torch.fft.ifftshift(spectrum, dim=(2, 3))).real / 4
    with pytest.raises(AssertionError):
        check(volume, naive)
