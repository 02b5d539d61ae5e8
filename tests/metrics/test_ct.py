"""Measures of CT: each against a number that can be worked out by hand."""

import math

import pytest
import torch

from medacuity.errors import UsageError
from medacuity.metrics.ct import (
    bias,
    contrast_to_noise,
    matthews,
    otsu,
    rmse,
    smallest_contrast,
    tissue,
    windowed,
)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_bias_is_what_noise_does_not_hide():
    truth = noise(2, 1, 50, 60)
    wrong = truth + torch.tensor([3.0, -4.0]).reshape(2, 1, 1, 1)
    assert bias(wrong, truth).tolist() == pytest.approx([3, -4])
    assert rmse(wrong, truth).tolist() == pytest.approx([3, 4])
    mask = torch.zeros(1, 1, 50, 60, dtype=torch.bool)
    mask[..., :10] = True
    half = truth + mask * 2.0
    assert bias(half, truth, mask=mask).tolist() == pytest.approx([2, 2])
    assert bias(half, truth, mask=~mask).tolist() == pytest.approx([0, 0])
    assert math.isnan(float(bias(half, truth, mask=mask & ~mask)[0]))


def test_a_tissue_has_no_rim():
    x = torch.full((1, 1, 20, 20), -1000.0)
    x[..., 5:15, 4:16] = 50
    found = tissue(x, "soft tissue", rim=2)
    assert found.sum() == 6 * 8
    assert found[0, 0, 7:13, 6:14].all()
    assert not tissue(x, "lung").any()
    with pytest.raises(UsageError, match="bone"):
        tissue(x, "skin")


def test_a_window_cuts_off():
    x = torch.tensor([-2000.0, 0.0, 500.0])
    assert windowed(x, (-160, 240)).tolist() == [-160, 0, 240]
    with pytest.raises(UsageError, match="low < high"):
        windowed(x, (1, 1))


def test_contrast_to_noise():
    x = noise(1, 1, 200, 200) * 5
    inside = torch.zeros(1, 1, 200, 200, dtype=torch.bool)
    inside[..., :100, :] = True
    x = x + inside * 20.0
    assert float(contrast_to_noise(x, inside=inside, outside=~inside)) == pytest.approx(4, rel=0.03)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 0.25)])
def test_in_white_noise_the_smallest_contrast_falls_as_the_disc_grows(spacing):
    x = 40 + 10 * noise(3, 1, 400, 400)
    found = smallest_contrast(x, spacing=spacing, diameter=4.0)
    side = [round(4 * math.sqrt(math.pi) / 2 / mm) for mm in spacing]
    wanted = 3.29 * 10 / math.sqrt(side[0] * side[1])
    assert found.tolist() == pytest.approx([wanted] * 3, rel=0.1)


def test_the_smallest_contrast_needs_room():
    with pytest.raises(UsageError, match="larger region"):
        smallest_contrast(noise(1, 1, 20, 20), spacing=(1.0, 1.0), diameter=10)


def test_matthews_is_the_correlation_of_two_yes_or_no():
    a, b = noise(2, 1, 30, 30) > 0.3, noise(2, 1, 30, 30, seed=1) > -0.2
    b[1] = ~a[1]
    wanted = torch.corrcoef(torch.stack([a[0].flatten(), b[0].flatten()]).double())[0, 1]
    assert matthews(a, b).tolist() == pytest.approx([float(wanted), -1])
    assert float(matthews(a[:1], a[:1])) == pytest.approx(1)
    assert float(matthews(a[:1], torch.ones_like(a[:1]))) == 0


def test_otsu_finds_the_valley():
    filters = pytest.importorskip("skimage.filters")
    x = noise(2, 1, 60, 60) * 3
    x[:, :, :25] += 40
    found = otsu(x)
    for image, threshold in zip(x, found, strict=True):
        assert float(threshold) == pytest.approx(filters.threshold_otsu(image.numpy()), abs=0.5)
        assert 8 < float(threshold) < 32
