"""Samples as a person looks at them: upright, in grey, and side by side on a contact sheet."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

RANKS = ("RL", "AP", "SI")
LOOKED_AT = "LPI"  # to the right of a picture lies the left, below it the back or the feet
BANNER = 14  # rows for a line of words
LETTER = 6  # columns of one
SHOWN = 96  # rows and columns that smaller pictures are enlarged to, about


def rank(direction: str) -> int:
    """Return which axis of the world a direction lies on: 0 right, 1 front, 2 head."""
    return next(n for n, axis in enumerate(RANKS) if direction in axis)


def looked_at(x: NDArray[Any], directions: str) -> NDArray[Any]:
    """Return rows and columns of an image as it is looked at; of a volume, its middle slice.

    Args:
        x: Two or three axes.
        directions: Where they point in the patient, a letter each.

    Example:
        >>> axial = np.array([[1, 2], [3, 4]])  # to the right, then to the front
        >>> looked_at(axial, "RA")
        array([[4, 2],
               [3, 1]])
    """
    if x.ndim == 3:
        head = next(n for n, d in enumerate(directions) if rank(d) == 2)
        x = x.take(x.shape[head] // 2, head)
        directions = directions[:head] + directions[head + 1 :]
    x = np.flip(x, tuple(n for n, d in enumerate(directions) if d not in LOOKED_AT))
    return x.T if rank(directions[0]) < rank(directions[1]) else x


def grey(x: NDArray[Any], white: int) -> NDArray[Any]:
    """Return the unit range as whole numbers, from black at 0 to ``white``; what is out, at them.

    Example:
        >>> grey(np.array([-0.1, 0.5, 2.0]), 255)
        array([  0, 128, 255], dtype=uint8)
    """
    whole: NDArray[Any] = np.rint(np.clip(x, 0, 1) * white)
    return whole.astype(np.uint8 if white < 256 else np.uint16)


def contact_sheet(
    pictures: Sequence[NDArray[np.uint8]], words: Sequence[str], *, title: str
) -> NDArray[np.uint8]:
    """Return pictures of one size in rows, words below each, and a title above them all."""
    height, width = pictures[0].shape
    times = max(1, round(SHOWN / max(height, width)))
    down, across = height * times + BANNER, width * times + 2
    columns = math.ceil(math.sqrt(len(pictures)))
    size = (
        max(columns * across, LETTER * (len(title) + 1)),
        math.ceil(len(pictures) / columns) * down + BANNER,
    )
    page = Image.new("L", size)
    draw = ImageDraw.Draw(page)
    draw.text((2, 1), title, fill=255)
    for n, (picture, text) in enumerate(zip(pictures, words, strict=True)):
        x, y = n % columns * across, BANNER + n // columns * down
        page.paste(Image.fromarray(picture.repeat(times, 0).repeat(times, 1)), (x, y))
        draw.text((x + 2, y + height * times), text[: across // LETTER], fill=255)
    return np.asarray(page)
