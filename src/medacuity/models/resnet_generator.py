"""ResNet generator of CycleGAN: a quarter of the size, a chain of residual blocks, and back."""

from torch import Tensor, nn

from medacuity.nd import (
    at_least,
    check_multiple,
    conv,
    instance_norm,
    resize_conv,
    start_small,
    unconv,
)


class MirroredBlock(nn.Module):
    """Convolution, normalisation, ReLU, convolution, normalisation, plus what came in.

    Beyond the edges lies their mirror image, so that no frame of zeros shows.
    """

    def __init__(self, dims: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(dims, width, width, 3, edges="reflect"),
            instance_norm(dims, width),
            nn.ReLU(),
            conv(dims, width, width, 3, edges="reflect"),
            instance_norm(dims, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` refined."""
        out: Tensor = x + self.body(x)
        return out


class ResNetGenerator(nn.Module):
    """From one image to another of the same size and place, without pairs to learn from.

    Two steps halve the image, residual blocks change its look, two steps double it. Johnson's
    network as used by Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent
    Adversarial Networks", ICCV 2017, https://arxiv.org/abs/1703.10593. Each feature of each
    image is normalised by itself, with no running averages: training and use are the same, and
    an image's own brightness and contrast are taken out. Beyond the paper: volumes, resizing.
    Departing from it, images are in the unit range [0, 1] and the last layer is linear; for the
    published form, in [-1, 1], append ``nn.Tanh()``.

    Args:
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels going in.
        outputs: Image channels coming out.
        width: Features at full size; twice and four times as many below.
        blocks: Residual blocks: 9 in the paper for images of 256, 6 for 128.
        resize: Double by repeating voxels before a convolution 3 wide, instead of by transposed
            convolutions 3 wide, which overlap unevenly and draw a checkerboard.

    Shape:
        ``(B, channels, *S)`` -> ``(B, outputs, *S)``; ``S`` multiples of 4 from 8 on. The
        output is not clipped to [0, 1].

    Attributes:
        halo: None: the normalisation sees the whole image.

    Raises:
        ValueError: ``dims`` is not 2 or 3, a count is not a whole number >= 1, or a size is no
            multiple of 4 or below 8.

    Example:
        >>> import torch
        >>> t1 = torch.rand(1, 1, 32, 48)
        >>> ResNetGenerator(dims=2, width=8, blocks=2)(t1).shape
        torch.Size([1, 1, 32, 48])
    """

    halo: int | None = None
    multiple = 4

    def __init__(
        self, *, dims: int, channels: int = 1, outputs: int = 1, width: int = 64,
        blocks: int = 9, resize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels, outputs=outputs, width=width, blocks=blocks)
        self.dims = dims
        self.scale = (1,) * dims
        layers = _normed(dims, width, conv(dims, channels, width, 7, edges="reflect"))
        for wide in (width, 2 * width):
            layers += _normed(dims, 2 * wide, conv(dims, wide, 2 * wide, 3, stride=2))
        layers += [MirroredBlock(dims, 4 * width) for _ in range(blocks)]
        for wide in (2 * width, width):
            double = (
                resize_conv(dims, 2 * wide, wide, edges="reflect")
                if resize
                else unconv(dims, 2 * wide, wide, 3, stride=(2,) * dims)
            )
            layers += _normed(dims, wide, double)
        self.body = nn.Sequential(*layers, conv(dims, width, outputs, 7, edges="reflect"))
        start_small(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the image that belongs to ``x``."""
        check_multiple(x, self.multiple)
        if min(x.shape[2:]) < 8:  # the mirror at a quarter of the size needs two voxels
            raise ValueError(f"sizes must be 8 or more, got {tuple(x.shape[2:])}; pad the image")
        out: Tensor = self.body(x)
        return out


def _normed(dims: int, width: int, layer: nn.Module) -> list[nn.Module]:
    return [layer, instance_norm(dims, width), nn.ReLU()]
