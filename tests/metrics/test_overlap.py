"""Dice: the closed form, another implementation, and what an empty class means.

- Two boxes that overlap by a known share have the Dice of the formula.
- ``1 - scipy.spatial.distance.dice`` on random maps, for every class.
- Neither has the class: 1; one alone has it: 0. Each image has its own figure.
- Other shapes are refused.
"""

import pytest
import torch
from scipy.spatial.distance import dice as dissimilarity

from medacuity.errors import UsageError
from medacuity.metrics.overlap import dice, dices


@pytest.mark.parametrize("dims", [2, 3])
def test_boxes(dims):
    a, b = (torch.zeros(1, *[20] * dims, dtype=torch.long) for _ in range(2))
    a[:, 2:12] = 1
    b[:, 7:17] = 1  # both 10 thick, 5 of them shared
    assert float(dice(a, b, label=1)) == 0.5
    assert float(dice(a, a, label=1)) == 1.0


def test_against_scipy():
    rng = torch.Generator().manual_seed(0)
    a, b = (torch.randint(0, 4, (3, 9, 11), generator=rng) for _ in range(2))
    found = dices(a, b, classes=4)
    assert found.shape == (3, 3)
    for image in range(3):
        for label in (1, 2, 3):
            theirs = 1 - dissimilarity(
                (a[image] == label).flatten().numpy(), (b[image] == label).flatten().numpy()
            )
            assert float(found[image, label - 1]) == pytest.approx(theirs, abs=1e-12)


def test_empty_classes():
    nothing, something = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4)
    something[0, 1] = 2
    assert float(dice(nothing, nothing, label=2)) == 1.0
    assert float(dice(nothing, something, label=2)) == 0.0
    assert float(dice(something, nothing, label=2)) == 0.0


def test_other_shapes_are_refused():
    with pytest.raises(UsageError, match="one shape"):
        dice(torch.zeros(1, 4), torch.zeros(1, 5), label=1)
