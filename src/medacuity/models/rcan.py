"""RCAN: very many residual blocks in groups, each with attention over its channels."""

from collections.abc import Sequence

from torch import Tensor, nn

from medacuity.models.edsr import SubPixel, _steps
from medacuity.nd import at_least, conv, per_axis


class ChannelAttention(nn.Module):
    """Weigh every channel by what its mean over the whole image says."""

    def __init__(self, dims: int, width: int, reduction: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            conv(dims, width, width // reduction, 1),
            nn.ReLU(),
            conv(dims, width // reduction, width, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x``, each channel times a number between 0 and 1."""
        everywhere = x.mean(tuple(range(2, x.ndim)), keepdim=True)  # (B, C, 1, ...)
        out: Tensor = x * self.gate(everywhere)
        return out


class Residual(nn.Module):
    """Some layers, plus what came in: a block, a group of blocks, or a body of groups."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` refined."""
        out: Tensor = x + self.body(x)
        return out


class RCAN(nn.Module):
    """Groups of residual blocks within a long skip, so that only what is hard goes through them.

    From Zhang et al., "Image Super-Resolution Using Very Deep Residual Channel Attention
    Networks", ECCV 2018, https://arxiv.org/abs/1807.02758; the defaults are the paper's, with
    more than 400 convolutions one after the other. The attention takes a mean over the whole
    image, so every voxel matters to every other one and the network cannot be tiled. Beyond
    the paper: volumes, and one factor per axis; the shift by the mean of DIV2K is left to the
    intensity map.

    Args:
        scale: Output voxels per input voxel, for all axes or one per axis; 4 is two steps of
            2, as in the paper.
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels, the same going in and coming out.
        width: Features in every block.
        groups: Groups of blocks.
        blocks: Blocks in each group.
        reduction: How many times fewer features the attention has in its middle; at most
            ``width``.

    Shape:
        ``(B, channels, *S)`` -> ``(B, channels, *(S * scale))``; any size ``S``.

    Attributes:
        halo: None: every output voxel depends on the whole image.

    Raises:
        ValueError: ``dims`` is not 2 or 3, ``scale`` is not one whole number >= 1 per axis,
            ``reduction`` exceeds ``width``, or another argument is not a whole number >= 1.

    Example:
        >>> import torch
        >>> small = RCAN(scale=2, dims=2, width=8, groups=2, blocks=2, reduction=4)
        >>> small(torch.rand(1, 1, 16, 16)).shape
        torch.Size([1, 1, 32, 32])
    """

    halo = None
    multiple = 1

    def __init__(
        self, *, scale: int | Sequence[int], dims: int, channels: int = 1,
        width: int = 64, groups: int = 10, blocks: int = 20, reduction: int = 16,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels, width=width, groups=groups, blocks=blocks)
        at_least(1, reduction=reduction)
        if reduction > width:
            raise ValueError(f"reduction must be at most width, {width}, got {reduction}")
        self.dims = dims
        self.scale = per_axis(scale, dims)
        self.head = conv(dims, channels, width, 3)
        self.body = Residual(
            *(_group(dims, width, blocks, reduction) for _ in range(groups)),
            conv(dims, width, width, 3),
        )
        self.enlarge = nn.Sequential(
            *(SubPixel(dims, width, step) for step in _steps(self.scale)),
        )
        self.tail = conv(dims, width, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` enlarged by ``scale``."""
        out: Tensor = self.tail(self.enlarge(self.body(self.head(x))))
        return out


def _group(dims: int, width: int, blocks: int, reduction: int) -> Residual:
    return Residual(
        *(_block(dims, width, reduction) for _ in range(blocks)), conv(dims, width, width, 3)
    )


def _block(dims: int, width: int, reduction: int) -> Residual:
    return Residual(
        conv(dims, width, width, 3),
        nn.ReLU(),
        conv(dims, width, width, 3),
        ChannelAttention(dims, width, reduction),
    )
