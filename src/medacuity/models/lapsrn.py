"""LapSRN: a pyramid that doubles the image level by level, each level with its own residual."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from medacuity.nd import CONV, UNCONV, at_least, conv, per_axis
from medacuity.resize import cubic, resize

SLOPE = 0.2
"""Of the leaky ReLU below zero."""

BILINEAR = (0.25, 0.75, 0.75, 0.25)
"""What the image branch starts as, along an axis that doubles."""


class Level(nn.Module):
    """Refine the features, double them, and add the residual they show to the doubled image."""

    def __init__(
        self, dims: int, channels: int, width: int, convolutions: int,
        *, kernel: int, step: tuple[int, ...],
    ) -> None:  # fmt: skip
        super().__init__()
        self.step = step
        layers: list[nn.Module] = []
        for _ in range(convolutions):
            layers += [conv(dims, width, width, 3), nn.LeakyReLU(SLOPE)]
        self.refine = nn.Sequential(*layers)
        self.enlarge = feature_unconv(width, kernel, step)
        self.active = nn.LeakyReLU(SLOPE)
        self.residual = conv(dims, width, channels, 3)
        self.image = image_unconv(channels, step)

    def forward(self, features: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and image of this level, from those of the level below."""
        features = self.active(enlarged(self.enlarge, self.refine(features), self.step))
        return features, enlarged_image(self.image, image, self.step) + self.residual(features)


class LapSRN(nn.Module):
    """Predict the image at x2, from there at x4, from there at x8, in one pass.

    From Lai et al., "Deep Laplacian Pyramid Networks for Fast and Accurate Super-Resolution",
    CVPR 2017, https://arxiv.org/abs/1704.03915, as the authors' code has it; they trained x8
    with ``convolutions=5``. A factor that is no power of two is reached as there: the next
    power of two, and a cubic reduction, inside the network. Beyond the paper: volumes, one
    factor per axis, any number of channels, and a scale of 1, which is one level that
    corrects without enlarging.

    The weights of a network for a smaller factor are the first levels of those for a larger
    one: what was trained at x8 serves x4 and x2 as well.

    Args:
        scale: Output voxels per input voxel, for all axes or one per axis. A level doubles
            every axis that has not got its factor yet.
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels, the same going in and coming out; the luma in the paper.
        width: Features in every convolution.
        convolutions: Convolutions per level, before it doubles.
        kernel: Width of the transposed convolution that doubles the features: 3 as in the
            authors' code and weights, 4 as in the paper's text.

    Shape:
        ``(B, channels, *S)`` -> ``(B, channels, *(S * scale))``; any size ``S``. The image
        branch is computed in float32, under autocast too.

    Attributes:
        halo: Input voxels around a voxel that its output depends on, for exact tiling.

    Raises:
        ValueError: ``dims`` is not 2 or 3, ``scale`` is not one whole number >= 1 per axis, or
            another argument is not a whole number >= 1 (``kernel``: 2).

    Example:
        >>> import torch
        >>> model = LapSRN(scale=4, dims=2, width=8, convolutions=2)
        >>> x = torch.rand(1, 1, 16, 16)
        >>> model(x).shape
        torch.Size([1, 1, 64, 64])
        >>> [tuple(level.shape[2:]) for level in model(x, levels=2)]
        [(32, 32), (64, 64)]
    """

    multiple = 1

    def __init__(
        self, *, scale: int | Sequence[int], dims: int, channels: int = 1,
        width: int = 64, convolutions: int = 10, kernel: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels, width=width, convolutions=convolutions)
        at_least(2, kernel=kernel)  # a narrower one would leave holes
        self.dims = dims
        self.scale = per_axis(scale, dims)
        self.halo = reach(self.scale, convolutions=convolutions, kernel=kernel)
        self.head = conv(dims, channels, width, 3)
        self.active = nn.LeakyReLU(SLOPE)
        self.levels = nn.ModuleList(
            Level(dims, channels, width, convolutions, kernel=kernel, step=step)
            for step in doublings(self.scale)
        )
        initialise(self, self.head)

    def forward(self, x: Tensor, *, levels: int = 0) -> Tensor | list[Tensor]:
        """Return ``x`` enlarged by ``scale``; or the first ``levels``, for the loss.

        The levels are powers of two, so that at x3 the last one is x4. They come out of here
        rather than of a method of their own, because distributed training wraps `forward`.
        """
        image = x.to(self.head.weight.dtype)
        features = self.active(self.head(x))
        pyramid = []
        for level in self.levels[: levels or None]:
            features, image = level(features, image)
            pyramid.append(image)
        return pyramid if levels else reduced(image, x, self.scale)


