"""Alpha, weighted kappa and repeats are those of the books.

Oracles: Krippendorff's own example (Computing Krippendorff's Alpha-Reliability, 2011: four
observers, twelve units, gaps); SAS's and R's weighted kappas as statsmodels' tests quote them;
statsmodels; closed forms.
"""

import krippendorff
import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa, to_table
from tests.metrics.opinion.test_icc import ANXIETY

from medacuity.errors import UsageError
from medacuity.metrics.opinion.agreement import (
    alpha,
    consistency,
    interval_alphas,
    kappa,
    kappas,
)

GAP = np.nan
KRIPPENDORFF = np.array([
    [1, 2, 3, 3, 2, 1, 4, 1, 2, GAP, GAP, GAP],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, GAP, 3],
    [GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, GAP],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, GAP],
]).T  # fmt: skip


def test_krippendorffs_own_example(rng):
    assert alpha(KRIPPENDORFF, rng=rng).value == pytest.approx(0.815, abs=5e-4)
    assert alpha(KRIPPENDORFF, rng=rng, ordinal=False).value == pytest.approx(0.849, abs=5e-4)


def test_alpha_by_hand(rng):
    """Coincidences 2, 2, 2 and one pair 2-3: D_o = 18/8, D_e = 600/56 with ordinal distances."""
    table = np.array([[1, 1], [2, 2], [3, 3], [3, 2.0]])
    assert alpha(table, rng=rng).value == pytest.approx(1 - (18 / 8) / (600 / 56))


def test_alpha_of_interval_data_from_sums_is_the_packages(rng):
    table = np.round(rng.uniform(0, 10, (20, 5)), 1)
    table[rng.random(table.shape) < 0.2] = np.nan
    expected = krippendorff.alpha(table.T, level_of_measurement="interval")
    assert alpha(table, rng=rng, ordinal=False, resamples=2).value == pytest.approx(expected)
    twice = interval_alphas(np.repeat(table, 2, axis=0), np.ones((1, 40)))
    np.testing.assert_allclose(interval_alphas(table, np.full((1, 20), 2.0)), twice)


def test_alpha_of_dice_is_zero_and_of_agreement_one(rng):
    dice = alpha(rng.integers(1, 6, (300, 6)).astype(float), rng=rng)
    assert dice.has(0)
    assert abs(dice.value) < 0.05
    assert alpha(np.tile(np.arange(5.0)[:, None], 3), rng=rng, resamples=50).value == 1


def test_alphas_interval_holds_the_truth(rng):
    def panel(count):
        meant = rng.normal(3, 1, (count, 1)) + rng.normal(0, 0.8, (count, 5))
        return np.clip(np.round(meant), 1, 5)

    truth = alpha(panel(10_000), rng=rng, resamples=2).value
    held = [alpha(panel(60), rng=rng, resamples=120).has(truth) for _ in range(40)]
    assert np.mean(held) > 0.85


def test_kappa_of_sas(rng):
    """Linear weights, table 0 4 1 / 0 8 0 / 0 1 5: 0.4701 (unweighted 0.4842)."""
    counts = np.array([[0, 4, 1], [0, 8, 0], [0, 1, 5]])
    pairs = np.array([[i, j] for i, j in np.ndindex(3, 3) for _ in range(counts[i, j])], float)
    assert kappa(pairs, rng=rng, squared=False).value == pytest.approx(0.4701, abs=5e-5)


def test_kappa_of_rs_irr(rng):
    """Irr counts only values that occur, so 6 stands next to 4: 0.2520 squared, 0.1459 linear."""
    pair = np.where(ANXIETY[:, 1:] == 6, 5, ANXIETY[:, 1:])
    assert kappa(pair, rng=rng).value == pytest.approx(0.2520325, abs=1e-7)
    assert kappa(pair, rng=rng, squared=False).value == pytest.approx(0.1459075, abs=1e-7)


@pytest.mark.parametrize(("squared", "kind"), [(True, "quadratic"), (False, "linear")])
def test_kappas_are_those_of_statsmodels(rng, squared, kind):
    table = rng.integers(0, 5, (40, 4))
    table[0], table[1] = 0, 4  # all values occur in each
    found = kappas(table.astype(float), np.ones(40), squared=squared)
    for i, j in ((0, 1), (0, 3), (2, 3)):
        counts, _ = to_table(table[:, [i, j]], 5)
        assert found[i, j] == pytest.approx(cohens_kappa(counts, wt=kind).kappa)


def test_kappa_counts_common_stimuli_only(rng):
    table = rng.integers(1, 6, (30, 3)).astype(float)
    table[:10, 0], table[20:, 1] = np.nan, np.nan
    both = kappas(table[10:20, :2], np.ones(10))[0, 1]
    assert kappas(table, np.ones(30))[0, 1] == pytest.approx(both)


def test_weights_count_stimuli_as_often(rng):
    table = rng.integers(1, 6, (8, 3)).astype(float)
    times = np.array([0, 2, 1, 3, 1, 1, 0, 2])
    repeated = np.repeat(table, times, axis=0)
    np.testing.assert_allclose(kappas(table, times.astype(float)), kappas(repeated, np.ones(10)))


def test_quadratic_kappa_is_nearly_the_icc(rng):
    """Fleiss & Cohen (1973): squared weights make kappa an intraclass correlation."""
    from medacuity.metrics.opinion.icc import icc

    table = np.round(rng.normal(3, 1, (400, 1)) + rng.normal(0, 0.6, (400, 2)))
    assert kappa(table, rng=rng).value == pytest.approx(icc(table).two.value, abs=0.003)


def test_repeats_by_hand():
    found = consistency(np.array([4.0, 3, 5, 2, np.nan]), np.array([4.0, 4, 5, 1, 3]))
    assert (found.pairs, found.same, found.drift) == (4, 0.5, 0.0)
    assert found.error == pytest.approx(0.5)  # sqrt((1 + 1) / 4 / 2)
    assert found.repeatability == pytest.approx(1.96 * 2**0.5 * 0.5)


def test_repeats_may_be_lists():
    assert consistency([4, 3, 5], [4, 4, np.nan]).same == 0.5


def test_no_repeats_say_nothing():
    found = consistency(np.array([4.0]), np.array([np.nan]))
    assert found.pairs == 0
    assert np.isnan(found.same)


@pytest.mark.parametrize("bad", [np.full((5, 3), 2.0), np.array([[1, np.nan], [np.nan, 2]])])
def test_nothing_to_agree_on_is_refused(rng, bad):
    with pytest.raises(UsageError, match="agreement needs"):
        alpha(bad, rng=rng)
