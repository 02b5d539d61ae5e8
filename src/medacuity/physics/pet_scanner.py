"""A PET scanner: blurred by its crystals, weakened by the head, counted, reconstructed.

Slices are scanned in 2D, as with septa: parallel rays, one slice after the other. What is left
out: scatter that depends on the head (the background is uniform), dead time, motion, decay, and
the change of resolution across the field of view.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv1d

from medacuity.errors import UsageError
from medacuity.physics.fbp import fbp
from medacuity.physics.geometry import Geometry, Grid, parallel
from medacuity.physics.osem import Counts, osem
from medacuity.physics.radon import Radon

WATER = 0.0096
"""Attenuation of 511 keV photons in water, per mm."""

SIGMAS = 2 * math.sqrt(2 * math.log(2))
"""Standard deviations in a full width at half maximum."""


@dataclass(frozen=True)
class Scanner:
    """How a scanner measures.

    Args:
        fwhm: Full width at half maximum of its point spread, in mm; 4 to 6 for clinical ones.
        spacing: mm between the voxels it gives, along all axes.
        views: Angles over half a turn.
        counts: True coincidences expected from the whole scan.
        background: Randoms and scatter expected, over the true ones; they are known on average.
        method: ``"osem"`` or ``"fbp"``.
        iterations: Of OSEM.
        subsets: Of OSEM.
        smoothing: Full width of a Gaussian that calms the noise afterwards, in mm; 0: none.
    """

    fwhm: float = 5.0
    spacing: float = 2.0
    views: int = 144
    counts: float = 1.5e8
    background: float = 0.3
    method: str = "osem"
    iterations: int = 4
    subsets: int = 12
    smoothing: float = 3.0

    def __post_init__(self) -> None:
        if self.method not in ("osem", "fbp"):
            raise UsageError(f"a scan is reconstructed by osem or fbp, got {self.method!r}")
        above = (self.spacing, self.counts, self.views)
        least = (self.fwhm, self.background, self.smoothing)
        if not (all(0 < n < math.inf for n in above) and all(0 <= n < math.inf for n in least)):
            raise UsageError(
                "a scanner needs spacing, counts and views above 0, and widths and background >= 0"
            )

    def layout(self, shape: Sequence[int]) -> tuple[Geometry, Grid]:
        """Return the rays that see all of slices of ``shape``, and their pixels."""
        rows, columns = shape
        bins = math.ceil(math.hypot(rows, columns)) + 2
        grid = Grid((rows, columns), (self.spacing, self.spacing))
        return parallel(self.views, bins=bins, pitch=self.spacing), grid


def blurred(x: Tensor, *, fwhm: float, spacing: Sequence[float]) -> Tensor:
    """Blur with a Gaussian; beyond the borders there is nothing.

    Args:
        x: ``(B, C, *S)``.
        fwhm: Full width at half maximum in mm; 0 changes nothing.
        spacing: mm between voxels, per axis.

    Example:
        >>> x = blurred(torch.eye(1, 41)[None].roll(20, -1), fwhm=4.0, spacing=[1.0])
        >>> bool((x[0, 0, 18] / x[0, 0, 20] - 0.5).abs() < 0.01)
        True
    """
    for axis, mm in enumerate(spacing, start=2):
        sigma = fwhm / SIGMAS / mm
        if sigma > 0:
            reach = math.ceil(4 * sigma)
            t = torch.arange(-reach, reach + 1, dtype=torch.float64)
            weights = torch.exp(-0.5 * (t / sigma) ** 2)
            lines = x.movedim(axis, -1)
            kernel = (weights / weights.sum()).to(x)[None, None]
            out = conv1d(lines.reshape(-1, 1, lines.shape[-1]), kernel, padding=reach)
            x = out.reshape(lines.shape).movedim(-1, axis)
    return x


def survival(mu: Tensor, geometry: Geometry, grid: Grid) -> Tensor:
    """Return the share of photon pairs that leave the head, along every ray.

    Both photons of a pair together cross the whole head, wherever on the ray they began.

    Args:
        mu: Attenuation per mm, ``(B, 1, I, J)``.
        geometry: The rays.
        grid: The pixels.
    """
    return torch.exp(-Radon(geometry, grid)(mu))


def count(
    activity: Tensor, mu: Tensor, scanner: Scanner, rng: torch.Generator | None
) -> Counts:  # fmt: skip
    """Return what a scanner counts of slices that its point spread has blurred already.

    Args:
        activity: ``(B, 1, I, J)`` in SUV, at the scanner's spacing.
        mu: Attenuation per mm, likewise.
        scanner: How it measures.
        rng: Source of randomness; None: what is expected, without noise.
    """
    geometry, grid = scanner.layout(activity.shape[2:])
    lost = survival(mu, geometry, grid)
    true = Radon(geometry, grid)(activity) * lost
    if not float(true.sum()) > 0:
        raise UsageError("there is no activity to scan")
    sensitivity = scanner.counts / float(true.sum())
    factor = sensitivity * lost
    background = torch.full_like(true, scanner.background * scanner.counts / true.numel())
    expected = sensitivity * true + background
    counted = expected if rng is None else torch.poisson(expected, generator=rng)
    return Counts(counted, factor, background)


def reconstructed(data: Counts, scanner: Scanner, shape: Sequence[int]) -> Tensor:
    """Return slices ``(B, 1, I, J)`` in SUV from what was counted."""
    geometry, grid = scanner.layout(shape)
    if scanner.method == "fbp":
        return fbp(data.line_integrals(), geometry, grid)
    return osem(
        data, geometry, grid, iterations=scanner.iterations, subsets=scanner.subsets
    )  # fmt: skip
