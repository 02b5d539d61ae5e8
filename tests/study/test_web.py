"""The server keeps what raters say: once, in order, acknowledged when it is on disk.

- An invitation lets in; a rater gets the next trials, and none beyond; slices come as bytes of
  one length for all methods of a case.
- An answer counts once, however often it is sent; out of order, from another tab or about
  another trial it is refused, and the page is told where the rater is.
- An undo takes back the last answer, and the next; the log keeps both.
- Nothing that a rater gets names a method, a case, a file or the kind of a trial.
- The server loads neither torch nor numpy, and starts in under a second.
"""

import json
import resource
import subprocess
import sys
import uuid

import pytest
from making import Visitor, invitations, make_study
from sqlalchemy import select

from medacuity.study import rating_api
from medacuity.study.database import opened
from medacuity.study.schema import event, rating
from medacuity.study.web import create_app


@pytest.fixture
def folder(tmp_path):
    make_study(tmp_path / "study", training=("patient0",), repeats=2, checks=1)
    return tmp_path / "study"


@pytest.fixture
def rater(folder):
    (secret,) = invitations(folder, 1)
    with Visitor(folder) as visitor:
        visitor.secret = secret
        visitor.first = visitor.enter(secret)
        yield visitor


def stored(folder, table):
    with opened(folder) as (_, engine), engine.connect() as connection:
        return connection.execute(select(table)).all()


def test_a_rater_enters_and_is_told_the_study(rater):
    found = rater.get("/api/session").json()
    assert found == rater.first
    assert found["study"]["title"] == "A <b>study</b>"
    assert [choice["key"] for choice in found["study"]["items"][0]["choices"]] == list("54321")
    state = found["state"]
    assert (state["position"], state["sequence"], state["undoable"]) == (0, 0, None)
    assert (state["total"], state["training"]) == (1 + 9 + 2 + 1, 1)


def test_an_unknown_invitation_is_refused(folder):
    with Visitor(folder) as visitor:
        reply = visitor.post("/api/session", json={"token": "x" * 43})
        assert (reply.status_code, reply.json()["error"]) == (401, "invitation")
        assert visitor.get("/api/session").status_code == 401
        assert visitor.get("/rate").headers["location"] == "/join"


def test_trials_are_given_out_a_little_ahead(rater, monkeypatch):
    monkeypatch.setattr(rating_api, "AHEAD", 8)  # the study of this test is a short one
    given = rater.get("/api/trials?from=0&count=8").json()["trials"]
    assert [trial["position"] for trial in given] == list(range(8))
    assert given[0]["training"]
    assert not given[1]["training"]
    assert rater.get("/api/trials?from=8&count=8").json()["trials"] == []
    assert rater.answer().status_code == 200
    again = rater.get("/api/trials?from=0&count=8").json()["trials"]
    assert again == given
    assert len(rater.get("/api/trials?from=8&count=8").json()["trials"]) == 1
    assert rater.get("/api/trials?from=-1&count=x").status_code == 400


def test_slices_come_as_bytes_of_one_length(rater):
    for trial in rater.get("/api/trials?from=0&count=8").json()["trials"]:
        image = trial["image"]
        assert image["bytes"] == 2 * image["slices"] * image["rows"] * image["columns"]
        place = f"/api/stimuli/{trial['panels'][0]['stimulus']}"
        whole = rater.get(place)
        assert len(whole.content) == image["bytes"] == int(whole.headers["content-length"])
        assert whole.headers["content-type"] == "application/octet-stream"
        assert not {"etag", "last-modified", "content-encoding"} & set(whole.headers)
        parts = [rater.get(f"{place}/{n}").content for n in range(image["slices"])]
        assert b"".join(parts) == whole.content
        assert rater.get(f"{place}/{image['slices']}").status_code == 404
    assert rater.get("/api/stimuli/AAAAAAAAAAAAAAAAAAAAAA").status_code == 404


