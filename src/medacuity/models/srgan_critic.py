"""Critic of SRGAN: one score for an image, from eight convolutions and two dense layers."""

from itertools import pairwise
from math import ceil

from torch import Tensor, nn

from medacuity.models.patchgan import spectral_norm
from medacuity.nd import at_least, conv, norm


class SRGANCritic(nn.Module):
    """Say of a whole patch whether it looks like a real image.

    Pairs of convolutions, the second of which halves the image while the next doubles the
    features; then two dense layers. From Ledig et al., "Photo-Realistic Single Image
    Super-Resolution Using a Generative Adversarial Network", CVPR 2017,
    https://arxiv.org/abs/1609.04802. The score is a logit: no sigmoid. Beyond the paper:
    volumes, spectral norm, and ``size=None``, where the dense layers see the mean of every
    feature over the image. In volumes prefer that: the published dense layers hold 113 million
    weights for patches of 96.

    Args:
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels.
        size: Voxels of a patch, along every axis; None: any.
        width: Features of the first layer; 8 times as many in the last.
        spectral: Bound the gain of every layer to 1 (`spectral_norm`) instead of normalising.

    Shape:
        ``(B, channels, *S)`` -> ``(B, 1)``; ``S`` is ``size`` along every axis.

    Raises:
        ValueError: ``dims`` is not 2 or 3, a count is not a whole number >= 1, or an image has
            another size.

    Example:
        >>> import torch
        >>> SRGANCritic(dims=2, size=None, width=8)(torch.rand(2, 1, 40, 56)).shape
        torch.Size([2, 1])
    """

    def __init__(
        self, *, dims: int, channels: int = 1, size: int | None = 96, width: int = 64,
        spectral: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels, width=width, size=1 if size is None else size)
        self.dims = dims
        self.size = size
        body: list[nn.Module] = [conv(dims, channels, width, 3), nn.LeakyReLU(0.2)]
        wide = [width * 2**step for step in (0, 0, 1, 1, 2, 2, 3, 3)]
        for n, (before, after) in enumerate(pairwise(wide)):
            body.append(conv(dims, before, after, 3, stride=2 - n % 2, bias=spectral))
            body += [nn.LeakyReLU(0.2)] if spectral else [norm(dims, after), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*body)
        left = 1 if size is None else ceil(size / 16) ** dims  # four halvings
        self.dense = nn.Sequential(
            nn.Linear(wide[-1] * left, 16 * width), nn.LeakyReLU(0.2), nn.Linear(16 * width, 1)
        )
        # PyTorch's own start: from DCGAN's N(0, 0.02) the score of an MRI patch is deaf for
        # hundreds of steps, because nine small layers shrink what little differs.
        if spectral:
            spectral_norm(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return one score per image, high where it looks real."""
        check_patch(x, self.size)
        features = self.body(x).flatten(2)  # (B, 8 * width, voxels)
        out: Tensor = self.dense(features.mean(2) if self.size is None else features.flatten(1))
        return out


def check_patch(x: Tensor, size: int | None) -> None:
    """Refuse a patch that is not ``size`` voxels along every axis; None takes any."""
    if size is not None and any(n != size for n in x.shape[2:]):
        raise ValueError(
            f"the critic takes patches of {size} along every axis, got {tuple(x.shape[2:])}"
        )
