"""Orders are balanced, blind to what was made how, and decided by the seed alone.

- Every rater sees every version of every case once, and in each part of the session every
  version equally often; over raters, every version of every case in every round.
- No case comes twice in a row where there are two cases or more.
- Methods follow each other about equally often; sides of pairs are exchanged by halves.
- Repeats come after what they repeat; checks are spread; training comes first.
- The same seed gives the same orders, whatever process asks.
"""

from collections import Counter
from itertools import pairwise

import pytest
from making import make_design

from medacuity.study.order import Kind, plan, treatments, williams


def case_of(study, trial):
    return study.stimuli[trial.stimuli[-1]].case


def done_to(study, trial):
    return tuple(sorted(study.stimuli[n].method for n in trial.stimuli))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 10])
def test_williams_squares_are_balanced(n):
    rows = williams(n)
    assert len(rows) == (n if n % 2 == 0 else 2 * n)
    for column in zip(*rows, strict=True):
        assert set(Counter(column).values()) == {len(rows) // n}
    follows = Counter(pair for row in rows for pair in pairwise(row))
    assert len(follows) == n * (n - 1)
    assert len(set(follows.values())) <= 1


@pytest.mark.parametrize(
    ("scale", "methods", "cases"),
    [("acr", 4, 12), ("acr", 5, 6), ("dcr", 3, 7), ("slider", 2, 2), ("pairwise", 4, 6),
     ("forced-choice", 3, 5), ("acr", 6, 2), ("likert", 2, 30)],
)  # fmt: skip
def test_orders_are_balanced(scale, methods, cases):
    study = make_design(scale, methods=methods, cases=cases)
    ways = len(treatments(study))
    raters = len(williams(ways))
    rounds, sides = Counter(), Counter()
    for number in range(raters):
        trials = plan(study, number)
        assert len({trial.stimuli for trial in trials}) == len(trials) == ways * cases
        names = [case_of(study, trial) for trial in trials]
        assert all(one != other for one, other in pairwise(names))
        for turn in range(ways):
            part = trials[turn * cases : (turn + 1) * cases]
            assert len({case_of(study, trial) for trial in part}) == cases
            counts = Counter(done_to(study, trial) for trial in part)
            assert max(counts.values()) - min(counts.values() if len(counts) == ways else [0]) <= 1
            for trial in part:
                rounds[case_of(study, trial), done_to(study, trial), turn] += 1
                sides[study.stimuli[trial.stimuli[0]].method, len(trial.stimuli)] += 1
    assert set(rounds.values()) == {raters // ways}
    if scale in ("pairwise", "forced-choice") and raters % 2 == 0:
        assert len(set(sides.values())) == 1


def test_no_method_has_a_usual_predecessor():
    study = make_design(methods=6, cases=18)
    follows = Counter()
    for number in range(24):
        trials = plan(study, number)
        follows.update(pairwise(done_to(study, trial) for trial in trials))
    counts = [count for (one, other), count in follows.items() if one != other]
    assert len(counts) == 30
    assert max(counts) < 1.7 * min(counts)
    assert sum(count for (one, other), count in follows.items() if one == other) < 0.02 * sum(
        counts
    )


def test_some_rounds_are_balanced_too():
    study = make_design(methods=5, cases=10, rounds=2)
    seen = Counter()
    for number in range(10):
        trials = plan(study, number)
        assert len(trials) == 20
        assert set(Counter(case_of(study, trial) for trial in trials).values()) == {2}
        seen.update((case_of(study, trial), done_to(study, trial)) for trial in trials)
    assert set(seen.values()) == {4}


@pytest.mark.parametrize("scale", ["acr", "pairwise", "dcr"])
@pytest.mark.parametrize("repeats", [1, 5, 24])
def test_repeats_come_later(scale, repeats):
    study = make_design(scale, methods=4, cases=6, repeats=repeats)
    for number in range(8):
        trials = plan(study, number)
        again = [n for n, trial in enumerate(trials) if trial.kind is Kind.REPEAT]
        assert len(again) == repeats
        for n in again:
            same = {trials[n].stimuli, trials[n].stimuli[::-1]} if scale == "pairwise" else {
                trials[n].stimuli
            }  # fmt: skip
            (first,) = [
                m for m, trial in enumerate(trials)
                if trial.kind is Kind.RATING and trial.stimuli in same
            ]  # fmt: skip
            assert first < n
            if repeats < 10:
                assert n - first > 2
            if scale == "pairwise":
                assert trials[first].stimuli == trials[n].stimuli[::-1]


@pytest.mark.parametrize("scale", ["acr", "dcr", "pairwise"])
def test_checks_are_spread_and_training_comes_first(scale):
    study = make_design(
        scale, methods=3, cases=8, checks=4, training=("patient2", "patient5"), repeats=3
    )
    for number in range(6):
        trials = plan(study, number)
        kinds = [trial.kind for trial in trials]
        learnt = kinds.count(Kind.TRAINING)
        assert learnt >= 2
        assert set(kinds[:learnt]) == {Kind.TRAINING}
        assert {case_of(study, t) for t in trials[:learnt]} == {"patient2", "patient5"}
        assert not {case_of(study, t) for t in trials[learnt:]} & {"patient2", "patient5"}
        places = [n for n, kind in enumerate(kinds) if kind is Kind.CHECK]
        assert len(places) == 4
        assert places[0] > learnt
        assert min(b - a for a, b in pairwise(places)) > 1
        assert all(study.stimuli[max(trials[n].stimuli)].is_check for n in places)


def test_the_seed_decides():
    one, two = (make_design(methods=4, cases=9, seed=seed, repeats=3) for seed in (1, 2))
    assert plan(one, 5) == plan(one, 5)
    assert plan(one, 5) != plan(two, 5)
    assert plan(one, 5) != plan(one, 6)


def test_a_single_case_is_shown_all_the_same():
    study = make_design(methods=3, cases=1, repeats=2)
    assert len(plan(study, 0)) == 5


def test_the_order_of_a_seed_stays_what_it_was():
    """Raters who were invited keep their trials in the database; new ones get these."""
    study = make_design(methods=3, cases=3, seed=7)
    shown = [study.stimuli[trial.stimuli[0]] for trial in plan(study, 1)]
    assert " ".join(f"{s.case[-1]}{s.method[-1]}" for s in shown) == FROZEN


FROZEN = "10 21 02 12 20 01 11 22 00"
