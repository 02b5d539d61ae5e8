"""The pixels of one file: as stored, in the smallest integers that hold them."""

from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from medacuity.errors import LimitExceeded, MalformedInput
from medacuity.formats.dicom import limits
from medacuity.formats.dicom.codestream import MOST_TILES, picture_of
from medacuity.formats.dicom.files import Member
from medacuity.formats.dicom.header import quiet, syntax
from medacuity.formats.dicom.worker import Decoder

NATIVE = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
END = b"\xff\xd9"  # of JPEG, JPEG-LS and JPEG 2000 alike


def stored_dtype(header: Dataset) -> np.dtype[Any]:
    """Return the integers that the stored values fit in."""
    sign = "i" if int(header.get("PixelRepresentation") or 0) else "u"
    return np.dtype(f"{sign}{int(header.BitsAllocated) // 8}")


def pixels(header: Dataset, data: bytes, member: Member, decoder: Decoder) -> NDArray[Any]:
    """Return the stored values of a whole file.

    BitsStored, HighBit and PixelRepresentation are honoured, so that what else was packed
    into the unused bits (overlays, in old files) is no part of the image.

    Args:
        header: The checked header, without pixels.
        data: The value of PixelData.
        member: The file, for messages.
        decoder: For compressed pixels.

    Shape:
        ``(frames, rows, columns)``

    Raises:
        MalformedInput: Pixels are missing, cut short, damaged, or compressed in an unknown way.
    """
    if not data:
        raise MalformedInput("it has no pixels, or is cut short before them", path=member.path)
    kind = syntax(header)
    shape = (int(header.get("NumberOfFrames") or 1), int(header.Rows), int(header.Columns))
    if kind in NATIVE:
        return _unpacked(_native(header, data, shape, member), header)
    if not kind.is_transfer_syntax or kind.is_private:
        raise MalformedInput("its transfer syntax is unknown; convert it first", path=member.path)
    _check_frames(data, shape, kind, member)
    array = decoder.decode(data, _options(header, kind))
    if array is None:
        raise MalformedInput(
            f"its pixels ({kind.name}) cannot be decoded: they are damaged or of a rare kind; "
            "fetch it again, or decompress it with dcmdjpeg or gdcmconv --raw",
            path=member.path,
        )
    array = array.reshape(shape)
    return _unpacked(array, header) if kind == RLELossless else array


def _options(header: Dataset, kind: UID) -> dict[str, Any]:
    """Return what pydicom's decoders want to know."""
    stored = int(header.get("BitsStored") or header.BitsAllocated)
    return {
        "syntax": str(kind),
        "dtype": stored_dtype(header).str,
        "rows": int(header.Rows),
        "columns": int(header.Columns),
        "number_of_frames": int(header.get("NumberOfFrames") or 1),
        "samples_per_pixel": 1,
        "photometric_interpretation": "MONOCHROME2",
        "pixel_keyword": "PixelData",
        "pixel_representation": int(header.get("PixelRepresentation") or 0),
        "bits_allocated": int(header.BitsAllocated),
        "bits_stored": stored,
        "allow_excess_frames": False,
    }


def unswapped(data: bytes, vr: str, header: Dataset) -> bytes:
    """Undo what big-endian words do to 8-bit pixels: bytes stand in swapped pairs."""
    if vr != "OW" or stored_dtype(header).itemsize > 1 or syntax(header) != ExplicitVRBigEndian:
        return data
    return np.frombuffer(data[: len(data) // 2 * 2], "<u2").byteswap().tobytes()


def _native(
    header: Dataset, data: bytes, shape: tuple[int, int, int], member: Member
) -> NDArray[Any]:
    dtype = stored_dtype(header)
    if syntax(header) == ExplicitVRBigEndian:
        dtype = dtype.newbyteorder(">")
    count = int(np.prod(shape, dtype=object))
    if len(data) < count * dtype.itemsize:
        raise MalformedInput(
            f"it is cut short: {count * dtype.itemsize} bytes of pixels are declared, "
            f"{len(data)} are there; fetch it again",
            path=member.path,
        )
    array = np.frombuffer(data, dtype, count).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def _check_frames(data: bytes, shape: tuple[int, int, int], kind: UID, member: Member) -> None:
    """Look at every compressed frame before any is decoded."""
    frames, rows, columns = shape
    codes: list[bytes] = []
    with quiet(), suppress(Exception):  # damaged in any way: then there are too few
        codes = list(islice(generate_frames(data, number_of_frames=frames), frames))
    if len(codes) < frames:
        raise MalformedInput(
            "its compressed pixels are damaged or cut short; fetch it again", path=member.path
        )
    for code in codes if kind != RLELossless else ():
        _check_picture(code, rows, columns, member)


def _check_picture(code: bytes, rows: int, columns: int, member: Member) -> None:
    picture = picture_of(code)
    if picture is None or not code.rstrip(b"\0").endswith(END):
        raise MalformedInput(
            "a compressed frame has no readable start or no end; fetch it again", path=member.path
        )
    if picture.rows * picture.columns > limits.FRAME_PIXELS or picture.tiles > MOST_TILES:
        raise LimitExceeded(
            f"its compressed image claims {picture.rows} x {picture.columns} pixels, a frame may "
            f"have {limits.FRAME_PIXELS}; it is refused",
            path=member.path,
        )
    if (picture.rows, picture.columns, picture.samples) != (rows, columns, 1):
        raise MalformedInput(
            f"its header promises {rows} x {columns} pixels, its compressed image has "
            f"{picture.rows} x {picture.columns} in {picture.samples} colours; it is refused",
            path=member.path,
        )


def _unpacked(array: NDArray[Any], header: Dataset) -> NDArray[Any]:
    """Keep the stored bits only: shift them to the top and back, the sign comes along."""
    allocated = int(header.BitsAllocated)
    stored = int(header.get("BitsStored") or allocated)
    high = int(header.get("HighBit") or stored - 1)
    if stored < allocated:
        array <<= allocated - 1 - high
        array >>= allocated - stored
    return array
