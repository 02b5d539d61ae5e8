"""CycleGAN is the authors', and finds a map between two kinds of images without pairs.

- Its steps are those of a loop written by hand: both generators at once, then both critics, with
  least squares, lambda 10, identity at half of it, and the images made before.
- Once the replay buffers are full the critics are also shown images of earlier steps.
- The way there and back closes, and what is found is the map that made the other kind.
"""

import copy
from functools import partial

import pytest
import torch
from game_makers import cycle, images
from torch import nn
from torch.nn import functional as F

from medacuity.adversarial import LEAST_SQUARES
from medacuity.training.learners.cycle import CYCLEGAN, Cycle
from medacuity.training.learners.descent import adam_in_games
from medacuity.training.learners.duel import Rules
from medacuity.training.learners.supervised import Batch


def by_hand(networks, optimisers, batch) -> dict[str, float]:
    """Take a step as the authors' code does, while the buffers fill."""
    there, back, judge_b, judge_a = networks
    (a, b), square = batch, F.mse_loss
    fake_b, fake_a = there(a), back(b)
    scores = judge_b(fake_b), judge_a(fake_a)
    loss = sum(square(score, torch.ones_like(score)) for score in scores)
    loss = loss + 10 * (F.l1_loss(back(fake_b), a) + F.l1_loss(there(fake_a), b))
    loss = loss + 5 * (F.l1_loss(there(b), b) + F.l1_loss(back(a), a))
    optimisers[0].zero_grad()
    loss.backward()
    optimisers[0].step()
    logged = {"loss": float(loss.detach()), "critic_loss": 0.0}
    optimisers[1].zero_grad()
    for judge, real, fake in ((judge_b, b, fake_b), (judge_a, a, fake_a)):
        scores = judge(real), judge(fake.detach())
        loss = square(scores[0], torch.ones_like(scores[0]))
        loss = (loss + square(scores[1], torch.zeros_like(scores[1]))) / 2
        loss.backward()
        logged["critic_loss"] += float(loss.detach())
    optimisers[1].step()
    return logged


def test_its_steps_are_those_of_a_loop_by_hand():
    one = cycle()
    one.there[3].p = one.back[3].p = 0.0  # dropout
    for replay in one.replays:
        replay.size = 99
    ours = one.there, one.back, one.critic_there, one.critic_back
    theirs = copy.deepcopy(ours)
    optimisers = [
        torch.optim.Adam([w for n in pair for w in n.parameters()], 2e-4, (0.5, 0.999))
        for pair in (theirs[:2], theirs[2:])
    ]
    for step in range(4):
        logged = one.step(images(step))
        expected = by_hand(theirs, optimisers, images(step))
        assert {name: logged[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    for network, reference in zip(ours, theirs, strict=True):
        for name, value in reference.state_dict().items():
            torch.testing.assert_close(network.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_the_critics_are_shown_images_of_earlier_steps_once_the_buffers_are_full():
    one, shown = cycle(), []
    one.critic_there.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    for step in range(4):
        one.step(images(step))
    for step in range(4):
        made, _, judged = shown[3 * step : 3 * step + 3]  # for the generator; real; for the critic
        new = sum(any(torch.equal(image, own) for own in made) for image in judged)
        assert new == 4 if step == 0 else new <= 4
        assert not judged.requires_grad
    assert any(not torch.equal(shown[3 * step], shown[3 * step + 2]) for step in (1, 2, 3))
    assert [len(replay.images) for replay in one.replays] == [5, 5]


def test_the_generators_learn_as_one_and_so_do_the_critics():
    one = cycle()
    for side, pair in (
        (one.making, (one.there, one.back)), (one.judging, (one.critic_there, one.critic_back))
    ):  # fmt: skip
        moved = {id(w) for group in side.optimiser.param_groups for w in group["params"]}
        assert moved == {id(w) for network in pair for w in network.parameters()}
    assert CYCLEGAN.game is LEAST_SQUARES


def test_without_identity_nothing_asks_for_it():
    torch.manual_seed(0)
    one = Cycle(nn.Conv2d(1, 1, 1), back=partial(nn.Conv2d, 1, 1, 1),
                critic=partial(nn.Conv2d, 1, 1, 1), steps=9, identity=0.0)  # fmt: skip
    logged = one.step(images(0))
    assert "identity" not in logged
    assert logged["loss"] == pytest.approx(logged["cycle"] + logged["adversarial"], rel=1e-5)


class Pointwise(nn.Module):
    """Change the brightness of each voxel by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def judge() -> nn.Module:
    """Return a critic of the brightness of single voxels."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 16, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(16, 1, 1),
    )  # fmt: skip


def test_it_finds_the_map_between_two_kinds_without_pairs():
    torch.manual_seed(0)
    quick = adam_in_games(2e-2)
    rules = Rules(game=LEAST_SQUARES, generator=quick, critic=quick, decay=0.98, half=False)
    one = Cycle(Pointwise(), back=Pointwise, critic=judge, steps=200, cycle=3.0, identity=0.1,
                rules=rules)  # fmt: skip
    logged = []
    for step in range(200):
        a, b = torch.rand(2, 8, 1, 6, 6, generator=torch.Generator().manual_seed(step)).square()
        logged.append(one.step(Batch(a, 0.3 + 0.6 * b)))  # of different patients
    assert logged[-1]["cycle"] < 0.05 * logged[0]["cycle"]
    there, back = one.average.network
    dark_to_bright = torch.linspace(0, 1, 50).reshape(1, 1, 1, 50)
    wanted = 0.3 + 0.6 * dark_to_bright
    assert float((there(dark_to_bright) - wanted).abs().mean()) < 0.04
    assert float((back(wanted) - dark_to_bright).abs().mean()) < 0.06
