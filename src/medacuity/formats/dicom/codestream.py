"""What a compressed frame says about its own size, read before anything decodes it.

A DICOM header may promise 64 x 64 pixels and hold a JPEG of 20000 x 20000: decoders believe
the JPEG.
"""

from dataclasses import dataclass
from struct import error as StructError
from struct import unpack_from

MOST_TILES = 65_535  # what JPEG 2000 can number
JPEG_STANDALONE = {0x01, *range(0xD0, 0xD9)}
JPEG_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # 0xF7: JPEG-LS


@dataclass(frozen=True)
class Picture:
    """Size and kind of a compressed picture."""

    rows: int
    columns: int
    samples: int
    bits: int
    tiles: int = 1


def picture_of(code: bytes) -> Picture | None:
    """Read a JPEG, JPEG-LS or JPEG 2000 header; None when it is none of them, or damaged.

    Example:
        >>> picture_of(bytes.fromhex("ffd8ffc3000b0c0040002001011100"))
        Picture(rows=64, columns=32, samples=1, bits=12, tiles=1)
    """
    try:
        if code[:2] == b"\xff\xd8":
            return _jpeg(code)
        if code[:4] == b"\xff\x4f\xff\x51":
            return _jpeg2000(code, 2)
        if code[4:8] == b"jP  ":  # wrapped in a JP2 file, against the standard
            start = code.find(b"\xff\x4f\xff\x51")
            return _jpeg2000(code, start + 2) if start > 0 else None
    except (StructError, IndexError):
        pass
    return None


def _jpeg(code: bytes) -> Picture | None:
    at = 2
    while code[at] == 0xFF:
        marker = code[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in JPEG_STANDALONE:
            at += 2
        elif marker in JPEG_FRAME:
            bits, rows, columns, samples = unpack_from(">BHHB", code, at + 4)
            return Picture(rows, columns, samples, bits)
        else:
            at += 2 + unpack_from(">H", code, at + 2)[0]
    return None


def _jpeg2000(code: bytes, at: int) -> Picture | None:
    x, y, x0, y0, tile_x, tile_y, tx0, ty0, samples, bits = unpack_from(">8IHB", code, at + 6)
    if not (tile_x and tile_y and x > x0 >= tx0 and y > y0 >= ty0):
        return None
    tiles = -(-(x - tx0) // tile_x) * -(-(y - ty0) // tile_y)
    return Picture(y - y0, x - x0, samples, (bits & 0x7F) + 1, tiles)
