"""Labelled pictures with a test side: a MedMNIST file, or a folder for every class."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from medacuity.errors import MalformedInput, StorageError, UsageError
from medacuity.resize import cubic, resize
from medacuity.training.labelled import PICTURES, read_medmnist, read_picture
from medacuity.utility.task import MADE_UP, Examples

KNOWN = {"pneumoniamnist": ("normal", "pneumonia")}
"""Names of the classes of MedMNIST files, which hold numbers, by how a file's name begins."""

ONE_IN = 4  # patients that are kept to test on, where nobody else has split them


@dataclass(frozen=True)
class Labelled:
    """Pictures to draw from, pictures to test on, and what their answers are called."""

    classes: tuple[str, ...]
    train: Examples
    test: Examples


def read_labelled(data: Path, size: int) -> Labelled:
    """Read a set of labelled pictures and make them squares of ``size``.

    Args:
        data: A MedMNIST ``.npz`` or a folder that holds one; or a folder with a folder of
            pictures for every class; or one with ``train`` and ``test`` that each hold such
            folders. A picture's patient is the folder it lies in below the class, or the
            picture alone. Without ``test`` one patient in four of each class, by the hash
            of the name, is kept to test on.
        size: Rows and columns.

    Raises:
        StorageError: It is not there.
        UsageError: It is no such set, or has fewer than two classes.
        MalformedInput: A file is damaged, or a class has no pictures on one side.
    """
    if not data.exists():
        raise StorageError("there are no labelled pictures", path=data)
    files = [data] if data.is_file() else sorted(data.glob("*.npz"))
    if len(files) == 1:
        found = _from_file(files[0], size)
    elif all((data / side).is_dir() for side in ("train", "test")):
        found = _from_sides(data, size)
    else:
        found = _from_classes(data, size)
    for side, examples in (("train", found.train), ("test", found.test)):
        for label, name in enumerate(found.classes):
            if int((examples.answers == label).sum()) < 2:
                raise MalformedInput(
                    f"each class takes two pictures to {side} on, {name} has fewer", path=data
                )
    return found


def read_classes(folder: Path, size: int, classes: tuple[str, ...]) -> Examples:
    """Return ready-made generated pictures, from a folder for every class."""
    return _read(folder, size, classes, mark=f"{MADE_UP}-")


def _from_file(path: Path, size: int) -> Labelled:
    sides = {}
    for side in ("train", "test"):
        x, labels = read_medmnist(path, side)
        if len(x) != labels.numel():
            raise MalformedInput(f"{len(x)} pictures and {labels.numel()} labels", path=path)
        x = resize(x, (size, size), cubic).clamp(0, 1)
        names = tuple(f"{side}-{n}" for n in range(len(x)))
        sides[side] = Examples(x, labels.flatten().long(), names)
    count = int(max(examples.answers.max() for examples in sides.values())) + 1
    told = next((names for stem, names in KNOWN.items() if path.stem.startswith(stem)), ())
    classes = told if len(told) == count else tuple(f"class {n}" for n in range(count))
    return Labelled(classes, sides["train"], sides["test"])


def _from_sides(data: Path, size: int) -> Labelled:
    classes = class_folders(data / "train")
    sides = [_read(data / side, size, classes) for side in ("train", "test")]
    shared = sorted(set(sides[0].patients) & set(sides[1].patients))
    if shared:
        raise MalformedInput(
            f"{shared[0]} is there to train and to test on; patients must be on one side",
            path=data,
        )
    return Labelled(classes, *sides)


def _from_classes(data: Path, size: int) -> Labelled:
    classes = class_folders(data)
    every = _read(data, size, classes)
    to_test = _kept(every)
    sides = (_part(every, [(name in to_test) == test for name in every.patients])
             for test in (False, True))  # fmt: skip
    return Labelled(classes, *sides)


def _kept(every: Examples) -> set[str]:
    """Return one patient in four of each class, by the hash of the name; one at least."""
    first = dict(zip(reversed(every.patients), every.answers.flip(0).tolist(), strict=True))
    kept: set[str] = set()
    for label in set(first.values()):
        own = sorted((name for name in first if first[name] == label), key=_hash)
        kept |= set(own[: max(1, len(own) // ONE_IN)])
    return kept


def _part(every: Examples, wanted: list[bool]) -> Examples:
    at = torch.tensor(wanted)
    names = tuple(name for name, each in zip(every.patients, wanted, strict=True) if each)
    return Examples(every.images[at], every.answers[at], names)


def class_folders(data: Path) -> tuple[str, ...]:
    """Return the names of the folders of a folder, which are its classes."""
    classes = tuple(sorted(path.name for path in data.iterdir() if path.is_dir()))
    if len(classes) < 2:
        raise UsageError(
            f"{data} must be a MedMNIST .npz or hold a folder of pictures for each of two classes "
            f"or more; it holds {len(classes)} folders"
        )
    return classes


def _hash(patient: str) -> str:
    return hashlib.sha256(patient.encode()).hexdigest()


def _read(folder: Path, size: int, classes: tuple[str, ...], *, mark: str = "") -> Examples:
    images, answers, patients = [], [], []
    for label, name in enumerate(classes):
        place = folder / name
        if not place.is_dir():
            raise StorageError("the folder of a class is missing", path=place)
        for path in sorted(place.rglob("*")):
            below = path.relative_to(place)
            patient = below.parts[0] if len(below.parts) > 1 else f"{name}/{path.stem}"
            if path.suffix.lower() in PICTURES:
                images.append(read_picture(path, size))
                answers.append(label)
                patients.append(f"{mark}{patient}")
    if not images:
        raise MalformedInput("it holds no pictures", path=folder)
    return Examples(torch.stack(images), torch.tensor(answers), tuple(patients))
