"""Which images lie near which: precision, recall, and whether training images were remembered.

On features, ``(N, D)``: one row per image, from `medacuity.metrics.distribution.embed`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from medacuity.errors import UsageError
from medacuity.metrics.distribution import check, owners


class Support(NamedTuple):
    """How two sets of images cover each other, each from 0 to 1 but for `density`.

    Args:
        precision: Share of generated images that lie among real ones: what looks real.
        recall: Share of real images that lie among generated ones: what is not left out.
        density: Mean number of real balls around a generated image over their neighbours;
            outliers among the real ones count little. About 1 where the sets are alike.
        coverage: Share of real images with a generated one in their ball.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def support(generated: Tensor, real: Tensor, *, neighbours: int = 3) -> Support:
    """Return precision, recall, density and coverage.

    An image lies among others if it is no further from one of them than that one's
    ``neighbours``-th nearest among its own (Kynkaanniemi et al., NeurIPS 2019; density and
    coverage: Naeem et al., ICML 2020). Figures of different numbers of images do not compare.

    Raises:
        UsageError: As for `fid`, or there are no more images than ``neighbours``.
    """
    check(generated, real)
    if not 1 <= neighbours < min(len(generated), len(real)):
        raise UsageError(
            f"neighbours must be from 1 to one less than the images, of which there are "
            f"{len(generated)} and {len(real)}, got {neighbours}"
        )
    across = torch.cdist(generated.double(), real.double())
    in_real = across <= _radii(real, neighbours)
    in_generated = across <= _radii(generated, neighbours)[:, None]
    return Support(
        precision=float(in_real.any(1).double().mean()),
        recall=float(in_generated.any(0).double().mean()),
        density=float(in_real.double().sum(1).mean()) / neighbours,
        coverage=float(in_real.any(0).double().mean()),
    )


class Memory(NamedTuple):
    """How near generated images come to those trained on, set against real images.

    Args:
        distances: From each generated image to the training image nearest to it ``(N,)``.
        nearest: Which one that is ``(N,)``.
        real: The same distances for real images that are not the patient's own ``(M,)``.
        nearer: Share of generated images nearer than all but 1 % of real ones. About 0.01 is
            expected of a generator that remembers no image.
        ratio: Median distance over that of the real ones; well below 1 speaks of copies.
    """

    distances: Tensor
    nearest: Tensor
    real: Tensor
    nearer: float
    ratio: float


def memory(
    generated: Tensor, training: Tensor, *, held_out: Tensor | None = None,
    patients: Sequence[object] | None = None,
) -> Memory:  # fmt: skip
    """Compare distances to the nearest training image: of generated ones and of real ones.

    Args:
        generated: Features ``(N, D)``; pixels will do for small images, too.
        training: Features of what was trained on.
        held_out: Features of real images of other patients, the best comparison; None: each
            training image stands for a real one, and looks for others.
        patients: Whose each training image is: without ``held_out``, neighbours are looked
            for among other patients.

    Raises:
        UsageError: As for `fid`, or there is one patient only.
    """
    check(generated, training)
    found = torch.cdist(generated.double(), training.double()).min(1)
    if held_out is None:
        owner = owners(patients, len(training))
        apart = torch.cdist(training.double(), training.double())
        apart = apart.masked_fill(owner[:, None] == owner, torch.inf)
        real = apart.min(1).values
    else:
        check(held_out, training)
        real = torch.cdist(held_out.double(), training.double()).min(1).values
    if not bool(real.isfinite().all()):
        raise UsageError("every real image needs another patient's to be compared with")
    return Memory(
        found.values, found.indices, real,
        nearer=float((found.values < real.quantile(0.01)).double().mean()),
        ratio=float(found.values.median() / real.median().clamp(min=1e-12)),
    )  # fmt: skip


def _radii(x: Tensor, neighbours: int) -> Tensor:
    """Return the distance of every row to its nearest other ones, the last of ``neighbours``."""
    apart = torch.cdist(x.double(), x.double())
    return apart.kthvalue(neighbours + 1, dim=1).values  # the first is the row itself
