"""Where generated pictures come from: generators that learn from the drawn pictures alone."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from medacuity.checkpoint import load_weights
from medacuity.errors import UsageError
from medacuity.nd import channels_last
from medacuity.resize import cubic, resize
from medacuity.training.fit import fit
from medacuity.training.learners.descent import adam_in_games
from medacuity.training.learners.duel import Rules
from medacuity.training.learners.gan import Samples
from medacuity.training.recipes import RECIPES
from medacuity.utility.augment import moved, recoloured
from medacuity.utility.task import Examples

Generator = Callable[[Examples, int, int], Examples]
"""``generator(real, each, seed)`` -> as many examples of every class, made of the real ones."""

WIDTH, BATCH = 16, 32
"""Half the recipe's width and batch: few pictures want a small network, and many draws a quick
one."""


class Shaken(nn.Module):
    """Show a critic every image, real or generated, moved and recoloured by chance.

    Few images would be learnt by heart otherwise (Zhao et al., "Differentiable Augmentation for
    Data-Efficient GAN Training", NeurIPS 2020). What is done to both sides alike the generator
    does not learn to do.
    """

    def __init__(self, critic: nn.Module, seed: int) -> None:
        super().__init__()
        self.critic = critic
        self.rng = torch.Generator().manual_seed(seed)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return the critic's scores."""
        shaken = recoloured(moved(x.float(), self.rng), self.rng)
        out: Tensor = self.critic(shaken, labels)
        return out


def conditional_gan(real: Examples, each: int, seed: int, *, steps: int) -> Examples:
    """Train the class-conditional GAN of ``cgan-pneumonia`` on these pictures; draw from it.

    Args:
        real: What it learns from; classes are shown to it equally often.
        each: Pictures to make of every class.
        seed: Decides weights, batches and what is made.
        steps: Of training.
    """
    kinds = int(real.answers.max()) + 1
    recipe = RECIPES["cgan-pneumonia"]
    size = real.images.shape[-1]
    make = {"classes": kinds, "width": WIDTH, "size": size}
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = channels_last(recipe.model(**make), 2)
        critic = Shaken(recipe.learner.keywords["critic"](**make), seed)
        rules = Rules(
            generator=adam_in_games(4e-4), critic=adam_in_games(8e-4), decay=0.99, seed=seed
        )
        learner = recipe.learner(model, critic=lambda: critic, steps=steps, rules=rules)
    fit(learner, partial(_samples, real, seed), steps=steps, report=lambda *_: None)
    return _asked(learner.networks[0], each, kinds, seed)


def lent_variation(real: Examples, each: int, seed: int, *, most: float = 0.5) -> Examples:
    """Add to a picture a share of how two others of one class differ, whichever class it is.

    A class with few pictures is lent the ways in which the patients of the others differ: size,
    posture, exposure (after Hariharan and Girshick, "Low-Shot Visual Recognition by Shrinking
    and Hallucinating Features", ICCV 2017, where it is features that are added).

    Args:
        real: What pictures are made of.
        each: Pictures to make of every class.
        seed: Decides which.
        most: The largest share of a difference that is added.
    """
    rng = torch.Generator().manual_seed(seed)
    kinds = torch.unique(real.answers)
    members = [torch.nonzero(real.answers == kind)[:, 0] for kind in kinds]

    def two(kind: Tensor) -> Tensor:
        """Return two different pictures of a class."""
        group = members[int(kind)]
        return real.images[group[torch.randperm(len(group), generator=rng)[:2]]]

    which = torch.arange(each * len(kinds)) % len(kinds)
    lender = torch.randint(len(kinds), which.shape, generator=rng)
    share = most * torch.rand(len(which), 1, 1, 1, generator=rng)
    own = torch.stack([two(kind)[0] for kind in which])
    differ = torch.stack([two(kind).diff(dim=0)[0] for kind in lender])
    return named(own + share * differ, kinds[which])


def of_weights(real: Examples, each: int, seed: int, *, weights: str) -> Examples:
    """Draw pictures of every class from a generator's weights, which must know these classes."""
    trained = load_weights(weights)
    trained.card.expect("generate", weights)
    kinds = int(real.answers.max()) + 1
    if len(trained.card.classes) != kinds:
        raise UsageError(
            f"{trained.card.name} makes {len(trained.card.classes)} classes, the pictures have "
            f"{kinds}; take a generator of these classes"
        )
    made = _asked(trained.model, each, kinds, seed)
    images = resize(made.images, real.images.shape[2:], cubic).clamp(0, 1)
    return replace(made, images=images)


def _samples(real: Examples, seed: int, step: int) -> Samples:
    chosen = evenly(real.answers, BATCH, torch.Generator().manual_seed((seed << 32) + step))
    return Samples(real.images[chosen], real.answers[chosen])


def evenly(answers: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Return the numbers of examples drawn by chance, of every class as many ``(count,)``."""
    groups = [torch.nonzero(answers == kind)[:, 0] for kind in torch.unique(answers)]
    at = [groups[n % len(groups)] for n in range(count)]
    return torch.stack([group[torch.randint(len(group), (), generator=rng)] for group in at])


def named(images: Tensor, answers: Tensor) -> Examples:
    """Return generated pictures, cut to the unit range, marked as such."""
    names = tuple(f"generated-{n}" for n in range(len(images)))
    return Examples(images.clamp(0, 1).clone(), answers.clone(), names, made=True)


@torch.inference_mode()
def _asked(model: nn.Module, each: int, kinds: int, seed: int) -> Examples:
    labels = torch.arange(each * kinds) % kinds
    latent = int(model.latent)  # type: ignore[arg-type]
    z = torch.randn(len(labels), latent, generator=torch.Generator().manual_seed(seed))
    pairs = zip(torch.split(z, BATCH), torch.split(labels, BATCH), strict=True)
    return named(torch.cat([model.eval()(*pair).float() for pair in pairs]), labels)
