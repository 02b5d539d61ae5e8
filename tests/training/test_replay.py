"""The replay buffer is CycleGAN's: it fills first, then swaps every other image.

- While it fills, every image is stored and handed on.
- Full, an image is handed on untouched or put in the place of a stored one that is handed on
  instead; both happen equally often, and every place is swapped equally often.
- It keeps copies without a graph, and goes on from a saved state to the bit.
"""

import pytest
import torch

from medacuity.training.learners.replay import Replay


def buffer(size: int = 50, seed: int = 0) -> Replay:
    """Return an empty buffer."""
    return Replay(torch.Generator().manual_seed(seed), size=size)


def numbered(first: int, count: int) -> torch.Tensor:
    """Return images that are told apart by their brightness."""
    return torch.arange(first, first + count, dtype=torch.float32).reshape(-1, 1, 1, 1)


def test_it_hands_on_what_it_stores_until_it_is_full():
    replay = buffer()
    for first in range(0, 50, 10):
        images = numbered(first, 10)
        assert torch.equal(replay(images), images)
    assert [float(image) for image in replay.images] == list(range(50))


def test_half_of_the_images_are_swapped_from_every_place_and_none_is_lost():
    replay = buffer()
    replay(numbered(0, 50))
    swapped, places = 0, torch.zeros(50)
    for n in range(50, 2050):
        before = [float(image) for image in replay.images]
        handed = float(replay(numbered(n, 1)))
        now = [float(image) for image in replay.images]
        changed = [place for place in range(50) if now[place] != before[place]]
        assert sorted([*now, handed]) == sorted([*before, n])
        assert len(changed) == (handed != n)
        swapped += len(changed)
        places[changed] += 1
    assert swapped == pytest.approx(1000, abs=4 * (2000 / 4) ** 0.5)
    expected = swapped / 50
    chi = float(((places - expected).square() / expected).sum())
    assert 24 < chi < 86  # 49 degrees of freedom: one in a thousand on each side


def test_it_keeps_copies_without_a_graph():
    weight = torch.ones(2, 1, 1, 1, requires_grad=True)
    replay = buffer(size=2)
    made = weight * 2
    handed = replay(made)
    handed += 5
    with torch.no_grad():
        made += 5
    assert not handed.requires_grad
    assert not any(image.requires_grad for image in replay.images)
    assert [float(image) for image in replay.images] == [2, 2]


@pytest.mark.parametrize("dims", [2, 3])
def test_the_layout_is_that_of_the_images_given(dims):
    layout = {2: torch.channels_last, 3: torch.channels_last_3d}[dims]
    replay = buffer(size=2)
    for _ in range(4):
        images = torch.rand(2, 3, *(4,) * dims).contiguous(memory_format=layout)
        assert replay(images).is_contiguous(memory_format=layout)


def test_a_saved_state_goes_on_to_the_bit():
    one, other = buffer(size=5), buffer(size=5, seed=7)
    one(numbered(0, 8))
    other.load_state_dict(one.state_dict())
    for n in range(10, 60, 5):
        assert torch.equal(one(numbered(n, 5)), other(numbered(n, 5)))


def test_a_buffer_of_nothing_is_refused():
    with pytest.raises(ValueError, match="size must be a whole number >= 1, got 0"):
        buffer(size=0)
