"""What every learner with a critic promises, in 2D and 3D.

- A step is a turn of each side. A side's gradient reaches its own weights, all of them, and
  none of the other's; real and generated images are never in one batch.
- If any number of a turn is not finite, in whichever of the networks and on the way forth or
  back, nothing has changed but the count and the random numbers.
- A state that went to disk and back goes on to the bit: dropout, latents, replay buffers,
  averages and moments too. Nobody else's random numbers are touched.
- Rates follow the schedule, and what they have been lowered by, which is saved.
- bfloat16 and R1 work, together too.
"""

import math

import numpy as np
import pytest
import torch
from game_makers import LEARNERS, conditional, cycle, different, gan, images, numbers, samples
from torch import nn

from medacuity.adversarial import HINGE, LEAST_SQUARES, MINIMAX
from medacuity.training.fit import fit
from medacuity.training.learners.descent import flat_then_falling
from medacuity.training.learners.duel import ADAM
from medacuity.training.learners.gan import GAN
from medacuity.training.snapshots import newest_snapshot, save_snapshot

EVERY = pytest.mark.parametrize(("make", "batch"), LEARNERS.values(), ids=LEARNERS.keys())
FLAT = pytest.mark.parametrize(
    ("make", "batch"), [(gan, samples), (conditional, images), (cycle, images)]
)


@pytest.mark.parametrize(
    ("name", "half"),
    [*((name, False) for name in LEARNERS), ("gan", True), ("conditional", True), ("cycle", True)],
)
def test_a_saved_state_goes_on_to_the_bit(name, half, tmp_path):
    make, batch = LEARNERS[name]
    one = make(half=half)
    for step in range(4):
        one.step(batch(step))
    save_snapshot(tmp_path / "checkpoints", 4, one.state_dict())
    other = make(half=half)
    other.step(batch(9))  # a different past
    torch.manual_seed(123)
    other.load_state_dict(newest_snapshot(tmp_path / "checkpoints")[1])
    for step in range(4, 8):
        logged = one.step(batch(step))
        assert logged == other.step(batch(step))
        assert logged["skipped"] == 0
    assert different(other, numbers(one.state_dict())) == []
    assert one.done == other.done == 8


@EVERY
def test_gradients_stay_on_their_side(make, batch):
    one = make()
    sides = []
    for turn in one.turns(batch(0)):
        other = one.judging if turn.side is one.making else one.making
        for weight in (*one.making.weights, *one.judging.weights):
            weight.grad = None
        turn.side.gradient(torch.stack(list(turn.parts.values())).sum())
        assert all(weight.grad is not None for weight in turn.side.weights)
        assert all(weight.grad is None for weight in other.weights)
        sides.append(turn.side)
    assert sorted(map(id, sides)) == sorted(map(id, (one.making, one.judging)))


@EVERY
def test_real_and_generated_are_judged_apart(make, batch):
    one, seen = make(), []
    network = one.judging.network
    critics = network if isinstance(network, nn.ModuleList) else [network]
    for critic in critics:
        critic.register_forward_pre_hook(
            lambda _, given: seen.append((len(given[0]), given[0].requires_grad))
        )
    one.step(batch(0))  # each meets real, generated, and generated for the generator's sake
    assert sorted(seen) == sorted([(4, False), (4, False), (4, True)] * len(critics))


def spoil(one, call: int, way: str):
    """Make the call of that number, of any network, give NaN forth or back; return the hooks."""
    calls = 0

    def hook(module, given, output):
        nonlocal calls
        calls += 1
        if calls != call:
            return output
        if way == "forth":
            return output * math.nan
        if output.requires_grad:
            output.register_hook(lambda gradient: gradient * math.nan)
        return output

    sides = (one.making.network, one.judging.network)
    networks = [n for side in sides for n in (side if isinstance(side, nn.ModuleList) else [side])]
    return [network.register_forward_hook(hook) for network in networks]


SPOILED = [
    (make, batch, call)
    for make, batch, calls in ((gan, samples, 4), (conditional, images, 4), (cycle, images, 12))
    for call in range(1, calls + 1)
]


@pytest.mark.parametrize("way", ["forth", "back"])
@pytest.mark.parametrize(("make", "batch", "call"), SPOILED)
def test_what_is_not_finite_changes_nothing(make, batch, call, way):
    one = make()
    one.step(batch(0))
    before = numbers(one.state_dict())
    hooks = spoil(one, call, way)
    assert one.step(batch(2))["skipped"] == 1
    for hook in hooks:
        hook.remove()
    assert all(path == "/done" or path.endswith("rng") for path in different(one, before))
    assert one.done == 2
    assert one.step(batch(3))["skipped"] == 0
    assert all(torch.isfinite(value).all() for value in numbers(one.state_dict()).values())


