"""Small labelled pictures: what class-conditional generation learns from.

Either a MedMNIST file (``train_images``, ``train_labels``, ``val_...`` in one ``.npz``) or a folder
with a folder of pictures for every class.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medacuity import formats
from medacuity.errors import MalformedInput, StorageError, UsageError
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
    drawn, labels = [], []
    for label, name in enumerate(classes):
        for path in sorted((folder / name).iterdir()):
            if path.suffix.lower() in PICTURES and split_by_name(path.stem) == split:
                drawn.append(read_picture(path, size))
                labels.append(label)
    if not drawn:
        raise MalformedInput(f"no pictures to {split} on", path=folder)
    return torch.stack(drawn), torch.tensor(labels)


def read_picture(path: Path, size: int) -> Tensor:
    """Return a picture, black at 0 and white at 1 ``(1, size, size)``."""
    array = formats.read(path).volumes[0].array[..., 0].T  # rows first, as MedMNIST has them
    white = 65535.0 if array.dtype == np.uint16 else 255.0
    x = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32) / white)
    return resize(x[None, None], (size, size), cubic)[0].clamp(0, 1)
