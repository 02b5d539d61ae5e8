"""Named ways of measuring: which voxels count, which range, which window; nothing is guessed.

The same pair of images gives PSNRs several dB apart under different habits, so a figure says
nothing without its protocol. Each protocol here is one, and every record it returns carries the
``data_range`` it used.

============== ======================================= ====================== ================
name           voxels                                  range                  SSIM window
============== ======================================= ====================== ================
``paper``      per slice, a border of ``scale`` off,   255                    11 x 11 Gaussian
               both images rounded to 8 bits
``volume``     all                                     of the truth           7 per axis, flat
``gaussian3d`` all                                     of the truth           11 per axis,
                                                                              Gaussian
``head``       inside ``head_mask``                    99.9th percentile of   11 x 11 Gaussian
                                                       the truth, from 0
``slices``     per slice, then the mean over slices    of the truth           11 x 11 Gaussian
============== ======================================= ====================== ================

Slices are cut across the array axis nearest to head-foot, or across the axis with one voxel,
which is a picture. "Of the truth" is ``truth_range``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from medacuity.errors import UnsafeGeometry, UsageError
from medacuity.metrics.fidelity import mae, nrmse, psnr, ssim
from medacuity.volume import Volume, world_order

PERCENTILE = 99.9
"""The brightest voxels (vessels, artefacts) do not set the range: the upper end of most of it."""

HEAD_SIGMA, HEAD_LEVEL = 2.0, 0.08
"""The head: truth smoothed by 2 voxels, above 8 % of its 99.9th percentile."""

SAME_GRID_MM = 0.01

Record = dict[str, float]
"""Name of a figure -> its value; ``data_range`` among them."""

Measure = Callable[[NDArray[np.float64], NDArray[np.float64]], Record]


@dataclass(frozen=True)
class Protocol:
    """One way of measuring, with its name and what to print beside its figures.

    Args:
        name: As the command line knows it.
        summary: Which voxels, which range, which window, in one line.
        measure: From prediction and truth, slices along the last axis, to the figures.
    """

    name: str
    summary: str
    measure: Measure

    def __call__(self, prediction: Volume | NDArray[Any], truth: Volume | NDArray[Any]) -> Record:
        """Return ``psnr`` (dB), ``ssim``, ``nrmse``, ``mae`` (the truth's unit), ``data_range``.

        Args:
            prediction: What is judged, on the truth's grid.
            truth: Volumes know where the head is; of bare arrays the last axis is head-foot.

        Raises:
            UsageError: Shapes differ, the truth is empty of signal, or too small to judge.
            UnsafeGeometry: Prediction and truth lie at different places in the patient.
        """
        check_same_grid(prediction, truth)
        axis = slice_axis(truth)
        return self.measure(*(_slices_last(v, axis) for v in (prediction, truth)))

    def __str__(self) -> str:
        return f"{self.name}: {self.summary}"


def protocol(name: str, *, scale: int | Sequence[int] | None = None) -> Protocol:
    """Return the protocol of a name.

    Args:
        name: One of ``PROTOCOLS``.
        scale: Voxels to take off each border of a slice, for all axes or one per axis of the
            slice; ``paper`` needs it, the others do not look.

    Example:
        >>> print(protocol("volume"))
        volume: all voxels; range of the truth; SSIM in a flat window of 7 voxels per axis
    """
    if name not in PROTOCOLS:
        raise UsageError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {name!r}")
    if name != "paper":
        return PROTOCOLS[name]
    if scale is None:
        raise UsageError("protocol 'paper' needs the scale: it crops that many voxels")
    return paper(scale)


def paper(scale: int | Sequence[int]) -> Protocol:
    """Return the protocol of the super-resolution papers, for luma of 0 to 255.

    Both images are rounded to 8 bits, ``scale`` voxels are taken off every border, the peak
    is 255. Figures are comparable with the papers' when the low-resolution image was made by
    the antialiased bicubic from luma (``medacuity.resize``).
    """
    border = (scale, scale) if isinstance(scale, int) else tuple(scale)
    if len(border) != 2 or min(border) < 0:
        raise UsageError(f"scale needs one number, or one per axis of a slice, got {scale}")
    return Protocol(
        "paper",
        f"8-bit luma, border of {max(border)} voxels off; range 255; SSIM in 11 x 11 Gaussian",
        partial(_paper, border=border),
    )


def luma(rgb: NDArray[Any]) -> NDArray[np.float64]:
    """Return the luma of the papers, 16 to 235, unrounded: BT.601, studio range.

    Args:
        rgb: ``(..., 3)``, 0 to 255.
    """
    weights = np.array([65.481, 128.553, 24.966]) / 255
    return np.asarray(16.0 + np.asarray(rgb, np.float64) @ weights)


def truth_range(truth: NDArray[Any]) -> float:
    """Return the span of the truth: from its lowest value, or 0, to its 99.9th percentile.

    For MRI that is the percentile; for CT in HU it starts at air.
    """
    low = min(0.0, float(truth.min()))
    return _positive(float(np.percentile(truth, PERCENTILE)) - low)


def head_mask(truth: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where the head is, holes filled: of an MRI, or of any image with a dark ground.

    The truth is smoothed by a Gaussian of 2 voxels in all three axes (along an axis of one
    voxel that changes nothing) and cut at 8 % of its 99.9th percentile. Holes are filled in
    3D, and then slice by slice along the last axis, as a stack cut from a head is open above
    and below.

    Args:
        truth: ``(I, J, K)``, slices along the last axis.
    """
    level = HEAD_LEVEL * float(np.percentile(truth, PERCENTILE))
    smooth = ndimage.gaussian_filter(truth.astype(np.float32), HEAD_SIGMA)
    filled = ndimage.binary_fill_holes(smooth > level)
    for k in range(filled.shape[2]):
        filled[:, :, k] = ndimage.binary_fill_holes(filled[:, :, k])
    return np.asarray(filled, dtype=np.bool_)


def slice_axis(truth: Volume | NDArray[Any]) -> int:
    """Return the axis across which slices are cut: the one with one voxel, else head-foot."""
    single = [axis for axis, n in enumerate(truth.shape) if n == 1]
    if len(single) == 1:
        return single[0]
    return world_order(truth.affine)[2] if isinstance(truth, Volume) else 2


def check_same_grid(prediction: Volume | NDArray[Any], truth: Volume | NDArray[Any]) -> None:
    """Refuse to compare what does not lie on one grid in the patient."""
    if prediction.shape != truth.shape or len(truth.shape) != 3:
        raise UsageError(
            f"prediction and truth need one shape of 3 axes, got {prediction.shape} and "
            f"{truth.shape}"
        )
    if isinstance(prediction, Volume) and isinstance(truth, Volume):
        corners = np.array(np.meshgrid(*[[0, n - 1] for n in truth.shape], [1])).reshape(4, -1)
        moved = np.linalg.norm(((prediction.affine - truth.affine) @ corners)[:3], axis=0)
        if moved.max() > SAME_GRID_MM:
            raise UnsafeGeometry(
                f"prediction and truth must lie on one grid, they are {moved.max():.3g} mm "
                "apart; resample one onto the other"
            )


def _slices_last(volume: Volume | NDArray[Any], axis: int) -> NDArray[np.float64]:
    array = volume.array if isinstance(volume, Volume) else volume
    return np.moveaxis(np.asarray(array, dtype=np.float64), axis, 2)


def _paper(
    prediction: NDArray[np.float64], truth: NDArray[np.float64], *, border: tuple[int, int]
) -> Record:
    inner = tuple(slice(b, n - b) for b, n in zip(border, truth.shape[:2], strict=True))
    x, y = (np.clip(np.rint(v[inner]), 0, 255) for v in (prediction, truth))
    return _means(_stack(x), _stack(y), 255.0)


def _volume(
    prediction: NDArray[np.float64], truth: NDArray[np.float64], *, gaussian: bool
) -> Record:
    """Judge all voxels at once; a picture, which has two axes, in two."""
    x, y = (_tensor(v.squeeze()[None, None]) for v in (prediction, truth))
    span = truth_range(truth)
    similarity = (
        ssim(x, y, data_range=span)
        if gaussian
        else ssim(x, y, data_range=span, window="uniform", sample_covariance=True)
    )
    return {
        "psnr": psnr(x, y, data_range=span).item(),
        "ssim": similarity.item(),
        "nrmse": nrmse(x, y, data_range=span).item(),
        "mae": mae(x, y).item(),
        "data_range": span,
    }


def _slices(prediction: NDArray[np.float64], truth: NDArray[np.float64]) -> Record:
    """Judge the slices that hold anything; an empty one that stays empty is no achievement."""
    span = truth_range(truth)
    x, y = _stack(prediction), _stack(truth)
    filled = (y.amax((1, 2, 3)) > y.amin((1, 2, 3))).nonzero().flatten()
    return {**_means(x[filled], y[filled], span), "slices": float(len(filled))}


def _head(prediction: NDArray[np.float64], truth: NDArray[np.float64]) -> Record:
    """Judge the voxels of the head together; SSIM of the slices that hold a part of it."""
    span = _positive(float(np.percentile(truth, PERCENTILE)))
    inside = head_mask(truth)
    x, y, mask = (_tensor(v[None, None]) for v in (prediction, truth, inside))
    return {
        "psnr": psnr(x, y, data_range=span, mask=mask).item(),
        "ssim": _similarity_inside(_stack(prediction), _stack(truth), _stack(inside), span),
        "nrmse": nrmse(x, y, data_range=span, mask=mask).item(),
        "mae": mae(x, y, mask=mask).item(),
        "data_range": span,
        "voxels": float(inside.sum()),
    }


def _similarity_inside(x: Tensor, y: Tensor, mask: Tensor, span: float) -> float:
    """Return the mean of SSIM over all voxels of the mask, slice by slice."""
    seen = mask[..., 5:-5, 5:-5].sum((1, 2, 3)).double()
    some = seen > 0
    values = ssim(x[some], y[some], data_range=span, mask=mask[some])
    return ((values * seen[some]).sum() / seen.sum()).item()


def _means(x: Tensor, y: Tensor, span: float) -> Record:
    """Return the means over slices of each slice's figures."""
    return {
        "psnr": psnr(x, y, data_range=span).mean().item(),
        "ssim": ssim(x, y, data_range=span).mean().item(),
        "nrmse": nrmse(x, y, data_range=span).mean().item(),
        "mae": mae(x, y).mean().item(),
        "data_range": span,
    }


def _stack(array: NDArray[Any]) -> Tensor:
    return _tensor(np.moveaxis(array, 2, 0)[:, None])  # (I, J, K) -> (K, 1, I, J)


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


def _positive(span: float) -> float:
    if not span > 0:
        raise UsageError(f"the truth must hold some signal, its range is {span:g}")
    return span


PROTOCOLS: Mapping[str, Protocol] = {
    "paper": paper(0),
    "volume": Protocol(
        "volume",
        "all voxels; range of the truth; SSIM in a flat window of 7 voxels per axis",
        partial(_volume, gaussian=False),
    ),
    "gaussian3d": Protocol(
        "gaussian3d",
        "all voxels; range of the truth; SSIM in a Gaussian window of 11 voxels per axis",
        partial(_volume, gaussian=True),
    ),
    "head": Protocol(
        "head",
        "voxels of the head; range: the truth's 99.9th percentile; SSIM in 11 x 11 Gaussian",
        _head,
    ),
    "slices": Protocol(
        "slices",
        "mean over slices; range of the truth, one for all slices; SSIM in 11 x 11 Gaussian",
        _slices,
    ),
}
"""Every protocol by its name; ``paper`` stands for a family, one per scale (``protocol``)."""
