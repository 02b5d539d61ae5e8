"""The GAN is the textbook's, and finds distributions whose answer is known.

- Its steps are those of a loop written by hand: critic, then generator with the new critic.
- It finds mean, spread and both modes of a mixture; conditioned, the mean of every kind.
- Latents are standard normal, new at each step; labels reach both networks.
"""

import copy
from dataclasses import replace

import pytest
import torch
from game_makers import Labelled, gan, maker, samples
from torch import nn
from torch.nn import functional as F

from medacuity.training.learners.descent import adam_in_games
from medacuity.training.learners.duel import Rules
from medacuity.training.learners.gan import DCGAN, GAN, Samples

QUICK = adam_in_games(5e-3)
RULES = Rules(generator=QUICK, critic=QUICK, penalty=0.1, decay=0.98, half=False)


def dense(inputs: int, outputs: int = 1) -> nn.Module:
    """Return a small network on vectors."""
    return nn.Sequential(
        nn.Linear(inputs, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2),
        nn.Linear(32, outputs),
    )  # fmt: skip


def test_its_steps_are_those_of_a_loop_by_hand():
    torch.manual_seed(0)
    one = GAN(maker(dropout=0).body, critic=lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 1)),
              latent=5, steps=100, rules=replace(DCGAN, half=False))  # fmt: skip
    generator, critic = copy.deepcopy(one.generator), copy.deepcopy(one.critic)
    optimisers = [
        torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999))
        for network in (generator, critic)
    ]
    latents = []
    one.generator.register_forward_pre_hook(lambda _, given: latents.append(given[0]))
    for step in range(4):
        real = samples(step).image
        logged = one.step(Samples(real))
        fake = generator(latents[-1])
        ones, zeros = torch.ones(4, 1), torch.zeros(4, 1)
        entropy = F.binary_cross_entropy_with_logits
        loss = entropy(critic(real), ones) + entropy(critic(fake.detach()), zeros)
        optimisers[1].zero_grad()
        loss.backward()
        optimisers[1].step()
        assert logged["critic_loss"] == pytest.approx(float(loss.detach()), rel=1e-5)
        loss = entropy(critic(fake), ones)
        optimisers[0].zero_grad()
        loss.backward()
        optimisers[0].step()
        assert logged["loss"] == pytest.approx(float(loss.detach()), rel=1e-5)
    for ours, theirs in ((one.generator, generator), (one.critic, critic)):
        for name, value in theirs.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def test_latents_are_standard_normal_and_never_the_same():
    torch.manual_seed(0)
    one = GAN(dense(50), critic=lambda: dense(1), latent=50, steps=9, rules=RULES)
    seen = []
    one.generator.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    for _ in range(2):
        one.step(Samples(torch.zeros(400, 1)))
    assert abs(float(seen[0].mean())) < 0.03
    assert float(seen[0].std()) == pytest.approx(1, abs=0.02)
    assert not torch.equal(*seen)


def test_labels_reach_both_networks():
    one, given = gan(), samples(0)
    one.step(given)
    for network in (one.generator, one.critic):
        assert (network.kinds.weight.grad.abs().sum(1) > 0).all()
    logged = [gan().step(Samples(given.image, label)) for label in (given.label, 1 - given.label)]
    assert logged[0]["critic_loss"] != logged[1]["critic_loss"]


def test_it_finds_mean_and_spread_and_both_modes_of_a_mixture():
    torch.manual_seed(0)
    one = GAN(dense(2), critic=lambda: dense(1), latent=2, steps=300, rules=RULES)
    rng = torch.Generator().manual_seed(5)
    for _ in range(300):
        side = torch.randint(2, (128, 1), generator=rng) * 4.0
        real = side + 0.4 * torch.randn(128, 1, generator=rng) - 1  # around -1 and 3
        assert one.step(Samples(real))["skipped"] == 0
    made = one.average.network(torch.randn(4000, 2, generator=rng)).flatten()
    high = made > 1
    assert float(made.mean()) == pytest.approx(1, abs=0.3)
    assert float(made.std()) == pytest.approx((4 + 0.16) ** 0.5, rel=0.15)
    assert 0.35 < float(high.float().mean()) < 0.65
    for mode, centre in ((made[high], 3), (made[~high], -1)):
        assert float(mode.median()) == pytest.approx(centre, abs=0.4)


def test_it_finds_what_each_kind_looks_like():
    torch.manual_seed(0)
    one = GAN(Labelled(dense(5, 2), 3), critic=lambda: Labelled(dense(5), 3), latent=2,
              steps=120, rules=RULES)  # fmt: skip
    rng = torch.Generator().manual_seed(5)
    centres = torch.tensor([[-1.0, 0.0], [0.0, 1.0], [1.0, -1.0]])
    for _ in range(120):
        label = torch.randint(3, (96,), generator=rng)
        one.step(Samples(centres[label] + 0.2 * torch.randn(96, 2, generator=rng), label))
    for kind, centre in enumerate(centres):
        label = torch.full((500,), kind)
        made = one.average.network(torch.randn(500, 2, generator=rng), label)
        assert float((made.mean(0) - centre).abs().max()) < 0.25
