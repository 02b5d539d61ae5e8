"""A checkpoint is whole or it is not used.

- What is saved comes back: nested dictionaries, lists, numbers to the bit, tensors to the bit.
- Damage of any kind to the newest is seen, said, and the one before is taken; if all are
  damaged nothing starts from scratch in silence.
- The newest three stay; a damaged one is replaced when its step comes again; a half-written one
  is not looked at.
"""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from medacuity.errors import MalformedInput
from medacuity.training.snapshots import KEPT, newest_snapshot, save_snapshot

STATE: dict[str, Any] = {
    "model": {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)},
    "optimiser": {
        "state": {0: {"step": torch.tensor(7.0), "exp_avg": torch.randn(2, 3)}, 1: {}},
        "param_groups": [{"lr": 0.1 + 0.2, "betas": (0.9, 0.99), "params": [0, 1], "x": None}],
    },
    "done": 7,
    "flags": [True, False, "text", 1e-300],
}


def equal(a: Any, b: Any) -> bool:
    """Compare to the bit; tuples may come back as lists."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and a == b


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a folder with the checkpoints of steps 3 and 6."""
    for step in (3, 6):
        save_snapshot(tmp_path / "checkpoints", step, STATE | {"done": step})
    return tmp_path / "checkpoints"


def test_what_is_saved_comes_back(folder):
    found = newest_snapshot(folder)
    assert found is not None
    assert found[0] == 6
    assert equal(found[1], STATE | {"done": 6})


def test_layouts_and_kinds_of_numbers_come_back(tmp_path):
    x = torch.rand(1, 2, 3, 4).to(memory_format=torch.channels_last)
    state = {"x": x, "y": x.half(), "z": torch.tensor([1, 2]), "w": x.bfloat16(), "b": x > 0.5}
    save_snapshot(tmp_path, 1, state)
    found = newest_snapshot(tmp_path)
    assert found is not None
    assert equal(found[1], state)


def test_nothing_there_is_a_fresh_start(tmp_path):
    assert newest_snapshot(tmp_path) is None
    assert newest_snapshot(tmp_path / "checkpoints") is None


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap(folder: Path) -> None:
    """Exchange two files of a checkpoint."""
    a, b = folder / "tensors.safetensors", folder / "numbers.json"
    a.rename(folder / "x")
    b.rename(a)
    (folder / "x").rename(b)


DAMAGE = {
    "a flipped bit in the tensors": lambda f: flip(f / "tensors.safetensors"),
    "a flipped bit in the numbers": lambda f: flip(f / "numbers.json"),
    "a flipped bit in the manifest": lambda f: flip(f / "manifest.json"),
    "truncated tensors": lambda f: (f / "tensors.safetensors").write_bytes(b"\x08"),
    "no tensors": lambda f: (f / "tensors.safetensors").unlink(),
    "no manifest": lambda f: (f / "manifest.json").unlink(),
    "an empty manifest": lambda f: (f / "manifest.json").write_text(""),
    "a manifest of nothing": lambda f: (f / "manifest.json").write_text("{}"),
    "a manifest that is a list": lambda f: (f / "manifest.json").write_text("[]"),
    "a manifest that is a number": lambda f: (f / "manifest.json").write_text("7"),
    "swapped files": swap,
    "an empty folder": lambda f: (shutil.rmtree(f), f.mkdir()),
    "a file in its place": lambda f: (shutil.rmtree(f), f.write_text("x")),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_seen_and_the_one_before_is_taken(folder, what):
    DAMAGE[what](folder / "step-00000006")
    with pytest.warns(UserWarning, match="step-00000006 is damaged") as said:
        found = newest_snapshot(folder)
    assert len(said) == 1
    assert found is not None
    assert found[0] == found[1]["done"] == 3


def test_a_manifest_names_no_other_files(folder, tmp_path):
    newest = folder / "step-00000006"
    manifest = json.loads((newest / "manifest.json").read_text())
    (newest / "manifest.json").write_text(json.dumps(manifest | {"../../secret": "0"}))
    found = newest_snapshot(folder)
    assert found is not None
    assert found[0] == 6


def test_nothing_starts_from_scratch_in_silence(folder):
    for step in folder.iterdir():
        (step / "manifest.json").unlink()
    with (
        pytest.warns(UserWarning, match="is damaged"),
        pytest.raises(MalformedInput, match="none of its checkpoints is sound"),
    ):
        newest_snapshot(folder)


def test_a_damaged_one_is_replaced_when_its_step_comes_again(folder):
    flip(folder / "step-00000006" / "tensors.safetensors")
    save_snapshot(folder, 6, STATE)
    found = newest_snapshot(folder)
    assert found is not None
    assert found[0] == 6


def test_the_newest_stay(folder):
    for step in (9, 12, 1000):
        save_snapshot(folder, step, STATE)
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"step-{step:08d}" for step in (9, 12, 1000)][-KEPT:]


def test_a_half_written_one_is_not_looked_at(folder):
    part = folder / ".step-00000009.abc.part"
    part.mkdir()
    (part / "tensors.safetensors").write_bytes(b"half")
    found = newest_snapshot(folder)
    assert found is not None
    assert found[0] == 6


@pytest.mark.parametrize("dies", ["tensors.safetensors", "numbers.json", "manifest.json"])
def test_dying_while_saving_leaves_what_was_there(folder, dies, monkeypatch):
    from medacuity.training import snapshots

    write = snapshots.atomic_write

    def failing(path):
        if Path(path).name == dies:
            raise KeyboardInterrupt
        return write(path)

    monkeypatch.setattr(snapshots, "atomic_write", failing)
    with pytest.raises(KeyboardInterrupt):
        save_snapshot(folder, 9, STATE)
    assert sorted(path.name for path in folder.iterdir()) == ["step-00000003", "step-00000006"]


def test_numbers_that_are_not_finite_come_back(tmp_path):
    save_snapshot(tmp_path, 1, {"best": math.inf})
    found = newest_snapshot(tmp_path)
    assert found is not None
    assert found[1]["best"] == math.inf
