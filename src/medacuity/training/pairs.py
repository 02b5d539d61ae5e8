"""Batches of patches from memory-mapped arrays; batch n depends on nothing but n.

There is no iterator to save: the batch of step n is drawn from a generator seeded with the
run's seed, n and the process's rank, so that a resumed run sees exactly what it would have.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medacuity.errors import MalformedInput, StorageError, UsageError
from medacuity.training.learners.gan import Samples
from medacuity.training.learners.supervised import Batch

TRIES = 4  # draws until a patch that is not all air


class Pairs:
    """Draw batches from the pairs of one side of the split.

    Args:
        folder: Where `prepare` wrote.
        split: ``"train"`` or ``"validate"``.
        patch: Input voxels per axis; smaller if no case is as large.
        scale: Target voxels per input voxel, per axis.
        seed: Decides every draw.
        stride: Input voxels between patches on a grid, all of them equally likely; None:
            patches lie anywhere, and each case is equally likely.
        mirrors: Axes along which left and right are alike, and nothing else is turned; None:
            all views of a patch are alike.
        rank: Number of this process among those that train together.
    """

    def __init__(
        self, folder: Path, split: str, *, patch: Sequence[int], scale: Sequence[int],
        seed: int, stride: Sequence[int] | None = None, mirrors: Sequence[int] | None = None,
        rank: int = 0,
    ) -> None:  # fmt: skip
        names = [pair["name"] for pair in _listed(folder) if pair["split"] == split]
        arrays = [_mapped(folder, name) for name in names]
        if not arrays:
            raise UsageError(f"there is no case to {split} on")
        self.patch, self.scale = _that_fits(arrays, patch), tuple(scale)
        self.arrays = [pair for pair in arrays if _holds(pair[0], self.patch)]
        self.found, self.left_out = len(arrays), len(arrays) - len(self.arrays)
        self.seed, self.rank, self.stride, self.mirrors = seed, rank, stride, mirrors
        self.grids = [_grid(given, self.patch, stride or self.patch) for given, _ in self.arrays]
        self.ends = np.cumsum([math.prod(grid) for grid in self.grids])

    def batch(self, step: int, size: int) -> Batch:
        """Return the batch of one step."""
        rng = np.random.default_rng([self.seed, step, self.rank])
        drawn = [self._pair(rng) for _ in range(size)]
        sides = (torch.from_numpy(np.stack(side)).float() for side in zip(*drawn, strict=True))
        return Batch(*sides)

    def _pair(self, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
        return self._patch(rng)

    def _patch(self, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
        for _ in range(TRIES):
            case, item, corner = self._place(rng)
            given, target = self.arrays[case]
            a = _cut(given[item], corner, self.patch)
            if self.stride or a.mean() > 0.04:
                break
        fine = [c * s for c, s in zip(corner, self.scale, strict=True)]
        size = [p * s for p, s in zip(self.patch, self.scale, strict=True)]
        return self._turned(rng, a, _cut(target[item], fine, size))

    def _place(self, rng: np.random.Generator) -> tuple[int, int, list[int]]:
        """Draw a case, an image of it and the corner of a patch."""
        if self.stride:
            patch = int(rng.integers(self.ends[-1]))
            case = int(np.searchsorted(self.ends, patch, side="right"))
            first = patch - (int(self.ends[case - 1]) if case else 0)
            item, *cell = (int(i) for i in np.unravel_index(first, self.grids[case]))
            return case, item, [i * n for i, n in zip(cell, self.stride, strict=True)]
        case = int(rng.integers(len(self.arrays)))
        given = self.arrays[case][0]
        item = int(rng.integers(len(given)))
        room = (n - p + 1 for n, p in zip(given.shape[2:], self.patch, strict=True))
        return case, item, [int(rng.integers(n)) for n in room]

    def _turned(
        self, rng: np.random.Generator, a: NDArray[Any], b: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Mirror, and swap axes that are alike: eight views of a slice, 48 of a volume."""
        if self.mirrors is not None:
            flips = tuple(axis + 1 for axis in self.mirrors if rng.integers(2))
            return np.flip(a, flips), np.flip(b, flips)
        axes = range(1, a.ndim)
        flips = tuple(axis for axis in axes if rng.integers(2))
        alike = list(zip(self.patch, self.scale, strict=True))
        order = list(axes)
        for i in range(len(order) - 1, 0, -1):
            j = int(rng.integers(i + 1))
            if alike[order[i] - 1] == alike[order[j] - 1]:
                order[i], order[j] = order[j], order[i]
        return np.flip(a.transpose(0, *order), flips), np.flip(b.transpose(0, *order), flips)


