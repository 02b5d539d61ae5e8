"""Many comparisons are corrected as Holm has it; pairs are tested as Wilcoxon has it.

Oracles: statsmodels' multipletests; scipy's wilcoxon; the smallest p that so many pairs allow.
"""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from medacuity.metrics.opinion.compare import holm, signed_rank


def test_holm_is_that_of_statsmodels(rng):
    for count in (1, 2, 7, 30):
        p = rng.uniform(0, 0.2, count)
        np.testing.assert_allclose(holm(p.tolist()), multipletests(p, method="holm")[1])


def test_what_was_not_tested_does_not_count():
    assert holm([0.02, float("nan"), 0.04])[::2] == [0.04, 0.04]
    assert np.isnan(holm([float("nan")])[0])
    assert holm([]) == []


def test_holm_keeps_false_alarms_of_a_whole_table_rare(rng):
    alarms = [min(holm(rng.uniform(0, 1, 6).tolist())) < 0.05 for _ in range(4000)]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.012)


def test_signed_rank_is_scipys(rng):
    first, second = rng.normal(0.3, 1, 30), rng.normal(0, 1, 30)
    assert signed_rank(first, second) == pytest.approx(stats.wilcoxon(first, second).pvalue)


def test_five_cases_all_better_allow_no_less_than_one_in_sixteen():
    gain = np.array([0.1, 0.4, 0.2, 0.3, 0.5])
    assert signed_rank(gain, np.zeros(5)) == 0.0625


def test_cases_without_a_difference_or_a_score_do_not_count():
    first = np.array([1.0, 2, 3, 4, 5, 6, np.nan, 9])
    second = np.array([0.0, 0.5, 1, 1.5, 2, 6, 3, np.nan])
    assert signed_rank(first, second) == signed_rank(first[:5], second[:5])
    assert np.isnan(signed_rank(first[:2], first[:2]))


def test_rounding_is_no_difference():
    scores = np.array([0.1, 0.2, 0.3])
    assert np.isnan(signed_rank(np.array([scores.mean()]), np.array([scores[::-1].sum() / 3])))
