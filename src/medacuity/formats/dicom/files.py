"""Find the DICOM files in a folder, an archive, or one file; nothing is ever unpacked to disk."""

import io
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from medacuity.errors import LimitExceeded, MalformedInput, MedacuityError, StorageError
from medacuity.formats.dicom import limits
from medacuity.formats.limits import storage

MARK = b"DICM"
MARK_AT = 128


@dataclass(frozen=True)
class Member:
    """One DICOM file, on disk or inside an archive.

    Args:
        path: What to call it in messages.
        size: Its bytes.
        open: Opens its first so many bytes for reading; -1 for all of them.
    """

    path: Path
    size: int
    open: Callable[[int], BinaryIO]


@contextmanager
def members(path: Path) -> Iterator[list[Member]]:
    """List the DICOM files at ``path``, in the order of their names; others are left out.

    Raises:
        StorageError: Nothing is there, or it cannot be read.
        MalformedInput: None of what is there is a DICOM file, or the archive is damaged.
        LimitExceeded: There are too many files, or the archive would become too large.
    """
    with storage(path):
        if not path.exists():
            raise StorageError("it does not exist; check the path", path=path)
        if path.is_dir():
            yield _only_dicom(_below(path), path)
        elif not stat.S_ISREG(path.stat().st_mode):
            raise StorageError("it is neither a file nor a folder", path=path)
        elif _is_dicom(_file(path)) or not zipfile.is_zipfile(path):
            yield _only_dicom([_file(path)], path)
        else:
            with _archive(path) as inside:
                yield _only_dicom(inside, path)


def _below(folder: Path) -> list[Member]:
    paths = []
    for path in folder.rglob("*"):
        paths.append(path)
        if len(paths) > limits.FILES:
            raise LimitExceeded(
                f"a folder may hold {limits.FILES} files, this one has more; "
                "name the folder of one series",
                path=folder,
            )
    return [_file(path) for path in sorted(paths) if path.is_file()]


def _file(path: Path) -> Member:
    return Member(path, path.stat().st_size, lambda _: path.open("rb"))


@contextmanager
def _archive(path: Path) -> Iterator[list[Member]]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise MalformedInput("the archive is damaged; make it again", path=path) from error
    with archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        _check_archive(path, entries)
        yield [_inside(path, archive, entry) for entry in entries]


def _check_archive(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Read the archive's own list before any of its bytes."""
    if len(entries) > limits.FILES:
        raise LimitExceeded(
            f"an archive may hold {limits.FILES} files, this one has {len(entries)}", path=path
        )
    try:
        limits.check_decoded(sum(entry.file_size for entry in entries), "the unpacked archive")
    except LimitExceeded as error:
        raise LimitExceeded(error.reason, path=path) from None
    for entry in entries:
        if entry.flag_bits & 1:
            raise MalformedInput("the archive is encrypted; unpack it first", path=path)
        if entry.file_size > limits.inflated_budget(entry.compress_size):
            raise LimitExceeded(
                f"a file in the archive would grow {limits.INFLATION}-fold or more", path=path
            )


def _inside(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Member:
    name = "".join(c if c.isprintable() else "?" for c in entry.filename)

    def unpack(size: int) -> BinaryIO:
        """Return at most ``size`` bytes of the entry; MalformedInput where it is damaged."""
        try:
            with archive.open(entry) as stream:
                return io.BytesIO(stream.read(size))
        except MedacuityError:
            raise
        except Exception:  # zlib, CRC, header and method errors have no common base
            raise MalformedInput("this part of the archive is damaged", path=path / name) from None

    return Member(path / name, entry.file_size, unpack)


def _only_dicom(found: list[Member], path: Path) -> list[Member]:
    dicom = [member for member in found if _is_dicom(member)]
    if not dicom:
        raise MalformedInput(_nothing(found, path), path=path)
    return dicom


def _nothing(found: list[Member], path: Path) -> str:
    if [member.path for member in found] == [path]:
        return (
            "it is not a DICOM file: no DICM mark at byte 128; "
            "if it is one of an older kind, convert it with dcmconv"
        )
    if not found:
        return "it is empty; name a folder or an archive that holds a DICOM series"
    return f"none of the {len(found)} files in it is a DICOM file; name one that holds a series"


def _is_dicom(member: Member) -> bool:
    if member.size < MARK_AT + len(MARK):
        return False
    with member.open(MARK_AT + len(MARK)) as file:
        return file.read(MARK_AT + len(MARK))[MARK_AT:] == MARK
