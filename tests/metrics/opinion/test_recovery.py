"""The quality behind the scores is found as ITU-T P.910 and ITU-R BT.500 print it, to the digit.

Also: biases sum to zero; what bias and carelessness did is undone; raters who answer at random get
little weight; intervals hold the truth. Oracles: the READMEs of the two recommendations' programs,
the values in sureal's tests, a general optimiser, and raters whose truth is known.
"""

import numpy as np
import pytest
from scipy.optimize import minimize
from tests.metrics.opinion.published import corrupted, matrix, nflx, printed

from medacuity.errors import UsageError
from medacuity.metrics.opinion.recovery import recover, without_bias


@pytest.mark.parametrize("name", ["itut_p910", "itur_bt500"])
def test_the_sample_as_printed(data, name):
    folder = data / "travel" / "mos"
    expected = printed(folder / f"{name}_README.md")
    found = recover(matrix(folder / f"{name}_sample_data.csv"))
    for ours, theirs in (
        (found.quality, "mos_j"), (found.error, "sos_j"),
        (found.bias, "bias_i"), (found.inconsistency, "inconsistency_i"),
    ):  # fmt: skip
        np.testing.assert_allclose(ours, expected[theirs], rtol=0, atol=1e-12)
    assert abs(found.bias.sum()) < 1e-12


def test_nflx_with_five_raters_shuffled_as_sureal_has_it(data):
    found = recover(corrupted(nflx(data)))
    assert found.quality.mean() == pytest.approx(3.5447906523855877, abs=1e-8)
    assert found.quality.var() == pytest.approx(1.3559834679453553, abs=1e-8)
    assert found.bias.var() == pytest.approx(0.08903258562151985, abs=1e-8)
    assert found.inconsistency.mean() == pytest.approx(0.8091663380211014, abs=1e-8)
    assert found.inconsistency.var() == pytest.approx(0.21269010120806528, abs=1e-8)
    assert found.shared_error.sum() == pytest.approx(9.592833401286343, abs=1e-4)
    low, high = found.bias_interval()
    errors = (high - low) / 2 / 1.959964
    assert errors.sum() == pytest.approx(2.3669964674034123, abs=1e-4)


def test_repetitions_are_more_scores_of_the_same(data):
    """A second layer of the same scores changes nothing but the number seen."""
    scores = matrix(data / "travel" / "mos" / "itur_bt500_small_sample_data.csv")
    assert scores.shape == (30, 20, 2)
    once, twice = recover(scores[:, :, :1]), recover(scores)
    np.testing.assert_array_equal(scores[:, :, 0], scores[:, :, 1])
    np.testing.assert_allclose(twice.quality, once.quality, atol=1e-6)
    np.testing.assert_allclose(twice.error, once.error / np.sqrt(2), atol=1e-6)
    assert (twice.seen == 2 * once.seen).all()


def test_it_is_the_maximum_of_the_likelihood(rng):
    scores = rng.normal(3, 1, (60, 1)) + rng.normal(0, 0.4, 10) + rng.normal(0, 0.5, (60, 10))
    found = recover(scores)
    assert not found.collapsed

    def cost(x):
        quality, bias, spread = x[:60], x[60:70], np.exp(x[70:])
        off = scores - quality[:, None] - bias
        return float((off**2 / (2 * spread**2) + np.log(spread)).sum())

    ours = np.concatenate([found.quality, found.bias, np.log(found.inconsistency)])
    slope = [(cost(ours + step) - cost(ours - step)) / 2e-5 for step in 1e-5 * np.eye(len(ours))]
    np.testing.assert_allclose(slope, 0, atol=1e-4)
    assert cost(minimize(cost, ours, method="BFGS").x) > cost(ours) - 1e-6


