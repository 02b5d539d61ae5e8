"""``study.json`` holds a study and nothing else; scales take what is an answer, nothing else."""

import json

import pytest
from making import make_design, make_study

from medacuity.errors import MalformedInput, StorageError, UsageError
from medacuity.study.design import from_json, load, to_json
from medacuity.study.scales import SCALES, items_for


@pytest.mark.parametrize("scale", SCALES)
def test_a_study_survives_being_written(scale):
    study = make_design(scale, checks=2, training=("patient1",), repeats=1, seed=3)
    assert from_json(to_json(study)) == study


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.pop("items"), lambda v: v.update(more=1), lambda v: v.update(format=2),
        lambda v: v.update(layout="odd"), lambda v: v["stimuli"].pop(),
        lambda v: v["stimuli"][0].update(file="../../etc/passwd"),
        lambda v: v["stimuli"][0].update(case="nobody"),
        lambda v: v["images"]["patient0"].update(rows=0),
        lambda v: v["images"]["patient0"].update(rows="many"),
        lambda v: v["images"]["patient0"].pop("rows"), lambda v: v["items"].clear(),
        lambda v: v.update(training=list(v["images"])), lambda v: v.update(images=[]),
    ],
)  # fmt: skip
def test_what_is_no_study_is_refused(change):
    values = json.loads(to_json(make_design()))
    change(values)
    with pytest.raises(MalformedInput, match=r"study\.json is no study"):
        from_json(json.dumps(values))


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "[" * 10**5, "\xff", '{"format": 1}'])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(MalformedInput):
        from_json(text)


def test_a_folder_without_a_study_is_named(tmp_path):
    with pytest.raises(StorageError, match="holds no study"):
        load(tmp_path)
    assert load(make_at(tmp_path)).title == "A <b>study</b>"


def make_at(folder):
    make_study(folder / "study")
    return folder / "study"


@pytest.mark.parametrize(
    ("scale", "good", "bad"),
    [
        ("acr", (1, 5, 3.0), (0, 6, 2.5, "3", None, True, float("nan"), [3], {})),
        ("dcr", (1, 5), (0, 6)),
        ("pairwise", (-1, 0, 1), (2, 0.5)),
        ("forced-choice", (-1, 1), (0,)),
        ("slider", (0, 100, 50), (-1, 101, 0.5, float("inf"), float("nan"), "5")),
        ("likert", (1, 5), (0, 6)),
    ],
)
def test_scales_accept_answers_only(scale, good, bad):
    (item,) = items_for(scale)
    assert all(item.accepts(value) for value in good)
    assert not any(item.accepts(value) for value in bad)


def test_words_of_grades_can_be_others():
    (item,) = items_for("likert", ["Sharp?"], ["no", "a little", "yes"])
    assert [(c.value, c.label, c.key) for c in item.choices] == [
        (1, "no", "1"), (2, "a little", "2"), (3, "yes", "3"),
    ]  # fmt: skip
    (item,) = items_for("slider", labels=["awful", "superb"])
    assert (item.slider.left, item.slider.right) == ("awful", "superb")
    assert items_for("acr")[0].scale.labels == ("Bad", "Poor", "Fair", "Good", "Excellent")


@pytest.mark.parametrize(
    ("scale", "questions", "labels"),
    [("acr", (), ("a", "b")), ("slider", (), ("a",)), ("odd", (), ()), ("acr", (" ",), ()),
     ("likert", (), ("a",) * 10), ("acr", ("?",) * 21, ())],
)  # fmt: skip
def test_wrong_scales_are_named(scale, questions, labels):
    with pytest.raises(UsageError):
        items_for(scale, questions, labels)
