"""The figures of a report, as a paper can print them: one function per figure."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from medacuity.metrics.opinion.estimate import Estimate
from medacuity.metrics.opinion.scores import mos
from medacuity.study.report_findings import QuestionFinding
from medacuity.study.report_grid import Array, Grid, grades
from medacuity.study.report_pairs import PairsFinding

STYLE = {
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "legend.fontsize": 7,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6,
    "axes.edgecolor": "#555555", "xtick.color": "#333333", "ytick.color": "#333333",
    "axes.grid": True, "grid.color": "#e4e4e4", "grid.linewidth": 0.6, "axes.axisbelow": True,
    "lines.linewidth": 1.0, "text.parse_math": False, "axes.formatter.use_mathtext": False,
    "legend.frameon": False, "svg.hashsalt": "medacuity", "svg.fonttype": "path",
    "pdf.fonttype": 42,
}  # fmt: skip
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Okabe and Ito's colours, which the colour-blind can tell apart."""

MARKERS = "osD^vPX*"
GRADES = ("#b2182b", "#ef8a62", "#f0e6b8", "#92c5de", "#2166ac")
LONGEST = 28
MOST_CASES = 60


def short(name: str) -> str:
    """Return a name that fits beside a figure."""
    name = name or "all stimuli"
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def colour(i: int) -> str:
    """Return the colour of the i-th method, everywhere the same."""
    return COLOURS[i % len(COLOURS)]


