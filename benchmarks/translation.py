"""One MR contrast from another on a patient no training saw: what a critic gains and costs.

    python benchmarks/translation.py --data ../shared/data [--wanted T2] [--output DIR]

Patient 26 of open_ms (1 mm, T1, T2 and FLAIR aligned); networks learned from patients 07 and 01,
and were watched on 12. One patient is no clinical evidence; spreads are over axial slices, which
are alike. Baselines are fitted on patient 07: the best line, matched histograms, and the mean of
the wanted contrast at each brightness, which no voxelwise method can beat on squared error.

- MAE, PSNR inside the head and SSIM on every fourth axial slice that shows 1 cm^2 of head or more
  (of less there is no spectrum), each scan over its own 99.9th percentile; MAE and perceptual
  distance times 1000.
- detail: energy above half the finest frequency over the truth's; spectrum: mean difference, dB.
- edges: share of the result's strongest 5 % of edges within 1.5 voxels of an edge of the input.
- A planted lesion (5 mm, dark in T1) must change the result there and nowhere else.
- Invented and lost: places larger than a ball of 4 mm where the mean over 5 mm is off the truth by
  a fifth of the range, too bright (as lesions are in T2 and FLAIR) or too dark.
"""

import argparse
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import (
    distance_transform_edt,
    gaussian_gradient_magnitude,
    label,
    uniform_filter,
)
from torch import Tensor

from medacuity import formats
from medacuity.atomic import atomic_write
from medacuity.checkpoint import find_weights, load_weights, save_weights, shipped
from medacuity.features import look_apart
from medacuity.intensity import Percentile
from medacuity.metrics.fidelity import mae, psnr, ssim
from medacuity.metrics.protocols import head_mask
from medacuity.metrics.spectrum import sharpness, spectral_distance
from medacuity.synthesize import Settings, synthesize
from medacuity.volume import Volume

BINS = 256
LESION_MM = 5.0
OFF, VOXELS, RIM = 0.2, 33, 4  # of the range; of a ball of 4 mm; mm of the head's rim left out
EVERY, LEAST = 4, 100  # axial slice is compared; voxels of 1 mm
NETWORKS = {
    "U-Net, L1 alone": "unet-t1-{}",
    "pix2pix": "pix2pix-t1-{}",
    "U-Net, volumes": "unet-3d-t1-{}",
    "pix2pix, volumes": "pix2pix-3d-t1-{}",
    "CycleGAN, no pairs": "cyclegan-t1-{}",
}
Image = NDArray[np.float32]
Method = Callable[[Volume], Image]
"""From a scan to the wanted contrast in the unit range."""


class Figures(NamedTuple):
    """What is measured of a result, and the perceptual distance of each slice."""

    mae: float
    psnr: float
    ssim: float
    perceptual: float
    detail: float
    spectrum: float
    edges: float
    slices: Tensor


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--wanted", default="T2", choices=["T2", "FLAIR"])
    parser.add_argument("--output", type=Path, help="folder for the picture")
    parser.add_argument("--weights", type=Path, help="folder of weight files, not the shipped")
    parser.add_argument("--write-cards", action="store_true")
    args = parser.parse_args()
    given, truth = (scan(args.data, "26", kind) for kind in ("T1", args.wanted))
    learnt = [unit(scan(args.data, "07", kind)) for kind in ("T1", args.wanted)]
    methods = baselines(*learnt) | networks(args.wanted, args.weights)
    wanted = unit(truth)
    inside = head_mask(given.array)
    print(f"| T1 to {args.wanted} | MAE | PSNR | SSIM | perceptual | detail | spectrum | edges |")
    print("|---|---|---|---|---|---|---|---|")
    made: dict[str, NDArray[np.float32]] = {}
    figures: dict[str, Figures] = {}
    for name, method in methods.items():
        made[name] = method(given)
        figures[name] = measure(made[name], wanted, given, inside)
        print(row(name, figures[name]), flush=True)
        if args.write_cards and name in NETWORKS:
            note(NETWORKS[name].format(args.wanted.lower()), figures[name])
    for pair in (("pix2pix", "U-Net, L1 alone"), ("pix2pix, volumes", "U-Net, volumes")):
        if figures.keys() >= set(pair):
            print(f"\n{pair[0]} against {pair[1]}: {against(*(figures[name] for name in pair))}")
    print(f"\n### A lesion of {LESION_MM:g} mm, dark in T1, planted in white matter\n")
    print("| method | change there, over the voxelwise mean's | change beyond 10 mm, likewise | "
          "places too bright | too dark |")  # fmt: skip
    print("|---|---|---|---|---|")
    for name in methods:
        bright, dark = places(made[name] - wanted, inside)
        print(f"{lesion(name, methods, given, made, inside)} {bright} | {dark} |", flush=True)
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
        with atomic_write(args.output / f"translation-{args.wanted.lower()}.png") as file:
            file.write(drawn(given, wanted, made, args.wanted))


