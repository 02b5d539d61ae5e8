"""The figures of family.py as Markdown, and as a picture of gain against time."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import colormaps
from matplotlib.figure import Figure

TITLES = {
    "2d-x2": "2D x2", "2d-x3": "2D x3", "2d-x4": "2D x4", "3d-x2": "3D x2",
}  # fmt: skip
HOUSE = "AcuityNet"
COLOURS = colormaps["tab10"].colors
PLACES = [
    (x, y) for far in (7, 13, 20, 28) for x, y in
    ((far, 0), (-far, 0), (0, far), (0, -far), (far, far), (far, -far), (-far, far), (-far, -far))
]  # fmt: skip
"""Where a name may stand, in points from what it names; the first free place is taken."""

Found = Mapping[str, Mapping[str, Any]]
"""By setting: what ``family.measure`` returns."""


def markdown(found: Found) -> str:
    """Return a table of gains over all settings, then one per setting with everything."""
    return "\n".join([*_summary(found), *(line for s in found for line in _table(found[s]))])


def _summary(found: Found) -> list[str]:
    names = list(dict.fromkeys(row["name"] for s in found for row in _networks(found[s])))
    at = {(s, row["name"]): row for s in found for row in _networks(found[s])}
    best = {s: max(_gain(row) for row in _networks(found[s]) if row["name"] != "shipped")
            for s in found}  # fmt: skip
    lines = [
        "Mean gain in dB over the best interpolation, and in brackets milliseconds of one core "
        "per megavoxel of output; bold: the best of those trained here.",
        "",
        "| network | " + " | ".join(TITLES[s] for s in found) + " |",
        "|---|" + "---|" * len(found),
    ]
    for name in names:
        cells = []
        for s in found:
            row = at.get((s, name))
            bold = "**" if row and name != "shipped" and _gain(row) == best[s] else ""
            cells.append(
                f"{bold}{_gain(row):+.2f}{bold} ({row['milliseconds']:.0f})" if row else ""
            )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _table(measured: Mapping[str, Any]) -> list[str]:
    base = next(row for row in measured["rows"] if row["name"] == measured["baseline"])
    networks = sorted(_networks(measured), key=_gain, reverse=True)
    lines = [
        f"## {TITLES[measured['setting']]}",
        "",
        f"{len(measured['scans'])} scans: {', '.join(measured['scans'])}. Best interpolation: "
        f"{base['name']}, PSNR {base['psnr']['mean']:.2f} dB, SSIM {base['ssim']['mean']:.4f}. "
        f"Trained for {_meant(networks)} seconds of one core each, as planned; taken: below.",
        "",
        f"| network | gain, dB (95 %) | against {HOUSE}, dB (95 %) | SSIM (95 %) | weights "
        "| ms per megavoxel | steps | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return [*lines, *map(_line, networks), ""]


def _line(row: Mapping[str, Any]) -> str:
    gain, ssim = row["psnr"]["paired"], row["ssim"]
    name = f"shipped ({row['network']})" if row["name"] == "shipped" else row["name"]
    against = "" if row["name"] == HOUSE or not row["against"] else _signed(*row["against"])
    return (
        f"| {name} | {_signed(gain['difference'], gain['interval'])} | {against} "
        f"| {ssim['mean']:.4f} ({ssim['interval'][0]:.4f} to {ssim['interval'][1]:.4f}) "
        f"| {row['weights']:,} | {row['milliseconds']:.0f} "
        f"| {row['steps']:,} of {row['batch']} | {_whole(row['spent'])} |"
    )


def _meant(networks: Sequence[Mapping[str, Any]]) -> str:
    meant = sorted({row["meant"] for row in networks if row["meant"]})
    return ", ".join(f"{seconds:.0f}" for seconds in meant)


def _whole(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.0f}"


def _signed(mean: float, interval: Sequence[float]) -> str:
    return f"{mean:+.2f} ({interval[0]:+.2f} to {interval[1]:+.2f})"


def _networks(measured: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row for row in measured["rows"] if "weights" in row]


def _gain(row: Mapping[str, Any]) -> float:
    return float(row["psnr"]["paired"]["difference"])


def picture(found: Found) -> bytes:
    """Return a PNG: gain against milliseconds, a panel per setting."""
    across = min(2, len(found))
    down = -(-len(found) // across)
    figure = Figure(figsize=(5.6 * across, 4.1 * down + 0.3), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False)
    names = list(dict.fromkeys(row["name"] for s in found for row in _networks(found[s])))
    colours = {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(names)}
    colours["shipped"] = "black"
    for axes, setting in zip(panels.flat, found, strict=False):
        _panel(axes, found[setting], colours)
    for axes in panels.flat[len(found) :]:
        axes.axis("off")
    figure.draw_without_rendering()  # places everything: only now names see what they cover
    figure.set_layout_engine("none")
    for axes in panels.flat[: len(found)]:
        _label(figure, axes)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


def _panel(axes: Any, measured: Mapping[str, Any], colours: Mapping[str, Any]) -> None:
    for row in _networks(measured):
        name, marker = row["name"], "*" if row["name"] == "shipped" else "o"
        axes.plot(row["milliseconds"], _gain(row), ls="", marker=marker, ms=7,
                  color=colours[name], label=name)  # fmt: skip
    axes.axhline(0, color="0.6", lw=0.8)
    axes.set_xscale("log")
    axes.margins(0.15)
    axes.grid(alpha=0.25)
    axes.set_title(f"{TITLES[measured['setting']]}, {len(measured['scans'])} scans")
    axes.set_xlabel("ms per megavoxel of output; one core, bfloat16")
    axes.set_ylabel(f"dB over {measured['baseline']}")


def _label(figure: Figure, axes: Any) -> None:
    """Name every point beside it, where nothing else stands."""
    points = [line for line in axes.lines if line.get_marker() != "None"]
    taken = [line.get_window_extent().padded(2) for line in axes.lines]
    inside = axes.get_window_extent()
    for line in points:
        xy = (line.get_xdata()[0], line.get_ydata()[0])
        for x, y in PLACES:
            text = axes.annotate(
                line.get_label(), xy, (x, y), textcoords="offset points", fontsize=8,
                ha="left" if x > 0 else "right" if x < 0 else "center", va="center",
                color=line.get_color(),
            )  # fmt: skip
            box = text.get_window_extent().padded(1)
            free = inside.x0 < box.x0 and box.x1 < inside.x1 and not box.count_overlaps(taken)
            if free or (x, y) == PLACES[-1]:
                taken.append(box)
                break
            text.remove()
