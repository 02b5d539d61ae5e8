"""The supervised learner learns, resumes, and lets nothing that is not finite near its weights.

- The loss on a phantom drops in under 60 steps, for pairs and for pyramids.
- A border left out does not matter; every level of a pyramid does.
- A saved state is everything the next step depends on: the next steps are the same to the bit.
- A batch with NaN or infinity in input, target, loss or gradient leaves weights, optimiser and
  schedule as a skipped step does: unchanged, but for the count; statistics of batch norm too.
"""

import copy
import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from training_makers import head

from medacuity import losses
from medacuity.errors import UsageError
from medacuity.models import ESPCN, AcuityNet, MSLapSRN
from medacuity.nd import channels_last
from medacuity.physics.sampling import block_mean
from medacuity.resize import cubic, resize
from medacuity.training.learners.descent import adam
from medacuity.training.learners.supervised import Batch, Supervised, paired, pyramid, pyramids


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
    loss, rate = changes.pop("loss", losses.decibel), changes.pop("rate", 3e-3)
    arguments = {
        "objective": partial(paired, loss=loss), "descent": adam(rate), "steps": 60, "half": False,
    }  # fmt: skip
    return Supervised(channels_last(network, dims), **arguments | changes)


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


def test_slower_rates_are_part_of_the_state():
    one, other, plain = learner(), learner(), learner()
    one.slow(0.5, sides="generator")
    one.slow(0.5, sides="both")
    one.slow(0.5, sides="critic")  # there is none
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    logged = one.step(batch(0))
    assert logged == other.step(batch(0))
    assert logged["rate"] == pytest.approx(0.25 * plain.step(batch(0))["rate"])
    one.load_state_dict({k: v for k, v in plain.state_dict().items() if k != "pace"})
    assert one.pace == 1  # of a run begun before rates could be lowered


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


def test_a_border_left_out_does_not_matter():
    model, one = nn.Identity(), batch(0)
    spoiled = one.target.clone()
    spoiled[..., :2, :], spoiled[..., -1] = 9, 9
    given = Batch(one.target + 0.1, spoiled)
    assert float(paired(model, given, loss=losses.mse, border=2)) == pytest.approx(0.01, rel=1e-3)
    assert float(paired(model, given, loss=losses.mse)) > 0.1


class Levels(nn.Module):
    """A pyramid of two levels, wrong by a number of its own at each."""

    def __init__(self, target: torch.Tensor) -> None:
        super().__init__()
        self.wrong = nn.Parameter(torch.tensor([0.1, 0.2]))
        size = [n // 2 for n in target.shape[2:]]
        self.right = [resize(target, size, cubic), target]

    def forward(self, x: torch.Tensor, *, levels: int) -> list[torch.Tensor]:
        assert levels == 2
        return [right + wrong for right, wrong in zip(self.right, self.wrong, strict=True)]


def test_every_level_of_a_pyramid_counts_once():
    target = batch(0).target
    given = resize(target, [n // 4 for n in target.shape[2:]], cubic)
    loss = pyramid(Levels(target), Batch(given, target), loss=losses.l1)
    assert float(loss.detach()) == pytest.approx(0.3, rel=1e-4)


def test_one_pyramid_learns_several_factors_from_one_batch():
    model = MSLapSRN(scale=8, dims=2, width=4, convolutions=1, recursions=1)
    target = torch.rand(6, 1, 16, 16)
    together = pyramids(model, Batch(target, target), loss=losses.l1, factors=(2, 4, 8))
    alone = 0.0
    for factor, some in zip((2, 4, 8), target.chunk(3), strict=True):
        given = resize(some, [16 // factor] * 2, cubic)
        network = MSLapSRN(scale=factor, dims=2, width=4, convolutions=1, recursions=1)
        network.load_state_dict(model.state_dict())
        alone += float(pyramid(network, Batch(given, some), loss=losses.l1).detach()) / 3
    assert float(together.detach()) == pytest.approx(alone, rel=1e-5)


def test_a_batch_without_a_patch_for_each_factor_is_refused():
    model, target = MSLapSRN(scale=8, dims=2, width=4), torch.rand(2, 1, 16, 16)
    with pytest.raises(UsageError, match="a patch for each of the factors"):
        pyramids(model, Batch(target, target), loss=losses.l1, factors=(2, 4, 8))


def test_statistics_of_batch_norm_survive_a_batch_that_is_not_finite():
    network = nn.Sequential(ESPCN(scale=2, dims=2, width=4), nn.BatchNorm2d(1))
    one = learner(model=network, loss=losses.mse)
    one.step(batch(0))
    before = {name: value.clone() for name, value in network.named_buffers()}
    assert one.step(spoiled("input", math.nan))["skipped"] == 1
    assert same(dict(network.named_buffers()), before)
    one.step(batch(1))
    assert not same(dict(network.named_buffers()), before)


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_short_schedules_work(steps):
    one = learner(steps=steps)
    for step in range(steps):
        assert one.step(batch(step))["skipped"] == 0
