"""AcuityNet: the small network medacuity ships; learns only what interpolation misses."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from medacuity.models.edsr import ResidualBlock
from medacuity.nd import at_least, conv, per_axis, pixel_shuffle
from medacuity.resize import cubic, resize


class AcuityNet(nn.Module):
    """A cubic enlargement, plus a correction computed at low resolution.

    EDSR's residual blocks (Lim et al., 2017) end in ESPCN's sub-pixel layer (Shi et al., 2016)
    and are added to the cubic enlargement, as VDSR adds its residual (Kim et al., 2016). No
    layer has a bias, so the network is exactly homogeneous, ``f(a x) = a f(x)`` for ``a > 0``:
    whatever brightness a scanner gives tissue, the answer is the same; and networks without
    bias carry over to noise levels they never saw (Mohan et al., ICLR 2020,
    https://arxiv.org/abs/1906.05478).

    Args:
        scale: Output voxels per input voxel, for all axes or one per axis.
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels, the same going in and coming out.
        width: Features in every block.
        blocks: Residual blocks.

    Shape:
        ``(B, channels, *S)`` -> ``(B, channels, *(S * scale))``; any size ``S``.

    Attributes:
        halo: Input voxels around a voxel that its output depends on, for exact tiling.

    Raises:
        ValueError: ``dims`` is not 2 or 3, ``scale`` is not one whole number >= 1 per axis, or
            another argument is not a whole number >= 1.

    Example:
        >>> import torch
        >>> AcuityNet(scale=(1, 1, 3), dims=3, width=8, blocks=1)(torch.rand(1, 1, 9, 9, 9)).shape
        torch.Size([1, 1, 9, 9, 27])
    """

    multiple = 1

    def __init__(
        self, *, scale: int | Sequence[int], dims: int, channels: int = 1,
        width: int = 64, blocks: int = 6,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels, width=width, blocks=blocks)
        self.dims = dims
        self.scale = per_axis(scale, dims)
        self.halo = 2 * blocks + 3  # head, two per block, end of the body, sub-pixel layer
        self.head = conv(dims, channels, width, 3, bias=False)
        self.body = nn.Sequential(
            *(ResidualBlock(dims, width, bias=False) for _ in range(blocks)),
            conv(dims, width, width, 3, bias=False),
        )
        self.tail = conv(dims, width, channels * math.prod(self.scale), 3, bias=False)
        nn.init.zeros_(self.tail.weight)  # training starts at the cubic enlargement

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` enlarged by ``scale``."""
        features = self.head(x)
        correction = pixel_shuffle(self.tail(features + self.body(features)), self.scale)
        size = [n * s for n, s in zip(x.shape[2:], self.scale, strict=True)]
        return resize(x.float(), size, cubic) + correction.float()

    def holds(self, other: "AcuityNet") -> bool:
        """Tell whether this network is ``other`` with more blocks, and could grow out of it."""
        same = self.head.weight.shape == other.head.weight.shape
        return same and self.scale == other.scale and len(self.body) > len(other.body)

    def grow_from(self, other: "AcuityNet") -> None:
        """Start as a network with fewer blocks: take its weights, and add blocks that do nothing.

        What was learned is kept to the bit, and training goes on from there.
        """
        if not self.holds(other):
            raise ValueError("needs a network of the same width and scale with fewer blocks")
        own, blocks = list(self.body), list(other.body)
        self.head.load_state_dict(other.head.state_dict())
        self.tail.load_state_dict(other.tail.state_dict())
        for mine, theirs in zip(own, blocks[:-1], strict=False):
            mine.load_state_dict(theirs.state_dict())
        own[-1].load_state_dict(blocks[-1].state_dict())
        for new in own[len(blocks) - 1 : -1]:
            nn.init.zeros_(list(new.parameters())[-1])  # its last convolution