def doublings(scale: Sequence[int]) -> list[tuple[int, ...]]:
    """Return what each level multiplies the axes by: ``(4, 2)`` -> ``[(2, 2), (2, 1)]``.

    The next power of two where a factor is none; one level that enlarges nothing for 1.
    """
    counts = [(s - 1).bit_length() for s in scale]
    return [
        tuple(2 if level < count else 1 for count in counts)
        for level in range(max(1, *counts))
    ]  # fmt: skip


def reduced(image: Tensor, x: Tensor, scale: Sequence[int]) -> Tensor:
    """Bring the last level to ``scale`` times the input, where that is no power of two."""
    return resize(image, [n * s for n, s in zip(x.shape[2:], scale, strict=True)], cubic)


def feature_unconv(width: int, kernel: int, step: Sequence[int]) -> nn.Module:
    """Return the layer that doubles features; 1 wide along an axis that a level leaves alone.

    Cropped by ``kernel - 2``, the odd voxel at the far end, as in the authors' code.
    """
    return _unconv(width, width, kernel, step, groups=1, bias=True)


def image_unconv(channels: int, step: Sequence[int]) -> nn.Module:
    """Return the layer that doubles the image: linear interpolation, to be learned further."""
    return _unconv(channels, channels, len(BILINEAR), step, groups=channels, bias=False)


def enlarged(layer: nn.Module, x: Tensor, step: Sequence[int]) -> Tensor:
    """Return ``layer(x)``, cropped at the far end to exactly ``step`` times the size."""
    out: Tensor = layer(x)
    for axis, s in enumerate(step, start=2):
        out = out.narrow(axis, 0, s * x.shape[axis])
    return out


def enlarged_image(layer: nn.Module, image: Tensor, step: Sequence[int]) -> Tensor:
    """Return the image enlarged in full precision, under autocast too: half would blur it."""
    with torch.autocast(image.device.type, enabled=False):
        return enlarged(layer, image, step)


def reach(scale: Sequence[int], *, convolutions: int, kernel: int) -> int:
    """Return how many input voxels away the features of an output voxel still see.

    The image branch sees no further: its kernel may be the wider one, by a voxel, but the
    features pass a residual and at least one convolution as well.
    """
    return max(
        _reach_along(s, [step[axis] for step in doublings(scale)], convolutions, kernel)
        for axis, s in enumerate(scale)
    )


def initialise(model: nn.Module, head: nn.Module) -> None:
    """Start as the authors' code does: faint at the input, He's normal, linear in the image."""
    kinds = (*CONV.values(), *UNCONV.values())
    layers: list[Any] = [layer for layer in model.modules() if isinstance(layer, kinds)]
    for layer in layers:
        if layer.weight.is_meta:  # shapes alone; drawing would load a second of code
            return
        if layer.bias is None:
            _start_linear(layer)
        else:
            fan = math.prod(layer.kernel_size) * layer.in_channels
            nn.init.normal_(layer.weight, std=0.001 if layer is head else math.sqrt(2 / fan))
            nn.init.zeros_(layer.bias)


def _unconv(
    inputs: int, outputs: int, kernel: int, step: Sequence[int], *, groups: int, bias: bool
) -> nn.Module:
    kind: Any = UNCONV[len(step)]
    layer: nn.Module = kind(
        inputs, outputs, tuple(kernel if s == 2 else 1 for s in step), stride=tuple(step),
        padding=tuple((kernel - 2) // 2 if s == 2 else 0 for s in step), groups=groups, bias=bias,
    )  # fmt: skip
    return layer


def _start_linear(layer: Any) -> None:
    """Make the kernel of the image branch that of linear interpolation, a line per axis."""
    kernel = torch.ones(())
    for stride in layer.stride:
        kernel = kernel[..., None] * torch.tensor(BILINEAR if stride == 2 else (1.0,))
    with torch.no_grad():
        layer.weight.copy_(kernel)


def _reach_along(scale: int, steps: Sequence[int], convolutions: int, kernel: int) -> int:
    """Follow the output voxels of input voxel 0 back through the levels, along one axis."""
    fine, crop = math.prod(steps), (kernel - 2) // 2
    first, last = 0, fine - 1
    if fine != scale:  # the cubic kernel, 2 voxels of the output wide to either side
        beyond = 1 + (-3 * fine - scale) // (2 * scale)
        first, last = beyond, last - beyond
    first, last = first - 1, last + 1  # the residual
    for step in reversed(steps):
        if step == 2:  # output voxel i is made of all j with 0 <= i + crop - 2 j < kernel
            first, last = -((kernel - 1 - crop - first) // 2), (last + crop) // 2
        first, last = first - convolutions, last + convolutions
    return 1 + max(-first, last)  # and the head
