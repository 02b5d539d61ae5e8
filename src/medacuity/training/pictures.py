"""Photographs to learn from: the sets of the papers, and how they are reduced.

The papers' inputs are antialiased bicubic reductions (MATLAB's ``imresize``), kept in floating
point; nothing else happens to a photograph on its way.
"""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from medacuity.errors import StorageError
from medacuity.resize import bicubic
from medacuity.training.cases import Case
from medacuity.training.variety import Degradation

LICENCES = {
    "T91": "research use (T91: none stated)",
    "BSDS200": "research and education (BSDS, UC Berkeley)",
}
"""Sets the papers trained on: 91 pictures of Yang et al., 200 training pictures of BSDS."""

WATCHED = "BSDS200"  # every twentieth picture of it is kept to watch progress by
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def find_pictures(data: Path, sets: Sequence[str]) -> list[Case]:
    """Return the pictures of ``sets``, each a folder of that name in ``data``.

    Every twentieth picture of BSDS200 is kept to watch progress by, or, where that set is not
    there, every twentieth of the first.

    Raises:
        StorageError: A set is not there.
    """
    watched = WATCHED if (data / WATCHED).is_dir() else sets[0]
    cases = []
    for name in dict.fromkeys((*sets, watched)):
        for n, path in enumerate(_pictures(data / name)):
            split = "validate" if name == watched and n % 20 == 19 else "train"
            if name in sets or split == "validate":
                licence = LICENCES.get(name, "unknown")
                cases.append(Case(path, f"{name}/{path.stem}", split, licence))
    return cases


def reduced(rng: torch.Generator, *, factor: int) -> Degradation:
    """Reduce by ``factor``; nothing is drawn."""
    return partial(bicubic, scale=1 / factor)


def reduced_and_back(rng: torch.Generator, *, factors: Sequence[int]) -> Degradation:
    """Draw a factor; reduce by it and enlarge again: what networks that enlarge first are given."""
    factor = factors[int(torch.randint(len(factors), (), generator=rng))]
    return lambda x: bicubic(bicubic(x, 1 / factor), factor)


def smaller(rng: torch.Generator, *, shares: Sequence[float]) -> Degradation:
    """Draw a share of the size: the same picture from further away."""
    share = shares[int(torch.randint(len(shares), (), generator=rng))]

    def shrunk(x: Tensor) -> Tensor:
        """Return the picture at its drawn share of the size."""
        return x if math.isclose(share, 1) else bicubic(x, share)

    return shrunk


def _pictures(folder: Path) -> list[Path]:
    found = sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise StorageError(
            "this recipe trains on a set of pictures in a folder of that name, and none are there",
            path=folder,
        )
    return found
