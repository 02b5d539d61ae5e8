"""Pictures of a comparison: what was generated, and what models gained by it."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from torch import Tensor

from medacuity.atomic import atomic_write
from medacuity.utility.harness import BASELINE, Arm, Plan, Results, flat
from medacuity.utility.report import differences
from medacuity.utility.task import Examples, Task
from medacuity.utility.verdict import POINTS

COLUMNS = 10  # pictures in a row of a sheet
COLOURS = ("#777777", "#222222", "#6fa8dc", "#1c6fb8", "#e69138")
DPI = 130


def sheet(real: Examples, made: Examples, *, title: str, names: Sequence[str] = ()) -> Figure:
    """Draw, for every class, real pictures, generated ones, and what is nearest to each of these.

    Masks as answers are no classes: then all pictures are of one kind. Of volumes the middle
    slice is drawn.

    Args:
        real: What was drawn.
        made: What was generated from it.
        title: Over everything.
        names: Of the classes.
    """
    kinds = torch.unique(real.answers).tolist() if real.answers.ndim == 1 else [None]
    figure = _figure((0.8 * COLUMNS, 3.0 * len(kinds) + 0.4))
    axes = figure.subplots(3 * len(kinds), 1)
    for n, kind in enumerate(kinds):
        own, new = (_of(each, kind)[:, 0] for each in (real, made))
        new = _some(new)
        nearest = own[torch.cdist(flat(new[:, None]), flat(own[:, None])).argmin(1)]
        word = "" if kind is None else f" {names[kind] if names else kind}"
        rows = ((_some(own), f"real{word}"), (new, f"SYNTHETIC{word}"),
                (nearest, "the nearest real ones to these"))  # fmt: skip
        for ax, (images, name) in zip(axes[3 * n : 3 * n + 3], rows, strict=True):
            _row(ax, images, name)
    figure.suptitle(title, fontsize=9, parse_math=False)
    return figure


def gains(task: Task, results: Results, plan: Plan) -> Figure:
    """Draw scores by amount, and below them what each arm gains over classical augmentation."""
    figure = _figure((5.2 * len(task.metrics), 6.6))
    axes = figure.subplots(2, len(task.metrics), squeeze=False)
    for column, metric in zip(axes.T, task.metrics, strict=True):
        _scores(column[0], results, plan, metric)
        _gains(column[1], results, plan, metric)
        column[1].set_xticks(range(len(plan.amounts)))
        words = [task.described(amount).replace(" (", "\n(") for amount in plan.amounts]
        column[1].set_xticklabels(words, fontsize=7, parse_math=False)
        column[0].set_xticks(range(len(plan.amounts)), [""] * len(plan.amounts))
    names = axes[0, 0].get_legend_handles_labels()
    figure.legend(*names, loc="outside upper center", ncols=len(plan.arms), fontsize=8)
    return figure


def write_picture(path: Path, figure: Figure) -> None:
    """Write a figure as PNG; the same figure gives the same bytes."""
    canvas = FigureCanvasAgg(figure)
    with atomic_write(path) as file:
        canvas.print_png(file, metadata={"Software": None})  # type: ignore[no-untyped-call]


def _figure(size: tuple[float, float]) -> Figure:
    tight = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.02)
    return Figure(figsize=size, dpi=DPI, layout=tight)


def _of(examples: Examples, kind: int | None) -> Tensor:
    return examples.images if kind is None else examples.images[examples.answers == kind]


def _some(images: Tensor) -> Tensor:
    """Return as many as a row takes, spread over all of them."""
    return images[:: max(1, len(images) // COLUMNS)][:COLUMNS]


def _row(ax: Axes, images: Tensor, name: str) -> None:
    planes = images if images.ndim == 3 else images[..., images.shape[-1] // 2]
    height, width = planes.shape[1:]
    strip = torch.ones(height, COLUMNS * (width + 1))
    for n, plane in enumerate(planes):
        strip[:, n * (width + 1) : n * (width + 1) + width] = plane
    ax.imshow(strip.numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_title(name, fontsize=8, loc="left", parse_math=False)
    ax.set_axis_off()


def _scores(ax: Axes, results: Results, plan: Plan, metric: str) -> None:
    for arm, colour in zip(plan.arms, COLOURS, strict=False):
        scores = [np.array(_seeds(results, plan, amount, arm, metric)) for amount in plan.amounts]
        means = [POINTS * each.mean() if each.size else np.nan for each in scores]
        ax.plot(range(len(means)), means, "o-", color=colour, label=arm.name, lw=1.2, ms=4)
        for n, each in enumerate(scores):
            ax.plot([n] * each.size, POINTS * each, ".", color=colour, alpha=0.3, ms=4)
    ax.set_title(f"{metric}, points; small dots are seeds", fontsize=9, parse_math=False)
    ax.grid(alpha=0.3)


def _gains(ax: Axes, results: Results, plan: Plan, metric: str) -> None:
    found = {(d.amount, d.arm): d.difference for d in differences(results, plan)
             if d.metric == metric and d.against == BASELINE}  # fmt: skip
    colours = dict(zip((arm.name for arm in plan.arms), COLOURS, strict=False))
    others = [arm.name for arm in plan.arms if arm.name != BASELINE]
    for (n, amount), (m, arm) in product(enumerate(plan.amounts), enumerate(others)):
        each = found.get((amount, arm))
        if each is None or each.word == "no verdict":
            continue
        at = n + 0.15 * (m - (len(others) - 1) / 2)
        ends = [[POINTS * (each.mean - each.low)], [POINTS * (each.high - each.mean)]]
        filled = None if each.word != "no difference shown" else "white"
        ax.errorbar(at, POINTS * each.mean, ends, fmt="o", color=colours[arm], ms=5, lw=1.4,
                    markerfacecolor=filled)  # fmt: skip
    ax.axhline(0, color="black", lw=0.8)
    ax.set_title(f"points over {BASELINE}, 95 %; hollow: no difference shown", fontsize=9)
    ax.set_xlim(-0.5, len(plan.amounts) - 0.5)
    ax.grid(alpha=0.3, axis="y")


def _seeds(results: Results, plan: Plan, amount: float, arm: Arm, metric: str) -> list[float]:
    return results.scores(amount, arm.name, metric, range(plan.seeds))
