"""The noise of a scan is read from the scan.

- In a real head it finds a known Rician sigma within 15 % around the level that decides, and
  in tissue without any texture a quarter too low, as its percentile says.
- A clean phantom has next to none, and edges are not noise; air alone, or nothing, has none.
- It is a share of the brightness: a scan times ten gives the same number.
- That of CT is read in soft tissue and in HU, whatever the air was cut off at; without soft
  tissue there is none.
"""

import numpy as np
import pytest
import torch

from medacuity.demo import sample_head
from medacuity.physics.noise import rician
from medacuity.trust.noise import noise_in_hu, noise_level

BRIGHTNESS = 800.0


def phantom() -> np.ndarray:
    """Return slices of a smooth head with two tissues, a bright rim, fluid, and air around it."""
    z, y, x = np.mgrid[:16, :160, :144].astype(np.float32)
    radius = np.hypot((y - 80) / 68, (x - 72) / 60)
    head = np.where(radius < 1, 450 + 30 * np.sin(y / 40) + 2 * z, 0)
    head = np.where(radius < 0.7, 650 + 20 * np.cos(x / 50), head)
    head = np.where((radius < 1) & (radius > 0.94), BRIGHTNESS, head)
    return np.where(np.hypot((y - 80) / 20, (x - 72) / 12) < 1, 120, head).astype(np.float32)


def noisy(stack: np.ndarray, sigma: float) -> np.ndarray:
    """Return the stack as a magnitude scan with noise."""
    rng = torch.Generator().manual_seed(3)
    return rician(torch.from_numpy(stack), sigma=sigma, rng=rng).numpy()


@pytest.mark.parametrize("level", [0.01, 0.02])
def test_a_known_sigma_is_found_in_a_real_head(level):
    head = sample_head().array[..., 0][None].astype(np.float32)
    brightness = float(np.percentile(head, 99.9))
    found = noise_level(noisy(head, level * brightness), brightness=brightness)
    assert found == pytest.approx(level, rel=0.15)


@pytest.mark.parametrize("level", [0.01, 0.02, 0.03, 0.05, 0.08])
def test_without_texture_the_low_percentile_shows(level):
    # The 10th percentile of medians over 36 coefficients: 1 - 1.28 * 1.17 / 6 of the truth.
    found = noise_level(noisy(phantom(), level * BRIGHTNESS), brightness=BRIGHTNESS)
    assert found == pytest.approx(0.75 * level, rel=0.05)


def test_a_clean_scan_has_none():
    assert noise_level(phantom(), brightness=BRIGHTNESS) < 0.002


def test_more_noise_is_more():
    levels = [
        noise_level(noisy(phantom(), s * BRIGHTNESS), brightness=BRIGHTNESS)
        for s in (0, 0.005, 0.01, 0.02, 0.04, 0.08)
    ]
    assert levels == sorted(levels)


@pytest.mark.parametrize("gain", [0.01, 10])
def test_it_is_a_share_of_the_brightness(gain):
    stack = noisy(phantom(), 24)
    once = noise_level(stack, brightness=BRIGHTNESS)
    assert noise_level(gain * stack, brightness=gain * BRIGHTNESS) == pytest.approx(once, rel=1e-4)


@pytest.mark.parametrize("shape", [(4, 5, 5), (0, 64, 64), (3, 64, 7), (1, 12, 12)])
def test_nothing_to_read_is_no_noise(shape):
    assert noise_level(np.zeros(shape, np.int16), brightness=1.0) == 0.0


def test_stored_integers_are_fine():
    stack = noisy(phantom(), 24)
    exact = noise_level(stack, brightness=BRIGHTNESS)
    rounded = noise_level(stack.astype(np.int16), brightness=BRIGHTNESS)
    assert rounded == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize("sigma", [15.0, 60.0, 200.0])
def test_the_noise_of_ct_is_found_in_soft_tissue(sigma):
    line = np.linspace(-1.2, 1.2, 150)
    body = np.where(np.hypot(line[:, None], line) < 1, 50.0, -1000.0)
    body[60:90, 60:90] = 800
    noise = sigma * np.random.default_rng(1).standard_normal((6, 150, 150))
    assert noise_in_hu(np.maximum(body + noise, -1024)) == pytest.approx(sigma, rel=0.2)


def test_without_soft_tissue_there_is_no_noise_of_ct():
    assert noise_in_hu(np.full((3, 80, 80), -1000.0)) == 0
    assert noise_in_hu(np.full((3, 8, 8), 40.0)) == 0
