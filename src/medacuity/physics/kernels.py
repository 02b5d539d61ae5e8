"""The inner loops of the CT operators, compiled by numba; slices are the innermost axis.

Images are ``(rows, columns + 3, slices)`` with one column of zeros before and two behind, so
that no ray needs to ask where the image ends. Each call does a range of its outermost loop, by
one thread and without the lock, and no two ranges write to the same place.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])
Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

ROWS = 16
"""Rows that are done for a few views before the next rows: they stay in the cache."""


def _compiled(function: F) -> F:
    """Compile without Python's lock, kept on disk where there is a place for it."""
    try:
        return njit(function, nogil=True, fastmath=True, cache=True)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder that could be written
        return njit(function, nogil=True, fastmath=True)  # type: ignore[no-any-return]


@_compiled
def _inside(start: Floats, step: Floats, row: int, first: int, last: int, width: int) -> Any:
    """Bisect for the bins of ``[first, last)`` whose rays meet the padded row at all."""
    rising = start[last - 1] + row * step[last - 1] >= start[first] + row * step[first]
    low, high = first, last
    while low < high:
        middle = (low + high) // 2
        t = start[middle] + row * step[middle]
        if (rising and t <= 0) or (not rising and t >= width):
            low = middle + 1
        else:
            high = middle
    begin, high = low, last
    while low < high:
        middle = (low + high) // 2
        t = start[middle] + row * step[middle]
        if (rising and t < width) or (not rising and t > 0):
            low = middle + 1
        else:
            high = middle
    return begin, low


@_compiled
def project(
    low: int, high: int, out: Floats, x: Floats, runs: Ints, start: Floats, step: Floats
) -> None:  # fmt: skip
    """Add to ``out`` the sums of the image along the rays of runs ``low`` to ``high``."""
    rows, width, slices = x.shape[0], x.shape[1] - 2, x.shape[2]
    real = x.dtype.type
    for top in range(0, rows, ROWS):
        for run in range(low, high):
            view, first, last = runs[run]
            a, b, sums = start[view], step[view], out[view]
            for row in range(top, min(rows, top + ROWS)):
                begin, end = _inside(a, b, row, first, last, width)
                line = x[row]
                for s in range(begin, end):
                    t = a[s] + row * b[s]
                    k = min(max(np.int64(t), 0), width)
                    w = real(t - k)
                    v = real(1) - w
                    left, right, total = line[np.uint64(k)], line[np.uint64(k + 1)], sums[s]
                    for c in range(slices):
                        total[np.uint64(c)] += v * left[np.uint64(c)] + w * right[np.uint64(c)]


@_compiled
def spread(
    low: int, high: int, x: Floats, y: Floats, runs: Ints, start: Floats, step: Floats
) -> None:  # fmt: skip
    """Add to rows ``low`` to ``high`` of the image what the rays carry: `project`, transposed."""
    width, slices = x.shape[1] - 2, x.shape[2]
    real = x.dtype.type
    for run in range(len(runs)):
        view, first, last = runs[run]
        a, b, sums = start[view], step[view], y[view]
        for row in range(low, high):
            begin, end = _inside(a, b, row, first, last, width)
            line = x[row]
            for s in range(begin, end):
                t = a[s] + row * b[s]
                k = min(max(np.int64(t), 0), width)
                w = real(t - k)
                v = real(1) - w
                left, right, total = line[np.uint64(k)], line[np.uint64(k + 1)], sums[s]
                for c in range(slices):
                    left[np.uint64(c)] += v * total[np.uint64(c)]
                    right[np.uint64(c)] += w * total[np.uint64(c)]


@_compiled
def _meet(
    t: Floats, g: Floats, along: Floats, away: Floats, row: int, beam: int
) -> None:  # fmt: skip
    """Fill in where on the detector the pixels of a row fall, and the weights of what is there."""
    n, m = along[0] + row * along[1], away[0] + row * away[1]
    for j in range(len(t)):
        across, depth = n + j * along[2], m + j * away[2]
        if beam == 0:
            t[j], g[j] = across, 1.0
        elif beam == 1:
            t[j], g[j] = across / depth, 1 / (depth * depth)
        else:
            t[j], g[j] = np.arctan2(across, depth), 1 / (across * across + depth * depth)


@_compiled
def gather(
    low: int, high: int, x: Floats, y: Floats, across: Floats, depth: Floats,
    bins: tuple[float, float], beam: int,
) -> None:  # fmt: skip
    """Add to pixels of rows ``low`` to ``high`` what each view has at the bin they fall on.

    ``bins`` is the padded bin in the middle, and how many there are per unit of `_meet`.
    """
    middle, scale = bins
    columns, last, slices = x.shape[1], y.shape[1] - 2, x.shape[2]
    real = x.dtype.type
    t, g = np.empty(columns), np.empty(columns)
    for view in range(len(y)):
        line = y[view]
        for row in range(low, high):
            _meet(t, g, across[view], depth[view], row, beam)
            pixels = x[row]
            for j in range(columns):
                place = min(max(middle + scale * t[j], 0.0), last)
                k = np.int64(place)
                w = real(g[j] * (place - k))
                v = real(g[j]) - w
                left, right, total = line[np.uint64(k)], line[np.uint64(k + 1)], pixels[j]
                for c in range(slices):
                    total[np.uint64(c)] += v * left[np.uint64(c)] + w * right[np.uint64(c)]
