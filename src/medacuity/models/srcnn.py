"""SRCNN: the first network for super-resolution, three convolutions after the enlargement."""

from collections.abc import Sequence

from torch import Tensor, nn

from medacuity.models.interpolation import Cubic
from medacuity.nd import at_least, conv, counts, per_axis


class SRCNN(nn.Module):
    """Enlarge by cubic interpolation, then describe, map and rebuild.

    From Dong, Loy, He and Tang, "Image Super-Resolution Using Deep Convolutional Networks",
    TPAMI 2016, https://arxiv.org/abs/1501.00092, in which the defaults are called 9-1-5;
    ``kernels=(9, 3, 5)`` and ``(9, 5, 5)`` are the larger ones. The papers enlarge a picture
    before the network sees it; here it happens inside, by the same interpolation. Borders are
    replicated at every layer: the network is trained without any, and zeros would darken them.
    Beyond the paper: volumes, and one factor per axis.

    Args:
        scale: Output voxels per input voxel, for all axes or one per axis; 1 takes what has
            been enlarged already.
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels, the same going in and coming out.
        kernels: Widths of the three convolutions' kernels, odd.
        widths: Features after the first and after the second convolution.

    Shape:
        ``(B, channels, *S)`` -> ``(B, channels, *(S * scale))``; any size ``S``.

    Attributes:
        halo: Input voxels around a voxel that its output depends on, for exact tiling.

    Raises:
        ValueError: ``dims`` is not 2 or 3, ``scale`` is not one whole number >= 1 per axis, a
            kernel is even, or another argument is not made of whole numbers >= 1.

    Example:
        >>> import torch
        >>> SRCNN(scale=3, dims=2)(torch.rand(1, 1, 20, 20)).shape
        torch.Size([1, 1, 60, 60])
    """

    multiple = 1

    def __init__(
        self, *, scale: int | Sequence[int], dims: int, channels: int = 1,
        kernels: Sequence[int] = (9, 1, 5), widths: Sequence[int] = (64, 32),
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels)
        counts(1, 3, kernels=kernels)
        counts(1, 2, widths=widths)
        self.dims = dims
        self.scale = per_axis(scale, dims)
        self.halo = halo_after_cubic(sum(kernel // 2 for kernel in kernels), self.scale)
        self.enlarge = Cubic(scale=self.scale, dims=dims)
        (first, second), (describe, map_, rebuild) = widths, kernels
        self.body = nn.Sequential(
            conv(dims, channels, first, describe, edges="replicate"),
            nn.ReLU(),
            conv(dims, first, second, map_, edges="replicate"),
            nn.ReLU(),
            conv(dims, second, channels, rebuild, edges="replicate"),
        )
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` enlarged by ``scale``."""
        enlarged: Tensor = self.body(self.enlarge(x))
        return enlarged

    def _initialise(self) -> None:
        """Small weights and no biases, as in the authors' code."""
        for weight in self.parameters():
            if weight.is_meta:  # shapes alone; drawing would load a second of code
                continue
            if weight.ndim > 1:
                nn.init.normal_(weight, std=0.001)
            else:
                nn.init.zeros_(weight)


def halo_after_cubic(radius: int, scale: Sequence[int]) -> int:
    """Return the input voxels that matter to a network of that radius behind a cubic enlargement.

    Example:
        >>> halo_after_cubic(0, (2, 2)), halo_after_cubic(6, (1, 4))
        (2, 6)
    """
    return max(_reach(radius, s) for s in scale)


def _reach(radius: int, s: int) -> int:
    """Return how far left of voxel 0 its ``s`` new voxels look; right is its mirror image."""
    if s == 1:  # cubic interpolation leaves this axis alone
        return radius
    # A new voxel left of the centre of its old one weighs two old ones further left, one right
    # of it weighs one; the middle one of an odd scale lies on its old voxel and weighs no other.
    looks = {True: 2, False: 1}
    return max(
        (0 if 2 * (n % s) + 1 == s else looks[2 * (n % s) + 1 < s]) - n // s
        for n in range(-radius, s)
    )
