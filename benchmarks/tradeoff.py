"""Quality against cost: a column for x2, x3 and x4, multiply-adds above, measured time below."""

import io
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

FACTORS = (2, 3, 4)
COLOURS = [*colormaps["tab10"].colors, "black"]
KINDS = {
    "ours": "trained by us",
    "published": "published, trained on the same pictures",
    "elsewhere": "published, trained on more pictures",
}
MARKERS = {"ours": "o", "published": "o", "elsewhere": "D"}
PLACES = [
    (x, y) for far in (7, 14, 21, 28, 36) for x, y in
    ((far, 0), (-far, 0), (0, far), (0, -far), (far, far), (far, -far), (-far, far), (-far, -far))
]  # fmt: skip
"""Where a label may stand, in points from what it names; the first free place is taken."""


class Point(NamedTuple):
    """A figure of a network at a factor."""

    network: str
    factor: int
    cost: float  # multiply-adds per output pixel
    time: float  # milliseconds per megapixel of output
    gain: float  # dB over bicubic
    kind: str  # of KINDS


def draw(points: Sequence[Point], name: str, threads: int) -> bytes:
    """Return a PNG of what was measured on a set: ours filled, published hollow."""
    figure = Figure(figsize=(12, 7.6), layout="constrained")
    panels = figure.subplots(2, len(FACTORS), sharex="row", sharey="col")
    names = list(dict.fromkeys(p.network for p in points))
    colours = {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(names)}
    titles = (
        "multiply-adds per output pixel",
        f"ms per megapixel of output; CPU, threads: {threads}",
    )
    for row, title in enumerate(titles):
        for axes, factor in zip(panels[row], FACTORS, strict=True):
            some = [p for p in points if p.factor == factor]
            _panel(axes, [(p[2 + row], p) for p in some], colours)
            axes.set_xlabel(title)
            axes.set_title(f"x{factor}" if row == 0 else "")
        panels[row][0].set_xlim(*_decades([p[2 + row] for p in points]))
        panels[row][0].set_ylabel(f"{name}: dB over bicubic")
    kinds = [Line2D([], [], ls="", **_looks(kind, "0.3"), label=KINDS[kind]) for kind in KINDS]
    figure.legend(handles=kinds, loc="outside lower center", ncols=len(kinds), frameon=False)
    figure.draw_without_rendering()  # places everything: only now labels see what they cover
    figure.set_layout_engine("none")
    for axes in panels.flat:
        _label(figure, axes, colours)
    return _png(figure)


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """Return powers of ten around all values, with room for words."""
    low, high = (math.log10(each) for each in (min(values, default=1), max(values, default=10)))
    return 10 ** math.floor(low - 0.2), 10 ** math.ceil(high + 0.2)


def _panel(axes: Any, points: list[tuple[float, Point]], colours: dict[str, Any]) -> None:
    for x, point in points:
        looks = _looks(point.kind, colours[point.network])
        axes.plot(x, point.gain, **looks, label=point.network)
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.25)
    axes.margins(0.14)


def _looks(kind: str, colour: Any) -> dict[str, Any]:
    face = colour if kind == "ours" else "none"
    size = 5.5 if MARKERS[kind] == "D" else 7
    return {"marker": MARKERS[kind], "ms": size, "mec": colour, "mfc": face, "mew": 1.6}


def _label(figure: Figure, axes: Any, colours: dict[str, Any]) -> None:
    """Name every network once, beside its best point, where nothing else stands."""
    best = {}
    for line in sorted(axes.lines, key=lambda line: line.get_ydata()[0]):
        best[line.get_label()] = line
    taken = [line.get_window_extent().padded(2) for line in axes.lines]
    inside = axes.get_window_extent()
    for name, line in best.items():
        xy = (line.get_xdata()[0], line.get_ydata()[0])
        for x, y in PLACES:
            text = axes.annotate(
                name, xy, (x, y), textcoords="offset points", fontsize=8, color=colours[name],
                ha="left" if x > 0 else "right" if x < 0 else "center", va="center",
            )  # fmt: skip
            box = text.get_window_extent().padded(1)
            free = inside.x0 < box.x0 and box.x1 < inside.x1 and not box.count_overlaps(taken)
            if free or (x, y) == PLACES[-1]:
                taken.append(box)
                break
            text.remove()


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()