def scan(data: Path, patient: str, kind: str) -> Volume:
    """Return an aligned scan of open_ms."""
    path = data / f"bulk/mri/open_ms/patient{patient}_{kind}_MNI1mm.nii.gz"
    return formats.read(path).volumes[0]


def unit(volume: Volume) -> NDArray[np.float32]:
    """Return a scan over its own range."""
    return Percentile().of(volume.array).to_unit(volume.array)


def baselines(x: NDArray[np.float32], y: NDArray[np.float32]) -> dict[str, Method]:
    """Return voxelwise methods, fitted inside the head of the patient they are given."""
    inside = head_mask(x)
    slope, offset = np.polyfit(x[inside], y[inside], 1)
    edges = np.quantile(x[inside], np.linspace(0, 1, BINS + 1))
    middle = (edges[1:] + edges[:-1]) / 2
    place = np.clip(np.searchsorted(edges, x[inside]) - 1, 0, BINS - 1)
    count = np.maximum(np.bincount(place, minlength=BINS), 1)
    mean = np.bincount(place, y[inside], BINS) / count
    levels = np.quantile(y[inside], np.linspace(0, 1, BINS))
    rising, falling = (np.interp(x[inside], middle, v) for v in (levels, levels[::-1]))
    errors = [np.abs(v - y[inside]).mean() for v in (rising, falling)]
    matched = levels if errors[0] < errors[1] else levels[::-1]
    return {
        "best line": partial(mapped, of=lambda v: slope * v + offset),
        "matched histograms": partial(mapped, of=partial(np.interp, xp=middle, fp=matched)),
        "mean at each brightness": partial(mapped, of=partial(np.interp, xp=middle, fp=mean)),
    }


def mapped(volume: Volume, *, of: Callable[..., NDArray[np.float64]]) -> NDArray[np.float32]:
    """Apply a curve inside the head; the air stays air."""
    x = unit(volume)
    return np.where(head_mask(volume.array), of(x), 0).astype(np.float32)


def networks(wanted: str, folder: Path | None) -> dict[str, Method]:
    """Return the networks there are for the contrast."""
    found = {}
    for title, pattern in NETWORKS.items():
        name = pattern.format(wanted.lower())
        if folder and (folder / f"{name}.safetensors").exists():
            found[title] = partial(translated, weights=str(folder / f"{name}.safetensors"))
        elif not folder and name in shipped():
            found[title] = partial(translated, weights=name)
    return found


def translated(volume: Volume, *, weights: str) -> NDArray[np.float32]:
    """Run a network as a user would; its result has the scale of the input."""
    made = synthesize(volume, Settings(weights=weights)).volume
    return Percentile().of(volume.array).to_unit(made.array)


def measure(made: Image, truth: Image, given: Volume, inside: NDArray[np.bool_]) -> Figures:
    """Return the figures of a result; of slices their mean, and the perceptual ones apart."""
    shown = np.flatnonzero(inside.any((0, 1)))[::EVERY]
    part = shown[inside[:, :, shown].sum((0, 1)) >= LEAST]
    x, y, m = (
        torch.from_numpy(np.ascontiguousarray(np.moveaxis(v[:, :, part], 2, 0)))[:, None]
        for v in (made * inside, truth * inside, inside)
    )
    distance = 1000 * look_apart(x, y)
    return Figures(
        mae=1000 * float(mae(x[None, :, 0], y[None, :, 0], mask=m[None, :, 0])),
        psnr=float(psnr(x[None, :, 0], y[None, :, 0], data_range=1.0, mask=m[None, :, 0])),
        ssim=float(ssim(x, y, data_range=1.0).mean()),
        perceptual=float(distance.mean()),
        detail=float(sharpness(x, y).nanmedian()),
        spectrum=float(spectral_distance(x, y).mean()),
        edges=on_edges(made, given, inside),
        slices=distance,
    )


def row(name: str, figures: Figures) -> str:
    """Return a row of the table."""
    numbers = figures[:-1]
    return f"| {name} | " + " | ".join(f"{f:.3f}" if f < 10 else f"{f:.1f}" for f in numbers) + " |"


