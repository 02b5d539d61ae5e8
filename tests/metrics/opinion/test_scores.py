"""A mean opinion score is the mean, its interval covers the truth, and gaps do not count.

Oracles: the values that sureal publishes for NFLX; KonIQ's own standard deviations; scipy's
interval; closed forms; raters whose truth is known.
"""

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from tests.metrics.opinion.published import nflx

from medacuity.errors import UsageError
from medacuity.metrics.opinion.estimate import bootstrap, by_samples, by_t, draws
from medacuity.metrics.opinion.scores import dmos, mos


def test_nflx_as_published(data):
    found = mos(nflx(data), normal=True)
    assert found.mean[0] == pytest.approx(4.884615384615385, abs=1e-12)
    assert found.mean[10] == pytest.approx(2.076923076923077, abs=1e-12)
    assert found.mean.mean() == pytest.approx(3.544790652385589, abs=1e-12)
    assert found.error.mean() == pytest.approx(0.12986637295658307, abs=1e-12)
    assert found.sd.mean() == pytest.approx(0.6621911698651353, abs=1e-12)
    np.testing.assert_allclose(found.high - found.mean, 1.96 * found.error)


def test_koniq_spread_from_the_distribution_of_grades(data):
    path = data / "bulk" / "mos" / "koniq10k_distributions_sets.csv"
    if not path.is_file():
        pytest.skip("the bulk data are not here")
    with path.open(newline="") as file:
        rows = [row for _, row in zip(range(200), csv.DictReader(file), strict=False)]
    for row in rows:
        count = int(row["c_total"])
        grades = [round(float(row[f"c{k}"]) * count) for k in range(1, 6)]
        found = mos(np.repeat(np.arange(1.0, 6.0), grades)[None, :])
        assert found.count[0] == count
        assert found.sd[0] == pytest.approx(float(row["SD"]), abs=1e-9)


def test_the_interval_is_students(rng):
    scores = rng.normal(3, 1, (4, 9))
    found = mos(scores)
    low, high = stats.t.interval(0.95, 8, scores.mean(axis=1), stats.sem(scores, axis=1))
    np.testing.assert_allclose([found.low, found.high], [low, high])
    assert found[2].has(float(found.mean[2]))


def test_half_widths_of_the_textbook():
    """t(0.975) for 5, 15, 20, 24, 26 raters: 2.776, 2.145, 2.093, 2.069, 2.060."""
    for count, t in ((5, 2.776), (15, 2.145), (20, 2.093), (24, 2.069), (26, 2.060)):
        scores = np.arange(count, dtype=float)[None, :]
        found = mos(scores)
        assert (found.high - found.mean) / found.error == pytest.approx(t, abs=5e-4)


def test_missing_scores_do_not_count(rng):
    scores = rng.normal(3, 1, (1, 8))
    gaps = np.insert(scores, [2, 5], np.nan, axis=1)
    full, partly = mos(scores), mos(gaps)
    assert (partly.mean, partly.sd, partly.low) == (full.mean, full.sd, full.low)
    assert partly.count[0] == 8


def test_of_one_or_no_rater_there_is_no_interval():
    found = mos(np.array([[4.0, np.nan], [np.nan, np.nan]]))
    assert found.mean[0] == 4
    assert np.isnan(found.mean[1])
    assert np.isnan(found.low).all()


@pytest.mark.parametrize("count", [4, 10, 25])
def test_95_of_100_intervals_hold_the_truth(rng, count):
    scores = rng.normal(3.2, 0.8, (20_000, count))
    found = mos(scores)
    held = ((found.low <= 3.2) & (found.high >= 3.2)).mean()
    assert held == pytest.approx(0.95, abs=0.006)  # four standard errors


def test_the_normal_interval_is_too_narrow_of_five(rng):
    found = mos(rng.normal(3.2, 0.8, (20_000, 5)), normal=True)
    assert ((found.low <= 3.2) & (found.high >= 3.2)).mean() < 0.89


def test_dmos_is_against_what_the_same_rater_gave_the_reference():
    reference = np.array([[5.0, 4.0, 3.0], [5.0, 4.0, 3.0]])
    scores = np.array([[4.0, 3.0, 2.0], [5.0, 4.0, 3.0]])
    found = dmos(scores, reference, best=5)
    assert found.mean.tolist() == [4, 5]
    assert found.sd.tolist() == [0, 0]  # strict and mild raters agree once compared with themselves


def test_dmos_of_nflx_as_published(data):
    """Sureal's form, against the reference's mean: DMOS[0] = 5, DMOS[10] = 2.1923, mean 3.7731."""
    scores = nflx(data)
    with (data / "travel" / "mos" / "nflx_public_raw_scores.csv").open(newline="") as file:
        content = [row["content_id"] for row in csv.DictReader(file)]
    first = {name: content.index(name) for name in reversed(content)}
    reference = scores[[first[name] for name in content]]
    found = dmos(scores, reference, best=5).mean  # complete: the mean of differences is the same
    assert found[0] == pytest.approx(5.0)
    assert found[10] == pytest.approx(2.1923076923076921, abs=1e-4)
    assert found.mean() == pytest.approx(3.7731256085686473, abs=1e-4)


@settings(deadline=None, max_examples=40)
@given(arrays(np.float64, (3, 5), elements=st.floats(-100, 100)), st.floats(-10, 10))
def test_a_shift_of_all_scores_shifts_the_mean_alone(scores, shift):
    before, after = mos(scores), mos(scores + shift)
    np.testing.assert_allclose(after.mean, before.mean + shift, atol=1e-9)
    np.testing.assert_allclose(after.sd, before.sd, atol=1e-9)


@pytest.mark.parametrize("bad", [np.ones(3), np.ones((2, 2, 2)), np.array([[1.0, np.inf]])])
def test_what_is_no_table_is_refused(bad):
    with pytest.raises(UsageError, match="scores are"):
        mos(bad)


def test_dmos_needs_tables_of_one_shape():
    with pytest.raises(UsageError, match="same shape"):
        dmos(np.ones((2, 3)), np.ones((1, 3)), best=5)


def test_bootstrap_of_a_mean_is_near_its_theory(rng):
    values = rng.normal(0, 1, 400)
    found = bootstrap(lambda rows: float(values[rows].mean()), 400, rng=rng, resamples=2000)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.08)
    assert draws(7, rng, resamples=5).sum(axis=1).tolist() == [7] * 5


def test_no_interval_where_most_samples_have_no_value():
    assert np.isnan(by_samples(1.0, np.array([np.nan, np.nan, 1.0])).low)
    assert np.isnan(by_t(1.0, np.nan, 3).low)
