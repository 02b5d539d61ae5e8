"""What the critics of adversarial learning promise, in 2D and 3D.

- PatchGAN scores patches of the published sizes, measured by a gradient; its map is as large as
  published. What is too small for a score is refused.
- SRGAN's and DCGAN's critics give one score per image, of the size they were made for, or of any
  size where none was named.
- They compute what the authors' networks compute, written once more in adversarial_oracles.py.
- In evaluation mode one image of a batch knows nothing of the others; the gradient reaches every
  weight and the image, and no sigmoid bounds a score.
- 3D is the 2D network where all slices are alike.
- Spectral norm bounds the gain of every layer, and its state is a file of numbers that brings
  back the same network, in training too.
- Wrong arguments are refused by name.
"""

import copy

import numpy as np
import pytest
import torch
from adversarial_oracles import patchgan, srgan_critic
from safetensors.torch import load, save
from test_contract import awake
from test_generators import flatten, give
from torch import nn

from medacuity import models
from medacuity.models import DCGANCritic, PatchGAN, SRGANCritic
from medacuity.models.patchgan import spectral_norm

CASES = {
    "PatchGAN": {"width": 4, "layers": 2, "channels": 1},
    "PatchGAN instance": {"width": 4, "layers": 2, "channels": 1, "instance": True},
    "PatchGAN spectral": {"width": 4, "layers": 2, "channels": 1, "spectral": True},
    "PatchGAN voxel": {"width": 4, "layers": 0, "channels": 1},
    "SRGANCritic": {"width": 2, "size": 16},
    "SRGANCritic any": {"width": 2, "size": None},
    "SRGANCritic spectral": {"width": 2, "size": None, "spectral": True},
    "DCGANCritic": {"width": 4, "size": 16},
    "DCGANCritic classes": {"width": 4, "size": 16, "classes": 3},
    "DCGANCritic spread": {"width": 4, "size": 16, "spread": True},
    "DCGANCritic spectral": {"width": 4, "size": 16, "classes": 3, "spectral": True},
}
BOUND = [name for name in CASES if "spectral" in name]

every = pytest.mark.parametrize("name", CASES)
bound = pytest.mark.parametrize("name", BOUND)
both = pytest.mark.parametrize("dims", [2, 3])


def build(name, dims, **arguments):
    torch.manual_seed(0)
    network = getattr(models, name.split()[0])
    model = network(dims=dims, **{**CASES[name], **arguments})
    return (model if "spectral" in name else awake(model)).eval()


def labels(name, count):
    """Return what a critic takes beside images."""
    return (torch.arange(count) % 3,) if CASES[name].get("classes") else ()


def test_every_critic_is_here():
    assert {name.split()[0] for name in CASES} == set(models.CRITICS)


@pytest.mark.parametrize(
    ("name", "sizes", "theirs"),
    [
        ("PatchGAN", {"channels": 2, "layers": 3}, patchgan(2, width=4)),
        ("SRGANCritic", {"channels": 2, "size": 32}, srgan_critic(2, width=2, size=32)),
    ],
)
def test_critics_are_the_authors(name, sizes, theirs):
    ours = build(name, 2, **sizes)
    give(ours, theirs, list(ours.state_dict()))
    x = torch.rand(2, 2, 32, 32)
    torch.testing.assert_close(ours(x), theirs.eval()(x))


