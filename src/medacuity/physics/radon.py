"""CT's projector and its exact adjoint: line integrals in mm, differentiable, batched.

``Radon(geometry, grid)`` is the operator ``A``; ``A(x)`` are the line integrals of an image and
``A.adjoint(y)`` the transpose of it to rounding, for any beam that `Geometry` describes:

    scan = fan(360, bins=512, pitch=1.2, source=500.0, detector=1000.0)
    A = Radon(scan, Grid((256, 256), (1.0, 1.0)))
    y = A(x)               # (B, C, 256, 256) -> (B, C, 360, 512), in mm times the unit of x
    z = A.adjoint(y)       # (B, C, 360, 512) -> (B, C, 256, 256)

Both have gradients (each is the other's), so both can stand inside a network. Rays are summed
along the axis they are nearest to, with linear interpolation across it (Joseph, "An Improved
Algorithm for Reprojecting Rays through Pixel Images", IEEE TMI 1982). Slices of a volume go
in as a batch; on the CPU they are worked on side by side, which is several times faster than
one after the other. Helical and cone beams are out of scope.

The CPU runs compiled kernels where numba is installed; everything else, a GPU too, runs the
same sums in plain torch.
"""

import functools
import math
from typing import Any

import torch
from torch import Tensor

from medacuity.errors import UsageError
from medacuity.physics.engine import engine
from medacuity.physics.geometry import Geometry, Grid
from medacuity.physics.sweeps import Sweep, sweeps


class Radon:
    """The line integrals of a slice, and their adjoint.

    Args:
        geometry: The rays.
        grid: The pixels; all of them nearer to the axis than the source.

    Shape:
        ``(B, C, I, J)`` -> ``(B, C, views, bins)``; `adjoint` the other way. Float of any
        precision and device; half precision is computed in float32.

    Raises:
        UsageError: The grid reaches as far as the source, or a tensor has another shape.

    Example:
        >>> from medacuity.physics.geometry import parallel
        >>> project = Radon(parallel(2, bins=3, pitch=1.0), Grid((3, 3), (1.0, 1.0)))
        >>> project(torch.ones(1, 1, 3, 3)).squeeze()
        tensor([[3., 3., 3.],
                [3., 3., 3.]])
    """

    def __init__(self, geometry: Geometry, grid: Grid) -> None:
        if grid.reach >= geometry.source:
            raise UsageError(
                f"the grid reaches {grid.reach:.4g} mm from the axis and the source stands at "
                f"{geometry.source:.4g} mm: take a smaller field of view"
            )
        self.geometry, self.grid = geometry, grid

    def __call__(self, x: Tensor) -> Tensor:
        """Return the line integrals of ``x``."""
        self._check(x, self.grid.shape, "an image")
        out: Tensor = _Apply.apply(x, self, False)  # type: ignore[no-untyped-call]
        return out

    def adjoint(self, y: Tensor) -> Tensor:
        """Return the transpose of the operator, applied to ``y``."""
        self._check(y, (self.geometry.views, self.geometry.bins), "a sinogram")
        out: Tensor = _Apply.apply(y, self, True)  # type: ignore[no-untyped-call]
        return out

    @functools.cached_property
    def norm(self) -> float:
        """The largest factor by which the operator stretches an image (power method)."""
        x = torch.ones(1, 1, *self.grid.shape)
        size = 1.0
        for _ in range(20):
            x = self.adjoint(self(x / x.norm()))
            size = float(x.norm())
        return math.sqrt(size)

    @functools.cached_property
    def sweeps(self) -> tuple[Sweep, Sweep]:
        """The rays, by the axis of the image along which they are summed."""
        return sweeps(self.geometry, self.grid)

    def _check(self, x: Tensor, shape: tuple[int, int], what: str) -> None:
        if x.ndim != 4 or tuple(x.shape[2:]) != shape or not x.is_floating_point():
            raise UsageError(
                f"{what} needs the shape (B, C, {shape[0]}, {shape[1]}) and floats, got "
                f"{tuple(x.shape)} of {x.dtype}"
            )


def inverse(sums: Tensor, *, least: float) -> Tensor:
    """Return one over the sums of an operator's rows or columns, and 0 where there are none.

    Args:
        sums: Of non-negative weights: lengths of rays, or what of them a pixel is met by.
        least: Share of the largest sum, below which a sum counts as none.

    Example:
        >>> inverse(torch.tensor([4.0, 2.0, 0.0]), least=1e-6)
        tensor([0.2500, 0.5000, 0.0000])
    """
    return torch.where(sums > least * sums.max(), 1 / sums.clamp(min=1e-30), 0.0)


class _Apply(torch.autograd.Function):
    """The operator or its adjoint; the gradient of one is the other."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, operator: Radon, transposed: bool) -> Tensor:
        ctx.operator, ctx.transposed = operator, transposed
        wide = x if x.dtype in (torch.float32, torch.float64) else x.float()
        with torch.no_grad():
            slices, work = wide.flatten(0, 1), engine(wide)
            if transposed:
                out = work.adjoint(slices, operator.sweeps, operator.grid.shape)
            else:
                out = work.forward(slices, operator.sweeps)
        return torch.as_tensor(out.reshape(*x.shape[:2], *out.shape[1:]).to(x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        out: Tensor = _Apply.apply(gradients[0], ctx.operator, not ctx.transposed)  # type: ignore[no-untyped-call]
        return out, None, None
