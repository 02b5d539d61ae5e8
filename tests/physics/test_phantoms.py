"""Phantoms: known numbers in known places, and pixels and line integrals of the same thing."""

import pytest
import torch

from medacuity.physics.dose import Attenuation
from medacuity.physics.geometry import Grid, parallel
from medacuity.physics.phantoms import chest, inserts, random_ellipses, shepp_logan
from medacuity.physics.radon import Radon

WATER = Attenuation(0.02, 0.0)
GRID = Grid((180, 180), (2.0, 2.0))


def hu(phantom, u, v):
    """The number at a place in mm."""
    return float(WATER.to_hu(phantom.image(Grid((1, 1), (0.01, 0.01), (u, v)))))


@pytest.mark.parametrize(
    ("place", "wanted"),
    [((0, 0), 0), ((20, -20), 0), ((50, 3), 300), ((-50, 9), -800), ((0, -60), 15000),
     ((-30, 55), 20), ((24, 55), 20), ((0, 101), -1000)],
)  # fmt: skip
def test_inserts_have_their_numbers(place, wanted):
    assert hu(inserts(), *place) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    ("place", "wanted"),
    [((0, 0), 30), ((170, 0), -1000), ((-80, 60), -800), ((0, -58), 400), ((0, 100), -100)],
)
def test_a_chest_has_lungs_bones_and_fat(place, wanted):
    assert hu(chest(), *place) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    "phantom", [inserts(), chest(), shepp_logan(150.0, value=0.02),
                random_ellipses(100.0, rng=torch.Generator().manual_seed(0))],
    ids=["inserts", "chest", "head", "random"],
)  # fmt: skip
def test_pixels_and_line_integrals_are_of_the_same_thing(phantom):
    scan = parallel(9, bins=129, pitch=4.0)
    y = Radon(scan, GRID)(phantom.image(GRID)[None, None])[0, 0]
    exact = phantom.sinogram(scan)
    assert float((y - exact).abs().mean()) < 0.02 * float(exact.abs().mean())


def test_random_ellipses_are_the_seeds():
    a, b, c = (random_ellipses(50.0, rng=torch.Generator().manual_seed(n)) for n in (1, 1, 2))
    assert a == b != c
    assert 1 <= len(a) <= 70
