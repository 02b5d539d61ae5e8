"""CT is known by its unit, or where a format has none, by its numbers, and nothing else is.

- A body in air, with or without lungs, metal and corners filled with one number.
- Not: MRI magnitudes, z-scores, phases from -4096 to 4095, CT moved up to start at 0, PET, flat
  images, anything whose unit says otherwise.
"""

import numpy as np
import pytest
import torch

from medacuity.hounsfield import in_hounsfield
from medacuity.training.ct_degraded import phantom
from medacuity.volume import Volume

BODY = phantom(torch.Generator().manual_seed(1), size=48, parts=6)
RNG = np.random.default_rng(0)


def volume(array, unit="a.u."):
    return Volume(np.asarray(array), np.eye(4), unit)


def filled(number: float) -> np.ndarray:
    """Return the body with corners filled, as scanners and software do."""
    array = BODY.array.copy()
    line = np.linspace(-1, 1, 48)
    array[np.hypot(line[:, None], line) > 1.05] = number
    return array


@pytest.mark.parametrize("array", [
    BODY.array, BODY.array.astype(np.int16), filled(-1024), filled(-2000), filled(-3024),
    BODY.array + 20 * RNG.standard_normal(BODY.shape),
    BODY.array + 150 * RNG.standard_normal(BODY.shape),
    np.where(RNG.random(BODY.shape) < 0.001, 8000, BODY.array),
], ids=["plain", "integers", "-1024", "-2000", "-3024", "noise", "much", "metal"])  # fmt: skip
def test_a_body_in_air_is_ct(array):
    assert in_hounsfield(volume(array))


@pytest.mark.parametrize("array", [
    np.abs(1000 * RNG.standard_normal((32, 32, 16))),
    RNG.standard_normal((32, 32, 16)),
    RNG.integers(-4096, 4096, (32, 32, 16)),
    BODY.array + 1000,
    np.zeros((8, 8, 8)), np.full((8, 8, 8), -1000.0), np.full((8, 8, 8), -2000.0),
    np.full((8, 8, 8), np.nan),
], ids=["magnitude", "z-scores", "phase", "moved", "zeros", "air", "filler", "nan"])  # fmt: skip
def test_other_numbers_are_not(array):
    assert not in_hounsfield(volume(array))


def test_a_unit_has_the_last_word():
    assert in_hounsfield(volume(np.ones((4, 4, 4)), "HU"))
    assert not in_hounsfield(volume(BODY.array, "SUV"))


@pytest.mark.parametrize(("name", "ct"), [
    ("bulk/ct/totalseg_abdomen_3mm.nii.gz", True),
    ("travel/ct/lidc0314_chest_every24.nii.gz", True),
    ("bulk/mri/chris_T1_0.88mm.nii.gz", False),
    ("bulk/mri/open_ms/patient07_T1_MNI1mm.nii.gz", False),
])  # fmt: skip
def test_real_scans(data, name, ct):
    from medacuity import formats

    assert in_hounsfield(formats.read(data / name).volumes[0]) == ct
