"""How weights move is what the papers say.

- Adjustable clipping bounds each number of a gradient by theta over the rate *in use*: no step
  of plain descent is longer than theta, and the bound loosens as the rate falls.
- Momentum works on the clipped gradient; weight decay is added after clipping.
- Schedules: cosine after a warm-up, stairs of equal length, an even fall.
- A layer may learn slower than the others.
"""

import math

import pytest
import torch
from torch import nn

from medacuity.training.learners import descent as d


class Layers(nn.Module):
    """Two layers with names, weights of ones."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.enlarge = nn.Linear(3, 3), nn.Linear(3, 1)
        for weight in self.parameters():
            nn.init.ones_(weight)


def moved(one: d.Descent, gradients: list[float], *, step: int = 0, steps: int = 100) -> nn.Module:
    """Return the layers after a step per gradient, the same number everywhere."""
    model = Layers()
    optimiser = one.optimiser(model)
    for n, gradient in enumerate(gradients):
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * one.schedule(step + n, steps)
        for weight in model.parameters():
            weight.grad = torch.full_like(weight, gradient)
        one.clip(optimiser)
        optimiser.step()
    return model


def clipped(theta: float, **changes) -> d.Descent:
    """Return VDSR's way down."""
    schedule = d.partial(d.staircase, stages=4, by=0.1)
    return d.sgd(0.1, schedule=schedule, clip=d.partial(d.adjustable, theta=theta), **changes)


@pytest.mark.parametrize("step", [0, 30, 60, 99])
@pytest.mark.parametrize("gradient", [5e4, -5e4])
def test_no_clipped_step_is_longer_than_theta(step, gradient):
    model = moved(clipped(0.01), [gradient], step=step)
    for weight in model.parameters():
        shift = torch.full_like(weight, -0.01 * math.copysign(1, gradient))
        torch.testing.assert_close(weight - 1, shift)


def test_the_bound_loosens_as_the_rate_falls():
    # 0.5 lies above 0.01 / 0.1 and below 0.01 / 0.01: clipped in the first stage alone.
    first, second = (moved(clipped(0.01), [0.5], step=step) for step in (0, 25))
    assert float(first.body.bias[0].detach()) == pytest.approx(1 - 0.1 * 0.1)
    assert float(second.body.bias[0].detach()) == pytest.approx(1 - 0.01 * 0.5)


def test_momentum_carries_the_clipped_gradient():
    model = moved(clipped(0.01), [1e6, 0.0])
    assert float(model.body.bias[0].detach()) == pytest.approx(1 - 0.01 - 0.9 * 0.01)


def test_decay_is_not_clipped():
    model = moved(clipped(0.01, decay=1.0), [0.0])
    assert float(model.body.bias[0].detach()) == pytest.approx(1 - 0.1)


def test_unclipped_steps_grow_with_the_gradient():
    one = d.sgd(0.1, schedule=d.constant, clip=d.unclipped)
    assert float(moved(one, [50.0]).body.bias[0].detach()) == pytest.approx(-4)


def test_layers_may_learn_slower():
    slower = {"enlarge": 0.1, "bias": 0.0}
    one = d.sgd(0.1, schedule=d.constant, clip=d.unclipped, slower=slower)
    model = moved(one, [1.0])
    assert float(model.body.weight[0, 0].detach()) == pytest.approx(0.9)
    assert float(model.enlarge.weight[0, 0].detach()) == pytest.approx(0.99)
    assert float(model.enlarge.bias[0].detach()) == 1
    assert {group["rate"] for group in one.optimiser(Layers()).param_groups} == {
        0.1,
        0.1 * 0.1,
        0.0,
    }


def test_a_cosine_follows_the_warm_up():
    share = [d.cosine(step, 1000, warm_up=200) for step in range(1001)]
    assert share[0] == pytest.approx(1 / 200)
    assert share[199] == pytest.approx(1)
    assert share[600] == pytest.approx(0.5, rel=1e-3)
    assert share[1000] == pytest.approx(1e-4)
    assert d.cosine(5000, 1000, warm_up=200) == pytest.approx(1e-4)
    assert share[200:] == sorted(share[200:], reverse=True)
    assert d.cosine(0, 1, warm_up=200) > 0


def test_stairs_are_of_equal_length_whatever_the_run():
    for steps in (9960, 400):
        share = [d.staircase(step, steps, stages=4, by=0.1) for step in range(steps + 1)]
        assert [share.count(x) for x in share[:: steps // 4][:4]][:3] == [steps // 4] * 3
        assert share[-1] == pytest.approx(1e-3)


def test_a_last_stair_may_be_shorter():
    share = [d.staircase(step, 300, stages=1.5, by=0.5) for step in range(300)]
    assert (share.count(1.0), share.count(0.5)) == (200, 100)


def test_a_geometric_fall_is_even():
    share = [d.geometric(step, 100, last=0.01) for step in (0, 50, 100)]
    assert share == pytest.approx([1, 0.1, 0.01])


def test_all_gradients_together_are_shortened():
    optimiser = d.adam(1e-3).optimiser(Layers())
    for group in optimiser.param_groups:
        for weight in group["params"]:
            weight.grad = torch.full_like(weight, 100.0)
    assert float(d.gradient_norm(optimiser)) == pytest.approx(100 * math.sqrt(16))
    d.by_norm(optimiser, longest=20.0)
    assert float(d.gradient_norm(optimiser)) == pytest.approx(20, rel=1e-4)
