"""NIfTI-1 and -2, plain or gzipped, either byte order: read with suspicion, written to the letter.

Geometry follows nibabel: the sform where its code is above 0, else the qform, else an affine
made of the spacing with the origin in the middle and the first axis towards the left. Metres
and micrometres become mm in `Volume` and are themselves again when written.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medacuity.atomic import atomic_write
from medacuity.errors import MalformedInput
from medacuity.formats import nifti_build, nifti_header
from medacuity.formats.deflate import GZIP, packed
from medacuity.formats.inflate import FileBytes, InflateStream, PlainStream
from medacuity.formats.limits import storage
from medacuity.formats.nifti_header import MM_PER_UNIT, SIZES, NiftiHeader
from medacuity.formats.source import Provenance, Source, made_by, says_synthetic
from medacuity.formats.voxels import encode, plain_dtype, read_voxels, same_grid, stored_dtype
from medacuity.volume import Volume


def read(path: Path) -> Source:
    """Return the volumes of a NIfTI file, one per frame.

    Raises:
        MalformedInput: Truncated, damaged, or of a kind that is not supported.
        LimitExceeded: Larger than allowed.
        UnsafeGeometry: The affine or the spacing cannot be trusted.
    """
    with storage(path), path.open("rb") as file:
        source = FileBytes(file, path)
        stream = InflateStream(source) if _is_gzip(source, path) else PlainStream(source)
        header = _header(stream, path)
        array = read_voxels(
            stream, header.shape, header.dtype.newbyteorder(header.order),
            slope=header.slope, inter=header.inter,
        )  # fmt: skip
        affine = header.affine.copy()
        affine[:3] *= MM_PER_UNIT[header.units & 7]
        frames = tuple(Volume(array[..., t], affine) for t in range(array.shape[3]))
        return Source(path, frames, header, source.sha256(), says_synthetic(header.made_by))


def write(
    path: Path, volumes: Sequence[Volume], *, like: Source, provenance: Provenance | None = None
) -> None:
    """Write ``volumes`` as frames of one NIfTI file, with the header of ``like`` if it has one.

    Whole numbers keep their dtype and scaling: values are rounded to stored steps, and the
    dtype is widened where their range needs it. Floats keep theirs.
    """
    first = same_grid(volumes)
    header = like.header
    if not isinstance(header, NiftiHeader):
        placed = not type(header).__module__.endswith("raster")
        header = nifti_build.fresh(
            like.volumes[0], plain_dtype(like.volumes), frames=len(volumes), placed=placed
        )
    scaled = header.dtype.kind != "f"
    slope, inter = (header.slope, header.inter) if scaled else (1.0, 0.0)
    dtype = stored_dtype(volumes, header.dtype, slope=slope, inter=inter)
    block = nifti_build.build(
        header, first, frames=len(volumes), dtype=dtype, description=made_by(provenance)
    )
    packing = GZIP if path.name.lower().endswith(".gz") else None
    with atomic_write(path) as file, packed(file, packing) as sink:
        sink.write(block)
        for volume in volumes:
            for part in encode(
                volume.array, dtype.newbyteorder(header.order), slope=slope, inter=inter
            ):
                sink.write(part)


def _is_gzip(source: FileBytes, path: Path) -> bool:
    start = source.read(2)
    source.unread(start)
    gzip, name = start == b"\x1f\x8b", path.name.lower()
    if name.endswith(".nii") and gzip:
        raise MalformedInput("the file is gzipped; rename it to .nii.gz", path=path)
    if name.endswith(".gz") and not gzip:
        raise MalformedInput(
            "the file is not gzip as its name says; it is damaged, or must be named .nii",
            path=path,
        )
    return gzip


def _header(stream: PlainStream | InflateStream, path: Path) -> NiftiHeader:
    """Read the header, skip its extensions."""
    start = _bytes(stream, 4)
    version, order = nifti_header.header_size(start, path)
    block = start + _bytes(stream, SIZES[version] - 4)
    header = nifti_header.parse(block, version, order, path)
    left = header.offset - SIZES[version]
    while left:
        left -= len(_bytes(stream, min(left, 2**20)))
    return header


def _bytes(stream: PlainStream | InflateStream, count: int) -> bytes:
    buffer = np.empty(count, np.uint8)
    stream.readinto(buffer)
    return buffer.tobytes()
