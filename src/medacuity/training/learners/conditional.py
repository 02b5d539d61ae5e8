"""Learn from pairs with a critic: near the target, and not to be told from real ones.

pix2pix (Isola et al., CVPR 2017) and SRGAN (Ledig et al., CVPR 2017) are both this; they differ
in what measures the distance to the target, in its weight, and in what the critic sees.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from medacuity.adversarial import NON_SATURATING, feature_distance, halved
from medacuity.losses import Loss, l1, mse
from medacuity.resize import cubic, resize
from medacuity.training.learners.descent import adam_in_stages
from medacuity.training.learners.duel import Duel, Rules, Turn
from medacuity.training.learners.supervised import Batch, inner


class Term(NamedTuple):
    """A loss of prediction and target, and its weight."""

    weight: float
    loss: Loss


Sight = Callable[[Tensor, Tensor], Tensor]
"""``sight(condition, image)`` -> what the critic is shown of them."""

PIX2PIX = Rules(game=halved(NON_SATURATING))
"""Adam at 2e-4 with momentum 0.5; the critic's loss counts half."""

PIX2PIX_TERMS: Mapping[str, Term] = {"l1": Term(100.0, l1)}

SRGAN = Rules(
    generator=adam_in_stages(1e-4, stages=2, by=0.1), critic=adam_in_stages(1e-4, stages=2, by=0.1)
)
"""Adam at 1e-4, and at 1e-5 in the second half; the generator has been trained on MSE before."""


def srgan_terms(
    network: Callable[[Tensor], Sequence[Tensor]], *, features: float = 0.006
) -> dict[str, Term]:
    """Return pixel MSE and feature distance; the adversarial weight to them is 1e-3.

    Args:
        network: Returns layers of features; it is not trained.
        features: Weight of their distance; 0.006 belongs to VGG and images in [-1, 1], where
            squared differences are four times those in [0, 1].
    """
    distance = partial(feature_distance, network=network)
    return {"mse": Term(1.0, mse), "features": Term(features, distance)}


def together(condition: Tensor, image: Tensor) -> Tensor:
    """Show the pair, as channels; a condition of another size is enlarged by cubic."""
    size = image.shape[2:]
    if condition.shape[2:] != size:
        condition = resize(condition, size, cubic)
    return torch.cat([condition, image], 1)


def alone(condition: Tensor, image: Tensor) -> Tensor:
    """Show the image without its condition, as SRGAN does."""
    return image


class Conditional(Duel):
    """Make of each input an image near its target that a critic takes for real.

    Args:
        generator: From inputs to images of the target's size; trained in place.
        critic: Builds the other network: from what ``sight`` shows to scores.
        steps: Length of the whole schedule.
        terms: Distances to the target with their weights, by the names they are logged under.
        adversarial: Weight of the generator's adversarial loss (SRGAN: 1e-3).
        sight: What the critic sees: `together` with the condition, or the image `alone`.
        rules: Losses, optimisers and draws.
    """

    def __init__(
        self, generator: nn.Module, *, critic: Callable[[], nn.Module], steps: int,
        terms: Mapping[str, Term] = PIX2PIX_TERMS, adversarial: float = 1.0,
        sight: Sight = together, rules: Rules = PIX2PIX,
    ) -> None:  # fmt: skip
        self.generator, self.critic = inner(generator), critic()
        self.terms = terms
        self.adversarial = adversarial
        self.sight = sight
        super().__init__(self.generator, critic=self.critic, rules=rules, steps=steps)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Yield the critic's turn, then the generator's with the same images."""

        def critic(image: Tensor) -> Tensor:
            """Return the scores of images, shown as `sight` shows them."""
            scores: Tensor = self.critic(self.sight(batch.input, image))
            return scores.float()

        fake = self.generator(batch.input).float()
        yield self.judge(critic, batch.target, fake)
        parts = {name: term.weight * term.loss(fake, batch.target)
                 for name, term in self.terms.items()}  # fmt: skip
        parts["adversarial"] = self.adversarial * self.rules.game.generator(critic(fake))
        yield Turn(self.making, parts, {})
