"""How much a DICOM file may ask for before anything is allocated for it."""

from medacuity.errors import LimitExceeded
from medacuity.formats.limits import limit_bytes

GIB = 1024**3
FRAME_PIXELS = 8192**2
"""Most pixels in one frame; the largest detectors have a quarter of this."""

FILES = 20_000
"""Most files in a folder or an archive."""

HEADER_BYTES = 256 * 1024**2
"""Longest header of one file, everything before its pixels."""

INFLATION = 200
"""Largest ratio of decompressed to compressed bytes; scans reach 10, empty images 100."""

INFLATED_FREELY = 32 * 1024**2
"""Bytes that may come out of a compressed stream whatever the ratio."""


def check_decoded(asked: int, what: str) -> None:
    """Refuse ``what`` when it would take more than the limit.

    Raises:
        LimitExceeded: ``asked`` bytes are too many.
    """
    allowed = limit_bytes()
    if asked > allowed:
        raise LimitExceeded(
            f"{what} would take {asked / GIB:.1f} GiB, the limit is {allowed / GIB:g} GiB; "
            "raise it with MEDACUITY_LIMIT_GIB if the file is genuine"
        )


def inflated_budget(compressed: int) -> int:
    """Return how many bytes may come out of ``compressed`` ones."""
    return min(limit_bytes(), max(INFLATED_FREELY, INFLATION * compressed))
