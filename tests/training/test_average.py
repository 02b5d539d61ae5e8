"""The moving average is the formula, copies buffers, trains nothing, and goes on when saved."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from medacuity.training.learners.average import Average


def test_it_is_the_formula():
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average, expected = Average(network, decay=0.6), 0.0
    for n in range(20):
        nn.init.constant_(network.weight, n + 1)
        average.update(network)
        kept = min(0.6, (1 + n) / (10 + n))
        expected = kept * expected + (1 - kept) * (n + 1)
        assert float(average.network.weight.detach()) == pytest.approx(expected, rel=1e-5)


def test_a_network_that_stands_still_is_reached():
    network = nn.Linear(2, 2)
    average = Average(network, decay=0.9)
    nn.init.constant_(network.weight, 3.0)
    for _ in range(200):
        average.update(network)
    torch.testing.assert_close(average.network.weight.detach(), network.weight.detach())


def test_buffers_are_copied_and_nothing_in_it_learns():
    network = nn.Sequential(nn.BatchNorm1d(2), spectral_norm(nn.Linear(2, 2)))
    average = Average(network)
    network(torch.randn(8, 2) + 5)
    average.update(network)
    for own, buffer in zip(average.network.buffers(), network.buffers(), strict=True):
        assert torch.equal(own, buffer)
        assert own.data_ptr() != buffer.data_ptr()
    assert network.training
    assert not average.network.training
    assert not any(weight.requires_grad for weight in average.network.parameters())


def test_a_saved_state_goes_on_to_the_bit():
    network = nn.Linear(3, 3)
    one, other = Average(network), Average(nn.Linear(3, 3))
    nn.init.normal_(network.weight)
    one.update(network)
    other.load_state_dict(one.state_dict())
    for average in (one, other):
        average.update(network)
    assert torch.equal(one.network.weight, other.network.weight)


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_an_average_that_would_not_follow_is_refused(decay):
    with pytest.raises(ValueError, match="decay must be from 0 to below 1"):
        Average(nn.Linear(1, 1), decay=decay)
