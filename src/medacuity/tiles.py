"""Where an image may be cut, and which cuts cost least: whole numbers only, no networks."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

SMALLEST_CORE = 8
"""Voxels per axis below which a tile is nearly all halo, and cutting on saves no memory."""

CHOICES = 40
"""Sizes tried per axis when tiles are fitted into a budget."""


@dataclass(frozen=True)
class Axis:
    """One axis of ``(B, *S)``: its size, and how far tiles reach beyond their core.

    Example:
        >>> Axis(size=100, halo=5, multiple=4).window(slice(30, 50))
        slice(24, 56, None)
    """

    size: int
    halo: int
    multiple: int

    def window(self, core: slice) -> slice:
        """Return what a model must be shown: core and halo, on the grid of multiples.

        The window starts on a multiple, so that poolings fall on the same voxels as in the
        whole image; it ends on one too, or with the image.
        """
        start = max(core.start - self.halo, 0) // self.multiple * self.multiple
        stop = _up(core.stop + self.halo, self.multiple)
        return slice(start, min(stop, self.size))

    def cores(self, size: int) -> list[slice]:
        """Return cores of ``size`` that cover the axis once; the last may be smaller."""
        return [slice(a, b) for a, b in pairwise([*range(0, self.size, size), self.size])]

    def shown(self, size: int) -> list[int]:
        """Return how many voxels each tile with a core of ``size`` sees, padding included."""
        windows = [self.window(core) for core in self.cores(size)]
        return [_up(window.stop - window.start, self.multiple) for window in windows]

    def choices(self) -> list[int]:
        """Return core sizes worth trying, largest first: even parts of the axis."""
        if self.halo >= self.size:
            return [self.size]
        smallest = SMALLEST_CORE if self.halo else 1
        parts = {-(-self.size // n) for n in range(1, self.size // smallest + 1)} | {self.size}
        sizes = sorted(parts, reverse=True)
        few = np.linspace(0, len(sizes) - 1, min(len(sizes), CHOICES)).round()
        return [sizes[int(i)] for i in few]


def least_work(axes: Sequence[Axis], *, room: float) -> tuple[tuple[int, ...], int]:
    """Return the core sizes that waste least, and how many voxels their largest tile sees.

    Of the tiles that see at most ``room`` voxels, those with the fewest voxels seen twice, and
    of these the fewest tiles. When none fits, the smallest there is: the caller decides.

    Example:
        >>> least_work([Axis(64, 4, 1), Axis(64, 4, 1), Axis(100, 4, 1)], room=64 * 64 * 64)
        ((64, 64, 50), 221184)
    """
    sizes = [axis.choices() for axis in axes]
    shown = [[axis.shown(n) for n in chosen] for axis, chosen in zip(axes, sizes, strict=True)]
    largest = _outer([[max(tiles) for tiles in axis] for axis in shown])
    work = _outer([[sum(tiles) for tiles in axis] for axis in shown])
    fits = largest <= max(room, float(largest.min()))
    cheapest = np.where(fits, work, np.inf)
    best = int(np.argmax(np.where(cheapest == cheapest.min(), largest, 0)))
    place = np.unravel_index(best, work.shape)
    chosen = tuple(options[i] for options, i in zip(sizes, place, strict=True))
    return chosen, int(largest[place])


def _outer(columns: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Multiply every entry of each list with every entry of the others."""
    table = np.ones(())
    for column in columns:
        table = np.multiply.outer(table, np.asarray(column, dtype=np.float64))
    return table


def _up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
