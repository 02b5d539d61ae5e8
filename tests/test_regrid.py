"""The same patient on another grid.

- A grid equal to the scan's changes nothing; a linear ramp in mm is the same ramp on any grid,
  whatever the axes of the two (closed form).
- An upright grid covers the same field of view, edge to edge, with axes right, front, head; the
  patient stays still for all 48 axis orders.
"""

from itertools import permutations, product

import numpy as np
import pytest

from medacuity.regrid import labels_onto, onto, upright
from medacuity.volume import Volume, axis_codes

ORDERS = list(product(permutations(range(3)), product((1, -1), repeat=3)))


def ramp(affine: np.ndarray, shape: tuple[int, ...]) -> Volume:
    """Return a scan whose value is ``x + 2 y - 3 z + 100`` in mm."""
    voxels = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    world = voxels @ affine[:3, :3].T + affine[:3, 3]
    return Volume(world @ [1.0, 2.0, -3.0] + 100, affine, "HU")


def turned(order: tuple[int, ...], signs: tuple[int, ...]) -> np.ndarray:
    """Return an affine whose axes are those of the world in another order, some backwards."""
    affine = np.zeros((4, 4))
    for axis, (world, sign) in enumerate(zip(order, signs, strict=True)):
        affine[world, axis] = sign * (0.8, 1.1, 2.5)[axis]
    affine[:3, 3], affine[3, 3] = (5, -7, 11), 1
    return affine


def test_on_its_own_grid_nothing_changes():
    scan = Volume(np.random.default_rng(0).integers(0, 4000, (5, 6, 7)), np.eye(4), "HU")
    same = onto(scan, scan)
    assert np.array_equal(same.array, scan.array)
    assert same.unit == "HU"


def test_a_ramp_is_the_same_ramp_on_an_oblique_grid():
    scan = ramp(np.diag([0.7, 0.9, 1.2, 1.0]), (40, 40, 40))
    cos, sin = np.cos(0.3), np.sin(0.3)
    grid = np.array([[cos, -sin, 0, 12], [sin, cos, 0, 9], [0, 0, 1.5, 8], [0, 0, 0, 1.0]])
    there = ramp(grid, (8, 8, 8))
    np.testing.assert_allclose(onto(scan, there).array, there.array, rtol=1e-5, atol=1e-4)


def test_beyond_the_scan_there_is_nothing():
    far = np.eye(4)
    far[:3, 3] = 100
    assert not onto(ramp(np.eye(4), (4, 4, 4)), Volume(np.zeros((3, 3, 3)), far)).array.any()


@pytest.mark.parametrize(("order", "signs"), ORDERS)
def test_upright_grids_cover_the_same_patient(order, signs):
    scan = ramp(turned(order, signs), (10, 12, 14))
    grid = upright(scan, (None, None, None))
    assert axis_codes(grid.affine) == "RAS"
    there = ramp(grid.affine, grid.shape)
    np.testing.assert_allclose(onto(scan, grid).array, there.array, rtol=1e-5, atol=1e-4)
    assert sorted(grid.shape) == [10, 12, 14]


def test_spacing_is_that_asked_for_where_it_is_asked_for():
    scan = ramp(np.diag([0.5, 0.5, 3.0, 1.0]), (20, 21, 4))
    grid = upright(scan, (1.0, 1.0, None))
    assert grid.shape == (10, 10, 4)
    np.testing.assert_allclose(grid.spacing, (1.0, 1.05, 3.0))
    first, last = (np.array([*c, 1.0]) for c in ((-0.5,) * 3, (9.5, 9.5, 3.5)))
    edge = np.array([19.5, 20.5, 3.5, 1.0])
    np.testing.assert_allclose(grid.affine @ first, scan.affine @ first)
    np.testing.assert_allclose(grid.affine @ last, scan.affine @ edge)


def test_labels_keep_their_values_on_any_grid():
    """Labels on a turned grid are turned; on a coarser one the commonest wins, never a mean."""
    rng = np.random.default_rng(0)
    labels = Volume(rng.choice([0.0, 2.0, 7.0], (6, 8, 4)), np.diag([-1.0, 1.0, 2.0, 1.0]))
    grid = upright(labels, (None, None, None))
    assert (labels_onto(labels, grid) == labels.array[::-1]).all()
    coarse = upright(labels, (2.5, 2.5, 2.5))
    assert set(np.unique(labels_onto(labels, coarse))) <= {0, 2, 7}
    blocks = labels.with_array(
        np.where(np.arange(8)[None, :, None] < 4, 2, 7) + np.zeros((6, 1, 4))
    )
    found = labels_onto(blocks, upright(blocks, (2, 2, 2)))
    assert (found[:, :2] == 2).all()
    assert (found[:, 2:] == 7).all()
