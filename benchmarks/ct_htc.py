"""Real measurements: phantom tb of the Helsinki Tomography Challenge 2022, from ever fewer views.

    python benchmarks/ct_htc.py --data ../shared/data [--methods fbp tv fbpconvnet] [--output DIR]

A fan-beam scanner's sinogram of a disc of acrylic with holes, and its true segmentation. Each
method gets all 549 views (three arcs), then contiguous degrees of them. What it makes is split
by Otsu's threshold and scored as in the challenge, by Matthews' correlation with the truth; and
its image is compared with TV's from all views: mean squared error (1/m squared) and SSIM over
that image's range. TV has its usual strength, and fewer steps than usual to save time; neither was
chosen on tb, nor is it what phantom ta would pick at every angle (`--tune` prints that). FBPConvNet
is `fbpconvnet-discs`, which has learned from drawn discs with holes, on pixels twice as large,
enlarged for the scores. ``--methods`` takes whatever ``medacuity reconstruct --method`` does.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from medacuity import sinograms
from medacuity.evaluate_pictures import write_picture
from medacuity.metrics.ct import matthews, otsu
from medacuity.metrics.fidelity import ssim
from medacuity.reconstruct import METHODS, Settings, reconstruct
from medacuity.resize import linear, resize
from medacuity.sinograms import Sinogram

FOLDER = "bulk/ct/htc2022"
ARCS = {"all views": None, "138": (27, 165), "90": (75, 165), "60": (75, 135), "30": (75, 105)}
"""Degrees of tb, as the scanner counts them; 75 to 165 are those of the challenge's own file."""

TUNED = Settings("tv", strength=0.7, steps=30, tolerance=1e-6)
DISCS = replace(TUNED, method="fbpconvnet", model="fbpconvnet-discs", size=256)
CHOICES = {"fbp": Settings("fbp", window="hann"), "tv": TUNED, "fbpconvnet": DISCS}
TUNING = {"60": (0, 60), "30": (15, 45), "both arcs": None}
STRENGTHS = (0.35, 0.7, 2.0, 6.0)


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--methods", nargs="+", default=["fbp", "tv", "fbpconvnet"], choices=sorted(METHODS)
    )
    parser.add_argument("--output", type=Path, help="folder for the picture")
    parser.add_argument("--tune", action="store_true", help="TV's strengths on phantom ta")
    args = parser.parse_args()
    if args.output is not None:
        args.output.mkdir(parents=True, exist_ok=True)
    if args.tune:
        _tune(args.data / FOLDER / "ta.npz")
        return
    scan, truth = _read(args.data / FOLDER / "tb.npz")
    began = time.perf_counter()
    best = _image(scan, TUNED)
    first = time.perf_counter() - began
    span = float(best.max() - best.min())
    print("| degrees | views | method | Matthews | MSE, 1/m^2 | SSIM | seconds |")
    print("|---|---|---|---|---|---|---|")
    images = {}
    for arc, ends in ARCS.items():
        part = _part(scan, ends)
        for method in args.methods:
            began = time.perf_counter()
            if (method, ends) == ("tv", None):
                x, seconds = best, first
            else:
                x = _image(part, CHOICES.get(method, Settings(method)))
                seconds = time.perf_counter() - began
            score = float(matthews(x > otsu(x), truth))
            error = float(((x - best) ** 2).mean()) * 1e6
            like = float(ssim(x, best, data_range=span))
            images[arc, method] = x, score
            print(f"| {arc} | {part.geometry.views} | {method} | {score:.4f} | {error:.2f} | "
                  f"{like:.3f} | {seconds:.0f} |", flush=True)  # fmt: skip
    if args.output is not None:
        _draw(images, truth, args.output / "ct_htc.png")


def _read(path: Path) -> tuple[Sinogram, Tensor]:
    """Return a phantom's scan and its true segmentation, with the rows that our images have."""
    with np.load(path, allow_pickle=False) as arrays:
        truth = arrays["ground_truth_segmentation"].T
    return sinograms.read(path), torch.from_numpy(np.ascontiguousarray(truth))[None, None]


def _part(scan: Sinogram, ends: tuple[int, int] | None) -> Sinogram:
    if ends is None:
        return scan
    # The scanner's angles are ours with the other sign.
    angles = -np.asarray(scan.geometry.angles_deg)
    views = np.flatnonzero((angles >= ends[0]) & (angles <= ends[1]))
    return replace(scan, array=scan.array[:, views], geometry=scan.geometry.select(list(views)))


def _image(scan: Sinogram, settings: Settings) -> Tensor:
    volume, _ = reconstruct(scan, settings)
    x = torch.from_numpy(np.ascontiguousarray(volume.array[..., 0]))[None, None]
    return resize(x, scan.grid.shape, linear)


def _tune(path: Path) -> None:
    scan, truth = _read(path)
    print("| degrees of ta | strength | Matthews |\n|---|---|---|")
    for arc, ends in TUNING.items():
        for strength in STRENGTHS:
            x = _image(_part(scan, ends), replace(TUNED, strength=strength))
            print(
                f"| {arc} | {strength:g} | {float(matthews(x > otsu(x), truth)):.4f} |", flush=True
            )


def _draw(images: dict[tuple[str, str], tuple[Tensor, float]], truth: Tensor, path: Path) -> None:
    """Draw images, and what is wrong in their segmentations: red is too much, blue too little."""
    arcs = list(dict.fromkeys(arc for arc, _ in images))
    methods = list(dict.fromkeys(method for _, method in images))
    figure = Figure((2.2 * len(arcs), 4.6 * len(methods)), layout="constrained")
    axes = figure.subplots(2 * len(methods), len(arcs), squeeze=False)
    for (arc, method), (x, score) in images.items():
        row, column = 2 * methods.index(method), arcs.index(arc)
        axes[row, column].imshow(_upright(x), cmap="gray", vmin=0, vmax=0.06)
        axes[row, column].set_title(
            f"{method}, {arc}" + ("" if column == 0 else " degrees"), size=9
        )
        axes[row + 1, column].imshow(_wrong(_upright(x > otsu(x)), _upright(truth)))
        axes[row + 1, column].set_title(f"Matthews {score:.3f}", size=9)
    for ax in axes.flat:
        ax.set_axis_off()
    write_picture(path, figure)


def _upright(x: Tensor) -> NDArray[np.generic]:
    """Return rows that run down the screen, as in the challenge's pictures."""
    return np.asarray(x[0, 0].T.numpy())


def _wrong(found: NDArray[np.generic], truth: NDArray[np.generic]) -> NDArray[np.float32]:
    picture = np.repeat((0.85 * truth[..., None]).astype(np.float32), 3, -1)
    picture[found & ~truth] = 0.8, 0.1, 0.1
    picture[~found & truth] = 0.2, 0.4, 1.0
    return picture


if __name__ == "__main__":
    main()
