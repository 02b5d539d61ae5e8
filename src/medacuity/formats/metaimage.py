"""MetaImage: ``.mha``, and ``.mhd`` with a data file beside it; raw or zlib.

The header is text, one ``Key = Value`` a line; directions are LPS as in ITK, axis by axis. A
fourth axis holds frames. Only the keys named here are read, and only these are written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medacuity.atomic import atomic_write
from medacuity.errors import MalformedInput, UnsafeGeometry
from medacuity.formats.deflate import ZLIB, packed
from medacuity.formats.inflate import FileBytes, InflateStream, PlainStream
from medacuity.formats.limits import check_place, data_file, refusing, storage
from medacuity.formats.source import Provenance, Source, made_by, says_synthetic
from medacuity.formats.voxels import (
    encode,
    plain_dtype,
    read_voxels,
    same_grid,
    stored_dtype,
)
from medacuity.volume import Volume

HEADER_LIMIT = 64 * 1024
UNKNOWN = "?" * 20
LAST = "elementdatafile"
LPS = np.array([-1.0, -1.0, 1.0])[:, np.newaxis]
TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2",
    "MET_INT": "i4", "MET_UINT": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4", "MET_DOUBLE": "f8", "MET_LONG": "i4", "MET_ULONG": "u4",
}  # fmt: skip


@dataclass(frozen=True)
class MetaHeader:
    """What a result keeps of a MetaImage header.

    Args:
        dtype: Of the stored voxels.
        compressed: The data is a zlib stream.
        time: Spacing and offset of the fourth axis, or None where there is none.
        files: Names of data files beside the header.
    """

    dtype: np.dtype[Any]
    compressed: bool
    time: tuple[float, float] | None
    files: tuple[str, ...] = ()


def read(path: Path) -> Source:
    """Return the volumes of a MetaImage, one per frame.

    Raises:
        MalformedInput: Truncated, damaged, or of a kind that is not supported.
        LimitExceeded: Larger than allowed.
        UnsafeGeometry: The place in the patient cannot be trusted.
    """
    with storage(path), path.open("rb") as file:
        source = FileBytes(file, path)
        fields = _fields(source, path)
        name = fields[LAST]
        if name.upper() == "LOCAL":
            return _read_data(source, fields, (), path)
        beside = data_file(path, name)
        with storage(beside), beside.open("rb") as data:
            return _read_data(FileBytes(data, path, after=source), fields, (name,), path)


def write(
    path: Path, volumes: Sequence[Volume], *, like: Source, provenance: Provenance | None = None
) -> None:
    """Write ``volumes`` as one ``.mha``, little-endian."""
    first = same_grid(volumes)
    header = like.header
    if not isinstance(header, MetaHeader):
        header = MetaHeader(plain_dtype(like.volumes), compressed=True, time=None)
    dtype = stored_dtype(volumes, header.dtype)
    note = made_by(provenance) if provenance and provenance.get("synthetic") else ""
    text = _text(header, first, len(volumes), dtype, note=note).encode("ascii", "replace")
    with atomic_write(path) as file:
        file.write(text)
        with packed(file, ZLIB if header.compressed else None) as sink:
            for volume in volumes:
                for part in encode(volume.array, dtype.newbyteorder("<")):
                    sink.write(part)
        if header.compressed:  # ITK needs the size, and it is known only now
            size = str(file.tell() - len(text)).ljust(len(UNKNOWN)).encode("ascii")
            file.seek(text.index(UNKNOWN.encode("ascii")))
            file.write(size)


def _fields(source: FileBytes, path: Path) -> dict[str, str]:
    """Return the header by lower-case key; ``source`` then stands at the data."""
    block, fields, start = source.read(HEADER_LIMIT), {}, 0
    while LAST not in fields:
        stop = block.find(b"\n", start)
        stop = len(block) if stop < 0 else stop
        key, equals, value = block[start:stop].decode("ascii", "replace").partition("=")
        if not equals:
            raise MalformedInput(
                "the MetaImage header must be lines of Key = Value that end with "
                "ElementDataFile; it is damaged",
                path=path,
            )
        fields[key.strip().lower()] = value.strip()
        start = stop + 1
    source.unread(block[start:])
    return fields


def _read_data(
    source: FileBytes, fields: dict[str, str], files: tuple[str, ...], path: Path
) -> Source:
    with refusing(path, "MetaImage header"):
        dtype = _dtype(fields, path)
        sizes, affine, time = _geometry(fields, path)
        compressed = _flag(fields, "compresseddata", path=path)
        skip = int(fields.get("headersize", "0"))
    check_place(affine, path)
    if skip:
        raise MalformedInput("data behind a foreign header is not read; convert it", path=path)
    stream = InflateStream(source, gzip=False) if compressed else PlainStream(source)
    array = read_voxels(stream, sizes, dtype).reshape((*sizes, 1, 1)[:4], order="F")
    volumes = tuple(Volume(array[..., t], affine) for t in range(array.shape[3]))
    header = MetaHeader(dtype.newbyteorder("="), compressed, time, files)
    synthetic = says_synthetic(fields.get("comment"))
    return Source(path, volumes, header, source.sha256(), synthetic)


def _dtype(fields: dict[str, str], path: Path) -> np.dtype[Any]:
    code = TYPES.get(fields.get("elementtype", "").upper())
    channels = int(fields.get("elementnumberofchannels", "1"))
    if code is None or channels != 1 or not _flag(fields, "binarydata", default=True, path=path):
        raise MalformedInput(
            "voxels must be single binary numbers of 8 to 64 bits; split or convert them",
            path=path,
        )
    big = _flag(fields, "binarydatabyteordermsb", "elementbyteordermsb", path=path)
    return np.dtype((">" if big else "<") + code)


def _geometry(
    fields: dict[str, str], path: Path
) -> tuple[list[int], NDArray[np.float64], tuple[float, float] | None]:
    """Return sizes, affine (RAS, mm) and the spacing and offset in time."""
    sizes = [int(n) for n in fields["dimsize"].split()]
    count = len(sizes)
    if count != int(fields["ndims"]) or not 2 <= count <= 4 or min(sizes) < 1:
        raise MalformedInput(
            f"DimSize must name 2 to 4 axes with at least one voxel each, got {sizes}", path=path
        )
    spacing = _numbers(fields, ("elementspacing", "elementsize"), np.ones(count))
    origin = _numbers(fields, ("offset", "position", "origin"), np.zeros(count))
    matrix = _numbers(fields, ("transformmatrix", "rotation", "orientation"), np.eye(count))
    axes = matrix.reshape(count, count)  # one row per axis
    space = min(count, 3)
    if count == 4 and (np.any(axes[3, :3]) or np.any(axes[:3, 3])):
        raise MalformedInput("its fourth axis must be time alone, not a direction", path=path)
    if not (spacing[:space] > 0).all():
        raise UnsafeGeometry("ElementSpacing must be above 0 mm; correct the header", path=path)
    affine = np.eye(4)
    affine[:space, :space] = axes[:space, :space].T * spacing[:space]
    affine[:space, 3] = origin[:space]
    affine[:3] *= LPS
    time = (float(spacing[3]), float(origin[3])) if count == 4 else None
    return sizes, affine, time


def _numbers(
    fields: dict[str, str], keys: tuple[str, ...], default: NDArray[np.float64]
) -> NDArray[np.float64]:
    text = next((fields[key] for key in keys if key in fields), None)
    if text is None:
        return default
    numbers = np.array([float(word) for word in text.split()])
    return numbers.reshape(default.shape)


def _flag(fields: dict[str, str], *keys: str, default: bool = False, path: Path) -> bool:
    text = next((fields[key].lower() for key in keys if key in fields), str(default).lower())
    if text not in ("true", "false", "t", "f", "1", "0"):
        raise MalformedInput(f"{keys[0]} must be True or False", path=path)
    return text in ("true", "t", "1")


def _text(
    header: MetaHeader, volume: Volume, frames: int, dtype: np.dtype[Any], *, note: str
) -> str:
    time = header.time or ((1.0, 0.0) if frames > 1 else None)
    count = 3 if time is None else 4
    affine = volume.affine.copy()
    affine[:3] *= LPS
    axes, spacing, origin = np.eye(count), np.ones(count), np.zeros(count)
    spacing[:3], origin[:3] = volume.spacing, affine[:3, 3]
    axes[:3, :3] = (affine[:3, :3] / volume.spacing).T
    if time is not None:
        spacing[3], origin[3] = time
    sizes = [*volume.shape, frames][:count]
    kind = next(name for name, code in TYPES.items() if code == dtype.str[1:])
    lines = [
        "ObjectType = Image",
        *([f"Comment = {note}"] if note else []),
        f"NDims = {count}",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        f"CompressedData = {header.compressed}",
        *([f"CompressedDataSize = {UNKNOWN}"] * header.compressed),
        f"TransformMatrix = {_words(axes)}",
        f"Offset = {_words(origin)}",
        f"ElementSpacing = {_words(spacing)}",
        f"DimSize = {' '.join(map(str, sizes))}",
        f"ElementType = {kind}",
        "ElementDataFile = LOCAL",
    ]
    return "\n".join(lines) + "\n"


def _words(values: NDArray[np.float64]) -> str:
    return " ".join(repr(float(value)) for value in values.flat)
