"""The family on MRI is comparable: one network, four tasks, and nothing else differs.

- Every network that a weight file may name and that enlarges is in it, for the same four tasks.
- Within a task the recipes differ in the network, its rate, and the words for them only.
- In 3D every network has half the features it has in 2D; only AcuityNet changes otherwise.
- Patches cover the same piece of the truth at every factor.
- Every one of them can take a step, and its output is as large as the target.
"""

import math
from dataclasses import fields

import pytest
import torch

from medacuity.models import NETWORKS
from medacuity.training.learners.descent import cosine
from medacuity.training.learners.supervised import Batch
from medacuity.training.recipes import RECIPES
from medacuity.training.recipes.family import FAMILY
from medacuity.training.recipes.family import RECIPES as ALL

TASKS = {"2d-x2": (2, 2), "2d-x3": (3, 3), "2d-x4": (4, 4), "3d-x2": (2, 2, 2)}
FEATURES = {"width", "widths", "features", "shrunk"}
ENLARGING = [name for name in NETWORKS if name != "REDCNN"]  # which takes noise out of CT
DIFFER = {"name", "model", "learner", "task"}


def recipes_of(task: str) -> list:
    return [RECIPES[f"{name.lower()}-mri-{task}"] for name in ENLARGING]


def test_every_network_is_there_for_every_task():
    names = {f"{name.lower()}-mri-{task}" for name in ENLARGING for task in TASKS}
    assert {recipe.name for recipe in ALL} == names
    assert len(ALL) == len(names)


@pytest.mark.parametrize("task", TASKS)
def test_recipes_of_a_task_differ_in_the_network_alone(task):
    first, *others = recipes_of(task)
    for other in others:
        for field in fields(first):
            # Degradations are partials: equal when function and arguments are.
            a, b = (_plain(getattr(recipe, field.name)) for recipe in (first, other))
            assert field.name in DIFFER or a == b, (other.name, field.name)


@pytest.mark.parametrize("task", TASKS)
def test_all_learn_alike_but_for_the_rate(task):
    learners = [recipe.learner for recipe in recipes_of(task)]
    assert len({learner.keywords["objective"].keywords["loss"] for learner in learners}) == 1
    for learner in learners:
        descent = learner.keywords["descent"]
        assert descent.schedule.func is cosine
        assert {**descent.optimiser.keywords, "rate": 0} == {"rate": 0}


def _plain(value):
    return (value.func, value.keywords) if hasattr(value, "func") else value


@pytest.mark.parametrize("name", ENLARGING)
def test_volumes_have_half_the_features_of_slices(name):
    flat, deep = (RECIPES[f"{name.lower()}-mri-{t}"].model.keywords for t in ("2d-x2", "3d-x2"))
    own = {"scale", "dims"} | ({"blocks"} if name == "AcuityNet" else set())
    assert flat.keys() == deep.keys()
    for key in flat.keys() - own:
        assert deep[key] == (_half(flat[key]) if key in FEATURES else flat[key]), key


def _half(count):
    return tuple(n // 2 for n in count) if isinstance(count, tuple) else count // 2


@pytest.mark.parametrize("task", TASKS)
def test_task_is_what_its_name_says(task):
    scale = TASKS[task]
    for recipe in recipes_of(task):
        assert recipe.scale == scale
        assert recipe.dims == len(scale)
        assert recipe.degrade.keywords["factor"] == scale
        covered = {n * s for n, s in zip(recipe.patch, scale, strict=True)}
        assert covered == {96 if len(scale) == 2 else 48}


@pytest.mark.parametrize("recipe", ALL, ids=lambda recipe: recipe.name)
def test_takes_a_step(recipe):
    torch.manual_seed(0)
    learner = recipe.learner(recipe.model(), steps=4, half=False)
    given = torch.rand(2, 1, *[6] * recipe.dims)
    target = torch.rand(2, 1, *(6 * s for s in recipe.scale))
    logged = learner.step(Batch(given, target))
    assert math.isfinite(logged["loss"])
    assert not logged["skipped"]
    with torch.no_grad():
        assert learner.model(given).shape == target.shape


def test_rates_are_the_only_choice_per_network():
    for member in FAMILY:
        for task in TASKS:
            recipe = RECIPES[f"{member.network.__name__.lower()}-mri-{task}"]
            optimiser = recipe.learner.keywords["descent"].optimiser
            assert optimiser.keywords["rate"] == member.rate
