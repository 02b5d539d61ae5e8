"""VDSR: twenty convolutions that predict what the cubic enlargement misses."""

from collections.abc import Sequence

from torch import Tensor, nn

from medacuity.models.interpolation import Cubic
from medacuity.models.srcnn import halo_after_cubic
from medacuity.nd import at_least, conv, per_axis


class VDSR(nn.Module):
    """Enlarge by cubic interpolation, and add a residual from many narrow convolutions.

    From Kim, Lee and Lee, "Accurate Image Super-Resolution Using Very Deep Convolutional
    Networks", CVPR 2016, https://arxiv.org/abs/1511.04587. One set of weights serves all
    factors: the layers know none, so the same weights fit every ``scale``. The paper enlarges
    a picture before the network sees it; here it happens inside, by the same interpolation.
    Beyond the paper: volumes, and one factor per axis.

    Args:
        scale: Output voxels per input voxel, for all axes or one per axis; 1 takes what has
            been enlarged already.
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels, the same going in and coming out.
        width: Features in every layer.
        layers: Convolutions, the first and the last included; 2 or more.

    Shape:
        ``(B, channels, *S)`` -> ``(B, channels, *(S * scale))``; any size ``S``.

    Attributes:
        halo: Input voxels around a voxel that its output depends on, for exact tiling.

    Raises:
        ValueError: ``dims`` is not 2 or 3, ``scale`` is not one whole number >= 1 per axis, or
            another argument is not a whole number >= 1 (``layers``: 2).

    Example:
        >>> import torch
        >>> VDSR(scale=2, dims=2, width=8, layers=4)(torch.rand(1, 1, 16, 16)).shape
        torch.Size([1, 1, 32, 32])
    """

    multiple = 1

    def __init__(
        self, *, scale: int | Sequence[int], dims: int, channels: int = 1,
        width: int = 64, layers: int = 20,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels, width=width)
        at_least(2, layers=layers)
        self.dims = dims
        self.scale = per_axis(scale, dims)
        self.halo = halo_after_cubic(layers, self.scale)
        self.enlarge = Cubic(scale=self.scale, dims=dims)
        body: list[nn.Module] = [conv(dims, channels, width, 3), nn.ReLU()]
        for _ in range(layers - 2):
            body += [conv(dims, width, width, 3), nn.ReLU()]
        self.body = nn.Sequential(*body, conv(dims, width, channels, 3))
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` enlarged by ``scale``."""
        x = self.enlarge(x)
        out: Tensor = x + self.body(x)
        return out

    def _initialise(self) -> None:
        """He's normal and no biases, as in the paper."""
        for weight in self.parameters():
            if weight.is_meta:  # shapes alone; drawing would load a second of code
                continue
            if weight.ndim > 1:
                nn.init.kaiming_normal_(weight, nonlinearity="relu")
            else:
                nn.init.zeros_(weight)
