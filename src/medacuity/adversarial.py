"""What a critic and a generator minimise against each other; all of it on the critic's scores.

Scores are logits, before any sigmoid: a positive one says real. They may be one per image
``(B, 1)`` or a map of patches ``(B, 1, *S)``; all of them count the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Game:
    """Two losses that belong together.

    Args:
        critic: Of the scores of real and of generated images; what the critic minimises.
        generator: Of the scores of generated images; what the generator minimises.
        undecided: The score that says neither real nor generated.
    """

    critic: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    undecided: float = 0.0


def _entropy(real: Tensor, fake: Tensor) -> Tensor:
    """Return ``-(log D(real) + log(1 - D(fake)))``; a softplus overflows for no score."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def _least_squares(real: Tensor, fake: Tensor) -> Tensor:
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def _margin(real: Tensor, fake: Tensor) -> Tensor:
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


MINIMAX = Game(_entropy, lambda fake: -F.softplus(fake).mean())
"""The game as first written: the generator minimises ``log(1 - D)`` (Goodfellow et al., 2014).

Its gradient is ``-sigmoid(score)``, which vanishes as soon as the critic wins.
"""

NON_SATURATING = Game(_entropy, lambda fake: F.softplus(-fake).mean())
"""The generator minimises ``-log D``: same fixed point, a gradient where the critic wins."""

LEAST_SQUARES = Game(_least_squares, lambda fake: (fake - 1).square().mean(), undecided=0.5)
"""Real is 1, generated 0; the critic's loss is halved (CycleGAN, Zhu et al., ICCV 2017)."""

HINGE = Game(_margin, lambda fake: -fake.mean())
"""The critic stops at a margin of 1 on its own side; the generator raises its score."""


def halved(game: Game) -> Game:
    """Return a game whose critic's loss counts half, as in pix2pix.

    An optimiser that divides by the size of the gradient, as Adam does, hardly notices.

    Example:
        >>> undecided = torch.zeros(4, 1)
        >>> f"{float(halved(NON_SATURATING).critic(undecided, undecided)):.4f}"
        '0.6931'
    """
    return Game(partial(_half, game.critic), game.generator, game.undecided)


def _half(critic: Callable[[Tensor, Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    return critic(real, fake) / 2


def accuracy(game: Game, real: Tensor, fake: Tensor) -> Tensor:
    """Return the share of scores on the right side; real and generated count half each."""
    right = (real > game.undecided).float().mean() + (fake < game.undecided).float().mean()
    return right / 2


def r1(scores: Tensor, real: Tensor) -> Tensor:
    """Half the squared gradient of the critic at real images (Mescheder et al., ICML 2018).

    It keeps a critic from growing ever steeper. Where an image has a map of scores, the
    gradient is that of their mean.

    Args:
        scores: Of the real images, still attached to them.
        real: The images; they require a gradient.
    """
    each = scores.flatten(1).mean(1).sum()
    (gradient,) = torch.autograd.grad(each, real, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean() / 2


def feature_distance(
    prediction: Tensor, target: Tensor, *, network: Callable[[Tensor], Sequence[Tensor]]
) -> Tensor:
    """Squared distance between features, as SRGAN compares them (Ledig et al., CVPR 2017).

    Summed over the channels, averaged over places and batch, summed over the layers. SRGAN
    scales the features of VGG by 1/12.75, which is a weight of 0.006 for this loss.

    Args:
        prediction: ``(B, C, *S)``.
        target: Same shape; no gradient is taken through it.
        network: Returns one or several layers ``(B, F, *S')``. Scaling the images to what it
            was trained on, and holding its weights still, is its own affair.
    """
    with torch.no_grad():
        wanted = network(target.detach())  # a layer may be the image itself
    total = prediction.new_zeros((), dtype=torch.float32)
    for own, other in zip(network(prediction), wanted, strict=True):
        total = total + (own.float() - other.float()).square().sum(1).mean()
    return total
