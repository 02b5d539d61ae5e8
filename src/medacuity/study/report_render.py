"""Figures as files: vectors, the same bytes every time, names never taken for formulas."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

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


def settle(figure: Figure) -> None:
    """Lay a figure out once, on round numbers: the last digit of the solver's depends on chance."""
    engine = figure.get_layout_engine()
    if engine is not None and figure.axes:
        engine.execute(figure)
    figure.set_layout_engine("none")
    for part in figure.subfigs:
        box = part.bbox_relative
        box.p0, box.p1 = box.p0.round(6), box.p1.round(6)
    for axes in figure.axes:
        place = axes.get_position(original=True)
        axes.set_position(Bbox(place.get_points().round(6)))


def svg(picture: Picture) -> bytes:
    """Return a picture as SVG: letters are outlines, so that it looks the same everywhere."""
    file = io.BytesIO()
    with drawing():
        figure = Figure(figsize=(WIDTH, picture.height), layout="constrained")
        picture.draw(figure)
        settle(figure)
        figure.savefig(file, format="svg", metadata={"Date": None, "Title": picture.caption})
    return file.getvalue()
