"""Structures of the brain that take up a tracer alike, by the labels of MICCAI 2012.

The numbers are those of the MICCAI 2012 challenge on multi-atlas labelling (BrainCOLOR
protocol), in which OASIS scans are labelled; from 100 on the right is even and the left next.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

PAIRS: Mapping[str, tuple[tuple[int, int], ...]] = {
    "accumbens": ((23, 30),),
    "amygdala": ((31, 32), (33, 34)),
    "caudate": ((36, 37),),
    "cerebellum": ((38, 39),),
    "hippocampus": ((47, 48),),
    "pallidum": ((55, 56),),
    "putamen": ((57, 58),),
    "thalamus": ((59, 60),),
    "basal forebrain": ((76, 75),),
    "ventral diencephalon": ((61, 62),),
}
MIDDLE: Mapping[str, tuple[int, ...]] = {"brain stem": (35,), "vermis": (71, 72, 73)}
CORTEX: Mapping[str, tuple[int, ...]] = {
    "visual": (108, 114, 134, 156, 160, 188),
    "lateral occipital": (128, 144, 196),
    "precuneus": (168,),
    "posterior cingulate": (166,),
    "middle cingulate": (110, 138),
    "anterior cingulate": (100,),
    "inferior parietal": (106, 174, 194),
    "superior parietal": (198,),
    "sensorimotor": (148, 150, 176, 182, 192),
    "lateral frontal": (118, 126, 142, 162, 204),
    "superior frontal": (120, 152, 190),
    "medial frontal": (140, 186),
    "orbitofrontal": (104, 124, 130, 136, 146, 158, 164, 178),
    "insula": (102, 112, 172),
    "superior temporal": (180, 184, 200, 206),
    "lateral temporal": (132, 154),
    "temporal pole": (202,),
    "fusiform": (122,),
    "parahippocampal": (116, 170),
}
"""Numbers of the right side."""

STRUCTURES: tuple[str, ...] = (*PAIRS, *MIDDLE, *CORTEX)
"""All names, in the order of the parts' numbers."""

DEEP = frozenset(
    (
        "accumbens",
        "caudate",
        "pallidum",
        "putamen",
        "thalamus",
        "brain stem",
        "ventral diencephalon",
    )
)
"""Where the label says more than the brightness: much of their grey looks white in T1."""


def part_of(structure: str, side: int) -> int:
    """Return the number of a structure on the right (0) or left (1); 0 is no structure.

    Example:
        >>> part_of("accumbens", 0), part_of("accumbens", 1), part_of("amygdala", 0)
        (1, 2, 3)
    """
    return 2 * STRUCTURES.index(structure) + side + 1


def parts_of(labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return the part that every voxel of a label map belongs to; 0 where it is none.

    Example:
        >>> parts_of(np.array([0, 44, 23, 30, 108, 109])) == [0, 0, 1, 2, 25, 26]
        array([ True,  True,  True,  True,  True,  True])
    """
    table = np.zeros(256, np.uint8)
    for name, pairs in PAIRS.items():
        for pair in pairs:
            table[list(pair)] = part_of(name, 0), part_of(name, 1)
    for name, numbers in MIDDLE.items():
        table[list(numbers)] = part_of(name, 0)
    for name, rights in CORTEX.items():
        for number in rights:
            table[[number, number + 1]] = part_of(name, 0), part_of(name, 1)
    return np.asarray(table[np.clip(labels, 0, 255).astype(np.uint8)])


def spread(parts: NDArray[np.uint8], grey: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Give grey voxels without a part that of the nearest voxel that has one.

    Example:
        >>> spread(np.array([0, 0, 3, 0, 0, 5], np.uint8), np.array([0, 1, 1, 1, 0, 0], bool))
        array([0, 3, 3, 3, 0, 5], dtype=uint8)
    """
    missing = grey & (parts == 0)
    if not (missing.any() and (parts > 0).any()):
        return parts
    nearest = distance_transform_edt(parts == 0, return_distances=False, return_indices=True)
    filled = parts.copy()
    filled[missing] = parts[tuple(nearest[:, missing])]
    return filled
