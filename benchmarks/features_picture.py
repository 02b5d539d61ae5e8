"""One slice, damaged in eight ways to the same mean squared error, in the order of the features.

    python benchmarks/features_picture.py docs/features.png

The slice is the head that matplotlib ships, which no training saw. What a reader would hardly
mind should come first.
"""

import argparse
import io
from pathlib import Path

import numpy as np
import torch
from damages import HARM, HARMLESS, Slice
from matplotlib.figure import Figure
from scipy import ndimage

from medacuity.atomic import atomic_write
from medacuity.demo import sample_head
from medacuity.features import look_apart
from medacuity.intensity import Percentile
from medacuity.metrics.fidelity import ssim

GRID = np.linspace(0, 1, 41)
SHOWN = ("shift", "warp", "brighter", "gamma", "noise", "painted", "blur", "ringing")
SEED = 3


def main() -> None:
    """Damage, measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path)
    args = parser.parse_args()
    array = sample_head().array[:, :, 0].T.astype(np.float64)
    truth = Percentile().of(array).to_unit(array).astype(np.float64)[40:168, 60:188]
    made = {name: _to_error(truth, name, 3e-4) for name in SHOWN}
    ordered = sorted(made, key=lambda name: _measure(made[name], truth)[0])
    with atomic_write(args.picture) as file:
        file.write(_drawn(truth, {name: made[name] for name in ordered}))


def _to_error(truth: Slice, name: str, wanted: float) -> Slice:
    """Return a damage of the error that is wanted, or of the most that the kind can do."""
    damage = {**HARM, **HARMLESS}[name]
    every = [damage(truth, degree, np.random.default_rng(SEED)) for degree in GRID]
    errors = [np.square(image - truth).mean() for image in every]
    degree = float(np.interp(wanted, errors, GRID))
    return damage(truth, degree, np.random.default_rng(SEED))


def _measure(image: Slice, truth: Slice) -> tuple[float, float, float]:
    a, b = (torch.from_numpy(x)[None, None].float() for x in (image, truth))
    return (
        float(look_apart(a, b)), float(ssim(a, b, data_range=1.0)), float((a - b).square().mean())
    )  # fmt: skip


def _drawn(truth: Slice, images: dict[str, Slice]) -> bytes:
    figure = Figure(figsize=(13, 6.2), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.12)  # titles of two lines
    panels = figure.subplots(2, 5).ravel()
    panels[5].axis("off")
    places = [panel for n, panel in enumerate(panels) if n != 5]
    for axes, (name, image) in zip(places, {"truth": truth, **images}.items(), strict=True):
        axes.imshow(ndimage.zoom(image, 2, order=0), cmap="gray", vmin=0, vmax=1)
        axes.axis("off")
        distance, similarity, error = _measure(image, truth)
        known = f"{distance:.4f}\nSSIM {similarity:.3f}, MSE {error:.1e}"
        axes.set_title(name if name == "truth" else f"{name}: {known}", fontsize=10)
    panels[5].text(
        0, 0.5, "The same mean squared error,\nin the order of the features:\nfrom what a reader "
        "would\nhardly mind to what takes\ndetail away", va="center", fontsize=11,
    )  # fmt: skip
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=75)
    return file.getvalue()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
