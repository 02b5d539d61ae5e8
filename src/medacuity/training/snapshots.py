"""Checkpoints of a run: folders ``step-N`` with a manifest of hashes, renamed into place whole.

There is no pointer to the newest: it is found by looking for the newest that is still what its
manifest says.
"""

import hashlib
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from medacuity.atomic import atomic_folder, atomic_write
from medacuity.errors import MalformedInput

KEPT = 3  # newest checkpoints that stay on disk
TENSORS, NUMBERS, MANIFEST = "tensors.safetensors", "numbers.json", "manifest.json"


def save_snapshot(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write the state of a learner after ``step`` steps, and let the oldest go."""
    tensors, numbers = _flat(state)
    contents = {TENSORS: save(tensors), NUMBERS: json.dumps(numbers).encode()}
    manifest = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    contents[MANIFEST] = json.dumps(manifest, indent=1).encode()
    target = folder / f"step-{step:08d}"
    folder.mkdir(exist_ok=True)
    if target.exists():  # only a damaged one: a run goes on from the newest that is sound
        shutil.rmtree(target)
    with atomic_folder(target) as beside:
        for name, data in contents.items():
            with atomic_write(beside / name) as file:
                file.write(data)
    for old in sorted(folder.glob("step-*"))[:-KEPT]:
        shutil.rmtree(old)


def newest_snapshot(folder: Path) -> tuple[int, dict[str, Any]] | None:
    """Return the newest sound checkpoint as (steps, state); None if there never was one.

    Raises:
        MalformedInput: There are checkpoints, and none of them is sound: a run never starts
            from nothing in silence.
    """
    found = sorted(folder.glob("step-*"), reverse=True) if folder.is_dir() else []
    for path in found:
        try:
            return int(path.name.removeprefix("step-")), _load(path)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            warnings.warn(
                f"{path} is damaged ({type(error).__name__}); falling back to the one before",
                stacklevel=2,
            )
    if found:
        raise MalformedInput("none of its checkpoints is sound; train anew", path=folder)
    return None


def _load(path: Path) -> dict[str, Any]:
    manifest = json.loads((path / MANIFEST).read_text())
    contents = {name: (path / name).read_bytes() for name in (TENSORS, NUMBERS)}
    for name, data in contents.items():
        if hashlib.sha256(data).hexdigest() != manifest[name]:
            raise ValueError(f"{name} is not what the manifest says")
    state: dict[str, Any] = _nested(load(contents[TENSORS]), json.loads(contents[NUMBERS]))
    return state


def _flat(state: Any, prefix: str = "") -> tuple[dict[str, torch.Tensor], Any]:
    """Part a nested state into its tensors, by path, and the rest with their places marked."""
    if isinstance(state, torch.Tensor):
        return {prefix: state.detach().cpu().contiguous()}, {"tensor": prefix}
    if isinstance(state, dict):
        pairs = list(state.items())
    elif isinstance(state, list | tuple):
        pairs = list(enumerate(state))
    else:
        return {}, state
    tensors: dict[str, torch.Tensor] = {}
    rest = []
    for key, value in pairs:
        inner, left = _flat(value, f"{prefix}/{key}")
        tensors |= inner
        rest.append([key, left])
    return tensors, {"dict": rest} if isinstance(state, dict) else {"list": [v for _, v in rest]}


def _nested(tensors: dict[str, torch.Tensor], rest: Any) -> Any:
    if not isinstance(rest, dict):
        return rest
    if "tensor" in rest:
        return tensors[rest["tensor"]]
    if "list" in rest:
        return [_nested(tensors, value) for value in rest["list"]]
    return {key: _nested(tensors, value) for key, value in rest["dict"]}
