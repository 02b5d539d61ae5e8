"""Sums along rays and means over them, alike for scanners of any size; exact gradients."""

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


def test_sums_are_in_centimetres_and_means_keep_a_constant(part):
    flat = part.along(torch.full((1, 1, *GRID.shape), 3.0))
    torch.testing.assert_close(flat, 0.3 * part.lengths)
    scan = part.operator.geometry
    back = part.over(torch.full((1, 1, scan.views, scan.bins), 2.0))
    seen = part.columns > 0
    torch.testing.assert_close(back[seen], torch.full_like(back[seen], 2.0))


def test_over_and_along_are_transposed_but_for_their_sums(part):
    rng = torch.Generator().manual_seed(0)
    scan = part.operator.geometry
    x = torch.rand(1, 1, *GRID.shape, generator=rng, dtype=torch.float64)
    y = torch.rand(1, 1, scan.views, scan.bins, generator=rng, dtype=torch.float64)
    seen = part.columns > 0
    left = (10 * part.along(torch.where(seen, x, 0)) * y).sum()
    right = (part.over(y) / part.columns.double().clamp(min=1e-30) * x)[seen].sum()
    assert float(left) == pytest.approx(float(right), rel=1e-6)


@pytest.mark.parametrize("name", ["parallel", "flat fan", "curved fan"])
def test_sharp_undoes_along_on_something_smooth(name):
    scan = SCANS[name]
    part = Averages(Radon(scan, GRID))
    u, v = GRID.places()
    x = torch.exp(-torch.from_numpy(u[:, None] ** 2 + v**2) / 40).float()[None, None]
    back = part.sharp(part.along(x))
    assert float((back - x).norm() / x.norm()) < 0.12


def test_a_detail_is_as_strong_in_a_small_scanner_as_in_a_large_one():
    def detail(size, views):
        grid = Grid((size, size), (1.0, 1.0))
        (part,) = interleaved(parallel(views, bins=2 * size, pitch=1.0), grid, 1)
        x = torch.zeros(1, 1, size, size)
        middle = slice(size // 2 - 2, size // 2 + 2)
        x[..., middle, middle] = 1.0
        y = part.along(x)
        return [float(y.amax()), *(float(back(y)[..., middle, middle].mean())
                                   for back in (part.over, part.sharp))]  # fmt: skip

    assert detail(48, 80) == pytest.approx(detail(96, 160), rel=0.03)


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


def test_what_is_told_has_the_unit_of_the_sums():
    (part,) = interleaved(SCANS["parallel"], GRID, 1)
    y = 2 * part.lengths
    told = part.told(y, torch.full_like(y, 0.25))
    torch.testing.assert_close(told[:, :1], part.along(torch.full((1, 1, *GRID.shape), 2.0)))
    torch.testing.assert_close(told[:, 1:], torch.full_like(y, 0.2))
