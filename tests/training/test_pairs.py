"""Batch n depends on nothing but n: no iterator, no state, no order of calls.

- The same step gives the same batch to the bit; other steps, ranks and seeds give others.
- Input and target are the same place, turned alike; axes are only swapped where they are alike.
- On a grid every patch is equally likely, whichever case it is of.
- Damaged, missing or too small arrays are refused.
"""

import json

import numpy as np
import pytest
import torch

from medacuity.errors import MalformedInput, StorageError, UsageError
from medacuity.training.pairs import Pairs


def write(folder, name: str, split: str, shape: tuple[int, ...], scale: tuple[int, ...]) -> None:
    """Write a pair whose target repeats its input, and add it to the list."""
    given = np.random.default_rng(len(name)).uniform(0.2, 1, shape).astype(np.float16)
    target = given
    for axis, s in enumerate(scale, start=2):
        target = target.repeat(s, axis)
    np.save(folder / f"{name}-input.npy", given)
    np.save(folder / f"{name}-target.npy", target)
    listed = folder / "pairs.json"
    pairs = json.loads(listed.read_text()) if listed.exists() else []
    listed.write_text(json.dumps([*pairs, {"name": name, "split": split, "patient": name}]))


@pytest.fixture
def flat(tmp_path):
    """Return a folder of two training cases, and one to validate on."""
    write(tmp_path, "a", "train", (5, 1, 20, 23), (2, 2))
    write(tmp_path, "bb", "train", (3, 1, 19, 18), (2, 2))
    write(tmp_path, "ccc", "validate", (4, 1, 16, 16), (2, 2))
    return tmp_path


def pairs(folder, split="train", **changes) -> Pairs:
    """Return pairs of a usual kind."""
    return Pairs(folder, split, **{"patch": (8, 8), "scale": (2, 2), "seed": 3, **changes})


def same(one, other) -> bool:
    """Return whether two batches are the same to the bit."""
    return torch.equal(one.input, other.input) and torch.equal(one.target, other.target)


def test_a_step_decides_its_batch(flat):
    source = pairs(flat)
    forwards = [source.batch(step, 4) for step in range(6)]
    backwards = [pairs(flat).batch(step, 4) for step in reversed(range(6))][::-1]
    assert all(same(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not any(same(forwards[0], other) for other in forwards[1:])
    assert same(source.batch(2, 4), forwards[2])


def test_other_seeds_and_ranks_are_other_batches(flat):
    one = pairs(flat).batch(0, 4)
    assert not same(one, pairs(flat, seed=4).batch(0, 4))
    assert not same(one, pairs(flat, rank=1).batch(0, 4))


def test_shapes_and_kinds(flat):
    batch = pairs(flat).batch(0, 6)
    assert batch.input.shape == (6, 1, 8, 8)
    assert batch.target.shape == (6, 1, 16, 16)
    assert batch.input.dtype == batch.target.dtype == torch.float32


@pytest.mark.parametrize("step", range(20))
def test_input_and_target_are_the_same_place_turned_alike(flat, step):
    batch = pairs(flat).batch(step, 4)
    enlarged = batch.input.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(enlarged, batch.target)


def test_axes_are_swapped_only_where_they_are_alike(tmp_path):
    write(tmp_path, "a", "train", (1, 1, 12, 12, 9), (1, 1, 3))
    source = pairs(tmp_path, patch=(8, 8, 6), scale=(1, 1, 3))
    for step in range(20):
        batch = source.batch(step, 2)
        assert batch.target.shape == (2, 1, 8, 8, 18)
        assert torch.equal(batch.input.repeat_interleave(3, 4), batch.target)


def test_all_eight_views_of_a_slice_come_up(tmp_path):
    write(tmp_path, "a", "train", (1, 1, 8, 8), (2, 2))
    source = pairs(tmp_path)
    views = {source.batch(step, 1).input.numpy().tobytes() for step in range(80)}
    assert len(views) == 8


def test_a_grid_makes_every_patch_equally_likely(tmp_path):
    write(tmp_path, "a", "train", (1, 1, 12, 17), (2, 2))  # 2 x 3 patches at a stride of 4
    write(tmp_path, "bb", "train", (2, 1, 8, 8), (2, 2))  # one patch of each of two images
    source = pairs(tmp_path, stride=(4, 4))
    places = {}
    rng = np.random.default_rng(0)
    for _ in range(4000):
        case, item, corner = source._place(rng)
        key = (case, item, *corner)
        places[key] = places.get(key, 0) + 1
    assert set(places) == {(0, 0, i, j) for i in (0, 4) for j in (0, 4, 8)} | {
        (1, 0, 0, 0), (1, 1, 0, 0),
    }  # fmt: skip
    assert min(places.values()) > 400
    batch = source.batch(0, 4)
    assert torch.equal(batch.input.repeat_interleave(2, 2).repeat_interleave(2, 3), batch.target)


def test_sides_of_the_split_stay_apart(flat):
    held = np.load(flat / "ccc-input.npy").astype(np.float32)
    seen = torch.cat([pairs(flat).batch(step, 8).input for step in range(20)])
    assert not np.isin(np.unique(held), seen.numpy()).mean() > 0.9
    watched = torch.cat([pairs(flat, "validate").batch(step, 8).input for step in range(5)])
    assert np.isin(watched.numpy(), held).all()


def test_air_is_mostly_passed_over(tmp_path):
    write(tmp_path, "a", "train", (1, 1, 64, 64), (2, 2))
    given = np.load(tmp_path / "a-input.npy")
    given[..., :40] = 0
    np.save(tmp_path / "a-input.npy", given)
    batch = pairs(tmp_path).batch(0, 64)
    assert (batch.input.flatten(1).mean(1) > 0.04).float().mean() > 0.9


def test_cases_smaller_than_the_patch_are_left_out(flat):
    assert len(pairs(flat, patch=(19, 19)).arrays) == 1


def test_the_patch_shrinks_where_no_case_holds_it(flat):
    source = pairs(flat, patch=(99, 16))
    assert len(source.arrays) == 2
    assert source.batch(0, 2).input.shape == (2, 1, 19, 16)
    assert source.batch(0, 2).target.shape == (2, 1, 38, 32)


def test_an_empty_side_is_refused(flat):
    with pytest.raises(UsageError, match="no case to test on"):
        pairs(flat, "test")


def test_what_is_not_prepared_or_damaged_is_refused(flat):
    with pytest.raises(StorageError, match="prepare first"):
        pairs(flat / "elsewhere")
    path = flat / "a-target.npy"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(MalformedInput, match="damaged"):
        pairs(flat)
    path.unlink()
    with pytest.raises(MalformedInput, match="damaged"):
        pairs(flat)
    (flat / "pairs.json").write_text("[")
    with pytest.raises(MalformedInput, match="damaged"):
        pairs(flat)
