"""Images of an anatomy in contrasts drawn at random: what a network may learn any contrast from.

After SynthSeg (Billot et al., "SynthSeg: Segmentation of brain MRI scans of any contrast and
resolution without retraining", Medical Image Analysis 2023, https://arxiv.org/abs/2107.09559):
labels are deformed, each gets a Gaussian of its own from which its voxels are drawn, then come a
bias field, a gamma and a loss of resolution. No image is looked at, so contrast is not learnt.
Ranges are near those of the authors' code, narrower for the sake of short trainings on slices.

Beyond the paper: each label's mean wanders smoothly through space (grey matter is not one tissue:
deep nuclei are darker in T2); the noise of a magnitude image comes last, in the voxels that were
measured; outside there is air.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medacuity.physics.noise import rician
from medacuity.physics.pet_scanner import blurred
from medacuity.physics.sampling import block_mean
from medacuity.resize import cubic, linear, resize

CERTAIN = 2.0  # standard deviations beyond which a bias field does not go
DARKEST = 0.05  # of the range: images of less contrast than that are stretched no further


@dataclass(frozen=True)
class Chance:
    """What is drawn, and from which range; brightness is in the unit range.

    Args:
        means: Brightness of a label, drawn evenly (25 to 225 of 255 in the authors' code).
        apart: Least difference of the means of two labels; ours: what looks alike teaches little.
        spreads: Standard deviation of a label's voxels, drawn evenly (5 to 25 of 255; we draw
            less, as noise comes by itself).
        wander: Largest standard deviation of a label's mean through space.
        bias: Largest standard deviation of the logarithm of the bias field.
        gamma: Standard deviation of the logarithm of the exponent.
        blur: Full width at half maximum of the point spread, in voxels, drawn evenly.
        coarse: Largest ratio of the voxels measured to those of the labels.
        lowered: Share of images with larger voxels.
        noise: Largest sigma of Rician noise.
        air: Labels of which nothing is measured but noise.
        stripped: Share of images in which the air is exactly 0, as after brain extraction.
    """

    means: tuple[float, float] = (0.1, 0.9)
    apart: float = 0.08
    spreads: tuple[float, float] = (0.01, 0.05)
    wander: float = 0.03
    bias: float = 0.25
    gamma: float = 0.3
    blur: tuple[float, float] = (0.4, 1.2)
    coarse: float = 2.5
    lowered: float = 0.15
    noise: float = 0.03
    air: tuple[int, ...] = (0,)
    stripped: float = 0.5


def draw_contrasts(
    labels: Tensor, rng: torch.Generator, chance: Chance | None = None, *, count: int
) -> Tensor:
    """Return an image of each label map, each in a contrast of its own.

    Args:
        labels: Whole numbers from 0 to ``count - 1``, deformed already (`medacuity.physics.warp`).
        rng: Source of randomness.
        chance: What is drawn; None: as `Chance` says.
        count: Labels there are.

    Shape:
        ``(B, *S)`` -> ``(B, 1, *S)``, float32, from 0 to about 1.

    Raises:
        ValueError: A label is not from 0 to ``count - 1``.

    Example:
        >>> labels = torch.zeros(2, 32, 32, dtype=torch.long)
        >>> labels[:, 8:24, 8:24] = 1
        >>> draw_contrasts(labels, torch.Generator().manual_seed(0), count=2).shape
        torch.Size([2, 1, 32, 32])
    """
    chance = chance or Chance()
    means, spreads = draw_tissues(len(labels), count, rng, chance)
    x = mixture(labels, means, spreads, rng, wander=chance.wander)
    x = x * bias_field(len(x), x.shape[2:], rng, strength=chance.bias)
    x = powered(x, rng, spread=chance.gamma)
    x = torch.cat([_measured(one[None], rng, chance) for one in x])
    air = torch.isin(labels, torch.tensor(chance.air, dtype=labels.dtype))[:, None]
    stripped = torch.rand(len(x), *[1] * labels.ndim, generator=rng) < chance.stripped
    return torch.where(air & stripped, 0.0, x)


def draw_tissues(
    images: int, count: int, rng: torch.Generator, chance: Chance
) -> tuple[Tensor, Tensor]:
    """Return mean and spread of every label in every image ``(images, count)``; of air, 0."""
    tissues = [label for label in range(count) if label not in chance.air]
    parts = []
    for (low, high), apart in ((chance.means, chance.apart), (chance.spreads, 0.0)):
        taken = min(apart * (len(tissues) - 1), high - low)  # of the range, by the differences
        places = torch.rand(images, len(tissues), generator=rng).sort(1).values
        steps = torch.linspace(0, taken, len(tissues))
        order = torch.rand(images, len(tissues), generator=rng).argsort(1)
        drawn = torch.zeros(images, count)
        drawn[:, tissues] = (low + (high - low - taken) * places + steps).gather(1, order)
        parts.append(drawn)
    return parts[0], parts[1]


def mixture(
    labels: Tensor, means: Tensor, spreads: Tensor, rng: torch.Generator, *, wander: float = 0.0
) -> Tensor:
    """Draw each voxel from the Gaussian of its label.

    Args:
        labels: Whole numbers from 0.
        means: Of each label in each image.
        spreads: Standard deviations; where it is 0 the mean does not wander either.
        rng: Source of randomness.
        wander: Largest standard deviation by which a label's mean varies smoothly in space.

    Shape:
        ``(B, *S)``, ``(B, K)`` and ``(B, K)`` -> ``(B, 1, *S)``.

    Raises:
        ValueError: A label is not from 0 to K - 1.
    """
    images, count = means.shape
    if labels.min() < 0 or labels.max() >= count:
        raise ValueError(f"labels must be from 0 to {count - 1}, got {int(labels.max())}")
    flat = labels.flatten(1)
    mean, spread = (tissue.gather(1, flat).reshape(labels.shape) for tissue in (means, spreads))
    x = mean + spread * torch.randn(labels.shape, generator=rng)
    if wander > 0:
        size = labels.shape[1:]
        few = [max(2, n // 24) for n in size]
        width = wander * torch.rand(images, 1, generator=rng) * (spreads > 0)
        width = width.reshape(images, count, *[1] * len(size))
        field = resize(torch.randn(images, count, *few, generator=rng), size, cubic) * width
        x = x + field.gather(1, labels[:, None])[:, 0]
    return x[:, None].clamp(min=0)


def bias_field(
    images: int, size: Sequence[int], rng: torch.Generator, *, strength: float, points: int = 4
) -> Tensor:
    """Return smooth factors, as coils that are nearer to one side make them.

    The logarithm is drawn at a few points from a normal distribution, whose standard deviation is
    drawn evenly up to ``strength``; it stays within two of ``strength``.

    Shape:
        ``(images, 1, *size)``, from ``exp(-2 strength)`` to ``exp(2 strength)``.
    """
    width = strength * torch.rand(images, 1, *[1] * len(size), generator=rng)
    few = torch.randn(images, 1, *[points] * len(size), generator=rng) * width
    bound = CERTAIN * strength
    return resize(few, size, cubic).clamp(-bound, bound).exp()


def powered(x: Tensor, rng: torch.Generator, *, spread: float) -> Tensor:
    """Stretch each image to the unit range and raise it to ``exp(N(0, spread^2))``.

    Shape:
        ``(B, C, *S)``, at least 0 -> the same.
    """
    axes = tuple(range(1, x.ndim))
    highest = torch.quantile(x.flatten(1), 0.999, dim=1).clamp(min=DARKEST)
    exponent = (spread * torch.randn(len(x), generator=rng)).exp()
    shape = (-1, *[1] * len(axes))
    return (x / highest.reshape(shape)).clamp(min=0) ** exponent.reshape(shape)


def _measured(x: Tensor, rng: torch.Generator, chance: Chance) -> Tensor:
    """Lose resolution, and take noise up in the voxels that are measured; of one image."""
    low, high = chance.blur
    width, share, noise = torch.rand(3, generator=rng).tolist()
    size, dims = x.shape[2:], x.ndim - 2
    x = blurred(x, fwhm=low + (high - low) * width, spacing=[1.0] * dims)
    if share < chance.lowered:
        factor = 1 + (chance.coarse - 1) * torch.rand(dims, generator=rng)
        x = block_mean(x, factor=factor.tolist())
    x = rician(x, sigma=chance.noise * noise**2, rng=rng)
    return resize(x, size, linear).clamp(min=0)
