"""Choices between two become strengths, as published.

Oracles: Agresti's baseball league (Categorical Data Analysis, 2nd ed., p. 438; estimates as R's
BradleyTerry2 prints them); statsmodels' binomial regression with logit and probit; closed forms of
two; choices whose truth is known.
"""

import math

import numpy as np
import pytest
import statsmodels.api as sm

from medacuity.errors import UsageError
from medacuity.metrics.opinion.pairs import PRIOR, bradley_terry, thurstone, wins_table

TEAMS = ("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore")
WINS = np.array([
    [0, 7, 9, 7, 7, 9, 11], [6, 0, 7, 5, 11, 9, 9], [4, 6, 0, 7, 7, 8, 12], [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12], [4, 4, 5, 6, 6, 0, 6], [2, 4, 1, 3, 1, 7, 0],
], dtype=float)  # fmt: skip


def regression(link):
    """Return statsmodels' estimates and errors against the last."""
    rows, counts = [], []
    for i in range(7):
        for j in range(i):
            row = np.zeros(7)
            row[i], row[j] = 1, -1
            rows.append(row[:6])
            counts.append((WINS[i, j], WINS[j, i]))
    fit = sm.GLM(np.array(counts), np.array(rows), family=sm.families.Binomial(link)).fit(tol=1e-12)
    return fit.params, fit.bse


def test_baseball_as_published():
    found = bradley_terry(WINS)
    against = found.value - found.value[-1]
    np.testing.assert_allclose(
        against[:6], [1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839], atol=6e-5
    )
    assert found.value.sum() == pytest.approx(0)
    assert found.prior == 0


def test_logistic_regression_gives_the_same():
    found, (values, errors) = bradley_terry(WINS), regression(sm.families.links.Logit())
    for i in range(6):
        gap = found.difference(i, 6)
        assert gap.value == pytest.approx(values[i], abs=1e-8)
        assert (gap.high - gap.value) / 1.959964 == pytest.approx(errors[i], rel=1e-5)


def test_probit_regression_gives_thurstones():
    found, (values, _) = thurstone(WINS), regression(sm.families.links.Probit())
    np.testing.assert_allclose(found.value[:6] - found.value[6], values, atol=1e-8)


def test_of_two_the_odds_decide():
    found = bradley_terry(np.array([[0.0, 30.0], [10.0, 0.0]]))
    gap = found.difference(0, 1)
    assert gap.value == pytest.approx(math.log(3))
    error = math.sqrt(1 / 30 + 1 / 10)
    assert (gap.high - gap.value) / 1.959964 == pytest.approx(error, rel=1e-6)
    assert found.p(0, 1) == pytest.approx(2 * 0.5 * math.erfc(math.log(3) / error / 2**0.5))


def test_a_tie_is_half_a_win_for_both():
    table = wins_table([0, 1, 0], [1, 0, 1], [0, -1, 1], count=2)
    np.testing.assert_array_equal(table, [[0, 1.5], [1.5, 0]])


def test_who_wins_everything_gets_a_prior_and_it_is_said():
    found = bradley_terry(np.array([[0, 8.0, 9], [0, 0, 5], [0, 4, 0]]))
    assert found.prior == PRIOR
    assert np.isfinite(found.value).all()
    assert found.value[0] > found.value[1]
    two = bradley_terry(np.array([[0.0, 5.0], [0.0, 0.0]]))
    assert two.difference(0, 1).value == pytest.approx(math.log(5.5 / 0.5))


@pytest.mark.parametrize("fit", [bradley_terry, thurstone])
def test_95_of_100_intervals_hold_the_truth(rng, fit):
    truth = np.array([0.6, 0.1, -0.2, -0.5])
    gap = truth[:, None] - truth
    chance = 1 / (1 + np.exp(-gap)) if fit is bradley_terry else _normal(gap)
    held = []
    for _ in range(100):
        upper = np.triu(rng.binomial(40, chance), 1)
        wins = upper + np.tril(40 - upper.T, -1)
        held += [e.has(t) for e, t in zip(fit(wins).estimates(), truth, strict=True)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.035)


def _normal(gap):
    return np.vectorize(lambda x: 0.5 * math.erfc(-x / 2**0.5))(gap)


def test_extreme_tables_converge(rng):
    wins = np.array([[0, 1e6, 3], [1, 0, 2], [4, 1e5, 0]])
    found = bradley_terry(wins)
    expected = 1 / (1 + np.exp(found.value - found.value[:, None]))
    np.testing.assert_allclose((wins - (wins + wins.T) * expected).sum(axis=1), 0, atol=1e-3)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (np.ones((2, 3)), "square"), (np.ones((1, 1)), "square"),
        (np.array([[0, -1.0], [1, 0]]), ">= 0"),
        (np.kron(np.eye(2), np.array([[0, 2.0], [1, 0]])), "2 groups"),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_is_refused(bad, why):
    with pytest.raises(UsageError, match=why):
        bradley_terry(bad)
