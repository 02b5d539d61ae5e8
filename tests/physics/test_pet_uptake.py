"""Uptake is what the tables say, and people differ from it as much as they are meant to.

- Labels of both sides and of the middle become parts; unlabelled grey takes its nearest part.
- The mean person has the table's ratios; the spread between people is the tracer's, left and
  right share most of it, and structures do not share theirs.
- A lesion changes uptake inside its ball, and nowhere else; a seed decides everything.
"""

import numpy as np
import pytest
import torch

from medacuity.errors import UsageError
from medacuity.physics.pet_regions import CORTEX, PAIRS, STRUCTURES, part_of, parts_of, spread
from medacuity.physics.pet_uptake import (
    FDG,
    GREY,
    TRACERS,
    WHITE,
    Lesion,
    Person,
    Tracer,
    draw_person,
    uptake,
)


def people(tracer: Tracer, count: int = 800) -> list[Person]:
    rng = torch.Generator().manual_seed(0)
    return [draw_person(tracer, rng) for _ in range(count)]


def test_every_label_has_one_part_and_sides_are_told_apart():
    numbers = [n for pairs in PAIRS.values() for pair in pairs for n in pair]
    numbers += [n + side for rights in CORTEX.values() for n in rights for side in (0, 1)]
    assert len(numbers) == len(set(numbers))
    found = parts_of(np.array(numbers))
    assert set(found.tolist()) <= set(range(1, 2 * len(STRUCTURES) + 1))
    assert parts_of(np.array([57]))[0] == part_of("putamen", 0)
    assert parts_of(np.array([58]))[0] == part_of("putamen", 1)
    assert parts_of(np.array([0, 44, 51, 255])).tolist() == [0, 0, 0, 0]


def test_grey_without_a_label_takes_the_nearest():
    parts, grey = np.zeros((9, 9, 9), np.uint8), np.ones((9, 9, 9), bool)
    parts[1, 4, 4], parts[7, 4, 4], grey[0] = 3, 8, False
    filled = spread(parts, grey)
    assert filled[2, 4, 4] == 3
    assert filled[6, 0, 8] == 8
    assert not filled[0].any()
    assert np.array_equal(spread(np.zeros_like(parts), grey), np.zeros_like(parts))


@pytest.mark.parametrize("tracer", TRACERS.values(), ids=TRACERS)
def test_the_mean_person_has_the_ratios_of_the_table(tracer):
    tissues = np.full((1, 1, len(STRUCTURES) + 2), GREY)
    tissues[..., -1] = WHITE
    parts = np.zeros(tissues.shape, np.uint8)
    parts[0, 0, :-2] = [part_of(name, 0) for name in STRUCTURES]
    found = uptake(tissues, parts, tracer)[0, 0] / tracer.level
    assert found[:-2] == pytest.approx([tracer.structures.get(n, 1.0) for n in STRUCTURES])
    assert found[-2:] == pytest.approx([1.0, tracer.white])


def test_labels_overrule_brightness_in_the_deep_only():
    parts = np.array([[[part_of("thalamus", 1), part_of("precuneus", 1)]]], np.uint8)
    found = uptake(np.full((1, 1, 2), WHITE), parts, FDG)[0, 0]
    assert found == pytest.approx([9.0 * 1.05, 9.0 * 0.30])
    rim = uptake(np.ones((1, 1, 2), np.uint8), parts, FDG)[0, 0]
    assert rim == pytest.approx([9.0 * (1.05 + 0.05) / 2, 9.0 * (1.12 + 0.05) / 2])


def test_people_differ_as_they_are_meant_to():
    drawn = people(FDG)
    scales = np.array([person.scale for person in drawn])
    factors = np.array([person.factors for person in drawn])
    assert scales.mean() == pytest.approx(1, abs=0.02)
    assert scales.std() / scales.mean() == pytest.approx(0.18, rel=0.08)
    assert (factors.std(0) / factors.mean(0)).mean() == pytest.approx(0.06, rel=0.05)
    both = np.corrcoef(factors[:, part_of("putamen", 0)], factors[:, part_of("putamen", 1)])[0, 1]
    other = np.corrcoef(factors[:, part_of("putamen", 0)], factors[:, part_of("caudate", 0)])[0, 1]
    assert both == pytest.approx(0.8, abs=0.05)
    assert abs(other) < 0.1


def test_the_ratio_of_two_structures_varies_as_was_measured():
    """Pons over cerebellum: 8.3 % between people (Jansen et al. 2014)."""
    factors = np.array([person.factors for person in people(FDG)])
    pons = factors[:, part_of("brain stem", 0)]
    cerebellum = factors[:, [part_of("cerebellum", side) for side in (0, 1)]].mean(1)
    ratio = pons / cerebellum
    assert ratio.std() / ratio.mean() == pytest.approx(0.083, rel=0.1)


def test_a_seed_decides_everything():
    a, b, c = (draw_person(FDG, torch.Generator().manual_seed(n)) for n in (3, 3, 4))
    assert a == b
    assert a != c


def test_a_lesion_is_a_ball_and_nothing_else():
    tissues, parts = np.full((20, 20, 20), GREY), np.zeros((20, 20, 20), np.uint8)
    lesion = Lesion((10, 10, 10), radius=4.0, ratio=2.5)
    before, after = (
        uptake(tissues, parts, FDG, Person(lesions=lesions), spacing=(1.0, 1.0, 2.0))
        for lesions in ((), (lesion,))
    )
    changed = after != before
    assert after[10, 10, 10] == pytest.approx(2.5 * before[10, 10, 10])
    assert changed[14, 10, 10]
    assert changed[10, 10, 12]
    assert not changed[15, 10, 10]
    assert not changed[10, 10, 13]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Tracer("x", 1.0, white=0.3, csf=0.0, structures={"pineal": 2.0}), "pineal"),
        (lambda: Tracer("x", -1.0, white=0.3, csf=0.0), ">= 0"),
        (lambda: uptake(np.ones((2, 2, 2), int), np.ones((2, 2, 1), np.uint8), FDG), "one grid"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(call, words):
    with pytest.raises(UsageError, match=words):
        call()
