"""What is said of a difference.

- The interval and the p of the t test are scipy's; the rank test's p is counted by hand.
- "Better" stands only where the interval leaves zero out above, "worse" where below; whatever
  the scores are, the word and the interval agree.
- Fewer than three seeds, or seeds that all say the same, are refused a verdict.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medacuity.errors import UsageError
from medacuity.utility.verdict import compare


def test_the_interval_by_hand() -> None:
    # Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), t(0.975, 2) = 4.302653.
    found = compare([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.low == pytest.approx(2 - 4.3026527 / math.sqrt(3), abs=1e-6)
    assert found.high == pytest.approx(2 + 4.3026527 / math.sqrt(3), abs=1e-6)


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=12))
@settings(deadline=None, max_examples=60)
def test_interval_and_p_are_those_of_scipy_and_agree_with_the_word(gain: list[float]) -> None:
    found = compare(gain, [0.0] * len(gain))
    if np.ptp(gain) <= 1e-9:
        return
    theirs = stats.ttest_rel(gain, [0.0] * len(gain))
    interval = theirs.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert found.p_t == pytest.approx(theirs.pvalue, abs=1e-9)
    assert (found.word == "better") == (found.low > 0)
    assert (found.word == "worse") == (found.high < 0)
    assert ("better" in found.sentence) == (found.low > 0)


def test_the_words() -> None:
    zero = [0.0] * 5
    better = [0.03, 0.04, 0.05, 0.04, 0.03]
    mixed = [0.03, -0.02, 0.05, -0.04, 0.01]
    said = compare(better, zero).sentence
    assert said == "better: +3.8 points (+2.8 to +4.8), p 0.00053, 5 seeds"
    assert compare(zero, better).word == "worse"
    assert compare(mixed, zero).sentence.startswith("no difference shown: +0.6 points (-")


def test_signs_of_five_seeds_give_a_sixteenth() -> None:
    assert compare([0.1, 0.2, 0.3, 0.4, 0.5], [0.0] * 5).p_rank == 2 * 0.5**5


@pytest.mark.parametrize("seeds", [0, 1, 2])
def test_few_seeds_get_no_verdict(seeds: int) -> None:
    found = compare([0.9, 0.95][:seeds], [0.1, 0.2][:seeds])
    assert found.word == "no verdict"
    assert found.sentence == f"no verdict: {seeds} seeds; it takes 3 or more"


def test_seeds_that_all_say_the_same() -> None:
    assert compare([0.5] * 4, [0.5] * 4).word == "no difference shown"
    constant = compare([0.6] * 4, [0.5] * 4)
    assert constant.word == "no verdict"
    assert "no spread" in constant.sentence


def test_what_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match="pairs"):
        compare([0.1, 0.2, 0.3], [0.1, 0.2])
    with pytest.raises(UsageError, match="finite"):
        compare([0.1, 0.2, math.nan], [0.1, 0.2, 0.3])
