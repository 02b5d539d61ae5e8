"""How a network looks at a volume: along which axes, in which direction, at which spacing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medacuity.checkpoint import Card
from medacuity.volume import Volume, axis_codes

OFF = 1.1  # ratio of spacings from which a scan is brought to the network's
AXES = ("RL", "AP", "SI")
LOOKED_AT = "LPS"  # where the axes of a picture point, if it is an axial slice as looked at


@dataclass(frozen=True)
class Viewpoint:
    """A volume as a network sees it.

    Args:
        axes: Array axes: those left over, then those of the network.
        turned: Which of these point the other way.
        spacing: The scan's mm along the network's axes.
        ratios: The network's mm over the scan's; 1 where they are near.
    """

    axes: tuple[int, ...]
    turned: tuple[int, ...]
    spacing: tuple[float, ...]
    ratios: tuple[float, ...]

    def size(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the voxels at the network's spacing of a part of the volume, along its axes."""
        return tuple(max(1, round(n / ratio)) for n, ratio in zip(shape, self.ratios, strict=True))

    def of(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return ``(B, 1, *S)`` as the network sees it; no copy."""
        view = np.flip(array.transpose(self.axes), self.turned)
        return view[:, None] if len(self.ratios) == 2 else view[None, None]


def viewpoint(volume: Volume, card: Card) -> Viewpoint:
    """Find the network's axes in the patient, whatever the order of the scan's own.

    Example:
        >>> card = Card("t1-t2", "UNetGenerator", {"dims": 2}, {}, spacing=[1.0, 1.0])
        >>> sagittal = Volume(np.zeros((20, 30, 5)), np.array(
        ...     [[0, 0, 4, 0], [0.5, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]]))
        >>> seen = viewpoint(sagittal, card)
        >>> seen.of(sagittal.array).shape, seen.size((5, 20))
        ((30, 1, 5, 20), (20, 10))
    """
    flat = is_picture(volume)
    codes = LOOKED_AT if flat else axis_codes(volume.affine)
    wanted = [d for d in "RAS" if not _holds(card.directions, d)] + list(card.directions)
    axes = tuple(next(n for n, c in enumerate(codes) if _holds(c, d)) for d in wanted)
    own = axes[-card.dims :]
    spacing = tuple(volume.spacing[axis] for axis in own)
    trained = spacing if flat or not card.spacing else card.spacing
    return Viewpoint(
        axes=axes,
        turned=tuple(n for n, axis in enumerate(axes) if codes[axis] != wanted[n]),
        spacing=spacing,
        ratios=tuple(map(_ratio, spacing, trained)),
    )


def slabs(given: NDArray[Any], card: Card, distance: float) -> NDArray[Any]:
    """Return slices with their neighbours as channels, for a 2D network that takes several.

    Neighbours lie as far apart as in training, or, where slices are further apart, one slice;
    between slices they are interpolated. The outermost stand for those beyond.

    Args:
        given: ``(B, 1, H, W)``; anything else is left as it is.
        card: Of the network.
        distance: mm from slice to slice.
    """
    around = 0 if card.classes else (int(card.arguments.get("channels", 1)) - 1) // 2
    if not around:
        return given
    step = max(1.0, card.spacing[0] / distance if card.spacing else 1.0)
    places = np.arange(len(given))[:, None] + step * np.arange(-around, around + 1)
    places = places.clip(0, len(given) - 1)
    low = np.floor(places).astype(int)
    part = (places - low).astype(np.float32)[..., None, None]
    slices = given[:, 0].astype(np.float32)
    above = slices[np.minimum(low + 1, len(given) - 1)]
    return np.asarray(slices[low] * (1 - part) + above * part)


def is_picture(volume: Volume) -> bool:
    """Tell whether a volume has no place in a patient: one slice, no unit, voxels of 1 mm."""
    return (
        volume.shape[2] == 1 and volume.unit == "a.u." and np.array_equal(volume.affine, np.eye(4))
    )


def _holds(directions: str, direction: str) -> bool:
    """Tell whether a direction, or its opposite, is among others."""
    return any(direction in axis and letter in axis for axis in AXES for letter in directions)


def _ratio(have: float, want: float) -> float:
    """Return the wanted spacing over what there is; 1 where it is near."""
    return 1.0 if max(have, want) <= OFF * min(have, want) else want / have
