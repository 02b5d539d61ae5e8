"""The six intraclass correlations and their intervals are those of Shrout & Fleiss (1979).

Oracles: the paper's example with the intervals that R's psych prints for it; another table with
seven digits from R's psych; statsmodels' analysis of variance; a panel whose truth is known.
"""

from itertools import product

import numpy as np
import pandas
import pytest
import statsmodels.api as sm
from statsmodels.formula.api import ols
from tests.metrics.opinion.published import SHROUT_FLEISS

from medacuity.errors import UsageError
from medacuity.metrics.opinion.icc import icc, mean_squares

FORMS = ("one", "one_mean", "two", "two_mean", "three", "three_mean")

ANXIETY = np.array([
    [3, 3, 2], [3, 6, 1], [3, 4, 4], [4, 6, 4], [5, 2, 3], [5, 4, 2], [2, 2, 1], [3, 4, 6],
    [5, 3, 1], [2, 3, 1], [2, 2, 1], [6, 3, 2], [1, 3, 3], [5, 3, 3], [2, 2, 1], [2, 2, 1],
    [1, 1, 3], [2, 3, 3], [4, 3, 2], [3, 4, 2],
], dtype=float)  # fmt: skip
"""Twenty subjects, three raters: "anxiety" of R's package irr."""


def test_the_paper_and_rs_psych():
    found = icc(SHROUT_FLEISS)
    expected = [
        (0.17, -0.133, 0.72), (0.44, -0.884, 0.91), (0.29, 0.019, 0.76),
        (0.62, 0.071, 0.93), (0.71, 0.342, 0.95), (0.91, 0.676, 0.99),
    ]  # fmt: skip
    for form, (value, low, high) in zip(FORMS, expected, strict=True):
        estimate = getattr(found, form)
        assert estimate.value == pytest.approx(value, abs=0.005)
        assert estimate.low == pytest.approx(low, abs=0.0005)
        assert estimate.high == pytest.approx(high, abs=0.005)
    assert (found.stimuli, found.raters) == (6, 4)


def test_rs_psych_to_six_digits():
    found = icc(ANXIETY)
    expected = [
        (0.1750225, -0.0774465, 0.4843362), (0.3889259, -0.2749232, 0.7380652),
        (0.1979983, -0.0389107, 0.4935740), (0.4254988, -0.1265829, 0.7451493),
        (0.2160493, -0.0462579, 0.5222590), (0.4525861, -0.1529215, 0.7663308),
    ]  # fmt: skip
    for form, numbers in zip(FORMS, expected, strict=True):
        e = getattr(found, form)
        assert (e.value, e.low, e.high) == pytest.approx(numbers, abs=2e-6)


def test_mean_squares_are_those_of_statsmodels(rng):
    table = rng.normal(0, 1, (7, 4)) + rng.normal(0, 1, (7, 1))
    rows, columns = np.divmod(np.arange(28), 4)
    frame = pandas.DataFrame({"y": table.ravel(), "row": rows, "column": columns})
    model = ols("y ~ C(row) + C(column)", frame)
    expected = sm.stats.anova_lm(model.fit())
    found = mean_squares(table)
    np.testing.assert_allclose(
        [found.rows, found.columns, found.left], expected["mean_sq"].to_numpy()
    )


@pytest.mark.parametrize("form", ["one", "two", "three"])
def test_95_of_100_intervals_hold_the_truth(rng, form):
    truth = {"one": 1 / (1 + 0.25 + 0.5), "two": 1 / (1 + 0.25 + 0.5), "three": 1 / 1.5}[form]
    held = []
    for _ in range(250):
        raters = rng.normal(0, 0.5, (30, 8) if form == "one" else 8)  # drawn anew for each, or not
        table = rng.normal(0, 1, (30, 1)) + raters + rng.normal(0, 0.5**0.5, (30, 8))
        held.append(getattr(icc(table), form).has(truth))
    assert np.mean(held) == pytest.approx(0.95, abs=0.04)


def test_perfect_agreement_is_one_and_a_strict_rater_matters_to_agreement_only():
    line = np.arange(6.0)[:, None]
    same, shifted = icc(np.tile(line, 3)), icc(line + np.array([0.0, 1, 3]))
    assert [getattr(same, form).value for form in FORMS] == [1.0] * 6
    assert shifted.three.value == pytest.approx(1)
    assert shifted.two.value < 0.8


def test_stimuli_with_gaps_are_left_out():
    table = np.vstack([SHROUT_FLEISS, [[1, np.nan, 2, 3]]])
    assert icc(table) == icc(SHROUT_FLEISS)


@pytest.mark.parametrize(
    "bad", [np.ones((5, 3)), np.ones((1, 3)), np.ones((5, 1)), np.full((4, 3), np.nan)]
)
def test_too_little_is_refused(bad):
    with pytest.raises(UsageError, match="intraclass correlation"):
        icc(bad)


def test_raters_who_say_one_thing_only_agree_on_nothing():
    found = icc(np.tile([1.0, 2.0, 3.0], (5, 1)))
    assert found.two.value == 0
    assert np.isfinite(found.three.low) or found.three.value <= 0


@pytest.mark.parametrize(("stimuli", "raters"), [(2, 2), (2, 3), (3, 2)])
def test_every_small_table_has_numbers_that_make_sense(stimuli, raters):
    """All tables of grades 1 to 3 (0.1 to 0.3: with rounding): no fault, no warning, none over 1.

    Where raters differ by chance more than stimuli do, the form of a mean has no value: with
    ``1 + (k - 1) ICC(2,1) <= 0`` its quotient would even be above 1.
    """
    for cells in product((1, 2, 3), repeat=stimuli * raters):
        table = np.array(cells, float).reshape(stimuli, raters)
        if np.ptp(table) > 0:
            for found in (icc(table), icc(table / 10)):
                for form in FORMS:
                    e = getattr(found, form)
                    assert not e.value > 1 + 1e-9
                    assert not e.low > e.value + 1e-6
                    assert not e.high < e.value - 1e-6
                    assert not -np.inf < e.value < -1e6
