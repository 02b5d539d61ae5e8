"""Voxels to and from bytes, a slab at a time: exact, rounded where they must be, never wrapped.

Files hold the first axis fastest, so arrays read here are in Fortran order. Nothing takes more
than the image itself and a few slabs, so an array mapped from disk may be larger than memory.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medacuity.errors import LimitExceeded, MalformedInput, SafetyGate, UsageError
from medacuity.formats.limits import check_size
from medacuity.volume import Volume

SLAB = 8 * 2**20
"""Voxels converted at once."""

BLOCK = 64
"""Rows and columns turned at once."""

WIDER = (np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64)


class Stream(Protocol):
    """Decoded bytes, as `inflate` gives them."""

    path: Any

    def expect(self, count: int) -> None:
        """Refuse a file that cannot hold ``count`` bytes, before memory is taken for them."""

    def readinto(self, buffer: NDArray[np.uint8]) -> None:
        """Fill ``buffer`` with the next bytes."""

    def finish(self) -> None:
        """Refuse anything but the end of the file."""


def read_voxels(
    stream: Stream,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    *,
    slope: float = 1.0,
    inter: float = 0.0,
) -> NDArray[Any]:
    """Return ``slope * stored + inter`` for every voxel, after reading ``stream`` to its end.

    Integers stay what they are where the scaling changes nothing; otherwise they become
    float32, or float64 where float32 could not hold them to a fraction of a step.

    Raises:
        LimitExceeded: The result would take more memory than allowed.
        MalformedInput: The data is shorter or longer than announced, damaged, or not finite.
    """
    kind = decoded_dtype(dtype, slope, inter)
    check_size(shape, max(kind.itemsize, dtype.itemsize), stream.path)
    stream.expect(math.prod(shape) * dtype.itemsize)
    try:
        array = np.empty(tuple(shape), kind, order="F")
    except (MemoryError, ValueError) as error:
        raise LimitExceeded("not enough memory for this image", path=stream.path) from error
    flat = array.reshape(-1, order="F")
    damaged = 0
    for start in range(0, flat.size, SLAB):
        part = flat[start : start + SLAB]
        _fill(part, stream, dtype, slope, inter)
        if kind.kind == "f":
            damaged += part.size - int(np.count_nonzero(np.isfinite(part)))
    stream.finish()
    if damaged:
        raise MalformedInput(
            f"every voxel must be a finite number, and {damaged} are not; if they are "
            "background, replace them first (numpy.nan_to_num)",
            path=stream.path,
        )
    return array


def decoded_dtype(dtype: np.dtype[Any], slope: float, inter: float) -> np.dtype[Any]:
    """Return the dtype of the values, in this machine's byte order."""
    native = dtype.newbyteorder("=")
    if native.kind == "f" or (slope == 1 and inter == 0):
        return native
    info = np.iinfo(native)
    largest = max(abs(slope * info.min + inter), abs(slope * info.max + inter))
    exact = native.itemsize <= 2 and largest * 2.0**-24 < 0.1 * abs(slope) and largest < 1e38
    return np.dtype(np.float32 if exact else np.float64)


def stored_dtype(
    volumes: Sequence[Volume],
    wanted: np.dtype[Any],
    *,
    slope: float = 1.0,
    inter: float = 0.0,
) -> np.dtype[Any]:
    """Return ``wanted``, or the next wider dtype where the values need it.

    Raises:
        SafetyGate: A value is not finite, or no integer can hold it.
    """
    low, high = value_range(volumes)
    if wanted.kind == "f":
        fits = max(abs(low), abs(high)) <= float(np.finfo(wanted).max)
        return wanted if fits else np.dtype(np.float64)
    ends = sorted((_stored(low, slope, inter), _stored(high, slope, inter)))
    kinds = [wanted, *(np.dtype(kind) for kind in WIDER)]
    fitting = [k for k in kinds if np.iinfo(k).min <= ends[0] and ends[1] <= np.iinfo(k).max]
    if not fitting:
        raise SafetyGate(f"the values reach from {low:g} to {high:g}, and no integer holds them")
    wide = [k for k in fitting if k.itemsize >= wanted.itemsize] or fitting
    return next((k for k in wide if np.can_cast(wanted, k)), wide[0])