@pytest.mark.parametrize(
    ("layers", "field", "dims"),
    [(0, 1, 2), (1, 16, 2), (2, 34, 2), (3, 70, 2), (4, 142, 2), (5, 286, 2), (1, 16, 3)],
)
def test_a_score_depends_on_a_patch_of_the_published_size(layers, field, dims):
    torch.manual_seed(0)
    critic = awake(PatchGAN(dims=dims, channels=1, width=2, layers=layers)).eval().double()
    size = field + 2 * 2**layers + 4
    x = torch.rand(1, 1, *[size] * dims, dtype=torch.float64).requires_grad_()
    scores = critic(x)[0, 0]
    middle = scores[tuple(n // 2 for n in scores.shape)]
    seen = torch.autograd.grad(middle, x)[0][0, 0].abs()
    assert critic.field == field
    for axis in range(dims):
        along = seen.movedim(axis, 0).flatten(1).amax(1).nonzero()[:, 0]
        assert int(along.max() - along.min()) + 1 == field


@pytest.mark.parametrize(("layers", "scores"), [(0, 256), (1, 126), (2, 62), (3, 30), (4, 14)])
def test_the_map_of_scores_is_as_large_as_published(layers, scores):
    critic = PatchGAN(dims=2, width=1, layers=layers)
    assert critic(torch.rand(1, 2, 256, 256)).shape == (1, 1, scores, scores)


@pytest.mark.parametrize(("layers", "least"), [(1, 6), (2, 12), (3, 24)])
def test_what_is_too_small_for_a_score_is_refused(layers, least):
    critic = PatchGAN(dims=2, channels=1, width=2, layers=layers, spectral=True)
    assert critic(torch.rand(1, 1, least, least)).shape == (1, 1, 1, 1)
    with pytest.raises(ValueError, match=f"sizes must be {least} or more .* fewer layers"):
        critic(torch.rand(1, 1, least, least - 1))


@pytest.mark.parametrize("name", [name for name in CASES if "PatchGAN" not in name])
@both
def test_one_score_per_image(name, dims):
    model = build(name, dims)
    assert model(torch.rand(3, 1, *[16] * dims), *labels(name, 3)).shape == (3, 1)


@pytest.mark.parametrize("name", ["SRGANCritic", "DCGANCritic"])
def test_another_size_is_refused(name):
    with pytest.raises(ValueError, match=r"patches of 16 along every axis, got \(16, 20\)"):
        build(name, 2)(torch.rand(1, 1, 16, 20))


def test_without_a_size_any_goes():
    model = build("SRGANCritic any", 2)
    for size in ((16, 16), (23, 40), (96, 7)):
        assert model(torch.rand(1, 1, *size)).shape == (1, 1)


@pytest.mark.parametrize("name", [name for name in CASES if "spread" not in name])
@both
def test_images_of_a_batch_know_nothing_of_each_other(name, dims):
    model = build(name, dims).double()
    x = torch.rand(3, 1, *[16] * dims, dtype=torch.float64)
    together = model(x, *labels(name, 3)).detach()
    alone = model(x[:1], *labels(name, 1)).detach()
    torch.testing.assert_close(together[:1], alone)


@every
@both
def test_the_gradient_reaches_every_weight_and_the_image(name, dims):
    model = build(name, dims)
    x = torch.rand(3, 1, *[16] * dims).requires_grad_()
    model(x, *labels(name, 3)).square().mean().backward()
    for label, weight in model.named_parameters():
        if weight.ndim > 1:  # instance norm takes the biases before it out again, as published
            assert weight.grad is not None, label
            assert float(weight.grad.abs().sum()) > 0, label
    assert x.grad is not None
    assert all(one.abs().sum() > 0 for one in x.grad)


@every
def test_a_penalty_on_the_gradient_can_be_learned_from(name):
    """R1 takes the gradient of a gradient."""
    model = build(name, 2).train()
    x = torch.rand(2, 1, 16, 16).requires_grad_()
    score = model(x, *labels(name, 2)).sum()
    (slope,) = torch.autograd.grad(score, x, create_graph=True)
    slope.square().sum().backward()
    assert any(w.grad is not None and w.grad.any() for w in model.parameters())


@every
def test_half_precision_agrees_as_far_as_it_goes(name):
    model = build(name, 2)
    x = torch.rand(8, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        exact = model(x, *labels(name, 8))
        with torch.autocast("cpu", torch.bfloat16):
            half = model(x, *labels(name, 8)).float()
    np.testing.assert_allclose(half, exact, atol=0.1 * float(exact.abs().max()))


@pytest.mark.parametrize("name", ["PatchGAN", "PatchGAN instance", "SRGANCritic any"])
def test_where_slices_are_alike_3d_is_2d(name):
    flat, solid = build(name, 2), build(name, 3)
    flatten(flat, solid)
    x = torch.rand(2, 1, 16, 16)
    scores = flat(x).detach()
    thick = solid(x[..., None].repeat(1, 1, 1, 1, 16)).detach()
    if thick.ndim > 2:
        scores = scores[..., None].repeat(1, 1, 1, 1, thick.shape[-1])
    np.testing.assert_allclose(thick, scores, rtol=1e-3, atol=1e-4)


@every
@both
def test_a_file_of_numbers_brings_back_the_same_network(name, dims):
    model, again = build(name, dims), build(name, dims).apply(_forget)
    x = torch.rand(2, 1, *[16] * dims)
    model.train()(x, *labels(name, 2))  # averages and gains that are not those of the start
    state = load(save({key: value.contiguous() for key, value in model.state_dict().items()}))
    assert all(value.is_floating_point() for value in state.values())
    again.load_state_dict(state)
    for mode in (False, True, True):
        model.train(mode), again.train(mode)
        assert torch.equal(again(x, *labels(name, 2)), model(x, *labels(name, 2)))


def _forget(module):
    for weight in module.parameters(recurse=False):
        nn.init.ones_(weight)


@bound
def test_a_copy_is_the_same_network_and_its_own(name):
    """As a moving average of weights needs it."""
    model = build(name, 2)
    x = torch.rand(2, 1, 16, 16)
    twin = copy.deepcopy(model)
    assert torch.equal(twin(x, *labels(name, 2)), model(x, *labels(name, 2)))
    with torch.no_grad():
        next(twin.parameters()).add_(1)
    assert not torch.equal(next(twin.parameters()), next(model.parameters()))


@bound
@both
def test_spectral_norm_bounds_the_gain_of_every_layer(name, dims):
    model = build(name, dims).train()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(50).add_(torch.randn_like(weight))
        for _ in range(60):
            model(torch.rand(3, 1, *[16] * dims), *labels(name, 3))
    model.eval()
    layers = [m for m in model.modules() if hasattr(m, "parametrizations")]
    assert len(layers) == sum(w.ndim > 1 for w in model.parameters())
    for layer in layers:
        gain = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2)
        assert float(gain) == pytest.approx(1, abs=0.03)


def test_spectral_norm_stands_for_the_others():
    kinds = (nn.BatchNorm2d, nn.InstanceNorm2d)
    for name in BOUND:
        assert not any(isinstance(layer, kinds) for layer in build(name, 2).modules())
    with pytest.raises(ValueError, match="instance and spectral must not both be True"):
        PatchGAN(dims=2, instance=True, spectral=True)


def test_spectral_norm_works_on_any_network():
    network = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1))
    spectral_norm(network)
    assert len(dict(network.named_parameters())) == 4
    assert network(torch.rand(2, 5)).shape == (2, 1)


