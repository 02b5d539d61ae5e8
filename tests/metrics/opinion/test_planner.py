"""A plan keeps its word: so many raters bring the interval that was wanted, one fewer does not.

Oracles: the half widths of the textbook (s = 0.8: 0.32 of 26 raters, 0.44 of 15, 0.99 of 5);
simulated studies; the mixed model of a full table.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medacuity.errors import UsageError
from medacuity.metrics.opinion.mixed import Components
from medacuity.metrics.opinion.planner import (
    difference_width,
    mean_width,
    raters_for,
    raters_for_difference,
    width_of,
)
from medacuity.metrics.opinion.scores import mos


def test_half_widths_of_the_textbook():
    widths = [round(width_of(0.8, raters), 2) for raters in (26, 15, 5)]
    assert widths == [0.32, 0.44, 0.99]


@settings(deadline=None, max_examples=40)
@given(st.floats(0.1, 3), st.floats(0.05, 2))
def test_the_least_number_is_given(sd, half_width):
    found = raters_for(sd, half_width)
    assert width_of(sd, found) <= half_width
    assert found == 2 or width_of(sd, found - 1) > half_width


def test_the_promise_holds_for_simulated_raters(rng):
    needed = raters_for(0.8, 0.4)
    found = mos(rng.normal(3, 0.8, (4000, needed)))
    assert ((found.high - found.low) / 2).mean() == pytest.approx(width_of(0.8, needed), rel=0.03)
    assert width_of(0.8, needed) <= 0.4


PARTS = Components(rater=0.15, case=0.2, rater_method=0.05, case_method=0.08, residual=0.4)


def test_widths_are_those_of_simulated_studies(rng):
    """Standard deviation of differences over many studies, against the plan's standard error."""
    raters, cases = 8, 15
    shape = (5000, 2)
    tastes = rng.normal(0, PARTS.rater_method**0.5, (*shape, raters)).mean(axis=2)
    hard = rng.normal(0, PARTS.case_method**0.5, (*shape, cases)).mean(axis=2)
    rest = rng.normal(0, (PARTS.residual / raters / cases) ** 0.5, shape)
    spread = np.diff(tastes + hard + rest, axis=1).std()
    width = difference_width(PARTS, raters=raters, cases=cases)
    assert width == pytest.approx(2.18 * spread, rel=0.05)  # t of 12 degrees of freedom


def test_more_raters_and_cases_never_widen():
    for one in (mean_width, difference_width):
        widths = [one(PARTS, raters=r, cases=20) for r in (3, 5, 10, 40)]
        assert widths == sorted(widths, reverse=True)
        widths = [one(PARTS, raters=10, cases=c) for c in (3, 5, 10, 40)]
        assert widths == sorted(widths, reverse=True)


def test_raters_cannot_make_up_for_cases():
    with pytest.raises(UsageError, match="more cases"):
        raters_for_difference(PARTS, 0.1, cases=5)
    assert raters_for_difference(PARTS, 0.3, cases=60) < raters_for_difference(PARTS, 0.3, cases=25)


@pytest.mark.parametrize(("sd", "half"), [(0, 0.5), (0.8, 0), (-1, 1), (0.8, float("nan"))])
def test_nonsense_is_refused(sd, half):
    with pytest.raises(UsageError, match="positive"):
        raters_for(sd, half)


def test_without_any_spread_two_raters_do():
    assert difference_width(Components(), raters=2, cases=2) == 0
