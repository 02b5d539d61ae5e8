"""NRRD: ``.nrrd``, and ``.nhdr`` with a data file beside it; raw or gzip.

Directions in the spaces LPS, RAS and LAS become RAS, and are themselves again when written. A
file without a space is taken as ITK takes it: along the axes of LPS. A fourth axis holds
frames, first or last; it is written last. Free text and keys of the source are not copied.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nrrd
import numpy as np
from numpy.typing import NDArray

from medacuity.atomic import atomic_write
from medacuity.errors import MalformedInput
from medacuity.formats.deflate import GZIP, packed
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

HEADER_LIMIT = 2**20
LPS = "left-posterior-superior"
TO_RAS = {
    LPS: (-1, -1, 1), "lps": (-1, -1, 1),
    "right-anterior-superior": (1, 1, 1), "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1), "las": (-1, 1, 1),
}  # fmt: skip
TYPES = {
    "i1": "signed char, int8, int8_t",
    "u1": "uchar, unsigned char, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "uint, unsigned int, uint32, uint32_t",
    "i8": "longlong, long long, long long int, signed long long, signed long long int, "
    "int64, int64_t",
    "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
    "f4": "float",
    "f8": "double",
}
NAMES = {
    "i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16", "i4": "int32", "u4": "uint32",
    "i8": "int64", "u8": "uint64", "f4": "float", "f8": "double",
}  # fmt: skip
FRAMES = ("list", "time", "vector", "none", "???", "domain", "space")


@dataclass(frozen=True)
class NrrdHeader:
    """What a result keeps of an NRRD header.

    Args:
        dtype: Of the stored voxels.
        gzip: The data is compressed.
        space: Where the directions point, as the file spells it.
        frames: The kind of the fourth axis, or empty.
        files: Names of data files beside the header.
    """

    dtype: np.dtype[Any]
    gzip: bool
    space: str
    frames: str
    files: tuple[str, ...] = ()


def read(path: Path) -> Source:
    """Return the volumes of an NRRD file, one per frame.

    Raises:
        MalformedInput: Truncated, damaged, or of a kind that is not supported.
        LimitExceeded: Larger than allowed.
        UnsafeGeometry: The place in the patient cannot be trusted.
    """
    with storage(path), path.open("rb") as file:
        source = FileBytes(file, path)
        fields = _fields(source, path)
        name = fields.get("data file", fields.get("datafile"))
        if name is None:
            return _read_data(source, fields, (), path)
        beside = data_file(path, name)
        with storage(beside), beside.open("rb") as data:
            return _read_data(FileBytes(data, path, after=source), fields, (name,), path)


def write(
    path: Path, volumes: Sequence[Volume], *, like: Source, provenance: Provenance | None = None
) -> None:
    """Write ``volumes`` as one attached NRRD file, little-endian."""
    first = same_grid(volumes)
    header = like.header
    if not isinstance(header, NrrdHeader):
        header = NrrdHeader(plain_dtype(like.volumes), gzip=True, space=LPS, frames="")
    dtype = stored_dtype(volumes, header.dtype)
    note = made_by(provenance) if provenance and provenance.get("synthetic") else ""
    text = _text(header, first, len(volumes), dtype, note=note)
    with atomic_write(path) as file:
        file.write(text.encode("ascii", "replace"))
        with packed(file, GZIP if header.gzip else None) as sink:
            for volume in volumes:
                for part in encode(volume.array, dtype.newbyteorder("<")):
                    sink.write(part)


def _fields(source: FileBytes, path: Path) -> dict[str, Any]:
    """Return the parsed header; ``source`` then stands at the data."""
    block = source.read(HEADER_LIMIT)
    ends = [(block.find(mark), len(mark)) for mark in (b"\n\n", b"\n\r\n")]
    found = [(at, size) for at, size in ends if at >= 0]
    if not found and source.left:
        raise MalformedInput("the NRRD header has no end", path=path)
    stop, size = min(found, default=(len(block), 0))
    source.unread(block[stop + size :])
    with refusing(path, "NRRD header"):
        fields = nrrd.read_header(block[:stop].splitlines())
        return {str(key).lower(): value for key, value in fields.items()}


def _read_data(
    source: FileBytes, fields: dict[str, Any], files: tuple[str, ...], path: Path
) -> Source:
    with refusing(path, "NRRD header"):
        dtype = _dtype(fields, path)
        sizes, kinds = _axes(fields, path)
        affine, frames_axis, space = _geometry(fields, sizes, kinds, path)
    check_place(affine, path)
    gzip = _gzip(fields, path)
    stream = InflateStream(source) if gzip else PlainStream(source)
    array = read_voxels(stream, sizes, dtype)
    frames = ""
    if frames_axis is not None:
        kind = kinds[frames_axis]
        frames = kind if kind in ("list", "time", "vector") else "list"
        array = np.moveaxis(array, frames_axis, -1)
    array = array[..., np.newaxis] if frames_axis is None else array
    array = array[:, :, np.newaxis] if array.ndim == 3 else array  # one slice
    volumes = tuple(Volume(array[..., t], affine) for t in range(array.shape[-1]))
    header = NrrdHeader(dtype.newbyteorder("="), gzip, space, frames, files)
    synthetic = says_synthetic(fields.get("content"))
    return Source(path, volumes, header, source.sha256(), synthetic)


def _dtype(fields: dict[str, Any], path: Path) -> np.dtype[Any]:
    name = " ".join(fields["type"].lower().split())
    code = next((code for code, names in TYPES.items() if name in names.split(", ")), None)
    if code is None:
        raise MalformedInput("its voxels must be plain numbers of 8 to 64 bits", path=path)
    order = {"little": "<", "big": ">"}.get(fields.get("endian", ""), "")
    if code[1] != "1" and not order:
        raise MalformedInput("endian must be little or big", path=path)
    return np.dtype(order + code)


def _axes(fields: dict[str, Any], path: Path) -> tuple[list[int], list[str]]:
    """Return the size and the kind of each axis."""
    sizes = [int(n) for n in fields["sizes"]]
    if len(sizes) != fields["dimension"] or not 2 <= len(sizes) <= 4 or min(sizes) < 1:
        raise MalformedInput(
            f"sizes must name 2 to 4 axes with at least one voxel each, got {sizes}", path=path
        )
    if any(int(fields.get(skip, 0)) for skip in ("line skip", "byte skip", "lineskip", "byteskip")):
        raise MalformedInput("data behind skipped lines or bytes is not read", path=path)
    return sizes, [str(kind) for kind in fields.get("kinds", ["domain"] * len(sizes))]


def _geometry(
    fields: dict[str, Any], sizes: list[int], kinds: list[str], path: Path
) -> tuple[NDArray[np.float64], int | None, str]:
    """Return affine (RAS, mm), the axis of the frames if there is one, and the space."""
    space = str(fields.get("space", LPS)).lower()
    if space not in TO_RAS:
        raise MalformedInput(
            "its space must be LPS, RAS or LAS; resave it in one of them", path=path
        )
    units = {str(unit) for unit in fields.get("space units", [])} - {"mm", ""}
    if units:
        raise MalformedInput("its space units must be mm; resave it in mm", path=path)
    rows = _rows(fields, sizes)
    spatial = [axis for axis in range(len(sizes)) if np.isfinite(rows[axis]).all()]
    others = [axis for axis in range(len(sizes)) if axis not in spatial]
    at_end = not others or others[0] in (0, len(sizes) - 1)
    if not 2 <= len(spatial) <= 3 or len(others) > 1 or not at_end:
        raise MalformedInput(
            "it needs two or three axes in space, one other first or last", path=path
        )
    if others and kinds[others[0]].lower() not in FRAMES:
        raise MalformedInput(
            "values must be single numbers, not colours or vectors; split the channels first",
            path=path,
        )
    affine = np.eye(4)
    width = rows.shape[1]
    affine[:width, : len(spatial)] = rows[spatial].T
    affine[:width, 3] = fields.get("space origin", np.zeros(width))
    affine[:3] *= np.array(TO_RAS[space])[:, np.newaxis]
    return affine, (others[0] if others else None), space


def _rows(fields: dict[str, Any], sizes: list[int]) -> NDArray[np.float64]:
    """Return one direction per axis, in mm; NaN for an axis that is not in space."""
    directions = fields.get("space directions")
    if directions is not None:
        return np.asarray(directions, dtype=np.float64)
    spacing = np.asarray(fields.get("spacings", [1.0] * len(sizes)), dtype=np.float64)
    rows = np.zeros((len(sizes), 3))
    for world, axis in enumerate(np.flatnonzero(np.isfinite(spacing))[:3]):
        rows[axis, world] = spacing[axis]
    rows[~np.isfinite(spacing)] = np.nan
    rows[3:] = np.nan
    return rows


def _gzip(fields: dict[str, Any], path: Path) -> bool:
    encoding = str(fields.get("encoding", "")).lower()
    if encoding not in ("raw", "gzip", "gz"):
        raise MalformedInput("its encoding must be raw or gzip; resave it", path=path)
    return encoding != "raw"


def _text(
    header: NrrdHeader, volume: Volume, frames: int, dtype: np.dtype[Any], *, note: str
) -> str:
    several = frames > 1 or bool(header.frames)
    affine = volume.affine.copy()
    affine[:3] *= np.array(TO_RAS[header.space])[:, np.newaxis]
    vectors = [_vector(affine[:3, axis]) for axis in range(3)] + ["none"] * several
    sizes = [*volume.shape, *([frames] * several)]
    kinds = ["domain"] * 3 + [header.frames or "list"] * several
    lines = [
        "NRRD0004",
        *([f"content: {note}"] if note else []),
        f"type: {NAMES[dtype.str[1:]]}",
        f"dimension: {len(sizes)}",
        f"space: {header.space if '-' in header.space else header.space.upper()}",
        f"sizes: {' '.join(map(str, sizes))}",
        f"space directions: {' '.join(vectors)}",
        f"kinds: {' '.join(kinds)}",
        "endian: little",
        f"encoding: {'gzip' if header.gzip else 'raw'}",
        f"space origin: {_vector(affine[:3, 3])}",
    ]
    return "\n".join(lines) + "\n\n"


def _vector(values: NDArray[np.float64]) -> str:
    return "(" + ",".join(repr(float(value)) for value in values) + ")"
