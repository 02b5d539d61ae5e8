"""Means along rays and over them: in the unit of the image, for any scanner; exact gradients."""

import math

import pytest
import torch

from medacuity.physics.averages import Averages, interleaved
from medacuity.physics.geometry import Geometry, Grid, fan, lodopab, parallel
from medacuity.physics.radon import Radon

GRID = Grid((24, 30), (1.0, 1.0))
SCANS = {
    "parallel": parallel(20, bins=45, pitch=1.0),
    "flat fan": fan(30, bins=60, pitch=1.6, source=100.0, detector=180.0),
    "curved fan": fan(30, bins=60, pitch=1.6, source=100.0, detector=180.0, curved=True),
    "limited": Geometry(tuple(float(n) for n in range(40)), bins=45, pitch=1.0),
}


@pytest.fixture(params=SCANS)
def part(request):
    return Averages(Radon(SCANS[request.param], GRID))


def test_the_mean_of_a_constant_is_that_constant(part):
    flat = part.along(torch.full((1, 1, *GRID.shape), 3.0))
    met = part.rows > 0
    torch.testing.assert_close(flat[met], torch.full_like(flat[met], 3.0))
    assert not flat[~met].any()
    scan = part.operator.geometry
    back = part.over(torch.full((1, 1, scan.views, scan.bins), 2.0))
    seen = part.columns > 0
    torch.testing.assert_close(back[seen], torch.full_like(back[seen], 2.0))


def test_over_and_along_are_transposed_but_for_their_sums(part):
    rng = torch.Generator().manual_seed(0)
    scan = part.operator.geometry
    x = torch.rand(1, 1, *GRID.shape, generator=rng, dtype=torch.float64)
    y = torch.rand(1, 1, scan.views, scan.bins, generator=rng, dtype=torch.float64)
    met, seen = part.rows > 0, part.columns > 0
    left = (part.along(x) / part.rows.double().clamp(min=1e-30) * y)[met].sum()
    right = (part.over(y) / part.columns.double().clamp(min=1e-30) * x)[seen].sum()
    # Rays and pixels of next to no sum are left out of one side each.
    assert float(left) == pytest.approx(float(right), rel=1e-3)


@pytest.mark.parametrize("name", ["parallel", "flat fan", "curved fan"])
def test_sharp_undoes_along_on_something_smooth(name):
    scan = SCANS[name]
    part = Averages(Radon(scan, GRID))
    u, v = GRID.places()
    x = torch.exp(-torch.from_numpy(u[:, None] ** 2 + v**2) / 40).float()[None, None]
    back = part.sharp(part.along(x))
    assert float((back - x).norm() / x.norm()) < 0.12


def test_the_unit_does_not_grow_with_field_or_views():
    def level(size, views):
        grid = Grid((size, size), (1.0, 1.0))
        (part,) = interleaved(parallel(views, bins=2 * size, pitch=1.0), grid, 1)
        return float(part.over(part.along(torch.ones(1, 1, size, size))).mean())

    assert level(16, 12) == pytest.approx(level(64, 90), rel=0.01)


def test_gradients_are_exact():
    grid, scan = Grid((5, 6), (1.0, 1.0)), parallel(4, bins=9, pitch=1.0)
    part = Averages(Radon(scan, grid))
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(1, 1, 5, 6, generator=rng, dtype=torch.float64, requires_grad=True)
    y = torch.rand(1, 1, 4, 9, generator=rng, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(part.along, x)
    assert torch.autograd.gradcheck(part.over, y)
    assert torch.autograd.gradcheck(part.sharp, y)


def test_parts_hold_every_view_once():
    scan, grid = lodopab()
    parts = interleaved(scan, grid, 8)
    assert len(parts) == 8
    angles = sorted(a for part in parts for a in part.operator.geometry.angles_deg)
    assert angles == sorted(scan.angles_deg)
    assert parts[1].operator.geometry.angles_deg[0] == scan.angles_deg[1]
    assert len(interleaved(parallel(7, bins=9, pitch=1.0), GRID, 5)) == 1


def test_what_is_told_has_the_unit_of_the_image():
    (part,) = interleaved(SCANS["parallel"], GRID, 1)
    y = 2 * part.lengths
    told = part.told(y, torch.full_like(y, 0.25))
    met = part.rows > 0
    torch.testing.assert_close(told[:, :1][met], torch.full_like(told[:, :1][met], 2.0))
    torch.testing.assert_close(told[:, 1:] * part.lengths, torch.where(met, 2.0, 0.0))
    assert math.isfinite(float(told.sum()))
