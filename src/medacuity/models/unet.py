"""U-Net of pix2pix: halve the image to a point, double it back, and hand detail across."""

from torch import Tensor, cat, nn

from medacuity.nd import (
    at_least,
    check_multiple,
    conv4,
    instance_norm,
    norm,
    resize_conv,
    start_small,
    unconv4,
)

WIDEST = 8  # times the features of the first step


class UNetGenerator(nn.Module):
    """From one image to another of the same size and place, such as T1 to T2.

    The way down halves the image ``depth`` times; the way up doubles it again, and each step
    sees, beside what came from below, the features of its own size on the way down. From Isola
    et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
    https://arxiv.org/abs/1611.07004, as in the authors' code: no normalisation at the very
    bottom, where there may be one voxel. Beyond the paper: volumes, instance norm, resizing.

    Two things differ from the paper. Its images lie in [-1, 1] and end in a tanh; ours are in
    the unit range [0, 1] and the last layer is linear (for the published form, append
    ``nn.Tanh()``). And in evaluation mode dropout is off and batch norm takes its running
    averages, so that the same scan gives the same result; the paper's behaviour at test, with
    dropout for noise and the statistics of the batch, is that of training mode. Running averages
    of batches of one are poor: train those with ``instance=True``.

    Args:
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels going in.
        outputs: Image channels coming out.
        width: Features of the first step; they double at each, up to 8 times as many.
        depth: Halvings: 8 and 7 in the paper, for images of 256 and 128.
        dropout: Share of features put out, in training, in the first three steps up (of the
            last there is none); below 1.
        instance: Normalise each image by itself, rather than the batch.
        resize: Double by repeating voxels before a convolution 3 wide, instead of by transposed
            convolutions 4 wide: no checkerboard, by construction.

    Shape:
        ``(B, channels, *S)`` -> ``(B, outputs, *S)``; ``S`` multiples of ``2**depth``. The
        output is not clipped to [0, 1].

    Attributes:
        halo: None: it sees the whole image.
        multiple: Input sizes must be multiples of this, ``2**depth``.

    Raises:
        ValueError: ``dims`` is not 2 or 3, a count is not a whole number >= 1, ``dropout`` is no
            share below 1, or a size is no multiple.

    Example:
        >>> import torch
        >>> t1 = torch.rand(1, 1, 32, 64)
        >>> UNetGenerator(dims=2, width=8, depth=4).eval()(t1).shape
        torch.Size([1, 1, 32, 64])
    """

    halo: int | None = None

    def __init__(
        self, *, dims: int, channels: int = 1, outputs: int = 1, width: int = 64, depth: int = 8,
        dropout: float = 0.5, instance: bool = False, resize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels, outputs=outputs, width=width, depth=depth)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be a share from 0 to below 1, got {dropout}")
        self.dims = dims
        self.scale = (1,) * dims
        self.multiple = 2**depth
        wide = [width * min(2**level, WIDEST) for level in range(depth)]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level in range(depth):
            top, bottom = level == 0, level == depth - 1
            above = channels if top else wide[level - 1]
            shrink = conv4(dims, above, wide[level], bias=instance)
            self.down.append(
                _step(
                    None if top else nn.LeakyReLU(0.2),
                    shrink,
                    None if top or bottom else _normed(dims, wide[level], instance),
                )
            )
            inside = wide[level] * (1 if bottom else 2)  # from below, and from across
            above = outputs if top else above
            grow = (resize_conv if resize else unconv4)(dims, inside, above, bias=instance or top)
            drop = dropout > 0 and not top and level >= depth - 3
            self.up.append(_step(
                nn.ReLU(), grow, None if top else _normed(dims, above, instance),
                nn.Dropout(dropout) if drop else None,
            ))  # fmt: skip
        start_small(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the image that belongs to ``x``."""
        check_multiple(x, self.multiple)
        across = []
        for down in self.down:
            x = down(x)
            across.append(x)
        for level in reversed(range(len(self.up))):
            bottom = level == len(self.up) - 1
            x = self.up[level](x if bottom else cat([across[level], x], 1))
        return x


def _step(*layers: nn.Module | None) -> nn.Sequential:
    """Chain the layers that there are."""
    return nn.Sequential(*(layer for layer in layers if layer is not None))


def _normed(dims: int, width: int, instance: bool) -> nn.Module:
    return instance_norm(dims, width) if instance else norm(dims, width)
