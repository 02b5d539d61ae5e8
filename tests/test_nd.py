"""2D and 3D are said once.

- ``pixel_shuffle`` is torch's in 2D, and its own inverse by hand in 3D with uneven scales.
- ``conv`` keeps sizes, ``unconv`` multiplies them by its stride; both refuse other dims by name.
- ``conv4`` halves and ``unconv4`` and ``resize_conv`` double sizes; a strided convolution is
  right in bfloat16 down to the last voxel.
- ``instance_norm`` takes out each image's own brightness and contrast, and holds no state.
- ``start_small`` draws what DCGAN draws; ``check_multiple`` says what would fit.
- ``unconv_by_phases`` is torch's transposed convolution, its gradients included.
- ``norm`` is torch's batch normalisation, and its state holds floats only.
- ``counts`` takes a series of whole numbers of the right length, or says what it got.
- ``per_axis`` gives one whole number per axis or says what it got.
- ``along`` is a matrix product along one axis; ``pad_to_multiple`` repeats the far edge.
"""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from medacuity.nd import (
    along,
    channels_last,
    check_multiple,
    conv,
    conv4,
    counts,
    instance_norm,
    norm,
    pad_to_multiple,
    per_axis,
    pixel_shuffle,
    resize_conv,
    start_small,
    unconv,
    unconv4,
    unconv_by_phases,
)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixel_shuffle_is_torchs_in_2d(scale, channels):
    x = torch.rand(2, channels * scale**2, 5, 4)
    assert torch.equal(pixel_shuffle(x, (scale, scale)), F.pixel_shuffle(x, scale))


@pytest.mark.parametrize("scale", [(2, 3, 1), (1, 1, 4), (2, 2, 2)])
def test_pixel_shuffle_puts_each_channel_at_its_phase(scale):
    x = torch.rand(1, int(np.prod(scale)), 3, 4, 5)
    out = pixel_shuffle(x, scale)
    assert out.shape == (1, 1, *(n * s for n, s in zip(x.shape[2:], scale, strict=True)))
    for channel, phase in enumerate(np.ndindex(scale)):
        part = out[(0, 0, *(slice(p, None, s) for p, s in zip(phase, scale, strict=True)))]
        assert torch.equal(part, x[0, channel])


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("kernel", [1, 3, 5, 9])
def test_convolutions_keep_or_multiply_sizes(dims, kernel):
    size = (9, 7, 8)[:dims]
    assert conv(dims, 2, 3, kernel)(torch.rand(1, 2, *size)).shape == (1, 3, *size)
    if kernel >= 3:
        stride = (2, 3, 1)[:dims]
        out = unconv(dims, 2, 1, kernel, stride=stride)(torch.rand(1, 2, *size))
        assert out.shape[2:] == tuple(n * s for n, s in zip(size, stride, strict=True))


STRIDES = [(1, 1), (2, 2), (3, 3), (4, 4), (1, 3), (4, 2), (2, 2, 2), (1, 1, 4), (3, 1, 2)]


@pytest.mark.parametrize("stride", STRIDES, ids=str)
@pytest.mark.parametrize("kernel", [3, 5, 9])
def test_a_transposed_convolution_by_phases_is_torchs(stride, kernel):
    torch.manual_seed(0)
    dims = len(stride)
    layer = unconv(dims, 3, 2, kernel, stride=stride)
    x = torch.rand(2, 3, *(7, 5, 6)[:dims]).requires_grad_()
    expected, out = layer(x), unconv_by_phases(layer, x)
    np.testing.assert_allclose(out.detach(), expected.detach(), atol=1e-5)
    sources = (x, layer.weight, layer.bias)
    upstream = torch.rand_like(out)
    for one, other in zip(
        torch.autograd.grad(out, sources, upstream),
        torch.autograd.grad(expected, sources, upstream),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(4, 2, 1), (8, 4, 2), (9, 3, 3)])
