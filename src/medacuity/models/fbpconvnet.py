"""FBPConvNet: a U-Net that takes streaks and noise out of a filtered back-projection."""

import torch
from torch import Tensor, cat, nn

from medacuity.nd import POOL, at_least, check_multiple, conv, norm, unconv


class FBPConvNet(nn.Module):
    """Predict what filtered back-projection of few views, or of little dose, has added.

    What a missing view does to an image is a streak from edge to edge of it, and a U-Net sees
    that far: the image is halved ``depth`` times and doubled back, each step beside the features
    of its own size on the way down, and what comes out is added to the image. From Jin et al.,
    "Deep Convolutional Neural Network for Inverse Problems in Imaging", IEEE TIP 2017,
    https://arxiv.org/abs/1611.03679, as in the authors' code: three convolutions at full size,
    two at the others, batch norm throughout. Beyond the paper: volumes, any width and depth,
    images that are seen beside the one that is corrected, and a last layer that starts at zero,
    so that training starts at the image that is corrected.

    Args:
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels, the same going in and coming out.
        width: Features at full size; they double at each halving. The paper's are 64.
        depth: Halvings; 4 in the paper.
        beside: Further channels going in, which are seen and not added to; none in the paper.

    Shape:
        ``(B, channels + beside, *S)`` -> ``(B, channels, *S)``; ``S`` multiples of ``2**depth``.

    Attributes:
        halo: None: it sees too far for tiles to be worth it.
        multiple: Input sizes must be multiples of this, ``2**depth``.

    Raises:
        ValueError: ``dims`` is not 2 or 3, a count is not a whole number >= 1, or a size is no
            multiple.

    Example:
        >>> import torch
        >>> FBPConvNet(dims=2, width=8, depth=3)(torch.rand(1, 1, 32, 64)).shape
        torch.Size([1, 1, 32, 64])
    """

    halo: int | None = None

    def __init__(
        self, *, dims: int, channels: int = 1, width: int = 64, depth: int = 4, beside: int = 0
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels, width=width, depth=depth)
        at_least(0, beside=beside)
        self.dims, self.channels = dims, channels
        self.scale = (1,) * dims
        self.multiple = 2**depth
        self.pool = POOL[dims](2)
        widths = [width * 2**n for n in range(depth + 1)]
        self.down = nn.ModuleList([_steps(dims, channels + beside, width, 3)])
        self.down.extend(_steps(dims, w // 2, w, 2) for w in widths[1:])
        self.enlarge = nn.ModuleList(_enlarge(dims, w) for w in widths[:0:-1])
        self.up = nn.ModuleList(_steps(dims, w, w // 2, 2) for w in widths[:0:-1])
        self.last = conv(dims, width, channels, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return the first ``channels`` of ``x`` without streaks and noise."""
        check_multiple(x, self.multiple)
        features, kept = x, []
        for n, step in enumerate(self.down):
            features = step(self.pool(features) if n else features)
            kept.append(features)
        for enlarge, step, beside in zip(self.enlarge, self.up, kept[-2::-1], strict=True):
            features = step(cat([beside, enlarge(features)], 1))
        out: Tensor = x[:, : self.channels] + self.last(features)
        return out

    def steady(self, x: Tensor) -> Tensor:
        """Return the mean over the eight ways to turn and mirror slices, as EDSR+ has it.

        No way is more likely than another, and what the network makes up of each by itself
        cancels: it costs eight times as much and is worth it.
        """
        if self.dims != 2:
            raise ValueError(f"slices can be turned, got a network of {self.dims} dimensions")
        made = torch.zeros_like(x[:, : self.channels])
        for turns in range(4):
            for mirror in ((), (3,)):
                seen = torch.rot90(x, turns, (2, 3)).flip(mirror)
                made = made + torch.rot90(self(seen).flip(mirror), -turns, (2, 3)) / 8
        return made


def _steps(dims: int, inputs: int, outputs: int, count: int) -> nn.Sequential:
    """Return convolutions 3 wide, each with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for n in range(count):
        layers += [conv(dims, outputs if n else inputs, outputs, 3), norm(dims, outputs), nn.ReLU()]
    return nn.Sequential(*layers)


def _enlarge(dims: int, width: int) -> nn.Sequential:
    doubled = unconv(dims, width, width // 2, 3, stride=(2,) * dims)
    return nn.Sequential(doubled, norm(dims, width // 2), nn.ReLU())
