"""FeatureNet names its layers, returns those asked for, and keeps still when the patient moves.

Also: halving keeps the field of view edge to edge and the mean of an image; in 3D it is the 2D
network plane by plane; wrong names are named.
"""

import pytest
import torch

from medacuity.models import FEATURES
from medacuity.models.feature_net import FeatureNet, halved

SMALL = (4, 6, 8)


def network(dims=2, **given) -> FeatureNet:
    torch.manual_seed(0)
    return FeatureNet(dims=dims, **{"widths": SMALL} | given)


def test_it_stands_in_the_table():
    assert FEATURES["FeatureNet"] is FeatureNet


@pytest.mark.parametrize("dims", [2, 3])
def test_layers_are_named_and_halve_by_block(dims):
    net = network(dims)
    assert net.names == ("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_2")
    assert net.layers == ("relu1_2", "relu2_2", "relu3_2")
    size = (16, 12, 20)[:dims]
    shapes = [tuple(layer.shape) for layer in net(torch.rand(2, 1, *size))]
    assert shapes == [(2, w, *(n >> i for n in size)) for i, w in enumerate(SMALL)]


def test_layers_come_in_the_order_asked_for_and_are_the_same_ones():
    net, x = network(), torch.rand(1, 1, 16, 16)
    shallow, deep = net.choose("relu1_1", "relu3_1")(x)
    again = net.choose("relu3_1", "relu1_1")(x)
    assert torch.equal(again[0], deep)
    assert torch.equal(again[1], shallow)


def test_what_lies_deeper_is_not_computed():
    net = network(layers=("relu1_1",))
    ran = []
    for place, layer in net.convolutions.items():
        layer.register_forward_hook(lambda *_, place=place: ran.append(place))
    net(torch.rand(1, 1, 8, 8))
    assert ran == ["1_1"]


@pytest.mark.parametrize("layers", [("relu4_1",), ("conv1_1",), ("relu1_1", "relu9_9")])
def test_wrong_layers_are_named(layers):
    with pytest.raises(ValueError, match=r"one or several of relu1_1.*relu3_2"):
        network(layers=layers)


@pytest.mark.parametrize("given", [{"widths": ()}, {"widths": (4, 0)}, {"channels": 0}])
def test_counts_below_one_are_refused(given):
    with pytest.raises(ValueError, match="must be a whole number >= 1"):
        network(**given)


@pytest.mark.parametrize("shape", [(1, 2, 8, 8), (1, 1, 3, 8), (1, 1, 8, 8, 8), (8, 8)])
def test_images_that_do_not_fit_are_named(shape):
    with pytest.raises(ValueError, match="1 channels and 2 axes of 4 voxels or more, got"):
        network()(torch.rand(shape))
    network(layers=("relu1_2",))(torch.rand(1, 1, 3, 8))  # small enough for what is asked for


def test_weights_as_its_plan_says():
    outputs = (32, 32, 64, 64, 96, 96, 128, 128)
    inputs = (1, *outputs[:-1])
    by_hand = sum(9 * a * b + b for a, b in zip(inputs, outputs, strict=True))
    by_hand += len(outputs)  # the importance of each layer
    assert sum(w.numel() for w in FeatureNet(dims=2).parameters()) == by_hand


def test_halving_keeps_the_mean_and_the_place():
    x = torch.zeros(1, 1, 32, 32, dtype=torch.float64)
    x[0, 0, 12:15, 9:20] = torch.rand(3, 11, dtype=torch.float64)
    small = halved(x)
    assert small.sum() * 4 == pytest.approx(float(x.sum()))
    for axis in (2, 3):
        fine, coarse = (
            (torch.arange(y.shape[axis]) + 0.5) * 32 / y.shape[axis] for y in (x, small)
        )
        centres = [
            float((y.sum(5 - axis).flatten() * place).sum() / y.sum())
            for y, place in ((x, fine), (small, coarse))
        ]
        assert centres[1] == pytest.approx(centres[0])


def test_halving_takes_out_the_pattern_of_two_voxels_that_would_alias():
    sign = 1 - 2 * (torch.arange(32) % 2).float()
    pattern = (sign[:, None] * sign).expand(1, 1, -1, -1)
    assert halved(pattern)[..., 1:-1, 1:-1].abs().max() < 1e-6


def test_a_moved_patient_moves_the_features():
    """By as many voxels as a layer is coarse, features are the same ones, moved."""
    net, x = network(layers=("relu3_2",)), torch.zeros(1, 1, 64, 64)
    x[..., 24:40, 24:40] = torch.rand(16, 16)
    moved = torch.roll(x, 4, 3)
    (a,), (b,) = net(x), net(moved)
    assert torch.allclose(torch.roll(a, 1, 3)[..., 4:-4, 4:-4], b[..., 4:-4, 4:-4], atol=1e-6)


def test_a_moved_patient_is_seen_by_less_than_without_the_blur():
    """One voxel along, against plain halving of the same features."""
    net, x = network(layers=("relu3_2",)), torch.rand(8, 1, 48, 48)
    moved = torch.roll(x, 1, 3)

    @torch.no_grad()
    def share(run) -> float:
        a, b = (run(y)[..., 4:-4, 4:-4] for y in (x, moved))
        return float((a - b).square().mean() / a.var())

    def plain(y):
        for place, layer in net.convolutions.items():
            if place in ("2_1", "3_1"):
                y = y[..., ::2, ::2]
            y = torch.relu(layer(y))
        return y

    assert share(lambda y: net(y)[0]) < 0.6 * share(plain)


def test_volumes_are_slices_where_kernels_are_flat():
    flat, deep = network(2, layers=("relu1_2",)), network(3, layers=("relu1_2",))
    for own, other in zip(deep.convolutions.values(), flat.convolutions.values(), strict=True):
        own.weight.data.zero_()
        own.weight.data[..., 1] = other.weight.data
        own.bias.data.copy_(other.bias.data)
    x = torch.rand(1, 1, 12, 12, 5)
    (volume,) = deep(x)
    (slices,) = flat(x[0].permute(3, 0, 1, 2))
    assert torch.allclose(volume[0].permute(3, 0, 1, 2), slices, atol=1e-6)
