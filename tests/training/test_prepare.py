"""What a prepared pair holds depends on the recipe, the case and the variant, and on nothing else.

- The same twice, to the bit; interrupted anywhere and gone on with, the same again.
- The range comes from the input; input and target show the same place, whole blocks, the head.
- Thick stacks are only looked at as they were acquired; volumes with any axis last.
- A folder of other scans is refused, so that no patient changes sides unseen.
"""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from training_makers import head, save_scans, tiny

from medacuity.errors import MalformedInput, UsageError
from medacuity.models import AcuityNet
from medacuity.physics.sampling import block_mean
from medacuity.training.degraded import MARGIN, make_pair
from medacuity.training.prepare import prepare
from medacuity.training.recipes import recipe as recipe_module
from medacuity.training.variety import any_history, fewer_voxels
from medacuity.volume import Volume


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file's bytes."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def varied(**changes):
    """Return a recipe with every kind of draw in it."""
    return tiny(
        history=partial(any_history, strength=1.0), variants=2,
        degrade=partial(fewer_voxels, factor=(2, 2), kspace=0.5, noise=(0.01, 0.06)), **changes,
    )  # fmt: skip


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Return three patients' scans."""
    return save_scans(tmp_path_factory.mktemp("scans"))


@pytest.fixture(scope="module")
def prepared(cases, tmp_path_factory) -> Path:
    """Return a folder prepared in one go."""
    folder = tmp_path_factory.mktemp("arrays")
    prepare(varied(), cases, folder)
    return folder


def test_the_same_twice(cases, prepared, tmp_path):
    torch.rand(7)  # the global generators are no part of it
    np.random.rand(3)
    prepare(varied(), cases, tmp_path)
    assert contents(tmp_path) == contents(prepared)


def test_an_interrupted_preparation_goes_on(cases, prepared, tmp_path, monkeypatch):
    made = make_pair

    def dies(recipe, volume, rng):
        if len(list(tmp_path.glob("*-target.npy"))) == 3:
            raise KeyboardInterrupt
        return made(recipe, volume, rng)

    monkeypatch.setattr(recipe_module, "make_pair", dies)
    with pytest.raises(KeyboardInterrupt):
        prepare(varied(), cases, tmp_path)
    assert not (tmp_path / "pairs.json").exists()
    monkeypatch.setattr(recipe_module, "make_pair", made)
    (tmp_path / "001-001-input.npy").write_bytes(b"half")  # killed between input and target
    prepare(varied(), cases, tmp_path)
    assert contents(tmp_path) == contents(prepared)


def test_another_seed_is_another_set(cases, prepared, tmp_path):
    prepare(varied(seed=1), cases, tmp_path)
    theirs, ours = contents(prepared), contents(tmp_path)
    assert set(theirs) == set(ours)
    assert theirs["000-000-input.npy"] != ours["000-000-input.npy"]


@pytest.mark.parametrize("what", ["fewer scans", "another split", "another recipe"])
def test_a_folder_of_other_scans_is_refused(cases, tmp_path, what):
    recipe = tiny()
    prepare(recipe, cases, tmp_path)
    before = contents(tmp_path)
    other = list(cases)
    if what == "fewer scans":
        other = cases[1:]
    elif what == "another split":
        other = [replace(cases[0], split="validate"), *cases[1:]]
    else:
        recipe = replace(recipe, name="other")
    with pytest.raises(UsageError, match="other scans or for another recipe"):
        prepare(recipe, other, tmp_path)
    assert contents(tmp_path) == before


def test_sides_and_repeats_are_listed(cases, tmp_path):
    doubled = [replace(cases[0], repeat=3), *cases[1:]]
    seen = []
    prepare(tiny(), doubled, tmp_path, report=lambda done, of: seen.append((done, of)))
    pairs = json.loads((tmp_path / "pairs.json").read_text())
    counted = [(p["patient"], p["split"]) for p in pairs]
    assert counted == [("p0", "train")] * 3 + [("p1", "train")] + [("p2", "validate")] * 2
    assert seen == [(n + 1, 6) for n in range(6)]
    first = [np.load(tmp_path / f"000-00{v}-input.npy") for v in range(3)]
    assert not all(a.shape == first[0].shape and (a == first[0]).all() for a in first[1:])


def pair(recipe, volume, seed=0):
    """Return one variant of a volume."""
    return make_pair(recipe, volume, torch.Generator().manual_seed(seed))


def still(**changes):
    """Return a recipe that only averages: what went in can be computed from what came out."""
    return tiny(degrade=lambda rng: partial(block_mean, factor=(2, 2)), **changes)


def test_the_range_is_the_inputs_and_both_share_it():
    given, target = pair(still(), Volume(head(0), np.eye(4)))
    np.testing.assert_allclose(block_mean(target, factor=(2, 2)), given, atol=1e-5)
    assert float(np.percentile(given, 99.9)) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("seed", range(6))
def test_input_and_target_show_the_same_place_in_whole_blocks(seed):
    given, target = pair(still(), Volume(head(1, (41, 45, 37)), np.eye(4)), seed)
    assert target.shape[2:] == tuple(2 * n for n in given.shape[2:])
    assert given.shape[:2] == target.shape[:2]
    np.testing.assert_allclose(block_mean(target, factor=(2, 2)), given, atol=1e-5)


def test_air_is_left_out_but_for_a_margin():
    array = np.zeros((128, 128, 4), np.int16)
    array[60:80, 50:90] = 100 + np.arange(40)[:, None]
    given, _ = pair(still(), Volume(array, np.diag([1, 1, 5.0, 1])))
    assert given.shape[2:] == (10 + 2 * MARGIN, 20 + 2 * MARGIN)


@pytest.mark.parametrize("thick", [0, 1, 2])
def test_thick_stacks_are_looked_at_as_acquired(thick):
    size = [40, 42, 44]
    size[thick] = 9
    spacing = [1.0, 1.0, 1.0, 1.0]
    spacing[thick] = 4.0
    array = 100 + np.random.default_rng(0).integers(0, 50, size).astype(np.int16)
    for seed in range(4):
        given, _ = pair(still(), Volume(array, np.diag(spacing)), seed)
        assert len(given) == 9


def test_volumes_are_turned_so_that_any_axis_is_last():
    recipe = tiny(
        model=partial(AcuityNet, scale=(1, 1, 2), dims=3, width=4, blocks=1),
        degrade=lambda rng: partial(block_mean, factor=(1, 1, 2)), patch=(8, 8, 8),
    )  # fmt: skip
    array = 100 + np.random.default_rng(0).integers(0, 50, (20, 24, 28)).astype(np.int16)
    lasts = {pair(recipe, Volume(array, np.eye(4)), seed)[1].shape[-1] for seed in range(12)}
    assert lasts == {20, 24, 28}


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_scans_with_nothing_to_learn_from_are_named(tmp_path, value):
    cases = save_scans(tmp_path / "scans")
    array = np.zeros((16, 16, 16), np.float32)
    array[3, 4, 5] = value
    nib.save(nib.Nifti1Image(array, np.eye(4)), cases[1].path)
    with pytest.raises(MalformedInput) as refused:
        prepare(tiny(), cases, tmp_path / "arrays")
    assert str(cases[1].path) in str(refused.value)
