"""Degrading a volume: the patient stays, the seed decides, the kinds are those of physics."""

import numpy as np
import pytest

from medacuity.degrade import Acquisition, degrade
from medacuity.errors import UsageError
from medacuity.volume import Volume


def blob(place):
    """A Gaussian ball, sigma 4 mm, at a place in mm, on an oblique grid."""
    affine = np.array([[0.9, 0.1, 0, -9], [-0.1, 0.9, 0, 3], [0, 0, 1.2, 7], [0, 0, 0, 1.0]])
    index = np.stack(np.meshgrid(*map(np.arange, (41, 36, 30)), indexing="ij"), -1)
    mm = index @ affine[:3, :3].T + affine[:3, 3]
    return Volume(np.exp(-((mm - place) ** 2).sum(-1) / 32).astype(np.float32), affine)


def centre(volume):
    index = np.stack(np.meshgrid(*map(np.arange, volume.shape), indexing="ij"), -1)
    mm = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    return (mm * volume.array[..., None]).sum((0, 1, 2)) / volume.array.sum()


@pytest.mark.parametrize("kind", ["kspace", "block-mean", "slice-profile", "bicubic"])
@pytest.mark.parametrize("factor", [(2.0,), (1, 2, 3), (1.5, 1, 2)])
def test_the_patient_stays_still(kind, factor):
    place = np.array([9.3, 15.1, 25.2])
    volume = blob(place)
    coarse = degrade(volume, Acquisition(kind, factor))
    moved = np.abs(centre(coarse) - centre(volume)).max()
    assert moved < 0.01 * min(volume.spacing)


def test_noise_is_seeded():
    noisy = [degrade(blob([9, 15, 25]), Acquisition("kspace", noise=0.03, seed=s)).array
             for s in (1, 1, 2)]  # fmt: skip
    assert np.array_equal(noisy[0], noisy[1])
    assert not np.array_equal(noisy[0], noisy[2])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (Acquisition("melt"), "melt"),
        (Acquisition("kspace", (0.5,)), "factor"),
        (Acquisition("rician"), "noise"),
    ],
)
def test_what_makes_no_sense_is_named(wrong, says):
    with pytest.raises(UsageError, match=says):
        degrade(blob([9, 15, 25]), wrong)
