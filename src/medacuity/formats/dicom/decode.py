"""The pixels of one file: as stored, in the smallest integers that hold them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import RLELossless

from medacuity.errors import MalformedInput, MedacuityError
from medacuity.formats.dicom.codestream import picture_of
from medacuity.formats.dicom.files import Member
from medacuity.formats.dicom.header import quiet, syntax


def stored_dtype(header: Dataset) -> np.dtype[Any]:
    """Return the integers that the stored values fit in."""
    sign = "i" if int(header.get("PixelRepresentation") or 0) else "u"
    return np.dtype(f"{sign}{int(header.BitsAllocated) // 8}")


def pixels(file: Dataset, member: Member) -> NDArray[Any]:
    """Return the stored values of a whole parsed file.

    BitsStored, HighBit and PixelRepresentation are honoured, so that what else was packed
    into the unused bits (overlays, in old files) is no part of the image.

    Shape:
        ``(frames, rows, columns)``

    Raises:
        MalformedInput: Pixels are missing, cut short, damaged, or compressed in an unknown way.
    """
    data = file.get("PixelData")
    if not isinstance(data, bytes) or not data:
        raise MalformedInput("it has no pixels, or is cut short before them", path=member.path)
    shape = (int(file.get("NumberOfFrames") or 1), int(file.Rows), int(file.Columns))
    if not syntax(file).is_encapsulated:
        return _unpacked(_native(file, data, shape, member), file)
    try:
        with quiet():
            array = _compressed(file, data, shape, member)
    except MedacuityError:
        raise
    except Exception:  # every decoder fails in its own way
        raise MalformedInput(_undecodable(file), path=member.path) from None
    return _unpacked(array, file) if syntax(file) == RLELossless else array


def _undecodable(file: Dataset) -> str:
    return (
        f"its pixels ({syntax(file).name}) cannot be decoded: they are damaged or of a rare "
        "kind; fetch it again, or decompress it with dcmdjpeg or gdcmconv --raw"
    )


def _native(
    file: Dataset, data: bytes, shape: tuple[int, int, int], member: Member
) -> NDArray[Any]:
    dtype = stored_dtype(file)
    if not syntax(file).is_little_endian:
        dtype = dtype.newbyteorder(">")
        if dtype.itemsize == 1 and file["PixelData"].VR == "OW":  # bytes in swapped pairs
            data = np.frombuffer(data[: len(data) // 2 * 2], "<u2").byteswap().tobytes()
    count = int(np.prod(shape, dtype=object))
    if len(data) < count * dtype.itemsize:
        raise MalformedInput(
            f"it is cut short: {count * dtype.itemsize} bytes of pixels are declared, "
            f"{len(data)} are there; fetch it again",
            path=member.path,
        )
    array = np.frombuffer(data, dtype, count).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def _compressed(
    file: Dataset, data: bytes, shape: tuple[int, int, int], member: Member
) -> NDArray[Any]:
    frames, rows, columns = shape
    kind = syntax(file)
    for number, code in enumerate(generate_frames(data, number_of_frames=frames)):
        if number == frames:
            break
        if kind != RLELossless:
            _check_picture(code, rows, columns, member)
    array, _ = get_decoder(kind).as_array(file, raw=True, allow_excess_frames=False)  # type: ignore[arg-type]
    return np.asarray(array.reshape(shape), stored_dtype(file))


def _check_picture(code: bytes, rows: int, columns: int, member: Member) -> None:
    picture = picture_of(code)
    if picture is None:
        raise MalformedInput(
            "its compressed pixels have no readable header; fetch it again", path=member.path
        )
    if (picture.rows, picture.columns, picture.samples) != (rows, columns, 1):
        raise MalformedInput(
            f"its header promises {rows} x {columns} pixels, its compressed image has "
            f"{picture.rows} x {picture.columns} in {picture.samples} colours; it is refused",
            path=member.path,
        )


def _unpacked(array: NDArray[Any], file: Dataset) -> NDArray[Any]:
    """Keep the stored bits only: shift them to the top and back, the sign comes along."""
    allocated = int(file.BitsAllocated)
    stored = int(file.get("BitsStored") or allocated)
    high = int(file.get("HighBit") or stored - 1)
    if stored < allocated:
        array <<= allocated - 1 - high
        array >>= allocated - stored
    return array
