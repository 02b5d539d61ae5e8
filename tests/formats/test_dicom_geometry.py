"""The patient stays where he was, whatever the orientation, spacing, tilt and factor."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dicom_makers as make
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_dicom_read import LPS, OBLIQUE

from medacuity.formats.dicom import read, write


def rotations() -> list[NDArray[np.float64]]:
    """Return the 24 ways in which rows, columns and slices can follow the patient's axes."""
    found = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[order, range(3)] = signs
            if np.linalg.det(matrix) > 0:
                found.append(matrix)
    return found


def tilted(rotation: NDArray[np.float64], angles: Sequence[float]) -> NDArray[np.float64]:
    for axis, angle in enumerate(angles):
        turn = np.eye(3)
        a, b = [n for n in range(3) if n != axis]
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        rotation = turn @ rotation
    return rotation


def check_corners(
    folder: Path,
    directions: NDArray[np.float64],
    mm: Sequence[float],
    scale: tuple[int, ...],
    *,
    multiframe: bool,
) -> None:
    """Read, enlarge, write, read: the corners of the field of view and the voxels stay."""
    orientation, spacing = directions[:, :2].T.ravel(), (mm[1], mm[0])
    stored = make.ramp(3, 4, 2)
    made: Any = make.slices(stored, spacing=spacing, orientation=orientation, gap=mm[2])
    if multiframe:
        made = make.multiframe(stored, spacing=spacing, orientation=orientation, gap=mm[2])
    source = read(make.save(made, folder / "source"))
    result = make.enlarged(source.volumes[0], scale)
    write(folder / "out", [result], like=source)
    (back,) = read(folder / "out").volumes
    assert np.array_equal(back.array, result.array)
    for corner in itertools.product((0, 1), repeat=3):
        old = np.array(corner) * source.volumes[0].shape - 0.5
        new = np.array(corner) * back.shape - 0.5
        place = source.volumes[0].affine @ [*old, 1]
        assert back.affine @ [*new, 1] == pytest.approx(place, abs=1e-3)


SCALES = [(1, 1, 1), (2, 2, 1), (1, 1, 3), (2, 3, 4), (3, 1, 2)]


@pytest.mark.parametrize("number", range(24))
def test_corners_stay_within_a_thousandth_of_a_mm(tmp_path: Path, number: int) -> None:
    rng = np.random.default_rng(number)
    check_corners(
        tmp_path,
        tilted(rotations()[number], rng.uniform(-0.7, 0.7, 3)),
        rng.uniform(0.2, 8.0, 3),
        SCALES[number % 5],
        multiframe=number % 3 == 2,
    )


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(rotations()),
    st.tuples(*[st.floats(-0.7, 0.7)] * 3),
    st.tuples(*[st.floats(0.1, 50.0)] * 3),
    st.tuples(*[st.integers(1, 4)] * 3),
    st.booleans(),
)
def test_corners_stay_whatever_the_grid(
    tmp_path_factory: pytest.TempPathFactory,
    rotation: NDArray[np.float64],
    angles: tuple[float, float, float],
    mm: tuple[float, float, float],
    scale: tuple[int, int, int],
    multiframe: bool,
) -> None:
    folder = tmp_path_factory.mktemp("s")
    check_corners(folder, tilted(rotation, angles), mm, scale, multiframe=multiframe)


def test_simpleitk_reads_the_result_at_the_same_place(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    headers = make.slices(make.ramp(4, 6, 5), orientation=OBLIQUE)
    source = read(make.save(headers, tmp_path / "source"))
    result = make.enlarged(source.volumes[0], (2, 1, 3))
    write(tmp_path / "out", [result], like=source)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "out")))
    image = reader.Execute()
    assert np.array_equal(sitk.GetArrayFromImage(image).T, result.array)
    for index in ((0, 0, 0), (9, 5, 11)):
        lps = image.TransformIndexToPhysicalPoint(index)
        assert result.affine @ [*index, 1] == pytest.approx(LPS @ [*lps, 1], abs=1e-3)
