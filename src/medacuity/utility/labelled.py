"""Labelled pictures with a test side: a MedMNIST file, or a folder for every class."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from medacuity.errors import MalformedInput, StorageError
from medacuity.resize import cubic, resize
from medacuity.training.labelled import read_medmnist
from medacuity.utility.folders import class_folders, read_folder, white_of
from medacuity.utility.task import Examples

KNOWN = {"pneumoniamnist": ("normal", "pneumonia")}
"""Names of the classes of MedMNIST files, which hold numbers, by how a file's name begins."""

ONE_IN = 4  # patients that are kept to test on, where nobody else has split them
FEWEST = 2  # of them, where a class has four or more


@dataclass(frozen=True)
class Labelled:
    """Pictures to draw from, pictures to test on, and what their answers are called.

    Args:
        classes: Names of the answers.
        train: To draw from.
        test: To test on.
        white: What is white where pictures have more than 8 bits; 0: none of them has.
    """

    classes: tuple[str, ...]
    train: Examples
    test: Examples
    white: int = 0


def read_labelled(data: Path, size: int) -> Labelled:
    """Read a set of labelled pictures and make them squares of ``size``.

    Args:
        data: A MedMNIST ``.npz`` or a folder that holds one; or a folder with a folder of
            pictures for every class; or one with ``train`` and ``test`` that each hold such
            folders. A picture's patient is the folder it lies in below the class, or the
            picture alone. Without ``test`` one patient in four of each class, by the hash
            of the name, is kept to test on, two of four to seven.
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
            count = int((examples.answers == label).sum())
            if count < FEWEST:
                raise MalformedInput(
                    f"each class takes {FEWEST} pictures to {side} on, {name} has {count}; without "
                    f"folders train and test, {2 * FEWEST} patients of each class are enough",
                    path=data,
                )
    return found


def read_classes(folder: Path, size: int, classes: tuple[str, ...], *, white: int = 0) -> Examples:
    """Return ready-made generated pictures, from a folder for every class.

    Args:
        folder: Holds the folders.
        size: Rows and columns.
        classes: Names of the folders.
        white: Of the real pictures, see `Labelled`.

    Raises:
        StorageError: The folder of a class is not there.
        MalformedInput: Pictures have more than 8 bits, and others than the real ones.
    """
    found = read_folder(folder, size, classes)
    top = float(found.tops.max())
    if white and top and not white / 4 < top <= white:
        raise MalformedInput(
            f"generated pictures have values up to {top:g}, where white is {white} in the real "
            "ones; write them on one scale, or with 8 bits",
            path=folder,
        )
    return found.examples(white or white_of(found), made=True)


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
    folders = [read_folder(data / side, size, classes) for side in ("train", "test")]
    white = white_of(*folders)
    train, test = (folder.examples(white) for folder in folders)
    shared = sorted(set(train.patients) & set(test.patients))
    if shared:
        raise MalformedInput(
            f"{shared[0]} is there to train and to test on; patients must be on one side",
            path=data,
        )
    return Labelled(classes, train, test, white)


def _from_classes(data: Path, size: int) -> Labelled:
    classes = class_folders(data)
    folder = read_folder(data, size, classes)
    white = white_of(folder)
    every = folder.examples(white)
    to_test = _kept(every)
    train, test = (_part(every, [(name in to_test) == kept for name in every.patients])
                   for kept in (False, True))  # fmt: skip
    return Labelled(classes, train, test, white)


def _kept(every: Examples) -> set[str]:
    """Return one patient in four of each class, by the hash of the name; see `FEWEST`."""
    first = dict(zip(reversed(every.patients), every.answers.flip(0).tolist(), strict=True))
    kept: set[str] = set()
    for label in set(first.values()):
        own = sorted((name for name in first if first[name] == label), key=_hash)
        fewest = FEWEST if len(own) >= 2 * FEWEST else 1
        kept |= set(own[: max(fewest, len(own) // ONE_IN)])
    return kept


def _part(every: Examples, wanted: list[bool]) -> Examples:
    at = torch.tensor(wanted)
    names = tuple(name for name, each in zip(every.patients, wanted, strict=True) if each)
    return Examples(every.images[at], every.answers[at], names)


def _hash(patient: str) -> str:
    return hashlib.sha256(patient.encode()).hexdigest()
