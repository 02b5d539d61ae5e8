"""Contrasts drawn at random: each label has the mean that was drawn, and no image is looked at.

- Voxels of a label have its mean and its spread, as drawn; a mean that wanders keeps its average.
- Means and spreads lie in their ranges; air has none, and is 0 after brain extraction.
- The same seed draws the same image, in 2D and in 3D; two images of one map differ.
- A bias field stays within its bounds and is smooth; a gamma keeps 0 and the order of brightness.
- Labels out of range are refused.
"""

import math

import pytest
import torch

from medacuity.physics.randomised import (
    Chance,
    bias_field,
    draw_contrasts,
    draw_tissues,
    mixture,
    powered,
)

SIZES = [(40, 48), (16, 20, 24)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shells(size: tuple[int, ...], images: int = 1) -> torch.Tensor:
    """Return nested boxes: labels 0 to 3 from outside in."""
    labels = torch.zeros(images, *size, dtype=torch.long)
    for label in (1, 2, 3):
        box = tuple(slice(n * label // 9, n - n * label // 9) for n in size)
        labels[(slice(None), *box)] = label
    return labels


@pytest.mark.parametrize("size", SIZES)
def test_labels_have_the_means_and_spreads_drawn(size):
    labels = shells(size, 2)
    means = torch.tensor([[0.0, 0.3, 0.5, 0.9], [0.0, 0.8, 0.4, 0.6]])
    spreads = torch.tensor([[0.0, 0.05, 0.02, 0.05]]).expand(2, 4)
    x = mixture(labels, means, spreads, seeded())
    assert x.shape == (2, 1, *size)
    for image in range(2):
        for label in range(4):
            values = x[image, 0][labels[image] == label]
            error = 4 * float(spreads[image, label]) / math.sqrt(len(values)) + 1e-6
            assert abs(float(values.mean() - means[image, label])) < error
            assert abs(float(values.std() - spreads[image, label])) < 0.15 * 0.05 + 1e-6


def test_a_mean_that_wanders_wanders_smoothly_about_itself():
    labels = torch.ones(40, 48, 48, dtype=torch.long)
    means, spreads = torch.tensor([[0.0, 0.5]]).expand(40, 2), torch.full((40, 2), 1e-6)
    x = mixture(labels, means, spreads, seeded(), wander=0.1)
    assert abs(float(x.mean()) - 0.5) < 0.02
    assert 0.02 < float(x.std()) < 0.1
    assert float((x[..., 1:] - x[..., :-1]).abs().max()) < 0.05


def test_draws_lie_in_their_ranges_and_air_is_dark():
    chance = Chance(means=(0.2, 0.6), spreads=(0.01, 0.02))
    means, spreads = draw_tissues(400, 3, seeded(), chance)
    for drawn, (low, high) in ((means, chance.means), (spreads, chance.spreads)):
        assert float(drawn[:, 0].abs().max()) == 0
        assert low <= float(drawn[:, 1:].min())
        assert float(drawn.max()) <= high
        assert abs(float(drawn[:, 1:].mean()) - (low + high) / 2) < 0.03


def test_means_are_apart_and_any_label_may_be_the_brightest():
    means, _ = draw_tissues(300, 5, seeded(), Chance(means=(0.1, 0.9), apart=0.15))
    assert float(means[:, 1:].sort(1).values.diff(dim=1).min()) > 0.15 - 1e-6
    assert set(means.argmax(1).tolist()) == {1, 2, 3, 4}
    crowded, _ = draw_tissues(9, 30, seeded(), Chance(means=(0.1, 0.9), apart=0.15))
    assert float(crowded[:, 1:].min()) >= 0.1
    assert float(crowded.max()) <= 0.9 + 1e-6


@pytest.mark.parametrize("size", SIZES)
def test_the_same_seed_draws_the_same_image(size):
    labels = shells(size, 3)
    first, again, other = (draw_contrasts(labels, seeded(n), count=4) for n in (5, 5, 6))
    assert first.shape == (3, 1, *size)
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert not torch.allclose(first[0], first[1])
    assert float(first.min()) >= 0
    assert float(first.max()) < 2.5


def test_air_is_nothing_after_brain_extraction():
    labels = shells((32, 32), 4)
    stripped = draw_contrasts(labels, seeded(), Chance(stripped=1.0), count=4)
    assert float(stripped[:, 0][labels == 0].abs().max()) == 0
    noisy = draw_contrasts(labels, seeded(), Chance(stripped=0.0), count=4)
    assert float(noisy[:, 0][labels == 0].max()) > 0


def test_contrasts_come_in_every_order():
    x = draw_contrasts(shells((32, 32), 60), seeded(), count=4)
    labels = shells((32, 32), 60)
    means = torch.stack([
        torch.stack([one[0][map_ == label].mean() for label in (1, 2, 3)])
        for one, map_ in zip(x, labels, strict=True)
    ])  # fmt: skip
    assert len({tuple(order.tolist()) for order in means.argsort(1)}) == 6


@pytest.mark.parametrize("size", SIZES)
def test_a_bias_field_is_bounded_and_smooth(size):
    field = bias_field(50, size, seeded(), strength=0.3)
    assert field.shape == (50, 1, *size)
    assert math.exp(-0.6) - 1e-6 <= float(field.min())
    assert float(field.max()) <= math.exp(0.6) + 1e-6
    assert float(field.std()) > 0.02
    steps = (field[..., 1:] / field[..., :-1]).log().abs().max()
    assert float(steps) < 6 * 0.3 * 1.5 * 4 / size[-1]  # six spreads between two of four points
    assert torch.equal(bias_field(2, size, seeded(), strength=0.0), torch.ones(2, 1, *size))


def test_a_gamma_keeps_nothing_and_the_order():
    x = torch.linspace(0, 3, 50)[None, None].expand(6, 1, 50).contiguous()
    y = powered(x, seeded(), spread=0.4)
    assert float(y[..., 0].abs().max()) == 0
    assert bool((y[..., 1:] > y[..., :-1]).all())
    assert torch.allclose(y[..., -1], torch.ones(6, 1), atol=0.05)


def test_labels_out_of_range_are_refused():
    with pytest.raises(ValueError, match="from 0 to 2, got 3"):
        draw_contrasts(shells((24, 24)), seeded(), count=3)
