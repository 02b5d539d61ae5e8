"""RED-CNN: takes the noise of little dose out of CT, at any sizes, voxel for voxel."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from medacuity.models.interpolation import Cubic
from medacuity.models.srcnn import halo_after_cubic
from medacuity.nd import at_least, conv, per_axis, unconv

LAYERS = 5  # convolutions, and as many transposed ones
KERNEL = 5


class REDCNN(nn.Module):
    """Five convolutions and five transposed ones, 5 wide, with three shortcuts.

    From Chen et al., "Low-Dose CT with a Residual Encoder-Decoder Convolutional Neural Network",
    IEEE TMI 2017, https://arxiv.org/abs/1702.00288. The input, and what the second and the
    fourth convolution found, are added where the decoder comes back to them, before the ReLU.

    Departures: all layers pad with zeros, so that sizes are kept at every step (the paper's
    convolutions lose a rim, which its transposed ones put back); there is no ReLU after the last
    layer, which would push the noise of air upwards; and weights start as He's normal, the last
    layer at zero, so that training starts at the input rather than below it. Beyond the paper:
    volumes, and factors, for which the input is first enlarged by cubic interpolation, as VDSR
    has it; and ``keeps``, because a network that was shown heavy noise also moves the mean of what
    lies beneath it, while the noise of a linear reconstruction hardly does: what the network takes
    away is averaged over a neighbourhood, twice, and that mean is put back.

    Args:
        scale: Output voxels per input voxel, for all axes or one per axis; 1 takes noise out
            and enlarges nothing.
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels, the same going in and coming out.
        width: Features in every layer; 96 in the paper, 1,848,865 parameters.
        keeps: Voxels across the neighbourhood whose mean stays, an odd number; 0 leaves it to the
            network, as the paper does.

    Shape:
        ``(B, channels, *S)`` -> ``(B, channels, *(S * scale))``; any size ``S``.

    Attributes:
        halo: Input voxels around a voxel that its output depends on, for exact tiling.

    Raises:
        ValueError: ``dims`` is not 2 or 3, ``scale`` is not one whole number >= 1 per axis, or
            another argument is not a whole number >= 1 (``keeps``: odd, or 0).

    Example:
        >>> import torch
        >>> REDCNN(scale=1, dims=2, width=8)(torch.rand(1, 1, 20, 30)).shape
        torch.Size([1, 1, 20, 30])
    """

    multiple = 1

    def __init__(
        self, *, scale: int | Sequence[int], dims: int, channels: int = 1, width: int = 96,
        keeps: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels, width=width)
        if keeps and (keeps < 0 or keeps % 2 == 0):
            raise ValueError(f"keeps must be an odd number of voxels, or 0, got {keeps}")
        self.keeps = keeps
        self.dims = dims
        self.scale = per_axis(scale, dims)
        self.halo = halo_after_cubic(2 * LAYERS * (KERNEL // 2) + 2 * (keeps // 2), self.scale)
        self.enlarge = Cubic(scale=self.scale, dims=dims)
        widths = [channels, *[width] * LAYERS]
        pairs = list(pairwise(widths))
        self.encoder = nn.ModuleList(conv(dims, a, b, KERNEL) for a, b in pairs)
        self.decoder = nn.ModuleList(
            unconv(dims, b, a, KERNEL, stride=[1] * dims) for a, b in reversed(pairs)
        )
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x``, enlarged by ``scale``, without its noise."""
        x = self.enlarge(x)
        kept, features = [], x
        for number, layer in enumerate(self.encoder):
            if number % 2 == 0:  # the input, the second convolution, the fourth
                kept.append(features)
            features = relu(layer(features))
        for number, layer in enumerate(self.decoder):
            features = layer(features)
            if number % 2 == 0:
                features = features + kept.pop()
            if number < LAYERS - 1:
                features = relu(features)
        if self.keeps:
            return features + averaged(averaged(x - features, self.keeps), self.keeps)
        return features

    def _initialise(self) -> None:
        """He's normal, no biases, and a last layer of zeros."""
        for weight in self.parameters():
            if weight.is_meta:  # shapes alone; drawing would load a second of code
                continue
            if weight.ndim > 1 and weight is not self.decoder[-1].weight:
                nn.init.kaiming_normal_(weight, nonlinearity="relu")
            else:
                nn.init.zeros_(weight)


def averaged(x: Tensor, width: int) -> Tensor:
    """Return the mean over ``width`` voxels along every axis; the outermost ones are repeated."""
    for axis in range(2, x.ndim):
        last, radius = x.shape[axis] - 1, width // 2
        places = torch.arange(-radius, last + radius + 1, device=x.device).clamp(0, last)
        x = x.index_select(axis, places).unfold(axis, width, 1).mean(-1)
    return x
