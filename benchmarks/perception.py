"""What does likely texture cost? SRGAN against the network that minimises the squared error.

    python benchmarks/perception.py --data ../shared/data [--output docs/adversarial]

The trade-off of Blau and Michaeli ("The perception-distortion tradeoff", CVPR 2018) on every
scan that no training saw, k-space cropped by 2 and by 4 in the plane, the 2 middle slices:
cubic, SRResNet (mean squared error) and SRGAN at three weights of the adversarial loss, each
also projected onto what was measured (data consistency).

- PSNR inside the head (protocol "head"): higher is better, distortion.
- perceptual: distance between our network's features, times 1000; lower is better.
- detail: energy above half the finest frequency over the truth's; 1 is as sharp as the truth.
- spectrum: mean difference of power over rings of frequency, dB; lower is better.
"""

import argparse
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from held_out import Scan, middle, scans
from matplotlib.figure import Figure

from medacuity.atomic import atomic_write
from medacuity.checkpoint import find_weights, load_weights, save_weights
from medacuity.degrade import Acquisition, degrade
from medacuity.enhance import Settings, enhance
from medacuity.features import look_apart
from medacuity.metrics.fidelity import psnr
from medacuity.metrics.protocols import PERCENTILE, head_mask
from medacuity.metrics.spectrum import sharpness, spectral_distance
from medacuity.volume import Volume

SLICES = 2
COLUMNS = ("psnr", "perceptual", "detail", "spectrum")
ORDER = ("cubic", "SRResNet", "SRGAN light", "SRGAN", "SRGAN heavy")


def weights_of(factor: int) -> dict[str, str]:
    """Return the methods' weights, by what the table calls them."""
    return {
        "cubic": "cubic",
        "SRResNet": f"srresnet-mri-x{factor}",
        "SRGAN light": f"srgan-mri-x{factor}-light",
        "SRGAN": f"srgan-mri-x{factor}",
        "SRGAN heavy": f"srgan-mri-x{factor}-heavy",
    }


@dataclass(frozen=True)
class Row:
    """Figures of a method, one per scan in each column."""

    method: str
    consistent: bool
    figures: dict[str, list[float]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, help="folder for the pictures")
    parser.add_argument("--factors", type=int, nargs="*", default=[2, 4])
    parser.add_argument("--weights", type=Path, help="folder of weight files, not the shipped")
    parser.add_argument("--write-cards", action="store_true")
    args = parser.parse_args()
    if args.output is not None:
        args.output.mkdir(parents=True, exist_ok=True)
    chosen = list(scans(args.data))
    for factor in args.factors:
        names = weights_of(factor)
        if args.weights:
            files = {m: args.weights / f"{n}.safetensors" for m, n in names.items()}
            names = {m: str(files[m]) if files[m].exists() else n for m, n in names.items()}
        rows = list(measure(chosen, factor, names))
        report(rows, factor)
        if args.write_cards:
            for row in rows:
                note(names[row.method], row, len(chosen))
        if args.output:
            with atomic_write(args.output / f"perception-x{factor}.png") as file:
                file.write(plane(rows, factor))
            with atomic_write(args.output / f"srgan-x{factor}.png") as file:
                file.write(shown(chosen[2], factor, names))


def measure(chosen: Sequence[Scan], factor: int, names: dict[str, str]) -> Iterator[Row]:
    """Yield a row per method, as it comes and projected."""
    pairs = [pair(scan, factor) for scan in chosen]
    for method, weights in names.items():
        for consistent in (False, True):
            figures: dict[str, list[float]] = {column: [] for column in COLUMNS}
            for given, truth in pairs:
                settings = Settings(
                    scale=(factor, factor, 1), weights=weights, consistent=consistent
                )
                made = enhance(given, settings).volume
                for column, value in compare(made, truth).items():
                    figures[column].append(value)
            yield Row(method, consistent, figures)


def note(weights: str, row: Row, scans: int) -> None:
    """Write a method's means onto the card of its weights, as it comes."""
    if row.consistent or weights == "cubic":
        return
    path = find_weights(weights)
    trained = load_weights(path)
    means = {column: round(float(np.mean(each)), 5) for column, each in row.figures.items()}
    measured = {"by": "benchmarks/perception.py", "scans": scans, **means}
    save_weights(path, trained.model, replace(trained.card, measured=measured))


def pair(scan: Scan, factor: int) -> tuple[Volume, Volume]:
    """Return a scan as a smaller matrix would have seen it, and itself."""
    truth = middle(scan.volume, SLICES, factor)
    return degrade(truth, Acquisition("kspace", (factor, factor, 1), seed=1)), truth


