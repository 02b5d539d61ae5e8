"""Degrading a volume: the patient stays, the seed decides, the kinds are those of physics."""

from pathlib import Path

import numpy as np
import pytest

from medacuity.degrade import Acquisition, degrade, degrade_source
from medacuity.errors import UsageError
from medacuity.formats import Source
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


def test_each_volume_of_a_file_has_noise_of_its_own():
    volume = blob([9, 15, 25])
    source = Source(Path("x.nii"), (volume, volume), None, "")
    first, second = degrade_source(source, Acquisition("rician", noise=0.05))[0]
    assert np.corrcoef((first.array - volume.array).ravel(), second.array.ravel())[0, 1] < 0.9
    assert not np.array_equal(first.array, second.array)


def test_the_description_claims_nothing_that_was_not_done():
    source = Source(Path("x.nii"), (blob([9, 15, 25]),), None, "")
    said = degrade_source(source, Acquisition("rician", noise=0.05))[1]["description"]
    assert "factor" not in said


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kind": "melt"}, "melt"),
        ({"kind": "kspace", "factor": (0.5,)}, "factor"),
        ({"kind": "rician"}, "noise"),
        ({"kind": "kspace", "noise": -1}, "noise"),
        ({"kind": "kspace", "noise": float("nan")}, "noise"),
        ({"kind": "slice-profile", "thickness": 0}, "thickness"),
        ({"kind": "block-mean", "thickness": 0.5}, "thickness"),
        ({"kind": "block-mean", "magnitude": True}, "magnitude"),
    ],
)
def test_what_makes_no_sense_is_named(wrong, says):
    with pytest.raises(UsageError, match=says):
        degrade(blob([9, 15, 25]), Acquisition(**wrong))
