"""The JSON file beside a result: how it was made, from what, and how to tell it is whole."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medacuity import __version__
from medacuity.atomic import atomic_write
from medacuity.errors import StorageError, UsageError
from medacuity.formats.limits import storage
from medacuity.formats.source import Provenance, Source

MARK = "medacuity"
"""The key by which we know our own sidecars; other people's JSON is never overwritten."""


def sidecar_path(path: Path, suffix: str) -> Path:
    """Return where the sidecar of ``path`` goes: its name with ``.json`` for ``suffix``.

    Example:
        >>> sidecar_path(Path("out/brain.nii.gz"), ".nii.gz").name
        'brain.json'
    """
    return path.with_name(path.name[: len(path.name) - len(suffix)] + ".json")


def check_sidecar(path: Path) -> None:
    """Refuse to replace a JSON file that is not one of ours."""
    if not path.exists():
        return
    with storage(path):
        data = path.read_bytes() if path.is_file() and path.stat().st_size < 2**24 else b""
    try:
        ours = MARK in json.loads(data)
    except (ValueError, TypeError, RecursionError):
        ours = False
    if not ours:
        raise StorageError(
            "the sidecar would replace a file that medacuity did not write; name another output",
            path=path,
        )


def encode_sidecar(provenance: Provenance, *, like: Source) -> dict[str, Any]:
    """Return what the sidecar will hold, after checking that JSON can say it."""
    record: dict[str, Any] = {MARK: __version__, "input_sha256": like.sha256, **provenance}
    try:
        json.dumps(record, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"provenance must be JSON with finite numbers: {error}") from error
    return record


def write_sidecar(path: Path, record: Mapping[str, Any], *, output: Path) -> None:
    """Write ``record`` with the hashes of the files it describes, so that damage shows."""
    files = sorted(p for p in output.rglob("*") if p.is_file()) if output.is_dir() else [output]
    root = output if output.is_dir() else output.parent
    hashes = {file.relative_to(root).as_posix(): _sha256(file) for file in files}
    text = json.dumps({**record, "files_sha256": hashes}, indent=2)
    with atomic_write(path) as file:
        file.write(text.encode() + b"\n")


def _sha256(path: Path) -> str:
    with storage(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
