"""Learn to make images out of noise, of any kind or of a kind that is asked for."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from medacuity.nd import at_least
from medacuity.training.learners.duel import Duel, Rules, Turn
from medacuity.training.learners.supervised import inner

DCGAN = Rules()
"""Non-saturating losses, Adam at 2e-4 with momentum 0.5."""


class Samples(NamedTuple):
    """Real images ``(B, C, *S)`` and, where kinds are told apart, their labels ``(B,)``."""

    image: Tensor
    label: Tensor | None = None


class GAN(Duel):
    """Make images that a critic cannot tell from real ones (Goodfellow et al., 2014).

    Labels, if the batches have them, go to both networks as a second argument, and an image is
    generated for every label of the batch: kinds come as often as they are.

    Args:
        generator: From latents ``(B, latent)``, and labels, to images; trained in place.
        critic: Builds the other network: from images, and labels, to scores.
        latent: Numbers an image is made from, drawn from a standard normal.
        steps: Length of the whole schedule.
        rules: Losses, optimisers and draws.

    Raises:
        ValueError: ``latent`` is not a whole number >= 1.
    """

    def __init__(
        self, generator: nn.Module, *, critic: Callable[[], nn.Module], latent: int, steps: int,
        rules: Rules = DCGAN,
    ) -> None:  # fmt: skip
        at_least(1, latent=latent)
        self.generator, self.critic = inner(generator), critic()
        self.latent = latent
        super().__init__(self.generator, critic=self.critic, rules=rules, steps=steps)

    def turns(self, batch: Samples) -> Iterator[Turn]:
        """Yield the critic's turn, then the generator's with the same images."""
        given = () if batch.label is None else (batch.label,)
        latents = torch.randn(len(batch.image), self.latent, generator=self.noise)
        fake = self.generator(latents.to(self.device), *given).float()
        yield self.judge(lambda image: self.critic(image, *given), batch.image, fake)
        scores = self.critic(fake, *given).float()
        yield Turn(self.making, {"adversarial": self.rules.game.generator(scores)}, {})