def compare(made: Volume, truth: Volume) -> dict[str, float]:
    """Return the figures of one volume, slices as a batch."""
    span = float(np.percentile(truth.array, PERCENTILE))
    x, y = (
        torch.from_numpy(np.ascontiguousarray(v.array / span, dtype=np.float32)).movedim(2, 0)
        for v in (made, truth)
    )
    inside = torch.from_numpy(head_mask(truth.array)).movedim(2, 0)
    whole = psnr(x[None, None], y[None, None], data_range=1.0, mask=inside[None, None])
    x, y = x[:, None], y[:, None]
    distance = look_apart(x, y)
    return {
        "psnr": whole.item(),
        "perceptual": 1000 * float(distance.mean()),
        "detail": float(sharpness(x, y).median()),
        "spectrum": float(spectral_distance(x, y).mean()),
    }


def report(rows: Sequence[Row], factor: int) -> None:
    """Print the table, and SRGAN against SRResNet scan by scan."""
    print(f"\n### x{factor} in the plane, k-space crop, {len(rows[0].figures['psnr'])} scans\n")
    print("| method | PSNR, dB | perceptual x 1000 | detail | spectrum, dB |")
    print("|---|---|---|---|---|")
    for row in rows:
        means = {column: np.mean(values) for column, values in row.figures.items()}
        name = row.method + (", consistent" if row.consistent else "")
        print(
            f"| {name} | {means['psnr']:.2f} | {means['perceptual']:.2f} | "
            f"{means['detail']:.2f} | {means['spectrum']:.2f} |"
        )
    for consistent in (False, True):
        own = {row.method: row.figures for row in rows if row.consistent == consistent}
        least = own["SRResNet"]
        for method in ORDER[2:]:
            figures = own[method]
            nearer = [
                f < m for f, m in zip(figures["perceptual"], least["perceptual"], strict=True)
            ]
            sharper = [f < m for f, m in zip(figures["spectrum"], least["spectrum"], strict=True)]
            lost = np.subtract(figures["psnr"], least["psnr"])
            print(
                f"{method}{', consistent' * consistent}: perceptually nearer than SRResNet on "
                f"{sum(nearer)} of {len(nearer)} scans, spectrum nearer on {sum(sharper)}, PSNR "
                f"{lost.mean():+.2f} dB ({lost.min():+.2f} to {lost.max():+.2f})"
            )


def plane(rows: Sequence[Row], factor: int) -> bytes:
    """Return a PNG: distortion to the right, perception upwards, arrows to the projected ones."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    for method in ORDER:
        points = [
            (np.mean(row.figures["psnr"]), np.mean(row.figures["perceptual"]))
            for consistent in (False, True)
            for row in rows
            if (row.method, row.consistent) == (method, consistent)
        ]
        (line,) = axes.plot(*points[0], "o", label=method)
        axes.annotate("", points[1], points[0], arrowprops={"arrowstyle": "->", "alpha": 0.5})
        axes.annotate(method, points[0], (6, 6), textcoords="offset points", color=line.get_color())
    axes.set_xlabel("PSNR inside the head, dB (more is less distortion)")
    axes.set_ylabel("perceptual distance x 1000 (less looks more like the truth)")
    axes.set_title(f"x{factor}: arrows lead to the projection onto what was measured")
    axes.grid(alpha=0.25)
    return _png(figure)


def shown(scan: Scan, factor: int, names: dict[str, str]) -> bytes:
    """Return a PNG of one slice by every method, and a part of it enlarged below."""
    given, truth = pair(scan, factor)
    slices = {}
    for method, weights in names.items():
        made = enhance(given, Settings(scale=(factor, factor, 1), weights=weights)).volume
        slices[method] = made.array[:, :, SLICES // 2]
    slices["truth"] = truth.array[:, :, SLICES // 2]
    white = float(np.percentile(slices["truth"], 99.8))
    i, j = (n // 2 for n in slices["truth"].shape)
    figure = Figure(figsize=(2.6 * len(slices), 5.4), layout="constrained")
    for column, (method, array) in enumerate(slices.items()):
        for row, part in enumerate((array, array[i - 28 : i + 28, j : j + 56])):
            axes = figure.add_subplot(2, len(slices), row * len(slices) + column + 1)
            axes.imshow(part.T, cmap="gray", vmin=0, vmax=white, origin="lower")
            axes.axis("off")
            axes.set_title(method if row == 0 else "")
    figure.suptitle(f"{scan.name}, x{factor} in the plane")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
