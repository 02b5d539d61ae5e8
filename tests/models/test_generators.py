"""What the generators of adversarial learning promise, in 2D and 3D.

Image to image (``TRANSLATORS``):

- They fit what tiling needs of a model: sizes that are multiples of ``multiple`` come out as they
  went in, other sizes are refused with what would fit, and ``halo`` None is true.
- They compute what the authors' networks compute, written once more in adversarial_oracles.py.
- In evaluation mode one image of a batch knows nothing of the others, and the same comes out
  twice; in training mode dropout is on. The gradient reaches every weight; nothing is clipped.
- 3D is the 2D network where all slices are alike.

Chance to image (``GENERATORS``): sizes, labels, classes that differ.

All: bfloat16 agrees as far as it goes, a file of numbers brings back the same network, wrong
arguments are refused by name. And with resizing, there is no checkerboard at the start: in the
mean spectrum of the output nothing stands out where images of half or a quarter of the size
repeat. With an odd kernel transposed at stride 2 something does, so the test can fail; and with
the published layers too, for even overlap does not make fresh weights alike.
"""

from itertools import product

import numpy as np
import pytest
import torch
from adversarial_oracles import resnet, unet
from safetensors.torch import load, save
from test_contract import awake
from torch import nn

from medacuity import models
from medacuity.models import DCGANGenerator, ResNetGenerator, UNetGenerator
from medacuity.nd import norm, pad_to_multiple, unconv
from medacuity.tiling import run_tiled

TRANSLATORS = {
    "UNetGenerator": {"width": 4, "depth": 3},
    "UNetGenerator instance": {"width": 4, "depth": 3, "instance": True},
    "UNetGenerator resize": {"width": 4, "depth": 3, "resize": True},
    "FineUNet": {"width": 4, "depth": 3, "fine": 3},
    "ResNetGenerator": {"width": 4, "blocks": 1},
    "ResNetGenerator resize": {"width": 4, "blocks": 1, "resize": True},
}
DCGAN = {"size": 16, "latent": 6, "width": 4}
CHANCE = {
    "DCGANGenerator": DCGAN,
    "DCGANGenerator transposed": DCGAN | {"resize": False},
    "DCGANGenerator classes": DCGAN | {"classes": 3},
}
ALL = {**TRANSLATORS, **CHANCE}

translators = pytest.mark.parametrize("name", TRANSLATORS)
every = pytest.mark.parametrize("name", ALL)
both = pytest.mark.parametrize("dims", [2, 3])


def build(name, dims, **arguments):
    torch.manual_seed(0)
    network = getattr(models, name.split()[0])
    return awake(network(dims=dims, **{**ALL[name], **arguments})).eval()


def inputs(name, dims):
    """Return what a generator takes, for a batch of two."""
    generator = torch.Generator().manual_seed(1)
    if name in TRANSLATORS:
        return (torch.rand(2, 1, *(16, 24, 8)[:dims], generator=generator),)
    z = torch.randn(2, DCGAN["latent"], generator=generator)
    return (z, torch.tensor([0, 2])) if "classes" in name else (z,)


def test_every_generator_is_here():
    assert {name.split()[0] for name in TRANSLATORS} == set(models.TRANSLATORS)
    assert {name.split()[0] for name in CHANCE} == set(models.GENERATORS)


@translators
@both
def test_sizes_come_out_as_they_went_in(name, dims):
    model = build(name, dims, channels=2, outputs=3)
    assert (model.dims, model.scale, model.halo) == (dims, (1,) * dims, None)
    size = tuple(n * model.multiple for n in (2, 3, 4)[:dims])
    out = model(torch.rand(2, 2, *size))
    assert out.shape == (2, 3, *size)
    assert torch.isfinite(out).all()


@translators
def test_other_sizes_are_refused_with_what_would_fit(name):
    model = build(name, 2)
    wide = 3 * model.multiple
    with pytest.raises(
        ValueError, match=rf"multiples of {model.multiple}, got .*\({wide}, {wide}\)"
    ):
        model(torch.rand(1, 1, wide, wide - 3))


def test_the_mirror_needs_two_voxels():
    with pytest.raises(ValueError, match=r"8 or more, got \(16, 4\)"):
        build("ResNetGenerator", 2)(torch.rand(1, 1, 16, 4))


