"""What the harness needs of a task; tasks know nothing of arms, journals or verdicts."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Examples:
    """Images with their answers, and whose they are.

    Shape:
        ``images`` ``(N, 1, *S)``, the unit range; ``answers``, whole numbers, ``(N,)`` classes or
        ``(N, *S)`` masks; ``patients`` one name for each image; ``made``: which of them are
        generated ``(N,)``, or all or none of them.
    """

    images: Tensor
    answers: Tensor
    patients: tuple[str, ...]
    made: Tensor | bool = False

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self.images)

    @property
    def generated(self) -> Tensor:
        """Tell which images are generated ``(N,)``."""
        return torch.as_tensor(self.made).expand(len(self))


class Task(Protocol):
    """A downstream model, what it learns from, and real cases that it is scored on.

    All of it depends on its arguments and on `settings` alone: the same seed draws the same data,
    whichever arm it is for, so that arms are compared in pairs.
    """

    @property
    def name(self) -> str:
        """What is done: ``"classify"``."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of what `score` returns, 0 to 1, the higher the better; the first decides."""

    @property
    def amounts(self) -> tuple[float, ...]:
        """What `draw` is asked for if nobody says otherwise: fractions, or numbers of subjects."""

    @property
    def settings(self) -> Mapping[str, object]:
        """Return all that decides a score besides amount, arm and seed, as JSON has it."""

    @property
    def held_out(self) -> Tensor:
        """Return real images that nothing learns from ``(M, 1, *S)``: how near they lie to those
        trained on is what generated ones are compared with. A few hundred will do."""

    def described(self, amount: float) -> str:
        """Return an amount in words: ``"10 % of the images"``, ``"2 subjects"``."""

    def draw(self, amount: float, seed: int) -> Examples:
        """Return scarce real data."""

    def generate(self, real: Examples, seed: int) -> Examples:
        """Return generated data, from this real data only: never from what `draw` left out."""

    def learn(self, examples: Examples, *, classical: bool, seed: int) -> nn.Module:
        """Return the downstream model; ``classical`` turns classical augmentation on."""

    def score(self, model: nn.Module) -> dict[str, float]:
        """Return each metric on the real test cases, which are always the same."""


def digest(images: Tensor, answers: Tensor) -> str:
    """Return what tells these images, to a grey of 256, and their answers from any others."""
    grey = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return hashlib.sha256(grey.numpy().tobytes() + answers.numpy().tobytes()).hexdigest()


def joined(parts: Sequence[Examples]) -> Examples:
    """Return the examples of several sets, one after another."""
    return Examples(
        torch.cat([part.images for part in parts]),
        torch.cat([part.answers for part in parts]),
        tuple(name for part in parts for name in part.patients),
        torch.cat([part.generated for part in parts]),
    )
