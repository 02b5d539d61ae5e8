"""What all networks that reconstruct promise, and what is special about each.

They have the published number of weights; start at the image they are given; treat slices of a
batch alike; pass a gradient to every weight; refuse what does not fit.
"""

import pytest
import torch

from medacuity.models import RECONSTRUCTORS, FBPConvNet, PrimalDual
from medacuity.physics.averages import interleaved
from medacuity.physics.geometry import Grid, parallel

GRID = Grid((16, 24), (1.0, 1.0))
SCAN = parallel(12, bins=33, pitch=1.0)


def count(network):
    return sum(weight.numel() for weight in network.parameters())


def given(batch=2, seed=0):
    rng = torch.Generator().manual_seed(seed)
    x = torch.rand(batch, 1, *GRID.shape, generator=rng)
    (whole,) = interleaved(SCAN, GRID, 1)
    rays = torch.cat([whole.along(x), torch.full_like(whole.along(x), 0.01)], 1)
    return x, rays


def run(name, network, parts=3, **kwargs):
    x, rays = given(**kwargs)
    if name == "FBPConvNet":
        return network(x)
    return network(x, rays, interleaved(SCAN, GRID, parts))


def built(name):
    torch.manual_seed(0)
    if name == "FBPConvNet":
        return FBPConvNet(dims=2, width=4, depth=2)
    return PrimalDual(dims=2, iterations=3, memory=2, width=4)


names = pytest.mark.parametrize("name", RECONSTRUCTORS)


def test_fbpconvnet_has_the_published_number_of_weights():
    with torch.device("meta"):
        assert count(FBPConvNet(dims=2)) == 34_562_945


def test_primal_dual_has_the_published_number_of_weights():
    assert count(PrimalDual(dims=2, plain=1)) == 253_220


@names
def test_training_starts_near_the_image_given(name):
    x, _ = given()
    out = run(name, built(name))
    assert out.shape == x.shape
    assert float((out - x).detach().abs().max()) < 0.05


@names
def test_slices_of_a_batch_do_not_know_of_each_other(name):
    network = built(name).eval()
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    both = run(name, network)
    x, rays = given()
    parts = interleaved(SCAN, GRID, 3)
    one = network(x[1:]) if name == "FBPConvNet" else network(x[1:], rays[1:], parts)
    torch.testing.assert_close(both[1:], one)


@names
def test_every_weight_gets_a_gradient(name):
    network = built(name)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    run(name, network).square().mean().backward()
    silent = [n for n, weight in network.named_parameters() if not weight.grad.any()]
    # The last iteration's image is all that is looked at: what it remembers beside has no use,
    # but that is a part of a weight, not a whole one.
    assert silent == []


def test_primal_dual_sees_the_rays():
    network = built("PrimalDual")
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    x, rays = given()
    parts = interleaved(SCAN, GRID, 3)
    with torch.no_grad():
        change = network(x, rays, parts) - network(x, 1.5 * rays, parts)
    assert float(change.abs().max()) > 1e-4


def test_primal_dual_learns_to_reconstruct_from_nothing():
    """A few steps on discs bring an image of zeros nearer to the truth than zeros are."""
    torch.manual_seed(0)
    network = PrimalDual(dims=2, iterations=3, memory=2, width=8, plain=1)
    (whole,) = parts = interleaved(SCAN, GRID, 1)
    u, v = (torch.from_numpy(place) for place in GRID.places())
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    rng = torch.Generator().manual_seed(1)

    def disc():
        a, b, r = torch.rand(3, generator=rng).tolist()
        inside = (u[:, None] - 8 * a + 4) ** 2 + (v - 10 * b + 5) ** 2 < (3 + 3 * r) ** 2
        return inside.float()[None, None]

    def loss():
        x = torch.cat([disc() for _ in range(4)])
        made = network(torch.zeros_like(x), whole.along(x), parts)
        return (made - x).square().mean() / x.square().mean()

    for _ in range(120):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
    assert float(loss().detach()) < 0.35


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="dims must be 2"):
        PrimalDual(dims=3)
    with pytest.raises(ValueError, match="multiples of 4"):
        FBPConvNet(dims=2, width=4, depth=2)(torch.zeros(1, 1, 10, 8))
    x, rays = given()
    with pytest.raises(ValueError, match="12 views cannot be shared among 5"):
        built("PrimalDual")(x, rays, interleaved(SCAN, GRID, 1) * 5)
    with pytest.raises(ValueError, match="depth"):
        FBPConvNet(dims=2, depth=0)


def test_steady_does_not_care_how_a_slice_is_turned():
    network = built("FBPConvNet").eval()
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    x = torch.rand(1, 1, 8, 12)
    with torch.no_grad():
        straight, turned = network.steady(x), network.steady(torch.rot90(x, 1, (2, 3)))
        mean = (network(x) + network(x.flip(3)).flip(3)) / 2
    torch.testing.assert_close(torch.rot90(straight, 1, (2, 3)), turned)
    assert float((straight - mean).abs().max()) > 1e-6
    with pytest.raises(ValueError, match="3 dimensions"):
        FBPConvNet(dims=3, width=2, depth=1).steady(torch.zeros(1, 1, 2, 2, 2))


def test_fbpconvnet_takes_volumes():
    network = FBPConvNet(dims=3, width=2, depth=1)
    assert network(torch.rand(1, 1, 4, 6, 8)).shape == (1, 1, 4, 6, 8)
