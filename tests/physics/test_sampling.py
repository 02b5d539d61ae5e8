"""Averages over larger voxels and through slices.

- ``block_mean`` is torch's average pooling where the factor divides the size, and shares a
  voxel on a border where it does not; it never changes the mean.
- A slice profile weighs by its shape: full width at half maximum as asked, sum one.
- Sizes round to the nearest whole number; factors below one are refused.
"""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from medacuity.physics.sampling import block_mean, box, gaussian, shrunk, slice_profile


@pytest.mark.parametrize("factor", [(2, 2), (3, 1), (4, 6)])
def test_block_mean_is_average_pooling(factor):
    x = torch.rand(2, 3, 12, 24, dtype=torch.float64)
    np.testing.assert_allclose(block_mean(x, factor=factor), F.avg_pool2d(x, factor))


def test_block_mean_is_average_pooling_in_3d():
    x = torch.rand(1, 1, 8, 6, 12, dtype=torch.float64)
    np.testing.assert_allclose(block_mean(x, factor=(2, 1, 4)), F.avg_pool3d(x, (2, 1, 4)))


@pytest.mark.parametrize(("size", "factor"), [((13, 17), (2, 3)), ((20, 21), (1.5, 2.7))])
def test_the_mean_is_kept_whatever_the_size(size, factor):
    x = torch.rand(1, 1, *size, dtype=torch.float64)
    assert float(block_mean(x, factor=factor).mean()) == pytest.approx(float(x.mean()), abs=1e-12)


def test_a_voxel_on_a_border_is_shared():
    out = block_mean(torch.tensor([[[3.0, 6.0, 9.0]]]), factor=[1.5])
    np.testing.assert_allclose(out, torch.tensor([[[4.0, 8.0]]]))


@pytest.mark.parametrize("thickness", [0.8, 1.0, 1.25])
@pytest.mark.parametrize("profile", [gaussian, box])
def test_a_profile_is_as_thick_as_asked(profile, thickness):
    factor, n = 40, 360
    line = torch.eye(n, dtype=torch.float64)[:, None]  # what each old voxel gives to each slice
    weights = slice_profile(line, factor=[factor], thickness=thickness, profile=profile)[:, 0, 4]
    assert float(weights.sum()) == pytest.approx(1)
    above = (weights >= weights.max() / 2).nonzero()[:, 0]
    assert int(above.max() - above.min()) + 1 == pytest.approx(thickness * factor, abs=1.5)
    middle = float((weights * torch.arange(n)).sum())
    assert middle == pytest.approx(4.5 * factor - 0.5, abs=1e-9)


def test_profiles_have_full_width_one_at_half_maximum():
    half = torch.tensor([-0.5, 0.5], dtype=torch.float64)
    for profile in (gaussian, box):
        np.testing.assert_allclose(profile(half), torch.full((2,), 0.5, dtype=torch.float64))
    assert float(gaussian(torch.tensor(1.0))) == pytest.approx(1 / 16)


def test_a_gaussian_slice_blurs_a_wave_by_its_transfer_function():
    n, factor, periods = 480, 8, 12
    places = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    wave = torch.cos(2 * math.pi * periods * places)
    out = slice_profile(wave[None, None], factor=[factor])[0, 0]
    sigma = factor / n / math.sqrt(8 * math.log(2))
    voxel = np.sinc(periods / n)  # each old voxel is itself an average over its width
    gain = math.exp(-2 * (math.pi * periods * sigma) ** 2) * voxel
    slices = (torch.arange(n // factor, dtype=torch.float64) + 0.5) * factor / n
    inside = slice(3, -3)
    expected = gain * torch.cos(2 * math.pi * periods * slices)
    np.testing.assert_allclose(out[inside], expected[inside], rtol=0, atol=2e-3)


@pytest.mark.parametrize("profile", [gaussian, box])
def test_a_thin_profile_still_sees_a_voxel(profile):
    x = torch.rand(1, 1, 12, 3, dtype=torch.float64)
    out = slice_profile(x, factor=(4, 1), thickness=0.05, profile=profile)
    assert torch.isfinite(out).all()


def test_axes_of_factor_one_are_untouched():
    x = torch.rand(1, 1, 5, 6, 8)
    for out in (slice_profile(x, factor=(1, 1, 1)), block_mean(x, factor=(1, 1, 1))):
        assert torch.equal(out, x)


def test_sizes_round_to_the_nearest():
    assert shrunk((155, 10, 3), (2, 1, 4)) == (78, 10, 1)
    assert shrunk((7,), (2.5,)) == (3,)


@pytest.mark.parametrize("factor", [(0.5, 1), (0, 2), (-2, 2)])
def test_factors_below_one_are_refused(factor):
    for degrade in (block_mean, slice_profile):
        with pytest.raises(ValueError, match="factor must be >= 1 on every axis"):
            degrade(torch.rand(1, 1, 8, 8), factor=factor)


@pytest.mark.parametrize("thickness", [0, -1, 10, math.nan])
def test_impossible_thicknesses_are_refused(thickness):
    with pytest.raises(ValueError, match="thickness must lie in"):
        slice_profile(torch.rand(1, 1, 8, 8), factor=(2, 2), thickness=thickness)
