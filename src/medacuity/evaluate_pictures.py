"""A case at a glance: input | best interpolation | ours | truth, a detail, and the errors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy import ndimage

from medacuity.atomic import atomic_write
from medacuity.metrics.protocols import PERCENTILE
from medacuity.volume import Volume, axis_codes, world_order

GROUND, INK, MARK = "black", "white", "deepskyblue"
INCHES, DPI = 3.2, 150
WORST = 99.5
"""Percentile of the errors at which the scale of the error maps ends."""

SIGNAL = 0.08
"""Share of the window above which a voxel is taken for signal, when the margins are cropped."""

DETAIL = 3
"""How many times the detail is magnified against the whole slice."""


class Cut(NamedTuple):
    """A slice as it is shown: rows from top to bottom, its size in mm, what is on its left."""

    image: NDArray[np.float64]
    width: float
    height: float
    left: str


class Box(NamedTuple):
    """A part of a slice, in mm from its lower left corner."""

    x: float
    y: float
    width: float
    height: float


def panel(
    volume: Volume,
    predictions: Mapping[str, Volume],
    truth: Volume,
    *,
    captions: Mapping[str, str] | None = None,
    title: str = "",
) -> Figure:
    """Draw one slice of a case: input, predictions and truth; a detail; the errors.

    The slice is cut where most of the signal is, across an axis along which little was
    enlarged, head-foot if it can be: thick slices are seen from the side. The detail is where
    the truth has most structure, whatever the predictions made of it. All images share the
    window from 0 (or the truth's lowest value) to the truth's 99.9th percentile; all errors
    share one scale; both are written on the picture. Front (or head) is up, and the patient's
    right is on the left, as radiologists look at it.

    Args:
        volume: The input, of the truth's field of view.
        predictions: By name, in the order shown: the best interpolation, then ours.
        truth: On the grid of the predictions.
        captions: A line under a prediction's name, such as its PSNR.
        title: Over everything.
    """
    axis = _axis_to_cut(volume, truth)
    place = _brightest(truth, axis)
    low, high = _window(truth)
    cuts = {name: cut(each, axis, place) for name, each in predictions.items()}
    true = cut(truth, axis, place)
    shown = {"input": cut(volume, axis, place), **cuts, "truth": true}
    whole = _signal(true, low + SIGNAL * (high - low))
    detail = _detail(true, whole)
    figure, axes = _canvas(len(shown), whole)
    for column, (name, each) in zip(axes.T, shown.items(), strict=True):
        for ax, box in ((column[0], whole), (column[1], detail)):
            _show(ax, each, box, cmap="gray", vmin=low, vmax=high)
        caption = (captions or {}).get(name, "")
        column[0].set_title(f"{name}\n{caption}" if captions else name, color=INK, fontsize=10)
        column[0].add_patch(
            Rectangle(detail[:2], detail.width, detail.height, fill=False, ec=MARK, lw=0.8)
        )
    _letter(axes[0, 0], shown["input"].left if 1 not in truth.shape else "")
    scale = _draw_errors(list(axes[2]), list(cuts.values()), true, whole, high - low)
    _explain(axes[2, 0], f"window {low:.4g} to {high:.4g} {truth.unit}", scale)
    if title:
        figure.suptitle(title, color=INK, fontsize=11)
    return figure


def write_picture(path: str | Path, figure: Figure) -> None:
    """Write a figure as PNG; the same figure gives the same bytes."""
    canvas = FigureCanvasAgg(figure)
    with atomic_write(path) as file:
        canvas.print_png(file, metadata={"Software": None})  # type: ignore[no-untyped-call]


def cut(volume: Volume, axis: int, place: NDArray[np.float64]) -> Cut:
    """Return the slice across an axis through a place in mm, turned as a radiologist looks.

    A single slice without directions of its own is a picture (PNG), and shown as it is.
    """
    inverse = np.linalg.inv(volume.affine)
    index = (inverse @ [*place, 1.0])[axis]
    k = int(np.clip(np.rint(index), 0, volume.shape[axis] - 1))
    plane = np.take(volume.array, k, axis=axis).astype(np.float64)
    across, up = [a for a in world_order(volume.affine) if a != axis]
    codes = axis_codes(volume.affine)
    plane = plane.T if across < up else plane  # rows run along `up`, columns along `across`
    if not _is_picture(volume):
        plane = plane[::-1] if codes[up] in "RAS" else plane
        plane = plane[:, ::-1] if codes[across] in "RA" else plane
    width, height = (volume.shape[a] * volume.spacing[a] for a in (across, up))
    return Cut(plane, width, height, "R" if codes[across] in "RL" else "A")


def _is_picture(volume: Volume) -> bool:
    directions = volume.affine[:3, :3] / volume.spacing
    return volume.shape[2] == 1 and bool(np.array_equal(directions, np.eye(3)))


def _axis_to_cut(volume: Volume, truth: Volume) -> int:
    """Return the axis enlarged least; of several head-foot, then front-back, then right-left."""
    factor = np.array(truth.shape) / np.array(volume.shape)
    if 1 in truth.shape:
        return truth.shape.index(1)
    return min(reversed(world_order(truth.affine)), key=lambda axis: round(factor[axis], 2))


def _brightest(truth: Volume, axis: int) -> NDArray[np.float64]:
    """Return the place in mm of the slice's middle where the signal has its centre."""
    others = tuple(i for i in range(3) if i != axis)
    signal = truth.array.astype(np.float64).sum(axis=others)
    signal -= signal.min()
    middle = [(n - 1) / 2 for n in truth.shape]
    if signal.sum() > 0:
        middle[axis] = np.rint(signal @ np.arange(signal.size) / signal.sum())
    return np.asarray((truth.affine @ [*middle, 1.0])[:3], dtype=np.float64)


def _window(truth: Volume) -> tuple[float, float]:
    low = min(0.0, float(truth.array.min()))
    high = float(np.percentile(truth.array, PERCENTILE))
    return low, high if high > low else low + 1.0


def _signal(true: Cut, level: float) -> Box:
    """Return the part of a slice that holds signal, with a margin; all of it when there is none."""
    bright = true.image > level
    rows, columns = (np.flatnonzero(bright.any(axis=a)) for a in (1, 0))
    if not rows.size:
        return Box(0.0, 0.0, true.width, true.height)
    down, right = true.height / true.image.shape[0], true.width / true.image.shape[1]
    margin = 0.03 * max(true.width, true.height)
    left = max(columns[0] * right - margin, 0.0)
    low = max(true.height - (rows[-1] + 1) * down - margin, 0.0)
    end = min((columns[-1] + 1) * right + margin, true.width)
    top = min(true.height - rows[0] * down + margin, true.height)
    return Box(left, low, end - left, top - low)


def _detail(true: Cut, whole: Box) -> Box:
    """Return the part of the size of ``whole / DETAIL`` in which the truth varies most."""
    width, height = whole.width / DETAIL, whole.height / DETAIL
    down, right = true.height / true.image.shape[0], true.width / true.image.shape[1]
    size = (max(round(height / down), 1), max(round(width / right), 1))
    slope = np.hypot(*(ndimage.sobel(true.image, axis=a) for a in (0, 1)))
    # Edges towards the dark ground are no structure: each slope counts to a common level.
    slope = np.minimum(slope, np.percentile(slope, 90))
    busy = ndimage.uniform_filter(slope, size, mode="constant")
    row, column = np.unravel_index(int(np.argmax(busy)), busy.shape)
    x = np.clip((column + 0.5) * right - width / 2, whole.x, whole.x + whole.width - width)
    y = true.height - (row + 0.5) * down - height / 2
    y = np.clip(y, whole.y, whole.y + whole.height - height)
    return Box(float(x), float(y), width, height)


def _canvas(columns: int, whole: Box) -> tuple[Figure, NDArray[Any]]:
    """Return a dark figure of three rows whose cells have the shape of the slice."""
    height = INCHES * min(max(whole.height / whole.width, 0.4), 1.6)
    size = (INCHES * columns, 3 * height + 0.8)
    tight = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    figure = Figure(figsize=size, dpi=DPI, facecolor=GROUND, layout=tight)
    axes = figure.subplots(3, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    return figure, axes


def _show(ax: Axes, each: Cut, box: Box, **how: Any) -> AxesImage:
    extent = (0.0, each.width, 0.0, each.height)
    shown = ax.imshow(each.image, extent=extent, interpolation="nearest", **how)
    ax.set_xlim(box.x, box.x + box.width)
    ax.set_ylim(box.y, box.y + box.height)
    return shown


def _draw_errors(axes: list[Axes], cuts: list[Cut], true: Cut, whole: Box, span: float) -> str:
    """Draw |prediction - truth| under each prediction, the scale under the truth; say what."""
    errors = [np.abs(each.image - true.image) / span * 100 for each in cuts]
    if not errors:
        return ""
    worst = max(float(np.percentile(error, WORST)) for error in errors) or 1.0
    for ax, error in zip(axes[1:-1], errors, strict=True):
        drawn = _show(ax, true._replace(image=error), whole, cmap="inferno", vmin=0, vmax=worst)
    bar = ax.figure.colorbar(drawn, cax=axes[-1].inset_axes((0.06, 0.1, 0.06, 0.8)), extend="max")
    bar.set_label("absolute error, % of the window", color=INK, fontsize=9)
    bar.ax.tick_params(colors=INK, labelsize=8)
    return f"errors 0 to {worst:.3g} % of it, one scale"


def _letter(ax: Axes, left: str) -> None:
    ax.text(0.02, 0.5, left, color=INK, fontsize=10, transform=ax.transAxes, va="center")


def _explain(ax: Axes, *lines: str) -> None:
    text = "\n".join(["top: the slice", "middle: the detail in the frame", *filter(None, lines)])
    ax.text(
        0.05, 0.5, text, color=INK, fontsize=9, transform=ax.transAxes, va="center", linespacing=1.8
    )