def test_an_answer_counts_once_however_often_it_is_sent(rater, folder):
    body = rater.make_answer()
    first = rater.say("/api/events", body)
    for _ in range(3):
        again = rater.say("/api/events", body)
        assert again.status_code == 200
        assert again.json() == first.json()
    assert rater.answer(4).status_code == 200
    assert rater.say("/api/events", body).json()["state"]["position"] == 2
    assert len(stored(folder, event)) == len(stored(folder, rating)) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 1}, {"sequence": 3}, {"sequence": 0}, {"trial": "A" * 22},
        {"event": "undo", "trial": "A" * 22},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_out_of_order_is_refused_and_the_page_told(rater, folder, change):
    assert rater.answer().status_code == 200
    body = rater.make_answer(**change) if "event" not in change else rater.make_undo(**change)
    reply = rater.say("/api/events", body)
    assert (reply.status_code, reply.json()["error"]) == (409, "conflict")
    assert reply.json()["state"] == rater.state()
    assert len(stored(folder, event)) == 1


def test_two_tabs_cannot_both_answer(rater, folder):
    mine, other = rater.make_answer(5), rater.make_answer(1)
    assert rater.say("/api/events", mine).status_code == 200
    assert rater.say("/api/events", other).status_code == 409
    assert [json.loads(row.answer) for row in stored(folder, rating)] == [{"q1": 5}]


def test_a_key_used_for_something_else_is_refused(rater):
    body = rater.make_answer(5)
    assert rater.say("/api/events", body).status_code == 200
    assert rater.say("/api/events", {**body, "values": {"q1": 1}}).status_code == 409


def test_answers_are_taken_back_one_by_one(rater, folder):
    for value in (1, 2, 3):
        assert rater.answer(value).status_code == 200
    undo = rater.make_undo()
    for _ in range(2):
        assert rater.say("/api/events", undo).status_code == 200
    assert rater.say("/api/events", rater.make_undo()).status_code == 200
    assert rater.state()["position"] == 1
    assert rater.answer(5).status_code == 200
    assert [json.loads(row.answer)["q1"] for row in stored(folder, rating)] == [1, 5]
    assert [row.event for row in stored(folder, event)] == ["answer"] * 3 + ["undo"] * 2 + [
        "answer"
    ]


def test_nothing_can_be_undone_twice_or_before_the_first(rater):
    undo = {"key": str(uuid.uuid4()), "sequence": 1, "event": "undo", "trial": "A" * 22}
    assert rater.say("/api/events", undo).status_code == 409
    trial = rater.open_trial()["trial"]
    assert rater.answer().status_code == 200
    assert rater.say("/api/events", rater.make_undo()).status_code == 200
    again = {**undo, "sequence": 3, "trial": trial}
    assert rater.say("/api/events", again).status_code == 409


def test_a_study_ends_and_resumes_anywhere(rater, folder):
    total = rater.state()["total"]
    for n in range(total - 1):
        assert rater.answer(1 + n % 5).status_code == 200
    with Visitor(folder) as tomorrow:
        assert tomorrow.enter(rater.secret)["state"]["position"] == total - 1
        reply = tomorrow.answer().json()
        assert reply["state"]["finished"]
        assert tomorrow.get(f"/api/trials?from={total}&count=1").json()["trials"] == []
        assert tomorrow.make_undo()["trial"] is not None


NO_ANSWERS = (
    {"values": {"q1": 6}}, {"values": {"q1": 0}}, {"values": {"q1": True}},
    {"values": {"q1": "5"}}, {"values": {"q1": None}}, {"values": {}}, {"values": []},
    {"values": {"q1": 3, "q2": 3}}, {"values": {"q1": 1.5}}, {"values": {"q1": 1e400}},
    {"key": "1"}, {"key": None}, {"key": "g" * 36}, {"sequence": -1}, {"sequence": 1.0},
    {"sequence": True}, {"sequence": 2**31}, {"event": "drop"}, {"event": None}, {"event": []},
    {"trial": ""}, {"trial": "' OR 1=1 --"}, {"trial": "x" * 40}, {"trial": 7},
    {"milliseconds": -1}, {"milliseconds": 86400001}, {"milliseconds": None}, {"more": 1},
)  # fmt: skip
NO_OBJECTS = ("", "[]", "null", "{", '"x"', "[" * 9000, '{"a":' * 3000, "\xff", "1" * 5000)