def against(critic: Figures, plain: Figures) -> str:
    """Say how a network with a critic compares with the one without, slice by slice."""
    nearer = int((critic.slices < plain.slices).sum())
    return (
        f"looks nearer to the truth on {nearer} of {len(plain.slices)} slices (perceptual "
        f"{critic.perceptual - plain.perceptual:+.1f}), spectrum "
        f"{critic.spectrum - plain.spectrum:+.2f} dB, MAE {critic.mae - plain.mae:+.1f}"
    )


def note(name: str, figures: Figures) -> None:
    """Write what was measured onto the card of shipped weights."""
    if name in shipped():
        trained = load_weights(name)
        measured = {
            key: round(value, 4) for key, value in figures._asdict().items() if key != "slices"
        }
        measured = {"by": "benchmarks/translation.py, open_ms patient 26", **measured}
        save_weights(find_weights(name), trained.model, replace(trained.card, measured=measured))


def on_edges(made: NDArray[np.float32], given: Volume, inside: NDArray[np.bool_]) -> float:
    """Return the share of strong edges of the result that lie on edges of the input."""
    own, other = (
        gaussian_gradient_magnitude(v, 0.7) for v in (made * inside, unit(given) * inside)
    )
    strong = inside & (own > np.quantile(own[inside], 0.95))
    there = inside & (other > np.quantile(other[inside], 0.80))
    return float((distance_transform_edt(~there)[strong] <= 1.5).mean())


def lesion(
    name: str, methods: Mapping[str, Method], given: Volume, made: Mapping[str, Image],
    inside: NDArray[np.bool_],
) -> str:  # fmt: skip
    """Plant a lesion where white matter is thick, and return what it changes in the result."""
    x = unit(given)
    white = inside & (np.abs(x - np.quantile(x[inside], 0.75)) < 0.08)
    depth = distance_transform_edt(white)
    centre = np.unravel_index(int(depth.argmax()), depth.shape)
    grid = np.meshgrid(
        *(np.arange(n) - c for n, c in zip(x.shape, centre, strict=True)), indexing="ij"
    )
    distance = np.sqrt(sum(np.square(g * mm) for g, mm in zip(grid, given.spacing, strict=True)))
    shape = np.clip((LESION_MM - distance) / 1.5 + 0.5, 0, 1)  # its rim is 1.5 mm wide
    grey = np.quantile(x[inside], 0.25)
    planted = given.with_array(
        (given.array * (1 - shape * (1 - grey / x[centre]))).astype(np.float32)
    )
    core, far = distance < LESION_MM - 1.5, inside & (distance > 10)
    usual = methods["mean at each brightness"]
    expected = (usual(planted) - made["mean at each brightness"])[core].mean()
    change = methods[name](planted) - made[name]
    noise = np.abs(change[far]).mean() / abs(expected)
    return f"| {name} | {change[core].mean() / expected:.2f} | {noise:.4f} |"


def places(error: Image, inside: NDArray[np.bool_]) -> tuple[int, int]:
    """Return how many places as large as a lesion are too bright, and too dark."""
    mean = uniform_filter(error * inside, int(LESION_MM))
    mean[distance_transform_edt(inside) <= RIM] = 0
    each = [np.bincount(label(sign * mean > OFF)[0].ravel())[1:] for sign in (1, -1)]
    return int((each[0] >= VOXELS).sum()), int((each[1] >= VOXELS).sum())


def drawn(
    given: Volume, truth: NDArray[np.float32], made: Mapping[str, NDArray[np.float32]], wanted: str
) -> bytes:
    """Return a PNG of an axial slice by every method, errors below."""
    k = truth.shape[2] // 2
    shown = {"T1": unit(given), **made, f"true {wanted}": truth}
    figure = Figure(figsize=(2.5 * len(shown), 6.2), layout="constrained")
    axes = figure.subplots(2, len(shown))
    for column, (name, array) in enumerate(shown.items()):
        axes[0][column].imshow(array[:, :, k].T, cmap="gray", vmin=0, vmax=0.9, origin="lower")
        axes[0][column].set_title(name, fontsize=9)
        if name in made:
            error = array[:, :, k] - truth[:, :, k]
            axes[1][column].imshow(error.T, cmap="RdBu_r", vmin=-0.4, vmax=0.4, origin="lower")
    for each in axes.flat:
        each.axis("off")
    figure.suptitle(f"T1 to {wanted}, open_ms patient 26 (not trained on); errors below")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
