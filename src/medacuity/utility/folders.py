"""Folders of pictures, one for each class; what is white in them is decided as in training."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from medacuity.errors import MalformedInput, StorageError, UsageError
from medacuity.training.labelled import PICTURES, in_unit, read_picture, white_at
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
        images = in_unit(self.images, self.tops, white)
        return Examples(images, self.answers, self.patients, made=made)


def white_of(*folders: Pictures) -> int:
    """Return what is white in folders that make up one set; see `white_at`."""
    return white_at(torch.cat([folder.tops for folder in folders]))


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
                found.append(read_picture(path, size))
                answers.append(label)
                patients.append(below.parts[0] if len(below.parts) > 1 else f"{name}/{path.stem}")
    if not found:
        raise MalformedInput("it holds no pictures", path=folder)
    images, tops = zip(*found, strict=True)
    return Pictures(torch.cat(images), torch.tensor(tops), torch.tensor(answers), tuple(patients))
