"""One rule turns scanner numbers into the unit range and back, from the input alone.

- There and back is the identity; nothing is clipped; integers and floats of any kind go in.
- 0 stays 0 and the percentile becomes 1; a scale that goes well below 0 starts there instead.
- The map follows the brightness: a scan times ten gives the same unit-range image.
- Pictures are seen as the papers see them: luma from 16 to 235 of 255, whatever the bits.
- What cannot be a map is refused.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medacuity.intensity import Fixed, Intensity, Percentile, Picture


@given(
    low=st.floats(-5000, 5000), span=st.floats(0.01, 1e5), seed=st.integers(0, 2**31),
    kind=st.sampled_from(["int16", "uint16", "float32", "float64"]),
)  # fmt: skip
def test_there_and_back(low, span, seed, kind):
    rng = np.random.default_rng(seed)
    array = (low + span * rng.uniform(-2, 3, 20)).clip(-30000, 30000)
    array = (array.clip(0) if kind == "uint16" else array).astype(kind)
    mapped = Intensity(low, low + span)
    unit = mapped.to_unit(array)
    assert unit.dtype == np.float32
    atol = 1e-6 * (span + abs(low) + float(np.abs(array).max()))
    np.testing.assert_allclose(mapped.from_unit(unit), array.astype(np.float64), atol=atol)


def test_nothing_is_clipped():
    mapped = Intensity(100.0, 300.0)
    np.testing.assert_allclose(mapped.to_unit(np.array([-300, 100, 300, 900])), [-2, 0, 1, 4])
    np.testing.assert_allclose(mapped.from_unit(np.array([-2.0, 4.0])), [-300, 900])


def test_the_brightest_tissue_becomes_one():
    array = np.random.default_rng(0).gamma(2, 200, (40, 50, 60)).astype(np.float32)
    unit = Percentile(99.9).of(array).to_unit(array)
    assert float(unit.min()) >= 0
    assert float(np.percentile(unit, 99.9)) == pytest.approx(1, rel=1e-5)
    assert unit.max() > 1


@pytest.mark.parametrize("gain", [1e-4, 0.1, 10, 1e6])
def test_the_map_follows_the_brightness(gain):
    array = np.random.default_rng(1).gamma(2, 200, (20, 30, 10))
    unit = Percentile().of(array).to_unit(array)
    again = Percentile().of(array * gain).to_unit(array * gain)
    np.testing.assert_allclose(again, unit, rtol=1e-5, atol=1e-6)


def test_faint_ringing_below_zero_is_not_a_signed_scale():
    array = np.random.default_rng(2).gamma(2, 200, 100_000)
    array[:2000] = -80
    assert Percentile().of(array).low == 0


def test_hounsfield_units_start_in_air():
    rng = np.random.default_rng(3)
    array = np.concatenate([np.full(5000, -1000.0), rng.normal(40, 60, 20000), [2500] * 50])
    mapped = Percentile().of(array)
    assert mapped.low == pytest.approx(-1000)
    assert mapped.high > 200


@pytest.mark.parametrize("value", [0, 7, -7])
def test_an_image_of_one_number_is_mapped_all_the_same(value):
    array = np.full((4, 4, 4), value, np.int16)
    mapped = Percentile().of(array)
    assert np.isfinite(mapped.to_unit(array)).all()
    np.testing.assert_allclose(mapped.from_unit(mapped.to_unit(array)), value, atol=1e-5)


def test_a_fixed_map_ignores_the_image():
    for array in (np.zeros(3), np.array([1e9, -4.0])):
        assert Fixed(-160, 240).of(array) == Intensity(-160, 240)


def test_pictures_are_seen_as_in_the_papers():
    rgb = np.random.default_rng(4).integers(0, 256, (9, 3))
    matlab = (16 + rgb @ np.array([65.481, 128.553, 24.966]) / 255) / 255  # rgb2ycbcr
    luma = (rgb @ np.array([0.299, 0.587, 0.114])).astype(np.float32)
    np.testing.assert_allclose(Picture().of(luma).to_unit(luma), matlab, atol=1e-6)


@pytest.mark.parametrize(
    "array",
    [
        np.array([0, 3], np.uint8),  # dim, but its kind says what white is
        np.array([20, 200], np.uint16),
        np.array([0.0, 255.0]),
        np.array([-21.5, 274.0], np.float32),  # interpolated
        np.array([10.2, 64.1], np.float32),
    ],
)
def test_eight_bits_are_known_by_their_numbers(array):
    ends = Picture().of(array).to_unit(np.array([0.0, 255.0]))
    np.testing.assert_allclose(ends, [16 / 255, 235 / 255], rtol=1e-6)


@pytest.mark.parametrize(
    "array",
    [
        np.array([0, 0, 65535], np.uint16),
        np.array([0.0, 0.5, 1.0]),
        np.array([0.0, 1200.0], np.float32),
        np.array([-1000.0, 300.0]),
        np.array([-1000.0, 30.0], np.float32),
    ],
)
def test_other_pictures_and_scans_reach_from_black_to_white_too(array):
    ends = Percentile().of(array)
    seen = Picture().of(array).to_unit(np.array([ends.low, ends.high]))
    np.testing.assert_allclose(seen, [16 / 255, 235 / 255], rtol=1e-5)


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_picture_of_one_grey_is_mapped_all_the_same(value):
    for dtype in (np.uint8, np.uint16, np.float32):
        array = np.full((4, 4, 1), value, dtype)
        mapped = Picture().of(array)
        np.testing.assert_allclose(mapped.from_unit(mapped.to_unit(array)), value, atol=1e-4)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (0, np.inf), (np.nan, 1), (-np.inf, 0)])
def test_what_is_no_map_is_refused(low, high):
    with pytest.raises(ValueError, match="high must lie above low, got low"):
        Intensity(low, high)


def test_the_input_is_not_changed():
    array = np.arange(8.0).reshape(2, 2, 2)
    before = array.copy()
    mapped = Percentile().of(array)
    mapped.to_unit(array)
    mapped.from_unit(array)
    np.testing.assert_array_equal(array, before)
