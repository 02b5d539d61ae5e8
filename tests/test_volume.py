"""A volume is numbers with a place, and the place survives a change of the numbers.

- Three axes, at least one voxel each; an affine that is finite and spans three directions.
- ``resampled`` keeps the field of view: its outer corners stay where they are, whatever the
  sizes, and so does the position of anything inside.
- Nothing is changed in place, and the array is not copied.
"""

import numpy as np
import pytest
from nibabel.orientations import aff2axcodes

from medacuity.errors import UnsafeGeometry, UsageError
from medacuity.volume import Volume, axis_codes, world_order


def oblique(seed: int) -> np.ndarray:
    """Return a random affine: any rotation or mirror, uneven spacing, some offset."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation * rng.uniform(0.3, 5, 3)
    affine[:3, 3] = rng.uniform(-300, 300, 3)
    return affine


def corners(volume: Volume) -> np.ndarray:
    """Return the world positions of the outer edges of the field of view."""
    ends = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in volume.shape])).reshape(3, -1)
    return volume.affine[:3, :3] @ ends + volume.affine[:3, 3:]


@pytest.mark.parametrize("seed", range(20))
def test_resampled_keeps_the_field_of_view(seed):
    volume = Volume(np.zeros((4, 5, 6)), oblique(seed))
    for shape in [(8, 10, 12), (4, 5, 6), (6, 5, 24), (2, 3, 1), (13, 7, 5)]:
        moved = volume.resampled(np.zeros(shape))
        np.testing.assert_allclose(corners(moved), corners(volume), atol=1e-9)


def test_resampled_moves_the_first_centre_by_half_the_difference():
    volume = Volume(np.zeros((4, 4, 4)), np.diag([2.0, 2.0, 2.0, 1.0]), "HU")
    moved = volume.resampled(np.zeros((8, 4, 2)))
    np.testing.assert_allclose(moved.affine[:3, 3], [-0.5, 0.0, 1.0])
    assert moved.spacing == (1.0, 2.0, 4.0)
    assert moved.unit == "HU"


def test_with_array_keeps_the_grid_and_refuses_another_one():
    volume = Volume(np.zeros((2, 3, 4), np.int16), oblique(1), "SUV")
    other = volume.with_array(np.ones((2, 3, 4)))
    assert other.unit == "SUV"
    np.testing.assert_array_equal(other.affine, volume.affine)
    with pytest.raises(UsageError, match=r"\(2, 3, 4\)"):
        volume.with_array(np.ones((3, 2, 4)))


def test_the_array_is_not_copied():
    array = np.zeros((2, 2, 2), np.uint8)
    assert Volume(array, np.eye(4)).array is array


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 0), (2, 2, 2, 2), ()])
def test_refuses_what_has_not_three_axes(shape):
    with pytest.raises(UsageError, match="3 axes"):
        Volume(np.zeros(shape), np.eye(4))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.__setitem__((0, 0), np.nan), "finite"),
        (lambda a: a.__setitem__((1, 3), np.inf), "finite"),
        (lambda a: a.__setitem__((slice(None), 1), 0), "above 0"),
        (lambda a: a.__setitem__((slice(0, 3), 1), a[:3, 0]), "singular"),
        (lambda a: a.__setitem__((slice(0, 3), 2), 3 * a[:3, 0] - a[:3, 1]), "singular"),
    ],
)
def test_refuses_an_affine_without_a_place(change, words):
    affine = oblique(3)
    change(affine)
    with pytest.raises(UnsafeGeometry, match=words) as caught:
        Volume(np.zeros((2, 2, 2)), affine)
    assert caught.value.exit_code == 5


def test_refuses_an_affine_of_another_size():
    with pytest.raises(UnsafeGeometry, match="4 x 4"):
        Volume(np.zeros((2, 2, 2)), np.eye(3))


@pytest.mark.parametrize("seed", range(30))
def test_axis_codes_agree_with_nibabel_where_axes_are_clear(seed):
    rng = np.random.default_rng(seed)
    affine = np.zeros((4, 4))
    affine[rng.permutation(3), range(3)] = rng.choice([-1.0, 1.0], 3) * rng.uniform(0.5, 3, 3)
    affine[:3, :3] += rng.normal(scale=0.02, size=(3, 3))
    affine[3, 3] = 1
    assert axis_codes(affine) == "".join(aff2axcodes(affine))
    order = world_order(affine)
    assert sorted(order) == [0, 1, 2]
    for axis, pair in zip(order, ("RL", "AP", "SI"), strict=True):
        assert axis_codes(affine)[axis] in pair
