"""Draw what segmenters learn from, and what they make of contrasts they never saw.

    python benchmarks/utility_tissues_pictures.py --data ../shared/data --output DIR [--steps 3000]

Two pictures: generated slices with their labels, and the test contrasts; then segmentations by
models that learnt without, with and from nothing but generated slices, of a test subject's T1, of
the same slice in two other orders of brightness, and of real T2 and FLAIR of a patient of another
hospital.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import ListedColormap
from torch import Tensor
from utility_tissues import SPACING, task

from medacuity.utility.harness import ARMS, BASELINE
from medacuity.utility.segment import Segmentation, Segmenting, segmented
from medacuity.utility.subjects import read_slices
from medacuity.utility.task import Examples, joined

LABELS = ListedColormap(["black", "#3b82c4", "#b0b0b0", "#f5f0e0"])
SHOWN = (BASELINE, "real + classical + generated", "generated only")
REAL = "bulk/mri/open_ms/patient26_{}_MNI1mm.nii.gz"


def contrasts(on: Segmentation, made: Examples, path: Path) -> None:
    """Draw generated slices over their labels, and a test slice in every contrast."""
    full = [n for n in range(len(made)) if (made.answers[n] > 0).float().mean() > 0.2][:6]
    subject = on.tests[0]
    middle = len(subject.images) // 2
    tests = [subject.images, *on.others[:: len(on.tests)]]
    names = ["test T1", *("other order" for _ in on.orders)]
    figure, axes = plt.subplots(3, 6, figsize=(9, 5.8))
    for column, n in enumerate(full):
        _shown(axes[0, column], made.images[n, 0], "SYNTHETIC")
        axes[1, column].imshow(_up(made.answers[n]), cmap=LABELS, vmin=0, vmax=3)
    for ax, x, name in zip(axes[2], tests, names, strict=True):
        _shown(ax, x[middle, 0], name)
    _finished(figure, path)


def segmentations(
    on: Segmentation, models: dict[str, torch.nn.Module], data: Path, path: Path
) -> None:
    """Draw images, and what each model makes of them."""
    subject = on.tests[0]
    middle = len(subject.images) // 2
    others = on.others[:: len(on.tests)]
    rows = [
        ("test T1", subject.images[[middle]]), ("as T2 is", others[0][[middle]]),
        ("as FLAIR is", others[-1][[middle]]),
    ]  # fmt: skip
    for kind in ("T2", "FLAIR"):
        slices = read_slices(data / REAL.format(kind), spacing=SPACING)
        rows.append((f"real {kind}", slices[[int(0.55 * len(slices))]]))
    figure, axes = plt.subplots(len(rows), 2 + len(models), figsize=(9, 10.5))
    for line, (name, x) in zip(axes, rows, strict=True):
        _shown(line[0], x[0, 0], name)
        if x.shape[2:] == subject.images.shape[2:] and not name.startswith("real"):
            line[1].imshow(_up(subject.answers[middle]), cmap=LABELS, vmin=0, vmax=3)
        line[1].set_title("truth" if not name.startswith("real") else "", fontsize=8)
        for ax, (arm, model) in zip(line[2:], models.items(), strict=True):
            ax.imshow(_up(segmented(model, x)[0]), cmap=LABELS, vmin=0, vmax=3)
            ax.set_title(arm.replace(" + generated", "\n+ generated"), fontsize=8)
    _finished(figure, path)


def _up(x: Tensor) -> Tensor:
    """Turn rows towards the right and columns towards the front into a picture."""
    return x.T.flip(0)


def _shown(ax: plt.Axes, x: Tensor, name: str) -> None:
    ax.imshow(_up(x), cmap="gray", vmin=0, vmax=1.05)
    ax.set_title(name, fontsize=8)


def _finished(figure: plt.Figure, path: Path) -> None:
    for ax in figure.axes:
        ax.set_axis_off()
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=80)
    print(path)


def main() -> None:
    """Train two models and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--subjects", type=int, default=1)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--generated", type=int, default=4000)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    on = task(args.data, Segmenting(generated=args.generated, steps=args.steps))
    real = on.draw(args.subjects, 0)
    made = on.generate(real, 0)
    contrasts(on, made, args.output / "tissues-contrasts.png")
    models = {}
    for arm in ARMS:
        if arm.name in SHOWN:
            given = [*([real] if arm.real else []), *([made] if arm.generated else [])]
            models[arm.name] = on.learn(joined(given), classical=arm.classical, seed=0)
    segmentations(on, models, args.data, args.output / "tissues-segmented.png")


if __name__ == "__main__":
    main()