@translators
def test_tiling_takes_them_whole(name):
    model = build(name, 2)
    x, out = torch.rand(2, 1, 17, 22), torch.empty(2, 1, 17, 22)
    run_tiled(model, x, out=out)
    whole = model(pad_to_multiple(x, model.multiple))[..., :17, :22]
    torch.testing.assert_close(out, whole)


def test_the_unet_is_the_authors():
    ours = build("UNetGenerator", 2, channels=2, outputs=3, width=3, depth=6)
    theirs = unet(2, 3, width=3, depth=6)
    down = [label for label in ours.state_dict() if label.startswith("down")]
    up = [[f"up.{n}.{rest}" for rest in ours.up[n].state_dict()] for n in reversed(range(6))]
    give(ours, theirs, [*down, *(label for step in up for label in step)])
    x = torch.rand(2, 2, 64, 128)
    torch.testing.assert_close(ours(x), theirs.eval()(x))


def test_the_resnet_is_the_authors():
    ours = build("ResNetGenerator", 2, channels=2, outputs=3, width=3, blocks=2)
    theirs = resnet(2, 3, width=3, blocks=2)
    give(ours, theirs, list(ours.state_dict()))
    x = torch.rand(2, 2, 24, 32)
    torch.testing.assert_close(ours(x), theirs(x))


def give(ours, theirs, labels):
    """Give a network the weights of another, in the order of ``labels``."""
    state = ours.state_dict()
    names = [name for name in theirs.state_dict() if "num_batches" not in name]
    given = {n: state[label] for n, label in zip(names, labels, strict=True)}
    theirs.load_state_dict(given, strict=False)


@translators
@both
def test_it_sees_the_whole_image_and_nothing_of_others(name, dims):
    model = build(name, dims, **({"depth": 4} if "UNet" in name else {})).double()
    x = torch.rand(2, 1, *[16] * dims, dtype=torch.float64).requires_grad_()
    out = model(x)
    (seen,) = torch.autograd.grad(out[0, 0].flatten()[0], x)
    assert not seen[1].any()
    corner = seen[0].flatten()[-1]
    assert corner != 0, "say how far it sees"
    torch.testing.assert_close(model(x[:1]), out[:1])


@every
@both
def test_the_gradient_reaches_every_weight(name, dims):
    model = build(name, dims)
    model(*inputs(name, dims)).square().mean().backward()
    for label, weight in model.named_parameters():
        if weight.ndim > 1:  # instance norm takes the biases before it out again, as published
            assert weight.grad is not None, label
            assert float(weight.grad.abs().sum()) > 0, label


@every
@both
def test_half_precision_agrees_as_far_as_it_goes(name, dims):
    model = build(name, dims)
    with torch.no_grad():
        exact = model(*inputs(name, dims))
        with torch.autocast("cpu", torch.bfloat16):
            half = model(*inputs(name, dims)).float()
    assert exact.dtype == torch.float32
    spread = float(exact.max() - exact.min())
    np.testing.assert_allclose(half, exact, atol=0.06 * spread)


@every
@both
def test_a_file_of_numbers_brings_back_the_same_network(name, dims):
    model, again = build(name, dims), build(name, dims).apply(_forget)
    state = load(save(model.state_dict()))
    assert all(value.is_floating_point() for value in state.values())
    again.load_state_dict(state)
    assert torch.equal(again(*inputs(name, dims)), model(*inputs(name, dims)))


def _forget(module):
    for weight in module.parameters(recurse=False):
        nn.init.zeros_(weight)


@translators
def test_nothing_is_clipped(name):
    out = build(name, 2)(10 * torch.randn(1, 1, 16, 16))
    assert out.min() < 0
    assert out.max() > 1


def test_dropout_is_the_noise_of_training_alone():
    model = build("UNetGenerator", 2)
    x = torch.rand(2, 1, 16, 16)
    assert torch.equal(model(x), model(x))
    model.train()
    assert not torch.equal(model(x), model(x))
    still = build("UNetGenerator", 2, dropout=0).train()
    assert torch.equal(still(x), still(x))


def test_dropout_is_in_the_first_three_steps_up():
    for depth, levels in ((8, [5, 6, 7]), (4, [1, 2, 3]), (2, [1]), (1, [])):
        up = UNetGenerator(dims=2, width=1, depth=depth).up
        assert [n for n, step in enumerate(up) if isinstance(step[-1], nn.Dropout)] == levels


