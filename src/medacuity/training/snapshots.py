"""Checkpoints of a run: folders ``step-N`` with a manifest of hashes, renamed into place whole.

There is no pointer to the newest: it is found by looking for the newest that is still what its
manifest says. The manifest also says whether the run was healthy, and how often it had been cured
before: a run that falls ill goes back to the last healthy one, and those are not let go for newer
ones that are not.
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

KEPT = 3  # newest checkpoints that stay on disk, and newest healthy ones
TENSORS, NUMBERS, MANIFEST = "tensors.safetensors", "numbers.json", "manifest.json"


def save_snapshot(
    folder: Path, step: int, state: dict[str, Any], *, healthy: bool = True, cures: int = 0
) -> None:
    """Write the state of a run after ``step`` steps, and let the oldest go."""
    tensors, numbers = _flat(state)
    contents = {TENSORS: save(tensors), NUMBERS: json.dumps(numbers).encode()}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    contents[MANIFEST] = json.dumps(
        hashes | {"healthy": healthy, "cures": cures}, indent=1
    ).encode()
    target = folder / f"step-{step:08d}"
    folder.mkdir(exist_ok=True)
    if target.exists():  # only a damaged one: a run goes on from the newest that is sound
        shutil.rmtree(target)
    with atomic_folder(target) as beside:
        for name, data in contents.items():
            with atomic_write(beside / name) as file:
                file.write(data)
    found = sorted(folder.glob("step-*"))
    kept = {*found[-KEPT:], *list(filter(_healthy, found))[-KEPT:]}
    for old in set(found) - kept:
        shutil.rmtree(old)


def drop_snapshots(folder: Path, *, after: int, cures: int) -> None:
    """Remove the checkpoints after a step that have fewer cures behind them."""
    for path in sorted(folder.glob("step-*"), reverse=True):
        if _step(path) > after and _noted(path).get("cures", 0) < cures:
            shutil.rmtree(path)


def healthy_steps(folder: Path) -> list[int]:
    """Return the steps of the checkpoints saved in health, the newest last."""
    return [_step(path) for path in sorted(folder.glob("step-*")) if _healthy(path)]


def newest_snapshot(folder: Path) -> tuple[int, dict[str, Any]] | None:
    """Return the newest sound checkpoint as (steps, state); None if there never was one.

    Raises:
        MalformedInput: There are checkpoints, and none of them is sound: a run never starts
            from nothing in silence.
    """
    found = sorted(folder.glob("step-*"), reverse=True) if folder.is_dir() else []
    for path in found:
        try:
            return _step(path), _load(path)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            warnings.warn(
                f"{path} is damaged ({type(error).__name__}); falling back to the one before",
                stacklevel=2,
            )
    if found:
        raise MalformedInput("none of its checkpoints is sound; train anew", path=folder)
    return None


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _healthy(path: Path) -> bool:
    """Tell whether it was saved in health; those of before anybody looked count as such."""
    return bool(_noted(path).get("healthy", True))


def _noted(path: Path) -> dict[str, Any]:
    """Return its manifest; a damaged one says that nothing was well."""
    try:
        return dict(json.loads((path / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError):
        return {"healthy": False}


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
