"""Which weights for this scan, and why: decided from its grid and its noise."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from medacuity.checkpoint import Card, find_weights, in_short, read_card, shipped
from medacuity.errors import UsageError
from medacuity.hounsfield import in_hounsfield
from medacuity.intensity import Percentile
from medacuity.trust.noise import noise_in_hu, noise_level
from medacuity.volume import Volume, world_order

ALIKE = 1.5  # spacings, or factors, further apart than this are different things
NOISY = 0.015  # noise over brightness from which it is taken out rather than kept
THIN = 3.0  # mm: slices of CT are made thinner down to this, and count as thin up to 1.5 times it
WATER = 1000.0  # HU from air to water: the brightness that the noise of CT is measured by


@dataclass(frozen=True)
class Stage:
    """One network over some axes of the volume.

    Args:
        weights: Name or path.
        axes: Array axes it enlarges, in the order of the network's own axes.
        scale: Voxels out per voxel in along those axes: of those that the weights serve.
        why: For the reader.
    """

    weights: str
    axes: tuple[int, ...]
    scale: tuple[int, ...]
    why: str


@dataclass(frozen=True)
class Plan:
    """What will be done to a volume.

    Args:
        size: Voxels of the result, per axis.
        stages: Networks, in order; what they leave of the way is resampled, grid-true.
        noise: Estimated noise over brightness; of CT over 1000 HU.
        ct: Whether it is CT in HU.
    """

    size: tuple[int, int, int]
    stages: tuple[Stage, ...]
    noise: float
    ct: bool = False


def plan(
    volume: Volume, *, scale: Sequence[float] | None = None, spacing: Sequence[float] | None = None,
    weights: str | None = None,
) -> Plan:  # fmt: skip
    """Decide the size of the result and the networks that lead there.

    Axes that are alike (spacing and factor within 1.5 of each other) are enlarged together:
    three by a volume network, two by a slice network, one by a network between slices;
    thickest first. A scan noisier than 1.5 % of its brightness gets the networks for noise.
    Weights that serve several factors run at the one nearest to the wish.

    CT in HU has networks of its own, for slices and between slices; it is never given those of
    MRI. Where all three axes are enlarged, the thickest one comes first, by itself.

    Args:
        volume: The scan.
        scale: Result voxels per voxel, one for all axes or one per axis; with one for all,
            an axis with a single voxel is left alone.
        spacing: Wanted mm between voxels, instead of ``scale``: one number, which leaves finer
            axes as they are, or one per axis.
        weights: A name or file, to overrule the choice of networks.
    """
    ct = in_hounsfield(volume)
    size = _size(volume, scale, spacing, weights, thinnest=THIN if ct else 0.0)
    factors = [new / old for new, old in zip(size, volume.shape, strict=True)]
    noise = _noise(volume, ct=ct)
    if weights is not None:
        return Plan(size, (_asked_for(volume, factors, weights),), noise, ct)
    stages: list[Stage] = []
    for group in _groups(volume, factors, across=_thickest(volume) if ct else None):
        end = "-noisy" if noise > NOISY and not ct and not stages else ""
        stages.append(_stage(volume, factors, group, "ct" if ct else "mri", end))
    return Plan(size, tuple(stages), noise, ct)


def _size(
    volume: Volume, scale: Sequence[float] | None, spacing: Sequence[float] | None,
    weights: str | None, *, thinnest: float,
) -> tuple[int, int, int]:  # fmt: skip
    if scale is not None and spacing is not None:
        raise UsageError("give a scale or a spacing, not both")
    if spacing is not None:
        wanted = [s / w for s, w in zip(volume.spacing, _three("spacing", spacing), strict=True)]
        if len(spacing) == 1:  # "at least this fine": an axis that is finer already stays so
            wanted = [max(1.0, factor) for factor in wanted]
    elif scale is not None:
        wanted = _three("scale", scale)
    else:
        wanted = _usual(volume, weights, thinnest)
    if len(scale or spacing or [1]) == 1:
        wanted = [1.0 if n == 1 else f for n, f in zip(volume.shape, wanted, strict=True)]
    i, j, k = (max(1, math.floor(n * f + 0.5)) for n, f in zip(volume.shape, wanted, strict=True))
    return (i, j, k)


def _three(what: str, values: Sequence[float]) -> list[float]:
    values = list(values) * 3 if len(values) == 1 else list(values)
    if len(values) != 3 or not all(math.isfinite(v) and 0 < v <= 64 for v in values):
        raise UsageError(f"{what} needs 1 or 3 numbers above 0 and up to 64, got {values}")
    return values


def _usual(volume: Volume, weights: str | None, thinnest: float) -> list[float]:
    """Twice the voxels per axis; thick slices are first brought to the spacing in the plane.

    Weights that are asked for by name enlarge twice where they can, and else as little as
    they can. No slice is thick that is not thicker than ``thinnest`` mm by half.
    """
    card = None if weights is None else card_of(weights)
    thick = _thickest(volume)
    ratio = volume.spacing[thick] / max(thinnest, min(volume.spacing))
    if card is not None:
        scale = next((s for s in card.served if max(s) == 2), card.served[0])
        wanted = dict(zip(_network_axes(volume, card, [1.0] * 3), scale, strict=True))
        return [float(wanted.get(axis, 1)) for axis in range(3)]
    if ratio > ALIKE and volume.shape[thick] > 1:
        return [float(min(4, max(2, round(ratio)))) if a == thick else 1.0 for a in range(3)]
    return [1.0 if n == 1 else 2.0 for n in volume.shape]


def _groups(
    volume: Volume, factors: Sequence[float], *, across: int | None
) -> list[tuple[int, ...]]:  # fmt: skip
    """Return the axes to enlarge, alike ones together, thickest first.

    Of three the one ``across`` slices, if it is named, comes first, and alone.
    """
    left = [axis for axis in range(3) if factors[axis] > 1]
    left.sort(key=lambda axis: (axis != across, -volume.spacing[axis], axis))
    alone = across if len(left) == 3 else None
    groups: list[list[int]] = []
    for axis in left:
        for group in groups:
            alike = all(_alike(volume, factors, axis, other) for other in group)
            if alike and alone not in group:
                group.append(axis)
                break
        else:
            groups.append([axis])
    return [tuple(sorted(group)) for group in groups]


def _alike(volume: Volume, factors: Sequence[float], a: int, b: int) -> bool:
    return all(max(x[a], x[b]) <= ALIKE * min(x[a], x[b]) for x in (volume.spacing, factors))


def _stage(
    volume: Volume, factors: Sequence[float], axes: tuple[int, ...], kind: str, end: str
) -> Stage:
    factor = float(np.exp(np.mean(np.log([factors[a] for a in axes]))))
    if len(axes) == 3:
        name, what = f"{kind}-3d-x2", "all three axes are alike"
    elif len(axes) == 2:
        name, what = f"{kind}-2d-x2", f"axes {axes[0]} and {axes[1]} are alike, slice by slice"
    else:
        nearest = min((2, 3, 4), key=lambda n: abs(math.log(n / factor)))
        name, what = f"{kind}-slices-x{nearest}", f"axis {axes[0]} alone, {factor:g} times"
        axes = tuple(a for a in range(3) if a != axes[0]) + axes
    name += end
    return Stage(name, axes, tuple(card_of(name).arguments["scale"]), what)


def _asked_for(volume: Volume, factors: Sequence[float], weights: str) -> Stage:
    card = card_of(weights)
    axes = _network_axes(volume, card, factors)
    # An axis of a single voxel that is left alone says nothing of the factor that is wanted.
    wished = {n: factors[a] for n, a in enumerate(axes) if not (volume.shape[a] == 1 == factors[a])}
    scale = min(card.served, key=partial(_distance, wished))
    return Stage(weights, axes, scale, "asked for" + _rest(wished, scale))


def _distance(wished: Mapping[int, float], scale: Sequence[int]) -> float:
    """Return how far the factors are from those wished for, where 2 is as far from 1 as 1/2."""
    return sum(math.log(scale[n] / factor) ** 2 for n, factor in wished.items())


def _rest(wished: Mapping[int, float], scale: Sequence[int]) -> str:
    """Say what the network leaves to resampling."""
    if all(abs(scale[n] - factor) < 1e-9 for n, factor in wished.items()):
        return ""
    return f", enlarges {in_short(scale)}, and the result is resampled to what is wanted"


def _network_axes(volume: Volume, card: Card, factors: Sequence[float]) -> tuple[int, ...]:
    """Return which array axes a network's axes are: its slice axis is the thickest."""
    scale = card.arguments["scale"]
    slices = max(range(3), key=lambda a: (factors[a] if 1 in scale else -factors[a],
                                          volume.spacing[a], a))  # fmt: skip
    if card.arguments["dims"] == 2:
        flat = [a for a in range(3) if volume.shape[a] == 1]
        if set(scale) == {1} and card.input.unit == "HU":
            flat = flat or [world_order(volume.affine)[2]]  # CT's noise is made slice by slice
        across = flat[-1] if flat else min(
            range(3), key=lambda a: (factors[a], -volume.spacing[a], -a)
        )  # fmt: skip
        return tuple(a for a in range(3) if a != across)
    return (*(a for a in range(3) if a != slices), slices) if 1 in scale else (0, 1, 2)


def card_of(weights: str) -> Card:
    """Return the card of shipped weights or of a file, without its weights.

    Raises:
        UsageError: They do not enhance; it says what they are for.
    """
    card = read_card(find_weights(weights))
    card.expect("enhance", weights)
    return card


def _thickest(volume: Volume) -> int:
    return max(range(3), key=lambda a: (volume.spacing[a], a))


def _noise(volume: Volume, *, ct: bool) -> float:
    across = max(range(3), key=lambda a: (volume.shape[a] == 1, volume.spacing[a], a))
    stack = np.moveaxis(volume.array, across, 0)
    if ct:
        return noise_in_hu(stack) / WATER
    intensity = Percentile().of(volume.array)
    return noise_level(stack, brightness=intensity.high - intensity.low)


def available() -> Mapping[str, Card]:
    """Return the cards of the shipped weights, by name."""
    return {name: read_card(path) for name, path in shipped().items()}
