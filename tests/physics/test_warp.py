"""A warp moves an image and its labels together, and does not tear.

- A landmark of the image and its label are at one place afterwards, in 2D and in 3D.
- The same seed draws the same warp, another seed another; a warp of nothing changes nothing.
- How far: no voxel moves by more than rotation, stretch, shear, shift and bend together allow.
- A known rotation takes a landmark where the matrix says.
"""

import math

import pytest
import torch

from medacuity.physics.warp import Shape, draw_places, warped

STILL = Shape(rotation_deg=0, scaling=0, shearing=0, shift=0, bend=0)
SIZES = [(48, 64), (24, 28, 32)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def centre_of(x: torch.Tensor) -> torch.Tensor:
    """Return the centre of mass of an image, in voxels."""
    grids = torch.meshgrid(*(torch.arange(float(n)) for n in x.shape), indexing="ij")
    return torch.stack([(grid * x).sum() / x.sum() for grid in grids])


@pytest.mark.parametrize("size", SIZES)
def test_a_landmark_and_its_label_move_together(size):
    labels = torch.zeros(1, 1, *size, dtype=torch.long)
    box = tuple(slice(n // 3, n // 3 + 8) for n in size)
    labels[(0, 0, *box)] = 1
    for seed in range(4):
        places = draw_places(1, size, seeded(seed), Shape(shift=2, bend=1))
        image = warped(labels.float(), places)[0, 0]
        moved = warped(labels, places, labels=True)[0, 0]
        assert moved.dtype == torch.long
        assert set(moved.unique().tolist()) <= {0, 1}
        assert (centre_of(image) - centre_of(moved.float())).abs().max() < 0.3


@pytest.mark.parametrize("size", SIZES)
def test_a_warp_of_nothing_changes_nothing(size):
    x = torch.rand(2, 3, *size, generator=seeded())
    assert torch.allclose(warped(x, draw_places(2, size, seeded(), STILL)), x, atol=1e-5)


def test_seeds_decide():
    first, again, other = (draw_places(2, (16, 16), seeded(n), Shape()) for n in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert not torch.allclose(first[0], first[1])


def test_a_shift_has_its_length():
    places = draw_places(500, (9, 9), seeded(), Shape(0, 0, 0, shift=5, bend=0))
    moved = places[:, 4, 4] - 4
    assert moved.abs().max() <= 5
    assert abs(float(moved.std()) - 5 / math.sqrt(3)) < 0.3  # of an even draw


def test_a_bend_has_its_spread():
    places = draw_places(800, (5, 5), seeded(), Shape(0, 0, 0, 0, bend=2, coarse=1))
    corner = places[:, 0, 0]  # every voxel is a point of the grid
    assert abs(float(corner.std()) - 2) < 0.15


@pytest.mark.parametrize("dims", [2, 3])
def test_rotations_keep_distances(dims):
    size = (11,) * dims
    places = draw_places(5, size, seeded(), Shape(20, 0, 0, 0, 0)).flatten(1, -2)
    identity = draw_places(5, size, seeded(), STILL).flatten(1, -2)
    assert torch.allclose(torch.cdist(places, places), torch.cdist(identity, identity), atol=1e-2)
    turned = (places[:, 0] - 5).norm(dim=-1)
    assert torch.allclose(turned, torch.full((5,), 5 * math.sqrt(dims)), atol=1e-3)


def test_outside_is_nothing():
    assert float(warped(torch.ones(1, 1, 4, 4), torch.full((1, 2, 2, 2), 9.0)).sum()) == 0
