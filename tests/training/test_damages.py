"""Damages by degree: nothing at 0, more of the same as it rises, the same for the same draw.

Also: what each is said to do, by closed forms; harmless changes keep detail; volumes too.
"""

import pytest
import torch

from medacuity.metrics.spectrum import checkerboard, sharpness
from medacuity.training.damages import HARM, HARMLESS, LOCAL, blur, filtered, shift

ALL = {**HARM, **HARMLESS}


def images(*size: int, batch: int = 3, seed: int = 0) -> torch.Tensor:
    """Return smooth shapes with some detail, on nothing."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.zeros(batch, 1, *size)
    inner = (slice(None), slice(None), *(slice(n // 8, n - n // 8) for n in size))
    x[inner] = 0.4 + 0.3 * torch.rand(x[inner].shape, generator=rng)
    return x


def draw(name: str, x: torch.Tensor, seed: int = 1):
    return ALL[name](x, torch.Generator().manual_seed(seed))


def errors(name: str, x: torch.Tensor, degree: float) -> torch.Tensor:
    y = draw(name, x)(torch.full((len(x),), degree))
    return (y - x).square().flatten(1).mean(1)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("size", [(32, 40), (16, 12, 20)])
def test_nothing_at_degree_0_and_more_as_it_rises(name, size):
    x = images(*size)
    assert errors(name, x, 0.0).max() < 1e-4 * errors(name, x, 1.0).min()
    rising = torch.stack([errors(name, x, degree) for degree in (0.0, 0.2, 0.5, 1.0)])
    assert (rising.diff(dim=0) > 0).all()


@pytest.mark.parametrize("name", ALL)
def test_the_same_draw_does_the_same_and_each_image_has_its_own_degree(name):
    x = images(32, 32)
    degrees = torch.tensor([0.0, 0.5, 1.0])
    found = draw(name, x)(degrees)
    assert found.shape == x.shape
    assert torch.equal(found, draw(name, x)(degrees))
    whole = draw(name, x)(torch.full((3,), 0.5))
    assert torch.allclose(found[1], whole[1], atol=1e-6)


def test_blur_is_a_gaussian_and_keeps_the_mean():
    x = torch.zeros(1, 1, 65, 65)
    x[..., 32, 32] = 1
    y = blur(x, torch.Generator())(torch.tensor([0.8]))[0, 0]
    place = torch.arange(65) - 32.0
    assert float(y.sum()) == pytest.approx(1, abs=1e-4)
    assert float((y.sum(0) * place**2).sum()) == pytest.approx((0.8 * 2.5) ** 2, rel=1e-3)


def test_shift_moves_the_centre_and_smooths_nothing():
    place = torch.arange(48.0)
    bell = torch.exp(-((place - 22) ** 2) / 18)
    x = (bell * bell[:, None]).expand(4, 1, -1, -1)
    y = shift(x, torch.Generator().manual_seed(2))(torch.ones(4))
    ways = 1.2 * (2 * torch.rand(4, 2, generator=torch.Generator().manual_seed(2)) - 1)
    for axis in (0, 1):
        before, after = (z.sum(3 - axis).flatten(1) for z in (x, y))
        moved = ((after - before) * place).sum(1) / before.sum(1)
        assert moved == pytest.approx(ways[:, axis], abs=1e-3)
    noise = images(48, 48)
    moved = shift(noise, torch.Generator().manual_seed(2))(torch.ones(3))
    assert sharpness(moved, noise) == pytest.approx(torch.ones(3).double(), abs=0.1)


def test_local_harm_is_local():
    for name in LOCAL:
        x = images(64, 64)
        y = draw(name, x)(torch.ones(3))
        assert ((y - x).abs() > 0.02).float().mean() < 0.2


def test_a_checkerboard_is_one():
    x = images(48, 48)
    y = draw("checkerboard", x)(torch.ones(3))
    assert (checkerboard(y) > 50).all()
    assert (checkerboard(x) < 12).all()


def test_filtering_by_one_gives_the_image_back():
    x = images(11, 14)
    same = filtered(x, torch.ones(3), lambda degree, turns: torch.ones(()))
    assert torch.allclose(same, x, atol=1e-6)
