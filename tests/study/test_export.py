"""What was answered arrives at the analysis, once, with its method; training does not.

- Scores by rater, case, method and question; choices with both sides; repeats are numbered.
- An attention check judges the rater: passed is passed, among scores and among pairs.
- The table for spreadsheets has a row per answer and question, and no formula.
- The administrator's progress counts what is there.
"""

import csv
import io
import subprocess
import sys

import pytest
from making import Visitor, administrator, invitations, make_study

from medacuity.study.database import opened
from medacuity.study.export import answers, ratings_of
from medacuity.study.invite import status
from medacuity.study.order import Kind


def rate(folder, decide, *, raters=2):
    """Let raters answer everything, as ``decide`` says for a trial's position."""
    for secret in invitations(folder, raters):
        with Visitor(folder) as visitor:
            state = visitor.enter(secret)["state"]
            for position in range(state["total"]):
                assert visitor.answer(values=decide(position)).status_code == 200


def test_scores_arrive_with_case_and_method(tmp_path):
    study = make_study(
        tmp_path / "s", "acr-hr", methods=2, cases=3, training=("patient1",), repeats=2, checks=2
    )
    rate(tmp_path / "s", lambda position: {"q1": 1 + position % 5})
    found = ratings_of(tmp_path / "s")
    rated = [each for each in found.ratings if each.method]
    assert len(rated) == 2 * (3 * 2 + 2)
    assert {each.method for each in rated} == {"secret0", "secret1", "original"}
    assert {each.case for each in rated} == {"patient0", "patient2"}
    assert sum(each.repeat for each in rated) == 4
    assert found.reference == "original"
    assert found.scale.labels[-1] == "Excellent"
    assert {each.stimulus for each in rated} == {
        f"{case}/{method}" for case in study.cases for method in study.methods
    }
    assert all(each.seconds == 1.5 for each in rated)
    checks = [each for each in found.ratings if not each.method]
    assert len(checks) == 4
    assert {each.stimulus for each in checks} == {check.stimulus for check in found.checks}
    with opened(tmp_path / "s") as (_, engine), engine.connect() as connection:
        given = answers(connection, study)
    by_hand = {
        (each.rater, each.stimuli[0].case, each.stimuli[0].method, each.kind is Kind.REPEAT):
        each.answer["q1"]
        for each in given if each.kind in (Kind.RATING, Kind.REPEAT)
    }  # fmt: skip
    for each in rated:
        assert by_hand[each.rater, each.case, each.method, bool(each.repeat)] == each.score


@pytest.mark.parametrize("scale", ["pairwise", "forced-choice"])
def test_choices_arrive_with_both_sides(tmp_path, scale):
    study = make_study(tmp_path / "s", scale, methods=3, cases=3, checks=2, repeats=1)
    rate(tmp_path / "s", lambda position: {"q1": -1})  # always the left one
    found = ratings_of(tmp_path / "s")
    assert len(found.choices) == 2 * (9 + 1)
    assert all(each.chosen == each.first for each in found.choices)
    assert {each.case for each in found.choices} == set(study.cases)
    assert len({(each.first, each.second) for each in found.choices}) == 6
    assert len(found.ratings) == 4
    passed = {each.score for each in found.ratings}
    assert passed <= {0.0, 1.0}
    assert all((check.low, check.high) == (1.0, 1.0) for check in found.checks)
    with opened(tmp_path / "s") as (_, engine), engine.connect() as connection:
        checks = answers(connection, study, kind=Kind.CHECK)
    right = sum(each.stimuli[0].is_check for each in checks)
    assert sum(each.score for each in found.ratings) == right


def test_ties_and_several_questions(tmp_path):
    make_study(tmp_path / "s", "pairwise", methods=2, cases=2, questions=("Sharp?", "Clean?"))
    rate(tmp_path / "s", lambda position: {"q1": 0, "q2": 1}, raters=1)
    found = ratings_of(tmp_path / "s")
    assert found.questions == ("Sharp?", "Clean?")
    assert {each.chosen for each in found.choices if each.question == "Sharp?"} == {""}
    assert all(each.chosen == each.second for each in found.choices if each.question == "Clean?")


@pytest.mark.parametrize(("value", "passes"), [(0, True), (9, True), (50, False)])
def test_sliders_pass_near_the_end(tmp_path, value, passes):
    make_study(tmp_path / "s", "slider", methods=2, cases=2, checks=1)
    rate(tmp_path / "s", lambda position: {"q1": value}, raters=1)
    found = ratings_of(tmp_path / "s")
    (check,) = found.checks
    (given,) = [each for each in found.ratings if each.stimulus == check.stimulus]
    assert (check.low <= given.score <= check.high) is passes
    (rater,) = status(tmp_path / "s")["raters"]
    assert (rater["checks_passed"], rater["checks_seen"]) == (int(passes), 1)


def test_progress_counts_what_is_there(tmp_path):
    make_study(tmp_path / "s", methods=2, cases=3)
    first, _ = invitations(tmp_path / "s", 2)
    with Visitor(tmp_path / "s") as visitor:
        visitor.enter(first)
        for milliseconds in (1000, 9000, 2000, 4000):
            visitor.answer(milliseconds=milliseconds)
        visitor.say("/api/events", visitor.make_undo())
        chief = Visitor(visitor.app)
        chief.enter_administrator(administrator(tmp_path / "s"))
        shown = chief.get("/api/admin/progress").json()
    busy, idle = shown["raters"]
    assert (busy["answered"], busy["total"], busy["median_seconds"]) == (3, 6, 2.0)
    assert (idle["answered"], idle["last"], idle["median_seconds"]) == (0, None, None)
    assert (shown["answers"], shown["stimuli"], shown["trials"]) == (3, 6, 6)
    assert busy["last"] >= shown["started"]
    del shown["csrf"]
    assert status(tmp_path / "s") == shown


def test_the_table_has_every_answer(tmp_path):
    make_study(tmp_path / "s", "pairwise", methods=2, cases=3, questions=("=1+1", "b"))
    rate(tmp_path / "s", lambda position: {"q1": -1, "q2": 1}, raters=1)
    with Visitor(tmp_path / "s") as chief:
        chief.enter_administrator(administrator(tmp_path / "s"))
        reply = chief.get("/api/admin/ratings.csv")
    assert reply.headers["content-disposition"] == 'attachment; filename="ratings.csv"'
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert len(rows) == 3 * 2
    assert {row["question"] for row in rows} == {"'=1+1", "b"}
    assert {(row["left"], row["right"]) for row in rows} == {
        ("secret0", "secret1"), ("secret1", "secret0"),
    }  # fmt: skip


def test_the_analysis_gets_them_without_numpy(tmp_path):
    make_study(tmp_path / "s")
    code = (
        "import sys; from medacuity.study.export import ratings_of; ratings_of(sys.argv[1]);"
        "print(*[n for n in ('torch', 'numpy') if n in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "s")], check=True, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert run.stdout.split() == []