class Unmatched(Pairs):
    """Draw the two sides of a batch apart from each other: nothing tells which belong together."""

    def _pair(self, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
        return self._patch(rng)[0], self._patch(rng)[1]


class Labelled:
    """Draw batches of pictures with labels; every class as often, however rare it is.

    Args:
        folder: Where `prepare` wrote.
        split: ``"train"`` or ``"validate"``.
        seed: Decides every draw.
        shift: Voxels by which pictures are moved at random, their rims repeated.
        labels: Whether batches tell the labels; classes are drawn alike either way.
        rank: Number of this process among those that train together.
    """

    found = 1
    left_out = 0

    def __init__(
        self, folder: Path, split: str, *, seed: int, shift: int, labels: bool = True,
        rank: int = 0,
    ) -> None:  # fmt: skip
        names = [pair["name"] for pair in _listed(folder) if pair["split"] == split]
        if not names:
            raise UsageError(f"there are no pictures to {split} on")
        arrays = [_mapped(folder, name) for name in names]
        self.images = np.concatenate([images for images, _ in arrays])
        known = np.concatenate([known for _, known in arrays])[:, 0].astype(np.int64)
        self.members = [np.flatnonzero(known == label) for label in np.unique(known)]
        self.labels = known if labels else None
        self.seed, self.shift, self.rank = seed, shift, rank

    def batch(self, step: int, size: int) -> Samples:
        """Return the batch of one step."""
        rng = np.random.default_rng([self.seed, step, self.rank])
        kinds = rng.integers(len(self.members), size=size)
        chosen = np.array([rng.choice(self.members[kind]) for kind in kinds])
        images = np.stack([self._moved(rng, self.images[n]) for n in chosen])
        labels = None if self.labels is None else torch.from_numpy(self.labels[chosen])
        return Samples(torch.from_numpy(images).float(), labels)

    def _moved(self, rng: np.random.Generator, image: NDArray[Any]) -> NDArray[Any]:
        by = rng.integers(-self.shift, self.shift + 1, size=image.ndim - 1)
        rim = [(0, 0), *((self.shift, self.shift) for _ in by)]
        window = tuple(
            slice(self.shift + d, self.shift + d + n)
            for d, n in zip(by, image.shape[1:], strict=True)
        )
        moved: NDArray[Any] = np.pad(image, rim, mode="edge")[(slice(None), *window)]
        return moved


def _cut(array: NDArray[Any], corner: Sequence[int], size: Sequence[int]) -> NDArray[Any]:
    window = tuple(slice(c, c + n) for c, n in zip(corner, size, strict=True))
    cut: NDArray[Any] = array[(slice(None), *window)]
    return cut


def _grid(given: NDArray[Any], patch: Sequence[int], stride: Sequence[int]) -> tuple[int, ...]:
    """Return how many images a case has, and how many patches along each axis of them."""
    cells = zip(given.shape[2:], patch, stride, strict=True)
    return len(given), *((n - p) // s + 1 for n, p, s in cells)


def _listed(folder: Path) -> list[dict[str, str]]:
    try:
        listed: list[dict[str, str]] = json.loads((folder / "pairs.json").read_text())
        return listed
    except OSError as error:
        raise StorageError("no prepared arrays are there; prepare first", path=folder) from error
    except ValueError as error:
        raise MalformedInput("its pairs.json is damaged; prepare again", path=folder) from error


def _mapped(folder: Path, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        given, target = (
            np.load(folder / f"{name}-{side}.npy", mmap_mode="r", allow_pickle=False)
            for side in ("input", "target")
        )
    except (OSError, ValueError) as error:
        raise MalformedInput("a prepared array is damaged; prepare again", path=folder) from error
    return given, target


def _holds(given: NDArray[Any], patch: Sequence[int]) -> bool:
    return all(n >= p for n, p in zip(given.shape[2:], patch, strict=True))


def _that_fits(arrays: Sequence[tuple[NDArray[Any], ...]], patch: Sequence[int]) -> tuple[int, ...]:
    """Return the patch if any case holds it, or what every case holds of it."""
    if any(_holds(given, patch) for given, _ in arrays):
        return tuple(patch)
    return tuple(min(p, *(given.shape[2 + i] for given, _ in arrays)) for i, p in enumerate(patch))
