"""Small labelled sets for the tests of classification."""

from pathlib import Path

import numpy as np
from PIL import Image


def pictures(count: int, bright: bool, seed: int) -> np.ndarray:
    """Return noise, with a square in the middle or without one."""
    x = np.random.default_rng(seed).integers(0, 120, (count, 28, 28))
    x[:, 9:19, 9:19] += 100 * bright
    return x.astype(np.uint8)


def write_medmnist(path: Path, *, rare: int = 8, common: int = 40) -> Path:
    """Write a MedMNIST file whose first class is rare on the training side."""
    arrays = {}
    for n, (side, counts) in enumerate(
        {"train": (rare, common), "val": (4, 4), "test": (20, 20)}.items()
    ):
        parts = [pictures(c, bool(k), 10 * n + k) for k, c in enumerate(counts)]
        arrays[f"{side}_images"] = np.concatenate(parts)
        arrays[f"{side}_labels"] = np.repeat([0, 1], counts)[:, None].astype(np.uint8)
    np.savez(path, **arrays)
    return path


def write_folders(folder: Path, *, count: int = 24, seed: int = 0) -> Path:
    """Write a folder of PNG files for each of two classes."""
    for k, name in enumerate(("clear", "square")):
        (folder / name).mkdir(parents=True)
        for n, pixels in enumerate(pictures(count, bool(k), seed + k)):
            Image.fromarray(pixels).save(folder / name / f"{n}.png")
    return folder
