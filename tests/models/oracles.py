"""Weights that others trained, put into our networks; and the pictures they were measured on."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from medacuity.metrics.protocols import luma
from medacuity.models import ESPCN, FSRCNN, SRCNN, VDSR
from medacuity.resize import bicubic

ORACLE = Path(__file__).resolve().parents[3] / "shared" / "oracle" / "weights"


def weights(name: str) -> dict[str, Tensor]:
    """Return the arrays of a file; skip where it is missing."""
    path = ORACLE / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"no weights of others here: {path.name}")
    with np.load(path, allow_pickle=False) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def vdsr(name: str, scale: int) -> nn.Module:
    """Return VDSR from a file that counts its layers, or names the first and the last."""
    theirs = weights(name)
    middle = [f"residual_layer.{n}.conv" for n in range(18)]
    counted = [f"conv{n}" for n in range(1, 21)]
    layers = counted if "conv1.weight" in theirs else ["input", *middle, "output"]
    return _filled(VDSR(scale=scale, dims=2), _pairs(theirs, layers))


def srcnn(name: str, scale: int) -> nn.Module:
    """Return SRCNN 9-1-5."""
    return _filled(SRCNN(scale=scale, dims=2), _pairs(weights(name), ["conv1", "conv2", "conv3"]))


def espcn(name: str, scale: int) -> nn.Module:
    """Return ESPCN; a file from MATLAB counts the pixels of a block column by column."""
    pairs = list(_pairs(weights(name), ["conv1", "conv2", "conv3"]))
    by_rows = torch.arange(scale**2).reshape(scale, scale).T.flatten()
    pairs[-1] = tuple(part[by_rows] for part in pairs[-1])
    return _filled(ESPCN(scale=scale, dims=2), pairs)


def fsrcnn(name: str, scale: int) -> nn.Module:
    """Return FSRCNN (56, 12, 4) from a file of numbered Caffe blobs."""
    theirs = weights(name)
    model = FSRCNN(scale=scale, dims=2)
    for n, slopes in enumerate((part for part in model.body if isinstance(part, nn.PReLU)), 1):
        slopes.weight.data.copy_(theirs[f"prelu{n}.0"])
    layers = [f"conv{n}" for n in range(1, 8)] + ["deconv"]
    return _filled(model, ((theirs[f"{layer}.0"], theirs[f"{layer}.1"]) for layer in layers))


def butterfly(data: Path, scale: int) -> tuple[Tensor, Tensor]:
    """Return MATLAB's reduced picture, and the truth: luma of 0 to 1."""
    path = data / "travel/natural/matlab_ref" / f"butterfly_x{scale}.npz"
    if not path.is_file():
        pytest.skip("no pictures here: set MEDACUITY_DATA")
    with np.load(path, allow_pickle=False) as arrays:
        low, truth = (torch.from_numpy(arrays[key] / 255) for key in ("im_l_y", "im_gt_y"))
    return low[None, None].float(), truth[None, None]


def set5(data: Path, scale: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the reduced picture, not rounded, and the truth, rounded: luma of 0 to 255."""
    paths = sorted((data / "travel/natural/Set5").glob("*.png"))
    if len(paths) != 5:
        pytest.skip("no pictures here: set MEDACUITY_DATA")
    for path in paths:
        grey = np.round(luma(np.asarray(Image.open(path).convert("RGB"))))
        height, width = (n // scale * scale for n in grey.shape)
        truth = torch.from_numpy(grey[:height, :width])[None, None]
        yield bicubic(truth, 1 / scale), truth


def _pairs(theirs: dict[str, Tensor], layers: list[str]) -> Iterator[tuple[Tensor, ...]]:
    for layer in layers:
        weight = theirs[f"{layer}.weight"]
        yield weight, theirs.get(f"{layer}.bias", torch.zeros(len(weight)))


def _filled(model: nn.Module, pairs: Iterable[tuple[Tensor, ...]]) -> nn.Module:
    """Give the convolutions their weights and biases, in the order in which they stand."""
    ours = [part for part in model.modules() if isinstance(part, nn.modules.conv._ConvNd)]
    for layer, (weight, bias) in zip(ours, pairs, strict=True):
        assert layer.weight.shape == weight.shape
        layer.weight.data.copy_(weight)
        layer.bias.data.copy_(bias)
    return model.eval().requires_grad_(False)
