"""A recipe: parts not built yet, and the few numbers worth changing."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import nn

from medacuity.intensity import Percentile, Rule
from medacuity.training.variety import Draw


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run, besides the scans."""

    name: str
    """The name of the run's weights."""
    model: partial[Any]
    """The network, with its arguments; it also says ``dims`` and ``scale``."""
    degrade: Draw
    """Draws how a case becomes the input."""
    history: Draw
    """Draws what happened to a case before it counts as the truth."""
    learner: partial[Any]
    """What one batch does to the weights."""
    patch: tuple[int, ...]
    """Input voxels of a training patch, per axis."""
    batch: int = 16
    """Patches in a batch."""
    steps: int = 10_000
    """Updates of the weights."""
    variants: int = 6
    """Times each case is degraded, differently each time."""
    seed: int = 0
    """Decides every draw."""
    draw: Callable[[nn.Module], None] | None = None
    """Draws the weights anew where a network's own way starts too slowly for a short run."""
    start: str | None = None
    """Weights to start from: the name of a shipped one; none starts from nothing."""
    task: str = ""
    """One line: what goes in and what comes out."""
    measured_by: str = "kspace"
    """How the input is taken to have been made: ``"kspace"``, ``"block mean"``, ``"bicubic"``."""
    noise: tuple[float, float] = (0.0, 0.0)
    """Range of noise it is made for, over the brightness of the input."""
    intensity: Rule = field(default_factory=Percentile)
    """How scanner numbers become the unit range."""
    sets: tuple[str, ...] = ()
    """Sets of pictures that a paper trained on, by their folders' names; none: scans."""
    stride: tuple[int, ...] | None = None
    """Input voxels between patches cut on a grid; None: anywhere, each case as often."""
    serves: tuple[tuple[int, ...], ...] = ()
    """Factors the weights serve, the first being the usual one; none: the network's own.
    A network that takes an enlarged input is trained at scale 1 and serves others."""

    @property
    def weights(self) -> str:
        """Name of the weights; a quick variant of a paper's run makes the same ones."""
        return self.name.removesuffix("-quick")

    @property
    def blocks(self) -> tuple[int, ...]:
        """What the size of a case is cut down to a multiple of, per axis."""
        return tuple(math.lcm(*axis) for axis in zip(self.scale, *self.serves, strict=True))

    @property
    def dims(self) -> int:
        """Spatial axes of the network."""
        return int(self.model.keywords["dims"])

    @property
    def scale(self) -> tuple[int, ...]:
        """Output voxels per input voxel, per axis."""
        return tuple(self.model.keywords["scale"])
