"""The area under a VGC curve is the chance that one method's grade exceeds the other's.

Oracles: scipy's Mann-Whitney; the trapezoid under the curve itself; closed forms; readers and
cases whose truth is known.
"""

import math

import numpy as np
import pytest
from scipy import stats

from medacuity.errors import UsageError
from medacuity.metrics.opinion.grading import vgc


@pytest.fixture
def grades(rng):
    """Return grades of two methods, 20 cases by 6 readers."""
    return rng.integers(2, 6, (20, 6)).astype(float), rng.integers(1, 5, (20, 6)).astype(float)


def test_each_readers_area_is_mann_whitneys(rng, grades):
    test, reference = grades
    found = vgc(test, reference, rng=rng)
    expected = [stats.mannwhitneyu(test[:, r], reference[:, r]).statistic / 400 for r in range(6)]
    np.testing.assert_allclose(found.by_reader, expected)
    assert found.area.value == pytest.approx(np.mean(expected))


def test_the_area_of_one_reader_lies_under_the_curve(rng, grades):
    found = vgc(grades[0][:, :1], grades[1][:, :1], rng=rng)
    assert np.trapezoid(found.test, found.reference) == pytest.approx(found.area.value)
    assert found.test[0] == found.reference[0] == 0
    assert found.test[-1] == found.reference[-1] == 1


def test_turned_round_the_area_is_the_rest_to_one(grades):
    one = vgc(*grades, rng=np.random.default_rng(0)).area
    other = vgc(*grades[::-1], rng=np.random.default_rng(0)).area
    assert one.value + other.value == pytest.approx(1)
    assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low))


def test_alike_is_half_and_always_better_is_one(rng, grades):
    assert vgc(grades[0], grades[0], rng=rng).area.value == 0.5
    always = vgc(grades[0] + 10, grades[0], rng=rng).area
    assert (always.value, always.low, always.high) == (1, 1, 1)


def test_only_the_order_of_grades_counts(grades):
    plain = vgc(*grades, rng=np.random.default_rng(0))
    bent = vgc(*(np.exp(table) for table in grades), rng=np.random.default_rng(0))
    assert plain.area == bent.area


def test_normal_grades_have_the_textbooks_area(rng):
    """For unit normals d apart the area is Phi(d / sqrt 2)."""
    found = vgc(rng.normal(1, 1, (300, 8)), rng.normal(0, 1, (300, 8)), rng=rng, resamples=2)
    assert found.area.value == pytest.approx(0.5 * math.erfc(-1 / 2), abs=0.03)


def test_gaps_and_readers_of_one_method_are_left_out(rng, grades):
    test, reference = grades[0].copy(), grades[1].copy()
    test[:, 5] = np.nan
    test[:3, 0] = np.nan
    found = vgc(test, reference, rng=rng)
    assert found.by_reader.shape == (5,)
    expected = stats.mannwhitneyu(test[3:, 0], reference[:, 0]).statistic / (17 * 20)
    assert found.by_reader[0] == pytest.approx(expected)


def test_about_95_of_100_intervals_hold_the_truth(rng):
    """Other readers with other taste, other cases: the truth is that of endless ones."""

    def study():
        taste = rng.normal(0, 0.3, (2, 1, 10))
        cases = rng.normal(0, 0.5, (2, 40, 1))
        meant = taste + cases + rng.normal(0, 0.8, (2, 40, 10))
        return np.round(2 * meant[0] + 1), np.round(2 * meant[1])

    truth = np.mean([vgc(*study(), rng=rng, resamples=2).area.value for _ in range(200)])
    held = [vgc(*study(), rng=rng, resamples=200).area.has(truth) for _ in range(60)]
    assert np.mean(held) > 0.85


def test_the_same_seed_gives_the_same(grades):
    first, second = (vgc(*grades, rng=np.random.default_rng(7)).area for _ in range(2))
    assert first == second


def test_many_values_are_done_in_batches(rng, monkeypatch):
    slider = rng.uniform(0, 100, (12, 4)), rng.uniform(0, 100, (12, 4))
    whole = vgc(*slider, rng=np.random.default_rng(1)).area
    monkeypatch.setattr("medacuity.metrics.opinion.grading.BATCH", 2**20)
    assert vgc(*slider, rng=np.random.default_rng(1)).area.value == whole.value


@pytest.mark.parametrize("bad", [(np.ones((2, 3)), np.ones((3, 2))), (np.ones(3), np.ones(3))])
def test_tables_of_two_shapes_are_refused(rng, bad):
    with pytest.raises(UsageError, match="same shape"):
        vgc(*bad, rng=rng)


def test_nobody_who_graded_both_is_refused(rng):
    test = np.array([[1.0, np.nan], [2.0, np.nan]])
    with pytest.raises(UsageError, match="graded both"):
        vgc(test, test[:, ::-1], rng=rng)
