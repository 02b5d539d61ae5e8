"""Rician noise has the moments that theory gives it (Gudbjartsson and Patz, MRM 1995).

- Without signal: mean 1.2533 sigma, standard deviation 0.6551 sigma (Rayleigh).
- With signal ``A``: ``E[M^2] = A^2 + 2 sigma^2`` exactly, and the mean of Rice's formula.
- The same generator state, the same noise; there is no default generator.
"""

import math

import pytest
import torch
from scipy import special

from medacuity.physics.noise import rician


def seeded(seed: int) -> torch.Generator:
    """Return a fresh generator."""
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("sigma", [0.5, 7.0])
def test_air_is_rayleigh(sigma):
    air = rician(torch.zeros(1_000_000), sigma=sigma, rng=seeded(1)).double()
    assert float(air.mean()) / sigma == pytest.approx(1.2533, abs=0.003)
    assert float(air.std()) / sigma == pytest.approx(0.6551, abs=0.003)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0, 20.0])
def test_tissue_has_rices_moments(ratio):
    sigma = 2.0
    noisy = rician(torch.full((1_000_000,), ratio * sigma), sigma=sigma, rng=seeded(2)).double()
    t = ratio**2 / 4
    mean = math.sqrt(math.pi / 2) * ((1 + 2 * t) * special.ive(0, t) + 2 * t * special.ive(1, t))
    assert float(noisy.mean()) / sigma == pytest.approx(mean, abs=0.004)
    assert float(noisy.square().mean()) / sigma**2 == pytest.approx(ratio**2 + 2, rel=4e-3)


def test_the_seed_decides():
    x = torch.rand(2, 1, 8, 8)
    first = rician(x, sigma=0.1, rng=seeded(3))
    assert torch.equal(first, rician(x, sigma=0.1, rng=seeded(3)))
    assert not torch.equal(first, rician(x, sigma=0.1, rng=seeded(4)))
    rng = seeded(3)
    rician(x, sigma=0.1, rng=rng)
    assert not torch.equal(first, rician(x, sigma=0.1, rng=rng))


def test_the_global_generator_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    rician(torch.rand(0), sigma=1.0, rng=seeded(0))
    rician(torch.zeros(100), sigma=1.0, rng=seeded(0))
    assert torch.equal(torch.rand(3), expected)


def test_no_noise_is_the_magnitude():
    x = torch.randn(100)
    assert torch.equal(rician(x, sigma=0.0, rng=seeded(0)), x.abs())


def test_a_generator_is_required():
    with pytest.raises(TypeError, match="rng"):
        rician(torch.rand(3), sigma=1.0)  # type: ignore[call-arg]


@pytest.mark.parametrize("sigma", [-1.0, math.nan, math.inf])
def test_impossible_sigmas_are_refused(sigma):
    with pytest.raises(ValueError, match=r"sigma must be .*>= 0, got"):
        rician(torch.rand(3), sigma=sigma, rng=seeded(0))