def test_kernels_that_fit_their_stride_go_by_phases_too(kernel, stride, padding):
    layer = torch.nn.ConvTranspose2d(3, 2, kernel, stride=stride, padding=padding, bias=False)
    x = torch.rand(1, 3, 6, 5)
    with torch.no_grad():
        np.testing.assert_allclose(unconv_by_phases(layer, x), layer(x), atol=1e-5)


@pytest.mark.parametrize("dims", [1, 4, "2"])
def test_other_dims_are_refused_by_name(dims):
    with pytest.raises(ValueError, match=f"dims must be 2 .* or 3 .*, got {dims}"):
        conv(dims, 1, 1, 3)
    with pytest.raises(ValueError, match=f"dims must be 2 .* or 3 .*, got {dims}"):
        unconv(dims, 1, 1, 3, stride=(1,))


def test_even_kernels_are_refused():
    with pytest.raises(ValueError, match=r"kernel must be odd .*, got 4"):
        conv(2, 1, 1, 4)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_normalisation_counts_no_batches(dims):
    torch.manual_seed(0)
    layer, torchs = norm(dims, 3), {2: torch.nn.BatchNorm2d, 3: torch.nn.BatchNorm3d}[dims](3)
    for _ in range(3):
        x = torch.rand(4, 3, *(5, 6, 4)[:dims])
        assert torch.equal(layer(x), torchs(x))
    assert all(value.is_floating_point() for value in layer.state_dict().values())
    plain = {name: value.clone() for name, value in layer.state_dict().items()}
    for state in (plain, torchs.state_dict(), layer.state_dict()):
        again = norm(dims, 3)
        again.load_state_dict(state)
        assert torch.equal(again.eval()(x), torchs.eval()(x))
        torchs.train()
    with pytest.raises(RuntimeError, match="running_mean"):
        norm(dims, 3).load_state_dict({"weight": torch.ones(3), "bias": torch.zeros(3)})


def test_beyond_the_edges_lie_zeros_or_the_nearest_voxel():
    x = torch.ones(1, 1, 4, 5)
    for edges, corner in (("zeros", 4.0), ("replicate", 9.0)):
        layer = conv(2, 1, 1, 3, bias=False, edges=edges)
        torch.nn.init.ones_(layer.weight)
        assert float(layer(x).detach()[0, 0, 0, 0]) == corner


@pytest.mark.parametrize(
    "values", [(9, 1), (9, 1, 5, 5), (9, 0, 5), (9, 1.0, 5), (9, True, 5), (9, None, 5), 9, None,
               "915", ()],
)  # fmt: skip
def test_counts_names_what_it_got(values):
    with pytest.raises(ValueError, match="kernels must be 3 whole numbers >= 1, got"):
        counts(1, 3, kernels=values)


def test_per_axis_repeats_or_passes():
    assert per_axis(3, 2) == (3, 3)
    assert per_axis([1, 1, 4], 3) == (1, 1, 4)
    assert per_axis((2, 3), 2) == (2, 3)


@pytest.mark.parametrize(
    ("value", "dims"),
    [(0, 2), (-1, 3), ((2, 2), 3), ((2, 2, 2), 2), ((2, 0), 2), (2.5, 2), ((2, 1.5), 2), ("22", 2),
     (None, 2), (True, 2)],
)  # fmt: skip
def test_per_axis_names_what_it_got(value, dims):
    with pytest.raises(ValueError, match=f"scale needs {dims} whole numbers >= 1"):
        per_axis(value, dims)


def test_along_multiplies_one_axis():
    x, matrix = torch.rand(2, 3, 4, 5), torch.rand(7, 4, dtype=torch.float64)
    expected = np.einsum("oi,bciw->bcow", matrix.float().numpy(), x.numpy())
    np.testing.assert_allclose(along(x, matrix, -2), torch.from_numpy(expected))


