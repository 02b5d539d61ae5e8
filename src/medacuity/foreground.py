"""Where an image shows something: the box around a head, without the air that scans have."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

TISSUE = 0.06  # of the brightness: above it there is something
ENOUGH = 0.005  # of what the fullest line or plane shows: less is a speck of noise
MARGIN = 8  # voxels of air kept, at the spacing of training


def foreground(
    array: NDArray[Any], *, above: float, margin: Sequence[int]
) -> tuple[slice, ...]:  # fmt: skip
    """Return the box, a slice per axis, outside of which all is air.

    A network that normalises what it sees must see as much air in use as in training: more of
    it, and everything else comes out brighter or darker. However much there is, the box is the
    same.

    Args:
        array: An image of any number of axes.
        above: Value above which a voxel shows something.
        margin: Voxels kept around the box, per axis.

    Example:
        >>> image = np.zeros((60, 10))
        >>> image[20:30, 4:] = 1
        >>> foreground(image, above=0.06, margin=(8, 0))
        (slice(12, 38, None), slice(4, 10, None))
    """
    shown = array > above
    box = []
    for axis, (size, kept) in enumerate(zip(array.shape, margin, strict=True)):
        others = tuple(a for a in range(array.ndim) if a != axis)
        count = shown.sum(others)
        used = np.flatnonzero(count > ENOUGH * count.max())
        first, last = (used[0], used[-1]) if len(used) else (0, size - 1)
        box.append(slice(max(0, int(first) - kept), min(size, int(last) + 1 + kept)))
    return tuple(box)
