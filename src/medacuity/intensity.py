"""Scanner numbers <-> the unit range networks work in; one rule at training and at use."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

WELL_BELOW = 0.3  # share of the brightness that ringing and resampling never undershoot by
ENOUGH = 1 << 24  # voxels that a percentile is read from; more are thinned evenly
BLACK, WHITE = 16, 235  # of 255: where the luma of the super-resolution papers begins and ends
EIGHT_BITS = 255.0
OVERSHOOT = 65  # of 255: what interpolation adds beyond black and white, at most
DIM = 64  # of 255: floats and wide integers that stay below are not taken for 8 bits


@dataclass(frozen=True)
class Intensity:
    """A linear map: ``low`` -> 0, ``high`` -> 1. It never clips.

    Example:
        >>> Intensity(-1000.0, 1000.0).to_unit(np.array([0.0], np.float32))
        array([0.5], dtype=float32)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low, self.high]).all() and self.high > self.low):
            raise ValueError(f"high must lie above low, got low {self.low:g}, high {self.high:g}")

    def to_unit(self, array: NDArray[Any]) -> NDArray[np.float32]:
        """Return ``array`` as float32 with ``low`` at 0 and ``high`` at 1."""
        return ((array - np.float64(self.low)) / (self.high - self.low)).astype(np.float32)

    def from_unit(self, array: NDArray[Any]) -> NDArray[np.float32]:
        """Return the scanner numbers behind ``array``."""
        span = np.float32(self.high - self.low)
        return (array * span + np.float32(self.low)).astype(np.float32, copy=False)


@dataclass(frozen=True)
class Percentile:
    """From nothing to the brightest tissue: 0 -> 0, a percentile of the input -> 1.

    A scale that goes well below 0, such as Hounsfield units, starts at the opposite percentile
    instead; the faint negative ringing of a magnitude image does not count as that.

    Read from the *input* alone, at training and at use alike: a range taken from the target
    looks fine in every test and is not there in the clinic.

    Args:
        percent: Which percentile of all voxels becomes 1; 99.9 is just under the few
            brightest vessels and the fat.
    """

    percent: float = 99.9

    def __post_init__(self) -> None:
        if not 50 < self.percent <= 100:
            raise ValueError(f"percent must lie above 50 and up to 100, got {self.percent:g}")

    def of(self, array: NDArray[Any]) -> Intensity:
        """Return the map for ``array``; an image of nothing but 0 is left as it is."""
        thin = max(1, array.size // ENOUGH)
        some = array.reshape(-1)[::thin]
        low, high = (float(p) for p in np.percentile(some, [100 - self.percent, self.percent]))
        if low > -WELL_BELOW * max(high, 0.0):
            low = 0.0
        return Intensity(low, high if high > low else low + 1.0)


@dataclass(frozen=True)
class Fixed:
    """The same map for every image: Hounsfield units in a stated window, 8-bit pictures."""

    low: float
    high: float

    def __post_init__(self) -> None:
        Intensity(self.low, self.high)  # refuses what is no map

    def of(self, array: NDArray[Any]) -> Intensity:
        """Return the map, whatever ``array`` holds."""
        return Intensity(self.low, self.high)


@dataclass(frozen=True)
class Picture:
    """As the super-resolution papers see pictures: black is 16/255 of the range, white 235/255.

    The papers' networks work on the luma of MATLAB's ``rgb2ycbcr`` over 255, which is
    ``(16 + 219 L) / 255`` for a luma L from 0 to 1. Pictures here travel in full range
    (0 to 255), so this map gives a network exactly the numbers that its paper does.

    White is 255 where the input is an 8-bit picture: ``uint8``, or other numbers that reach
    above 64 and stay within -65 to 320, since the luma of colour is not rounded and
    interpolation overshoots. In all else, such as 16-bit pictures and scans, black and white
    are those that `Percentile` finds.

    Example:
        >>> Picture().of(np.zeros(1, np.uint8)).to_unit(np.array([0, 255])) * 255
        array([ 16., 235.], dtype=float32)
    """

    def of(self, array: NDArray[Any]) -> Intensity:
        """Return the map for ``array``."""
        ends = Intensity(0.0, EIGHT_BITS) if _eight_bits(array) else Percentile().of(array)
        level = (ends.high - ends.low) / (WHITE - BLACK)
        return Intensity(ends.low - BLACK * level, ends.high + (EIGHT_BITS - WHITE) * level)


def _eight_bits(array: NDArray[Any]) -> bool:
    """Tell whether the numbers are those of an 8-bit picture."""
    if array.dtype == np.uint8:
        return True
    low, high = float(array.min()), float(array.max())
    return low >= -OVERSHOOT and DIM < high <= EIGHT_BITS + OVERSHOOT


Rule = Percentile | Fixed | Picture
"""How the map is decided from the input."""
