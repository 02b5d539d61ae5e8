"""PET from anatomy: what a scanner would have shown of a brain's uptake.

``scan(activity, mu, scanner, ...)`` blurs, counts and reconstructs; `suv` is the scale of it
all, and `recovery` says how much of a small ball's uptake is left after the blur.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from medacuity.errors import UsageError
from medacuity.physics.pet_scanner import SIGMAS, WATER, Scanner, blurred, count, reconstructed
from medacuity.physics.sampling import block_mean

Amount = TypeVar("Amount", Tensor, float)

F18_MINUTES = 109.77
"""Half-life of fluorine-18."""


def scan(
    activity: Tensor, head: Tensor, scanner: Scanner, *, spacing: Sequence[float],
    rng: torch.Generator | None,
) -> Tensor:  # fmt: skip
    """Return what a scanner shows of an activity, on its own voxels, edge to edge.

    Slices are planes of the first two axes.

    Args:
        activity: ``(I, J, K)`` in SUV.
        head: Where photons are weakened as by water, same shape, 0 to 1.
        scanner: How it measures.
        spacing: mm between voxels of the activity, per axis.
        rng: Source of randomness; None: no noise.

    Shape:
        ``(I, J, K)`` -> ``round(I * spacing / scanner.spacing)`` and so on.
    """
    if activity.shape != head.shape or activity.ndim != 3:
        raise UsageError(
            f"activity and head must be one grid of 3 axes, got {tuple(activity.shape)} and "
            f"{tuple(head.shape)}"
        )
    factor = [max(1.0, scanner.spacing / mm) for mm in spacing]
    seen = blurred(activity[None, None], fwhm=scanner.fwhm, spacing=spacing)
    x, mu = (block_mean(v, factor=factor) for v in (seen, WATER * head[None, None]))
    x, mu = (v[0].movedim(-1, 0).contiguous() for v in (x, mu))  # (K, 1, I, J)
    made = reconstructed(count(x, mu, scanner, rng), scanner, x.shape[2:])
    out = made.movedim(0, -1)[None]
    out = blurred(out, fwhm=scanner.smoothing, spacing=[scanner.spacing] * 3)
    return out[0, 0]


def suv(
    concentration: Amount, *, dose: float, weight: float, minutes: float = 0.0,
    half_life: float = F18_MINUTES,
) -> Amount:  # fmt: skip
    """Return standardised uptake: 1 where the tracer is as dense as if spread evenly.

    Args:
        concentration: At the time of the scan, in Bq per ml.
        dose: Injected, in Bq.
        weight: Of the patient, in kg.
        minutes: From injection to scan; the dose has decayed since. 0: it is corrected already.
        half_life: Of the nuclide, in minutes.

    Example:
        >>> suv(5000.0, dose=350e6, weight=70.0)
        1.0
    """
    if not (dose > 0 and weight > 0 and half_life > 0):
        raise UsageError("dose, weight and half-life must be above 0")
    left = dose * 0.5 ** (minutes / half_life)
    out: Amount = concentration * (1000 * weight / left)
    return out


def recovery(radius: float, *, fwhm: float) -> float:
    """Return what is left in the middle of a ball, in cold surroundings, after a Gaussian blur.

    ``erf(z) - 2 z exp(-z^2) / sqrt(pi)`` with ``z`` the radius over sqrt(2) sigma: the mass of
    the Gaussian within the ball.

    Example:
        >>> round(recovery(5.0, fwhm=5.0), 3), round(recovery(20.0, fwhm=5.0), 3)
        (0.864, 1.0)
    """
    z = radius / (math.sqrt(2) * fwhm / SIGMAS)
    return math.erf(z) - 2 * z * math.exp(-(z**2)) / math.sqrt(math.pi)