def test_exact_bias_is_taken_out_exactly():
    quality, bias = np.linspace(1, 5, 9), np.array([-0.5, 0.0, 0.2, 0.3])
    found = recover(quality[:, None] + bias)
    np.testing.assert_allclose(found.quality, quality, atol=1e-7)
    np.testing.assert_allclose(found.bias, bias, atol=1e-7)
    np.testing.assert_allclose(found.inconsistency, 0, atol=1e-7)


def test_the_truth_is_recovered_better_than_by_the_mean(rng):
    quality, spread = rng.uniform(1, 5, 150), np.array([0.3] * 12 + [2.0] * 4)
    bias = rng.normal(0, 0.5, 16)
    scores = quality[:, None] + bias + rng.normal(0, 1, (150, 16)) * spread
    found = recover(scores)
    truth = quality + bias.mean()
    ours = np.sqrt(((found.quality - truth) ** 2).mean())
    assert ours < 0.5 * np.sqrt(((scores.mean(axis=1) - truth) ** 2).mean())
    np.testing.assert_allclose(found.bias, bias - bias.mean(), atol=0.5)
    assert found.inconsistency[12:].min() > 3 * found.inconsistency[:12].max()


def test_95_of_100_intervals_hold_the_truth(rng):
    spread = rng.uniform(0.3, 1.0, 24)
    held = []
    for _ in range(60):
        quality, bias = rng.uniform(1, 5, 80), rng.normal(0, 0.4, 24)
        found = recover(quality[:, None] + bias + rng.normal(0, 1, (80, 24)) * spread)
        low, high = found.bias_interval()
        truth = bias - bias.mean()
        low_s, high_s = found.inconsistency_interval()
        low_q, high_q = found.quality_interval()
        shifted = quality + bias.mean()
        held.append([
            ((low <= truth) & (truth <= high)).mean(),
            ((low_s <= spread) & (spread <= high_s)).mean(),
            ((low_q <= shifted) & (shifted <= high_q)).mean(),
        ])  # fmt: skip
    # The published intervals do not count what estimating all else costs: a little short.
    assert (np.mean(held, axis=0) > 0.89).all()
    assert (np.mean(held, axis=0) < 0.97).all()


def test_a_panel_of_three_collapses_and_says_so(rng):
    """The weights run to one rater; without weights the qualities are near the truth."""
    quality, bias = rng.uniform(1, 5, 40), np.array([-0.3, 0.0, 0.3])
    scores = quality[:, None] + bias + rng.normal(0, 0.6, (40, 3))
    found, plain = recover(scores), recover(scores, weighted=False)
    assert found.collapsed
    alone = int(np.argmin(found.inconsistency))
    assert np.ptp(found.quality - scores[:, alone]) < 1e-3
    assert not plain.collapsed
    np.testing.assert_allclose(plain.quality, scores.mean(axis=1), atol=1e-9)
    assert plain.shared_error[0] == pytest.approx(np.sqrt((plain.inconsistency**2).sum()) / 3)


def test_gaps_are_left_out_of_every_sum(rng):
    scores = rng.uniform(1, 5, 60)[:, None] + rng.normal(0, 0.3, (60, 10))
    gaps = np.where(rng.random(scores.shape) < 0.3, np.nan, scores)
    full, partly = recover(scores), recover(gaps)
    assert np.abs(full.quality - partly.quality).max() < 0.4
    assert abs(partly.bias.sum()) < 1e-12


def test_bias_is_taken_once_as_in_p913(data):
    scores = corrupted(nflx(data))
    expected = scores - (scores - scores.mean(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(without_bias(scores), expected)
    assert without_bias(scores).mean() == pytest.approx(3.5447906523855885)


def test_infinity_is_no_score():
    with pytest.raises(UsageError, match="infinity"):
        recover(np.array([[1.0, 2], [3, np.inf]]))


@pytest.mark.parametrize("bad", [np.ones((3, 1)), np.ones(4), np.array([[1, np.nan], [2, np.nan]])])
def test_too_little_is_refused(bad):
    with pytest.raises(UsageError):
        recover(bad)
