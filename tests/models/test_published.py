"""The networks of the papers have the papers' number of weights.

Counted by others for RGB (EDSR) and luma (ESPCN, FSRCNN), biases and slopes included; built
without memory, on the meta device.
"""

import pytest
import torch
from torch import nn

from medacuity.models import EDSR, ESPCN, FSRCNN


def weights(network: type[nn.Module], **arguments: object) -> int:
    """Return how many numbers a 2D network learns."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in network(dims=2, **arguments).parameters())


@pytest.mark.parametrize(("scale", "published"), [(2, 1_369_859), (3, 1_554_499), (4, 1_517_571)])
def test_edsr_baseline(scale, published):
    assert weights(EDSR, scale=scale, channels=3) == published


@pytest.mark.parametrize(
    ("scale", "published"), [(2, 40_729_603), (3, 43_680_003), (4, 43_089_923)]
)
def test_edsr(scale, published):
    large = {"width": 256, "blocks": 32, "residual": 0.1}
    assert weights(EDSR, scale=scale, channels=3, **large) == published


@pytest.mark.parametrize(("scale", "published"), [(2, 21_284), (3, 22_729), (4, 24_752)])
def test_espcn(scale, published):
    assert weights(ESPCN, scale=scale) == published


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_fsrcnn(scale):
    assert weights(FSRCNN, scale=scale) == 12_809
    assert weights(FSRCNN, scale=scale, features=32, shrunk=5, mappings=1) == 4_086


def test_edsrs_residual_factor_is_used():
    torch.manual_seed(0)
    model = EDSR(scale=2, dims=2, width=4, blocks=1, residual=0.0)
    block = model.body[0]
    x = torch.rand(1, 4, 5, 5)
    assert torch.equal(block(x), x)


def test_fsrcnn_starts_nearly_silent():
    out = FSRCNN(scale=2, dims=2)(torch.rand(1, 1, 16, 16))
    assert out.abs().max() < 0.2
