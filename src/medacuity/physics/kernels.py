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
def _look_up(sums: Floats, line: Floats, places: Floats, weights: Floats) -> None:
    """Add to each of the sums what the line has at its place, between two neighbours."""
    real, last = line.dtype.type, len(line) - 2
    if line.shape[1] == 1:  # one slice: places side by side, rather than slices
        for n in range(len(places)):
            k = min(max(np.int32(places[n]), np.int32(0)), np.int32(last))
            w = real(places[n] - k)
            sums[n, 0] += real(weights[n]) * (line[k, 0] + w * (line[k + 1, 0] - line[k, 0]))
        return
    for n in range(len(places)):
        at = min(max(np.int64(places[n]), np.int64(0)), np.int64(last))
        w = real(weights[n] * (places[n] - at))
        v = real(weights[n]) - w
        left, right, total = line[np.uint64(at)], line[np.uint64(at + 1)], sums[n]
        for c in range(line.shape[1]):
            total[np.uint64(c)] += v * left[np.uint64(c)] + w * right[np.uint64(c)]


@_compiled
def project(
    low: int, high: int, out: Floats, x: Floats, runs: Ints, start: Floats, step: Floats
) -> None:
    """Add to ``out`` the sums of the image along the rays of runs ``low`` to ``high``."""
    rows, width = x.shape[0], x.shape[1] - 2
    ones = np.ones(out.shape[1])
    for top in range(0, rows, ROWS):
        for run in range(low, high):
            view, first, last = runs[run]
            a, b = start[view], step[view]
            for row in range(top, min(rows, top + ROWS)):
                begin, end = _inside(a, b, row, first, last, width)
                places = a[begin:end] + row * b[begin:end]
                _look_up(out[view, begin:end], x[row], places, ones)


@_compiled
def spread(
    low: int, high: int, x: Floats, y: Floats, runs: Ints, start: Floats, step: Floats
) -> None:
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
    if beam == 0:
        for j in range(len(t)):
            t[j], g[j] = n + j * along[2], 1.0
    elif beam == 1:
        for j in range(len(t)):
            over = 1 / (m + j * away[2])
            t[j], g[j] = (n + j * along[2]) * over, over * over
    else:
        for j in range(len(t)):
            across, depth = n + j * along[2], m + j * away[2]
            t[j], g[j] = np.arctan2(across, depth), 1 / (across * across + depth * depth)


@_compiled
def gather(
    low: int, high: int, x: Floats, y: Floats, across: Floats, depth: Floats,
    bins: tuple[float, float], beam: int,
) -> None:  # fmt: skip
    """Add to pixels of rows ``low`` to ``high`` what each view has at the bin they fall on.

    ``bins`` is the padded bin in the middle, and how many there are per unit of `_meet`.
    """
    (middle, scale), last = bins, y.shape[1] - 2
    places, weights = np.empty(x.shape[1]), np.empty(x.shape[1])
    for view in range(len(y)):
        for row in range(low, high):
            _meet(places, weights, across[view], depth[view], row, beam)
            for j in range(len(places)):
                places[j] = min(max(middle + scale * places[j], 0.0), last)
            _look_up(x[row], y[view], places, weights)


@_compiled
def _pull(image: Floats, x: Floats, pull: Floats, dual: Floats, scale: tuple[Any, Any]) -> None:
    """Fill in ``x`` less what its edges pull inward; the last edge along an axis is always 0."""
    real = x.dtype.type
    for i in range(len(x)):
        above, here, across = dual[0, i - 1], dual[0, i], dual[1, i]
        to, line, force = image[i], x[i], pull[i]
        for j in range(len(to)):
            before = across[j - 1] if j > 0 else real(0)
            inward = scale[0] * (above[j] - here[j]) + scale[1] * (before - across[j])
            to[j] = max(line[j] - force[j] * inward, real(0))


@_compiled
def _climb(
    dual: Floats, ahead: Floats, image: Floats, step: Floats, scale: tuple[Any, Any], more: Any
) -> None:
    """Move the dual along the image's edges, hold it at length 1, and go ``more`` ahead of it."""
    rows, columns = image.shape
    real = image.dtype.type
    for i in range(rows):
        below, line = image[min(i + 1, rows - 1)], image[i]
        down, right, old, older, size = ahead[0, i], ahead[1, i], dual[0, i], dual[1, i], step[i]
        for j in range(columns):
            after = line[j + 1] if j + 1 < columns else line[j]
            u = down[j] + size[j] * scale[0] * (below[j] - line[j])
            v = right[j] + size[j] * scale[1] * (after - line[j])
            over = real(1) / max(np.sqrt(u * u + v * v), real(1))
            u, v = u * over, v * over
            down[j], right[j] = u + more * (u - old[j]), v + more * (v - older[j])
            old[j], older[j] = u, v


@_compiled
def shorten(
    low: int, high: int, out: Floats, dual: Floats, x: Floats, rates: tuple[Floats, Floats],
    scale: tuple[float, float], steps: int,
) -> None:  # fmt: skip
    """Shorten the edges of slices ``low`` to ``high``: see `plain.shorten`, of ``pull, step``."""
    real, (pull, step) = x.dtype.type, rates
    units = (real(scale[0]), real(scale[1]))
    ahead = np.empty((2, x.shape[1], x.shape[2]), x.dtype)
    for n in range(low, high):
        ahead[0], ahead[1] = dual[0, n], dual[1, n]
        momentum = 1.0
        for _ in range(steps):
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            _pull(out[n], x[n], pull[n], ahead, units)
            more = real((momentum - 1) / following)
            _climb(dual[:, n], ahead, out[n], step[n], units, more)
            momentum = following
        _pull(out[n], x[n], pull[n], dual[:, n], units)
