"""MTF and noise power: closed forms of a Gaussian blur and of white noise, in 1/mm."""

import math

import numpy as np
import pytest
import torch

from medacuity.errors import UsageError
from medacuity.metrics.resolution import Spectrum, mtf_edge, mtf_wire, noise_power


def far(size, spacing, centre):
    u, v = ((np.arange(n) - (n - 1) / 2) * mm - c
            for n, mm, c in zip(size, spacing, centre, strict=True))  # fmt: skip
    return np.hypot(u[:, None], v)


def blurred_disc(spacing, centre, radius, sigma):
    """A disc through a Gaussian, near enough: its edge is straight over a few sigma."""
    r = far((200, 180), spacing, centre)
    cdf = np.vectorize(math.erf)((radius - r) / (sigma * math.sqrt(2)))
    return torch.from_numpy(-20 + 60 * (cdf + 1))


@pytest.mark.parametrize("sigma", [0.8, 1.5])
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.7, 0.9)])
def test_the_mtf_of_a_blurred_edge_is_that_of_the_blur(sigma, spacing):
    centre = (3.3, -5.1)
    x = blurred_disc(spacing, centre, 40.0, sigma)
    found = mtf_edge(x, spacing=spacing, centre=centre, radius=40.0)
    wanted = np.exp(-2 * (math.pi * sigma * found.frequency) ** 2)
    assert np.abs(found.value - wanted).max() < 0.02
    assert found.frequency[-1] == pytest.approx(0.5 / min(spacing), rel=0.02)
    half = math.sqrt(math.log(2) / 2) / (math.pi * sigma)
    assert found.falls_to(0.5) == pytest.approx(half, rel=0.03)


@pytest.mark.parametrize("sigma", [1.0, 1.7])
def test_the_mtf_of_a_blurred_wire_is_that_of_the_blur(sigma):
    centre = (1.2, 0.4)
    r = far((64, 64), (1.0, 1.0), centre)
    x = torch.from_numpy(100 + 500 * np.exp(-(r**2) / (2 * sigma**2)))
    found = mtf_wire(x, spacing=(1.0, 1.0), centre=centre)
    wanted = np.exp(-2 * (math.pi * sigma * found.frequency) ** 2)
    assert np.abs(found.value - wanted).max() < 0.03


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 0.8)])
def test_white_noise_is_flat_at_variance_times_area(spacing):
    rng = torch.Generator().manual_seed(0)
    x = 30 + 7 * torch.randn(40, 1, 64, 48, generator=rng)
    found = noise_power(x, spacing=spacing)
    level = 49 * spacing[0] * spacing[1]
    assert found.value.mean() == pytest.approx(level, rel=0.02)
    assert np.abs(found.value / level - 1).max() < 0.2


def test_its_integral_is_the_variance():
    rng = torch.Generator().manual_seed(1)
    white = torch.randn(200, 1, 32, 32, generator=rng, dtype=torch.float64)
    x = (white + white.roll(1, 3) + white.roll(1, 2) + white.roll((1, 1), (2, 3))) / 2
    found = noise_power(x, spacing=(2.0, 2.0), bins=16)
    inside = 2 * math.pi * np.sum(found.value * found.frequency) * (0.25 / 16)
    # Smooth noise has next to nothing in the corners beyond the last ring.
    assert inside == pytest.approx(1.0, rel=0.06)


def test_a_level_is_found_between_samples():
    line = Spectrum(np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.5, 0.0]))
    assert line.falls_to(0.25) == 1.5
    assert line.falls_to(-1) == math.inf
    assert line.falls_to(2) == 0


def test_a_region_must_be_one():
    with pytest.raises(UsageError, match="8 or more"):
        noise_power(torch.zeros(1, 1, 4, 40), spacing=(1.0, 1.0))
