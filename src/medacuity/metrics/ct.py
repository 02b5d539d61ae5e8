"""CT in Hounsfield units: bias in tissues, what contrast can be seen, and whether shapes agree.

``medacuity.metrics.resolution`` has the noise power spectrum and the MTF; PSNR and SSIM of
``fidelity`` take images through `windowed` first, and the window's width as their range.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from medacuity.errors import UsageError

WINDOWS: Mapping[str, tuple[float, float]] = {
    "full": (-1024.0, 3072.0),
    "soft tissue": (-160.0, 240.0),
    "lung": (-1350.0, 150.0),
}
"""Lowest and highest HU that a reader is shown; all else is as dark or bright as these."""

TISSUES: Mapping[str, tuple[float, float]] = {
    "lung": (-950.0, -700.0),
    "fat": (-130.0, -70.0),
    "soft tissue": (0.0, 100.0),
    "bone": (300.0, 2000.0),
}
"""HU of the truth by which voxels are told apart."""

SEEN = 3.29
"""Standard deviations between two means that are told apart with 95 % confidence either way."""


def windowed(x: Tensor, window: tuple[float, float]) -> Tensor:
    """Return the image as a reader sees it in a window: nothing below, nothing above."""
    low, high = window
    if not low < high:
        raise UsageError(f"a window needs low < high in HU, got {low:g} and {high:g}")
    return x.clamp(low, high)


def rmse(prediction: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Return the root of the mean squared error, in HU.

    Shape:
        ``(B, C, *S)`` twice -> ``(B,)``, double precision.
    """
    return _mean((prediction.double() - target.double()) ** 2, mask).sqrt()


def bias(prediction: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Return the mean of prediction minus target, in HU: 0 is unbiased, however noisy.

    Shape:
        ``(B, C, *S)`` twice -> ``(B,)``, double precision; NaN where the mask is empty.
    """
    return _mean(prediction.double() - target.double(), mask)


def tissue(target: Tensor, name: str, *, rim: int = 2) -> Tensor:
    """Return where the truth is of a tissue, and so are all neighbours up to ``rim`` pixels.

    At borders every method errs by blur, which is no bias of its numbers; the rim keeps them
    out.

    Args:
        target: ``(B, C, I, J)`` in HU.
        name: ``lung``, ``fat``, ``soft tissue`` or ``bone``.
        rim: Pixels.
    """
    if name not in TISSUES:
        raise UsageError(f"no tissue is called {name!r}; take {', '.join(TISSUES)}")
    low, high = TISSUES[name]
    found = (target >= low) & (target <= high)
    for axis in (2, 3):
        width = 2 * rim + 1
        if found.shape[axis] < width:
            return torch.zeros_like(found)
        inner = found.unfold(axis, width, 1).all(-1)
        found = torch.zeros_like(found)
        found.narrow(axis, rim, inner.shape[axis]).copy_(inner)
    return found


def contrast_to_noise(x: Tensor, *, inside: Tensor, outside: Tensor) -> Tensor:
    """Return the difference of two regions' means over the noise of the outer one.

    Shape:
        ``(B, C, I, J)`` and masks of that shape or one that broadcasts -> ``(B,)``.
    """
    ground = _mean(x.double(), outside)
    spread = _mean((x.double() - ground.reshape(-1, 1, 1, 1)) ** 2, outside).sqrt()
    return (_mean(x.double(), inside) - ground) / spread


def smallest_contrast(x: Tensor, *, spacing: tuple[float, float], diameter: float) -> Tensor:
    """Return the least contrast in HU at which a disc of ``diameter`` mm is seen in a flat region.

    The means of squares as large as the disc scatter; 3.29 of their standard deviations are
    what a disc must differ by, to be told from nothing with 95 % confidence both ways. (The
    statistical method, https://www.lcdlab.org/projects/lcd-with-statistical-method.) Smoothing
    that only hides noise does not lower it as it lowers the noise.

    Args:
        x: A region where there should be nothing, with room for 8 squares or more.
        spacing: Pixel in mm.
        diameter: Of the disc, in mm.

    Shape:
        ``(B, 1, I, J)`` -> ``(B,)``, double precision.
    """
    side = [max(1, round(diameter * math.sqrt(math.pi) / 2 / mm)) for mm in spacing]
    rows, columns = (n // k for n, k in zip(x.shape[2:], side, strict=True))
    if rows * columns < 8:
        raise UsageError(
            f"the region has room for {rows * columns} squares as large as a disc of "
            f"{diameter:g} mm, and 8 are needed: take a larger region or a smaller disc"
        )
    cut = x[:, :, : rows * side[0], : columns * side[1]].double()
    means = cut.reshape(len(x), -1, rows, side[0], columns, side[1]).mean((1, 3, 5))
    return SEEN * means.flatten(1).std(1)


def matthews(prediction: Tensor, target: Tensor) -> Tensor:
    """Return Matthews' correlation of two segmentations: 1 alike, 0 chance, -1 contrary.

    The score of the Helsinki Tomography Challenge 2022.

    Shape:
        ``(B, C, *S)`` of booleans twice -> ``(B,)``, double precision; 0 where one is all of
        a kind.
    """
    a, b = prediction.bool().flatten(1), target.bool().flatten(1)
    if a.shape != b.shape:
        raise UsageError(f"segmentations need one shape, got {prediction.shape}, {target.shape}")
    both, ours, theirs = ((m.double().mean(1)) for m in (a & b, a, b))
    spread = (ours * (1 - ours) * theirs * (1 - theirs)).sqrt()
    return torch.where(spread > 0, (both - ours * theirs) / spread.clamp(min=1e-300), 0.0)


def otsu(x: Tensor) -> Tensor:
    """Return the threshold that splits each image's values into the two tightest classes.

    Otsu, "A Threshold Selection Method from Gray-Level Histograms", 1979, over 256 steps.

    Shape:
        ``(B, C, *S)`` -> ``(B, 1, 1, 1)`` or as many axes as ``x`` has.
    """
    return torch.stack([_otsu(image.flatten()) for image in x]).reshape(-1, *[1] * (x.ndim - 1))


def _otsu(values: Tensor) -> Tensor:
    low, high = values.min(), values.max()
    counts = torch.histc(values.float(), 256).double().to(values.device)
    centres = low + (torch.arange(256, device=values.device) + 0.5) * (high - low) / 256
    below = counts.cumsum(0)
    share, mean = below / below[-1], (counts * centres).cumsum(0) / below[-1]
    between = (mean[-1] * share - mean) ** 2 / (share * (1 - share)).clamp(min=1e-12)
    return centres[between.argmax()]


def _mean(x: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return x.flatten(1).mean(1)
    kept = mask.expand_as(x)
    return torch.where(kept, x, 0.0).flatten(1).sum(1) / kept.flatten(1).sum(1)
