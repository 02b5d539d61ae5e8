"""Folders of pictures, one for each class, and how bright their pictures are.

Pictures of 8 bits are white at 255. Of more bits nobody says what is white: radiographs of 12 bits
lie in files of 16. All such pictures of a set are divided by one number, the largest of as many
bits as the brightest of them takes.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medacuity import formats
from medacuity.errors import MalformedInput, StorageError, UsageError
from medacuity.formats.raster import PictureHeader
from medacuity.resize import cubic, resize
from medacuity.training.labelled import PICTURES
from medacuity.utility.task import Examples

HIDDEN = (".", "__")  # how names begin of what systems and notebooks leave in folders


@dataclass(frozen=True)
class Pictures:
    """Pictures of a folder, white at 1 where they have 8 bits, else as they are.

    Shape:
        ``images`` ``(N, 1, H, W)``; ``tops`` ``(N,)``: the largest value of each picture of more
        than 8 bits, 0 for others; ``answers`` ``(N,)``.
    """

    images: Tensor
    tops: Tensor
    answers: Tensor
    patients: tuple[str, ...]

    def examples(self, white: int, *, made: bool = False) -> Examples:
        """Return the pictures in the unit range; see `white_of`."""
        scale = torch.where(self.tops > 0, max(white, 1), 1).reshape(-1, 1, 1, 1)
        return Examples((self.images / scale).clamp(0, 1), self.answers, self.patients, made=made)


def white_of(*folders: Pictures) -> int:
    """Return what is white where pictures have more than 8 bits: 4095 if 4001 is the largest value.

    0 if none of them has.
    """
    top = max(float(folder.tops.max()) for folder in folders)
    return int(2 ** math.ceil(top).bit_length() - 1)


def class_folders(data: Path) -> tuple[str, ...]:
    """Return the names of the folders of a folder, which are its classes; not of hidden ones."""
    names = (path.name for path in data.iterdir() if path.is_dir())
    classes = tuple(sorted(name for name in names if not name.startswith(HIDDEN)))
    if len(classes) < 2:
        raise UsageError(
            f"{data} must be a MedMNIST .npz or hold a folder of pictures for each of two classes "
            f"or more; it holds {len(classes)} folders"
        )
    return classes


def read_folder(folder: Path, size: int, classes: tuple[str, ...]) -> Pictures:
    """Return the pictures of every class, as squares of ``size``.

    Raises:
        StorageError: The folder of a class is not there.
        MalformedInput: There are no pictures.
    """
    found, answers, patients = [], [], []
    for label, name in enumerate(classes):
        place = folder / name
        if not place.is_dir():
            raise StorageError("the folder of a class is missing", path=place)
        for path in sorted(place.rglob("*")):
            below = path.relative_to(place)
            if path.suffix.lower() in PICTURES and not any(
                part.startswith(HIDDEN) for part in below.parts
            ):
                found.append(_picture(path, size))
                answers.append(label)
                patients.append(below.parts[0] if len(below.parts) > 1 else f"{name}/{path.stem}")
    if not found:
        raise MalformedInput("it holds no pictures", path=folder)
    images, tops = zip(*found, strict=True)
    return Pictures(torch.cat(images), torch.tensor(tops), torch.tensor(answers), tuple(patients))


def _picture(path: Path, size: int) -> tuple[Tensor, float]:
    """Return a picture ``(1, 1, size, size)``, and its largest value if that may be above 255."""
    source = formats.read(path)
    array = source.volumes[0].array[..., 0].T  # rows first, as MedMNIST has them
    small = isinstance(source.header, PictureHeader) and source.header.dtype == np.uint8
    x = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32) / (255 if small else 1))
    x = resize(x[None, None], (size, size), cubic)
    return x, 0.0 if small else max(0.0, float(array.max()))
