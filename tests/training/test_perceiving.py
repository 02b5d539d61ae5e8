"""Lessons depend on their number alone; a short course puts damages in order, heads stay behind.

Checked on phantoms: versions are what they are said to be, an unlabelled scan teaches no tissue,
training resumes bit for bit, and a run by the recipe ends with a file that loads.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from training_makers import save_scans

from medacuity.checkpoint import load_weights
from medacuity.models import FeatureNet
from medacuity.training.damages import HARM
from medacuity.training.learners.descent import adam
from medacuity.training.learners.perceiving import (
    UNKNOWN,
    Lesson,
    Perceiving,
    Pupil,
    in_order,
    tasks,
)
from medacuity.training.lessons import Lessons, lesson
from medacuity.training.prepare import prepare
from medacuity.training.recipes import RECIPES
from medacuity.training.session import Wish, begin

RECIPE = replace(
    RECIPES["features-mri-2d"],
    model=partial(FeatureNet, dims=2, channels=1, widths=(4, 6, 8, 8)),
    patch=(32, 32), batch=4, steps=4, variants=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    prepare(RECIPE, save_scans(folder / "scans"), folder / "arrays")
    return folder / "arrays"


def network(dims: int = 2) -> FeatureNet:
    torch.manual_seed(0)
    return FeatureNet(dims=dims, widths=(4, 6, 8, 8))


def learner(steps: int = 8, **given) -> Perceiving:
    return Perceiving(network(), kinds=len(HARM), steps=steps, descent=adam(3e-3), **given)


def lessons(arrays, split: str = "train") -> Lessons:
    return Lessons(arrays, split, patch=RECIPE.patch, seed=0)


def test_a_lesson_depends_on_its_number_alone(arrays):
    one, again, other = (lessons(arrays).batch(n, 4) for n in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not torch.equal(one.input, other.input)


@pytest.mark.parametrize("size", [(32, 32), (16, 16, 16)])
def test_versions_are_what_they_are_said_to_be(size):
    x = torch.rand(24, 1, *size) * 0.6 + 0.2
    known = torch.full_like(x, UNKNOWN)
    made = lesson(x, known, torch.Generator().manual_seed(0))
    assert all(version.shape == x.shape for version in made[:5])

    def error(y):
        return (y - made.input).square().flatten(1).mean(1)

    assert (error(made.milder) < error(made.worse)).all()
    ratio = error(made.harmless) / error(made.worse)
    assert ratio.median() < 4
    assert set(made.kind.tolist()) <= set(range(len(HARM)))
    local = [name in ("vanishing", "lesion") for name in HARM]
    assert made.local.tolist() == [float(local[kind]) for kind in made.kind]


def test_an_unlabelled_scan_teaches_no_tissue(arrays):
    batch = lessons(arrays).batch(0, 4)
    pupil = Pupil(network(), kinds=len(HARM))
    assert (batch.tissue == UNKNOWN).all()
    assert float(tasks(pupil, batch)["tissue"].detach()) == 0
    labelled = batch._replace(tissue=torch.randint(4, batch.tissue.shape).float())
    assert float(tasks(pupil, labelled)["tissue"].detach()) > 0.5


def test_tasks_in_3d_as_in_2d():
    x = torch.rand(2, 1, 16, 16, 16)
    batch = lesson(x, torch.zeros_like(x), torch.Generator().manual_seed(0))
    costs = tasks(Pupil(network(3), kinds=len(HARM)), batch)
    assert all(torch.isfinite(cost) for cost in costs.values())


def test_a_short_course_lowers_the_cost(arrays):
    taught, course = learner(16), lessons(arrays)
    batch = course.batch(0, 4)
    logged = [taught.step(batch)["loss"] for _ in range(16)]
    assert np.mean(logged[-3:]) < 0.9 * logged[0]
    assert min(in_order(taught.networks[0], batch).values()) >= 0


def test_it_resumes_bit_for_bit(arrays):
    course = lessons(arrays)
    whole, first, second = learner(), learner(), learner()
    for n in range(4):
        whole.step(course.batch(n, 2))
    for n in range(2):
        first.step(course.batch(n, 2))
    second.load_state_dict(first.state_dict())
    for n in range(2, 4):
        second.step(course.batch(n, 2))
    states = (taught.state_dict()["model"] for taught in (whole, second))
    assert all(torch.equal(a, b) for a, b in zip(*(s.values() for s in states), strict=True))


def test_the_heads_stay_behind():
    taught = learner()
    assert [type(kept) for kept in taught.networks] == [FeatureNet]
    assert isinstance(taught.networks[0], FeatureNet)
    assert set(taught.networks[0].state_dict()) == set(network().state_dict())


@pytest.mark.slow
def test_a_run_by_the_recipe_ends_with_a_file_that_loads(tmp_path, monkeypatch):
    save_scans(tmp_path / "scans")
    monkeypatch.setitem(RECIPES, RECIPE.name, RECIPE)
    path = begin(
        tmp_path / "run", Wish(RECIPE.name, data=tmp_path / "scans"), report=lambda *_: None
    )
    trained = load_weights(path)
    assert trained.card.network == "FeatureNet"
    assert 0 <= trained.card.training["validation_order"] <= 1
    assert (tmp_path / "run" / "validation.png").stat().st_size > 1000


def test_tissues_beside_a_scan_are_found(tmp_path):
    for name in ("one_T1.nii.gz", "one_tissues.nii.gz", "two_T1.nii.gz"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "cases.csv").write_text(
        "path,patient,split,licence\none_T1.nii.gz,a,train,x\ntwo_T1.nii.gz,b,train,x\n"
    )
    one, two = RECIPES["features-mri-2d"].find(tmp_path, None)
    assert one.target == tmp_path / "one_tissues.nii.gz"
    assert two.target is None


def test_the_lesson_is_what_it_was_said_to_hold():
    assert Lesson._fields[:5] == ("input", "milder", "worse", "harmless", "noisy")
