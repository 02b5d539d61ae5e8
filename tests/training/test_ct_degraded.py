"""CT as it comes: HU keep their meaning, whatever is drawn, and a seed decides all of it.

- Larger voxels and other kernels leave flat regions as they are; a part of a large volume is
  enough, and small ones are not made smaller.
- Little dose: the mean of a region stays, noise falls with the square root of the dose and has
  the grain of the reconstruction, sizes are kept.
- Phantoms are bodies in air, each seed another one.
- Recipes give networks that say they are for CT in HU, under the terms of all they learnt from.
"""

import math
from functools import partial

import pytest
import torch

from medacuity.checkpoint import Card, save_weights
from medacuity.hounsfield import in_hounsfield
from medacuity.models import REDCNN
from medacuity.physics.geometry import Grid
from medacuity.physics.phantoms import Ellipse, Phantom
from medacuity.training.cases import Case
from medacuity.training.ct_degraded import LARGEST, any_ct_history, little_dose, phantom
from medacuity.training.recipes import RECIPES
from medacuity.training.recipes.ct import PHANTOMS
from medacuity.training.recipes.ct import RECIPES as CT
from medacuity.training.session import terms_of


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(8))
def test_history_keeps_flat_regions_and_is_decided_by_its_seed(seed):
    x = torch.full((2, 1, 120, 100), 40.0)
    y = any_ct_history(rng(seed))(x)
    torch.testing.assert_close(y, torch.full_like(y, 40.0), atol=1e-3, rtol=0)
    steps = torch.randn(1, 1, 120, 100, generator=rng())
    first, second = (any_ct_history(rng(seed))(steps) for _ in range(2))
    assert torch.equal(first, second)
    assert min(y.shape[2:]) >= 96


def test_a_part_of_a_large_volume_is_enough_and_a_small_axis_stays():
    for seed in range(4):
        y = any_ct_history(rng(seed))(torch.zeros(1, 1, 300, 60, 40))
        assert y.shape[2] <= LARGEST
        assert min(y.shape[3:]) >= 40


def disc() -> torch.Tensor:
    """Return water in air, (1, 1, 96, 96), HU; Radon's pixels then are 3 mm or so."""
    water = Phantom([Ellipse(1.0, (33.0, 33.0))]).image(Grid((96, 96), (1.0, 1.0)))
    return (1000 * water - 1000).float()[None, None]


MIDDLE = (..., slice(36, 60), slice(36, 60))


@pytest.mark.parametrize("seed", range(3))
def test_little_dose_keeps_the_mean_and_its_noise_falls_with_the_dose(seed):
    x = disc()
    few, many = (
        little_dose(rng(seed), photons=(n, n * 1.001))(x)[MIDDLE] for n in (1e5, 1.6e6)
    )  # fmt: skip
    assert float(few.mean()) == pytest.approx(0, abs=5)
    assert float(many.mean()) == pytest.approx(0, abs=2)
    assert float(few.std() / many.std()) == pytest.approx(4, rel=0.25)


def test_little_dose_keeps_sizes_and_is_decided_by_its_seed():
    x = torch.cat([disc()[..., :70, :], disc()[..., 10:80, :]])
    first, second = (little_dose(rng(5))(x) for _ in range(2))
    assert first.shape == x.shape
    assert torch.equal(first, second)
    assert not torch.equal(first[0], first[1])


def test_phantoms_are_bodies_in_air():
    one, other = (phantom(rng(seed), size=48) for seed in (1, 2))
    assert in_hounsfield(one)
    assert in_hounsfield(other)
    assert not (one.array == other.array).all()
    assert (one.array == phantom(rng(1), size=48).array).all()
    assert float(one.array[0, 0, 0]) == -1000
    assert math.isclose(one.spacing[0], 3.0)


@pytest.mark.parametrize("recipe", CT, ids=lambda recipe: recipe.name)
def test_recipes_stand_in_the_menu_and_their_networks_are_for_ct(recipe):
    assert RECIPES[recipe.name] is recipe
    card = recipe.card(0)
    assert card["input"].unit == card["output"].unit == "HU"
    assert recipe.intensity.of(None).low == -1024
    assert tuple(card["arguments"]["scale"]) == recipe.scale


def test_a_phantom_stands_on_either_side_of_the_split(tmp_path):
    (tmp_path / "cases.csv").write_text("path,patient,split,licence\none.nii,a,train,CC0\n")
    (tmp_path / "one.nii").touch()
    cases = CT[0].find(tmp_path, None)
    assert [case.split for case in cases] == ["train", "train", "validate"]
    assert "1 scans of 1 people: 1 under CC0" in CT[0].described(cases[:2])


def test_a_pair_of_a_phantom_shows_the_same_place(monkeypatch):
    small = partial(phantom, size=40, parts=4)
    monkeypatch.setattr("medacuity.training.recipes.ct.phantom", small)
    recipe = CT[0]
    given, target = recipe.make(PHANTOMS[0], rng(3))
    assert [2 * n for n in given.shape[2:]] == list(target.shape[2:])
    assert float(target.mean()) == pytest.approx(float(given.mean()), abs=2 / 4095)


def test_terms_of_the_weights_that_a_run_starts_from_are_owed_as_well(tmp_path):
    model = REDCNN(scale=1, dims=2, width=1)
    arguments = {"scale": [1, 1], "dims": 2, "width": 1}
    card = Card("first", "REDCNN", arguments, {"kind": "percentile", "percent": 99.9},
                licence="CC BY + CC0")  # fmt: skip
    save_weights(tmp_path / "first.safetensors", model, card)
    cases = [*PHANTOMS, Case(tmp_path, "a", "train", "CC BY 3.0")]
    assert terms_of(cases, str(tmp_path / "first.safetensors")) == ["CC BY", "CC BY 3.0", "CC0"]
    assert terms_of(cases, None) == ["CC BY 3.0"]
