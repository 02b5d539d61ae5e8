"""A network sees the patient the same way, however the scan is stored.

- Of a scan stored in any of the 48 orders of axes, a network is shown the same numbers.
- Its axes point where its card says: the array's own are found from the affine, oblique or not.
- What is written through the view lies where what was read through it came from.
- Spacings within 10 % of training are left alone; a picture's, which mean nothing, always.
"""

from itertools import permutations, product

import numpy as np
import pytest

from medacuity.checkpoint import Card
from medacuity.viewpoint import is_picture, viewpoint
from medacuity.volume import Volume, axis_codes

AXES = ("RL", "AP", "SI")
ORDERS = ["".join(codes) for axes in permutations(AXES) for codes in product(*axes)]


def card(dims: int = 2, orientation: str = "", spacing: tuple[float, ...] = ()) -> Card:
    return Card("t1-t2", "UNetGenerator", {"dims": dims}, {"kind": "percentile"},
                orientation=orientation, spacing=list(spacing))  # fmt: skip


def stored(volume: Volume, codes: str) -> Volume:
    """Return a volume that is stored RAS+ in another order, in the same place."""
    way = np.zeros((4, 4))
    way[3, 3] = 1
    array = volume.array.transpose([next(n for n, a in enumerate(AXES) if c in a) for c in codes])
    for new, code in enumerate(codes):
        old = next(n for n, a in enumerate(AXES) if code in a)
        turned = code not in "RAS"
        way[old, new] = -1 if turned else 1
        way[old, 3] = volume.shape[old] - 1 if turned else 0
        array = np.flip(array, new) if turned else array
    return Volume(array, volume.affine @ way)


@pytest.fixture
def scan() -> Volume:
    affine = np.array([[1.0, 0.1, 0, -7], [-0.1, 1.5, 0.2, 3], [0, -0.1, 4.0, 11], [0, 0, 0, 1]])
    return Volume(np.random.default_rng(0).random((5, 4, 3)), affine)


def test_there_are_48_orders():
    assert len(set(ORDERS)) == 48


@pytest.mark.parametrize("codes", ORDERS)
def test_the_order_in_the_file_does_not_matter(scan, codes):
    other = stored(scan, codes)
    assert axis_codes(other.affine) == codes
    for wanted in (card(), card(3), card(2, "IP"), card(3, "SLA")):
        seen, turned = viewpoint(scan, wanted), viewpoint(other, wanted)
        np.testing.assert_array_equal(turned.of(other.array), seen.of(scan.array))
        assert turned.ratios == seen.ratios
        assert turned.spacing == pytest.approx(seen.spacing)
        out = np.empty(other.shape)
        turned.of(out)[:] = turned.of(other.array)
        np.testing.assert_array_equal(out, other.array)


def test_axes_point_where_the_card_says(scan):
    array = scan.array
    axial = viewpoint(scan, card()).of(array)
    np.testing.assert_array_equal(axial, np.moveaxis(array, 2, 0)[:, None])
    volume = viewpoint(scan, card(3)).of(array)
    np.testing.assert_array_equal(volume, array[None, None])
    sagittal = viewpoint(scan, card(2, "IP")).of(array)  # rows down to the feet, then to the back
    np.testing.assert_array_equal(sagittal, array[:, ::-1, ::-1].swapaxes(1, 2)[:, None])
    turned = viewpoint(scan, card(3, "LPS")).of(array)
    np.testing.assert_array_equal(turned, array[::-1, ::-1][None, None])


def test_a_picture_is_an_axial_slice_as_looked_at():
    picture = Volume(np.arange(6.0).reshape(3, 2, 1), np.eye(4))
    assert is_picture(picture)
    seen = viewpoint(picture, card(spacing=(0.5, 0.5)))
    np.testing.assert_array_equal(seen.of(picture.array)[0, 0], picture.array[::-1, ::-1, 0])
    assert seen.size((3, 2)) == (3, 2)


@pytest.mark.parametrize(
    ("mm", "size"), [(1.0, 40), (1.1, 40), (0.91, 40), (1.2, 48), (0.5, 20), (4.0, 160), (0.001, 1)]
)
def test_spacings_near_those_of_training_are_left_alone(mm, size):
    volume = Volume(np.zeros((40, 10, 2)), np.diag([mm, 1, 7, 1]))
    assert viewpoint(volume, card(spacing=(1.0, 1.0))).size((40, 10)) == (size, 10)
    assert viewpoint(volume, card()).size((40, 10)) == (40, 10)
    assert viewpoint(volume, card(3, spacing=(1.0,) * 3)).size((40, 10, 2)) == (size, 10, 14)
