"""Recipes: parts not built yet, and the few numbers worth changing."""

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from medacuity.card import Images
from medacuity.intensity import Fixed, Percentile, Rule
from medacuity.training.cases import Case, find_cases
from medacuity.training.degraded import make_pair, read_scan
from medacuity.training.labelled import find_labelled, make_labelled
from medacuity.training.pairs import Labelled, Pairs
from medacuity.training.pictures import find_pictures
from medacuity.training.projections import ELLIPSES, Scanner, Scans, make_pieces
from medacuity.training.variety import Draw, untouched
from medacuity.training.watch import Look, generated, reconstructed, sharper


class Batches(Protocol):
    """Batches by number, and how many prepared cases were found and left out as too small."""

    found: int
    left_out: int

    def batch(self, step: int, size: int) -> Any:
        """Return the batch of one step."""


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """Everything that decides a training run, besides the scans."""

    name: str
    """The name of the run's weights."""
    model: partial[Any]
    """The network, with its arguments; it also says ``dims``."""
    learner: partial[Any]
    """What one batch does to the weights."""
    batch: int = 16
    """Patches in a batch."""
    steps: int = 10_000
    """Updates of the weights."""
    variants: int = 1
    """Times each case is prepared, differently each time."""
    watched: int = 1
    """Times each case to validate on is prepared."""
    seed: int = 0
    """Decides every draw."""
    draw: Callable[[nn.Module], None] | None = None
    """Draws the weights anew where a network's own way starts too slowly for a short run."""
    start: str | None = None
    """Weights to start from: the name of a shipped one; none starts from nothing."""
    task: str = ""
    """One line: what goes in and what comes out."""
    intensity: Rule = field(default_factory=Percentile)
    """How scanner numbers become the unit range."""

    needs_scans: ClassVar[bool] = True
    """Whether it learns from files; else what it learns from is drawn."""

    @property
    def weights(self) -> str:
        """Name of the weights; a quick variant of a paper's run makes the same ones."""
        return self.name.removesuffix("-quick")

    @property
    def made(self) -> tuple[str, ...]:
        """Names of all weights a run ends with, in the order of the learner's networks."""
        return (self.weights,)

    @property
    def dims(self) -> int:
        """Spatial axes of the network."""
        return int(self.model.keywords["dims"])

    @property
    def scale(self) -> tuple[int, ...]:
        """Output voxels per input voxel, per axis."""
        return tuple(self.model.keywords.get("scale", (1,) * self.dims))

    def told(self, table: Path | None) -> "Recipe":
        """Return the recipe with what a table of cases decides of it: nothing."""
        return self

    def said(self) -> list[str]:
        """Return what is done to scans, in lines for a person."""
        return []

    @abstractmethod
    def find(self, data: Path, table: Path | None) -> list[Case]:
        """Return the cases to train and to validate on, perhaps some to test."""

    @abstractmethod
    def make(self, case: Case, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return one variant of a case: the two sides of what is learnt, unit range."""

    @abstractmethod
    def batches(self, folder: Path, split: str, rank: int) -> Batches:
        """Return the batches drawn from what was prepared."""

    @abstractmethod
    def look(self, model: nn.Module, batches: Sequence[Any], device: str, title: str) -> Look:
        """Look at the network, on batches it does not learn from."""

    def described(self, cases: Sequence[Case]) -> str:
        """Return in words what was trained on."""
        people = len({case.patient for case in cases})
        terms = Counter(case.licence for case in cases)
        return f"{len(cases)} scans of {people} people: " + ", ".join(
            f"{n} under {licence}" for licence, n in sorted(terms.items())
        )

    def card(self, which: int) -> dict[str, Any]:
        """Return what the card of a network says besides its name and how it was trained."""
        return {"arguments": dict(self.model.keywords), "task": self.task}


@dataclass(frozen=True, kw_only=True)
class Enhancement(Recipe):
    """Super-resolution: a case is degraded, and the network learns the way back."""

    degrade: Draw
    """Draws how a case becomes the input."""
    history: Draw = untouched
    """Draws what happened to a case before it counts as the truth."""
    patch: tuple[int, ...]
    """Input voxels of a training patch, per axis."""
    variants: int = 6
    watched: int = 2
    measured_by: str = "kspace"
    """How the input is taken to have been made: ``"kspace"``, ``"block mean"``, ``"bicubic"``."""
    noise: tuple[float, float] = (0.0, 0.0)
    """Range of noise it is made for, over the brightness of the input."""
    sets: tuple[str, ...] = ()
    """Sets of pictures that a paper trained on, by their folders' names; none: scans."""
    stride: tuple[int, ...] | None = None
    """Input voxels between patches cut on a grid; None: anywhere, each case as often."""
    serves: tuple[tuple[int, ...], ...] = ()
    """Factors the weights serve, the first being the usual one; none: the network's own.
    A network that takes an enlarged input is trained at scale 1 and serves others."""

    @property
    def blocks(self) -> tuple[int, ...]:
        """What the size of a case is cut down to a multiple of, per axis."""
        return tuple(math.lcm(*axis) for axis in zip(self.scale, *self.serves, strict=True))

    def find(self, data: Path, table: Path | None) -> list[Case]:
        """Return the scans, or the pictures of the paper's sets."""
        if self.sets and table is None:
            return find_pictures(data, self.sets)
        return find_cases(data, table)

    def make(self, case: Case, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return a degraded case and itself."""
        return make_pair(self, read_scan(case.path), rng)

    def described(self, cases: Sequence[Case]) -> str:
        """Return which scans, or how many pictures of which sets."""
        if self.sets:
            return f"{len(cases)} pictures of {' + '.join(self.sets)}"
        return super().described(cases)

    def batches(self, folder: Path, split: str, rank: int) -> Pairs:
        """Return patches and their targets."""
        return Pairs(
            folder, split, patch=self.patch, scale=self.scale, seed=self.seed,
            stride=self.stride, rank=rank,
        )  # fmt: skip

    def look(self, model: nn.Module, batches: Sequence[Any], device: str, title: str) -> Look:
        """Measure the gain over cubic."""
        return sharper(model, batches, device, title)

    def card(self, which: int) -> dict[str, Any]:
        """Return the factors served, the scanner and the noise as well."""
        base = super().card(which)
        base["arguments"] |= {"scale": (self.serves or (self.scale,))[0]}
        return base | {
            "scales": [list(scale) for scale in self.serves[1:]],
            "measured_by": self.measured_by,
            "noise": self.noise,
        }


@dataclass(frozen=True, kw_only=True)
class Generation(Recipe):
    """Pictures out of noise, of the class that is asked for if the network has classes."""

    classes: tuple[str, ...]
    """Names of the classes, in the order of their labels."""
    shows: str
    """What the pictures show, in two or three words."""
    shift: int = 2
    """Voxels by which pictures are moved at random, so that few are not learnt by heart."""
    intensity: Rule = field(default_factory=lambda: Fixed(0.0, 255.0))

    def find(self, data: Path, table: Path | None) -> list[Case]:
        """Return the two sides of the split of a labelled set."""
        return find_labelled(data, self.classes)

    def make(self, case: Case, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return pictures and their labels."""
        return make_labelled(case, classes=self.classes, size=int(self.model.keywords["size"]))

    def described(self, cases: Sequence[Case]) -> str:
        """Return the name of the set."""
        return ", ".join(sorted({case.path.stem for case in cases}))

    def card(self, which: int) -> dict[str, Any]:
        """Return the names of the classes as well."""
        asked = bool(self.model.keywords.get("classes"))
        shown = Images(self.shows)
        return super().card(which) | {
            "output": shown,
            "classes": list(self.classes) if asked else [],
        }

    def batches(self, folder: Path, split: str, rank: int) -> Labelled:
        """Return labelled pictures; for a network without classes the labels are left out."""
        conditional = bool(self.model.keywords.get("classes"))
        return Labelled(
            folder, split, seed=self.seed, shift=self.shift if split == "train" else 0,
            labels=conditional, rank=rank,
        )  # fmt: skip

    def look(self, model: nn.Module, batches: Sequence[Any], device: str, title: str) -> Look:
        """Look at samples from the same numbers each time."""
        return generated(model, batches, device, title)


@dataclass(frozen=True, kw_only=True)
class Reconstruction(Recipe):
    """From the rays of a CT scan to its image, water at 1 and air at 0."""

    scanner: Scanner
    """What pieces of patients and phantoms are projected by."""
    unrolled: bool
    """Whether the network sees the rays, or nothing but images made of them."""
    variants: int = 4
    watched: int = 1
    intensity: Rule = field(default_factory=lambda: Fixed(-1000.0, 0.0))

    def find(self, data: Path, table: Path | None) -> list[Case]:
        """Return the scans, and random ellipses to train on."""
        return [*find_cases(data, table), ELLIPSES]

    def make(self, case: Case, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return scans of pieces, and the pieces."""
        return make_pieces(case, self.scanner, rng)

    def described(self, cases: Sequence[Case]) -> str:
        """Return which scans, and that there were ellipses."""
        real = [case for case in cases if case != ELLIPSES]
        return f"random ellipses; pieces of {super().described(real)}"

    def batches(self, folder: Path, split: str, rank: int) -> Scans:
        """Return scans of pieces, and what to start from."""
        return Scans(
            folder, split, scanner=self.scanner, seed=self.seed, rank=rank,
            turned=split == "train" and not self.unrolled,
        )  # fmt: skip

    def look(self, model: nn.Module, batches: Sequence[Any], device: str, title: str) -> Look:
        """Measure the gain over total variation."""
        parts = self.scanner.operators() if self.unrolled else ()
        return reconstructed(model, batches, device, title, parts=parts)

    def card(self, which: int) -> dict[str, Any]:
        """Return what it takes and gives as well."""
        images = Images("CT", "HU")
        return super().card(which) | {"input": images, "output": images}