def marker(i: int) -> str:
    """Return the marker of the i-th method: another one where colours begin again."""
    return MARKERS[(i + i // 8) % 8]


def abreast(names: Sequence[str]) -> int:
    """Return how many columns a legend has, so that it is no wider than the figure.

    Example:
        >>> abreast(["a", "b"]), abreast(["a"] * 9), abreast(["a method with a long name"] * 9)
        (2, 5, 3)
    """
    letters = max(len(short(name)) for name in names)
    return min(len(names), 5, max(1, int(7 / (0.45 + 0.06 * letters))))


def draw_methods(figure: FigureBase, finding: QuestionFinding) -> None:
    """Draw each method's mean: thick the interval over ratings, thin for others like these."""
    axes = figure.subplots()
    grid = finding.grid
    order = sorted(range(len(finding.methods)), key=lambda i: finding.methods[i].mos.value)
    for y, i in enumerate(order):
        method = finding.methods[i]
        _interval(axes, method.wider, y, colour(i), width=1.0)
        _interval(axes, method.mos, y, colour(i), width=3.0)
        axes.plot(
            method.mos.value, y, marker(i), color=colour(i), markersize=6,
            markeredgecolor="white", markeredgewidth=0.6,
        )  # fmt: skip
        axes.annotate(
            f"{method.mos.value:.2f}", (method.mos.value, y), (0, 7), textcoords="offset points",
            ha="center", fontsize=7,
        )  # fmt: skip
    axes.set_yticks(range(len(order)), [short(grid.methods[i]) for i in order])
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.grid(visible=False, axis="y")
    scale_axis(axes, grid, "x")
    axes.set_xlabel("mean opinion score")


def draw_grades(figure: FigureBase, finding: QuestionFinding) -> None:
    """Draw how often each grade was given to each method; boxes where there are no grades."""
    axes, grid = figure.subplots(), finding.grid
    order = sorted(range(len(finding.methods)), key=lambda i: finding.methods[i].mos.value)
    given = [grid.first[grid.rows_of(i)] for i in order]
    given = [scores[np.isfinite(scores)] for scores in given]
    steps = grades(grid)
    if not 1 < len(steps) <= 11:
        axes.boxplot(given, orientation="horizontal", widths=0.6, medianprops={"color": "#d55e00"})
        axes.set_yticks(range(1, len(order) + 1), [short(grid.methods[i]) for i in order])
        scale_axis(axes, grid, "x")
        axes.set_xlabel("score")
        return
    shares = np.array([[100 * np.mean(scores == step) for step in steps] for scores in given])
    starts = np.cumsum(shares, axis=1) - shares
    labels = grid.scale.labels or [""] * len(steps)
    words = [f"{step:g} {label}".strip() for step, label in zip(steps, labels, strict=True)]
    for k, fill in enumerate(_ramp(len(steps))):
        axes.barh(range(len(order)), shares[:, k], left=starts[:, k], color=fill, label=words[k],
                  edgecolor="white", linewidth=0.5, height=0.7)  # fmt: skip
        for y in range(len(order)):
            if shares[y, k] >= 6:
                dark = k in (0, len(steps) - 1)
                axes.text(starts[y, k] + shares[y, k] / 2, y, f"{shares[y, k]:.0f}", ha="center",
                          va="center", fontsize=7, color="white" if dark else "black")  # fmt: skip
    axes.set_yticks(range(len(order)), [short(grid.methods[i]) for i in order])
    axes.set_xlim(0, 100)
    axes.grid(visible=False)
    axes.set_xlabel("ratings (%)")
    figure.legend(loc="outside upper center", ncols=abreast(words))


def draw_cases(figure: FigureBase, finding: QuestionFinding) -> None:
    """Draw each case's mean opinion by method, from the hardest case to the easiest."""
    axes, grid = figure.subplots(), finding.grid
    tables = [mos(grid.by_case(i)) for i in range(len(grid.methods))]
    means = np.array([table.mean for table in tables])
    order = np.argsort(np.nanmean(means, axis=0), kind="stable")[:MOST_CASES]
    wide = 0.6 / len(tables)
    for i, table in enumerate(tables):
        x = np.arange(len(order)) + (i - (len(tables) - 1) / 2) * wide
        low, high = table.low[order], table.high[order]
        axes.vlines(x, low, high, color=colour(i), alpha=0.35, linewidth=1.2)
        axes.plot(x, table.mean[order], marker(i), color=colour(i), markersize=3.5,
                  label=short(grid.methods[i]))  # fmt: skip
    axes.set_xticks(
        range(len(order)), [short(grid.cases[c]) for c in order], rotation=90, fontsize=6
    )
    axes.set_xlim(-0.7, len(order) - 0.3)
    axes.grid(visible=False, axis="x")
    scale_axis(axes, grid, "y")
    axes.set_ylabel("mean opinion score")
    if len(grid.methods) > 1:
        figure.legend(loc="outside upper center", ncols=abreast(grid.methods))


def draw_raters(figure: FigureBase, finding: QuestionFinding) -> None:
    """Draw how strict and how careful each rater is, by P.910; flagged ones with their names."""
    axes = figure.subplots()
    for rater in finding.raters:
        ink = COLOURS[1] if rater.flags else COLOURS[0]
        x, y = rater.bias, rater.inconsistency
        axes.plot([x.low, x.high], [y.value, y.value], color=ink, alpha=0.4)
        axes.plot([x.value, x.value], [y.low, y.high], color=ink, alpha=0.4)
        axes.plot(x.value, y.value, "X" if rater.flags else "o", color=ink, markersize=5)
        if rater.flags or len(finding.raters) <= 15:
            axes.annotate(short(rater.name), (x.value, y.value), (5, 4), fontsize=6,
                          textcoords="offset points")  # fmt: skip
    axes.axvline(0, color="#555555", linewidth=0.6)
    axes.set_xlabel("bias: milder than the others to the right")
    axes.set_ylabel("inconsistency: careful below")
    axes.set_ylim(bottom=0)


def draw_gradings(figure: FigureBase, finding: QuestionFinding, baseline: str) -> None:
    """Draw the VGC curve of every method against one."""
    axes, grid = figure.subplots(), finding.grid
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=":")
    for pair in finding.comparisons:
        if pair.grading is None or baseline not in (pair.first, pair.second):
            continue
        turned = pair.first == baseline
        name = pair.second if turned else pair.first
        x, y = pair.grading.reference, pair.grading.test
        area = pair.grading.area.value
        x, y, area = (y, x, 1 - area) if turned else (x, y, area)
        i = grid.methods.index(name)
        dots = marker(i) if len(x) <= 20 else ""
        axes.plot(x, y, color=colour(i), marker=dots, markersize=3,
                  label=f"{short(name)} ({area:.2f})")  # fmt: skip
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_aspect("equal")
    axes.set_xlabel(f"share of grades at least so good: {short(baseline)}")
    axes.set_ylabel("share of the method's, likewise")
    figure.legend(loc="outside right center", title="method (area)")


def draw_strengths(figure: FigureBase, finding: PairsFinding) -> None:
    """Draw the strengths of Bradley and Terry with their intervals."""
    axes = figure.subplots()
    estimates = finding.strengths.estimates()
    order = np.argsort([estimate.value for estimate in estimates])
    for y, i in enumerate(order):
        _interval(axes, finding.wider[i], y, colour(int(i)), width=1.0)
        _interval(axes, estimates[i], y, colour(int(i)), width=3.0)
        axes.plot(estimates[i].value, y, marker(i), color=colour(int(i)), markersize=6,
                  markeredgecolor="white")  # fmt: skip
    axes.axvline(0, color="#555555", linewidth=0.6)
    axes.set_yticks(range(len(order)), [short(finding.methods[i]) for i in order])
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("strength (log odds against the mean of all)")


def draw_metrics(figure: FigureBase, finding: QuestionFinding, values: Sequence[Array]) -> None:
    """Draw opinion against each metric, a point per stimulus."""
    names = list(finding.metrics)
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    grid = finding.grid
    opinion = finding.scores.mean if finding.recovery is None else finding.recovery.quality
    all_axes = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
    for axes, name, metric in zip(all_axes, names, values, strict=False):
        for i in range(len(grid.methods)):
            mine = grid.rows_of(i)
            axes.plot(metric[mine], opinion[mine], marker(i), color=colour(i), markersize=3,
                      alpha=0.8, label=short(grid.methods[i]))  # fmt: skip
        axes.set_title(f"{short(name)}: SROCC {finding.metrics[name].ranks.value:.2f}")
        axes.set_xlabel(short(name))
    for axes in all_axes[len(names) :]:
        axes.set_visible(False)
    all_axes[0].set_ylabel("opinion (P.910)")
    if len(grid.methods) > 1:
        handles, labels = all_axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=abreast(grid.methods))


def scale_axis(axes: Axes, grid: Grid, which: str) -> None:
    """Let an axis span the scale, with its words."""
    scale = grid.scale
    margin = 0.03 * (scale.high - scale.low)
    limits, axis = (axes.set_xlim, axes.xaxis) if which == "x" else (axes.set_ylim, axes.yaxis)
    limits(scale.low - margin, scale.high + margin)
    steps = grades(grid)
    if 1 < len(steps) <= 11:
        words = [f"{step:g}" for step in steps]
        if scale.labels and len(scale.labels) == len(steps):
            words = [f"{w}\n{label}" if which == "x" else f"{w} {label}"
                     for w, label in zip(words, scale.labels, strict=True)]  # fmt: skip
        axis.set_ticks(steps.tolist(), words)


def _interval(axes: Axes, estimate: Estimate, y: float, ink: str, *, width: float) -> None:
    axes.plot([estimate.low, estimate.high], [y, y], color=ink, linewidth=width,
              solid_capstyle="butt")  # fmt: skip


def _ramp(count: int) -> list[str]:
    """Return so many colours from bad to good."""
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    ramp = LinearSegmentedColormap.from_list("grades", GRADES)
    return [to_hex(ramp(k / (count - 1))) for k in range(count)]
