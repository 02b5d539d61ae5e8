"""Spectra of images whose spectrum is known: waves, white noise, a k-space cut off, patterns.

Power adds up to the variance; a wave lies in its ring; what a cut k-space lost is not there;
gain counts squared; patterns of two voxels, and no others, are seen, however faint.
"""

import math

import pytest
import torch

from medacuity.errors import UsageError
from medacuity.metrics.spectrum import (
    checkerboard,
    fine_energy,
    power_spectrum,
    sharpness,
    spectral_distance,
)
from medacuity.physics.kspace import kspace_crop, zero_fill


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def head(size: int = 96) -> torch.Tensor:
    """Smooth shapes with edges on nothing, as scans are."""
    line = torch.linspace(-1, 1, size, dtype=torch.float64)
    x, y = torch.meshgrid(line, line, indexing="ij")
    image = ((x / 0.7) ** 2 + (y / 0.9) ** 2 < 1) * 0.5 + ((x - 0.2) ** 2 + y**2 < 0.05) * 0.4
    return image[None, None].double()


@pytest.mark.parametrize("shape", [(3, 1, 64, 64), (2, 2, 64, 48), (2, 1, 20, 24, 16)])
def test_the_power_of_white_noise_is_its_variance_and_the_same_in_every_ring(shape):
    x = 3 * noise(*shape)
    assert fine_energy(x, above=0).mean() == pytest.approx(9, rel=0.1)
    rings = power_spectrum(x, bins=4).mean(0)
    assert rings / rings.mean() == pytest.approx(torch.ones(4).double(), rel=0.25)


@pytest.mark.parametrize("turns", [3.5 / 32, 7.5 / 32, 12.5 / 32])
def test_a_wave_lies_in_its_ring(turns):
    place = torch.arange(128, dtype=torch.float64)
    wave = torch.cos(2 * math.pi * turns * place).expand(1, 1, 128, -1)
    rings = power_spectrum(wave, bins=16)[0]
    assert int(rings.argmax()) == int(turns / 0.5 * 16)
    assert rings[int(turns / 0.5 * 16)] / rings.sum() > 0.95


def test_brightness_alone_has_no_power():
    assert power_spectrum(torch.full((1, 1, 16, 16), 7.0)).abs().max() < 1e-20


def test_as_many_rings_as_an_image_has_frequencies():
    rings = power_spectrum(noise(2, 1, 8, 9))
    assert rings.shape == (2, 4)
    assert (rings > 0).all()


@pytest.mark.parametrize("gain", [0.5, 1.0, 2.0])
def test_sharpness_is_the_gain_squared(gain):
    x = noise(2, 1, 32, 32)
    assert sharpness(gain * x, x) == pytest.approx(torch.full((2,), gain**2).double())


def test_a_k_space_cut_off_leaves_no_fine_detail():
    x = head()
    cut = zero_fill(kspace_crop(x, factor=(2.2, 2.2)), size=(96, 96))
    assert float(sharpness(cut, x)) < 0.06  # the window spreads the rim a little
    assert float(sharpness(x, x)) == 1


def test_sharpness_falls_with_blur_and_rises_with_noise():
    x = head()
    window = [zero_fill(kspace_crop(x, factor=(f, f)), size=(96, 96)) for f in (1.2, 1.5, 2.0)]
    blurred = [float(sharpness(y, x)) for y in window]
    assert blurred == sorted(blurred, reverse=True)
    noisy = [float(sharpness(x + s * noise(1, 1, 96, 96), x)) for s in (0.01, 0.03, 0.1)]
    assert 1 < noisy[0] < noisy[1] < noisy[2]


def test_spectral_distance_in_decibels_by_hand():
    x = noise(3, 1, 32, 32)
    assert spectral_distance(x, x).tolist() == [0, 0, 0]
    assert spectral_distance(10 * x, x) == pytest.approx(torch.full((3,), 20.0).double())
    assert spectral_distance(x / 10, x) == pytest.approx(torch.full((3,), 20.0).double())


@pytest.mark.parametrize(("shape", "period"), [
    ((1, 1, 64, 64), 2), ((1, 1, 63, 50), 2), ((1, 1, 64, 64), 4), ((1, 1, 24, 24, 24), 2),
])  # fmt: skip
def test_patterns_stick_out_and_noise_does_not(shape, period):
    x = noise(*shape)
    assert float(checkerboard(x, period=period)) < 12
    for axes in ((2,), tuple(range(2, x.ndim))):
        pattern = torch.ones(())
        for axis in axes:
            line = (torch.arange(x.shape[axis]) % period == 0).double()
            pattern = pattern * line.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
        assert float(checkerboard(0.1 * x + pattern, period=period)) > 40


def test_a_faint_pattern_on_a_head_is_seen_and_the_head_is_not():
    x = head() + 0.01 * noise(1, 1, 96, 96)
    sign = 1 - 2 * (torch.arange(96) % 2).double()
    assert float(checkerboard(x)) < 12
    assert float(checkerboard(x + 0.005 * sign * sign[:, None])) > 50


def test_a_cut_off_k_space_is_no_pattern():
    cut = zero_fill(kspace_crop(head(), factor=(2, 2)), size=(96, 96))
    assert float(checkerboard(cut)) < 12
    assert float(checkerboard(cut, period=4)) < 12


@pytest.mark.parametrize("call", [
    lambda: power_spectrum(torch.rand(1, 1, 3, 8)),
    lambda: power_spectrum(torch.rand(8, 8)),
    lambda: power_spectrum(torch.rand(1, 1, 8, 8), bins=0),
    lambda: power_spectrum(torch.rand(1, 1, 8, 8), bins=5),
    lambda: fine_energy(torch.rand(1, 1, 8, 8), above=0.5),
    lambda: sharpness(torch.rand(1, 1, 8, 8), torch.rand(1, 1, 8, 9)),
    lambda: spectral_distance(torch.rand(1, 1, 8, 8), torch.rand(2, 1, 8, 8)),
    lambda: checkerboard(torch.rand(1, 1, 8, 8), period=1),
    lambda: checkerboard(torch.rand(1, 1, 8, 6)),
])  # fmt: skip
def test_what_cannot_be_measured_is_named(call):
    with pytest.raises(UsageError, match=r"got \S"):
        call()
