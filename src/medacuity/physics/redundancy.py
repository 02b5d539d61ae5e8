"""What each view counts for: uneven angles, gaps, and rays that were measured twice."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medacuity.physics.geometry import Geometry

Floats = NDArray[np.float64]

HOLE = 3.0
"""A gap between views is a hole in the scan if it is this many times larger than the next."""

FADE = math.radians(15)
"""Over how much of an arc's end its views give way to those of another arc."""


class Turn(NamedTuple):
    """The views of a scan around the circle.

    Args:
        weights: Radians that each view stands for.
        arcs: ``(n, 2)``: first and last angle of every stretch without a hole; none where the
            circle is closed.
    """

    weights: Floats
    arcs: Floats


def turn(geometry: Geometry) -> Turn:
    """Return what angle each view stands for: half the way to each of its neighbours.

    A parallel beam sees the same from behind, so that its circle is half a turn. Views beside a
    hole stand for an ordinary step on that side: what was not measured is not made up.
    """
    period = math.pi if geometry.parallel else 2 * math.pi
    # Angles are rounded so that 0 and a full turn are one view, measured twice.
    unit = period / 2**36
    places, which, times = np.unique(
        np.round(geometry.beta / unit).astype(np.int64) % 2**36,
        return_inverse=True, return_counts=True,
    )  # fmt: skip
    angles = places * unit
    gaps = np.diff(angles, append=angles[0] + period)
    hole = _holes(gaps)
    half = np.where(hole, np.median(gaps[~hole]), gaps) / 2
    weights = (half + np.roll(half, 1))[which] / times[which]
    if not hole.any():
        return Turn(weights, np.zeros((0, 2)))
    ends = np.flatnonzero(hole)
    first = angles[(ends + 1) % len(angles)]
    last = np.roll(angles[ends], -1)
    return Turn(weights, np.stack([first, np.where(last < first, last + period, last)], 1))


def _holes(gaps: Floats) -> NDArray[np.bool_]:
    """Tell the gaps that stand out: fewer than half of all, with a jump to the next."""
    falling = np.sort(gaps)[::-1]
    few = (len(gaps) - 1) // 2
    jumps = np.flatnonzero(falling[:few] > HOLE * falling[1 : few + 1])
    return gaps >= falling[jumps[-1]] if len(jumps) else np.zeros(len(gaps), bool)


def redundancy(geometry: Geometry) -> Floats:
    """Return what each ray of a fan counts for, ``(views, bins)``: twice measured, half each.

    A full turn: 1/2, or `sides` of a detector that stands aside. One arc of at least half a turn
    and the fan: the weights of Parker
    ("Optimal short scan convolution reconstruction for fanbeam CT", Med. Phys. 1982), with his
    angle of the fan replaced by half of what the arc has beyond half a turn. Anything else,
    with several arcs or too short: ``c / (c + c')`` of a function that is 1 inside the arcs and
    fades at their ends, for the ray and its opposite (Noo et al., "Image reconstruction from
    fan-beam data on less than a short scan", PMB 2002).
    """
    arcs, beta, gamma = turn(geometry).arcs, geometry.beta[:, None], geometry.gamma()
    shape = (geometry.views, geometry.bins)
    if geometry.parallel:
        return np.broadcast_to(2 * sides(geometry), shape)
    if not len(arcs):
        return np.broadcast_to(sides(geometry), shape)
    spare = (arcs[0, 1] - arcs[0, 0] - math.pi) / 2
    if len(arcs) == 1 and spare >= np.abs(gamma).max():
        return parker((beta - arcs[0, 0] + 1e-9) % (2 * math.pi), gamma, spare)
    own, opposite = _inside(beta + 0 * gamma, arcs), _inside(beta + math.pi + 2 * gamma, arcs)
    return own / (own + opposite)


def turned(geometry: Geometry) -> bool:
    """Return whether the views go all the way round, so that every ray has an opposite."""
    angles = np.unique(np.round(geometry.beta % (2 * math.pi), 9))
    gaps = np.diff(angles, append=angles[0] + 2 * math.pi)
    return bool(gaps.max() < math.pi / 2 and not _holes(gaps).any())


def reach(geometry: Geometry) -> float:
    """Return how far from the axis of rotation all is seen, in mm: by every view, or the opposite.

    A detector that stands aside sees nearly twice as far in a full turn.
    """
    s = geometry.lines().s[0]
    if turned(geometry) and s.min() < 0 < s.max():
        return float(max(-s.min(), s.max()))
    return geometry.radius


def sides(geometry: Geometry) -> Floats:
    """Return what each bin counts for in a full turn, beside the ray from the opposite side.

    1/2 where both were measured; a detector that stands aside sees its far side once, and it
    counts whole. Between them weights rise smoothly, and a ray's and its opposite's always add up
    to 1 (Wang, "X-ray micro-CT with a displaced detector array", Med. Phys. 2002).
    """
    s = geometry.lines().s[0]
    long, short = max(-s.min(), s.max()), min(-s.min(), s.max())
    step = 2 * geometry.pitch / geometry.magnification
    if short <= 0 or long - short < step or not turned(geometry):
        return np.full(len(s), 0.5)
    aside = s if s.max() > -s.min() else -s
    width = min(max(long - short, 4 * step), short)
    rising = np.clip((np.abs(aside) - (short - width)) / width, 0, 1)
    return np.asarray(0.5 + np.sign(aside) * np.sin(math.pi / 2 * rising) ** 2 / 2)


def parker(beta: Floats, gamma: Floats, spare: float) -> Floats:
    """Return Parker's weights for angles from the start of an arc of ``pi + 2 spare``.

    Example:
        >>> beta, gamma = np.array([0.1]), np.array([0.05])
        >>> opposite = parker(beta + math.pi + 2 * gamma, -gamma, 0.3)
        >>> float((parker(beta, gamma, 0.3) + opposite).round(12)[0])
        1.0
    """
    tiny = 1e-12
    rising = np.clip(beta / np.maximum(spare - gamma, tiny) / 2, 0, 1)
    falling = np.clip((math.pi + 2 * spare - beta) / np.maximum(spare + gamma, tiny) / 2, 0, 1)
    return np.asarray(np.sin(math.pi / 2 * rising) ** 2 * np.sin(math.pi / 2 * falling) ** 2)


def _inside(beta: Floats, arcs: Floats) -> Floats:
    """Return 1 inside the arcs, fading at their ends to almost nothing, and 0 outside."""
    found = np.zeros(beta.shape)
    for first, last in arcs:
        width = min(FADE, (last - first) / 2)
        along = (beta - first + 1e-9) % (2 * math.pi)
        depth = np.clip(np.minimum(along, last - first - along + 2e-9) / width, 0, 1)
        inside = along <= last - first + 2e-9
        found += np.where(inside, np.maximum(np.sin(math.pi / 2 * depth) ** 2, 1e-3), 0)
    return found
