"""AcuityNet starts as the cubic enlargement and scales with the brightness of the scan."""

import numpy as np
import pytest
import torch

from medacuity.models import AcuityNet, Cubic


@pytest.mark.parametrize("scale", [(2, 2), (1, 1, 3)], ids=str)
def test_training_starts_at_the_cubic_enlargement(scale):
    x = torch.rand(1, 1, *(8, 9, 6)[: len(scale)])
    cubic = Cubic(scale=scale, dims=len(scale))
    assert torch.equal(AcuityNet(scale=scale, dims=len(scale), width=8, blocks=2)(x), cubic(x))


@pytest.mark.parametrize("gain", [1e-3, 0.5, 7.0, 1e4])
@pytest.mark.parametrize("scale", [(2, 2), (2, 2, 2)], ids=str)
def test_brightness_goes_straight_through(scale, gain):
    torch.manual_seed(0)
    model = AcuityNet(scale=scale, dims=len(scale), width=8, blocks=2)
    torch.nn.init.normal_(model.tail.weight, std=0.1)
    x = torch.randn(1, 1, *(8, 9, 6)[: len(scale)])
    with torch.no_grad():
        np.testing.assert_allclose(model(gain * x), gain * model(x), rtol=1e-4, atol=1e-5 * gain)


def test_nothing_in_nothing_out():
    model = AcuityNet(scale=2, dims=2, width=8, blocks=1)
    torch.nn.init.normal_(model.tail.weight)
    assert not model(torch.zeros(1, 1, 9, 9)).any()


def test_half_precision_leaves_the_cubic_part_exact():
    model = AcuityNet(scale=2, dims=2, width=8, blocks=1)
    x = torch.rand(1, 1, 12, 12)
    with torch.autocast("cpu", torch.bfloat16):
        out = model(x)
    assert torch.equal(out, Cubic(scale=2, dims=2)(x))


def test_the_halo_grows_with_the_blocks():
    for blocks in (1, 2, 6):
        assert AcuityNet(scale=2, dims=2, width=4, blocks=blocks).halo == 2 * blocks + 3


def test_a_deeper_network_starts_as_the_one_it_grows_from():
    torch.manual_seed(0)
    shallow = AcuityNet(scale=2, dims=2, width=8, blocks=2)
    torch.nn.init.normal_(shallow.tail.weight)
    deep = AcuityNet(scale=2, dims=2, width=8, blocks=5)
    deep.grow_from(shallow)
    x = torch.rand(1, 1, 9, 10)
    assert torch.equal(deep(x), shallow(x))
    deep(x).square().mean().backward()
    assert all(float(block.body[-1].weight.grad.abs().sum()) > 0 for block in deep.body[:-1])


def test_only_what_is_smaller_can_be_grown_from():
    small, wide = (AcuityNet(scale=2, dims=2, width=w, blocks=2) for w in (8, 16))
    for deep in (
        AcuityNet(scale=2, dims=2, width=8, blocks=1), wide,
        AcuityNet(scale=3, dims=2, width=8, blocks=4),
        AcuityNet(scale=2, dims=3, width=8, blocks=4),
    ):  # fmt: skip
        assert not deep.holds(small)
        with pytest.raises(ValueError, match="same width and scale with fewer blocks"):
            deep.grow_from(small)