def test_labels_change_the_score_and_are_missed():
    model = build("DCGANCritic classes", 2)
    x = torch.rand(1, 1, 16, 16).repeat(3, 1, 1, 1)
    scores = model(x, torch.arange(3)).detach().flatten()
    assert len({round(float(score), 6) for score in scores}) == 3
    with pytest.raises(ValueError, match="which of the 3 classes"):
        model(x)
    with pytest.raises(ValueError, match="classes=0"):
        build("DCGANCritic", 2)(x, torch.arange(3))


@pytest.mark.parametrize("network", [PatchGAN, SRGANCritic, DCGANCritic])
def test_no_sigmoid_bounds_a_score(network):
    name = network.__name__
    scores = build(name, 2)(100 * torch.randn(4, 1, 16, 16))
    assert scores.max() > 1 or scores.min() < -1


@every
@pytest.mark.parametrize("count", [-1, 2.5, "8"])
def test_counts_are_refused_by_name(name, count):
    for word in {"channels", "width", *CASES[name]} & {"channels", "width", "layers", "classes"}:
        with pytest.raises(ValueError, match=f"{word} must be a whole number >= "):
            build(name, 2, **{word: count})


@every
def test_dims_and_misspelt_arguments_are_refused(name):
    with pytest.raises(ValueError, match=r"dims must be 2 .* or 3"):
        build(name, 1)
    with pytest.raises(TypeError, match="widht"):
        build(name, 2, widht=3)


@pytest.mark.parametrize(("network", "size", "said"), [
    (SRGANCritic, 0, "size must be a whole number >= 1"), (DCGANCritic, 12, "a power of two"),
])  # fmt: skip
def test_sizes_are_refused_by_name(network, size, said):
    with pytest.raises(ValueError, match=said):
        network(dims=2, size=size)


def test_a_critic_with_spread_sees_that_images_are_all_the_same():
    torch.manual_seed(0)
    critic = DCGANCritic(dims=2, size=16, width=4, spread=True)
    flat, differ = critic.dense.weight.detach().chunk(2, 1)
    torch.nn.init.zeros_(flat)
    torch.nn.init.ones_(differ)
    torch.nn.init.zeros_(critic.dense.bias)
    x = torch.rand(8, 1, 16, 16)
    assert float(critic(x)[0].detach()) > 10 * float(critic(x[:1].repeat(8, 1, 1, 1))[0].detach())
    assert float(critic(x[:1].repeat(8, 1, 1, 1)).detach().std()) < 1e-6
