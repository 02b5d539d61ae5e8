"""Losses are their formulas, are zero or lowest at the target, and have finite gradients there."""

import math

import pytest
import torch

from medacuity import losses

ALL = [
    losses.mse,
    losses.l1,
    losses.charbonnier,
    losses.charbonnier_sum,
    losses.half_squares,
    losses.decibel,
]


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    """Return a prediction and a target of two images whose errors differ a hundredfold."""
    target = torch.rand(2, 1, 6, 7, dtype=torch.float64)
    off = torch.tensor([0.3, 0.003], dtype=torch.float64).reshape(2, 1, 1, 1)
    return target + off, target


def test_they_are_their_formulas(pair):
    assert float(losses.mse(*pair)) == pytest.approx((0.3**2 + 0.003**2) / 2)
    assert float(losses.l1(*pair)) == pytest.approx((0.3 + 0.003) / 2)
    round_bottom = (math.hypot(0.3, 1e-3) + math.hypot(0.003, 1e-3)) / 2
    assert float(losses.charbonnier(*pair)) == pytest.approx(round_bottom)
    each = [10 * math.log10(e**2 + 3e-6) for e in (0.3, 0.003)]
    assert float(losses.decibel(*pair)) == pytest.approx(sum(each) / 2)


def test_sums_count_every_voxel_of_an_image_and_average_over_the_batch(pair):
    voxels = 6 * 7
    round_bottom = (math.hypot(0.3, 1e-3) + math.hypot(0.003, 1e-3)) * voxels / 2
    assert float(losses.charbonnier_sum(*pair)) == pytest.approx(round_bottom)
    squares = (0.3**2 + 0.003**2) * voxels / 2
    assert float(losses.half_squares(*pair)) == pytest.approx(squares / 2)
    twice = [torch.cat([x, x]) for x in pair]
    for loss in (losses.charbonnier_sum, losses.half_squares):
        assert float(loss(*twice)) == pytest.approx(float(loss(*pair)))


def test_decibel_counts_ratios_not_sizes(pair):
    prediction, target = pair
    half = target + (prediction - target) / 2
    gain = losses.decibel(prediction, target, floor=0) - losses.decibel(half, target, floor=0)
    assert float(gain) == pytest.approx(20 * math.log10(2))


@pytest.mark.parametrize("loss", ALL)
def test_the_target_is_the_lowest_and_its_gradient_is_finite(loss, pair):
    target = pair[1]
    there = target.clone().requires_grad_()
    lowest = loss(there, target)
    lowest.backward()
    assert lowest.shape == ()
    assert torch.isfinite(there.grad).all()
    assert float(lowest.detach()) < float(loss(*pair))
