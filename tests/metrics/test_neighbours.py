"""Precision and recall on mixtures with known answers; copies of training images are found.

A generator that leaves out half the modes has recall one half and precision one; one that
adds as many images far off has precision one half and recall one. Oracle: the definition,
written out in loops.
"""

import pytest
import torch

from medacuity.errors import UsageError
from medacuity.metrics.neighbours import memory, support


def normal(rows: int, columns: int = 2, *, seed: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=rng, dtype=torch.float64)


def modes(count: int, *, seed: int, each: int = 100) -> torch.Tensor:
    """Return clouds far from each other along a line."""
    places = torch.arange(count).repeat_interleave(each).double() * 100
    return normal(count * each, seed=seed) * 0.1 + places[:, None]


def test_support_is_the_definition_written_out():
    generated, real, k = normal(12, seed=0), normal(15, seed=1) + 0.5, 2

    def radius(x, i):
        return sorted(float((x[i] - y).norm()) for y in x)[k]

    def inside(images, own):
        return [[float((image - own[i]).norm()) <= radius(own, i) for i in range(len(own))]
                for image in images]  # fmt: skip

    found = support(generated, real, neighbours=k)
    among_real, among_generated = inside(generated, real), inside(real, generated)
    assert found.precision == pytest.approx(sum(map(any, among_real)) / 12)
    assert found.recall == pytest.approx(sum(map(any, among_generated)) / 15)
    assert found.density == pytest.approx(sum(map(sum, among_real)) / (k * 12))
    balls = list(zip(*among_real, strict=True))
    assert found.coverage == pytest.approx(sum(map(any, balls)) / 15)


def test_modes_left_out_cost_recall_alone():
    found = support(modes(2, seed=0, each=200), modes(4, seed=1))
    assert found.recall == pytest.approx(0.5, abs=0.03)
    assert found.coverage == pytest.approx(0.5, abs=0.03)
    assert found.precision > 0.95


def test_modes_made_up_cost_precision_alone():
    found = support(modes(4, seed=0), modes(2, seed=1, each=200))
    assert found.precision == pytest.approx(0.5, abs=0.03)
    assert found.density == pytest.approx(0.5, abs=0.1)
    assert found.recall > 0.95


def test_one_distribution_covers_itself():
    found = support(normal(400, seed=0), normal(400, seed=1))
    assert min(found.precision, found.recall) > 0.95
    assert found.coverage == pytest.approx(1 - 0.5**3, abs=0.03)  # as its paper derives
    assert found.density == pytest.approx(1, abs=0.1)


def test_an_outlier_among_real_images_fools_precision_more_than_density():
    real = torch.cat([normal(200, seed=0), torch.tensor([[0.0, 60.0]])])
    off = normal(200, seed=1) + torch.tensor([0.0, 40.0])
    found = support(off, real)
    assert found.precision > 0.95  # the outlier's ball reaches as far as its neighbours
    assert found.density < 0.4


def test_copies_are_found_and_honest_images_are_not():
    training, held_out = normal(300, 4, seed=0), normal(300, 4, seed=1)
    honest = memory(normal(300, 4, seed=2), training, held_out=held_out)
    assert honest.nearer < 0.04
    assert honest.ratio == pytest.approx(1, abs=0.15)
    copies = torch.cat([training[:60] + 1e-3, normal(240, 4, seed=2)])
    found = memory(copies, training, held_out=held_out)
    assert found.nearer == pytest.approx(0.2, abs=0.03)
    assert found.nearest[:60].tolist() == list(range(60))
    assert memory(training[:60] + 1e-3, training, held_out=held_out).ratio < 0.05


def test_without_held_out_images_other_patients_are_the_comparison():
    people = normal(40, 4, seed=0).repeat_interleave(5, 0)
    training = people + 0.01 * normal(200, 4, seed=1)
    copies = training + 0.01 * normal(200, 4, seed=3)
    names = [n // 5 for n in range(200)]
    assert memory(copies, training, patients=names).nearer > 0.9
    assert memory(copies, training).nearer < 0.5  # a neighbouring slice is as near as a copy


def test_what_cannot_be_compared_is_named():
    x = normal(10, seed=0)
    for neighbours in (0, 10):
        with pytest.raises(UsageError, match="neighbours must be from 1"):
            support(x, x, neighbours=neighbours)
    with pytest.raises(UsageError, match="as wide"):
        support(x, normal(10, 3, seed=0))
    with pytest.raises(UsageError, match="another patient"):
        memory(x, x, patients=["one"] * 10)
    with pytest.raises(UsageError, match="one per image"):
        memory(x, x, patients=["one"])
