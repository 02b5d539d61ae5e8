"""Filtered back-projection: the image of a scan in one step, for parallel beams and fans."""

import math

import torch
from torch import Tensor

from medacuity.errors import UsageError
from medacuity.physics import plain
from medacuity.physics.engine import engine
from medacuity.physics.filters import ramp_filter
from medacuity.physics.geometry import Geometry, Grid
from medacuity.physics.redundancy import redundancy, turn
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
    filtered = _filtered(wide.flatten(0, 1), geometry, window, cutoff)
    # The compiled loops keep nothing for a gradient.
    compute = plain if filtered.requires_grad else engine(filtered)
    x = compute.backproject(filtered, shadows(geometry, grid), grid.shape)
    return torch.as_tensor(x.reshape(*y.shape[:2], *grid.shape).to(y.dtype))


def _filtered(y: Tensor, geometry: Geometry, window: str, cutoff: float) -> Tensor:
    counts = turn(geometry).weights[:, None] * redundancy(geometry)
    if geometry.parallel:
        scale, pitch = 1.0, geometry.pitch
    elif geometry.curved:
        scale, pitch = geometry.source, geometry.pitch / geometry.detector
    else:
        scale, pitch = geometry.source**2, geometry.pitch / geometry.magnification
    cosine = torch.from_numpy(geometry.gamma()).cos()
    weights = torch.from_numpy(counts) * cosine * scale
    if not math.isfinite(float(weights.sum())):
        raise UsageError("the angles leave rays that cannot be weighted")
    return ramp_filter(
        y * weights.to(y), pitch=pitch, window=window, cutoff=cutoff, arc=geometry.curved
    )
