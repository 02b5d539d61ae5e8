"""How near an image is to the truth: PSNR, SSIM, NRMSE, MAE; one number per image.

Every figure depends on the range of intensities it is set against, so ``data_range`` is asked
for and never guessed; ``medacuity.metrics.protocols`` holds the usual choices under names.
Sums are in double precision, in pieces, whatever the dtype and size of the images.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from medacuity.errors import UsageError

K1, K2 = 0.01, 0.03
"""The constants of SSIM, as in the paper and every implementation since."""

PIECE = 2**18
"""Voxels worked on at a time: 2 MB each of a few maps, which stay in the processor's cache."""

Window = Literal["gaussian", "uniform"]


def psnr(
    prediction: Tensor, target: Tensor, *, data_range: float, mask: Tensor | None = None
) -> Tensor:
    """Return the peak signal-to-noise ratio in dB; infinite where the images are identical.

    ``10 log10(data_range^2 / MSE)``, per image of the batch. The mean over images of these
    figures is what papers print; it is not the figure of the mean error.

    Args:
        prediction: What is judged.
        target: The truth.
        data_range: Span of intensities that an error is set against.
        mask: Voxels that count; any shape that broadcasts to the images. None: all.

    Shape:
        ``(B, C, *S)`` twice -> ``(B,)``, double precision; any number of axes.

    Raises:
        UsageError: Shapes differ, the range is not above 0, or the mask is empty.

    Example:
        >>> truth = torch.rand(2, 1, 16, 16)
        >>> psnr(truth + 0.1, truth, data_range=1.0).round()
        tensor([20., 20.], dtype=torch.float64)
    """
    span = _checked_range(data_range)
    return 10 * torch.log10(span**2 / _mean(_squared, prediction, target, mask))


def nrmse(
    prediction: Tensor, target: Tensor, *, data_range: float, mask: Tensor | None = None
) -> Tensor:
    """Return the root of the mean squared error as a part of ``data_range``: 0 is perfect.

    The same information as PSNR (``-20 log10``), on a scale where half is twice as good.
    Arguments and shapes as in ``psnr``.
    """
    return _mean(_squared, prediction, target, mask).sqrt() / _checked_range(data_range)


