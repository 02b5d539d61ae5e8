"""FineUNet: pix2pix's U-Net, and features at full resolution beside it; ours."""

from torch import Tensor, cat, nn

from medacuity.models.unet import UNetGenerator
from medacuity.nd import at_least, conv, start_small


class FineUNet(nn.Module):
    """From one image to another of the same size and place, as sharp as what goes in.

    The published U-Net (`UNetGenerator`) has no features at full resolution: its last layer
    doubles the image, and with resizing, which keeps checkerboards out, the finest detail is
    lost there. Here what comes up meets the image itself, and two convolutions join them. Each
    image is normalised by itself, and nothing is drawn by chance.

    Args:
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels going in.
        outputs: Image channels coming out.
        width: Features of the first step down; they double at each, up to 8 times as many.
        depth: Halvings.
        fine: Features at full resolution.

    Shape:
        ``(B, channels, *S)`` -> ``(B, outputs, *S)``; ``S`` multiples of ``2**depth``. The
        output is not clipped to [0, 1].

    Attributes:
        halo: None: it sees the whole image.
        multiple: Input sizes must be multiples of this, ``2**depth``.

    Raises:
        ValueError: ``dims`` is not 2 or 3, a count is not a whole number >= 1, or a size is no
            multiple.

    Example:
        >>> import torch
        >>> t1 = torch.rand(1, 1, 32, 64)
        >>> FineUNet(dims=2, width=8, depth=3, fine=4)(t1).shape
        torch.Size([1, 1, 32, 64])
    """

    halo: int | None = None

    def __init__(
        self, *, dims: int, channels: int = 1, outputs: int = 1, width: int = 20, depth: int = 4,
        fine: int = 16,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, outputs=outputs, fine=fine)
        self.coarse = UNetGenerator(
            dims=dims, channels=channels, outputs=fine, width=width, depth=depth,
            dropout=0.0, instance=True, resize=True,
        )  # fmt: skip
        self.dims = dims
        self.scale = (1,) * dims
        self.multiple = self.coarse.multiple
        self.join = nn.Sequential(
            conv(dims, fine + channels, fine, 3), nn.ReLU(), conv(dims, fine, outputs, 3)
        )
        start_small(self.join)

    def forward(self, x: Tensor) -> Tensor:
        """Return the image that belongs to ``x``."""
        out: Tensor = self.join(cat([x, self.coarse(x)], 1))
        return out
