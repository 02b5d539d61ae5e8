"""What segmentation learns from: batches of slices, real or generated, augmented or not."""

import torch
from torch import Tensor

from medacuity.foreground import TISSUE
from medacuity.physics.noise import rician
from medacuity.physics.randomised import bias_field, draw_contrasts
from medacuity.physics.warp import Shape, draw_places, warped
from medacuity.training.learners.supervised import Batch
from medacuity.utility.task import Examples

OUTSIDE = 3  # parts of what is not labelled and not air, by brightness
BIAS, NOISE, GAMMA = 0.3, 0.04, 0.25  # of classical augmentation, at the most; of gamma the spread
SMALL = Shape(rotation_deg=15, scaling=0.15, shift=6, bend=2, coarse=24)
CHUNK = 50  # images made at a time


class Drawn:
    """Batches by number: half real and half generated where there are both.

    Args:
        examples: Slices and their label maps.
        batch: Slices in a batch.
        seed: Decides every draw.
        classical: Whether real slices are augmented: mirrored left to right, turned, scaled,
            sheared, shifted and bent; another gamma, a bias field, noise.
    """

    def __init__(self, examples: Examples, *, batch: int, seed: int, classical: bool) -> None:
        self.made = examples.generated
        self.examples, self.size, self.seed, self.classical = examples, batch, seed, classical
        self.kinds = [kind.nonzero()[:, 0] for kind in (~self.made, self.made) if kind.any()]

    def batch(self, step: int) -> Batch:
        """Return the batch of one step."""
        rng = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        parts = []
        for n, kind in enumerate(self.kinds):
            share = self.size // len(self.kinds) + (n < self.size % len(self.kinds))
            chosen = kind[torch.randint(len(kind), (share,), generator=rng)]
            x, labels = self.examples.images[chosen], self.examples.answers[chosen][:, None].long()
            if self.classical and not self.made[kind[0]]:
                x, labels = augmented(x, labels, rng)
            parts.append((x, labels))
        return Batch(*(torch.cat(side) for side in zip(*parts, strict=True)))


def augmented(x: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return slices as another scan of another head might show them, and their labels.

    Shape:
        ``(B, 1, H, W)`` twice -> the same.
    """
    x, labels = moved(x, labels, rng)
    gamma = (GAMMA * torch.randn(len(x), 1, 1, 1, generator=rng)).exp()
    x = x.clamp(min=0) ** gamma * bias_field(len(x), x.shape[2:], rng, strength=BIAS)
    sigma = NOISE * float(torch.rand((), generator=rng)) ** 2
    return rician(x, sigma=sigma, rng=rng), labels


def moved(x: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return slices and labels in another shape; left and right are alike, front and back not."""
    mirrored = torch.rand(len(x), 1, 1, 1, generator=rng) < 0.5
    x, labels = (torch.where(mirrored, side.flip(2), side) for side in (x, labels))
    places = draw_places(len(x), x.shape[2:], rng, SMALL)
    return warped(x, places), warped(labels, places, labels=True)


def randomised(
    real: Examples, *, count: int, classes: int, rng: torch.Generator
) -> Examples:  # fmt: skip
    """Return images in contrasts drawn at random, from the label maps of real ones.

    Of the real images nothing is used but where, outside all labels, there is something: skull
    and scalp, which have no label, get contrasts of their own.

    Args:
        real: Slices and their label maps.
        count: Images to make.
        classes: Labels there are, with 0.
        rng: Source of randomness.
    """
    regions = with_outside(real, classes=classes)
    images, answers = [], []
    for start in range(0, count, CHUNK):
        chosen = torch.randint(len(real), (min(CHUNK, count - start),), generator=rng)
        labels = regions[chosen][:, None]
        labels = moved(labels, labels, rng)[1][:, 0]
        images.append(draw_contrasts(labels, rng, count=classes + OUTSIDE))
        answers.append(torch.where(labels < classes, labels, 0).to(real.answers.dtype))
    names = tuple(f"generated contrast {n}" for n in range(count))
    return Examples(torch.cat(images), torch.cat(answers), names, made=True)


def with_outside(real: Examples, *, classes: int) -> Tensor:
    """Return label maps in which what is outside and no air has labels from ``classes`` on.

    Shape:
        ``(N, H, W)``, whole numbers from 0 to ``classes + OUTSIDE - 1``.
    """
    labels = real.answers.long()
    outside = (labels == 0) & (real.images[:, 0] > TISSUE)
    values = real.images[:, 0][outside]
    if len(values) == 0:
        return labels
    some = values[:: 1 + len(values) // 100_000]
    edges = torch.quantile(some, torch.linspace(0, 1, OUTSIDE + 1)[1:-1])
    return labels.masked_scatter(outside, classes + torch.bucketize(values, edges))