def mae(prediction: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Return the mean absolute error, in the unit of the images (HU, SUV ...).

    Arguments and shapes as in ``psnr``.
    """
    return _mean(_absolute, prediction, target, mask)


def ssim(
    prediction: Tensor,
    target: Tensor,
    *,
    data_range: float,
    mask: Tensor | None = None,
    window: Window = "gaussian",
    exponents: tuple[float, float, float] = (1.0, 1.0, 1.0),
    sample_covariance: bool = False,
) -> Tensor:
    """Return the mean structural similarity, 1 where the images are identical.

    From Wang et al., "Image Quality Assessment: From Error Visibility to Structural
    Similarity", IEEE Transactions on Image Processing 13(4), 2004. The mean is over the
    windows that lie wholly inside the image. On volumes the window is a cube, which is another
    measure than the mean over slices: say which.

    Args:
        prediction: What is judged.
        target: The truth.
        data_range: Span of intensities; sets the constants.
        mask: Voxels whose windows count; any shape that broadcasts to the images. None: all.
        window: ``"gaussian"``: 11 voxels, standard deviation 1.5, as in the paper;
            ``"uniform"``: 7 voxels, the default of some libraries and another measure.
        exponents: Of luminance, contrast and structure (``ssim_map``).
        sample_covariance: Divide by N - 1 rather than N. The paper's figures do not.

    Shape:
        ``(B, C, *S)`` twice -> ``(B,)``, double precision; 2D and 3D, at least one window
        per axis.

    Raises:
        UsageError: As in ``psnr``, or the image is smaller than the window.

    Example:
        >>> truth = torch.rand(1, 1, 32, 32)
        >>> ssim(truth, truth, data_range=1.0)
        tensor([1.], dtype=torch.float64)
    """
    mask = _checked(prediction, target, mask)
    taps = _taps(window)
    rim = len(taps) // 2
    means = []
    for b in range(len(target)):
        total, count = torch.zeros((), dtype=torch.float64, device=target.device), 0.0
        for rows in _slabs(target.shape[2:], overlap=2 * rim):
            map_ = ssim_map(
                prediction[b : b + 1, :, rows].double(),
                target[b : b + 1, :, rows].double(),
                data_range=data_range,
                window=window,
                exponents=exponents,
                sample_covariance=sample_covariance,
            )
            if mask is not None:
                map_ = map_[_within(mask[b : b + 1, :, rows], rim)]
            total, count = total + map_.sum(), count + map_.numel()
        means.append(total / _some(count))
    return torch.stack(means)


def ssim_map(
    prediction: Tensor,
    target: Tensor,
    *,
    data_range: float,
    window: Window = "gaussian",
    exponents: tuple[float, float, float] = (1.0, 1.0, 1.0),
    sample_covariance: bool = False,
) -> Tensor:
    """Return the structural similarity around every voxel whose window is inside the image.

    ``l^alpha c^beta s^gamma`` of luminance, contrast and structure, with ``c3 = c2 / 2``;
    with all exponents 1 the last two become one fraction, the standard form. Luminance (of
    negative intensities) and structure (where the images run against each other) can be
    negative, where a power is not defined: here it is ``sign(v) |v|^exponent``, so that
    opposite structure is never rewarded and 1 gives the standard form. An exponent of 0 takes
    the term out.

    Shape:
        ``(B, C, *S)`` twice -> ``(B, C, *(S - width + 1))``, in the dtype given; it can be
        differentiated. In single precision the variances of images far from 0 lose digits.
    """
    _checked(prediction, target, None)
    taps = _taps(window)
    if min(target.shape[2:]) < len(taps):
        raise UsageError(
            f"SSIM's window needs {len(taps)} voxels along every axis, got "
            f"{tuple(target.shape[2:])}; judge slices, or use another window"
        )
    c1, c2 = ((k * _checked_range(data_range)) ** 2 for k in (K1, K2))
    n = len(taps) ** (target.ndim - 2)
    unbiased = n / (n - 1) if sample_covariance else 1.0
    x, y = prediction, target
    mx, my = _smooth(x, taps), _smooth(y, taps)
    vx = (_smooth(x * x, taps) - mx * mx) * unbiased
    vy = (_smooth(y * y, taps) - my * my) * unbiased
    vxy = (_smooth(x * y, taps) - mx * my) * unbiased
    luminance = (2 * mx * my + c1) / (mx * mx + my * my + c1)
    if exponents == (1.0, 1.0, 1.0):
        return luminance * (2 * vxy + c2) / (vx + vy + c2)
    deviations = (vx.clamp_min(0) * vy.clamp_min(0)).sqrt()  # rounding can leave -1e-17
    contrast = (2 * deviations + c2) / (vx + vy + c2)
    structure = (vxy + c2 / 2) / (deviations + c2 / 2)
    terms = zip((luminance, contrast, structure), exponents, strict=True)
    powers = [_power(term, exponent) for term, exponent in terms]
    return powers[0] * powers[1] * powers[2]


def _power(value: Tensor, exponent: float) -> Tensor:
    if exponent == 0:
        return torch.ones_like(value)
    return value.sign() * value.abs() ** exponent


def _taps(window: Window) -> list[float]:
    """Return the weights of a window along one axis; they add up to 1."""
    if window == "uniform":
        return [1 / 7] * 7
    if window != "gaussian":
        raise UsageError(f"window must be 'gaussian' or 'uniform', got {window!r}")
    bell = [math.exp(-(t * t) / (2 * 1.5**2)) for t in range(-5, 6)]
    return [value / sum(bell) for value in bell]


def _smooth(x: Tensor, taps: Sequence[float]) -> Tensor:
    """Weigh the neighbours along the spatial axes; no borders are made up.

    Shifted sums: for 11 taps in double precision three times faster than a convolution.
    """
    for axis in range(2, x.ndim):
        size = x.shape[axis] - len(taps) + 1
        smooth = x.narrow(axis, 0, size) * taps[0]
        for i, tap in enumerate(taps[1:], start=1):
            smooth = smooth.add_(x.narrow(axis, i, size), alpha=tap)
        x = smooth
    return x


def _slabs(space: Sequence[int], *, overlap: int) -> Iterator[slice]:
    """Cut the first axis into pieces that share ``overlap`` rows: every window in one piece."""
    rows = max(PIECE // math.prod(space[1:]), 2 * overlap, 1) - overlap
    for start in range(0, max(space[0] - overlap, 1), rows):
        yield slice(start, min(start + rows + overlap, space[0]))


def _within(x: Tensor, rim: int) -> Tensor:
    """Return ``x`` without the voxels nearer to a border than ``rim``."""
    for axis in range(2, x.ndim):
        x = x.narrow(axis, rim, x.shape[axis] - 2 * rim)
    return x


def _squared(error: Tensor) -> Tensor:
    return error * error


def _absolute(error: Tensor) -> Tensor:
    return error.abs()


def _mean(
    measure: Callable[[Tensor], Tensor], prediction: Tensor, target: Tensor, mask: Tensor | None
) -> Tensor:
    """Return the mean of a measure of the error per image, over the mask, piece by piece."""
    mask = _checked(prediction, target, mask)
    means = []
    for b in range(len(target)):
        total, count = torch.zeros((), dtype=torch.float64, device=target.device), 0.0
        for rows in _slabs(target.shape[2:], overlap=0):
            error = prediction[b, :, rows].double() - target[b, :, rows].double()
            if mask is not None:
                error = error[mask[b, :, rows]]
            total, count = total + measure(error).sum(), count + error.numel()
        means.append(total / _some(count))
    return torch.stack(means)


def _some(count: float) -> float:
    if count == 0:
        raise UsageError(
            "the mask must hold at least one voxel to judge in every image, it has none"
        )
    return count


def _checked(prediction: Tensor, target: Tensor, mask: Tensor | None) -> Tensor | None:
    """Refuse what does not fit together; return the mask over every channel, as a view."""
    if prediction.shape != target.shape or target.ndim < 3 or 0 in target.shape:
        raise UsageError(
            "prediction and target need one shape (batch, channels, space), got "
            f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        )
    if mask is None:
        return None
    try:
        return mask.bool().broadcast_to(target.shape)
    except RuntimeError as error:
        raise UsageError(
            f"the mask must fit images of shape {tuple(target.shape)}, got {tuple(mask.shape)}"
        ) from error


def _checked_range(data_range: float) -> float:
    if not (math.isfinite(data_range) and data_range > 0):
        raise UsageError(f"data_range must be a finite number above 0, got {data_range}")
    return float(data_range)
