"""LapSRN and MS-LapSRN are the papers' pyramids.

- They start as the authors' code does: the image branch is linear interpolation, and with the
  residuals silent it is all there is.
- The weights of a smaller factor are a part of those of a larger one, and give the same image
  there as the larger network's level of that size.
- A factor of 3 is the x4 network, reduced by the antialiased cubic.
- All levels come out where they are asked for, in full precision under autocast too.
- The halo is that of the kernel that was chosen; kernels with holes are refused.
- With another implementation's weights, its figure on Set5's butterfly comes out.
"""

from typing import Any

import numpy as np
import pytest
import torch
from lapsrn_oracle import oracle_weights
from PIL import Image
from torch import nn
from torch.nn import functional as F

from medacuity.metrics.fidelity import psnr
from medacuity.metrics.protocols import luma
from medacuity.models import LapSRN, MSLapSRN
from medacuity.resize import bicubic, cubic, resize

SMALL: dict[type[nn.Module], dict[str, int]] = {
    LapSRN: {"width": 6, "convolutions": 2},
    MSLapSRN: {"width": 6, "convolutions": 2, "recursions": 2},
}
BOTH = pytest.mark.parametrize("network", SMALL, ids=lambda network: network.__name__)


def small(network: type[nn.Module], scale: Any, dims: int = 2, **arguments: int) -> Any:
    """Return a small network whose every weight matters."""
    torch.manual_seed(0)
    model = network(scale=scale, dims=dims, **{**SMALL[network], **arguments})
    nn.init.normal_(model.head.weight)  # the papers' is nearly silent
    return model


@BOTH
@pytest.mark.parametrize("scale", [(2, 2), (4, 4), (8, 8), (1, 4), (2, 2, 2), (1, 1, 4)], ids=str)
def test_silent_residuals_leave_linear_interpolation(network, scale):
    model = small(network, scale, len(scale))
    for name, weight in model.named_parameters():
        if "residual" in name:
            nn.init.zeros_(weight)
    x = torch.rand(1, 1, *(9, 8, 10)[: len(scale)])
    expected = x
    while expected.shape != model(x).shape:  # level by level: a pyramid of x2
        size = [
            2 * n if n < old * s else n
            for n, old, s in zip(expected.shape[2:], x.shape[2:], scale, strict=True)
        ]
        mode = "bilinear" if len(scale) == 2 else "trilinear"
        expected = F.interpolate(expected, size, mode=mode, align_corners=False)
    with torch.no_grad():
        # Beyond the border the network sees zeros, where interpolation repeats the edge.
        inner = (..., *(slice(s, -s) if s > 1 else slice(None) for s in scale))
        np.testing.assert_allclose(model(x)[inner], expected[inner], atol=1e-6)


@BOTH
@pytest.mark.parametrize("scale", [(2, 2), (2, 2, 2), (1, 4)], ids=str)
def test_every_phase_of_the_initial_kernel_sums_to_one(network, scale):
    model = small(network, scale, len(scale), channels=2)
    kernels = [weight for name, weight in model.named_parameters() if ".image" in f".{name}"]
    for kernel in kernels:
        phases = kernel.detach()
        for axis in range(2, kernel.ndim):
            if kernel.shape[axis] > 1:  # taps 0 and 2 make one output voxel, 1 and 3 the next
                even, odd = (phases.narrow(axis, at, 1) for at in (0, 1))
                beyond = [phases.narrow(axis, at, 1) for at in (2, 3)]
                phases = torch.cat([even + beyond[0], odd + beyond[1]], axis)
        assert kernel.shape[:2] == (2, 1)
        np.testing.assert_allclose(phases, torch.ones_like(phases), atol=1e-7)


@pytest.mark.parametrize("network", SMALL)
def test_it_starts_as_the_authors_code_does(network):
    torch.manual_seed(0)
    model = network(scale=4, dims=2)
    for name, weight in model.state_dict().items():
        if name.endswith("bias"):
            assert not weight.any(), name
        elif name == "head.weight":
            assert float(weight.std()) == pytest.approx(0.001, rel=0.15)
        elif "image" not in name:
            assert float(weight.std()) == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.15), name
            assert abs(float(weight.mean())) < 0.01


@BOTH
@pytest.mark.parametrize(("less", "more"), [(2, 4), (2, 8), (4, 8), (3, 8), (2, 3)])
def test_weights_of_a_larger_factor_serve_a_smaller_one(network, less, more):
    large, little = small(network, more), small(network, less)
    theirs = large.state_dict()
    ours = {name: theirs[name] for name in little.state_dict()}
    assert all(ours[name].shape == value.shape for name, value in little.state_dict().items())
    assert len(ours) < len(theirs) or network is MSLapSRN
    little.load_state_dict(ours)
    x = torch.rand(1, 1, 7, 6)
    with torch.no_grad():
        for fine, coarse in zip(large(x, levels=3), little(x, levels=2), strict=False):
            assert torch.equal(fine, coarse)
        assert little(x).shape == (1, 1, 7 * less, 6 * less)


