"""The flow: noise becomes the pictures it was taught, of the class that is asked for.

- Of flat pictures, one grey for each class, flat pictures of these greys come out: what is learnt
  is known in closed form.
- Of pictures of two greys in one class both come out: nothing collapses.
- The same seed gives the same pictures; classes are made equally often.
"""

import pytest
import torch

from medacuity.utility.flow import Velocity, class_flow
from medacuity.utility.task import Examples


def flat(greys: list[float], answers: list[int]) -> Examples:
    """Return flat pictures of 8 by 8."""
    images = torch.tensor(greys).reshape(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    return Examples(images, torch.tensor(answers), tuple(map(str, range(len(greys)))))


def test_flat_pictures_of_each_class_come_out() -> None:
    made = class_flow(flat([0.3, 0.3, 0.7, 0.7], [0, 0, 1, 1]), 20, 0, steps=90)
    assert torch.bincount(made.answers).tolist() == [20, 20]
    for kind, grey in ((0, 0.3), (1, 0.7)):
        own = made.images[made.answers == kind]
        assert float(own.mean()) == pytest.approx(grey, abs=0.04)
        assert float(own.std()) < 0.08  # noise had a spread of 0.25


@pytest.mark.slow
def test_both_kinds_of_pictures_of_a_class_come_out() -> None:
    made = class_flow(flat([0.25, 0.75, 0.25, 0.75], [0, 0, 1, 1]), 40, 0, steps=100)
    means = made.images.mean((1, 2, 3))
    share = float((means > 0.5).float().mean())
    assert 0.25 < share < 0.75
    assert float((means - 0.5).abs().mean()) > 0.15


def test_the_same_seed_gives_the_same_pictures() -> None:
    real = flat([0.2, 0.8, 0.4], [0, 1, 2])
    one, again, other = (class_flow(real, 3, seed, steps=2) for seed in (0, 0, 1))
    assert torch.equal(one.images, again.images)
    assert not torch.equal(one.images, other.images)
    assert 0 <= float(one.images.min()) <= float(one.images.max()) <= 1


def test_the_network_is_told_where_and_of_which_class_it_is() -> None:
    torch.manual_seed(0)
    model = Velocity(classes=2).eval()
    given = torch.rand(1, 4, 8, 8)
    given[:, 1:] = torch.tensor([0.5, 1.0, 0.0])[None, :, None, None]
    elsewhere, other = given.clone(), given.clone()
    elsewhere[:, 1] = 0.25
    other[:, 2:] = torch.tensor([0.0, 1.0])[None, :, None, None]
    assert model(given).shape == (1, 1, 8, 8)
    assert not torch.allclose(model(given), model(elsewhere))
    assert not torch.allclose(model(given), model(other))
