"""Filtered back-projection: the image of a scan in one step, for parallel beams and fans."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from medacuity.errors import UsageError
from medacuity.physics import plain
from medacuity.physics.engine import engine
from medacuity.physics.filters import ramp_filter
from medacuity.physics.geometry import Geometry, Grid
from medacuity.physics.redundancy import redundancy, sides, turn
from medacuity.physics.shadows import shadows


def fbp(
    y: Tensor, geometry: Geometry, grid: Grid, *, window: str = "ramp", cutoff: float = 1.0
) -> Tensor:
    """Return the image whose line integrals are ``y``, by filtered back-projection.

    Values between bins are interpolated linearly. Fans are weighted (cosine, distance), short
    scans by Parker's weights, and uneven angles by what each view stands for. Where no view
    sees a pixel, nothing is added.

    Args:
        y: Line integrals, in mm times the unit of the image.
        geometry: The rays of ``y``.
        grid: The pixels wanted.
        window: ``ramp``, ``shepp-logan``, ``cosine``, ``hamming`` or ``hann``.
        cutoff: Highest frequency that is kept, as a share of the detector's.

    Shape:
        ``(B, C, views, bins)`` -> ``(B, C, I, J)``. Gradients pass, by plain torch.

    Raises:
        UsageError: ``y`` has another shape, or a filter or cutoff that does not exist.

    Example:
        >>> from medacuity.physics.geometry import parallel
        >>> from medacuity.physics.phantoms import Ellipse, Phantom
        >>> scan = parallel(90, bins=65, pitch=1.0)
        >>> y = Phantom([Ellipse(0.02, (20.0, 20.0))]).sinogram(scan)[None, None]
        >>> round(float(fbp(y, scan, Grid((1, 1), (1.0, 1.0)))), 4)
        0.02
    """
    if y.ndim != 4 or tuple(y.shape[2:]) != (geometry.views, geometry.bins):
        raise UsageError(
            f"a sinogram needs the shape (B, C, {geometry.views}, {geometry.bins}), got "
            f"{tuple(y.shape)}"
        )
    wide = y if y.dtype in (torch.float32, torch.float64) else y.float()
    weighted, whole = evened(_weighted(wide.flatten(0, 1), geometry), geometry)
    filtered = ramp_filter(
        weighted, pitch=_pitch(whole), window=window, cutoff=cutoff, arc=whole.curved
    )
    # The compiled loops keep nothing for a gradient.
    compute = plain if filtered.requires_grad else engine(filtered)
    x = compute.backproject(filtered, shadows(whole, grid), grid.shape)
    return torch.as_tensor(x.reshape(*y.shape[:2], *grid.shape).to(y.dtype))


def _weighted(y: Tensor, geometry: Geometry) -> Tensor:
    """Return line integrals times what each of them counts for."""
    counts = turn(geometry).weights[:, None] * redundancy(geometry)
    scale = 1.0
    if not geometry.parallel:
        scale = geometry.source if geometry.curved else geometry.source**2
    cosine = torch.from_numpy(geometry.gamma()).cos()
    weights = torch.from_numpy(counts) * cosine * scale
    if not math.isfinite(float(weights.sum())):
        raise UsageError("the angles leave rays that cannot be weighted")
    return y * weights.to(y)


def _pitch(geometry: Geometry) -> float:
    """Return the distance of bins in the unit that the filter takes it in."""
    if geometry.curved:
        return geometry.pitch / geometry.detector
    return geometry.pitch / geometry.magnification


def evened(y: Tensor, geometry: Geometry) -> tuple[Tensor, Geometry]:
    """Return weighted line integrals, with bins of nothing where a detector aside has none.

    Once filtered they hold what the other side's values spread there.

    Shape:
        ``(N, views, bins)`` -> ``(N, views, more bins)``, and their geometry.
    """
    taus = geometry.taus()
    more = round(float(taus[0] + taus[-1]) / geometry.pitch)
    if sides(geometry).min() == 0.5 or not more:
        return y, geometry
    even = replace(
        geometry, bins=geometry.bins + abs(more), shift=geometry.shift - more * geometry.pitch / 2
    )
    return torch.nn.functional.pad(y, (max(more, 0), max(-more, 0))), even