def test_what_is_no_answer_is_refused_and_leaves_nothing(rater, folder):
    bodies = [json.dumps(rater.make_answer(**change)) for change in NO_ANSWERS]
    for body in (*bodies, *NO_OBJECTS):
        reply = rater.post("/api/events", content=body, headers={"X-CSRF-Token": rater.csrf})
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid"), body
    assert stored(folder, event) == []


def test_several_items_and_sliders_and_pairs_are_answered(tmp_path):
    for scale, values, wrong in (
        ("likert", {"q1": 1, "q2": 5}, {"q1": 1}),
        ("slider", {"q1": 100, "q2": 0}, {"q1": 100.5, "q2": 0}),
        ("pairwise", {"q1": 0, "q2": -1}, {"q1": 2, "q2": 0}),
        ("forced-choice", {"q1": 1, "q2": -1}, {"q1": 0, "q2": 1}),
        ("dcr", {"q1": 5, "q2": 1}, {"q1": 5, "q2": 7}),
    ):
        folder = tmp_path / scale
        make_study(folder, scale, questions=("Sharp?", "Free of noise?"))
        (secret,) = invitations(folder, 1)
        with Visitor(folder) as visitor:
            visitor.enter(secret)
            assert len(visitor.open_trial()["panels"]) == (
                1 if scale in ("likert", "slider") else 2
            )
            assert visitor.answer(values=wrong).status_code == 400
            assert visitor.answer(values=values).status_code == 200


def test_nothing_tells_the_method(rater):
    seen, kinds = "", set()
    for _ in range(13):
        seen += json.dumps(rater.get("/api/session").json())
        given = rater.get("/api/trials?from=0&count=8").json()["trials"]
        kinds |= {tuple(sorted(trial)) for trial in given if not trial["training"]}
        seen += json.dumps(given)
        rater.answer()
    for word in ("secret0", "secret1", "patient", "check", "repeat", "method", "rating"):
        assert word not in seen
    assert len(kinds) == 1


def test_every_showing_has_tokens_of_its_own(folder):
    tokens = []
    with Visitor(folder) as visitor:
        for secret in invitations(folder, 3):
            visitor.enter(secret)
            for _ in range(13):
                trial = visitor.open_trial()
                tokens += [trial["trial"], *(panel["stimulus"] for panel in trial["panels"])]
                visitor.answer()
    assert len(tokens) == len(set(tokens)) == 3 * 13 * 2
    assert all(len(token) >= 22 for token in tokens)


def test_anchors_are_explained_while_the_scale_is_learnt(tmp_path):
    make_study(tmp_path / "s", "acr-hr", training=("patient1",))
    (secret,) = invitations(tmp_path / "s", 1)
    with Visitor(tmp_path / "s") as visitor:
        visitor.enter(secret)
        given = visitor.get("/api/trials?from=0&count=8").json()["trials"]
    assert [trial["hint"] for trial in given[:3]] == ["An example of: Excellent", None, None]


def test_the_title_is_escaped(rater):
    assert "A <b>study</b>" not in rater.get("/rate").text
    assert "&lt;b&gt;" in rater.get("/join").text


def test_the_server_loads_nothing_heavy_and_starts_in_a_second(folder):
    code = (
        "import sys, medacuity.study.serve as s; s.create_app(sys.argv[1]).state.service.close();"
        "print(*[n for n in ('torch', 'numpy', 'scipy', 'PIL', 'pydicom') if n in sys.modules])"
    )
    before = children_seconds()
    run = subprocess.run(
        [sys.executable, "-c", code, str(folder)], check=True, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert run.stdout.split() == []
    assert children_seconds() - before < 1.0


def children_seconds():
    """Return the processor time of ended children: how long a start takes on a free machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_lifespan_closes_what_was_opened(folder):
    app = create_app(folder)
    with Visitor(app) as visitor:
        assert visitor.get("/join").status_code == 200
    assert not app.state.service.writer.thread.is_alive()
