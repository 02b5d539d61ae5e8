"""DICOM -> volumes: header first, limits first, then memory."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from medacuity.errors import LimitExceeded, MalformedInput, StorageError
from medacuity.formats.dicom import limits
from medacuity.formats.dicom.decode import pixels, stored_dtype, unswapped
from medacuity.formats.dicom.files import Member, members
from medacuity.formats.dicom.frames import Frame, frames_of
from medacuity.formats.dicom.geometry import affine_of, plane_of
from medacuity.formats.dicom.header import pixel_data, quiet, read_header
from medacuity.formats.dicom.series import check_identity, stacks
from medacuity.formats.dicom.suv import suv_factors
from medacuity.formats.dicom.values import rescaled, scale_of, unit_of
from medacuity.formats.dicom.worker import Decoder
from medacuity.formats.source import Source
from medacuity.volume import Volume

DIRECTORY = "1.2.840.10008.1.3.10"  # a DICOMDIR: a list of files, no image


@dataclass(frozen=True)
class Series:
    """What only the files know: the header of `Source`.

    Args:
        stacks: The frames of each volume, from its first slice to its last.
        kind: What was read: ``"folder"``, ``"zip"`` or ``"file"``.
    """

    stacks: tuple[tuple[Frame, ...], ...]
    kind: str

    def suv_factors(self) -> tuple[NDArray[np.float64], ...]:
        """Return for each slice of each volume what its values times give SUV; see `in_suv`."""
        series = [frame for stack in self.stacks for frame in stack]
        with quiet():
            return tuple(suv_factors(stack, series) for stack in self.stacks)


def read(path: str | Path) -> Source:
    """Read a DICOM series: MR, CT or PET, classic or enhanced multi-frame.

    A folder (with what is below it) or a zip archive must hold one series; a file is read alone.
    The array is ``(I, J, K)`` = (column, row, slice), slices in the order of their positions
    along the normal. Values are in the unit of the scan, each slice's slope and intercept
    applied; padding outside the scanner's field of view keeps its value.

    Raises:
        StorageError: Nothing is there, or it cannot be read.
        MalformedInput: It is damaged, cut short, or no MR, CT or PET image.
        LimitExceeded: It would take more memory than allowed.
        UnsafeGeometry: Patients, series, orientations or sizes are mixed; a slice is missing,
            there twice, or does not tell where it lies.
    """
    path = Path(path)
    with quiet(), members(path) as found:
        headers = [(member, read_header(member)) for member in found]
        headers = [(m, h) for m, h in headers if not _directory(h)]
        if not headers:
            raise MalformedInput("it holds a DICOMDIR and no image beside it", path=path)
        return _source(path, headers)


def _directory(header: Dataset) -> bool:
    return DIRECTORY in (
        header.get("SOPClassUID"),
        header.file_meta.get("MediaStorageSOPClassUID"),
    )


def _source(path: Path, headers: Sequence[tuple[Member, Dataset]]) -> Source:
    frames = [frame for m, header in headers for frame in frames_of(m.path, header)]
    check_identity(frames)
    ordered = stacks(frames)
    affines = [affine_of(stack, [plane_of(frame) for frame in stack]) for stack in ordered]
    _check_size(path, frames)
    stored, sha256 = _decoded(ordered, {id(header): member for member, header in headers})
    volumes = tuple(
        Volume(rescaled(array, [scale_of(f) for f in stack]).T, affine, unit_of(stack[0]))
        for array, affine, stack in zip(stored, affines, ordered, strict=True)
    )
    kind = "folder" if path.is_dir() else "file" if headers[0][0].path == path else "zip"
    synthetic = any(frame.header.get("SyntheticData") == "YES" for frame in frames)
    series = Series(tuple(tuple(stack) for stack in ordered), kind)
    return Source(path, volumes, series, sha256, synthetic)


def _check_size(path: Path, frames: Sequence[Frame]) -> None:
    header = frames[0].header
    width = max(4, stored_dtype(header).itemsize)
    try:
        asked = len(frames) * int(header.Rows) * int(header.Columns) * width
        limits.check_decoded(asked, "the series")
    except LimitExceeded as error:
        raise LimitExceeded(error.reason, path=path) from None


def _decoded(
    ordered: Sequence[Sequence[Frame]], sources: Mapping[int, Member]
) -> tuple[list[NDArray[Any]], str]:
    """Decode file by file in the order of the slices, hashing the bytes on the way."""
    digest = hashlib.sha256()
    wanted: dict[int, list[tuple[int, int, Frame]]] = {}
    for v, stack in enumerate(ordered):
        for k, frame in enumerate(stack):
            wanted.setdefault(id(frame.header), []).append((v, k, frame))
    arrays = [_empty(stack) for stack in ordered]
    with Decoder() as decoder:
        for key, places in wanted.items():
            data = _bytes(sources[key])
            digest.update(data)
            decoded = _pixels(data, sources[key], places[0][2], decoder)
            for v, k, frame in places:
                arrays[v][k] = decoded[frame.index or 0]
    return arrays, digest.hexdigest()


def _empty(stack: Sequence[Frame]) -> NDArray[Any]:
    dtype = np.result_type(*{stored_dtype(frame.header) for frame in stack})
    header = stack[0].header
    return np.empty((len(stack), int(header.Rows), int(header.Columns)), dtype)


def _bytes(member: Member) -> bytes:
    limits.check_decoded(member.size, "one file")
    with member.open(-1) as file:
        data = file.read(member.size)
    if len(data) != member.size:
        raise StorageError("it changed while it was read", path=member.path)
    return data


def _pixels(data: bytes, member: Member, frame: Frame, decoder: Decoder) -> NDArray[Any]:
    """Decode a file by the header that was checked, whatever it says by now."""
    value, vr = pixel_data(io.BytesIO(data), member)
    return pixels(frame.header, unswapped(value, vr, frame.header), member, decoder)
