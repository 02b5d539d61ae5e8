"""Lessons for the feature network: patches, and what becomes of them when they are damaged."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medacuity.training.damages import HARM, HARMLESS, LOCAL, Damage, blur, noise, spread
from medacuity.training.learners.perceiving import Lesson
from medacuity.training.pairs import Pairs

DEGREES = (0.12, 1.0)
MILDER = (0.35, 0.8)  # times the degree of what is worse
HARMLESS_ERROR, NOISE_ERROR = (0.5, 3.0), (0.5, 1.5)  # times the MSE of what is worse
AIR = 0.07


class Lessons(Pairs):
    """Draw patches and damage them; lesson n depends on nothing but n.

    Arguments as for `Pairs`; the second side of a pair is a map of tissues.
    """

    def __init__(
        self, folder: Path, split: str, *, patch: Sequence[int], seed: int, rank: int = 0
    ) -> None:
        super().__init__(
            folder, split, patch=patch, scale=[1] * len(patch), seed=seed, rank=rank
        )  # fmt: skip

    def batch(self, step: int, size: int) -> Lesson:  # type: ignore[override]
        """Return the lesson of one step."""
        patches, tissue = super().batch(step, size)
        draw = np.random.default_rng([self.seed, step, self.rank, 1]).integers(2**31)
        rng = torch.Generator().manual_seed(int(draw))
        return lesson(patches, tissue, rng)


def lesson(x: Tensor, tissue: Tensor, rng: torch.Generator) -> Lesson:
    """Draw what happened to patches, and all the versions of them.

    Shape:
        ``(B, 1, *S)`` twice.
    """
    x = _history(x, rng)
    kinds = torch.randint(len(HARM), (len(x),), generator=rng)
    degree = torch.exp(_numbers(x, rng, *map(math.log, DEGREES)))
    degrees = torch.stack([degree * _numbers(x, rng, *MILDER), degree])
    milder, worse = _damaged(x, degrees, kinds, HARM, rng)
    error = _error(worse, x)
    changes = torch.randint(len(HARMLESS), (len(x),), generator=rng)
    harmless = _as_far(x, error, HARMLESS_ERROR, changes, HARMLESS, rng)
    noisy = _as_far(x, error, NOISE_ERROR, torch.zeros_like(changes), {"noise": noise}, rng)
    local = torch.tensor([name in LOCAL for name in HARM])[kinds].float()
    return Lesson(x, milder, worse, harmless, noisy, kinds, local, tissue)


def _history(x: Tensor, rng: torch.Generator) -> Tensor:
    """Draw other contrasts, and scans that were blurred or noisy to begin with."""
    gamma, top = torch.exp(_numbers(x, rng, -0.5, 0.5)), _numbers(x, rng, 1, 1.3)
    drawn = torch.rand(len(x), generator=rng)
    curved = x.clamp(min=0) ** spread(gamma, x)
    flipped = torch.where(x > AIR, (spread(top, x) - x).clamp(min=0), x)
    x = torch.where(spread(drawn, x) < 0.25, curved, x)
    x = torch.where(spread(drawn, x) > 0.8, flipped, x)
    some = (torch.rand(len(x), generator=rng) < 0.3).float()
    x = blur(x, rng)(some * _numbers(x, rng, 0, 0.3))
    given = spread(torch.rand(len(x), generator=rng), x) < 0.3
    return torch.where(given, noise(x, rng)(_numbers(x, rng, 0, 0.2)), x)


def _damaged(
    x: Tensor, degrees: Tensor, kinds: Tensor, table: Mapping[str, Damage], rng: torch.Generator
) -> Tensor:
    """Damage every image by its kind, at several degrees: ``(D, B)`` -> ``(D, B, 1, *S)``."""
    out = x.expand(len(degrees), *x.shape).clone()
    for number, damage in enumerate(table.values()):
        own = (kinds == number).nonzero()[:, 0]
        if len(own):
            damaged = damage(x[own], rng)
            out[:, own] = torch.stack([damaged(degree[own]) for degree in degrees])
    return out


def _as_far(
    x: Tensor, error: Tensor, times: tuple[float, float], kinds: Tensor,
    table: Mapping[str, Damage], rng: torch.Generator,
) -> Tensor:  # fmt: skip
    """Damage images so that their MSE is about that of others, ``times`` which is drawn.

    Error grows about as the square of the degree.
    """
    state = rng.get_state()
    most = _damaged(x, torch.ones(1, len(x)), kinds, table, rng)[0]
    wanted = error * torch.exp(_numbers(x, rng, *map(math.log, times)))
    degree = (wanted / (_error(most, x) + 1e-9)).sqrt().clamp(0.02, 1)
    after = rng.get_state()
    rng.set_state(state)  # the same draw, less of it
    less = _damaged(x, degree[None], kinds, table, rng)
    rng.set_state(after)
    return less[0]


def _error(prediction: Tensor, target: Tensor) -> Tensor:
    difference: Tensor = prediction - target
    return difference.square().flatten(1).mean(1)


def _numbers(x: Tensor, rng: torch.Generator, low: float, high: float) -> Tensor:
    """Draw a number per image."""
    return torch.rand(len(x), generator=rng) * (high - low) + low
