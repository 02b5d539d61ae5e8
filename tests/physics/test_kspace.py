"""A k-space crop is what its formula says.

- A band-limited image comes out as its own closed form, sampled at the new centres.
- Frequencies up to ``(n - 1) / 2`` are kept as they are, those beyond are gone; the zero
  frequency lies at index ``n // 2`` of the kept ones, for even and odd sizes alike.
- The window fades the rim by the raised cosine of its definition.
- Cropping what was zero-filled gives the image back, apart from the one frequency of an even
  size that has no partner (``-n/2``): it comes back halved.
- Linear, unless the magnitude is asked for.
"""

import math
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from medacuity.physics.kspace import kspace_crop, zero_fill

SIZES = [(64, 32), (64, 31), (63, 32), (63, 31), (60, 15), (48, 47), (50, 13)]


def wave(n: int, frequency: int, centres: Tensor, turn: float = 0.3) -> Tensor:
    """Return a cosine with whole periods over a line of ``n`` voxels."""
    return torch.cos(2 * math.pi * (frequency * (centres + 0.5) / n + turn))


def centres(old: int, new: int) -> Tensor:
    """Return the new voxels' centres in old voxels."""
    return (torch.arange(new, dtype=torch.float64) + 0.5) * old / new - 0.5


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_band_limited_images_come_out_in_closed_form(old, new):
    for a, b in product(range((new + 1) // 2), (0, 3)):
        x = wave(old, a, centres(old, old))[:, None] * wave(20, b, centres(20, 20))
        expected = wave(old, a, centres(old, new))[:, None] * wave(20, b, centres(20, 10))
        out = kspace_crop(x[None, None], factor=(old / new, 2))
        np.testing.assert_allclose(out[0, 0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_frequencies_beyond_the_kept_ones_are_gone(old, new):
    for frequency in range(new // 2 + 1, old // 2 + 1):
        x = wave(old, frequency, centres(old, old))[None, None, :, None]
        assert kspace_crop(x, factor=(old / new, 1)).abs().max() < 1e-12


@pytest.mark.parametrize("n", [8, 7])
def test_the_zero_frequency_is_the_middle_one(n):
    # Frequencies -n//2 ... : for even sizes the lone one is the negative, as in DICOM and FFTs.
    x = torch.exp(2j * math.pi * -(n // 2) * (torch.arange(32.0).double() + 0.5) / 32)
    kept = kspace_crop(x[None, None, :, None], factor=(32 / n, 1), magnitude=True)
    np.testing.assert_allclose(kept, torch.ones_like(kept))
    other = kspace_crop(x.conj()[None, None, :, None], factor=(32 / n, 1), magnitude=True)
    assert other.abs().max() == pytest.approx(n % 2, abs=1e-12)


@pytest.mark.parametrize("size", list(product((8, 9), (6, 7), (5, 1))))
@pytest.mark.parametrize("window", [0.0, 0.7])
def test_constants_are_kept_at_every_size(size, window):
    x = torch.full((1, 2, *size), 3.0, dtype=torch.float64)
    out = kspace_crop(x, factor=(1.3, 2, 1), window=window)
    np.testing.assert_allclose(out, torch.full_like(out, 3.0))


@pytest.mark.parametrize("window", [0.2, 0.5, 1.0])
def test_the_window_is_a_raised_cosine(window):
    n = 32
    for k in range(n // 2):
        rim = max(0.0, (2 * k / n - (1 - window)) / window)
        gain = 0.5 + 0.5 * math.cos(math.pi * rim)
        x = wave(64, k, centres(64, 64))[None, None, :, None]
        expected = gain * wave(64, k, centres(64, n))
        out = kspace_crop(x, factor=(2, 1), window=window)
        np.testing.assert_allclose(out[0, 0, :, 0], expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("size", [(9, 7), (9, 15), (5, 5)])
@pytest.mark.parametrize("larger", [(18, 14), (21, 30), (10, 19)])
def test_cropping_undoes_zero_filling_of_odd_sizes(size, larger):
    y = torch.rand(2, 1, *size, dtype=torch.float64)
    larger = tuple(max(a, b) for a, b in zip(larger, size, strict=True))
    fine = zero_fill(y, size=larger)
    factor = [f / c for f, c in zip(larger, size, strict=True)]
    np.testing.assert_allclose(kspace_crop(fine, factor=factor), y, rtol=0, atol=1e-12)


def test_the_frequency_without_a_partner_comes_back_halved():
    y = torch.rand(1, 1, 8, 1, dtype=torch.float64)
    lone = torch.tensor([1.0, -1.0] * 4, dtype=torch.float64)
    share = (y[0, 0, :, 0] @ lone) / 8
    back = kspace_crop(zero_fill(y, size=(16, 1)), factor=(2, 1))[0, 0, :, 0]
    np.testing.assert_allclose(back, y[0, 0, :, 0] - share / 2 * lone, rtol=0, atol=1e-12)


def test_the_real_part_is_linear_and_the_magnitude_is_not():
    a, b = torch.rand(2, 1, 1, 16, 17, dtype=torch.float64)
    crop = kspace_crop(2 * a - 3 * b, factor=(2, 2))
    parts = 2 * kspace_crop(a, factor=(2, 2)) - 3 * kspace_crop(b, factor=(2, 2))
    np.testing.assert_allclose(crop, parts, rtol=0, atol=1e-12)
    edge = torch.zeros(1, 1, 32, 32)
    edge[..., 16:] = 1
    assert kspace_crop(edge, factor=(2, 2)).min() < -0.005
    assert kspace_crop(edge, factor=(2, 2), magnitude=True).min() >= 0


def test_a_complex_image_keeps_its_phase():
    x = torch.rand(1, 1, 18, 18, dtype=torch.complex128)  # 9 is odd: no frequency without a partner
    turned = kspace_crop(x * 1j, factor=(2, 2))
    np.testing.assert_allclose(turned, -kspace_crop(x.imag, factor=(2, 2)), rtol=0, atol=1e-12)


def test_numbers_stay_float32():
    assert kspace_crop(torch.rand(1, 1, 9, 9), factor=(2, 1)).dtype == torch.float32
    assert zero_fill(torch.rand(1, 1, 9, 9), size=(18, 9)).dtype == torch.float32


@pytest.mark.parametrize("window", [-0.1, 1.1, np.nan])
def test_other_windows_are_refused(window):
    with pytest.raises(ValueError, match="window must lie in \\[0, 1\\], got"):
        kspace_crop(torch.rand(1, 1, 8, 8), factor=(2, 2), window=window)
