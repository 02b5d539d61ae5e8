"""Adversarial losses are their formulas, on any score, with the gradients theory gives them.

- Undecided, the critic loses 2 log 2; on two Gaussians the best one reaches -log 4 + 2 JSD.
- The minimax generator has a gradient of -sigmoid(a), the non-saturating one of -sigmoid(-a).
- No score overflows; one score per image or a map of them is the same.
- R1 is the slope of a linear critic; features are compared without a gradient to the target.
"""

import math

import pytest
import torch
from torch import nn

from medacuity.adversarial import (
    HINGE,
    LEAST_SQUARES,
    MINIMAX,
    NON_SATURATING,
    accuracy,
    feature_distance,
    halved,
    r1,
)

GAMES = [MINIMAX, NON_SATURATING, LEAST_SQUARES, HINGE]
SCORES = torch.linspace(-6, 6, 25, dtype=torch.float64)


def slope(loss, scores: torch.Tensor) -> torch.Tensor:
    """Return the gradient of a mean, times the number of scores."""
    scores = scores.clone().requires_grad_()
    loss(scores).backward()
    return scores.grad * len(scores)


@pytest.mark.parametrize("game", [MINIMAX, NON_SATURATING])
def test_chance_costs_the_critic_two_log_two(game):
    zero = torch.zeros(5, 1)
    assert float(game.critic(zero, zero)) == pytest.approx(2 * math.log(2))
    assert float(halved(game).critic(zero, zero)) == pytest.approx(math.log(2))
    assert halved(game).generator is game.generator


def test_the_best_critic_of_two_gaussians_finds_their_divergence():
    x = torch.linspace(-30, 30, 60_001, dtype=torch.float64)
    data, made = (torch.distributions.Normal(m, s) for m, s in ((0.0, 1.0), (1.5, 2.0)))
    p, q = data.log_prob(x).exp(), made.log_prob(x).exp()
    middle = ((p + q) / 2).log()
    dx = float(x[1] - x[0])
    divergence = 0.5 * float(
        (p * (data.log_prob(x) - middle) + q * (made.log_prob(x) - middle)).sum() * dx
    )
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 400_000, dtype=torch.float64, generator=generator)
    scores = [data.log_prob(y) - made.log_prob(y) for y in (noise[0], 1.5 + 2 * noise[1])]
    value = -float(MINIMAX.critic(*scores))
    assert value == pytest.approx(-math.log(4) + 2 * divergence, abs=3e-3)
    shifted = -float(MINIMAX.critic(scores[0] + 0.3, scores[1] + 0.3))
    assert shifted < value  # any other critic finds less


def test_generators_saturate_or_not():
    torch.testing.assert_close(slope(MINIMAX.generator, SCORES), -torch.sigmoid(SCORES))
    torch.testing.assert_close(slope(NON_SATURATING.generator, SCORES), -torch.sigmoid(-SCORES))


def test_minimax_is_a_game_of_one_value():
    real, fake = SCORES[:12], SCORES[13:]
    found = slope(lambda s: MINIMAX.critic(real, s), fake)
    torch.testing.assert_close(found, -slope(MINIMAX.generator, fake))


def test_least_squares_by_hand():
    real, fake = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.5], [-1.0]])
    assert float(LEAST_SQUARES.critic(real, fake)) == pytest.approx((2 + 0.625) / 2)
    assert float(LEAST_SQUARES.generator(fake)) == pytest.approx((0.25 + 4) / 2)


def test_hinge_by_hand():
    real, fake = torch.tensor([[2.0], [-0.5]]), torch.tensor([[-3.0], [0.5]])
    assert float(HINGE.critic(real, fake)) == pytest.approx((0 + 1.5) / 2 + (0 + 1.5) / 2)
    assert float(HINGE.generator(fake)) == pytest.approx(1.25)


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("score", [1e4, -1e4])
def test_nothing_overflows(game, score):
    real = torch.full((3, 1), score, requires_grad=True)
    fake = torch.full((3, 1), -score, requires_grad=True)
    total = game.critic(real, fake) + game.generator(fake)
    total.backward()
    assert all(torch.isfinite(x).all() for x in (total, real.grad, fake.grad))


@pytest.mark.parametrize("game", GAMES)
def test_a_map_of_scores_counts_like_as_many_scores(game):
    real, fake = torch.randn(2, 4, 1, 3, 5).unbind()
    assert float(game.critic(real, fake)) == pytest.approx(
        float(game.critic(real.reshape(-1, 1), fake.reshape(-1, 1)))
    )


@pytest.mark.parametrize("game", GAMES)
def test_each_side_wants_what_the_other_does_not(game):
    real = torch.tensor([[0.8]])
    low, high = torch.tensor([[0.1]]), torch.tensor([[0.4]])
    assert game.critic(real, low) < game.critic(real, high)
    assert game.generator(high) < game.generator(low)


def test_accuracy_counts_the_right_side_of_the_border():
    real, fake = torch.tensor([[0.7], [0.3]]), torch.tensor([[0.2], [0.1]])
    assert float(accuracy(LEAST_SQUARES, real, fake)) == pytest.approx(0.75)
    assert float(accuracy(HINGE, real, fake)) == pytest.approx(0.5)


@pytest.mark.parametrize("dims", [2, 3])
def test_r1_is_the_slope_of_a_linear_critic(dims):
    real = torch.randn(4, 2, *(3,) * dims, dtype=torch.float64, requires_grad=True)
    direction = torch.randn_like(real[0]).requires_grad_()
    scores = (real * direction).flatten(1).sum(1, keepdim=True)
    penalty = r1(scores, real)
    assert float(penalty.detach()) == pytest.approx(float(direction.detach().square().sum()) / 2)
    penalty.backward(inputs=[direction])
    torch.testing.assert_close(direction.grad, direction.detach())
    doubled = r1(scores.expand(-1, 6), real)  # a map of equal scores is no steeper
    assert float(doubled.detach()) == pytest.approx(float(penalty.detach()))


@pytest.mark.parametrize("dims", [2, 3])
def test_features_are_compared_layer_by_layer(dims):
    places = (4,) * dims
    prediction, target = torch.randn(2, 3, 1, *places)
    prediction.requires_grad_()
    target.requires_grad_()
    loss = feature_distance(prediction, target, network=lambda x: [torch.cat([x, 2 * x], 1), x])
    error = float((prediction - target).square().mean().detach())
    assert float(loss.detach()) == pytest.approx((1 + 4 + 1) * error, rel=1e-5)
    loss.backward()
    assert target.grad is None
    expected = 12 * (prediction - target) / prediction.numel()
    torch.testing.assert_close(prediction.grad, expected.detach())


def test_a_feature_network_of_another_number_of_layers_for_the_target_is_an_error():
    layers = iter([[torch.zeros(1, 1, 2)], []])
    with pytest.raises(ValueError, match="zip"):
        feature_distance(torch.zeros(1), torch.zeros(1), network=lambda x: next(layers))


def test_features_reach_through_a_network_that_is_held_still():
    network = nn.Conv2d(1, 3, 3).requires_grad_(False)
    prediction = torch.randn(2, 1, 6, 6, requires_grad=True)
    feature_distance(prediction, torch.zeros(2, 1, 6, 6), network=lambda x: [network(x)]).backward()
    assert prediction.grad.abs().sum() > 0
    assert network.weight.grad is None
