"""The networks of the papers have the papers' number of weights.

Counted by others for RGB (EDSR, RCAN, SRResNet, the adversarial networks) and luma (all the
rest), biases and slopes included; built without memory, on the meta device. Further, what a
paper says of its network and no contract asks: how it starts, what it adds, what it normalises
by.
"""

import pytest
import torch
from torch import nn

from medacuity.models import (
    EDSR,
    ESPCN,
    FSRCNN,
    RCAN,
    SRCNN,
    VDSR,
    Cubic,
    DCGANCritic,
    DCGANGenerator,
    LapSRN,
    MSLapSRN,
    PatchGAN,
    ResNetGenerator,
    SRGANCritic,
    SRResNet,
    UNetGenerator,
)


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


@pytest.mark.parametrize(
    ("kernels", "published"), [((9, 1, 5), 8_129), ((9, 3, 5), 24_513), ((9, 5, 5), 57_281)]
)
def test_srcnn(kernels, published):
    assert weights(SRCNN, scale=3, kernels=kernels) == published


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_vdsr(scale):
    assert weights(VDSR, scale=scale) == 665_921


@pytest.mark.parametrize(("scale", "published"), [(2, 1_399_637), (4, 1_547_350)])
def test_srresnet(scale, published):
    assert weights(SRResNet, scale=scale, channels=3) == published


@pytest.mark.parametrize(
    ("scale", "published"), [(2, 15_444_643), (3, 15_629_283), (4, 15_592_355)]
)
def test_rcan(scale, published):
    assert weights(RCAN, scale=scale, channels=3) == published


@pytest.mark.parametrize(
    ("channels", "depth", "published"),
    [(3, 8, 54_413_955), (1, 8, 54_407_809), (3, 7, 41_828_995)],
)
def test_unet_generator(channels, depth, published):
    sizes = {"channels": channels, "outputs": channels, "depth": depth}
    assert weights(UNetGenerator, **sizes) == published


@pytest.mark.parametrize(
    ("channels", "blocks", "published"),
    [(3, 9, 11_378_179), (1, 9, 11_365_633), (3, 6, 7_837_699)],
)
@pytest.mark.parametrize("resize", [False, True])
def test_resnet_generator(channels, blocks, published, resize):
    sizes = {"channels": channels, "outputs": channels, "blocks": blocks, "resize": resize}
    assert weights(ResNetGenerator, **sizes) == published


@pytest.mark.parametrize(
    ("layers", "published"),
    [(1, 139_585), (2, 666_433), (3, 2_768_705), (4, 6_964_033), (5, 11_159_361)],
)
def test_patchgan(layers, published):
    assert weights(PatchGAN, channels=6, layers=layers) == published


def test_patchgan_of_two_scans_and_of_cyclegan():
    assert weights(PatchGAN) == 2_764_609
    assert weights(PatchGAN, channels=3, instance=True) == 2_764_737


def test_srgan_critic():
    assert weights(SRGANCritic, channels=3) == 23_563_649


def test_dcgan():
    """The authors' code counts none of the biases where nothing is normalised; ours has them."""
    assert weights(DCGANGenerator, outputs=3, resize=False) == 3_576_704 + 3
    assert weights(DCGANCritic, channels=3) == 2_765_568 + 64 + 1


@pytest.mark.parametrize(
    ("network", "halo"),
    [(SRCNN(scale=1, dims=2), 6), (SRCNN(scale=1, dims=2, kernels=(9, 5, 5)), 8),
     (VDSR(scale=1, dims=2, width=1), 20)],
)  # fmt: skip
def test_enlarged_already_the_receptive_fields_are_the_papers(network, halo):
    assert network.halo == halo  # 13, 17 and 41 pixels wide


@pytest.mark.parametrize("network", [SRCNN, VDSR])
def test_enlarging_inside_is_enlarging_before(network):
    torch.manual_seed(0)
    inside = network(scale=(2, 3), dims=2)
    before = network(scale=1, dims=2)
    before.load_state_dict(inside.state_dict())
    x = torch.rand(1, 1, 7, 6)
    assert torch.equal(inside(x), before(Cubic(scale=(2, 3), dims=2)(x)))


def test_srcnn_starts_silent_and_repeats_the_border():
    torch.manual_seed(0)
    model = SRCNN(scale=1, dims=2)
    assert model(torch.rand(1, 1, 16, 16)).abs().max() < 1e-3
    for weight in model.parameters():
        torch.nn.init.ones_(weight)
    grey = model(torch.full((1, 1, 16, 16), 0.5))
    assert torch.allclose(grey, grey[0, 0, 8, 8], rtol=1e-5)