@BOTH
def test_three_is_four_reduced(network):
    three, four = small(network, (3, 1)), small(network, (4, 1))
    three.load_state_dict(four.state_dict())
    x = torch.rand(1, 1, 8, 5)
    with torch.no_grad():
        np.testing.assert_array_equal(three(x), resize(four(x), (24, 5), cubic))
        assert [level.shape[2:] for level in three(x, levels=2)] == [(16, 5), (32, 5)]


@BOTH
def test_levels_come_coarse_to_fine_in_full_precision(network):
    model = small(network, (4, 2))
    x = torch.rand(2, 1, 5, 6)
    with torch.autocast("cpu", torch.bfloat16):
        pyramid, finest = model(x, levels=2), model(x)
    assert [level.shape for level in pyramid] == [(2, 1, 10, 12), (2, 1, 20, 12)]
    assert all(level.dtype == torch.float32 for level in pyramid)
    assert torch.equal(pyramid[-1], finest)


@BOTH
def test_half_precision_leaves_the_image_branch_exact(network):
    model = small(network, 4)
    for name, weight in model.named_parameters():
        if "residual" in name:
            nn.init.zeros_(weight)
    x = torch.rand(1, 1, 9, 9)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = model(x)
    with torch.no_grad():
        assert torch.equal(half, model(x))


@BOTH
def test_every_level_has_its_gradient(network):
    model = small(network, 8)
    coarse, *finer = model(torch.rand(1, 1, 6, 6), levels=3)
    assert len(finer) == 2
    coarse.square().sum().backward(retain_graph=True)
    assert float(model.head.weight.grad.abs().sum()) > 0
    if network is LapSRN:
        assert model.levels[1].residual.weight.grad is None


@BOTH
def test_a_scale_of_one_corrects_without_enlarging(network):
    model = small(network, 1, 3)
    x = torch.rand(1, 1, 5, 6, 4)
    assert model(x).shape == x.shape
    for name, weight in model.named_parameters():
        if "residual" in name:
            nn.init.zeros_(weight)
    assert torch.equal(model(x), x)


def test_mslapsrn_repeats_its_block_from_the_levels_start():
    model = small(MSLapSRN, 2, recursions=3)
    start = torch.rand(1, 6, 4, 4)
    once = start + model.block(start)
    thrice = start + model.block(start + model.block(once))
    with torch.no_grad():
        assert torch.equal(model._refined(start), thrice)
    active, first, *_ = model.block
    assert isinstance(active, nn.LeakyReLU)
    assert active.negative_slope == 0.2
    assert isinstance(first, nn.Conv2d)


@pytest.mark.parametrize("kernel", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("scale", [2, 3, 4, 5])
def test_the_halo_of_every_kernel_is_exact(kernel, scale):
    model = small(LapSRN, (scale, 1), kernel=kernel, convolutions=1).double()
    middle = model.halo + 2
    x = torch.rand(1, 1, 2 * middle + 1, 3, dtype=torch.float64).requires_grad_()
    block = model(x)[:, :, middle * scale : (middle + 1) * scale]
    (gradient,) = torch.autograd.grad((block * torch.rand_like(block)).sum(), x)
    rows = gradient.abs().amax((0, 1, 3)).nonzero()[:, 0]
    seen = int((rows - middle).abs().max())
    assert seen <= model.halo <= seen + 1


@pytest.mark.parametrize("kernel", [1, 0, 3.0, "4"])
def test_kernels_with_holes_are_refused(kernel):
    with pytest.raises(ValueError, match="kernel must be a whole number >= 2"):
        LapSRN(scale=2, dims=2, kernel=kernel)


def test_its_figure_comes_out_with_another_implementations_weights(data):
    """Luma unrounded, 256 x 256 (whole fours, no more cropped), 4 off, output not clipped."""
    model = LapSRN(scale=4, dims=2, kernel=4)
    model.load_state_dict(oracle_weights())
    with Image.open(data / "travel/natural/Set5/butterfly.png") as image:
        target = torch.from_numpy(luma(np.asarray(image.convert("RGB"))))[None, None]
    low = bicubic(target, 1 / 4)
    inner = (..., slice(4, -4), slice(4, -4))
    with torch.no_grad():
        prediction = 255 * model((low / 255).float()).double()
    plain = psnr(bicubic(low, 4)[inner], target[inner], data_range=255)
    assert float(plain) == pytest.approx(22.1000, abs=1e-4)
    assert float(psnr(prediction[inner], target[inner], data_range=255)) == pytest.approx(
        27.5331, abs=1e-3
    )
