"""The box around a head is the same however much air there is around it.

- It holds all that is brighter than air, and the margin that is asked for, within the image.
- More air, a speck of noise or another order of axes does not change what it holds.
- Where there is nothing but air, it is the image.
"""

import numpy as np
import pytest

from medacuity.foreground import foreground


@pytest.mark.parametrize("air", [0, 5, 40])
@pytest.mark.parametrize("margin", [0, 3])
def test_the_box_holds_the_head_whatever_the_air(air, margin):
    image = np.zeros((40, 60, 30))
    image[4:35, 6:59, 2:22] = 1
    image = np.pad(image, air)
    image[0, 0, 0] = 1  # a speck
    box = foreground(image, above=0.06, margin=[margin] * 3)
    ends = ((4, 35), (6, 59), (2, 22))
    for part, (first, last), size in zip(box, ends, image.shape, strict=True):
        low, high = max(0, first + air - margin), min(size, last + air + margin)
        assert part == slice(low, high)
    turned = foreground(image.transpose(2, 0, 1)[::-1], above=0.06, margin=[margin] * 3)
    np.testing.assert_array_equal(
        image.transpose(2, 0, 1)[::-1][turned], image[box].transpose(2, 0, 1)[::-1]
    )


def test_air_alone_is_not_cut():
    assert foreground(np.zeros((3, 4)), above=0.06, margin=(1, 1)) == (slice(0, 3), slice(0, 4))
