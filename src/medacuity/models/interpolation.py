"""Interpolations as models: the baselines, in the same tables and through the same door."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medacuity import resize as rs
from medacuity.nd import per_axis


class Interpolation(nn.Module):
    """Enlarge by a fixed kernel; nothing is learned, nothing is invented.

    Args:
        kernel: One of `medacuity.resize`'s kernels, such as ``resize.cubic``.
        halo: Input voxels the kernel reaches; None if it sees the whole line.
        scale: Output voxels per input voxel, for all axes or one per axis.
        dims: Spatial axes of the image: 2 or 3.

    Shape:
        ``(B, C, *S)`` -> ``(B, C, *(S * scale))``.
    """

    multiple = 1

    def __init__(
        self, kernel: rs.Kernel, halo: int | None, *, scale: int | Sequence[int], dims: int
    ) -> None:
        super().__init__()
        self.kernel = kernel
        self.halo = halo
        self.dims = dims
        self.scale = per_axis(scale, dims)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` enlarged by ``scale``."""
        size = [n * s for n, s in zip(x.shape[2:], self.scale, strict=True)]
        return torch.as_tensor(rs.resize(x, size, self.kernel))


class Nearest(Interpolation):
    """Repeat each voxel."""

    def __init__(self, *, scale: int | Sequence[int], dims: int) -> None:
        super().__init__(rs.nearest, 0, scale=scale, dims=dims)


class Linear(Interpolation):
    """Linear interpolation."""

    def __init__(self, *, scale: int | Sequence[int], dims: int) -> None:
        super().__init__(rs.linear, 1, scale=scale, dims=dims)


class Cubic(Interpolation):
    """Keys' cubic convolution, a = -0.5."""

    def __init__(self, *, scale: int | Sequence[int], dims: int) -> None:
        super().__init__(rs.cubic, 2, scale=scale, dims=dims)


class Lanczos(Interpolation):
    """Lanczos with three lobes."""

    def __init__(self, *, scale: int | Sequence[int], dims: int) -> None:
        super().__init__(rs.lanczos, 3, scale=scale, dims=dims)


class Spline(Interpolation):
    """The cubic B-spline through all voxels; sees the whole line."""

    def __init__(self, *, scale: int | Sequence[int], dims: int) -> None:
        super().__init__(rs.spline, None, scale=scale, dims=dims)


class Sinc(Interpolation):
    """Zero-filled k-space; sees the whole line."""

    def __init__(self, *, scale: int | Sequence[int], dims: int) -> None:
        super().__init__(rs.sinc, None, scale=scale, dims=dims)
