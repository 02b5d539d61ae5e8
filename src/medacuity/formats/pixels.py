"""The pixels of PNG and JPEG: every chunk and its checksum first, then Pillow.

Pillow gets nothing but what makes the picture: names, comments, profiles and compressed texts
are left out before it sees the file.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medacuity.errors import MalformedInput
from medacuity.formats.limits import check_pixels, refusing

PNG = b"\x89PNG\r\n\x1a\n"
PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf", b"IEND")
ORIENTATION = 0x0112


def decode(data: bytes, path: Path) -> NDArray[Any]:
    """Return ``(H, W)`` or ``(H, W, C)`` of a PNG or JPEG, upright.

    Raises:
        MalformedInput: Truncated, damaged, animated, or of a kind that is not supported.
        LimitExceeded: More pixels than allowed.
    """
    if data.startswith(PNG):
        data, kinds = _checked_png(data, path), ["PNG"]
    elif data.startswith(b"\xff\xd8\xff"):
        kinds = ["JPEG", "MPO"]
    else:
        raise MalformedInput("the file is neither PNG nor JPEG as its name says", path=path)
    with warnings.catch_warnings(), refusing(path, "picture"):
        warnings.simplefilter("ignore")  # what would be warned of is refused by us
        with Image.open(BytesIO(data), formats=kinds) as picture:
            check_pixels(*picture.size, path)
            return upright(_array(picture, path), _orientation(picture))


def upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return rows from top to bottom and columns from left to right (EXIF, TIFF 6.0 p. 36)."""
    array = np.swapaxes(array, 0, 1) if orientation in (5, 6, 7, 8) else array
    array = array[::-1] if orientation in (3, 4, 7, 8) else array
    return array[:, ::-1] if orientation in (2, 3, 6, 7) else array


def _array(picture: Image.Image, path: Path) -> NDArray[Any]:
    """Return the pixels in the fewest channels that hold them."""
    if picture.mode == "P" or "transparency" in picture.info:
        has_alpha = "transparency" in picture.info
        picture = picture.convert("RGBA" if has_alpha else "RGB")
    if picture.mode == "1":
        picture = picture.convert("L")
    if picture.mode not in ("L", "LA", "RGB", "RGBA", "I;16", "I;16B"):
        raise MalformedInput(
            f"the picture must be grey or RGB, and it is {picture.mode}; convert it first",
            path=path,
        )
    array = np.asarray(picture)
    opaque = picture.mode in ("LA", "RGBA") and bool((array[..., -1] == 255).all())
    if opaque:
        array = array[..., 0] if picture.mode == "LA" else array[..., :3]
    return array.astype(array.dtype.newbyteorder("="))


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(ORIENTATION, 1)
    except Exception:  # a damaged note about the camera does not damage the picture
        return 1
    return value if value in range(1, 9) else 1


def _checked_png(data: bytes, path: Path) -> bytes:
    """Return the PNG with the chunks that make the picture, after checking all of them."""
    kept, size = [PNG], None
    for kind, body, chunk in _chunks(data, path):
        if size is None:
            size = _check_ihdr(kind, body, path)
        if kind == b"acTL":
            raise MalformedInput("the PNG is animated; save one of its pictures", path=path)
        if kind in PICTURE:
            kept.append(chunk)
    return b"".join(kept)


def _chunks(data: bytes, path: Path) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield kind, body and whole chunk; refuses a wrong checksum, a missing or an early end."""
    at, kind = len(PNG), b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise MalformedInput("the PNG is truncated; copy it again", path=path)
        length = int.from_bytes(data[at : at + 4], "big")
        kind, stop = data[at + 4 : at + 8], at + 12 + length
        if stop > len(data):
            raise MalformedInput("the PNG is truncated; copy it again", path=path)
        if zlib.crc32(data[at + 4 : stop - 4]) != int.from_bytes(data[stop - 4 : stop], "big"):
            raise MalformedInput("a checksum in the PNG is wrong; copy it again", path=path)
        yield kind, data[at + 8 : stop - 4], data[at:stop]
        at = stop
    if at != len(data):
        raise MalformedInput("the PNG goes on after its end; save it again", path=path)


def _check_ihdr(kind: bytes, body: bytes, path: Path) -> tuple[int, int]:
    if kind != b"IHDR" or len(body) != 13:
        raise MalformedInput("the PNG has no header", path=path)
    width, height, depth, colour = struct.unpack(">IIBB", body[:10])
    check_pixels(width, height, path)
    if depth == 16 and colour != 0:
        raise MalformedInput(
            "a PNG with 16 bits per colour is not read; save it as TIFF, or with 8 bits",
            path=path,
        )
    return width, height
