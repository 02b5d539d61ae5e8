"""Does the network of features order damages as a reader would? Beside it MSE and SSIM.

    python benchmarks/features.py --data ../shared/data [--weights FILE] [--picture FILE]

Slices of patients whom no training saw. *Within* a kind of damage, more of it must be further
from the truth: all pairs of neighbouring degrees. *Across* kinds: a change that a reader hardly
minds (shifts, brightness, contrast ...) must be nearer than harm (blur, noise, missing detail
...) of the same mean squared error, and even of half of it. MSE cannot tell the former by
construction, and is always wrong about the latter. Shares of pairs in the right order, with a
95 % bootstrap interval over patients.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from damages import HARM, HARMLESS, UNSEEN, Damage, Slice
from held_out import scans
from torch import Tensor

from medacuity.evaluate_statistics import bootstrap
from medacuity.features import medical_features
from medacuity.intensity import Percentile
from medacuity.metrics.fidelity import ssim
from medacuity.metrics.perceptual import perceptual

DEGREES = (0.2, 0.4, 0.6, 0.8, 1.0)
GRID = np.linspace(0, 1, 11)[1:]  # degrees at which the error of a damage is known
SHARES = (1.0, 0.5)  # of the harmless change's MSE that the harm has
SLICES = 2  # per scan
SIZE = 160  # voxels of the middle of a slice

Distance = Callable[[Tensor, Tensor], Tensor]


class Truth(NamedTuple):
    """A slice in the unit range, and whose it is."""

    patient: str
    scan: str
    image: Slice


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", default="features-mri-2d")
    parser.add_argument("--every", type=int, default=1)
    args = parser.parse_args()
    network = medical_features(weights=args.weights)
    importance = network.chosen_importance
    distances: dict[str, Distance] = {
        "features": lambda a, b: perceptual(a, b, network=network, importance=importance),
        "1 - SSIM": lambda a, b: 1 - ssim(a, b, data_range=1.0),
        "MSE": lambda a, b: (a - b).square().flatten(1).mean(1),
    }
    found = {(name, kind): defaultdict(list) for name in distances for kind in ("within", *SHARES)}
    for number, truth in enumerate(truths(args.data)):
        if number % args.every:
            continue
        for name, group, kinds, right in judged(truth, number, distances):
            found[name, group][kinds].append((truth.patient, right))
    report(found, list(distances))


def truths(data: Path) -> Iterator[Truth]:
    """Yield slices of the held-out scans, a fifth of the head apart."""
    for scan in scans(data):
        unit = Percentile().of(scan.volume.array).to_unit(scan.volume.array)
        inside = np.flatnonzero(unit.mean((0, 1)) > 0.5 * unit.mean())
        patient = scan.name.split("_")[0]
        for place in np.linspace(0.4, 0.6, SLICES):
            image = unit[:, :, inside[int(place * (len(inside) - 1))]]
            yield Truth(patient, scan.name, _middle(image).astype(np.float64))


def _middle(image: Slice) -> Slice:
    """Keep the middle of the head."""
    for axis in (0, 1):
        used = np.flatnonzero((image > 0.06).mean(1 - axis) > 0.01)
        first = max(0, int(used.min() + used.max() + 1 - SIZE) // 2)
        image = image.take(range(first, min(first + SIZE, image.shape[axis])), axis)
    return image


def judged(
    truth: Truth, seed: int, distances: dict[str, Distance]
) -> Iterator[tuple[str, str | float, tuple[str, str], float]]:
    """Yield (distance, group, kinds, 1 if the order is right) for every pair on a slice."""
    x = truth.image
    every = {**HARM, **HARMLESS}
    errors = {kind: _errors(x, damage, seed) for kind, damage in every.items()}
    for kind, damage in every.items():
        graded = [_drawn(x, damage, degree, seed) for degree in DEGREES]
        for name, distance in distances.items():
            values = _measured(distance, graded, x)
            for milder, worse in pairwise(values):
                yield name, "within", (kind, kind), float(milder < worse)
    for share in SHARES:
        pairs = [
            (kinds, pair) for kinds in ((a, b) for a in HARMLESS for b in HARM)
            if (pair := _matched(x, kinds, errors, share, seed)) is not None
        ]  # fmt: skip
        for name, distance in distances.items():
            for kinds, (mild, harm) in pairs:
                d_mild, d_harm = _measured(distance, [mild, harm], x)
                tie = name == "MSE" and share == 1.0
                yield name, share, kinds, 0.5 if tie else float(d_mild < d_harm)


def _matched(
    x: Slice, kinds: tuple[str, str], errors: dict[str, Slice], share: float, seed: int
) -> tuple[Slice, Slice] | None:
    """Return a harmless change and a harm with ``share`` of its MSE, as strong as both can be.

    None where there is no such pair, which is so for a damage that comes in leaps.
    """
    mild, harm = kinds
    most = 0.8 * min(errors[mild][-1], errors[harm][-1] / share)
    made = [
        _drawn(x, damage, float(np.interp(error, errors[kind], GRID)), seed)
        for kind, damage, error in (
            (mild, HARMLESS[mild], most), (harm, HARM[harm], share * most)
        )
    ]  # fmt: skip
    ratio = np.square(made[1] - x).mean() / max(np.square(made[0] - x).mean(), 1e-30)
    return (made[0], made[1]) if 0.8 * share <= ratio <= share * 1.05 else None


def _errors(x: Slice, damage: Damage, seed: int) -> Slice:
    """Return the MSE at every degree of the grid, made to rise where chance has it fall."""
    values = [np.square(_drawn(x, damage, degree, seed) - x).mean() for degree in GRID]
    return np.maximum.accumulate(np.array(values))


def _drawn(x: Slice, damage: Damage, degree: float, seed: int) -> Slice:
    return damage(x, degree, np.random.default_rng(seed))


def _measured(distance: Distance, images: list[Slice], truth: Slice) -> list[float]:
    batch = torch.from_numpy(np.stack(images))[:, None].float()
    return distance(batch, torch.from_numpy(truth)[None, None].float().expand_as(batch)).tolist()


def report(found: dict, names: list[str]) -> None:
    """Print the tables."""
    print("| pairs in the right order | " + " | ".join(names) + " |")
    print("|---|" + "---|" * len(names))
    groups = {
        "within a kind": ("within", lambda a, b: True),
        "within a kind never seen in training": ("within", lambda a, b: a in UNSEEN),
        "harm of the same MSE as a harmless change": (1.0, lambda a, b: True),
        "harm of half its MSE": (0.5, lambda a, b: True),
        "the same, both kinds never seen in training": (0.5, lambda a, b: {a, b} <= UNSEEN),
    }
    for title, (group, wanted) in groups.items():
        print(f"| {title} | " + " | ".join(
            _share([pair for kinds, pairs in found[name, group].items()
                    if wanted(*kinds) for pair in pairs]) for name in names
        ) + " |")  # fmt: skip
    print("\nBy kind, features: harm of half the MSE of a harmless change\n")
    print("| | " + " | ".join(HARM) + " |\n|---|" + "---|" * len(HARM))
    for mild in HARMLESS:
        cells = (_plain(found["features", 0.5][mild, harm]) for harm in HARM)
        print(f"| {mild} | " + " | ".join(cells) + " |")
    print("\n| within | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for kind in (*HARM, *HARMLESS):
        cells = (_plain(found[name, "within"][kind, kind]) for name in names)
        print(f"| {kind} | " + " | ".join(cells) + " |")


def _share(pairs: list[tuple[str, float]]) -> str:
    """Return the mean over patients with its interval: patients count the same."""
    people = defaultdict(list)
    for patient, right in pairs:
        people[patient].append(right)
    means = np.array([np.mean(rights) for rights in people.values()])
    low, high = bootstrap(means, seed=0)
    return f"{means.mean():.1%} ({low:.1%} to {high:.1%}), {len(pairs)} pairs"


def _plain(pairs: list[tuple[str, float]]) -> str:
    return f"{np.mean([right for _, right in pairs]):.0%}" if pairs else "-"


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