def test_padding_repeats_the_far_edge_only():
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    out = pad_to_multiple(x, 4)
    assert out.shape == (1, 1, 4, 4)
    assert torch.equal(out[..., :2, :3], x)
    assert torch.equal(out[0, 0, 3], torch.tensor([3.0, 4, 5, 5]))
    assert pad_to_multiple(x, 1) is x


@pytest.mark.parametrize("dims", [2, 3])
def test_layout_changes_no_number(dims):
    layer = conv(dims, 4, 4, 3)
    before = layer.weight.detach().clone()
    assert torch.equal(channels_last(layer, dims).weight, before)


@pytest.mark.parametrize("dims", [2, 3])
def test_adversarial_convolutions_halve_and_double_sizes(dims):
    size = (8, 6, 4)[:dims]
    x = torch.rand(2, 3, *size)
    half, twice = tuple(n // 2 for n in size), tuple(2 * n for n in size)
    assert conv4(dims, 3, 5)(x).shape == (2, 5, *half)
    assert conv(dims, 3, 5, 3, stride=2)(x).shape == (2, 5, *half)
    assert conv4(dims, 3, 5, stride=1)(x).shape == (2, 5, *(n - 1 for n in size))
    assert unconv4(dims, 3, 5)(x).shape == (2, 5, *twice)
    assert resize_conv(dims, 3, 5, edges="reflect")(x).shape == (2, 5, *twice)
    for layer in (conv4, unconv4, resize_conv):
        with pytest.raises(ValueError, match="dims must be 2"):
            layer(1, 3, 5)


@pytest.mark.parametrize("layer", [conv4(3, 8, 8), conv(3, 8, 8, 3, stride=2)])
@pytest.mark.parametrize("size", [(4, 6, 2), (4, 6, 3), (4, 2, 6), (2, 4, 6)], ids=str)
def test_a_strided_convolution_is_right_down_to_the_last_voxel(layer, size):
    layer, x = layer.requires_grad_(False), torch.randn(2, 8, *size)
    plain = F.conv3d(x, layer.weight, layer.bias, stride=2, padding=1)
    torch.testing.assert_close(layer(x), plain)
    with torch.autocast("cpu", torch.bfloat16):
        half = layer(x).float()
    torch.testing.assert_close(half, plain, rtol=0, atol=0.03 * float(plain.abs().max()))


@pytest.mark.parametrize("dims", [2, 3])
def test_instance_norm_takes_out_brightness_and_contrast(dims):
    layer = instance_norm(dims, 3)
    assert not layer.state_dict()
    x = torch.rand(2, 3, *[6] * dims)
    for mode in (True, False):
        out = layer.train(mode)(x)
        torch.testing.assert_close(out, layer(7 * x + 3), rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(out.flatten(2).mean(2), torch.zeros(2, 3), rtol=0, atol=1e-5)


def test_start_small_draws_what_dcgan_draws():
    torch.manual_seed(0)
    embedding = torch.nn.Embedding(5, 5)
    vectors = embedding.weight.detach().clone()
    layers = [conv(2, 16, 32, 3), unconv4(3, 8, 16), torch.nn.Linear(64, 64), norm(2, 512)]
    start_small(torch.nn.Sequential(*layers, embedding))
    for layer, mean in zip(layers, (0, 0, 0, 1), strict=True):
        drawn = layer.weight.detach()
        assert float(drawn.std()) == pytest.approx(0.02, rel=0.1)
        assert float(drawn.mean()) == pytest.approx(mean, abs=0.002)
        assert not layer.bias.any()
    assert torch.equal(embedding.weight, vectors)


def test_check_multiple_says_what_would_fit():
    check_multiple(torch.rand(1, 1, 8, 12), 4)
    with pytest.raises(ValueError, match=r"multiples of 8, got \(8, 12\); pad to \(8, 16\)"):
        check_multiple(torch.rand(1, 1, 8, 12), 8)
