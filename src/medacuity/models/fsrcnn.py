"""FSRCNN: an hourglass at low resolution, enlarged by one transposed convolution."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from medacuity.nd import at_least, conv, per_axis, unconv, unconv_by_phases


class FSRCNN(nn.Module):
    """Describe, shrink, map, expand, enlarge: each in as few weights as it takes.

    From Dong, Loy and Tang, "Accelerating the Super-Resolution Convolutional Neural Network",
    ECCV 2016, https://arxiv.org/abs/1608.00367, in which ``(features, shrunk, mappings)`` are
    called (d, s, m): (56, 12, 4), and (32, 5, 1) for FSRCNN-s. Beyond the paper: volumes, and
    one factor per axis.

    Args:
        scale: Output voxels per input voxel, for all axes or one per axis.
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels, the same going in and coming out.
        features: Width at both ends of the hourglass (d).
        shrunk: Width in its middle (s).
        mappings: Convolutions in its middle (m).

    Shape:
        ``(B, channels, *S)`` -> ``(B, channels, *(S * scale))``; any size ``S``.

    Attributes:
        halo: Input voxels around a voxel that its output depends on, for exact tiling.

    Raises:
        ValueError: ``dims`` is not 2 or 3, ``scale`` is not one whole number >= 1 per axis, or
            another argument is not a whole number >= 1.

    Example:
        >>> import torch
        >>> FSRCNN(scale=3, dims=2)(torch.rand(1, 1, 20, 20)).shape
        torch.Size([1, 1, 60, 60])
    """

    multiple = 1

    def __init__(
        self, *, scale: int | Sequence[int], dims: int, channels: int = 1,
        features: int = 56, shrunk: int = 12, mappings: int = 4,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels, features=features, shrunk=shrunk, mappings=mappings)
        self.dims = dims
        self.scale = per_axis(scale, dims)
        # Radii at low resolution: 2 + mappings; then the 9-wide kernel of the enlargement,
        # whose last output phase reaches 4 + s - 1 fine voxels, of s to a coarse one.
        self.halo = 2 + mappings + max((3 + s) // s for s in self.scale)
        layers: list[nn.Module] = [conv(dims, channels, features, 5), nn.PReLU(features)]
        layers += [conv(dims, features, shrunk, 1), nn.PReLU(shrunk)]
        for _ in range(mappings):
            layers += [conv(dims, shrunk, shrunk, 3), nn.PReLU(shrunk)]
        layers += [conv(dims, shrunk, features, 1), nn.PReLU(features)]
        self.body = nn.Sequential(*layers)
        self.enlarge = unconv(dims, features, channels, 9, stride=self.scale)
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` enlarged by ``scale``."""
        return unconv_by_phases(self.enlarge, self.body(x))

    def _initialise(self) -> None:
        """He's normal for PReLU, and a nearly silent enlargement, as in the paper's code."""
        if self.enlarge.weight.is_meta:  # shapes alone; drawing would load a second of code
            return
        for layer in self.body:
            if not isinstance(layer, nn.PReLU):
                weight, bias = layer.parameters()
                fan = weight[0].numel()
                nn.init.normal_(weight, std=math.sqrt(2 / ((1 + 0.25**2) * fan)))
                nn.init.zeros_(bias)
        nn.init.normal_(self.enlarge.weight, std=0.001)
        if self.enlarge.bias is not None:
            nn.init.zeros_(self.enlarge.bias)