def value_range(volumes: Sequence[Volume]) -> tuple[float, float]:
    """Return the smallest and the largest value (exact whole numbers for integers)."""
    low, high = math.inf, -math.inf
    for volume in volumes:
        axis = int(np.argmax(np.abs(volume.array.strides)))
        for part in slabs(volume.array, axis):
            least, most = part.min().item(), part.max().item()
            if not (math.isfinite(least) and math.isfinite(most)):
                raise SafetyGate("the result holds values that are not finite; nothing was written")
            low, high = min(low, least), max(high, most)
    return low, high


def encode(
    array: NDArray[Any], dtype: np.dtype[Any], *, slope: float = 1.0, inter: float = 0.0
) -> Iterator[bytes]:
    """Yield the bytes of ``array`` as ``dtype``, first axis fastest."""
    for part in slabs(array, array.ndim - 1):
        turned = to_dtype(first_axis_fastest(part), dtype, slope=slope, inter=inter)
        yield turned.tobytes(order="F")


def first_axis_fastest(array: NDArray[Any]) -> NDArray[Any]:
    """Return ``array`` in Fortran order, turned in blocks that fit a cache: four times as fast."""
    if array.flags.f_contiguous:
        return array
    turned = np.empty(array.shape, array.dtype, order="F")
    for i in range(0, array.shape[0], BLOCK):
        for j in range(0, array.shape[1], BLOCK):
            block = slice(i, i + BLOCK), slice(j, j + BLOCK)
            turned[block] = array[block]
    return turned


def to_dtype(
    array: NDArray[Any], dtype: np.dtype[Any], *, slope: float = 1.0, inter: float = 0.0
) -> NDArray[Any]:
    """Return ``(array - inter) / slope`` as ``dtype``, rounded where that is an integer."""
    if dtype.kind == "f" or (array.dtype.kind in "iub" and slope == 1 and inter == 0):
        return array.astype(dtype)
    stored = array.astype(np.float64)
    if slope != 1 or inter != 0:
        stored -= inter
        stored /= slope
    return np.rint(stored, out=stored).astype(dtype)


def slabs(array: NDArray[Any], axis: int) -> Iterator[NDArray[Any]]:
    """Yield parts of ``array`` along ``axis``, each at most `SLAB` voxels or one layer."""
    layer = array.size // array.shape[axis]
    step = max(1, SLAB // layer)
    for start in range(0, array.shape[axis], step):
        yield array[(slice(None),) * axis + (slice(start, start + step),)]


def same_grid(volumes: Sequence[Volume]) -> Volume:
    """Return the first volume; all frames of one file must share its grid."""
    if not volumes:
        raise UsageError("there is nothing to write: give at least one volume")
    first = volumes[0]
    for volume in volumes[1:]:
        if volume.shape != first.shape or not np.allclose(volume.affine, first.affine, atol=1e-6):
            raise UsageError(
                "the frames of one file must share one grid; write them to several files"
            )
    return first


def plain_dtype(volumes: Sequence[Volume]) -> np.dtype[Any]:
    """Return the dtype in which a scan's own values can be written without scaling."""
    kind = volumes[0].array.dtype.newbyteorder("=")
    if kind.kind == "b":
        return np.dtype(np.uint8)
    if kind.kind not in "iuf":
        raise UsageError(f"voxels must be real numbers, got {kind}")
    return np.dtype(np.float32) if kind == np.float16 else kind


def _fill(
    part: NDArray[Any], stream: Stream, dtype: np.dtype[Any], slope: float, inter: float
) -> None:
    """Read the next voxels of the stream into ``part``."""
    unscaled = slope == 1 and inter == 0
    if unscaled:
        stream.readinto(part.view(np.uint8))
        if not dtype.isnative:
            part.byteswap(inplace=True)
        return
    stored = np.empty(part.size, dtype)
    stream.readinto(stored.view(np.uint8))
    values = stored.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is counted and refused
        values *= slope
        values += inter
        part[:] = values


def _stored(value: float, slope: float, inter: float) -> int:
    return int(value) if _whole(value, slope, inter) else int(np.rint((value - inter) / slope))


def _whole(value: float, slope: float, inter: float) -> bool:
    return isinstance(value, int) and slope == 1 and inter == 0
