"""Pictures of a class out of noise by a flow: what is learnt is a regression, and cannot collapse.

A network is shown points on straight lines from noise to real pictures and predicts their
direction; to generate, noise is moved along it. From Liu et al., "Flow Straight and Fast:
Learning to Generate and Transfer Data with Rectified Flow", ICLR 2023.
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medacuity.nd import channels_last, conv, norm, pixel_shuffle
from medacuity.training.fit import fit
from medacuity.training.learners.descent import adam
from medacuity.training.learners.supervised import Batch, Supervised, made_for_half, paired
from medacuity.utility.augment import moved
from medacuity.utility.generators import evenly, named
from medacuity.utility.task import Examples

BATCH = 64
MOVES = 10  # steps from noise to picture, each looked at in its middle
AT_ONCE = 128  # pictures that are moved together
MIDDLE, SPREAD = 0.5, 0.25  # of the brightness of pictures, about; noise has 0 and 1


class Block(nn.Module):
    """Two convolutions that are added to what they see, told where and of which class it is."""

    def __init__(self, width: int, told: int) -> None:
        super().__init__()
        self.first = nn.Sequential(norm(2, width), nn.SiLU(), conv(2, width, width, 3))
        self.second = nn.Sequential(norm(2, width), nn.SiLU(), conv(2, width, width, 3))
        self.told = nn.Linear(told, width)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Return features of the same size."""
        added: Tensor = self.second(self.first(x) + self.told(told)[:, :, None, None])
        return x + added


class Velocity(nn.Module):
    """The direction from noise to a picture, at a point on the way; a small U-Net.

    Args:
        classes: Kinds of pictures.
        width: Features at half the size; twice as many at a quarter.

    Shape:
        ``(B, 2 + classes, H, W)``: the point, then planes that hold the share of the way and
        one for the class -> ``(B, 1, H, W)``; sizes are multiples of 4.
    """

    def __init__(self, *, classes: int, width: int = 32) -> None:
        super().__init__()
        told = 64
        self.tell = nn.Sequential(nn.Linear(classes + 5, told), nn.SiLU())
        self.enter = conv(2, 4, width, 3)
        self.shrink = conv(2, width, 2 * width, 3, stride=2)
        self.grow = nn.Sequential(nn.Upsample(scale_factor=2), conv(2, 2 * width, width, 3))
        wide = (width, 2 * width, 2 * width, width, width)
        self.blocks = nn.ModuleList(Block(each, told) for each in wide)
        self.leave = nn.Sequential(norm(2, width), nn.SiLU(), conv(2, width, 4, 3))

    def forward(self, given: Tensor) -> Tensor:
        """Return the direction, in units of the noise."""
        planes = given[:, 1:, 0, 0]
        turns = [f(2**k * torch.pi * planes[:, :1]) for k in (0, 1) for f in (torch.sin, torch.cos)]
        told = self.tell(torch.cat([planes, *turns], 1))
        first, inner, deep, last, end = self.blocks
        across = first(self.enter(F.pixel_unshuffle(given[:, :1], 2)), told)
        x = self.grow(deep(inner(self.shrink(across), told), told))
        out = self.leave(end(last(x + across, told), told))
        return pixel_shuffle(out, (2, 2))


def class_flow(real: Examples, each: int, seed: int, *, steps: int) -> Examples:
    """Train a flow on these pictures, classes equally often; draw pictures of every class.

    Args:
        real: What it learns from, moved by chance at every look.
        each: Pictures to make of every class.
        seed: Decides weights, batches and what is made.
        steps: Of training.
    """
    kinds = int(real.answers.max()) + 1
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = channels_last(Velocity(classes=kinds), 2)
    learner = Supervised(
        model, objective=partial(paired, loss=F.mse_loss), steps=steps, descent=adam(2e-3)
    )
    fit(learner, partial(_on_the_way, real, kinds, seed), steps=steps, report=lambda *_: None)
    return _moved_along(model.eval(), real, each, seed)


def _on_the_way(real: Examples, kinds: int, seed: int, step: int) -> Batch:
    """Return points on lines from noise to pictures, and their directions."""
    rng = torch.Generator().manual_seed((seed << 32) + step)
    chosen = evenly(real.answers, BATCH, rng)
    pictures = (moved(real.images[chosen], rng) - MIDDLE) / SPREAD
    noise = torch.randn(pictures.shape, generator=rng)
    share = torch.rand(BATCH, generator=rng).reshape(-1, 1, 1, 1)
    point = (1 - share) * noise + share * pictures
    classes = F.one_hot(real.answers[chosen], kinds)
    return Batch(_given(point, share, classes), pictures - noise)


def _given(point: Tensor, share: Tensor, classes: Tensor) -> Tensor:
    told = torch.cat([share.expand(len(point), 1, 1, 1), classes.float()[:, :, None, None]], 1)
    return torch.cat([point, told.expand(-1, -1, *point.shape[2:])], 1)


def _direction(model: nn.Module, x: Tensor, share: float, classes: Tensor) -> Tensor:
    given = _given(x, torch.full((1, 1, 1, 1), share), classes)
    with torch.autocast("cpu", torch.bfloat16, enabled=made_for_half(model)):
        out: Tensor = model(given)
    return out.float()


@torch.inference_mode()
def _moved_along(model: nn.Module, real: Examples, each: int, seed: int) -> Examples:
    """Return pictures that noise becomes."""
    kinds = int(real.answers.max()) + 1
    labels = torch.arange(each * kinds) % kinds
    rng = torch.Generator().manual_seed(seed)
    made = []
    for part in torch.split(F.one_hot(labels, kinds), AT_ONCE):
        x = torch.randn(len(part), *real.images.shape[1:], generator=rng)
        for n in range(MOVES):
            halfway = x + _direction(model, x, n / MOVES, part) / (2 * MOVES)
            x = x + _direction(model, halfway, (n + 0.5) / MOVES, part) / MOVES
        made.append(x * SPREAD + MIDDLE)
    return named(torch.cat(made), labels)
