"""Pictures of a run: its losses, what its critic thinks, and what it makes of one seed."""

import io
from collections.abc import Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from medacuity.atomic import atomic_write
from medacuity.training.watch import WORDS

SHOWN = 8  # images beside each other, and rows of them above each other
LARGEST = 128  # voxels per axis of a shown image; larger ones are thinned out

Row = Mapping[str, Any]
"""A line of metrics.csv: numbers, as such or as text, by name; empty where there is none."""

WELL_KNOWN = {
    "step", "loss", "gradient", "rate", "skipped", "seconds", "loading",
    "critic_loss", "critic_gradient", "critic_rate", "real", "fake", "accuracy",
    "distinct", "ripple", "real_ripple", "contrast",
}  # fmt: skip


def losses(rows: Sequence[Row], *, title: str, marks: Mapping[int, str] | None = None) -> bytes:
    """Return a PNG of losses, their parts, gradients and rates over the steps.

    Args:
        rows: What was logged, in the order of the steps; other names are parts of the loss.
        title: Above all.
        marks: What is worth a vertical line, by step: findings.
    """
    parts = [name for name in (rows[-1] if rows else {}) if name not in WELL_KNOWN | set(WORDS)]
    panels = {
        "losses": ["loss", "critic_loss"], "their parts": parts,
        "gradients": ["gradient", "critic_gradient"], "rates": ["rate", "critic_rate"],
        "of cases not learned from": list(WORDS),
    }  # fmt: skip
    return _panels(rows, panels, title, marks or {}, steep=("gradients",))


def critics(rows: Sequence[Row], *, title: str, marks: Mapping[int, str] | None = None) -> bytes:
    """Return a PNG of a critic's accuracy and scores, and of what was seen of the images."""
    panels = {
        "accuracy of the critic (0.5: guesses)": ["accuracy"],
        "its mean scores": ["real", "fake"],
        "beside real images: distinct, contrast": ["distinct", "contrast"],
        "grid, of the contrast": ["ripple", "real_ripple"],
    }
    return _panels(rows, panels, title, marks or {})


def _panels(
    rows: Sequence[Row], panels: Mapping[str, Sequence[str]], title: str,
    marks: Mapping[int, str], *, steep: Sequence[str] = (),
) -> bytes:  # fmt: skip
    drawn = {n: [name for name in names if _known(rows, name)] for n, names in panels.items()}
    drawn = {n: names for n, names in drawn.items() if names} or {"nothing logged yet": []}
    figure = Figure(figsize=(1 + 4.2 * len(drawn), 3.6), layout="constrained")
    figure.suptitle(title)
    for axes, (name, curves) in zip(
        figure.subplots(1, len(drawn), squeeze=False)[0], drawn.items(), strict=True
    ):
        _curves(axes, rows, curves)
        axes.set_title(name, fontsize=10)
        if name in steep and any(_number(row, n) > 0 for row in rows for n in curves):
            axes.set_yscale("log", nonpositive="mask")
            axes.yaxis.set_minor_formatter(NullFormatter())
        for step in marks:
            axes.axvline(step, color="crimson", linestyle=":", linewidth=1)
    if marks:
        figure.supxlabel("found: " + "; ".join(f"{n} {what}" for n, what in marks.items()),
                         fontsize=8, color="crimson")  # fmt: skip
    return _png(figure)


def _curves(axes: Axes, rows: Sequence[Row], names: Sequence[str]) -> None:
    for name in names:
        points = [(int(row["step"]), _number(row, name)) for row in rows]
        points = [(step, y) for step, y in points if isfinite(y)]
        few = len(points) < 40  # looks are rare: show each
        axes.plot(*zip(*points, strict=True), label=name, linewidth=1, marker="." if few else "")
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    if names:
        axes.legend(fontsize=8)


def _known(rows: Sequence[Row], name: str) -> bool:
    return any(isfinite(_number(row, name)) for row in rows)


def _number(row: Row, name: str) -> float:
    value = row.get(name)
    return nan if value in (None, "") else float(value)


def strip(images: Tensor, *, high: float = 1.0) -> bytes:
    """Return a PNG of up to eight images beside each other, the middle slices of volumes.

    Args:
        images: ``(B, C, *S)``, unit range, in the orientation of arrays: the first axis goes
            right; of several channels the first is shown.
        high: What is white.
    """
    planes = [_plane(image[0].detach().float().cpu(), high) for image in images[:SHOWN]]
    gap = np.full((planes[0].shape[0], 2), 255, np.uint8)
    pieces = [piece for plane in planes for piece in (plane, gap)][:-1]
    file = io.BytesIO()
    Image.fromarray(np.concatenate(pieces, 1)).save(file, "PNG")
    return file.getvalue()


def _plane(x: Tensor, high: float) -> NDArray[np.uint8]:
    while x.ndim > 2:
        x = x[..., x.shape[-1] // 2]
    step = max(1, -(-max(x.shape) // LARGEST))
    array = np.nan_to_num(x.numpy()[::step, ::step].T[::-1] / high)
    return np.round(255 * np.clip(array, 0, 1)).astype(np.uint8)


class Film:
    """Strips of one seed over time, as files of their own and as one picture ``samples.png``.

    Args:
        folder: Of the run; the strips lie in ``samples`` below it.
        done: The last step that counts; later strips are removed.
    """

    def __init__(self, folder: Path, *, done: int) -> None:
        self.folder = folder
        self.strips = folder / "samples"
        self.last: bytes | None = None
        for path in self.strips.glob("step-*.png"):
            if int(path.stem.removeprefix("step-")) > done:
                path.unlink()

    def add(self, step: int, samples: Tensor, real: Tensor) -> bytes:
        """Write the strip of a step and the picture of all; return the strip's PNG.

        In the picture, from the top: some of the strips so far, the first and the last among
        them, and real images.
        """
        high = max(float(real.max()), 1e-6)
        self.strips.mkdir(exist_ok=True)
        png = strip(samples, high=high)
        for path, data in (
            (self.strips / f"step-{step:08d}.png", png),
            (self.strips / "real.png", strip(real, high=high)),
        ):
            with atomic_write(path) as file:
                file.write(data)
        with atomic_write(self.folder / "samples.png") as file:
            file.write(self._all())
        self.last = png
        return png

    def _all(self) -> bytes:
        found = sorted(self.strips.glob("step-*.png"))
        chosen = np.unique(np.linspace(0, len(found) - 1, min(SHOWN, len(found))).round())
        paths = [found[int(n)] for n in chosen] + [self.strips / "real.png"]
        named = [(path.stem.removeprefix("step-").lstrip("0"), _opened(path)) for path in paths]
        wide, tall = named[0][1].shape[1], named[0][1].shape[0]
        figure = Figure(figsize=(12, max(1.5, 12 * tall / wide) * len(named)), layout="constrained")
        for axes, (name, array) in zip(
            figure.subplots(len(named), 1, squeeze=False)[:, 0], named, strict=True
        ):
            axes.imshow(array, cmap="gray", vmin=0, vmax=255, aspect="equal")
            axes.set_ylabel(name, fontsize=10)
            axes.set_xticks([])
            axes.set_yticks([])
        return _png(figure)


def _opened(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80)
    return file.getvalue()
