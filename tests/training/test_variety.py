"""Draws are made once, from one generator: the seed alone decides what was done to a case."""

import numpy as np
import pytest
import torch

from medacuity.physics.sampling import shrunk
from medacuity.training import variety
from medacuity.training.variety import any_history, brightness, chance, fewer_voxels, uniform

CLEAN, NOISY = (0.0, 0.0), (0.01, 0.06)


def seeded(seed: int) -> torch.Generator:
    """Return a fresh generator."""
    return torch.Generator().manual_seed(seed)


def image(*size: int) -> torch.Tensor:
    """Return slices or a volume with a smooth bright blob and a little texture."""
    places = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in size), indexing="ij")
    blob = torch.exp(-3 * sum(p**2 for p in places))
    return 500 * (blob + 0.05 * torch.rand(size, generator=seeded(9)))[None, None]


@pytest.mark.parametrize("size", [(64, 61), (24, 26, 20)])
@pytest.mark.parametrize("noise", [CLEAN, NOISY])
@pytest.mark.parametrize("seed", range(12))
def test_degradations_shrink_and_depend_on_the_seed_alone(size, noise, seed):
    factor = (2, 2) if len(size) == 2 else (1, 1, 2)
    x = image(*size)
    degrade = fewer_voxels(seeded(seed), factor=factor, kspace=0.5, noise=noise)
    y = degrade(x)
    assert y.shape[2:] == shrunk(x.shape[2:], factor)
    assert torch.isfinite(y).all()
    assert torch.equal(y, degrade(x))
    again = fewer_voxels(seeded(seed), factor=factor, kspace=0.5, noise=noise)
    assert torch.equal(y, again(x))
    if noise == CLEAN:  # the mean of Rician noise is not zero
        assert float(y.mean()) == pytest.approx(float(x.mean()), rel=0.05)


@pytest.mark.parametrize("size", [(2, 100, 97), (40, 44, 30)])
@pytest.mark.parametrize("seed", range(24))
def test_histories_depend_on_the_seed_alone(size, seed):
    x = image(*size)[0].movedim(0, 1) if size[0] == 2 else image(*size)
    before = x.clone()
    y = any_history(seeded(seed))(x)
    assert y.ndim == x.ndim
    assert torch.isfinite(y).all()
    assert torch.equal(y, any_history(seeded(seed))(x))
    assert torch.equal(x, before)


def test_some_scans_stay_as_they_are_and_the_others_differ():
    x = image(64, 64)
    out = [any_history(seeded(seed))(x) for seed in range(60)]
    untouched = sum(torch.equal(y, x) if y.shape == x.shape else False for y in out)
    assert 15 < untouched < 45
    assert len({(y.shape, round(float(y.sum()))) for y in out}) > 20


def test_drawing_more_or_fewer_events_moves_no_other_draw():
    # Whether a step is applied must not change what is drawn for the steps after it.
    x = image(64, 64)
    calm, wild = (any_history(seeded(5), strength=s) for s in (0.0, 1.0))
    assert torch.equal(calm(x), x)
    assert torch.isfinite(wild(x)).all()


@pytest.mark.parametrize(
    "draw",
    [variety._coarser, variety._scanner_interpolated, variety._software_resampled,
     variety._some_noise, variety._other_contrast, variety._eight_bit],
)  # fmt: skip
def test_every_event_can_happen_to_slices_and_volumes(draw):
    for seed in range(4):
        for size in ((110, 100), (30, 26, 14)):
            x = image(*size)
            y = draw(seeded(seed))(x)
            assert torch.isfinite(y).all()
            assert y.std() > 0


def test_noise_is_as_strong_as_drawn():
    x = torch.full((1, 1, 200, 200), 100.0)
    for seed in range(8):
        degrade = fewer_voxels(seeded(seed), factor=(1, 1), kspace=0.0, noise=(0.03, 0.03))
        assert float(degrade(x).std()) == pytest.approx(3.0, rel=0.1)


def test_draws_are_uniform_and_fair():
    rng = seeded(0)
    drawn = np.array([uniform(rng, 2, 5) for _ in range(2000)])
    assert 2 <= drawn.min() < 2.05
    assert 4.95 < drawn.max() <= 5
    assert np.mean([chance(rng, 0.3) for _ in range(2000)]) == pytest.approx(0.3, abs=0.05)


def test_brightness_is_the_percentile():
    x = torch.rand(1, 1, 100, 90, 50, generator=seeded(1))
    assert brightness(x) == pytest.approx(float(np.percentile(x, 99.9)), rel=1e-3)
    assert brightness(torch.zeros(1, 1, 8, 8)) > 0
