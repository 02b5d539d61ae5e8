"""The only writer: beside, flush, fsync, rename.

Whatever happens, a path holds the whole old file or the whole new one. Nothing else in the
package opens a file for writing.
"""

import math
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from medacuity.errors import StorageError


@contextmanager
def atomic_write(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a file beside ``path`` that takes its place once it is whole and on disk.

    Raises:
        StorageError: The folder is missing or read-only, the disk is full, or ``path`` is a
            folder. What was at ``path`` is untouched, and nothing else is left behind.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> with atomic_write(target) as file:
        ...     _ = file.write(b"whole")
        >>> target.read_bytes()
        b'whole'
    """
    path = Path(path)
    beside = _beside(path)
    with _storage_errors(path):
        if path.is_dir():
            raise IsADirectoryError("it is a folder; name a file")
        descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
            sync_folder(path.parent)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Fill a folder beside ``path`` that takes its place once every file in it is on disk.

    An existing folder at ``path`` must be empty: results are never mixed with other files.
    """
    path = Path(path)
    beside = _beside(path)
    with _storage_errors(path):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise FileExistsError("it exists already and is not an empty folder; name a new one")
        beside.mkdir()
        try:
            yield beside
            for folder in [beside, *(p for p in beside.rglob("*") if p.is_dir())]:
                sync_folder(folder)
            os.replace(beside, path)
            sync_folder(path.parent)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise


def check_writable(path: str | Path) -> None:
    """Fail now rather than after an hour of work: can ``path`` be written at all?"""
    path = Path(path)
    with _storage_errors(path):
        if not path.parent.is_dir():
            raise FileNotFoundError(f"the folder {path.parent} does not exist; create it first")
        probe = _beside(path)
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        probe.unlink()


def sync_folder(folder: Path) -> None:
    """Put the folder's list of names on disk, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(path: Path) -> Path:
    return path.parent / f".{path.name[:80]}.{secrets.token_hex(6)}.part"


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"cannot write: {error.strerror or error}", path=path) from error


def scratch(
    folder: str | Path, shape: tuple[int, ...], dtype: type[np.floating[Any]] = np.float32
) -> NDArray[Any]:
    """Return an array on disk that vanishes with the process: room for large results.

    The file has no name from the start, so that no crash leaves it behind.
    """
    with _storage_errors(Path(folder)):
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=".medacuity-", suffix=".scratch")
        os.unlink(name)
        with os.fdopen(descriptor, "w+b") as file:
            file.truncate(np.dtype(dtype).itemsize * math.prod(shape))
            return np.memmap(file, dtype, mode="r+", shape=shape)
