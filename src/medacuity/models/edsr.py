"""EDSR: residual blocks without normalisation, then sub-pixel enlargement."""

import math
from collections.abc import Sequence
from itertools import zip_longest

from torch import Tensor, nn

from medacuity.nd import at_least, conv, per_axis, pixel_shuffle


class ResidualBlock(nn.Module):
    """Convolution, ReLU, convolution, times a factor, plus what came in."""

    def __init__(self, dims: int, width: int, *, residual: float = 1.0, bias: bool = True) -> None:
        super().__init__()
        self.residual = residual
        self.body = nn.Sequential(
            conv(dims, width, width, 3, bias=bias),
            nn.ReLU(),
            conv(dims, width, width, 3, bias=bias),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` refined."""
        out: Tensor = x + self.residual * self.body(x)
        return out


class SubPixel(nn.Module):
    """One convolution that widens, then channels moved into space."""

    def __init__(self, dims: int, width: int, scale: tuple[int, ...]) -> None:
        super().__init__()
        self.scale = scale
        self.widen = conv(dims, width, width * math.prod(scale), 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` enlarged by ``scale``."""
        return pixel_shuffle(self.widen(x), self.scale)


class EDSR(nn.Module):
    """A long chain of residual blocks at low resolution.

    From Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution",
    CVPR Workshops 2017, https://arxiv.org/abs/1707.02921: the defaults are EDSR-baseline;
    ``width=256, blocks=32, residual=0.1`` is EDSR. Beyond the paper: volumes, and one factor
    per axis; the shift by the mean of DIV2K is left to the intensity map.

    Args:
        scale: Output voxels per input voxel, for all axes or one per axis; 4 is two steps of
            2, as in the paper.
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels, the same going in and coming out.
        width: Features in every block.
        blocks: Residual blocks.
        residual: Factor on what each block adds; wide networks need 0.1.

    Shape:
        ``(B, channels, *S)`` -> ``(B, channels, *(S * scale))``; any size ``S``.

    Attributes:
        halo: Input voxels around a voxel that its output depends on, for exact tiling.

    Raises:
        ValueError: ``dims`` is not 2 or 3, ``scale`` is not one whole number >= 1 per axis, or
            another argument is not a whole number >= 1.

    Example:
        >>> import torch
        >>> EDSR(scale=2, dims=2, width=8, blocks=2)(torch.rand(1, 1, 16, 16)).shape
        torch.Size([1, 1, 32, 32])
    """

    multiple = 1

    def __init__(
        self, *, scale: int | Sequence[int], dims: int, channels: int = 1,
        width: int = 64, blocks: int = 16, residual: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels, width=width, blocks=blocks)
        self.dims = dims
        self.scale = per_axis(scale, dims)
        steps = _steps(self.scale)
        # Head, two per block, end of the body, one per step (its later ones are finer), tail.
        self.halo = 2 * blocks + 3 + len(steps)
        self.head = conv(dims, channels, width, 3)
        self.body = nn.Sequential(
            *(ResidualBlock(dims, width, residual=residual) for _ in range(blocks)),
            conv(dims, width, width, 3),
        )
        self.enlarge = nn.Sequential(*(SubPixel(dims, width, step) for step in steps))
        self.tail = conv(dims, width, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` enlarged by ``scale``."""
        x = self.head(x)
        out: Tensor = self.tail(self.enlarge(x + self.body(x)))
        return out


def _steps(scale: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Split powers of two into steps of 2: ``(4, 4)`` -> ``[(2, 2), (2, 2)]``."""
    per_axis_steps = [
        [2] * (s.bit_length() - 1) if s > 2 and s & (s - 1) == 0 else [s] for s in scale
    ]
    return list(zip_longest(*per_axis_steps, fillvalue=1))
