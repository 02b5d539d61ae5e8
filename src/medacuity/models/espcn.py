"""ESPCN: super-resolution that computes at low resolution and enlarges in its last step."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from medacuity.nd import at_least, conv, per_axis, pixel_shuffle


class ESPCN(nn.Module):
    """Predict, for every input voxel, the block of output voxels that replaces it.

    Two convolutions describe the image at its own resolution; a third predicts the
    ``prod(scale)`` new voxels per old one as channels, and those channels are then
    rearranged into space. From Shi et al., "Real-Time Single Image and
    Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network",
    CVPR 2016, https://arxiv.org/abs/1609.05158. Beyond the paper: volumes, and one
    factor per axis, so that ``scale=(1, 1, 4)`` turns 4 mm slices into 1 mm slices.

    Args:
        scale: Output voxels per input voxel, for all axes or one per axis.
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels, the same going in and coming out.
        width: Features after the first convolution; the second has half as many.

    Shape:
        ``(B, channels, *S)`` -> ``(B, channels, *(S * scale))``; any size ``S``,
        float, intensities scaled to [0, 1]. The output is not clipped to [0, 1].

    Attributes:
        halo: Input voxels around a voxel that its output depends on, for exact tiling.

    Raises:
        ValueError: ``dims`` is not 2 or 3, ``scale`` is not one whole number >= 1 per axis, or
            another argument is not a whole number >= 1.

    Example:
        >>> import torch
        >>> thick = torch.rand(1, 1, 64, 64, 10)
        >>> ESPCN(scale=(1, 1, 4), dims=3)(thick).shape
        torch.Size([1, 1, 64, 64, 40])
    """

    halo = 4  # radii of the three kernels: 2 + 1 + 1
    multiple = 1

    def __init__(
        self, *, scale: int | Sequence[int], dims: int, channels: int = 1, width: int = 64
    ) -> None:
        super().__init__()
        at_least(1, channels=channels)
        at_least(2, width=width)
        self.dims = dims
        self.scale = per_axis(scale, dims)
        self.body = nn.Sequential(
            conv(dims, channels, width, 5),
            nn.Tanh(),  # as in the paper, not ReLU
            conv(dims, width, width // 2, 3),
            nn.Tanh(),
            conv(dims, width // 2, channels * math.prod(self.scale), 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` enlarged by ``scale``."""
        return pixel_shuffle(self.body(x), self.scale)
