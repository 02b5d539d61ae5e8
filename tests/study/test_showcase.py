"""The showcase: shipped images only, one grid per case, and a study that can be served.

- The brain is what nibabel ships: 24 slices of 2 x 2 x 2.2 mm, whole numbers.
- All versions of a case lie on the original's grid and are whole numbers, so that neither size
  nor precision tells them apart.
- The study compares three methods with two anchors, and raters can be invited to it.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from medacuity import formats
from medacuity.checkpoint import shipped
from medacuity.resize import KERNELS
from medacuity.study import showcase
from medacuity.study.create import Wanted
from medacuity.study.design import NEAREST, ORIGINAL, load


def silent(what: str, done: int, of: int) -> None:
    """Report nothing."""


def test_the_brain_is_the_one_of_nibabel():
    brain = showcase.sample_brain()
    assert brain.array.shape == (128, 96, 24)
    assert brain.array.dtype == np.int16
    assert brain.spacing == pytest.approx((2.0, 2.0, 2.2), abs=1e-5)


def test_its_methods_are_shipped():
    assert set(showcase.METHODS.values()) <= set(shipped()) | set(KERNELS)


def test_versions_cannot_be_told_apart_but_by_looking(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(showcase, "METHODS", {"cubic": "cubic"})
    monkeypatch.setattr(showcase, "NOISES", {"noisy": 0.03})
    made = showcase.write_results(tmp_path, report=silent)
    for case in ("head-noisy.nii.gz", "brain-noisy.nii.gz"):
        original, cubic = (formats.read(made[m] / case).volumes[0] for m in (ORIGINAL, "cubic"))
        assert original.array.shape == cubic.array.shape
        assert original.array.dtype == cubic.array.dtype
        np.testing.assert_allclose(original.affine, cubic.affine, atol=1e-4)
        assert not np.array_equal(original.array, cubic.array)


@pytest.mark.slow
def test_the_study_can_be_served(tmp_path: Path):
    wanted = Wanted({}, title="Try me", scale="slider", repeats=1)
    study = showcase.showcase(tmp_path, wanted, report=silent)
    found = load(tmp_path / "study")
    assert found.methods == (*showcase.METHODS, ORIGINAL, NEAREST)
    assert len(found.cases) == 4
    assert {image.slices for image in found.images.values()} == {1, 24}
    assert dataclasses.replace(study, images=dict(study.images)) == found
