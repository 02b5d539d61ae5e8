"""Do generated radiographs look real, cover the classes, and repeat no training picture?

    python benchmarks/generation.py --data ../shared/data [--count 600] [--output DIR]

PneumoniaMNIST as shared (28 voxels, brought to 32): generators learned from the training side,
and everything is measured against the test side, which no training saw. On our own feature
network; FID and KID with 95 % bootstrap intervals. "training pictures" are the row to compare
with: real images of other patients, drawn class by class as often as the test side has them.

- precision: share of generated images among real ones; recall, coverage: of real among generated.
- class: share of images that a linear classifier, fitted on real training pictures, puts into the
  class that was asked for (real test pictures: its accuracy).
- memory: median distance to the nearest training picture over that of real test pictures, and
  the share nearer than all but 1 % of them; a generator that copies is far below 1.
"""

import argparse
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from medacuity.atomic import atomic_write
from medacuity.checkpoint import load_weights
from medacuity.features import described
from medacuity.metrics.distribution import fid, kid
from medacuity.metrics.neighbours import memory, support
from medacuity.resize import cubic, resize

FILE = "travel/labelled/pneumoniamnist_imbalanced.npz"
SIZE = 32
CLASSES = ("normal", "pneumonia")


class Pictures(NamedTuple):
    """Images ``(N, 1, 32, 32)`` in the unit range, and their labels ``(N,)``."""

    images: Tensor
    labels: Tensor


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=624)
    parser.add_argument("--weights", nargs="*", default=["gan-pneumonia", "cgan-pneumonia"])
    parser.add_argument("--output", type=Path, help="folder for the picture")
    args = parser.parse_args()
    train, test = (read(args.data / FILE, side) for side in ("train", "test"))
    judge = classifier(train)
    real = features(test.images)
    print("| images | FID | KID x 1000 | precision | recall | coverage | class | memory |")
    print("|---|---|---|---|---|---|---|---|")
    known = features(train.images)
    alike = like(train, test, seed=0)
    row("training pictures", alike, real, test, judge, None, real)
    for name in args.weights:
        made = generated(name, test.labels[: args.count])
        row(Path(name).stem, made, real, test, judge, known, real)
        if args.output:
            with atomic_write(args.output / f"{Path(name).stem}.png") as file:
                file.write(sheet(test, made, Path(name).stem, train))


def read(path: Path, side: str) -> Pictures:
    """Return one side of the set."""
    with np.load(path, allow_pickle=False) as arrays:
        images, labels = (arrays[f"{side}_{what}"] for what in ("images", "labels"))
    x = torch.from_numpy(images.astype(np.float32) / 255)[:, None]
    return Pictures(
        resize(x, (SIZE, SIZE), cubic).clamp(0, 1), torch.from_numpy(labels[:, 0]).long()
    )


def features(x: Tensor) -> Tensor:
    """Return a row of features per image."""
    return described(x.split(64))


def like(pictures: Pictures, other: Pictures, *, seed: int) -> Pictures:
    """Draw as many pictures of every class as the other set has."""
    rng = torch.Generator().manual_seed(seed)
    rows = []
    for label in other.labels.unique():
        own = (pictures.labels == label).nonzero()[:, 0]
        count = int((other.labels == label).sum())
        rows.append(own[torch.randperm(len(own), generator=rng)[:count]])
    chosen = torch.cat(rows)
    return Pictures(pictures.images[chosen], pictures.labels[chosen])


def generated(name: str, labels: Tensor) -> Pictures:
    """Return as many images as there are labels; of those classes, if the network has any."""
    trained = load_weights(name)
    latents = torch.randn(
        len(labels),
        int(trained.card.arguments["latent"]),
        generator=torch.Generator().manual_seed(1),
    )
    asked = bool(trained.card.arguments.get("classes"))
    made = trained.model(latents, labels) if asked else trained.model(latents)
    return Pictures(made.clamp(0, 1), labels if asked else torch.full_like(labels, -1))


def classifier(train: Pictures) -> Tensor:
    """Return the weights of a ridge regression on pixels, classes weighted alike."""
    x = flat(train.images)
    y = train.labels.double() * 2 - 1
    weight = torch.where(
        train.labels == 1, 1 / (train.labels == 1).sum(), 1 / (train.labels == 0).sum()
    )
    scaled = x * weight[:, None]
    penalty = 1e-3 * torch.eye(x.shape[1], dtype=torch.float64)
    return torch.linalg.solve(scaled.T @ x + penalty, scaled.T @ y)


def flat(x: Tensor) -> Tensor:
    """Return pixels, and a one for the offset, as rows."""
    pixels = x.flatten(1).double()
    return torch.cat([pixels, torch.ones(len(pixels), 1, dtype=torch.float64)], 1)


def row(
    name: str, made: Pictures, real: Tensor, test: Pictures, judge: Tensor,
    known: Tensor | None, unseen: Tensor,
) -> None:  # fmt: skip
    """Print a row of the table."""
    own = features(made.images)
    distance, discrepancy, near = fid(own, real), kid(own, real), support(own, real)
    right = "-"
    if int(made.labels.min()) >= 0:
        said = (flat(made.images) @ judge > 0).long()
        each = [(said == made.labels)[made.labels == label].double().mean() for label in (0, 1)]
        right = " / ".join(f"{float(share):.0%}" for share in each)
    remembered = "-"
    if known is not None:
        found = memory(own, known, held_out=unseen)
        remembered = f"{found.ratio:.2f}, {found.nearer:.1%}"
    print(
        f"| {name} | {distance.value:.2f} ({distance.low:.2f} to {distance.high:.2f}) | "
        f"{1000 * discrepancy.value:.2f} ({1000 * discrepancy.low:.2f} to "
        f"{1000 * discrepancy.high:.2f}) | {near.precision:.2f} | {near.recall:.2f} | "
        f"{near.coverage:.2f} | {right} | {remembered} |",
        flush=True,
    )


def sheet(test: Pictures, made: Pictures, name: str, train: Pictures) -> bytes:
    """Return a PNG: real pictures, generated ones, and the training picture nearest to each."""
    count = 12
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    rows: list[tuple[str, Tensor]] = []
    for label, kind in enumerate(CLASSES):
        own = made.images[made.labels == label] if int(made.labels.min()) >= 0 else made.images
        shown = own[label * count : (label + 1) * count]
        nearest = torch.cdist(shown.flatten(1), train.images.flatten(1)).argmin(1)
        asked = kind if int(made.labels.min()) >= 0 else "any"
        rows += [
            (f"real, {kind}", test.images[test.labels == label][:count]),
            (f"generated, {asked}", shown),
            ("nearest in training", train.images[nearest]),
        ]
    for axes, (title, x) in zip(figure.subplots(len(rows), 1), rows, strict=True):
        axes.imshow(torch.cat(list(x[:, 0]), 1).numpy(), cmap="gray", vmin=0, vmax=1)
        axes.set_ylabel(title, rotation=0, ha="right", va="center", fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
    figure.suptitle(f"{name}: chest radiographs of 32 voxels")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
