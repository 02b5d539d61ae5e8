"""Guided averages: right where the guide says how, and free of noise where it says nothing.

What is a line of the guide comes back as it is, steps and rims included; white noise falls by
the area of the Gaussian where the guide is flat; an offset of a region stays inside its border.
"""

import math

import pytest
import torch

from medacuity.physics.guided import gaussian, guided


def blocks(*, dims: int = 2) -> torch.Tensor:
    x = torch.zeros(1, 1, *(40,) * dims, dtype=torch.float64)
    x[..., 12:28, 12:28] = 1.0
    return x


@pytest.mark.parametrize("dims", [2, 3])
def test_a_line_of_the_guide_comes_back(dims):
    guide = blocks(dims=dims) + 0.2 * torch.rand(1, 1, *(40,) * dims, dtype=torch.float64)
    given = 0.3 * guide - 2
    found = guided(given, guide, width=3.0, least=1e-6)
    torch.testing.assert_close(found, given, atol=1e-9, rtol=0)


def test_noise_falls_by_the_area_of_the_gaussian_where_the_guide_is_flat():
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 1, 256, 256, dtype=torch.float64, generator=rng)
    inside = (slice(None), slice(None), slice(40, -40), slice(40, -40))
    once = float(gaussian(noise, 3.0)[inside].std())
    assert once == pytest.approx(1 / math.sqrt(4 * math.pi * 9), rel=0.1)
    twice = float(guided(noise, torch.ones_like(noise), width=3.0, least=0.1)[inside].std())
    assert twice == pytest.approx(once / math.sqrt(2), rel=0.2)  # averaged, and averaged again


def test_an_offset_of_a_region_stays_inside_its_border():
    guide = blocks()
    offset = 0.1 * guide
    found = guided(offset, guide, width=3.0, least=0.06)
    assert float((found - offset).abs().max()) < 0.1 / 20  # windows deep inside reach its rim
    assert float((gaussian(offset, 3.0) - offset).abs().max()) > 0.1 / 3


def test_a_constant_stays_to_the_rims():
    x = torch.full((2, 1, 9, 17), 5.0, dtype=torch.float64)
    torch.testing.assert_close(guided(x, x / 5, width=4.0, least=0.1), x)
