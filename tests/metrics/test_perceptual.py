"""The perceptual distance by hand, on features simple enough to be written down.

0 where images are identical, the same from both sides, one number per image, layers add up by
their weights; only the direction of a feature vector counts where there is signal, and next to
nothing where there is none.
"""

import math

import pytest
import torch

from medacuity.errors import UsageError
from medacuity.metrics.perceptual import FLOOR, perceptual


def circle(x):
    """One layer of two features: a unit vector whose angle is the voxel's value."""
    return [torch.cat([x.cos(), x.sin()], 1)]


def test_by_hand_for_two_features():
    target = torch.rand(2, 1, 4, 4)
    turn = torch.tensor([0.5, 1.2]).reshape(2, 1, 1, 1)
    wanted = 2 - 2 * torch.cos(turn.flatten())
    assert perceptual(target + turn, target, network=circle, floor=0) == pytest.approx(wanted)
    faded = wanted / (1 + FLOOR**2)
    assert perceptual(target + turn, target, network=circle) == pytest.approx(faded)


def test_identical_images_and_changed_sides():
    x, y = torch.rand(2, 3, 1, 6, 5)
    assert perceptual(x, x, network=circle).tolist() == [0, 0, 0]
    assert torch.equal(perceptual(x, y, network=circle), perceptual(y, x, network=circle))


def test_places_are_averaged_and_images_kept_apart():
    target = torch.zeros(2, 1, 4, 4)
    prediction = target.clone()
    prediction[1, 0, 0, :2] = math.pi  # the opposite direction at two places of sixteen
    found = perceptual(prediction, target, network=circle, floor=0)
    assert found == pytest.approx(torch.tensor([0.0, 4 * 2 / 16]))


def test_layers_add_up_by_their_importance():
    x, y = torch.rand(2, 2, 1, 4, 4)

    def two(x):
        return [*circle(x), *circle(3 * x)]

    a, b = (perceptual(f * x, f * y, network=circle) for f in (1, 3))
    assert perceptual(x, y, network=two) == pytest.approx(a + b)
    for weights in ([0.2, 5.0], torch.tensor([0.2, 5.0])):
        found = perceptual(x, y, network=two, importance=weights)
        assert found == pytest.approx(0.2 * a + 5 * b)


def test_the_length_of_a_feature_vector_counts_for_nothing_but_in_the_dark():
    angle = torch.rand(2, 1, 4, 4)

    def loud(x):
        return [1000 * circle(x)[0]]

    def silent(x):
        return [1e-3 * circle(x)[0]]

    bright = perceptual(angle[:1], angle[1:], network=loud)
    assert bright == pytest.approx(
        perceptual(angle[:1], angle[1:], network=loud, floor=0), rel=1e-3
    )
    assert perceptual(angle[:1], angle[1:], network=silent) < 1e-3 * bright


def test_volumes_are_no_different():
    x, y = torch.rand(2, 1, 1, 3, 4, 5)
    flat = (1, 1, 12, 5)
    volume = perceptual(x, y, network=circle)
    assert volume == pytest.approx(perceptual(x.reshape(flat), y.reshape(flat), network=circle))


def test_it_has_a_gradient_also_where_there_is_nothing():
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)
    perceptual(x, torch.rand(1, 1, 4, 4), network=lambda x: [torch.relu(x)]).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_what_does_not_fit_together_is_named():
    x = torch.rand(2, 1, 4, 4)
    with pytest.raises(UsageError, match="one shape"):
        perceptual(x, x[:1], network=circle)
    with pytest.raises(UsageError, match="each of 1 layers"):
        perceptual(x, x, network=circle, importance=[1.0, 2.0])
