"""Colour pictures through networks that know one channel: luma goes through, colour comes back.

BT.601 in full range, as in JPEG: the luma is enhanced, the two colour differences and the
alpha are enlarged bicubically and put back. The eye, and every paper since SRCNN, agrees.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RED, BLUE = 0.299, 0.114
GREEN = 1 - RED - BLUE
TO_BLUE, TO_RED = 2 * (1 - BLUE), 2 * (1 - RED)  # 1.772 and 1.402


@dataclass(frozen=True)
class Colour:
    """What a colour picture has beside its luma.

    Args:
        planes: Cb and Cr as float32 ``(2, H, W)``, centred on 0; None for grey with alpha.
        alpha: ``(H, W)``, or None where the picture has none.
    """

    planes: NDArray[np.float32] | None
    alpha: NDArray[Any] | None


def split(pixels: NDArray[Any]) -> tuple[NDArray[Any], Colour]:
    """Return luma and colour of ``(H, W, C)``: grey with alpha, RGB or RGBA.

    The luma of RGB is float32 and not rounded, so that `join` gives the picture back exactly.
    """
    alpha = pixels[..., -1] if pixels.shape[-1] in (2, 4) else None
    if pixels.shape[-1] == 2:
        return pixels[..., 0], Colour(None, alpha)
    red, green, blue = (pixels[..., c].astype(np.float32) for c in range(3))
    luma = RED * red + GREEN * green + BLUE * blue
    planes = np.stack([(blue - luma) / TO_BLUE, (red - luma) / TO_RED])
    return luma, Colour(planes, alpha)


def join(luma: NDArray[Any], colour: Colour, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the picture ``(H, W, C)`` of a new luma, at the size of that luma."""
    channels = [luma]
    if colour.planes is not None:
        blue, red = (enlarge(plane, luma.shape) for plane in colour.planes)
        green = -(BLUE * TO_BLUE * blue + RED * TO_RED * red) / GREEN
        channels = [luma + TO_RED * red, luma + green, luma + TO_BLUE * blue]
    if colour.alpha is not None:
        channels.append(enlarge(colour.alpha, luma.shape))
    return np.stack([saturated(channel, dtype) for channel in channels], axis=-1)


def enlarge(plane: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return ``plane`` at another size, bicubic, edge to edge."""
    source = np.ascontiguousarray(plane, dtype=np.float32)
    if source.shape == shape:
        return source
    resized = Image.fromarray(source).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(resized, dtype=np.float32)


def saturated(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return ``values`` rounded into ``dtype``: what is brighter than white is white."""
    if dtype.kind == "f" or values.dtype == dtype:
        return values.astype(dtype)
    info = np.iinfo(dtype)
    if values.dtype.kind in "iu":
        return np.asarray(np.clip(values, info.min, info.max), dtype)
    rounded = np.rint(values.astype(np.float64))
    return np.asarray(np.clip(rounded, info.min, info.max), dtype)
