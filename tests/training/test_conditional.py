"""pix2pix and SRGAN are one learner, with the numbers of their papers.

- Its steps are those of a loop written by hand: critic on pairs, then generator, L1 times 100.
- A critic that sees the condition notices an image that does not belong to it.
- It finds a known map of colours, and enlarges a known texture better than it began to.
- A condition of another size is shown enlarged, in the same place.
"""

import copy
from functools import partial

import pytest
import torch
from game_makers import conditional, images, patches, translator
from torch import nn
from torch.nn import functional as F

from medacuity.losses import mse
from medacuity.resize import cubic, resize
from medacuity.training.learners.conditional import (
    PIX2PIX_TERMS,
    SRGAN,
    Conditional,
    Term,
    alone,
    srgan_terms,
    together,
)
from medacuity.training.learners.descent import adam_in_games
from medacuity.training.learners.duel import Rules
from medacuity.training.learners.supervised import Batch

QUICK = adam_in_games(2e-2)
RULES = Rules(generator=QUICK, critic=QUICK, decay=0.98, half=False)


def test_its_steps_are_those_of_a_loop_by_hand():
    torch.manual_seed(0)
    one = conditional()
    one.generator[3].p = 0.0  # dropout
    generator, critic = copy.deepcopy(one.generator), copy.deepcopy(one.critic)
    makes, judges = (
        torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999))
        for network in (generator, critic)
    )
    entropy = F.binary_cross_entropy_with_logits
    for step in range(4):
        given, target = batch = images(step)
        logged = one.step(batch)
        fake = generator(given)
        real_scores = critic(torch.cat([given, target], 1))
        fake_scores = critic(torch.cat([given, fake.detach()], 1))
        loss = entropy(real_scores, torch.ones_like(real_scores))
        loss = (loss + entropy(fake_scores, torch.zeros_like(fake_scores))) / 2
        judges.zero_grad()
        loss.backward()
        judges.step()
        assert logged["critic_loss"] == pytest.approx(float(loss.detach()), rel=1e-5)
        scores = critic(torch.cat([given, fake], 1))
        loss = entropy(scores, torch.ones_like(scores)) + 100 * F.l1_loss(fake, target)
        makes.zero_grad()
        loss.backward()
        makes.step()
        assert logged["loss"] == pytest.approx(float(loss.detach()), rel=1e-5)
    for ours, theirs in ((one.generator, generator), (one.critic, critic)):
        for name, value in theirs.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def colours(step: int) -> Batch:
    """Return images and what becomes of their colours."""
    x = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(step))
    return Batch(x, 0.8 - 0.6 * x.square())


def pointwise(inputs: int = 1) -> nn.Module:
    """Return a network that looks at one voxel at a time."""
    return nn.Sequential(nn.Conv2d(inputs, 16, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 1, 1))


def test_it_finds_a_map_of_colours():
    torch.manual_seed(0)
    one = Conditional(pointwise(), critic=partial(pointwise, 2), steps=100, rules=RULES)
    logged = [one.step(colours(step)) for step in range(100)]
    assert logged[-1]["l1"] < 0.15 * logged[0]["l1"]
    given, target = colours(999)
    assert float((one.average.network(given) - target).abs().mean()) < 0.04


def test_the_critic_sees_whether_an_image_belongs_to_its_condition():
    torch.manual_seed(0)
    still = pointwise()  # makes images like the real ones, of other conditions
    still.forward = lambda x: 0.8 - 0.6 * x.flip(0).square() + 0 * still[0].bias.sum()
    accuracies = []
    for sight, channels in ((together, 2), (alone, 1)):
        critic = partial(pointwise, channels)
        one = Conditional(still, critic=critic, steps=60, terms={}, sight=sight, rules=RULES)
        accuracies.append([one.step(colours(step))["accuracy"] for step in range(60)][-1])
    assert accuracies[0] > 0.6
    assert accuracies[1] < 0.55


class Twice(nn.Module):
    """Enlarge by two: cubic, and what a small network adds to it."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = resize(x, [2 * n for n in x.shape[2:]], cubic)
        return x + self.body(x)


@pytest.mark.parametrize(("sight", "channels"), [(alone, 1), (together, 2)])
def test_srgan_beats_its_beginning(sight, channels):
    torch.manual_seed(0)
    features = nn.Conv2d(1, 4, 3).requires_grad_(False)
    one = Conditional(
        Twice(), critic=partial(patches, 2, channels), steps=30, sight=sight, adversarial=1e-3,
        terms=srgan_terms(lambda x: [torch.relu(features(x)), x]), rules=RULES,
    )  # fmt: skip
    logged = []
    for step in range(30):
        given = images(step).input
        target = 0.8 - 0.5 * resize(given, (16, 16), cubic)
        logged.append(one.step(Batch(given, target)))
        assert logged[-1]["skipped"] == 0
    assert sum(x["mse"] for x in logged[-5:]) < 0.5 * sum(x["mse"] for x in logged[:5])
    assert logged[0]["features"] > 0
    assert logged[0]["loss"] == pytest.approx(
        logged[0]["mse"] + logged[0]["features"] + logged[0]["adversarial"], rel=1e-5
    )


def test_the_papers_numbers():
    assert PIX2PIX_TERMS["l1"].weight == 100
    group = SRGAN.generator.optimiser(nn.Linear(1, 1)).param_groups[0]
    assert (group["lr"], group["betas"][0]) == (1e-4, 0.9)
    assert [SRGAN.critic.schedule(n, 10) for n in (0, 4, 5, 9)] == pytest.approx([1, 1, 0.1, 0.1])
    assert {name: term.weight for name, term in srgan_terms(lambda x: [x]).items()} == {
        "mse": 1.0, "features": 0.006,
    }  # fmt: skip


@pytest.mark.parametrize("dims", [2, 3])
def test_a_small_condition_is_shown_enlarged_in_the_same_place(dims):
    image = torch.rand(2, 1, *(8,) * dims)
    condition = torch.rand(2, 1, *(4,) * dims)
    shown = together(condition, image)
    assert shown.shape == (2, 2, *image.shape[2:])
    assert torch.equal(shown[:, 1:], image)
    assert torch.equal(shown[:, :1], resize(condition, image.shape[2:], cubic))
    assert torch.equal(alone(condition, image), image)


def test_an_adversarial_weight_of_zero_is_plain_supervision():
    torch.manual_seed(0)
    one = Conditional(translator(dropout=0), critic=partial(patches, 2, 2), steps=100,
                      terms={"mse": Term(1.0, mse)}, adversarial=0.0, rules=RULES)  # fmt: skip
    network = copy.deepcopy(one.generator)
    optimiser = torch.optim.Adam(network.parameters(), 2e-2, (0.5, 0.999))
    for step in range(3):
        given, target = images(step)
        one.step(Batch(given, target))
        optimiser.zero_grad()
        mse(network(given), target).backward()
        optimiser.step()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(one.generator.state_dict()[name], value)
