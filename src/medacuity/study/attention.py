"""Attention checks: images that say, in their pixels, which answer they want."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from medacuity.errors import UsageError
from medacuity.study.design import Image
from medacuity.study.render import DEPTH
from medacuity.study.scales import Item, Panels

SMALLEST = 9
"""Points below which writing is not readable."""

MARGIN = 0.9
"""Share of the width that the writing may take."""


def sentence(item: Item, expected: float, panels: Panels) -> tuple[str, ...]:
    """Return the lines that ask for an answer."""
    if panels is Panels.PAIR:
        return ("Please choose", "this image")
    if item.slider is not None:
        end = item.slider.left if expected == item.slider.low else item.slider.right
        return ("Please move the slider", f"all the way to {end!r}")
    label = next(choice.label for choice in item.choices if choice.value == expected)
    return ("Please answer", f"{expected:g} - {label}")


def possible(item: Item, panels: Panels) -> list[float]:
    """Return the answers that checks ask for, in turn: not those that come by habit."""
    if panels is Panels.PAIR:
        return [1.0]
    if item.slider is not None:
        return [item.slider.low, item.slider.high]
    values = sorted(choice.value for choice in item.choices)
    return [values[1], values[-1], values[0]]


def written(slices: NDArray[Any], image: Image, lines: tuple[str, ...]) -> NDArray[Any]:
    """Return slices with writing across the middle of each, at the brightness of the window."""
    ground = _stored(image, image.window[0])
    ink = _stored(image, image.window[1])
    mask = _mask(image, lines)
    filled = np.flatnonzero(mask.any(axis=1))
    border = max(2, image.rows // 40)
    band = slice(max(filled[0] - border, 0), filled[-1] + 1 + border)
    result = slices.copy()
    result[:, band] = np.rint(ground + (ink - ground) * mask[band]).astype("<u2")
    return result


def _stored(image: Image, value: float) -> float:
    unit = (value - image.low) / (image.high - image.low)
    return float(np.clip(unit, 0, 1) * DEPTH)


def _mask(image: Image, lines: tuple[str, ...]) -> NDArray[np.float64]:
    """Return how much ink each pixel takes, 0 to 1; letters are upright whatever the pixels are."""
    _, tall, wide = image.spacing
    height = round(image.rows * tall / wide)
    text = "\n".join(lines)
    for size in range(max(image.columns // 8, SMALLEST), SMALLEST - 1, -1):
        font = ImageFont.load_default(size)
        canvas = Picture.new("L", (image.columns, height))
        pen = ImageDraw.Draw(canvas)
        left, top, right, bottom = pen.multiline_textbbox((0, 0), text, font, align="center")
        if right - left <= MARGIN * image.columns and bottom - top <= MARGIN * height:
            break
    else:
        raise UsageError(
            f"an attention check needs room to be read; the images have {image.columns} x "
            f"{image.rows} pixels; create the study without checks"
        )
    at = ((image.columns - right - left) / 2, (height - bottom - top) / 2)
    pen.multiline_text(at, text, fill=255, font=font, align="center")
    return np.asarray(canvas.resize((image.columns, image.rows)), np.float64) / 255
