"""Read what a DICOM file says about itself, without trusting it and without its pixels."""

import logging
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from pydicom import DataElement, Dataset, config, dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.filereader import read_dataset
from pydicom.tag import Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from medacuity.errors import LimitExceeded, MalformedInput, MedacuityError
from medacuity.formats.dicom import limits
from medacuity.formats.dicom.files import MARK, MARK_AT, Member

CHUNK = 1024**2
META = range(2, 3)
GROUPS = range(8, 0x7FE1)
GE_SCAN, PHILIPS_SUV, PHILIPS_ACTIVITY = 0x0009100D, 0x70531000, 0x70531009
VENDORS = {
    GE_SCAN: "GEMS_PETD_01",
    PHILIPS_SUV: "Philips PET Private Group",
    PHILIPS_ACTIVITY: "Philips PET Private Group",
}
"""Private elements that SUV depends on, and who wrote them."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom from quoting a patient's data in warnings and logs."""
    logger = logging.getLogger("pydicom")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


class Bounded:
    """A file that stops giving before it has given too much, whatever its lengths claim.

    ``read`` asks the file for what is left in it, never for what a length field says is.
    """

    def __init__(self, file: BinaryIO, size: int, budget: int) -> None:
        self.file, self.size, self.budget = file, size, budget

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; raises `LimitExceeded` once the budget is spent."""
        left = max(0, self.size - self.file.tell())
        size = left if size < 0 else min(size, left)
        self.budget -= size
        if self.budget < 0:
            raise LimitExceeded("the header is longer than any scanner's; the file is refused")
        return self.file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move, as in any file."""
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place, as in any file."""
        return self.file.tell()


def read_header(member: Member) -> Dataset:
    """Return everything in ``member`` that stands before its pixels.

    Private elements are left out, but for `VENDORS`, as are those whose value cannot be read.

    Raises:
        MalformedInput: The file cannot be parsed.
        LimitExceeded: The header is too long, or a deflated file grows too much.
    """
    with member.open(-1) as file, _guarded(member):
        header = _parsed(file, member, pixels=False)
        tidy(header.file_meta, META)
        kept = _of_vendors(header)
        tidy(header)
        for element in kept:
            header[element.tag] = element
        header.pop(Tag("PixelData"), None)
        return header


def _of_vendors(header: Dataset) -> list[DataElement]:
    """Return the `VENDORS`' elements as if their block were the first of its group."""
    found = []
    for tag, creator in VENDORS.items():
        with suppress(Exception):  # not there, or not readable
            element = header.private_block(tag >> 16, creator)[tag & 0xFF]
            found.append(DataElement(tag, element.VR, element.value))
    return found


def pixel_data(file: BinaryIO, member: Member) -> tuple[bytes, str]:
    """Return the value of PixelData, empty when there is none, and its VR."""
    with _guarded(member):
        element = _parsed(file, member, pixels=True).get_item(Tag("PixelData"))
    if element is None or not isinstance(element.value, bytes):
        return b"", ""
    return element.value, str(element.VR)


def _parsed(file: BinaryIO, member: Member, *, pixels: bool) -> Dataset:
    deflated = _check_inflated(file, member.size)
    whole = member.size if pixels or deflated else 0
    file.seek(0)
    bounded = Bounded(file, member.size, limits.HEADER_BYTES + 2 * whole)
    header: Dataset = dcmread(bounded, stop_before_pixels=not pixels)
    return header


@contextmanager
def _guarded(member: Member) -> Iterator[None]:
    """Turn whatever a parser of foreign bytes raises into a refusal that quotes nothing."""
    try:
        with quiet():
            yield
    except LimitExceeded as error:
        raise LimitExceeded(error.reason, path=member.path) from None
    except (MedacuityError, OSError):
        raise
    except Exception:  # it fails in any way, and its message may hold a patient's data
        raise MalformedInput(
            "its header is damaged and cannot be read; fetch the file again", path=member.path
        ) from None


def syntax(header: Dataset) -> UID:
    """Return the transfer syntax, or an empty one."""
    return UID(header.file_meta.get("TransferSyntaxUID") or "")


def tidy(header: Dataset, groups: range = GROUPS) -> None:
    """Drop private elements, other groups and unreadable values, down to the last sequence."""
    for tag in list(header.keys()):
        try:
            element = header[tag]
            if tag.is_private or tag.element == 0 or tag.group not in groups:
                del header[tag]
            elif element.VR == "SQ":
                for item in element.value:
                    tidy(item)
        except RecursionError:
            raise
        except Exception:
            del header[tag]


def put(header: Dataset, keyword: str, value: Any) -> None:
    """Set an element to ``value`` by replacing it: headers share elements, never change one.

    Values are not validated: a UID that came in malformed goes out as it was.
    """
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    header[tag] = DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE)


def drop(header: Dataset, *keywords: str) -> None:
    """Remove elements that may be there."""
    for keyword in keywords:
        if keyword in header:
            del header[keyword]


def _check_inflated(file: BinaryIO, size: int) -> bool:
    """Inflate a deflated file once, keeping nothing, to see whether it is a bomb."""
    file.seek(MARK_AT + len(MARK))
    bounded = Bounded(file, size, limits.HEADER_BYTES)
    meta = read_dataset(bounded, False, True, stop_when=lambda tag, vr, length: tag.group != 2)  # type: ignore[arg-type]
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return False
    budget = limits.inflated_budget(size)
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    compressed = file.read(CHUNK)
    while compressed and not stream.eof:
        budget -= len(stream.decompress(compressed, CHUNK))
        if budget < 0:
            raise LimitExceeded("the deflated file grows beyond what an image can")
        compressed = stream.unconsumed_tail or file.read(CHUNK)
    return True
