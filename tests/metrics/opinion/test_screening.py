"""Raters who were not looking are found, as the recommendations say, and others are left alone.

Oracles: a table small enough to do BT.500 by hand; the values that sureal publishes for NFLX with
five shuffled raters; raters who answer at random.
"""

import numpy as np
import pytest
from tests.metrics.opinion.published import corrupted, nflx

from medacuity.metrics.opinion.recovery import without_bias
from medacuity.metrics.opinion.scores import mos
from medacuity.metrics.opinion.screening import (
    blind,
    screen_by_correlation,
    screen_by_kurtosis,
    with_panel,
)

FLAT = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
"""Kurtosis 1.76 (uniform on 8 values): not normal, so far off begins at sqrt(20) deviations."""


def test_bt500_by_hand():
    """Nine raters, ten stimuli; in each, eight say 2 3 3 3 3 3 3 4 and the ninth something else.

    With 6 as the ninth: mean 30/9 = 3.333, squares 10 so s = sqrt(10/8) = 1.118; moments
    m2 = 10/9, m4 = (2 1/3 ** 4 ...) give kurtosis 4.8 > 4: not normal, threshold 3.333 + 4.472 *
    1.118 = 8.33: not far off. With 5: mean 29/9, m2 = 0.617, m4 = 1.245, kurtosis 3.27: normal,
    threshold 3.222 + 2 * sqrt(0.6944) = 4.889 < 5: far off. So the ninth is far above in the
    stimuli where it says 5 and far below where it says 1 (the mirror image).
    """
    others = [2, 3, 3, 3, 3, 3, 3, 4]
    ninth = [5, 5, 1, 1, 3, 3, 3, 3, 3, 6]
    found = screen_by_kurtosis(np.array([[*others, score] for score in ninth], dtype=float))
    assert found.high.tolist() == [0] * 8 + [2]
    assert found.low.tolist()[8] == 2
    assert found.frequent[8] == pytest.approx(0.4)
    assert found.one_sided[8] == 0
    assert found.kept.tolist() == [True] * 8 + [False]


def test_bt500_keeps_who_errs_on_one_side():
    """Far above four times, never below: (P + Q) / n = 0.4, |P - Q| / (P + Q) = 1: biased, kept."""
    others = [2, 3, 3, 3, 3, 3, 3, 4]
    scores = np.array([[*others, s] for s in [5, 5, 5, 5, 3, 3, 3, 3, 3, 3]], dtype=float)
    found = screen_by_kurtosis(scores)
    assert (found.high[8], found.low[8], found.one_sided[8]) == (4, 0, 1)
    assert found.kept.all()


def test_kurtosis_decides_the_threshold():
    """The same ninth score is far off among normal scores, not among flat ones."""
    normal = np.array([[2, 3, 3, 3, 3, 3, 3, 4, 5.0]])
    flat = np.array([[*FLAT, 12.0]])
    assert screen_by_kurtosis(normal).high[-1] == 1
    assert ((flat - flat.mean()) / flat.std())[0, -1] > 2  # more than two deviations, and yet
    assert screen_by_kurtosis(flat[:, :-1]).high.sum() == 0


def test_stimuli_that_all_see_alike_reject_nobody():
    found = screen_by_kurtosis(np.full((30, 6), 4.0))
    assert found.kept.all()
    assert found.high.sum() == found.low.sum() == 0


def test_if_all_would_go_all_stay():
    scores = np.array([[2.0, -2.0], [-2.0, 2.0]] * 20)
    assert screen_by_kurtosis(np.tile(scores, (1, 1))).kept.all()


def test_bt500_of_sureal(data):
    """MosModel with subject rejection on the shuffled NFLX scores: mean 3.56118, variance 1.10495.

    Sureal divides by n; with n - 1, as BT.500 has it, fewer are far off, and one more rater stays.
    """
    scores = corrupted(nflx(data))
    found = screen_by_kurtosis(scores, population=True)
    means = mos(scores[:, found.kept]).mean
    assert means.mean() == pytest.approx(3.5611814345991566, abs=1e-8)
    assert means.var() == pytest.approx(1.1049505732699529, abs=1e-8)
    strict = screen_by_kurtosis(scores)
    assert set(np.flatnonzero(~strict.kept)) < set(np.flatnonzero(~found.kept)) <= set(range(5))


def test_bt500_after_bias_removal_of_sureal(data):
    scores = without_bias(corrupted(nflx(data)))
    means = mos(scores[:, screen_by_kurtosis(scores, population=True).kept]).mean
    assert means.mean() == pytest.approx(3.5447906523855885, abs=1e-8)
    assert means.var() == pytest.approx(1.09500013352561, abs=1e-8)


def test_correlation_finds_the_five_shuffled(data):
    """Those whom sureal's Pearson screening leaves out: mean 3.53225, variance 1.40347."""
    scores = corrupted(nflx(data))
    found = screen_by_correlation(scores)
    assert np.flatnonzero(~found.kept).tolist() == [0, 1, 2, 3, 4]
    means = mos(scores[:, found.kept]).mean
    assert means.mean() == pytest.approx(3.5322483423749245, abs=1e-8)
    assert means.var() == pytest.approx(1.403470793861528, abs=1e-8)


def test_nobody_of_the_true_panel_goes(data):
    assert screen_by_kurtosis(nflx(data)).kept.all()
    assert screen_by_correlation(nflx(data)).kept.all()


@pytest.mark.parametrize("seed", range(10))
def test_who_answers_at_random_is_found(seed):
    rng = np.random.default_rng(seed)
    scores = rng.uniform(1, 5, 60)[:, None] + rng.normal(0, 0.5, (60, 20))
    scores[:, 17:] = rng.uniform(1, 5, (60, 3))
    assert np.flatnonzero(~screen_by_correlation(scores).kept).tolist() == [17, 18, 19]


def test_who_always_says_the_same_is_found(rng):
    scores = rng.uniform(1, 5, 40)[:, None] + rng.normal(0, 0.3, (40, 8))
    scores[:, 3] = 4
    found = screen_by_correlation(scores)
    assert np.flatnonzero(~found.kept).tolist() == [3]
    assert np.isnan(found.correlation[3])


def test_where_nothing_differs_nobody_was_blind():
    """One score for everything is careless only where the panel saw differences."""
    assert screen_by_correlation(np.full((6, 4), 3.0)).kept.all()
    assert not blind(np.full((6, 4), 3.0)).any()


def test_who_rated_too_few_is_not_judged(rng):
    scores = rng.uniform(1, 5, 40)[:, None] + rng.normal(0, 0.3, (40, 5))
    scores[2:, 4] = np.nan  # two scores lie on a line, whatever they are
    found = screen_by_correlation(scores)
    assert found.kept.all()
    assert np.isnan(found.correlation[4])


def test_two_always_stay(rng):
    assert screen_by_correlation(rng.uniform(1, 5, (50, 6))).kept.sum() >= 2


def test_correlation_with_the_panel_is_numpys(rng):
    scores = rng.normal(3, 1, (20, 5))
    expected = [np.corrcoef(column, scores.mean(axis=1))[0, 1] for column in scores.T]
    np.testing.assert_allclose(with_panel(scores), expected)
