"""Correlations of a metric with opinion are those of scipy, their intervals go by case.

Oracles: scipy's pearsonr, spearmanr, kendalltau; counting by hand; metrics whose worth is known.
"""

import numpy as np
import pytest
from scipy import stats

from medacuity.errors import UsageError
from medacuity.metrics.opinion.correlation import (
    associate,
    concordance,
    kendall,
    pearson,
    spearman,
)


@pytest.mark.parametrize("count", [5, 60, 500])
def test_they_are_scipys_ties_or_not(rng, count):
    x, y = rng.normal(0, 1, count), rng.integers(1, 6, count).astype(float)
    assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert kendall(x, y) == pytest.approx(stats.kendalltau(x, y).statistic)


def test_what_does_not_vary_has_no_correlation():
    for function in (pearson, spearman, kendall):
        assert np.isnan(function(np.ones(4), np.arange(4.0)))


def test_concordance_by_hand():
    assert concordance(np.array([1.0, 2, 2]), np.array([1.0, 3, 2])) == (2.5, 3)
    assert concordance(np.array([3.0, 2, 1]), np.array([1.0, 2, 3])) == (0, 3)
    assert concordance(np.array([1.0, 2]), np.array([4.0, 4])) == (0, 0)


def test_the_better_metric_is_told_apart(rng):
    case = np.repeat(np.arange(25), 4)
    opinion = rng.uniform(1, 5, 100)
    good = associate(opinion + rng.normal(0, 0.3, 100), opinion, case, rng=rng, resamples=200)
    poor = associate(opinion + rng.normal(0, 3, 100), opinion, case, rng=rng, resamples=200)
    assert good.ranks.low > poor.ranks.high
    assert good.within.value > 0.85 > poor.within.value


def test_less_is_better_turns_the_order_within_cases_only(rng):
    case = np.repeat(np.arange(25), 4)
    opinion = rng.uniform(1, 5, 100)
    distance = -opinion + rng.normal(0, 0.3, 100)
    found = associate(distance, opinion, case, rng=rng, resamples=200)
    assert found.linear.high < 0
    assert found.within.value > 0.85


def test_a_metric_of_the_case_alone_says_nothing_within_cases(rng):
    """Easy cases get high PSNR and high opinion whatever the method: high SROCC, useless."""
    case = np.repeat(np.arange(30), 4)
    easy = rng.uniform(1, 5, 30)[case]
    opinion = easy + rng.normal(0, 0.2, 120)
    found = associate(easy, opinion, case, rng=rng, resamples=200)
    assert found.ranks.value > 0.9
    assert found.within.value == 0.5


def test_intervals_go_by_case_not_by_stimulus(rng):
    """Ten equal stimuli of each case are no more than one."""
    x = rng.normal(0, 1, 12)
    y = x + rng.normal(0, 1, 12)
    one = associate(x, y, np.arange(12), rng=np.random.default_rng(0)).linear
    ten = associate(np.repeat(x, 10), np.repeat(y, 10), np.repeat(np.arange(12), 10),
                    rng=np.random.default_rng(0)).linear  # fmt: skip
    assert (ten.low, ten.high) == pytest.approx((one.low, one.high))


def test_about_95_of_100_intervals_hold_the_truth(rng):
    held = []
    for _ in range(40):
        x = rng.normal(0, 1, 40)
        y = 0.8 * x + 0.6 * rng.normal(0, 1, 40)
        held.append(associate(x, y, np.arange(40), rng=rng, resamples=100).linear.has(0.8))
    assert np.mean(held) > 0.8


def test_stimuli_without_one_of_the_two_do_not_count(rng):
    metric = np.array([1.0, 2, np.nan, 4, 5])
    opinion = np.array([1.0, 2, 3, np.nan, 5])
    assert associate(metric, opinion, np.arange(5), rng=rng).stimuli == 3


def test_lists_and_names_of_cases_do():
    def of(metric, opinion, case):
        found = associate(metric, opinion, case, rng=np.random.default_rng(0), resamples=50)
        return found.linear, found.ranks, found.within

    metric, opinion = [3.0, 1, 4, 1, 5, np.nan], [2.0, 1, 4, 2, 5, 3]
    assert of(metric, opinion, list("aabbcc")) == of(
        np.array(metric), np.array(opinion), np.array([0, 0, 1, 1, 2, 2])
    )
    assert spearman([1, 2, 3], [4, 6, 5]) == kendall([1, 2, 3], [4, 6, 5]) * 1.5 == 0.5


def test_fewer_than_three_are_refused(rng):
    with pytest.raises(UsageError, match="at least 3 stimuli"):
        associate(np.array([1.0, 2]), np.array([1.0, 2]), np.arange(2), rng=rng)
