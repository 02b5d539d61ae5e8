"""How much a file may ask for, decided from its header before any memory is taken."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medacuity.errors import (
    LimitExceeded,
    MalformedInput,
    MedacuityError,
    StorageError,
    UnsafeGeometry,
    UsageError,
)
from medacuity.volume import check_affine

LIMIT_GIB = 8.0
"""Largest image, in GiB of memory once read; ``MEDACUITY_LIMIT_GIB`` sets another."""

RATIO_LIMIT = 600
"""Compressed data may grow this many times; deflate itself stops near 1030 (all zeros)."""

RATIO_FREE = 256 * 2**20
"""Bytes that any ratio may reach: small images of nothing but background are legal."""

PIXEL_LIMIT = 100_000_000
"""Most pixels in one picture (PNG, TIFF page, JPEG)."""

SPACING_RANGE_MM = (1e-6, 1e4)
"""Voxels between a nanometre and ten metres; anything else is a damaged header."""

FARTHEST_MM = 1e9
"""Origins may be odd, not on another continent."""


def limit_bytes() -> int:
    """Return the largest image in bytes, from ``MEDACUITY_LIMIT_GIB`` or the default."""
    text = os.environ.get("MEDACUITY_LIMIT_GIB", "")
    try:
        gib = float(text) if text else LIMIT_GIB
    except ValueError:
        gib = math.nan
    if not 0 < gib < math.inf:
        raise UsageError(f"MEDACUITY_LIMIT_GIB must be a number of GiB above 0, got {text!r}")
    return int(gib * 2**30)


def check_size(shape: Sequence[int], itemsize: int, path: Path) -> None:
    """Refuse an image that would take more memory than allowed."""
    size, limit = math.prod(int(n) for n in shape) * itemsize, limit_bytes()
    if size > limit:
        extent = " x ".join(str(n) for n in shape)
        raise LimitExceeded(
            f"the header announces {extent} voxels, {size / 2**30:.3g} GiB in memory, and the "
            f"limit is {limit / 2**30:g} GiB; set MEDACUITY_LIMIT_GIB if the file is right",
            path=path,
        )


def check_ratio(decoded: int, encoded: int, path: Path) -> None:
    """Refuse compressed data that would grow as only a decompression bomb does."""
    if decoded > RATIO_FREE and decoded > RATIO_LIMIT * max(encoded, 1):
        raise LimitExceeded(
            f"{encoded} compressed bytes announce {decoded / 2**20:.0f} MiB, more than "
            f"{RATIO_LIMIT} to 1; if the file is right, decompress it first",
            path=path,
        )


def check_pixels(width: int, height: int, path: Path) -> None:
    """Refuse a picture with too many pixels."""
    if width * height > PIXEL_LIMIT:
        raise LimitExceeded(
            f"the picture has {width} x {height} pixels and the limit is "
            f"{PIXEL_LIMIT // 10**6} megapixels; cut it into parts",
            path=path,
        )


def data_file(path: Path, name: str) -> Path:
    """Return the data file that the header at ``path`` names; it must lie beside it."""
    plain = bool(name) and Path(name).name == name and not any(c in name for c in "\\\0%")
    if not plain or name == ".." or name.split()[0].upper() == "LIST":
        raise MalformedInput(
            "its data file must be one plain name in the same folder; convert the pair to a "
            "single file",
            path=path,
        )
    return path.with_name(name)


@np.errstate(over="ignore", invalid="ignore")
def check_place(affine: NDArray[np.float64], path: Path) -> None:
    """Refuse an affine, in mm, that places voxels nowhere or where no patient is."""
    low, high = SPACING_RANGE_MM
    finite = bool(np.isfinite(affine).all())
    try:
        if finite and np.abs(affine[:3, 3]).max() > FARTHEST_MM:
            raise UnsafeGeometry(f"the origin lies beyond {FARTHEST_MM:g} mm; correct the header")
        spacing = np.hypot(np.hypot(*affine[:2, :3]), affine[2, :3])
        if finite and not ((low <= spacing) & (spacing <= high)).all():
            text = " x ".join(f"{mm:g}" for mm in spacing)
            raise UnsafeGeometry(
                f"spacing must lie between {low:g} and {high:g} mm, got {text}; correct the header"
            )
        check_affine(affine)
    except UnsafeGeometry as error:
        raise UnsafeGeometry(error.reason, path=path) from None


@contextmanager
def refusing(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a library raises about strange bytes into one of our refusals.

    Put around calls of a decoder only, so that a fault of ours is never hidden.
    """
    try:
        yield
    except MedacuityError:
        raise
    except MemoryError as error:
        raise LimitExceeded(f"not enough memory to read the {what}", path=path) from error
    except Exception as error:
        raise MalformedInput(
            f"the {what} cannot be read ({type(error).__name__}); it is damaged or of another "
            "kind, so export it again",
            path=path,
        ) from error


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn errors of the disk into ours."""
    try:
        yield
    except MedacuityError:
        raise
    except OSError as error:
        raise StorageError(f"cannot read: {error.strerror or error}", path=path) from error
