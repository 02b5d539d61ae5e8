"""Pictures: PNG and TIFF in and out, JPEG in.

A picture is a volume of one slice, ``(width, height, 1)``, and a TIFF with several pages is a
volume with a slice per page. Pictures have no place in a patient: voxels are 1 mm, whatever
the file says of dots per inch. The orientation that cameras note (EXIF) is applied. Grey stays
8 or 16 bits (or float, in TIFF); colour travels as luma, and palette pictures as colour.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from medacuity.atomic import atomic_write
from medacuity.errors import MalformedInput, UsageError
from medacuity.formats import pixels
from medacuity.formats.colour import Colour, join, saturated, split
from medacuity.formats.inflate import FileBytes
from medacuity.formats.limits import storage
from medacuity.formats.source import SYNTHETIC, Provenance, Source, made_by, says_synthetic
from medacuity.formats.tiff import decode_tiff, software
from medacuity.formats.voxels import plain_dtype, same_grid, stored_dtype, value_range
from medacuity.volume import Volume

BYTES_LIMIT = 2**30
TIFF = (".tif", ".tiff")


@dataclass(frozen=True)
class PictureHeader:
    """What a result keeps of a picture.

    Args:
        dtype: Of the stored values.
        colour: What the picture has beside its luma, or None for a grey one.
    """

    dtype: np.dtype[Any]
    colour: Colour | None


def read(path: Path) -> Source:
    """Return a picture as a volume of one slice, or of one per page.

    Raises:
        MalformedInput: Truncated, damaged, animated, or of a kind that is not supported.
        LimitExceeded: Too many pixels.
    """
    synthetic = False
    with storage(path), path.open("rb") as file:
        source = FileBytes(file, path)
        start = source.read(4)
        if start[:2] in (b"II", b"MM"):
            array = decode_tiff(file, source.size, path)
            synthetic = says_synthetic(software(file))
            file.seek(0)
            source = FileBytes(file, path)
        elif source.size > BYTES_LIMIT:
            raise MalformedInput("a PNG or JPEG of over 1 GiB is not read", path=path)
        else:
            data = start + source.read(source.size)
            array = pixels.decode(data, path)[np.newaxis]
            synthetic = f"tEXt{SYNTHETIC}\0".encode() in data
        digest = source.sha256()
    return replace(_source(array, path, digest), synthetic=synthetic)


def write(
    path: Path, volumes: Sequence[Volume], *, like: Source, provenance: Provenance | None = None
) -> None:
    """Write one volume as PNG (one slice) or TIFF (a page per slice).

    Pictures saturate: their values are rounded and end at black and white. The values of scans
    are rounded and never cut; where a PNG cannot hold them they are refused.
    """
    volume = same_grid(volumes)
    suffix = path.suffix.lower()
    check_picture(suffix, like)
    if len(volumes) > 1 or (suffix not in TIFF and volume.shape[2] > 1):
        raise _too_many(suffix)
    dtype = _dtype(volumes, like, suffix)
    with atomic_write(path) as file:
        if suffix in TIFF:
            _write_tiff(file, volume, like, dtype, software=made_by(provenance))
        else:
            page = next(_pages(volume, like, dtype))
            Image.fromarray(page).save(file, format="PNG", pnginfo=_note(provenance))


def check_picture(suffix: str, like: Source) -> None:
    """Refuse what a picture cannot hold, before the work is done."""
    kind = like.volumes[0].array.dtype.kind
    if len(like.volumes) > 1 or (suffix not in TIFF and like.volumes[0].shape[2] > 1):
        raise _too_many(suffix)
    if suffix in TIFF:
        return
    if isinstance(like.header, PictureHeader):
        if like.header.dtype not in (np.uint8, np.uint16):
            raise UsageError(f"PNG cannot hold {like.header.dtype}; name the output *.tif")
        colour = like.header.colour is not None
        if colour and like.header.dtype != np.uint8:
            raise UsageError("PNG is written with 8 bits per colour; name the output *.tif")
    elif kind not in "iub":
        raise UsageError("PNG cannot hold fractions; name the output *.tif or *.nii.gz")


def _source(array: NDArray[Any], path: Path, digest: str) -> Source:
    """Wrap pages ``(K, H, W)`` or one colour page ``(1, H, W, C)``."""
    colour, dtype = None, array.dtype.newbyteorder("=")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = array.size - int(np.count_nonzero(np.isfinite(array)))
        raise MalformedInput(
            f"every pixel must be a finite number, and {count} are not; replace them first",
            path=path,
        )
    if array.ndim == 4:
        luma, colour = split(array[0])
        array = luma[np.newaxis]
    volume = Volume(np.asarray(array, array.dtype.newbyteorder("=")).T, np.eye(4))
    return Source(path, (volume,), PictureHeader(dtype, colour), digest)


def _dtype(volumes: Sequence[Volume], like: Source, suffix: str) -> np.dtype[Any]:
    """Return the dtype to write."""
    if isinstance(like.header, PictureHeader):
        value_range(volumes)  # refuses what is not finite
        return like.header.dtype
    wanted = plain_dtype(like.volumes)
    if suffix in TIFF:
        return stored_dtype(volumes, wanted)
    low, high = (int(np.rint(end)) for end in value_range(volumes))
    if low < 0 or high > 65535:
        raise UsageError(
            f"PNG holds 0 to 65535 and the values reach from {low} to {high}; name the output "
            "*.tif or *.nii.gz"
        )
    return np.dtype(np.uint8 if wanted == np.uint8 and high < 256 else np.uint16)


def _pages(volume: Volume, like: Source, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Yield rows and columns, slice by slice."""
    colour = like.header.colour if isinstance(like.header, PictureHeader) else None
    for k in range(volume.shape[2]):
        page = np.ascontiguousarray(volume.array[:, :, k].T)
        yield saturated(page, dtype) if colour is None else join(page, colour, dtype)


def _note(provenance: Provenance | None) -> PngInfo | None:
    """Return the text of a PNG whose picture was made up; of others, none."""
    if not (provenance and provenance.get("synthetic")):
        return None
    note = PngInfo()
    note.add_text(SYNTHETIC, made_by(provenance))
    return note


def _write_tiff(
    file: IO[bytes], volume: Volume, like: Source, dtype: np.dtype[Any], *, software: str
) -> None:
    pages = _pages(volume, like, dtype)
    first = next(pages)
    rgb = first.ndim == 3 and first.shape[2] > 2
    extra = ["unassalpha"] if first.ndim == 3 and first.shape[2] in (2, 4) else None
    large = first.nbytes * volume.shape[2] > 2**31
    handle: Any = tifffile.FileHandle(file, name="picture.tif", size=0)
    with tifffile.TiffWriter(handle, bigtiff=large) as writer:
        while True:
            writer.write(
                first,
                photometric="rgb" if rgb else "minisblack",
                planarconfig="contig" if first.ndim == 3 else None,
                extrasamples=extra,
                metadata=None,
                software=software,
            )
            following = next(pages, None)
            if following is None:
                return
            first = following


def _too_many(suffix: str) -> UsageError:
    way = "*.nii.gz" if suffix in TIFF else "*.nii.gz, or *.tif for a page per slice"
    return UsageError(f"{suffix} holds one picture and this is a volume; name the output {way}")
