"""The protocol of the super-resolution papers, and the weights it is applied to.

Luma of 8 bits, reduced in floating point, luma / 255 into the network, the result rounded to 8
bits, a border of ``scale`` pixels off, peak 255, the mean over pictures.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from medacuity.checkpoint import Card, load_weights, read_card, shipped
from medacuity.errors import StorageError
from medacuity.metrics.fidelity import psnr, ssim
from medacuity.metrics.protocols import luma
from medacuity.nd import channels_last
from medacuity.resize import bicubic

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")

Luma = NDArray[np.float64]
"""``(height, width)``, whole numbers of 0 to 255."""


class Score(NamedTuple):
    """Means over pictures."""

    psnr: float
    ssim: float

    def __str__(self) -> str:
        return f"{self.psnr:.2f}/{self.ssim:.4f}".replace("/0.", "/.")


def find_set(data: Path, name: str) -> list[Luma]:
    """Return the pictures of a set below ``data``, or of any folder."""
    places = [data / "travel/natural" / name, data / name, Path(name)]
    for folder in places:
        found = sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES)
        if found:
            return [_luma(Image.open(path)) for path in found]
    raise StorageError(f"no pictures lie in {', '.join(map(str, places))}")


def score(model: nn.Module | None, pictures: Sequence[Luma], scale: int) -> Score:
    """Return the mean PSNR and SSIM of a network, or of bicubic enlargement (None)."""
    marks = []
    for picture in pictures:
        height, width = (n // scale * scale for n in picture.shape)
        truth = torch.from_numpy(picture[:height, :width])[None, None]
        result = enlarged(model, bicubic(truth, 1 / scale), scale).round().clamp(0, 255)
        inside = (..., slice(scale, -scale), slice(scale, -scale))
        pair = result[inside], truth[inside]
        marks.append([float(mark(*pair, data_range=255)) for mark in (psnr, ssim)])
    return Score(*np.mean(marks, axis=0).tolist())


@torch.inference_mode()
def enlarged(model: nn.Module | None, x: Tensor, scale: int) -> Tensor:
    """Return luma ``(1, 1, H, W)`` of 0 to 255, enlarged by a network that knows it over 255."""
    if model is None:
        return bicubic(x, scale)
    unit = (x / 255).float().contiguous(memory_format=torch.channels_last)
    result: Tensor = model(unit)
    return result.double() * 255


def trained(name: str, scale: int, folder: Path | None) -> tuple[nn.Module, Card] | None:
    """Return a network by the name of its weights, in a folder or shipped; None: there is none."""
    own = folder / f"{name}.safetensors" if folder else None
    path = own if own and own.is_file() else shipped().get(name)
    if path is None or (scale, scale) not in read_card(path).served:
        return None
    found = load_weights(path, scale=(scale, scale))
    return channels_last(found.model, 2), found.card


def _luma(picture: Image.Image) -> Luma:
    """Return luma of 8 bits; what is grey is luma already."""
    if picture.mode in ("L", "1", "LA"):
        return np.asarray(picture.convert("L"), np.float64)
    return np.rint(luma(np.asarray(picture.convert("RGB"))))
