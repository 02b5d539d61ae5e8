"""Small labelled pictures: what class-conditional generation learns from.

Either a MedMNIST file (``train_images``, ``train_labels``, ``val_...`` in one ``.npz``) or a folder
with a folder of pictures for every class.

Pictures of 8 bits are white at 255. Of more bits nobody says what is white: radiographs of 12 bits
lie in files of 16. All such pictures of a set are divided by one number, the largest of as many
bits as the brightest of them takes.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medacuity import formats
from medacuity.errors import MalformedInput, StorageError, UsageError
from medacuity.formats.raster import PictureHeader
from medacuity.resize import cubic, resize
from medacuity.training.cases import Case, split_by_name

SIDES = {"train": "train", "validate": "val"}  # our names, and MedMNIST's
LICENCES = {"pneumoniamnist": "CC BY 4.0 (MedMNIST v2)"}
"""Terms of sets that are known, by how their file's name begins."""

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


def find_labelled(data: Path, classes: Sequence[str]) -> list[Case]:
    """Return a case for each side of the split, from a MedMNIST file or a folder per class.

    Args:
        data: A ``.npz``, a folder that holds one, or a folder with a folder for every class.
        classes: Names of the classes, in the order of their labels.
    """
    if not data.exists():
        raise StorageError("there are no labelled pictures", path=data)
    if all((data / name).is_dir() for name in classes):
        return [Case(data, side, side) for side in SIDES]
    files = [data] if data.suffix == ".npz" else sorted(data.glob("*.npz"))
    if len(files) != 1:
        raise UsageError(
            f"{data} must be a MedMNIST .npz, hold one, or hold the folders {', '.join(classes)}; "
            f"found {len(files)} .npz files"
        )
    stem = files[0].stem
    licence = next((terms for name, terms in LICENCES.items() if stem.startswith(name)), "unknown")
    return [Case(files[0], f"{stem}-{side}", side, licence) for side in SIDES]


def make_labelled(case: Case, *, classes: Sequence[str], size: int) -> tuple[Tensor, Tensor]:
    """Return pictures of one side of the split, black at 0 and white at 1, and their labels.

    Shape:
        ``(N, 1, size, size)`` and ``(N, 1)``.
    """
    if case.path.is_dir():
        x, labels = _from_folders(case.path, case.split, classes, size)
    else:
        x, labels = read_medmnist(case.path, SIDES[case.split])
        x = resize(x, (size, size), cubic).clamp(0, 1)
    if len(x) == 0 or len(x) != len(labels):
        raise MalformedInput(f"{len(x)} pictures and {len(labels)} labels", path=case.path)
    if int(labels.max()) >= len(classes):
        raise MalformedInput(
            f"labels go up to {int(labels.max())}, the recipe knows {len(classes)} classes",
            path=case.path,
        )
    return x, labels.reshape(-1, 1).float()


def read_medmnist(path: Path, side: str) -> tuple[Tensor, Tensor]:
    """Return pictures of a side, ``train``, ``val`` or ``test``, as they are, and their labels.

    Shape:
        ``(N, 1, H, W)`` and ``(N,)`` or ``(N, 1)``.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            images, labels = (arrays[f"{side}_{what}"] for what in ("images", "labels"))
    except (OSError, KeyError, ValueError) as error:
        raise MalformedInput(f"not a MedMNIST file with {side} pictures", path=path) from error
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise MalformedInput(
            f"pictures must be 8-bit, (N, H, W), got {images.dtype} {images.shape}", path=path
        )
    x = torch.from_numpy(images.astype(np.float32) / 255)
    if x.ndim == 4:  # colours
        x = x.mean(-1)
    return x[:, None], torch.from_numpy(labels.astype(np.int64))


def _from_folders(
    folder: Path, split: str, classes: Sequence[str], size: int
) -> tuple[Tensor, Tensor]:
    drawn, tops, labels, sides = [], [], [], []
    for label, name in enumerate(classes):
        for path in sorted((folder / name).iterdir()):
            if path.suffix.lower() in PICTURES:
                x, top = read_picture(path, size)
                drawn.append(x)
                tops.append(top)
                labels.append(label)
                sides.append(split_by_name(path.stem) == split)
    if not any(sides):
        raise MalformedInput(f"no pictures to {split} on", path=folder)
    chosen, brightest = torch.tensor(sides), torch.tensor(tops)
    # Both sides together tell what is white, so that it is the same in either.
    x = in_unit(torch.cat(drawn), brightest, white_at(brightest))
    return x[chosen], torch.tensor(labels)[chosen]


def read_picture(path: Path, size: int) -> tuple[Tensor, float]:
    """Return a picture ``(1, 1, size, size)``, and its largest value if that may be above 255.

    A picture of 8 bits is white at 1, and 0 is its largest value; any other is as it is.
    """
    source = formats.read(path)
    array = source.volumes[0].array[..., 0].T  # rows first, as MedMNIST has them
    small = isinstance(source.header, PictureHeader) and source.header.dtype == np.uint8
    x = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32) / (255 if small else 1))
    x = resize(x[None, None], (size, size), cubic)
    return x, 0.0 if small else max(0.0, float(array.max()))


def white_at(tops: Tensor) -> int:
    """Return what is white where pictures have more than 8 bits: 4095 if 4001 is the largest value.

    0 if none of them has.
    """
    return int(2 ** math.ceil(float(tops.max())).bit_length() - 1)


def in_unit(images: Tensor, tops: Tensor, white: int) -> Tensor:
    """Return pictures black at 0 and white at 1, as `read_picture` gives them and their tops.

    Args:
        images: ``(N, 1, H, W)``.
        tops: ``(N,)``.
        white: Of the set that they belong to.
    """
    scale = torch.where(tops > 0, max(white, 1), 1).reshape(-1, 1, 1, 1)
    return (images / scale).clamp(0, 1)
