"""What is watched: the gain over cubic in dB, and a picture that can be opened."""

import io

import pytest
import torch
from PIL import Image
from torch import nn

from medacuity.models import Cubic, Linear
from medacuity.physics.sampling import block_mean
from medacuity.training.learners.supervised import Batch
from medacuity.training.watch import psnr_gain, sharper, translated


class Known(nn.Module):
    """Returns the truth, off by a known share of cubic's error."""

    def __init__(self, truth: torch.Tensor, share: float) -> None:
        super().__init__()
        self.truth, self.share = truth, share

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cubic = Cubic(scale=2, dims=x.ndim - 2)(x)
        return self.truth + self.share * (cubic - self.truth)


def batch(dims: int) -> Batch:
    """Return noise and its block mean."""
    target = torch.rand(3, 1, *(16,) * dims)
    return Batch(block_mean(target, factor=(2,) * dims), target)


@pytest.mark.parametrize("dims", [2, 3])
def test_cubic_gains_nothing_and_a_tenth_of_its_error_gains_20_db(dims):
    one = batch(dims)
    assert psnr_gain(Cubic(scale=2, dims=dims), [one, one], "cpu")[0] == pytest.approx(0, abs=1e-5)
    assert psnr_gain(Known(one.target, 0.1), [one], "cpu")[0] == pytest.approx(20, abs=0.01)
    assert psnr_gain(Linear(scale=2, dims=dims), [one], "cpu")[0] != 0


@pytest.mark.parametrize("dims", [2, 3])
def test_the_picture_can_be_opened(dims):
    look = sharper(Cubic(scale=2, dims=dims), [batch(dims)], "cpu", "a title")
    png = Image.open(io.BytesIO(look.picture))
    assert png.format == "PNG"
    assert min(png.size) > 100


class Wide(nn.Module):
    """Returns the input, and an expected error of 1."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, torch.zeros_like(x)], 1)


def test_a_width_is_measured_even_where_the_truth_shows_nothing():
    nothing = torch.zeros(2, 1, 16, 16)
    look = translated(Wide(), [Batch(nothing + 0.3, nothing)], "cpu", "a title")
    assert look.numbers["interval"] == pytest.approx(0.3)
