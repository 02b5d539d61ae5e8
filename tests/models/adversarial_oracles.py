"""The adversarial networks once more, for slices, as their authors nest them.

Written apart from ours, from the papers and the layout of the authors' code, to compare with.
"""

import torch
from torch import Tensor, nn


class Ring(nn.Module):
    """One halving and one doubling around an inner part; what came in is put before the result."""

    def __init__(
        self, outer: int, inner: int, *, within: nn.Module | None, channels: int | None = None
    ) -> None:
        super().__init__()
        top, bottom = channels is not None, within is None
        down = [nn.Conv2d(channels or outer, inner, 4, 2, 1, bias=False)]
        down = down if top else [nn.LeakyReLU(0.2), *down]
        down += [] if top or bottom else [nn.BatchNorm2d(inner)]
        wide = inner if bottom else 2 * inner
        up = [nn.ReLU(), nn.ConvTranspose2d(wide, outer, 4, 2, 1, bias=top)]
        up += [] if top else [nn.BatchNorm2d(outer)]
        self.body = nn.Sequential(*down, *([within] if within else []), *up)
        self.top = top

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out if self.top else torch.cat([x, out], 1)


def unet(channels: int, outputs: int, *, width: int, depth: int) -> nn.Module:
    """Return pix2pix's generator without tanh and dropout, built from the inside."""
    wide = [width * min(2**level, 8) for level in range(depth)]
    ring: nn.Module | None = None
    for level in range(depth - 1, 0, -1):
        ring = Ring(wide[level - 1], wide[level], within=ring)
    return Ring(outputs, wide[0], within=ring, channels=channels)


class Block(nn.Module):
    """A residual block between mirrored edges."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
        other = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
        self.body = nn.Sequential(*half, nn.ReLU(), *other)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


def resnet(channels: int, outputs: int, *, width: int, blocks: int) -> nn.Module:
    """Return CycleGAN's generator without tanh."""
    w = width
    down = [nn.Conv2d(channels, w, 7), nn.InstanceNorm2d(w), nn.ReLU()]
    for n in (w, 2 * w):
        down += [nn.Conv2d(n, 2 * n, 3, 2, 1), nn.InstanceNorm2d(2 * n), nn.ReLU()]
    up: list[nn.Module] = []
    for n in (2 * w, w):
        up += [nn.ConvTranspose2d(2 * n, n, 3, 2, 1, output_padding=1)]
        up += [nn.InstanceNorm2d(n), nn.ReLU()]
    middle = [Block(4 * w) for _ in range(blocks)]
    mirror = nn.ReflectionPad2d(3)
    return nn.Sequential(mirror, *down, *middle, *up, mirror, nn.Conv2d(w, outputs, 7))


def patchgan(channels: int, *, width: int) -> nn.Module:
    """Return the critic of patches of 70."""
    w = width
    body = [nn.Conv2d(channels, w, 4, 2, 1), nn.LeakyReLU(0.2)]
    for n, more, stride in ((w, 2 * w, 2), (2 * w, 4 * w, 2), (4 * w, 8 * w, 1)):
        body += [nn.Conv2d(n, more, 4, stride, 1, bias=False)]
        body += [nn.BatchNorm2d(more), nn.LeakyReLU(0.2)]
    return nn.Sequential(*body, nn.Conv2d(8 * w, 1, 4, 1, 1))


def srgan_critic(channels: int, *, width: int, size: int) -> nn.Module:
    """Return SRGAN's critic without its sigmoid."""
    w = width
    body = [nn.Conv2d(channels, w, 3, 1, 1), nn.LeakyReLU(0.2)]
    for n, more, stride in (
        (w, w, 2), (w, 2 * w, 1), (2 * w, 2 * w, 2), (2 * w, 4 * w, 1),
        (4 * w, 4 * w, 2), (4 * w, 8 * w, 1), (8 * w, 8 * w, 2),
    ):  # fmt: skip
        body += [nn.Conv2d(n, more, 3, stride, 1, bias=False)]
        body += [nn.BatchNorm2d(more), nn.LeakyReLU(0.2)]
    dense = nn.Linear(8 * w * (size // 16) ** 2, 16 * w)
    return nn.Sequential(*body, nn.Flatten(), dense, nn.LeakyReLU(0.2), nn.Linear(16 * w, 1))
