"""Averages that stop at edges: what is alike around a pixel, and nothing across its border."""

import torch
from torch import Tensor

from medacuity.nd import along


def guided(x: Tensor, guide: Tensor, *, width: float, least: float) -> Tensor:
    """Return ``x`` as a line of ``guide`` around every pixel: smooth where that is smooth.

    Around each pixel ``x = a guide + b`` is fitted by least squares, with Gaussian weights, and
    the lines that meet in a pixel are averaged. Noise goes, as there are two numbers where there
    were hundreds; what is wrong with the brightness of a region stays, however thin the region
    is, and so does what is wrong with the contrast of two. He, Sun, Tang, "Guided Image
    Filtering", IEEE TPAMI 2013, with a Gaussian in place of their square window.

    Args:
        x: Image to be averaged.
        guide: Image whose edges count.
        width: Standard deviation of the Gaussian, in pixels.
        least: Contrasts of the guide below this are no edges.

    Shape:
        ``(B, C, *S)`` both -> the same.

    Example:
        >>> step = torch.cat([torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)], 3)
        >>> line = 3 * step + 1
        >>> bool((guided(line, step, width=2.0, least=1e-4) - line).abs().max() < 1e-3)
        True
    """
    mean, middle = gaussian(x, width), gaussian(guide, width)
    together = gaussian(x * guide, width) - mean * middle
    alone = (gaussian(guide * guide, width) - middle * middle).clamp(min=0)
    slope = together / (alone + least**2)
    return gaussian(slope, width) * guide + gaussian(mean - slope * middle, width)


def gaussian(x: Tensor, width: float) -> Tensor:
    """Return the mean of ``(B, C, *S)`` with Gaussian weights; a constant stays, at rims too."""
    for axis in range(2, x.ndim):
        n = torch.arange(x.shape[axis], device=x.device, dtype=x.dtype)
        weights = torch.exp(-(((n[:, None] - n) / width) ** 2) / 2)
        x = along(x, weights / weights.sum(1, keepdim=True), axis)
    return x
