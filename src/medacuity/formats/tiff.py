"""The pixels of TIFF: sizes, offsets and compressed strips checked, then decoded.

tifffile decodes what needs no further library (plain, deflate, PackBits); Pillow's libtiff the
rest. Other files that a TIFF may point to (OME, Micro-Manager) are not followed.
"""

import logging
import math
import os
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from medacuity.errors import LimitExceeded, MalformedInput
from medacuity.formats.limits import check_pixels, check_size, refusing
from medacuity.formats.pixels import upright

PLAIN, DEFLATE = (1, 32773), (8, 32946)
GREY, PALETTE, RGB = (0, 1), 3, 2
FOLLOWED: dict[str, Any] = {
    f"is_{kind}": False for kind in ("ome", "mmstack", "ndtiff", "micromanager")
}


def decode_tiff(file: IO[bytes], size: int, path: Path) -> NDArray[Any]:
    """Return ``(K, H, W)``, or ``(1, H, W, C)`` for colour.

    Raises:
        MalformedInput: Truncated, damaged, or of a kind that is not supported.
        LimitExceeded: Larger than allowed.
    """
    file.seek(0)
    with _quiet(), refusing(path, "TIFF"):
        with tifffile.TiffFile(file, _multifile=False, **FOLLOWED) as tiff:
            page: Any = tiff.pages[0]
            shape = _shape(tiff, path)
            by_tifffile = True
            for each in tiff.pages:
                by_tifffile &= _check_page(each, file, size, path)
            orientation = int(getattr(page.tags.get(274), "value", 1))
            inverted = int(page.photometric) == 0
            array = tiff.series[0].asarray() if by_tifffile else None
        if array is None and orientation != 1:  # Pillow turns some of these, and not others
            raise MalformedInput("a turned TIFF of this kind is not read; turn it first", path=path)
        if array is None:
            return _by_pillow(file, shape)  # which inverts by itself
        array = array.reshape(shape)
        if inverted:
            array = _inverted(array, path)
        return np.stack([upright(each, orientation) for each in array])


def software(file: IO[bytes]) -> str:
    """Return what a TIFF that was decoded says of the tool that made it."""
    file.seek(0)
    with _quiet(), tifffile.TiffFile(file, _multifile=False, **FOLLOWED) as tiff:
        first: Any = tiff.pages[0]
        return str(getattr(first.tags.get(305), "value", ""))


def _shape(tiff: Any, path: Path) -> tuple[int, ...]:
    """Return ``(K, H, W)`` or ``(1, H, W, C)``, checked against the limits."""
    series, page = tiff.series, tiff.pages[0]
    axes = "".join(a for a, n in zip(series[0].axes, series[0].shape, strict=True) if n > 1)
    colour = axes.endswith("S")
    height, width, samples = page.imagelength, page.imagewidth, page.samplesperpixel
    check_pixels(width, height, path)
    count = math.prod(series[0].shape) // (height * width * samples)
    check_size((count, height, width, samples), np.dtype(page.dtype).itemsize, path)
    planar = colour and int(page.planarconfig) != 1
    kinds = (*GREY, RGB, PALETTE)
    fits = len(series) == 1 and int(page.photometric) in kinds and samples <= 4 and not planar
    if not fits or (colour and count > 1) or page.imagedepth != 1:
        raise MalformedInput(
            "a TIFF must hold one grey or RGB picture, or grey pages of one size; split or "
            "convert it first",
            path=path,
        )
    if np.dtype(page.dtype).kind not in "iuf" and page.bitspersample != 1:
        raise MalformedInput("TIFF pixels must be real numbers; convert them first", path=path)
    return (count, height, width) if samples == 1 else (1, height, width, samples)


def _check_page(page: Any, file: IO[bytes], size: int, path: Path) -> bool:
    """Check where the strips lie and how they grow; True if tifffile can decode them."""
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if offset <= 0 or count <= 0 or offset + count > size:
            raise MalformedInput("the TIFF is truncated; copy it again", path=path)
    compression, predictor = int(page.compression), int(page.predictor)
    if compression in DEFLATE:
        limit = math.prod(page.chunks) * np.dtype(page.dtype).itemsize
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            _check_strip(file, offset, count, limit, path)
    plain = compression in PLAIN and predictor == 1
    return (plain or (compression in DEFLATE and predictor in (1, 2))) and (
        int(page.photometric) != PALETTE and page.bitspersample % 8 == 0
    )


def _check_strip(file: IO[bytes], offset: int, count: int, limit: int, path: Path) -> None:
    """Inflate a strip with a budget, so that the decoder meets no bomb."""
    file.seek(offset)
    decoder = zlib.decompressobj()
    decoded = len(decoder.decompress(file.read(count), limit + 1))
    if decoded > limit:
        raise LimitExceeded("a strip of the TIFF inflates beyond its size", path=path)
    if not decoder.eof:
        raise MalformedInput("a strip of the TIFF is damaged; copy it again", path=path)


def _by_pillow(file: IO[bytes], shape: tuple[int, ...]) -> NDArray[Any]:
    """Decode with libtiff, page by page."""
    file.seek(0)
    with _silent(), Image.open(file, formats=["TIFF"]) as picture:
        pages = []
        for k in range(shape[0]):
            picture.seek(k)
            grey = {"1": "L"}.get(picture.mode, picture.mode)
            pages.append(np.asarray(picture.convert("RGB" if grey == "P" else grey)))
    array = np.stack(pages)
    if sorted(array.shape[1:3]) != sorted(shape[1:3]):
        raise ValueError("pages differ")
    return array


def _inverted(array: NDArray[Any], path: Path) -> NDArray[Any]:
    if array.dtype.kind != "u":
        raise MalformedInput("a TIFF where white is 0 needs whole numbers", path=path)
    return np.iinfo(array.dtype).max - array


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep tifffile and Pillow from quoting a damaged file."""
    logger = logging.getLogger("tifffile")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


@contextmanager
def _silent() -> Iterator[None]:
    """Keep libtiff from writing on the terminal: it knows nothing of Python's warnings."""
    try:
        terminal = os.dup(2)
    except OSError:  # there is none
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)
