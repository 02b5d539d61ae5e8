"""The mixed model gives the means, variances and intervals that the textbooks give.

Oracles: statsmodels' MixedLM (REML, the same crossed effects); the analysis of variance of a
complete table, where REML has a closed form; studies whose truth is known: intervals for other
raters and cases hold it, and where methods are alike a difference is found in 5 of 100.
"""

import numpy as np
import pandas
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from medacuity.errors import UsageError
from medacuity.metrics.opinion.icc import mean_squares
from medacuity.metrics.opinion.mixed import codes, fit_mixed


def study(rng, *, methods=3, cases=12, raters=6, effect=0.4):
    """Return score, method, case, rater of a full study."""
    method, case, rater = (x.ravel() for x in np.indices((methods, cases, raters)))
    score = (
        effect * method
        + rng.normal(0, 0.5, cases)[case] + rng.normal(0, 0.4, raters)[rater]
        + rng.normal(0, 0.2, (raters, methods))[rater, method]
        + rng.normal(0, 0.3, (cases, methods))[case, method]
        + rng.normal(0, 0.6, method.size)
    )  # fmt: skip
    return score, method, case, rater


def test_means_and_variances_are_those_of_statsmodels(rng):
    score, method, case, rater = study(rng)
    keep = rng.random(score.size) > 0.2  # gaps
    score, method, case, rater = (x[keep] for x in (score, method, case, rater))
    ours = fit_mixed(score, method, case, rater)
    frame = pandas.DataFrame({"y": score, "m": method, "c": case, "r": rater, "all": 1})
    effects = {"r": "0+C(r)", "c": "0+C(c)", "rm": "0+C(r):C(m)", "cm": "0+C(c):C(m)"}
    theirs = MixedLM.from_formula("y ~ 0+C(m)", frame, groups="all", vc_formula=effects).fit()
    np.testing.assert_allclose(ours.means, theirs.fe_params.to_numpy(), atol=2e-4)
    parts = ours.components
    found = dict(zip(theirs.model.exog_vc.names, theirs.vcomp, strict=True))
    for name, value in (
        ("r", parts.rater), ("c", parts.case), ("rm", parts.rater_method), ("cm", parts.case_method)
    ):  # fmt: skip
        assert value == pytest.approx(found[name], abs=2e-3)
    assert parts.residual == pytest.approx(theirs.scale, rel=2e-3)
    error = np.sqrt(theirs.cov_params().iloc[:3, :3].to_numpy())
    gap = ours.contrast(1, 0)
    covariance = theirs.cov_params().iloc[:3, :3].to_numpy()
    way = np.array([-1, 1, 0])
    assert gap.difference.value == pytest.approx(float(way @ theirs.fe_params), abs=2e-4)
    half = (gap.difference.high - gap.difference.low) / 2
    from scipy import stats

    ours_error = half / stats.t.ppf(0.975, gap.degrees)
    assert ours_error == pytest.approx(float(np.sqrt(way @ covariance @ way)), rel=5e-3)
    assert np.isfinite(error.diagonal()).all()


def test_a_full_table_of_one_method_has_a_closed_form(rng):
    """Var(mean) = (MSR + MSC - MSE) / (stimuli x raters); Satterthwaite's degrees from the same."""
    table = rng.normal(0, 1, (15, 1)) + rng.normal(0, 0.7, 8) + rng.normal(0, 0.5, (15, 8))
    case, rater = (x.ravel() for x in np.indices(table.shape))
    found = fit_mixed(table.ravel(), np.zeros(120, dtype=np.intp), case, rater)
    ms = mean_squares(table)
    assert found.components.case == pytest.approx((ms.rows - ms.left) / 8, rel=1e-4)
    assert found.components.rater == pytest.approx((ms.columns - ms.left) / 15, rel=1e-4)
    assert found.components.residual == pytest.approx(ms.left, rel=1e-4)
    squares = np.array([ms.rows, ms.columns, ms.left])
    variance = (ms.rows + ms.columns - ms.left) / 120
    degrees = (variance * 120) ** 2 / (squares**2 / [14, 7, 98]).sum()
    from scipy import stats

    half = stats.t.ppf(0.975, degrees) * np.sqrt(variance)
    mean = found.mean(0)
    assert mean.value == pytest.approx(table.mean())
    assert (mean.high - mean.low) / 2 == pytest.approx(half, rel=2e-3)


def test_two_methods_on_the_same_case_and_rater_are_a_paired_test(rng):
    """Without taste or case effects, it is the t test of all paired differences."""
    from scipy import stats

    pairs = rng.normal(0, 1, (2, 6, 5)) + 3 * rng.normal(0, 1, (6, 5))
    method, case, rater = (x.ravel() for x in np.indices(pairs.shape))
    found = fit_mixed(pairs.ravel(), method, case, rater)
    assert found.contrast(0, 1).difference.value == pytest.approx((pairs[0] - pairs[1]).mean())
    assert 0 < found.contrast(0, 1).p <= 1
    assert stats.ttest_rel(pairs[0].ravel(), pairs[1].ravel()).pvalue > 0


@pytest.mark.slow
def test_95_of_100_intervals_hold_the_truth(rng):
    held, mean_held = [], []
    for _ in range(300):
        model = fit_mixed(*study(rng, methods=2, cases=15, raters=6))
        held.append(model.contrast(1, 0).difference.has(0.4))
        mean_held.append(model.mean(0).has(0.0))
    assert np.mean(held) == pytest.approx(0.95, abs=0.04)
    assert np.mean(mean_held) == pytest.approx(0.95, abs=0.04)


def test_where_methods_are_alike_few_differences_are_found(rng):
    p = [fit_mixed(*study(rng, methods=2, cases=10, raters=5, effect=0)).contrast(1, 0).p
         for _ in range(60)]  # fmt: skip
    assert np.mean(np.array(p) < 0.05) < 0.15


def test_one_rating_per_stimulus_and_rater_still_has_a_residual(rng):
    score, method, case, rater = study(rng, methods=1)
    parts = fit_mixed(score, method, case, rater).components
    assert parts.residual > 0
    assert parts.rater_method == parts.case_method == 0


def test_one_rater_is_no_random_effect(rng):
    score, method, case, rater = study(rng, raters=1)
    parts = fit_mixed(score, method, case, rater).components
    assert parts.rater == parts.rater_method == 0


def test_scores_without_any_spread_are_taken():
    method, case, rater = (x.ravel() for x in np.indices((2, 4, 3)))
    found = fit_mixed(4.0 - method, method, case, rater)
    np.testing.assert_allclose(found.means, [4, 3], atol=1e-6)


def test_too_few_are_refused():
    with pytest.raises(UsageError, match="more ratings than methods"):
        fit_mixed(np.ones(2), np.array([0, 1]), np.array([0, 0]), np.array([0, 0]))


def test_lists_do_and_missing_scores_are_gaps(rng):
    given = study(rng, methods=2)
    expected = fit_mixed(*(values[1:] for values in given))
    score, *others = (values.tolist() for values in given)
    found = fit_mixed([np.nan, *score[1:]], *others)
    np.testing.assert_array_equal(found.means, expected.means)


def test_a_method_without_ratings_is_refused():
    with pytest.raises(UsageError, match="methods are numbered"):
        fit_mixed(np.ones(6), np.array([0, 2] * 3), np.arange(6) // 2, np.arange(6) % 3)


def test_names_become_codes():
    found, names = codes(["x", "y", "x"])
    assert found.tolist() == [0, 1, 0]
    assert names == ("x", "y")
