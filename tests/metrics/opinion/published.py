"""Tables of ratings that others have printed results for, read from the folder of real data."""

import ast
import csv
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SHROUT_FLEISS = np.array([
    [9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7],
], dtype=float)  # fmt: skip
"""Six targets and four judges: Shrout & Fleiss (1979), table 2."""


def matrix(path: Path) -> NDArray[np.float64]:
    """Return a bare matrix of a P.910 or BT.500 demo; layers are parted by a line of commas."""
    layers: list[list[list[float]]] = [[]]
    with path.open(newline="") as file:
        for row in csv.reader(file):
            if any(row):
                layers[-1].append([float(cell) for cell in row])
            else:
                layers.append([])
    return np.moveaxis(np.array(layers), 0, -1)


def printed(readme: Path) -> dict[str, NDArray[np.float64]]:
    """Return the numbers that a demo's README prints, by name."""
    text = readme.read_text()
    return {
        name: np.array(ast.literal_eval(numbers))
        for name, numbers in re.findall(r"'(\w+)': (\[.*?\])", text, re.DOTALL)
    }


def nflx(folder: Path) -> NDArray[np.float64]:
    """Return the NFLX public scores: 79 videos, 26 raters."""
    with (folder / "travel" / "mos" / "nflx_public_raw_scores.csv").open(newline="") as file:
        _, *rows = csv.reader(file)
    return np.array([[float(cell) for cell in row[4:]] for row in rows])


def corrupted(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores of which the first five raters' are shuffled, as sureal's tests do it."""
    found, rng = scores.copy(), np.random.RandomState(0)  # the old generator, to the bit
    for rater in range(5):
        rng.shuffle(found[:, rater])
    return found
