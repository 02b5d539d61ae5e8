"""Whether generated images are distributed as real ones: FID and KID, with intervals.

All of it is on features, ``(N, D)``: one row per image, from our network or a user's own
(`embed`). Distances between distributions depend on how many images there are; compare
generators by as many images each, and with what two halves of the real images give.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from medacuity.errors import UsageError

Network = Callable[[Tensor], Tensor | Sequence[Tensor]]
"""``network(x)`` -> ``(B, D)`` such as Inception's, or layers ``(B, F, *S)`` such as ours."""

RESAMPLES = 200
FEW = 2
"""Images per feature below which a covariance, and FID with it, says little."""


class Estimate(NamedTuple):
    """A figure and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@torch.no_grad()
def embed(batches: Iterable[Tensor], *, network: Network) -> Tensor:
    """Return one row of features per image: of layers the mean over all places, side by side.

    Args:
        batches: Images ``(B, C, *S)``, scaled as the network wants them; sizes may differ
            between batches.
        network: Ours, or any other; Inception is any callable that returns ``(B, D)``.

    Shape:
        ``(B, C, *S)`` each -> ``(N, D)``, double precision, on the CPU.

    Example:
        >>> embed([torch.rand(4, 1, 8, 8)], network=lambda x: [x, -x]).shape
        torch.Size([4, 2])
    """
    return torch.cat([_pooled(network(x)).double().cpu() for x in batches])


def fid(
    generated: Tensor, real: Tensor, *, resamples: int = RESAMPLES, seed: int = 0,
    patients: Sequence[object] | None = None,
) -> Estimate:  # fmt: skip
    """Return the Frechet distance between Gaussians of the means and covariances of features.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`` (Heusel et al., NeurIPS 2017). Few images
    make it too high, the more so the more features there are; drawing images again makes it
    higher still, so that the interval takes only its *spread* from the bootstrap: it is that
    of the figure for as many images.

    Args:
        generated: Features ``(N, D)``.
        real: Features ``(M, D)``.
        resamples: Bootstrap samples; 0 for no interval (NaN). Each takes as long as the figure
            itself: with Inception's 2048 features, seconds.
        seed: Decides them.
        patients: Whose each real image is. Images of one patient are alike, so patients are
            drawn again then, not images.

    Warns:
        UserWarning: There are fewer than two images per feature on either side.

    Raises:
        UsageError: Features do not fit together, are not finite, or are of a single image.
    """
    check(generated, real)
    fewest, width = min(len(generated), len(real)), real.shape[1]
    if fewest < FEW * width:
        warnings.warn(
            f"FID of {fewest} images on {width} features is too high and unsteady; it needs "
            f"{FEW * width} or more, KID does with fewer",
            stacklevel=2,
        )
    value = _frechet(generated, real)
    draws = _draws(generated, real, resamples=resamples, seed=seed, patients=patients)
    drawn = torch.tensor([_frechet(generated[i], real[j]) for i, j in draws])
    return _interval(value, value + drawn - drawn.mean())


def kid(
    generated: Tensor, real: Tensor, *, resamples: int = RESAMPLES, seed: int = 0,
    patients: Sequence[object] | None = None,
) -> Estimate:  # fmt: skip
    """Return the squared maximum mean discrepancy with the kernel ``(x y / D + 1)^3``.

    Unbiased: of two samples of one distribution it is 0 on average, and may be negative
    (Binkowski et al., "Demystifying MMD GANs", ICLR 2018). All images are used at once, which
    is what means over subsets approach. Arguments as for `fid`.

    Raises:
        UsageError: As for `fid`.
    """
    check(generated, real)
    own, other, across = (_kernel(a, b) for a, b in (
        (generated, generated), (real, real), (generated, real)
    ))  # fmt: skip
    ones = [torch.ones(len(x), dtype=torch.float64) for x in (generated, real)]
    value = _discrepancy(own, other, across, *ones)
    drawn = [
        _discrepancy(own, other, across, *(
            torch.bincount(rows, minlength=len(x)).double()
            for rows, x in zip(draw, (generated, real), strict=True)
        ))
        for draw in _draws(generated, real, resamples=resamples, seed=seed, patients=patients)
    ]  # fmt: skip
    return _interval(value, torch.tensor(drawn))


def _pooled(found: Tensor | Sequence[Tensor]) -> Tensor:
    layers = [found] if isinstance(found, Tensor) else list(found)
    return torch.cat([x.flatten(2).mean(2) if x.ndim > 2 else x for x in layers], 1)


def check(first: Tensor, second: Tensor) -> None:
    """Refuse features that are not two tables of the same width, finite, of several images."""
    shapes = f"got {tuple(first.shape)} and {tuple(second.shape)}"
    if not (first.ndim == second.ndim == 2 and first.shape[1] == second.shape[1] > 0):
        raise UsageError(f"features must be two tables (images, features) as wide, {shapes}")
    if min(len(first), len(second)) < 2:
        raise UsageError(f"a distribution takes two images or more, {shapes}")
    if not (first.isfinite().all() and second.isfinite().all()):
        raise UsageError("features must be finite; look for images that are not")


def _frechet(first: Tensor, second: Tensor) -> float:
    """With ``C = A^T A`` the trace of ``(C1 C2)^(1/2)`` is the sum of singular values of A1 A2^T.

    So nothing is squared and no root of a matrix is taken.
    """
    means = first.double().mean(0) - second.double().mean(0)
    a, b = (_root(x) for x in (first, second))
    shared = torch.linalg.svdvals(a @ b.T).sum()
    distance = means.square().sum() + a.square().sum() + b.square().sum() - 2 * shared
    return max(0.0, float(distance))


def _root(x: Tensor) -> Tensor:
    """Return a triangle A with ``A^T A`` the covariance of the rows of ``x``."""
    centred = x.double() - x.double().mean(0)
    triangle: Tensor = torch.linalg.qr(centred / (len(x) - 1) ** 0.5, mode="r").R
    return triangle


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    return (a.double() @ b.double().T / a.shape[1] + 1) ** 3


def _discrepancy(own: Tensor, other: Tensor, across: Tensor, i: Tensor, j: Tensor) -> float:
    """Mean over pairs of different images; images count as often as they were drawn."""
    total = -2 * (i @ across @ j) / (i.sum() * j.sum())
    for kernel, n in ((own, i), (other, j)):
        pairs = n.sum() ** 2 - n.square().sum()
        total = total + (n @ kernel @ n - (n.square() * kernel.diagonal()).sum()) / pairs
    return float(total)


def _draws(
    generated: Tensor, real: Tensor, *, resamples: int, seed: int,
    patients: Sequence[object] | None,
) -> list[tuple[Tensor, Tensor]]:  # fmt: skip
    """Return rows drawn again with replacement; of the real ones, patient by patient."""
    rng = torch.Generator().manual_seed(seed)
    owner = owners(patients, len(real))
    sizes, order = torch.bincount(owner), owner.argsort(stable=True)
    starts = sizes.cumsum(0) - sizes
    draws = []
    for _ in range(resamples):
        images = torch.randint(len(generated), (len(generated),), generator=rng)
        people = torch.randint(len(sizes), (len(sizes),), generator=rng)
        first = (starts[people] - sizes[people].cumsum(0) + sizes[people]).repeat_interleave(
            sizes[people]
        )
        draws.append((images, order[first + torch.arange(len(first))]))
    return draws


def owners(patients: Sequence[object] | None, images: int) -> Tensor:
    """Return a number per image that only images of one patient share ``(N,)``."""
    names = range(images) if patients is None else patients
    if len(names) != images:
        raise UsageError(f"patients must name one per image, {images}, got {len(names)}")
    numbers = {name: n for n, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([numbers[name] for name in names])


def _interval(value: float, drawn: Tensor) -> Estimate:
    if not len(drawn):
        return Estimate(value, float("nan"), float("nan"))
    low, high = torch.quantile(drawn.double(), torch.tensor([0.025, 0.975]).double()).tolist()
    return Estimate(value, low, high)