def test_one_batch_norm_of_one_is_instance_norm():
    """The paper tests with the statistics of its batch of one; `instance` has them always."""
    model = build("UNetGenerator", 2, dropout=0)
    start = {"width": 4, "depth": 3, "dropout": 0, "instance": True}
    other = UNetGenerator(dims=2, **start)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.fill_(1), layer.bias.fill_(0)
        state = model.state_dict()
        for label, weight in other.named_parameters():
            weight.copy_(state.get(label, torch.zeros_like(weight)))
    x = torch.rand(1, 1, 16, 16)
    torch.testing.assert_close(model.train()(x), other(x))


@every
def test_where_slices_are_alike_3d_is_2d(name):
    flat, solid = build(name, 2), build(name, 3)
    flatten(flat, solid)
    given = inputs(name, 2)
    thick = given
    if name in TRANSLATORS:
        thick = (given[0][..., None].repeat(1, 1, 1, 1, 16),)
    slices = flat(*given).detach()[..., None].repeat(1, 1, 1, 1, 16)
    np.testing.assert_allclose(solid(*thick).detach(), slices, atol=1e-4)


@torch.no_grad()
def flatten(flat, solid):
    """Give a 3D network the weights of a 2D one, in the taps that meet one slice only."""
    layers = dict(solid.named_modules())
    states = zip(solid.state_dict().items(), flat.state_dict().values(), strict=True)
    for (label, thick), thin in states:
        if thick.ndim == 5:
            layer = layers[label.rpartition(".")[0]]
            middle = (layer.kernel_size[0] - 1) // 2
            taps = slice(middle, middle + (2 if isinstance(layer, nn.ConvTranspose3d) else 1))
            thick.zero_()
            thick[..., taps] = thin[..., None]
        elif label == "project.weight":  # every slice starts from the same numbers
            thick.copy_(thin.reshape(-1, 1, thin.shape[1]).repeat(1, 4, 1).flatten(0, 1))
        else:
            thick.copy_(thin)


def test_labels_ask_for_a_kind():
    model = build("DCGANGenerator classes", 2)
    z = torch.randn(1, DCGAN["latent"]).repeat(3, 1)
    first, second, third = model(z, torch.arange(3))
    assert not torch.allclose(first, second)
    assert not torch.allclose(second, third)
    torch.testing.assert_close(model(z[:1], torch.tensor([1]))[0], second)


def test_labels_are_missed_and_unasked_ones_refused():
    z = torch.randn(1, DCGAN["latent"])
    with pytest.raises(ValueError, match="which of the 3 classes"):
        build("DCGANGenerator classes", 2)(z)
    with pytest.raises(ValueError, match="classes=0"):
        build("DCGANGenerator", 2)(z, torch.tensor([0]))


@pytest.mark.parametrize("size", [8, 16, 64])
def test_dcgan_doubles_from_four_voxels(size):
    model = DCGANGenerator(dims=2, size=size, width=2, outputs=3)
    assert model(torch.randn(2, 100)).shape == (2, 3, size, size)


@pytest.mark.parametrize("size", [0, 4, 12, 16.0, True])
def test_dcgan_refuses_what_is_no_power_of_two(size):
    with pytest.raises(ValueError, match="size must be a power of two, 8 or more"):
        DCGANGenerator(dims=2, size=size)


@every
@pytest.mark.parametrize("count", [-1, 2.5, "8", None])
def test_counts_are_refused_by_name(name, count):
    own = {"depth", "blocks", "width", "channels", "outputs", "latent", "classes"}
    taken = {"channels", "outputs", *ALL[name]} if name in TRANSLATORS else {"outputs", *ALL[name]}
    for word in sorted(own & taken):
        with pytest.raises(ValueError, match=f"{word} must be a whole number >= "):
            build(name, 2, **{word: count})


@every
def test_dims_and_misspelt_arguments_are_refused(name):
    with pytest.raises(ValueError, match=r"dims must be 2 .* or 3"):
        build(name, 4)
    with pytest.raises(TypeError, match="widht"):
        build(name, 2, widht=3)


