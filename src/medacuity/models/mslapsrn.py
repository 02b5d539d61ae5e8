"""MS-LapSRN: one level of a pyramid, used again and again, for every factor."""

from collections.abc import Sequence

from torch import Tensor, nn

from medacuity.models.lapsrn import (
    SLOPE,
    doublings,
    enlarged,
    enlarged_image,
    feature_unconv,
    image_unconv,
    initialise,
    reach,
    reduced,
)
from medacuity.nd import at_least, conv, per_axis


class MSLapSRN(nn.Module):
    """A pyramid whose levels share their weights, and in a level one block that is repeated.

    From Lai et al., "Fast and Accurate Image Super-Resolution with Deep Laplacian Pyramid
    Networks", TPAMI 2018, https://arxiv.org/abs/1710.01992, in which ``(convolutions,
    recursions)`` are called (D, R). What a level starts from is added to every repetition
    (the paper's "SS"), and activations come before convolutions. The number of weights depends
    on neither the recursions nor the factor: those of x2 are those of x4 and x8. A factor that
    is no power of two is reached by the next one and a cubic reduction, inside the network.
    Beyond the paper: volumes, one factor per axis, any number of channels. Levels that double
    different axes share everything but the two layers that double.

    Args:
        scale: Output voxels per input voxel, for all axes or one per axis. A level doubles
            every axis that has not got its factor yet.
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels, the same going in and coming out; the luma in the paper.
        width: Features in every convolution.
        convolutions: Convolutions in the repeated block (D).
        recursions: How often a level repeats it (R): 2, 5 or 8 in the paper.

    Shape:
        ``(B, channels, *S)`` -> ``(B, channels, *(S * scale))``; any size ``S``. The image
        branch is computed in float32, under autocast too.

    Attributes:
        halo: Input voxels around a voxel that its output depends on, for exact tiling.

    Raises:
        ValueError: ``dims`` is not 2 or 3, ``scale`` is not one whole number >= 1 per axis, or
            another argument is not a whole number >= 1.

    Example:
        >>> import torch
        >>> model = MSLapSRN(scale=(1, 1, 3), dims=3, width=4, convolutions=1, recursions=2)
        >>> model(torch.rand(1, 1, 8, 8, 6)).shape
        torch.Size([1, 1, 8, 8, 18])
    """

    multiple = 1

    def __init__(
        self, *, scale: int | Sequence[int], dims: int, channels: int = 1,
        width: int = 64, convolutions: int = 5, recursions: int = 8,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels, width=width)
        at_least(1, convolutions=convolutions, recursions=recursions)
        self.dims = dims
        self.scale = per_axis(scale, dims)
        self.recursions = recursions
        self.halo = reach(self.scale, convolutions=convolutions * recursions, kernel=3)
        steps = doublings(self.scale)
        self.head = conv(dims, channels, width, 3)
        layers: list[nn.Module] = []
        for _ in range(convolutions):
            layers += [nn.LeakyReLU(SLOPE), conv(dims, width, width, 3)]
        self.block = nn.Sequential(*layers)
        self.active = nn.LeakyReLU(SLOPE)
        self.enlarge = nn.ModuleDict(
            {_name(step): feature_unconv(width, 3, step) for step in steps}
        )
        self.image = nn.ModuleDict({_name(step): image_unconv(channels, step) for step in steps})
        self.residual = conv(dims, width, channels, 3)
        initialise(self, self.head)

    def forward(self, x: Tensor, *, levels: int = 0) -> Tensor | list[Tensor]:
        """Return ``x`` enlarged by ``scale``; or the first ``levels``, for the loss.

        The levels are powers of two, so that at x3 the last one is x4.
        """
        image = x.to(self.head.weight.dtype)
        features = self.head(x)
        pyramid = []
        for step in doublings(self.scale)[: levels or None]:
            name = _name(step)
            features = enlarged(self.enlarge[name], self.active(self._refined(features)), step)
            image = enlarged_image(self.image[name], image, step) + self.residual(features)
            pyramid.append(image)
        return pyramid if levels else reduced(image, x, self.scale)

    def _refined(self, features: Tensor) -> Tensor:
        refined = features
        for _ in range(self.recursions):
            refined = features + self.block(refined)
        return refined


def _name(step: Sequence[int]) -> str:
    """Name the layers that double some axes: ``(2, 1, 2)`` -> ``"2x1x2"``."""
    return "x".join(map(str, step))