@FLAT
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    ("value", "game"), [(math.nan, MINIMAX), (math.inf, HINGE), (-math.inf, HINGE)]
)  # a hinge hides an infinite score
def test_a_batch_that_is_not_finite_changes_nothing(make, batch, value, place, game):
    one = make(game=game)
    one.step(batch(0))
    before = numbers(one.state_dict())
    spoiled = batch(1)
    at = 0 if isinstance(one, GAN) else place
    spoiled[at][0, 0, 3, 3] = value
    assert one.step(spoiled)["skipped"] == 1
    assert all(path == "/done" or path.endswith("rng") for path in different(one, before))


@EVERY
def test_nobody_elses_random_numbers_are_touched(make, batch):
    one = make()
    before = torch.get_rng_state()
    one.step(batch(0))
    assert torch.equal(torch.get_rng_state(), before)


@FLAT
def test_the_seed_decides_every_draw(make, batch):
    one, same, other = make(seed=1), make(seed=1), make(seed=2)
    logged = [learner.step(batch(0)) for learner in (one, same, other)]
    assert logged[0] == logged[1] != logged[2]


@FLAT
@pytest.mark.parametrize("game", [MINIMAX, LEAST_SQUARES, HINGE])
def test_every_game_is_played_with_a_penalty_and_in_half(make, batch, game):
    one = make(game=game, penalty=1.0, half=True)
    logged = one.step(batch(0))
    assert logged["skipped"] == 0
    assert logged["penalty"] > 0
    assert logged["critic_loss"] == pytest.approx(logged["judging"] + logged["penalty"], rel=1e-5)
    assert all(math.isfinite(value) for value in logged.values())
    assert 0 <= logged["accuracy"] <= 1


@FLAT
def test_the_parts_of_the_generator_are_its_loss(make, batch):
    logged = make().step(batch(0))
    parts = {"adversarial", "l1", "cycle", "identity"} & logged.keys()
    assert logged["loss"] == pytest.approx(sum(logged[name] for name in parts), rel=1e-5)


@FLAT
def test_the_loop_takes_it_and_the_rate_falls(make, batch):
    one, rates = make(), []
    fit(one, batch, steps=8, report=lambda step, logged: rates.append(logged["rate"]))
    assert rates == pytest.approx(2e-4 * np.array([1, 1, 1, 1, 1, 0.75, 0.5, 0.25]))


@FLAT
@pytest.mark.parametrize("sides", ["both", "generator", "critic"])
def test_slower_rates_are_part_of_the_state(make, batch, sides):
    one, other, plain = make(), make(), make()
    one.slow(0.25, sides=sides)
    one.slow(0.5, sides=sides)
    other.load_state_dict(one.state_dict())
    logged = one.step(batch(0))
    assert logged == other.step(batch(0))
    before = plain.step(batch(0))
    for name, side in (("rate", "generator"), ("critic_rate", "critic")):
        share = 0.125 if sides in (side, "both") else 1.0
        assert logged[name] == pytest.approx(share * before[name])
    for side, name in ((one.making, "generator"), (one.judging, "critic")):
        moved = side.optimiser.param_groups[0]["lr"]
        assert moved == logged["rate" if name == "generator" else "critic_rate"]
    old = plain.state_dict()  # of a run begun before rates could be lowered
    for name in ("generator", "critic"):
        old[name] = {k: v for k, v in old[name].items() if k != "pace"}
    one.load_state_dict(old)
    assert (one.making.pace, one.judging.pace) == (1, 1)


def test_the_rate_of_games_ends_at_zero_and_never_below():
    assert flat_then_falling(0, 1, flat=0.5) == 1
    assert [flat_then_falling(n, 10, flat=0.5) for n in (10, 12)] == [0, 0]
    assert flat_then_falling(99, 100, flat=1.0) == 1


def test_adam_of_games_has_little_momentum():
    group = ADAM.optimiser(nn.Linear(2, 2)).param_groups[0]
    assert (group["lr"], group["betas"]) == (2e-4, (0.5, 0.999))


@FLAT
def test_the_average_follows_what_moved(make, batch):
    one = make(decay=0.0)
    one.step(batch(0))
    average = one.average.network.state_dict()
    for name, value in one.making.network.state_dict().items():
        assert torch.equal(average[name], value)
    assert not any(module.training for module in one.average.network.modules())
