"""Classical augmentation: the baseline that generated data has to beat."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

TURN = 15.0  # degrees to either side
ZOOM = 0.15  # larger or smaller by up to this share
SHIFT = 0.06  # of the width, to every side
CONTRAST, BRIGHTNESS, NOISE = 0.2, 0.1, 0.03


def classical(images: Tensor, rng: torch.Generator) -> Tensor:
    """Turn, zoom, shift, and change contrast, brightness and noise of each picture by chance.

    Nothing is mirrored: a heart on the right is no usual chest. Rims are repeated.

    Shape:
        ``(B, 1, H, W)`` -> the same, clipped to the unit range.
    """
    x = moved(images, rng)
    x = recoloured(x, rng)
    sigma = NOISE * torch.rand(len(x), 1, 1, 1, generator=rng)
    return (x + sigma * torch.randn(x.shape, generator=rng)).clamp(0, 1)


def moved(images: Tensor, rng: torch.Generator) -> Tensor:
    """Turn, zoom and shift each picture by chance; its gradient is known."""
    count = len(images)
    angle = _evenly(count, math.radians(TURN), rng)
    zoom = 1 + _evenly(count, ZOOM, rng)
    across, down = (2 * _evenly(count, SHIFT, rng) for _ in range(2))  # the width counts as 2
    cosine, sine = zoom * angle.cos(), zoom * angle.sin()
    rows = torch.stack([cosine, -sine, across, sine, cosine, down], 1).reshape(count, 2, 3)
    grid = F.affine_grid(rows, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def recoloured(images: Tensor, rng: torch.Generator) -> Tensor:
    """Change contrast around the mean, and brightness, of each picture by chance."""
    shape = (len(images), 1, 1, 1)
    contrast = 1 + _evenly(len(images), CONTRAST, rng).reshape(shape)
    brighter = _evenly(len(images), BRIGHTNESS, rng).reshape(shape)
    mean = images.mean((2, 3), keepdim=True)
    return (images - mean) * contrast + mean + brighter


def _evenly(count: int, width: float, rng: torch.Generator) -> Tensor:
    return width * (2 * torch.rand(count, generator=rng) - 1)
