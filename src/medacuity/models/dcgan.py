"""DCGAN: images out of numbers drawn by chance, and the critic they are to convince."""

from itertools import pairwise

from torch import Tensor, cat, nn

from medacuity.models.patchgan import spectral_norm
from medacuity.models.srgan_critic import check_patch
from medacuity.nd import at_least, conv4, norm, resize_conv, start_small, unconv4

WIDEST = 8  # times the features at half of the full size
START = 4  # voxels along an axis that the numbers are turned into


class DCGANGenerator(nn.Module):
    """Turn a vector of chance into an image, doubling it from 4 voxels to ``size``.

    From Radford et al., "Unsupervised Representation Learning with Deep Convolutional
    Generative Adversarial Networks", ICLR 2016, https://arxiv.org/abs/1511.06434. Departing from
    it: an image is doubled by repeating its voxels before an ordinary convolution. Where a
    transposed convolution has an odd kernel, or simply has not learned otherwise, neighbouring
    voxels are sums of different weights, and a checkerboard lies over the image that a critic
    spends its time on; here they are the same sums from the start. ``resize=False`` is the
    published way, with kernels of 4 as in the authors' code. The last layer is linear, for the
    unit range [0, 1], where the paper has a tanh for [-1, 1]. Beyond the paper: volumes, and
    classes, whose learned vector is set beside that of chance.

    Args:
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        size: Voxels along every axis: 8, 16, 32, ...
        outputs: Image channels coming out.
        latent: Numbers drawn by chance, each from N(0, 1).
        width: Features at half of the full size; twice as many at every size below, up to 8 times.
        classes: Kinds of image that can be asked for; 0: no labels.
        resize: Repeat voxels and convolve, rather than transposed convolutions.

    Shape:
        ``(B, latent)``, and labels ``(B,)`` from 0 to ``classes - 1`` -> ``(B, outputs, *S)``.
        The output is not clipped to [0, 1].

    Raises:
        ValueError: ``dims`` is not 2 or 3, ``size`` is no power of two from 8 on, a count is not
            a whole number >= 1, or labels are missing or not asked for.

    Example:
        >>> import torch
        >>> labels = torch.tensor([0, 2])
        >>> DCGANGenerator(dims=2, size=32, width=8, classes=3)(torch.randn(2, 100), labels).shape
        torch.Size([2, 1, 32, 32])
    """

    def __init__(
        self, *, dims: int, size: int = 64, outputs: int = 1, latent: int = 100,
        width: int = 64, classes: int = 0, resize: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, outputs=outputs, latent=latent)
        at_least(0, classes=classes)
        self.dims, self.size, self.latent, self.classes = dims, size, latent, classes
        wide = widths(size, width)[::-1]
        double = resize_conv if resize else unconv4
        self.label = nn.Embedding(classes, latent) if classes else None
        start = wide[0] * START**dims
        self.project = nn.Linear(latent * (2 if classes else 1), start, bias=False)
        layers: list[nn.Module] = [norm(dims, wide[0]), nn.ReLU()]
        for before, after in pairwise(wide):
            layers += [double(dims, before, after, bias=False), norm(dims, after), nn.ReLU()]
        self.body = nn.Sequential(*layers, double(dims, wide[-1], outputs))
        start_small(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return one image for every row of ``z``, of the kind its label asks for."""
        _check_labels(self.classes, labels)
        if self.label is not None:
            z = cat([z, self.label(labels)], 1)
        out: Tensor = self.body(self.project(z).reshape(len(z), -1, *[START] * self.dims))
        return out


class DCGANCritic(nn.Module):
    """Say of a whole image whether it is real, and of the kind it is said to be.

    The generator's way backwards: halve the image down to 4 voxels, then one dense layer. From
    the same paper, with kernels of 4 as in the authors' code. Labels are judged by projection
    (Miyato and Koyama, "cGANs with Projection Discriminator", ICLR 2018,
    https://arxiv.org/abs/1802.05637): what the image shows, in the mean over its voxels, times
    the vector of its label is added to the score. The score is a logit: no sigmoid.

    Args:
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        size: Voxels along every axis: 8, 16, 32, ...
        channels: Image channels.
        width: Features after the first layer; twice as many after each, up to 8 times.
        classes: Kinds of image; 0: no labels.
        spectral: Bound the gain of every layer to 1 (`spectral_norm`) instead of normalising.
        spread: Show the last layer how much each feature differs over the batch, so that a
            generator cannot make one image over and over; after Karras et al., "Progressive
            Growing of GANs for Improved Quality, Stability, and Variation", ICLR 2018, where
            it is the mean of that over all features.

    Shape:
        ``(B, channels, *S)``, and labels ``(B,)`` -> ``(B, 1)``.

    Raises:
        ValueError: ``dims`` is not 2 or 3, ``size`` is no power of two from 8 on, a count is not
            a whole number >= 1, an image has another size, or labels are missing or not asked for.

    Example:
        >>> import torch
        >>> DCGANCritic(dims=3, size=16, width=8)(torch.rand(2, 1, 16, 16, 16)).shape
        torch.Size([2, 1])
    """

    def __init__(
        self, *, dims: int, size: int = 64, channels: int = 1, width: int = 64,
        classes: int = 0, spectral: bool = False, spread: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels)
        at_least(0, classes=classes)
        self.dims, self.size, self.classes, self.spread = dims, size, classes, spread
        wide = widths(size, width)
        layers: list[nn.Module] = [conv4(dims, channels, width), nn.LeakyReLU(0.2)]
        for before, after in pairwise(wide):
            layers.append(conv4(dims, before, after, bias=spectral))
            layers += [nn.LeakyReLU(0.2)] if spectral else [norm(dims, after), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)
        self.dense = nn.Linear(wide[-1] * START**dims * (2 if spread else 1), 1)
        self.label = nn.Embedding(classes, wide[-1]) if classes else None
        start_small(self)
        if self.label is not None and not self.label.weight.is_meta:
            nn.init.normal_(self.label.weight, 0.0, 0.02)  # no class favoured at the start
        if spectral:
            spectral_norm(self)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return one score per image, high where it looks real and fits its label."""
        _check_labels(self.classes, labels)
        check_patch(x, self.size)
        features = self.body(x).flatten(2)  # (B, C, voxels)
        score: Tensor = self.dense(self._seen(features))
        if self.label is not None:
            score = score + (features.mean(2) * self.label(labels)).sum(1, keepdim=True)
        return score

    def _seen(self, features: Tensor) -> Tensor:
        """Return what the last layer sees: features, and how much they differ in the batch."""
        flat = features.flatten(1)
        if not self.spread:
            return flat
        differ = flat.float().var(0, correction=0).add(1e-8).sqrt()
        return cat([flat, differ.to(flat.dtype).expand_as(flat)], 1)


def widths(size: int, width: int) -> list[int]:
    """Return the features at half of ``size``, a quarter, and so on down to 4 voxels.

    Example:
        >>> widths(64, 64)
        [64, 128, 256, 512]
    """
    at_least(1, width=width)
    if type(size) is not int or size < 2 * START or size & (size - 1):
        raise ValueError(f"size must be a power of two, {2 * START} or more, got {size}")
    return [width * min(2**n, WIDEST) for n in range((size // START).bit_length() - 1)]


def _check_labels(classes: int, labels: Tensor | None) -> None:
    if classes and labels is None:
        raise ValueError(f"labels must say which of the {classes} classes, got none")
    if not classes and labels is not None:
        raise ValueError("labels need a network with classes, got classes=0")