def test_vdsr_starts_as_he_drew_it():
    torch.manual_seed(0)
    model = VDSR(scale=2, dims=2)
    first, middle = model.body[0], model.body[2]
    assert float(first.weight.detach().std()) == pytest.approx((2 / 9) ** 0.5, rel=0.1)
    assert float(middle.weight.detach().std()) == pytest.approx((2 / 576) ** 0.5, rel=0.02)
    assert not any(weight.any() for weight in model.parameters() if weight.ndim == 1)


def test_vdsr_adds_to_the_cubic_enlargement():
    model = VDSR(scale=3, dims=2, width=2, layers=3)
    torch.nn.init.zeros_(model.body[-1].weight)
    x = torch.rand(1, 1, 6, 5)
    assert torch.equal(model(x), Cubic(scale=3, dims=2)(x))


def test_srresnet_normalises_by_the_batch_in_training_only():
    torch.manual_seed(0)
    model = SRResNet(scale=2, dims=2, width=4, blocks=1)
    x = torch.rand(2, 1, 6, 6)
    other = torch.cat([x[:1], 5 + x[1:]])
    assert not torch.allclose(model(x)[0], model(other)[0])
    model.eval()
    torch.testing.assert_close(model(x)[0], model(other)[0])


@pytest.mark.parametrize("scale", [(2, 2), (4, 4), (1, 2), (2, 2, 2)])
def test_a_smooth_srresnet_draws_no_checkerboard_whatever_its_weights(scale):
    torch.manual_seed(0)
    arguments = {"scale": scale, "dims": len(scale), "width": 4, "blocks": 1}
    for smooth, least, most in ((True, 0, 1e-6), (False, 1e-4, 9)):
        model = SRResNet(**arguments, smooth=smooth).eval()
        flat = torch.ones(1, 1, *(2 * model.halo + 4,) * len(scale))
        inside = tuple(slice(model.halo * s, -model.halo * s) for s in scale)
        assert least <= float(model(flat)[(0, 0, *inside)].detach().std()) <= most


def test_a_smooth_srresnet_says_how_far_it_sees():
    torch.manual_seed(0)
    model = SRResNet(scale=4, dims=2, width=4, blocks=1, smooth=True).eval()
    x = torch.rand(1, 1, 41, 41, requires_grad=True)
    block = model(x)[..., 80:84, 80:84]  # of the voxel in the middle
    (gradient,) = torch.autograd.grad(block.abs().sum(), x)
    seen = gradient[0, 0].abs().sum(0).nonzero()[:, 0]
    assert int((seen - 20).abs().max()) == model.halo


def test_rcan_refuses_an_attention_without_features():
    with pytest.raises(ValueError, match="reduction must be at most width, 8, got 16"):
        RCAN(scale=2, dims=2, width=8)


def test_rcans_attention_looks_at_the_mean_alone():
    torch.manual_seed(0)
    attention = RCAN(scale=2, dims=2, width=8, groups=1, blocks=1, reduction=2)
    attention = attention.body.body[0].body[0].body[-1]
    x = torch.rand(2, 8, 5, 6)
    weights_of = attention(x) / x  # (B, C, H, W)
    assert weights_of.std((2, 3)).max() < 1e-5
    assert ((weights_of > 0) & (weights_of < 1)).all()
    shuffled = x.flatten(2)[..., torch.randperm(30)].unflatten(2, (5, 6))
    torch.testing.assert_close((attention(shuffled) / shuffled)[..., 0, 0], weights_of[..., 0, 0])


@pytest.mark.parametrize(
    ("published", "arguments"),
    [
        (407_441, {"scale": 2}),
        (814_242, {"scale": 4}),
        (814_242, {"scale": 3}),  # x4, reduced
        (1_221_043, {"scale": 8}),
        (667_123, {"scale": 8, "convolutions": 5}),
        (871_586, {"scale": 4, "kernel": 4}),
    ],
)
def test_lapsrn(published, arguments):
    assert weights(LapSRN, **arguments) == published


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("recursions", [2, 5, 8])
def test_mslapsrn_whatever_the_factor_and_the_recursions(scale, recursions):
    assert weights(MSLapSRN, scale=scale, recursions=recursions) == 222_801


def test_edsrs_residual_factor_is_used():
    torch.manual_seed(0)
    model = EDSR(scale=2, dims=2, width=4, blocks=1, residual=0.0)
    block = model.body[0]
    x = torch.rand(1, 4, 5, 5)
    assert torch.equal(block(x), x)


def test_fsrcnn_starts_nearly_silent():
    out = FSRCNN(scale=2, dims=2)(torch.rand(1, 1, 16, 16))
    assert out.abs().max() < 0.2
