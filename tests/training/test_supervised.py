"""The supervised learner learns, resumes, and lets nothing that is not finite near its weights.

- The loss on a phantom drops in under 60 steps; the rate warms up, then follows a cosine.
- A saved state is everything the next step depends on: the next steps are the same to the bit.
- A batch with NaN or infinity in input, target, loss or gradient leaves weights, optimiser and
  schedule as a skipped step does: unchanged, but for the count.
"""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from training_makers import head

from medacuity import losses
from medacuity.models import ESPCN, AcuityNet
from medacuity.nd import channels_last
from medacuity.physics.sampling import block_mean
from medacuity.training.learners.supervised import Batch, Supervised


def batch(step: int, dims: int = 2) -> Batch:
    """Return a few patches of a phantom."""
    rng = np.random.default_rng(step)
    volume = torch.from_numpy(head(step % 3).astype(np.float32) / 2000)
    if dims == 3:
        target = volume[None, None, :20, :20, :20]
    else:
        target = volume[rng.integers(10, 30, 4)][:, None]
    return Batch(block_mean(target, factor=(2,) * dims), target)


def learner(dims: int = 2, model: nn.Module | None = None, **changes: Any) -> Supervised:
    """Return a learner that starts from fixed weights."""
    torch.manual_seed(0)
    network = model or AcuityNet(scale=2, dims=dims, width=8, blocks=1)
    arguments = {"loss": losses.decibel, "steps": 60, "rate": 3e-3, "half": False, **changes}
    return Supervised(channels_last(network, dims), **arguments)


def state(one: Supervised) -> dict[str, torch.Tensor]:
    """Return weights and moments, copied."""
    weights = {k: v.clone() for k, v in one.model.state_dict().items()}
    for n, moments in one.optimiser.state_dict()["state"].items():
        weights |= {f"{n}/{k}": v.clone() for k, v in moments.items()}
    return weights


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Return whether two states are the same to the bit."""
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("half", [False, True])
def test_it_learns(dims, half):
    one = learner(dims, half=half)
    logged = [one.step(batch(step, dims))["loss"] for step in range(50)]
    assert np.mean(logged[-6:]) < np.mean(logged[:6]) - 0.5  # dB, over the same three heads


@pytest.mark.parametrize("loss", [losses.mse, losses.l1, losses.charbonnier])
def test_every_loss_is_learned_from(loss):
    model = ESPCN(scale=2, dims=2, width=16)
    one = learner(model=model, loss=loss, rate=5e-3)
    logged = [one.step(batch(step))["loss"] for step in range(50)]
    assert np.mean(logged[-5:]) < 0.6 * np.mean(logged[:5])


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("half", [False, True])
def test_a_saved_state_goes_on_to_the_bit(dims, half):
    one = learner(dims, half=half)
    for step in range(5):
        one.step(batch(step, dims))
    other = learner(dims, half=half)
    other.step(batch(9, dims))  # a different past
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    for step in range(5, 10):
        assert one.step(batch(step, dims)) == other.step(batch(step, dims))
    assert same(state(one), state(other))
    assert one.done == other.done == 10


def spoiled(kind: str, value: float) -> Batch:
    """Return a batch with one number that is not finite."""
    given, target = batch(3)
    given, target = given.clone(), target.clone()
    (given if kind == "input" else target)[0, 0, 3, 3] = value
    return Batch(given, target)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", ["input", "target"])
def test_what_is_not_finite_in_a_batch_changes_nothing(kind, value):
    one = learner()
    for step in range(3):
        one.step(batch(step))
    before = state(one)
    logged = one.step(spoiled(kind, value))
    assert logged["skipped"] == 1
    assert same(state(one), before)
    assert one.done == 4
    assert one.step(batch(5))["skipped"] == 0
    assert all(torch.isfinite(v).all() for v in state(one).values())


@pytest.mark.parametrize("kind", ["loss", "gradient"])
def test_what_is_not_finite_in_between_changes_nothing(kind):
    bad = False

    def loss(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        value = losses.mse(prediction, target)
        if bad and kind == "loss":
            return value + math.inf  # an infinite loss with a finite gradient
        if bad:
            prediction.register_hook(lambda gradient: gradient * math.nan)
        return value

    one = learner(loss=loss)
    one.step(batch(0))
    before, bad = state(one), True
    assert one.step(batch(1))["skipped"] == 1
    assert same(state(one), before)
    bad = False
    assert one.step(batch(2))["skipped"] == 0


def test_a_spoiled_weight_is_never_spread():
    one = learner()
    one.step(batch(0))
    with torch.no_grad():
        one.model.head.weight[0, 0, 0, 0] = math.nan
    before = {k: v.nan_to_num(7) for k, v in state(one).items()}
    assert one.step(batch(1))["skipped"] == 1
    assert same({k: v.nan_to_num(7) for k, v in state(one).items()}, before)


def test_the_gradient_is_clipped():
    one = learner(loss=lambda p, t: 1e6 * losses.mse(p, t))
    before = state(one)
    logged = one.step(batch(0))
    assert logged["gradient"] > 20
    norm = math.sqrt(sum(float(w.grad.square().sum()) for w in one.model.parameters()))
    assert norm == pytest.approx(20, rel=1e-3)
    assert not same(state(one), before)


def test_the_rate_warms_up_and_follows_a_cosine():
    one = learner(steps=1000, rate=1e-3)
    assert one.rate_at(0) == pytest.approx(1e-3 / 200)
    assert one.rate_at(199) == pytest.approx(1e-3)
    assert one.rate_at(600) == pytest.approx(0.5e-3, rel=1e-3)
    assert one.rate_at(1000) == pytest.approx(1e-7)
    assert one.rate_at(5000) == pytest.approx(1e-7)
    rates = [one.rate_at(step) for step in range(1001)]
    assert max(rates) == pytest.approx(1e-3, rel=2e-4)
    assert rates[200:] == sorted(rates[200:], reverse=True)


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_short_schedules_work(steps):
    one = learner(steps=steps)
    for step in range(steps):
        assert one.step(batch(step))["skipped"] == 0
