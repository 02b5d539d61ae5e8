"""A recipe: parts not built yet, and the few numbers worth changing."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

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
    start: str | None = None
    """Weights to start from: the name of a shipped one; none starts from nothing."""
    task: str = ""
    """One line: what goes in and what comes out."""
    measured_by: str = "kspace"
    """How the scanner is taken to have made the input: ``"kspace"`` or ``"block mean"``."""
    noise: tuple[float, float] = (0.0, 0.0)
    """Range of noise it is made for, over the brightness of the input."""
    intensity: Rule = field(default_factory=Percentile)
    """How scanner numbers become the unit range."""

    @property
    def dims(self) -> int:
        """Spatial axes of the network."""
        return int(self.model.keywords["dims"])

    @property
    def scale(self) -> tuple[int, ...]:
        """Output voxels per input voxel, per axis."""
        return tuple(self.model.keywords["scale"])
