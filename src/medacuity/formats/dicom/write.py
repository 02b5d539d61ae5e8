"""Volumes -> DICOM: a derived series of the same study, in the kind of object that came in."""

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from pydicom import Dataset, dcmwrite

from medacuity.atomic import atomic_folder, atomic_write
from medacuity.errors import UsageError
from medacuity.formats.dicom import classic, enhanced
from medacuity.formats.dicom.derive import derivation_of
from medacuity.formats.dicom.frames import ENHANCED
from medacuity.formats.dicom.header import quiet
from medacuity.formats.dicom.read import Series
from medacuity.formats.dicom.values import storage_for
from medacuity.formats.source import Provenance, Source
from medacuity.volume import Volume


def write(
    path: str | Path,
    volumes: Sequence[Volume],
    *,
    like: Source,
    provenance: Provenance | None = None,
) -> None:
    """Write results as a derived series of the study they came from.

    Classic images become a new folder of files ``IM-0001.dcm``, or one file when a lone file
    was read and the result is one slice; an enhanced image becomes one file. A ``path`` that
    ends in ``.zip`` becomes an archive of the same files. UIDs depend on the source images and
    the provenance's method, method_sha256, version and options alone, and on the new grid.

    Args:
        path: Where to; a folder must not exist yet, or be empty.
        volumes: As many as were read, each on a grid in the place of its source's.
        like: What was read.
        provenance: How the results were made.

    Raises:
        UsageError: The volumes are not as many as were read, or in another unit.
        SafetyGate: A value is not finite.
        UnsafeGeometry: A grid has no perpendicular rows and columns.
        StorageError: Writing failed; nothing is left behind.
    """
    path, series = Path(path), like.header
    if not isinstance(series, Series):
        raise UsageError("only what was read from DICOM can be written as DICOM")
    _check_volumes(volumes, like)
    frames = [frame for stack in series.stacks for frame in stack]
    storage = storage_for([volume.array for volume in volumes], frames)
    how = derivation_of(series.stacks, volumes, provenance)
    parts: Any = {"grids": like.volumes, "storage": storage, "how": how}
    with quiet():
        if str(frames[0].header.SOPClassUID) in ENHANCED:
            image = enhanced.image(volumes, series.stacks, **parts)
            _write(path, [image], alone=True)
        else:
            images = classic.images(volumes, series.stacks, **parts)
            slices = sum(volume.shape[2] for volume in volumes)
            _write(path, images, alone=series.kind == "file" and slices == 1)


def check_one_file(path: Path, like: Source) -> None:
    """Refuse a single file for a series of several: each of its slices is a file."""
    frames = [frame for stack in like.header.stacks for frame in stack]
    if len(frames) > 1 and str(frames[0].header.SOPClassUID) not in ENHANCED:
        raise UsageError("a series of slices is written as a folder or a .zip; name one", path=path)


def _check_volumes(volumes: Sequence[Volume], like: Source) -> None:
    if len(volumes) != len(like.volumes):
        raise UsageError(f"{len(like.volumes)} volumes were read, {len(volumes)} are to be written")
    for volume, source in zip(volumes, like.volumes, strict=True):
        if volume.unit != source.unit:
            raise UsageError(f"the scan is in {source.unit}, the result in {volume.unit}")


def _write(path: Path, images: Iterable[Dataset], *, alone: bool) -> None:
    if path.suffix.lower() == ".zip":
        with atomic_write(path) as file:
            _archive(file, images)
    elif path.suffix.lower() == ".dcm" and not alone:
        raise UsageError("a series of slices is written as a folder or a .zip; name one", path=path)
    elif alone:
        for image in images:
            with atomic_write(path) as file:
                _dump(image, file)
    else:
        with atomic_folder(path) as folder:
            for name, image in _named(images):
                with atomic_write(folder / name) as file:
                    _dump(image, file)


def _archive(file: IO[bytes], images: Iterable[Dataset]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, image in _named(images):
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                buffer = io.BytesIO()
                _dump(image, buffer)
                member.write(buffer.getbuffer())


def _named(images: Iterable[Dataset]) -> Iterator[tuple[str, Dataset]]:
    for number, image in enumerate(images, start=1):
        yield f"IM-{number:04d}.dcm", image


def _dump(image: Dataset, file: IO[bytes]) -> None:
    dcmwrite(file, image, enforce_file_format=True)
