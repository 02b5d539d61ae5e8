"""The language of the drawings of networks: what a box, a colour, a frame and an arrow mean.

Blue is a convolution: kernel, features, activation. Orange makes the image larger. A box is as
tall as the image it works on: where boxes are low, computing is cheap. Dashed frames repeat.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Polygon

from medacuity.demo import sample_head

WIDTH, GAP, EDGE = 9.0, 0.27, 0.25  # inches
TALL = {1: 0.72, 2: 1.02, 4: 1.36}  # of a box, by the size of the image it works on
BELOW = 0.32  # a row, for the words of its frames
INK, PALE = "#27313b", "#7d8894"
BLUE, DEEP, ORANGE, GREEN = "#cfe3f6", "#9cc3ea", "#fbc98f", "#cfe8cf"
KINDS = {
    "conv": (BLUE, "convolution: kernel, features, activation"),
    "block": (DEEP, "explained below"),
    "enlarge": (ORANGE, "enlarges"),
    "other": (GREEN, "other"),
}


@dataclass(frozen=True)
class Part:
    """One thing in a row: what it is, what is written on it, how large the image is there."""

    kind: str  # "image", "conv", "block", "enlarge", "other", "node"
    lines: tuple[str, ...] = ()
    size: int = 1
    after: int = 0  # size behind it; 0: the same

    @property
    def width(self) -> float:
        """How wide it is drawn."""
        if self.kind == "image":
            return TALL[self.size]
        return {"node": 0.26, "enlarge": 0.76}.get(self.kind, 0.72)


@dataclass(frozen=True)
class Row:
    """A chain of parts, from left to right."""

    parts: Sequence[Part]
    skips: Sequence[tuple[int, int, str]] = ()  # from behind a part, into a node, and its words
    repeats: Sequence[tuple[int, int, str]] = ()  # first and last part in the frame, and its words
    title: str = ""
    at: Sequence[int] = ()  # stand under these parts of the first row; else side by side
    chained: bool = True


@dataclass(frozen=True)
class Network:
    """A drawing: rows from the top down, and arrows from row to row."""

    rows: Sequence[Row]
    links: Sequence[tuple[tuple[int, int], tuple[int, int]]] = ()  # (row, part), twice


def conv(kernel: int, features: str | int, *more: str, size: int = 1) -> Part:
    """Return a convolution."""
    return Part("conv", (f"{kernel}×{kernel}", str(features), *more), size)


def block(name: str, size: int = 1) -> Part:
    """Return a block that another row explains."""
    return Part("block", (name,), size)


def enlarge(*lines: str, size: int = 1, after: int = 2) -> Part:
    """Return what makes the image larger."""
    return Part("enlarge", lines, size, after)


def image(size: int = 1) -> Part:
    """Return the image itself."""
    return Part("image", (), size)


def node(sign: str = "+", *below: str, size: int = 1) -> Part:
    """Return where two branches meet, and what is to be said of it."""
    return Part("node", (sign, *below), size)


def other(*lines: str) -> Part:
    """Return what is neither."""
    return Part("other", lines)


def picture(network: Network) -> bytes:
    """Return the PNG of a network."""
    heights = [_room(row) for row in network.rows]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.4), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(0, sum(heights) + 0.4))
    axes.axis("off")
    middle, places = sum(heights) + 0.4, []
    for row, height in zip(network.rows, heights, strict=True):
        middle -= height
        y = middle + BELOW + _tallest(row) / 2
        places.append((_columns(row, places), y))
        _row(axes, row, *places[-1])
    for (a, i), (b, j) in network.links:
        _link(axes, network, places, (a, i), (b, j))
    _legend(axes, {part.kind for row in network.rows for part in row.parts})
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=160)
    return file.getvalue()


def _tallest(row: Row) -> float:
    return max(TALL[max(part.size, part.after)] for part in row.parts)


def _room(row: Row) -> float:
    """Return the height of a row with what stands above and below it."""
    above = 0.2 + 0.26 * len(row.skips) + (0.1 if row.skips else 0)
    return _tallest(row) + above + BELOW


def _columns(row: Row, places: Sequence[tuple[list[float], float]]) -> list[float]:
    """Return the middle of every part: under those of the first row, or side by side."""
    if row.at:
        first = places[0][0]
        return [first[i] for i in row.at] + [WIDTH - EDGE - 0.7] * (len(row.parts) - len(row.at))
    widths = [part.width for part in row.parts]
    gap = min(GAP, (WIDTH - 2 * EDGE - sum(widths)) / len(widths))
    start = (WIDTH - sum(widths) - gap * (len(widths) - 1)) / 2
    return [start + sum(widths[:i]) + gap * i + w / 2 for i, w in enumerate(widths)]


def _row(axes: Any, row: Row, xs: Sequence[float], y: float) -> None:
    for x, part in zip(xs, row.parts, strict=True):
        SHAPES[part.kind](axes, part, x, y)
    ends = [(x - p.width / 2, x + p.width / 2) for x, p in zip(xs, row.parts, strict=True)]
    if row.chained:
        for (_, start), (end, _) in pairwise(ends):
            _arrow(axes, [(start, y), (end, y)])
    if row.chained and row.parts[0].kind != "image" and not row.at:
        _arrow(axes, [(ends[0][0] - 0.45, y), (ends[0][0], y)])
        _arrow(axes, [(ends[-1][1], y), (ends[-1][1] + 0.35, y)])
    for first, last, words in row.repeats:
        _frame(axes, ends[first][0], ends[last][1], y, words, row.parts[first : last + 1])
    for level, (start, end, words) in enumerate(row.skips):
        left = (ends[start][1] + ends[start + 1][0]) / 2 if start >= 0 else ends[0][0] - 0.3
        _skip(axes, left, xs[end], y, y + _tallest(row) / 2 + 0.17 + 0.26 * level, words)
    if row.title:
        axes.text(
            EDGE,
            y + _tallest(row) / 2,
            row.title,
            color=PALE,
            fontsize=8,
            va="center",
            style="italic",
        )


def _box(axes: Any, part: Part, x: float, y: float) -> None:
    colour, _ = KINDS[part.kind]
    w, h = part.width - 0.06, TALL[part.size] - 0.06
    axes.add_patch(FancyBboxPatch(
        (x - w / 2, y - h / 2), w, h, boxstyle="round,pad=0.03,rounding_size=0.07",
        fc=colour, ec=INK, lw=0.8,
    ))  # fmt: skip
    _words(axes, part, x, y)


def _trapezoid(axes: Any, part: Part, x: float, y: float) -> None:
    w, low, high = part.width / 2, TALL[part.size] / 2, TALL[part.after] / 2
    corners = [(x - w, y - low), (x + w, y - high), (x + w, y + high), (x - w, y + low)]
    axes.add_patch(Polygon(corners, fc=ORANGE, ec=INK, lw=0.8, joinstyle="round"))
    _words(axes, part, x, y)


def _circle(axes: Any, part: Part, x: float, y: float) -> None:
    axes.add_patch(Circle((x, y), part.width / 2, fc="white", ec=INK, lw=0.9))
    axes.text(x, y - 0.01, part.lines[0], ha="center", va="center", fontsize=11, color=INK)
    axes.text(x, y - 0.17, "\n".join(part.lines[1:]), ha="center", va="top", fontsize=8, color=PALE)


def _picture(axes: Any, part: Part, x: float, y: float) -> None:
    """Draw a head, with as many pixels as there are in that place."""
    h, thin = TALL[part.size] / 2, 8 // part.size
    head = sample_head().array[32:224, 32:224, 0].T.astype(float)
    n = len(head) // thin
    shown = head.reshape(n, thin, n, thin).mean((1, 3))
    axes.imshow(shown, cmap="gray", extent=(x - h, x + h, y - h, y + h), interpolation="nearest",
                vmax=np.percentile(head, 99.5), aspect="auto", zorder=2)  # fmt: skip


SHAPES = {
    "conv": _box, "block": _box, "other": _box, "enlarge": _trapezoid, "node": _circle,
    "image": _picture,
}  # fmt: skip


def _words(axes: Any, part: Part, x: float, y: float) -> None:
    axes.text(x, y, "\n".join(part.lines), ha="center", va="center", fontsize=8, color=INK,
              linespacing=1.25)  # fmt: skip


def _arrow(axes: Any, path: Sequence[tuple[float, float]]) -> None:
    xs, ys = zip(*path, strict=True)
    axes.plot(xs, ys, color=INK, lw=0.9, solid_capstyle="butt", zorder=1)
    axes.annotate(
        "", path[-1], path[-2],
        arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 0.9, "shrinkA": 0, "shrinkB": 0,
                    "mutation_scale": 7},
    )  # fmt: skip


def _skip(axes: Any, left: float, right: float, y: float, top: float, words: str) -> None:
    """Go up, across and down into a node."""
    axes.plot(left, y, "o", ms=3.2, color=INK, zorder=3)
    _arrow(axes, [(left, y), (left, top), (right, top), (right, y + 0.13)])
    axes.text((left + right) / 2, top + 0.02, words, ha="center", va="bottom", fontsize=8,
              color=PALE)  # fmt: skip


def _frame(
    axes: Any, left: float, right: float, y: float, words: str, parts: Sequence[Part]
) -> None:
    h = max(TALL[max(part.size, part.after)] for part in parts) / 2 + 0.08
    axes.add_patch(FancyBboxPatch(
        (left - 0.07, y - h), right - left + 0.14, 2 * h, boxstyle="round,pad=0,rounding_size=0.1",
        fc="none", ec=PALE, lw=1, ls=(0, (4, 2)),
    ))  # fmt: skip
    axes.text((left + right) / 2, y - h - 0.04, words, ha="center", va="top", fontsize=8, color=INK)


def _link(
    axes: Any, network: Network, places: Sequence[tuple[list[float], float]],
    start: tuple[int, int], end: tuple[int, int],
) -> None:  # fmt: skip
    """Go down from a part of one row into a part of another; round a corner if need be."""
    (x0, y0), (x1, y1) = ((places[row][0][i], places[row][1]) for row, i in (start, end))
    parts = [network.rows[row].parts[i] for row, i in (start, end)]
    sizes = (parts[0].size, parts[0].after or parts[0].size)
    bottom = y0 - sum(TALL[size] for size in sizes) / 4  # of a trapezoid: its middle
    half = 0.13 if parts[1].kind == "node" else TALL[parts[1].size] / 2
    if abs(x1 - x0) < 0.01:
        _arrow(axes, [(x0, bottom), (x1, y1 + half)])
    else:
        _arrow(axes, [(x0, bottom), (x0, y1), (x1 - parts[1].width / 2, y1)])


def _legend(axes: Any, kinds: set[str]) -> None:
    x = EDGE
    for kind, (colour, words) in KINDS.items():
        if kind in kinds:
            axes.add_patch(
                FancyBboxPatch(
                    (x, 0.1), 0.14, 0.12, boxstyle="round,pad=0.01", fc=colour, ec=INK, lw=0.6
                )
            )
            axes.text(x + 0.22, 0.16, words, fontsize=7.5, color=PALE, va="center")
            x += 0.55 + 0.055 * len(words)
    words = "height: size of the image"
    axes.text(WIDTH - EDGE, 0.16, words, fontsize=7.5, color=PALE, va="center", ha="right")