@pytest.mark.parametrize("dropout", [-0.1, 1, 2])
def test_dropout_is_a_share(dropout):
    with pytest.raises(ValueError, match="dropout must be a share"):
        UNetGenerator(dims=2, dropout=dropout)


@pytest.mark.parametrize("network", [UNetGenerator, ResNetGenerator, DCGANGenerator])
def test_it_starts_as_published(network):
    torch.manual_seed(0)
    model = network(dims=2, width=16)
    for layer in model.modules():
        mean = 1.0 if isinstance(layer, type(norm(2, 1))) else 0.0
        if isinstance(layer, nn.Embedding) or getattr(layer, "weight", None) is None:
            continue
        if layer.weight.numel() >= 64:
            assert float(layer.weight.detach().mean()) == pytest.approx(mean, abs=0.01)
            assert float(layer.weight.detach().std()) == pytest.approx(0.02, rel=0.25)
        assert layer.bias is None or not layer.bias.any()


def comb(images, period):
    """Return how the mean spectrum stands out at multiples of ``1 / period``, over what is around.

    A checkerboard repeats the image's low frequencies there; 1: no more than its neighbours.
    """
    dims, n = images.ndim - 2, images.shape[-1]
    window = torch.hann_window(n)
    for axis in range(2, 2 + dims):
        images = images * window.reshape(-1, *[1] * (1 + dims - axis))
    spectrum = torch.fft.fftn(images, dim=tuple(range(2, 2 + dims))).abs().square().mean((0, 1))
    around = [d for d in product(range(-6, 7), repeat=dims) if max(map(abs, d)) > 2]
    found = []
    for corner in product((0, n // period), repeat=dims):
        if any(corner):
            near = [
                spectrum[tuple((c + d) % n for c, d in zip(corner, step, strict=True))]
                for step in around
            ]
            found.append(float(spectrum[corner] / torch.stack(near).mean()))
    return float(np.mean(found))


def comb_of(network, dims, period, **arguments):
    """Return the mean of `comb` over three fresh networks: one may be lucky."""
    drawn = [images_of(network, dims, seed=seed, **arguments) for seed in range(3)]
    return np.mean([comb(images, period) for images in drawn])


def images_of(network, dims, *, seed, transposed=False, **arguments):
    """Return what a fresh network makes of smooth images, or of chance."""
    torch.manual_seed(seed)
    model = network(dims=dims, **arguments)
    if transposed:
        model.apply(_transpose)
    if network is DCGANGenerator:
        given = torch.randn(32, model.latent)
    else:
        coarse = torch.rand(8, 1, *[8] * dims)
        given = nn.functional.interpolate(coarse, scale_factor=8, mode="bilinear")
    with torch.no_grad():
        return model(given)


def _transpose(module):
    """Put an odd kernel, transposed at stride 2, where voxels are repeated."""
    for label, child in module.named_children():
        if isinstance(child, nn.Sequential) and isinstance(child[0], nn.Upsample):
            smooth = child[1]
            dims = smooth.weight.ndim - 2
            odd = unconv(dims, smooth.in_channels, smooth.out_channels, 3, stride=(2,) * dims)
            nn.init.normal_(odd.weight, std=0.02)
            nn.init.zeros_(odd.bias)
            setattr(module, label, odd)


FRESH = [
    (UNetGenerator, 2, {"width": 16, "depth": 4, "resize": True}),
    (ResNetGenerator, 2, {"width": 16, "blocks": 2, "resize": True}),
    (DCGANGenerator, 2, {"width": 16}),
    (DCGANGenerator, 3, {"width": 4, "size": 32}),
]


@pytest.mark.parametrize(("network", "dims", "arguments"), FRESH)
def test_no_checkerboard_at_the_start(network, dims, arguments):
    assert comb_of(network, dims, 2, **arguments) < 2
    assert dims == 3 or comb_of(network, dims, 4, **arguments) < 2


@pytest.mark.parametrize(("network", "dims", "arguments"), FRESH)
def test_an_odd_kernel_transposed_draws_a_checkerboard(network, dims, arguments):
    assert comb_of(network, dims, 2, transposed=True, **arguments) > 10


@pytest.mark.parametrize(("network", "dims", "arguments"), FRESH[:3])
def test_so_do_the_published_layers(network, dims, arguments):
    assert comb_of(network, dims, 2, **arguments | {"resize": False}) > 10
