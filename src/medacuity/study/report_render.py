"""Figures as files: vectors, the same bytes every time, names never taken for formulas."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib import rc_context
from matplotlib.figure import Figure

from medacuity.study.report_blocks import Picture
from medacuity.study.report_figures import STYLE

WIDTH = 7.0
"""Inches: the text width of a page, two columns of a paper."""


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the style of a report; a letter that the font lacks becomes a box, in silence."""
    with rc_context(STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def svg(picture: Picture) -> bytes:
    """Return a picture as SVG: letters are outlines, so that it looks the same everywhere."""
    file = io.BytesIO()
    with drawing():
        figure = Figure(figsize=(WIDTH, picture.height), layout="constrained")
        picture.draw(figure)
        figure.savefig(file, format="svg", metadata={"Date": None, "Title": picture.caption})
    return file.getvalue()
