"""From attenuation to photons and back: Hounsfield units, Beer and Lambert, and a detector."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import poisson
from torch import Tensor
from torch.nn.functional import pad

from medacuity.errors import UsageError

T = TypeVar("T", Tensor, NDArray[np.floating])

FEWEST = 0.1
"""Counts at or below zero have no logarithm; this many photons are put in their place."""


@dataclass(frozen=True)
class Attenuation:
    """What water and air attenuate, per mm: the two points that fix Hounsfield's scale.

    The default is LoDoPaB-CT's (20 and 0.02 per metre, near 70 keV), in which air has -1000 HU
    and nothing at all -1001.

    Example:
        >>> Attenuation().to_hu(np.array([0.0, 0.00002, 0.02])).round(6)
        array([-1001.001001, -1000.      ,     0.      ])
    """

    water: float = 0.02
    air: float = 0.00002

    def __post_init__(self) -> None:
        if not 0 <= self.air < self.water < math.inf:
            raise UsageError(
                f"attenuation needs 0 <= air < water per mm, got {self.air} and {self.water}"
            )

    def to_hu(self, mu: T) -> T:
        """Return Hounsfield units of an attenuation per mm."""
        return (mu - self.water) * (1000 / (self.water - self.air))

    def from_hu(self, hu: T) -> T:
        """Return the attenuation per mm of Hounsfield units."""
        return hu * ((self.water - self.air) / 1000) + self.water


def low_dose(
    y: Tensor, *, photons: float, rng: torch.Generator, electronic: float = 0.0
) -> Tensor:  # fmt: skip
    """Return line integrals as a detector would have counted them.

    ``N ~ Poisson(photons exp(-y)) + Normal(0, electronic^2)``, and what is returned is
    ``-ln(max(N, 0.1) / photons)``. Half the dose is half the photons.

    Args:
        y: Line integrals without noise, any shape.
        photons: That reach a bin where nothing is in their way.
        rng: Source of randomness, on the device of ``y``.
        electronic: Standard deviation of the detector's own noise, in photons.

    Raises:
        UsageError: Photons that are not above 0, or noise below 0.
    """
    if not 0 < photons < 1e15:
        raise UsageError(f"photons must lie above 0 and below 1e15, got {photons:g}")
    if not 0 <= electronic < math.inf:
        raise UsageError(f"electronic noise is a number of photons >= 0, got {electronic:g}")
    counts = torch.poisson(photons * torch.exp(-y.double()), generator=rng)
    if electronic > 0:
        noise = torch.randn(y.shape, generator=rng, dtype=torch.float64, device=y.device)
        counts += electronic * noise
    return -torch.log(counts.clamp(min=FEWEST) / photons).to(y.dtype)


def smoothed(y: Tensor) -> Tensor:
    """Return the mean over 5 x 5 neighbouring line integrals ``(B, C, views, bins)``.

    Weights come from it: by the counts as they are, rays that happen to be too high would count
    for less than those too low.
    """
    wide = pad(y, (2, 2, 2, 2), mode="replicate")
    return wide.unfold(2, 5, 1).mean(-1).unfold(3, 5, 1).mean(-1)


def counted(y: Tensor, *, photons: float, electronic: float = 0.0) -> Tensor:
    """Return how sure each line integral is: one over the variance that counting gives it.

    The variance of ``-ln N`` is about ``(1 + electronic^2 / N) / N``.
    """
    counts = (photons * torch.exp(-y)).clamp(min=FEWEST)
    return counts / (1 + electronic**2 / counts)


def unbiased(y: Tensor, *, photons: float) -> Tensor:
    """Return line integrals less what the logarithm of few counts adds to them on average.

    The mean of ``-ln N`` lies above ``-ln`` of the mean of ``N``: by 0.05 at ten photons. By how
    much follows from the mean of the neighbours.
    """
    counts, logarithms = _logarithms()
    seen, added = math.log(photons) - logarithms, np.log(counts) - logarithms
    found = np.interp(smoothed(y).numpy(force=True), seen, added, left=0.0)
    return y - torch.from_numpy(found).to(y)


@lru_cache(maxsize=1)
def _logarithms() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return means of counts, from many to few, and the means of their logarithms."""
    counts, number = np.geomspace(800, 0.05, 400), np.arange(1100)
    return counts, poisson.pmf(number, counts[:, None]) @ np.log(np.maximum(number, FEWEST))
