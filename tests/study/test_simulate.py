"""Simulated raters do what their truth says, and an analysis finds that truth again.

The same seed gives the same ratings; spreads are those asked for; inattentive raters are found by
the screenings; strengths are recovered from choices.
"""

import numpy as np
import pytest

from medacuity.errors import UsageError
from medacuity.metrics.opinion.mixed import fit_mixed
from medacuity.metrics.opinion.recovery import recover
from medacuity.study.ratings import Scale
from medacuity.study.report_grid import checks_failed, grid_of
from medacuity.study.report_pairs import pairs_of
from medacuity.study.report_raters import rater_findings
from medacuity.study.simulate import Panel, answer, simulate, simulate_choices

EXACT = Scale(-100, 100, (), 0)
METHODS = {"bicubic": 2.5, "srgan": 3.5, "original": 4.5}


def test_the_same_seed_gives_the_same():
    first, second = (simulate(Panel(), np.random.default_rng(3)) for _ in range(2))
    assert repr(first) == repr(second)


def test_without_any_spread_scores_are_the_quality():
    still = Panel(METHODS, 3, 2, 0, 0, 0, 0, 0)
    found = simulate(still, np.random.default_rng(0), scale=EXACT)
    assert {(r.method, r.score) for r in found.ratings.ratings} == set(METHODS.items())


def test_spreads_are_those_asked_for():
    panel = Panel(METHODS, 100, 40, case_spread=0.5, case_method_spread=0.3, bias=0.4, taste=0.2,
                  noise=0.7)  # fmt: skip
    found = simulate(panel, np.random.default_rng(1), scale=EXACT)
    parts = fit_mixed(*grid_of(found.ratings, "").long()).components
    spreads = [parts.case, parts.case_method, parts.rater, parts.rater_method, parts.residual]
    np.testing.assert_allclose(np.sqrt(spreads), [0.5, 0.3, 0.4, 0.2, 0.7], rtol=0.25)


def test_the_truth_is_recovered():
    found = simulate(Panel(METHODS, 40, 20, taste=0), np.random.default_rng(2), scale=EXACT)
    grid = grid_of(found.ratings, "")
    recovered = recover(grid.layers)
    truth = np.array([found.quality[name] for name in grid.stimuli])
    assert np.corrcoef(recovered.quality, truth)[0, 1] > 0.98
    bias = np.array([found.bias[name] for name in grid.raters])
    assert np.abs(recovered.bias - (bias - bias.mean())).max() < 0.2


@pytest.mark.parametrize("seed", range(5))
def test_the_inattentive_are_found_and_nobody_else(seed):
    panel = Panel(METHODS, 20, 20, inattentive=3, noise=0.5, checks=6)
    found = simulate(panel, np.random.default_rng(seed))
    grid = grid_of(found.ratings, "")
    raters = rater_findings(grid, recover(grid.layers), checks_failed(found.ratings))
    assert {r.name for r in raters if r.flags} == set(found.inattentive)


def test_repeats_gaps_and_checks():
    panel = Panel(METHODS, 20, 10, repeats=0.25, missing=0.2, checks=3)
    found = simulate(panel, np.random.default_rng(0)).ratings
    checks = {check.stimulus for check in found.checks}
    first = [r for r in found.ratings if r.repeat == 0 and r.stimulus not in checks]
    assert len(first) == pytest.approx(0.8 * 600, abs=40)
    assert len({r.stimulus for r in found.ratings if r.repeat}) <= 15
    assert len([r for r in found.ratings if r.stimulus in checks]) == 30
    assert all(r.score in range(1, 6) for r in found.ratings)


def test_strengths_are_recovered_from_choices():
    strengths = {"a": 0.0, "b": 0.7, "c": 1.4}
    choices = simulate_choices(strengths, np.random.default_rng(0), cases=60, raters=15)
    found = pairs_of(choices, "", seed=0)
    estimates = found.strengths.estimates()
    for estimate, truth in zip(estimates, np.array([0, 0.7, 1.4]) - 0.7, strict=True):
        assert estimate.value == pytest.approx(truth, abs=0.15)
    assert found.first_p > 0.001


@pytest.mark.parametrize(("meant", "given"), [(4.4, 4), (4.6, 5), (9, 5), (-2, 1), (1, 1)])
def test_answers_lie_on_the_scale(meant, given):
    assert answer(meant, Scale()) == given


@pytest.mark.parametrize(
    "panel",
    [Panel({}), Panel(cases=0), Panel(raters=0), Panel(repeats=2), Panel(missing=1),
     Panel(inattentive=11)],
)  # fmt: skip
def test_nonsense_is_refused(panel):
    with pytest.raises(UsageError):
        simulate(panel, np.random.default_rng(0))
