"""SRResNet: residual blocks with batch normalisation, then sub-pixel enlargement."""

import math
from collections.abc import Sequence

from torch import Tensor, cat, nn

from medacuity.models.edsr import SubPixel, _steps
from medacuity.nd import at_least, conv, norm, per_axis


class NormalisedBlock(nn.Module):
    """Convolution, normalisation, PReLU, convolution, normalisation, plus what came in.

    The normalisation has the bias.
    """

    def __init__(self, dims: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(dims, width, width, 3, bias=False),
            norm(dims, width),
            nn.PReLU(),
            conv(dims, width, width, 3, bias=False),
            norm(dims, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` refined."""
        out: Tensor = x + self.body(x)
        return out


class Smooth(nn.Module):
    """Average every voxel with its neighbours, 1 2 1, along the axes that were enlarged by 2.

    That takes out exactly the pattern of two voxels that a sub-pixel layer may draw, and moves
    nothing. Other factors are left as they are.
    """

    def __init__(self, step: Sequence[int]) -> None:
        super().__init__()
        self.axes = [axis for axis, factor in enumerate(step) if factor == 2]

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` smoothed; beyond its edges it goes on as it ends."""
        for axis in self.axes:
            axis, n = axis + 2, x.shape[axis + 2]
            first, last = x.narrow(axis, 0, 1), x.narrow(axis, n - 1, 1)
            wide = cat([first, x, last], axis)
            x = (wide.narrow(axis, 0, n) + 2 * x + wide.narrow(axis, 2, n)) / 4
        return x


class SRResNet(nn.Module):
    """A chain of normalised residual blocks at low resolution, between two wide kernels.

    From Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative
    Adversarial Network", CVPR 2017, https://arxiv.org/abs/1609.04802; the generator of SRGAN.
    In training, the normalisation takes mean and spread from the batch; in evaluation mode
    they are fixed at their running averages, so that an image's result depends on that image
    alone, and tiles equal the whole: ``halo`` holds in evaluation mode only. Beyond the paper:
    volumes, and one factor per axis.

    Args:
        scale: Output voxels per input voxel, for all axes or one per axis; 4 is two steps of
            2, as in the paper.
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels, the same going in and coming out.
        width: Features in every block.
        blocks: Residual blocks.
        smooth: Average neighbours behind every sub-pixel layer that doubles: no checkerboard, by
            construction, which a critic would else bring out.

    Shape:
        ``(B, channels, *S)`` -> ``(B, channels, *(S * scale))``; any size ``S``.

    Attributes:
        halo: Input voxels around a voxel that its output depends on, for exact tiling.

    Raises:
        ValueError: ``dims`` is not 2 or 3, ``scale`` is not one whole number >= 1 per axis, or
            another argument is not a whole number >= 1.

    Example:
        >>> import torch
        >>> SRResNet(scale=2, dims=2, width=8, blocks=2).eval()(torch.rand(1, 1, 16, 16)).shape
        torch.Size([1, 1, 32, 32])
    """

    multiple = 1

    def __init__(
        self, *, scale: int | Sequence[int], dims: int, channels: int = 1,
        width: int = 64, blocks: int = 16, smooth: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels, width=width, blocks=blocks)
        self.dims = dims
        self.scale = per_axis(scale, dims)
        steps = _steps(self.scale)
        # Head, two per block, end of the body; then what the enlargement and the tail see.
        self.halo = 4 + 2 * blocks + 1 + max(_reach(steps, axis, smooth) for axis in range(dims))
        self.head = nn.Sequential(conv(dims, channels, width, 9), nn.PReLU())
        self.body = nn.Sequential(
            *(NormalisedBlock(dims, width) for _ in range(blocks)),
            conv(dims, width, width, 3, bias=False),
            norm(dims, width),
        )
        self.enlarge = nn.Sequential(
            *(
                nn.Sequential(SubPixel(dims, width, step), *[Smooth(step)] * smooth, nn.PReLU())
                for step in steps
            )
        )
        self.tail = conv(dims, width, channels, 9)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` enlarged by ``scale``."""
        x = self.head(x)
        out: Tensor = self.tail(self.enlarge(x + self.body(x)))
        return out


def _reach(steps: Sequence[Sequence[int]], axis: int, smooth: bool) -> int:
    """Return how far the enlargement and the 9-wide tail see along an axis, in input voxels."""
    seen = 4  # the tail, in output voxels
    for step in reversed(steps):
        seen += smooth and step[axis] == 2
        seen = math.ceil(seen / step[axis]) + 1  # in voxels before the step; its convolution
    return seen
