"""The papers' pictures: which ones, and how they are reduced.

- Sets are folders; every twentieth of BSDS200 is kept to watch by; no picture is on both sides.
- A pair is the paper's: the input is the antialiased bicubic reduction of the *whole* picture's
  luma, in floating point; where a network enlarges first, that reduction enlarged again.
- The unit range is the papers' luma over 255: 16 to 235.
"""

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from medacuity import formats
from medacuity.errors import StorageError
from medacuity.metrics.protocols import luma
from medacuity.resize import bicubic
from medacuity.training.degraded import make_pair
from medacuity.training.pictures import find_pictures, reduced, reduced_and_back, smaller
from medacuity.training.recipes import RECIPES, Enhancement


def save(folder, name: str, count: int, size: tuple[int, int] = (24, 36)) -> None:
    """Write a set of pictures of noise."""
    rng = np.random.default_rng(0)
    (folder / name).mkdir(parents=True)
    for n in range(count):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name / f"{n:03d}.png")


def test_every_twentieth_picture_of_bsds_is_kept_to_watch_by(tmp_path):
    save(tmp_path, "T91", 25)
    save(tmp_path, "BSDS200", 40)
    both = find_pictures(tmp_path, ("T91", "BSDS200"))
    assert [c.split for c in both].count("validate") == 2
    assert len({c.patient for c in both}) == len(both) == 65
    alone = find_pictures(tmp_path, ("T91",))
    assert [c.split for c in alone].count("train") == 25
    assert {c.path.parent.name for c in alone if c.split == "validate"} == {"BSDS200"}


def test_without_bsds_some_of_the_first_set_are_kept(tmp_path):
    save(tmp_path, "T91", 45)
    splits = [c.split for c in find_pictures(tmp_path, ("T91",))]
    assert splits.count("validate") == 2
    assert splits.count("train") == 43


def test_a_missing_set_is_named(tmp_path):
    save(tmp_path, "BSDS200", 1)
    with pytest.raises(StorageError, match="T91"):
        find_pictures(tmp_path, ("T91", "BSDS200"))


def pair(tmp_path, recipe) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return input and target of a picture of 24 x 36, and its luma as the papers have it."""
    save(tmp_path, "T91", 1)
    path = tmp_path / "T91" / "000.png"
    given, target = make_pair(recipe, formats.read(path).volumes[0], torch.Generator())
    papers = torch.from_numpy(luma(np.asarray(Image.open(path)))).T  # (I, J): along the rows first
    return given[0, 0], target[0, 0], papers / 255


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_input_and_target_are_the_papers(tmp_path, factor):
    given, target, papers = pair(tmp_path, RECIPES[f"espcn-photo-x{factor}"])
    torch.testing.assert_close(target.double(), papers, atol=2e-6, rtol=0)
    torch.testing.assert_close(given.double(), bicubic(papers, 1 / factor), atol=2e-6, rtol=0)


def test_networks_that_enlarge_first_are_given_an_enlarged_picture(tmp_path):
    given, target, papers = pair(tmp_path, RECIPES["srcnn-photo-x3"])
    torch.testing.assert_close(target.double(), papers, atol=2e-6, rtol=0)
    again = bicubic(bicubic(papers, 1 / 3), 3)
    torch.testing.assert_close(given.double(), again, atol=2e-6, rtol=0)


def test_all_factors_of_vdsr_come_up():
    x = torch.rand(1, 1, 24, 24, dtype=torch.float64)
    rng, found = torch.Generator().manual_seed(0), set()
    for _ in range(30):
        y = reduced_and_back(rng, factors=(2, 3, 4))(x)
        found |= {f for f in (2, 3, 4) if torch.equal(y, bicubic(bicubic(x, 1 / f), f))}
    assert found == {2, 3, 4}


def test_pictures_from_further_away():
    x = torch.rand(1, 1, 20, 30)
    rng = torch.Generator().manual_seed(0)
    sizes = {tuple(smaller(rng, shares=(1.0, 0.9, 0.6))(x).shape[2:]) for _ in range(30)}
    assert sizes == {(20, 30), (18, 27), (12, 18)}


def test_reducing_draws_nothing():
    rng = torch.Generator().manual_seed(0)
    before = rng.get_state()
    reduced(rng, factor=2)(torch.rand(1, 1, 8, 8))
    assert torch.equal(rng.get_state(), before)


PHOTO = [r for r in RECIPES.values() if isinstance(r, Enhancement) and r.sets]


@pytest.mark.parametrize("recipe", PHOTO, ids=lambda recipe: recipe.name)
def test_every_recipe_makes_a_pair_that_fits_its_network(tmp_path, recipe):
    save(tmp_path, "T91", 1, size=(50, 61))
    volume = formats.read(tmp_path / "T91" / "000.png").volumes[0]
    given, target = make_pair(recipe, volume, torch.Generator().manual_seed(1))
    enlarged = tuple(n * s for n, s in zip(given.shape[2:], recipe.scale, strict=True))
    assert tuple(target.shape[2:]) == enlarged
    assert all(n % b == 0 for n, b in zip(target.shape[2:], recipe.blocks, strict=True))
    with torch.device("meta"):
        network = recipe.model()
    assert network.scale == recipe.scale


def test_a_quick_recipe_makes_the_weights_of_the_paper():
    for recipe in PHOTO:
        if recipe.name.endswith("-quick"):
            paper = RECIPES[recipe.weights]
            assert (recipe.model, recipe.sets) == (paper.model, paper.sets) or (
                isinstance(recipe.model, partial)
                and recipe.model.func is paper.model.func
                and recipe.model.keywords == paper.model.keywords
            )
            assert recipe.serves == paper.serves
