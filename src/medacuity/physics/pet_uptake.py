"""What a tracer does in a brain: uptake by tissue and structure, and how people differ.

Every person has one scale (dose, weight, blood sugar), a factor for each structure, most of
which both sides share, and perhaps lesions. None of it can be seen in an MRI: it is what no
network can know. Where the figures come from stands beside them; those that are choices of
ours say so.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from medacuity.errors import UsageError
from medacuity.physics.pet_regions import DEEP, STRUCTURES, part_of

CSF, GREY, WHITE = 1, 2, 3
"""Values of a tissue map; 0 is outside."""


@dataclass(frozen=True)
class Tracer:
    """Mean uptake, and its spread between people.

    Args:
        name: What it is called.
        level: SUV of ordinary grey matter, before any scanner blurs it.
        white: Of white matter, over that of ordinary grey.
        csf: Of fluid, likewise.
        structures: Of structures that differ from ordinary grey, likewise.
        between: Coefficient of variation of the scale between people.
        regional: Coefficient of variation of a structure's ratio between people.
        shared: Share of the regional variance that left and right have in common.
    """

    name: str
    level: float
    white: float
    csf: float
    structures: Mapping[str, float] = field(default_factory=dict)
    between: float = 0.18
    regional: float = 0.06
    shared: float = 0.8

    def __post_init__(self) -> None:
        unknown = set(self.structures) - set(STRUCTURES)
        if unknown:
            raise UsageError(f"no structure is called {', '.join(sorted(unknown))}")
        numbers = (self.level, self.white, self.csf, self.between, self.regional)
        if not (all(0 <= n < math.inf for n in numbers) and 0 <= self.shared <= 1):
            raise UsageError("a tracer's uptakes and spreads must be >= 0, its shared part a share")


FDG = Tracer(
    "FDG",
    level=9.0,
    white=0.30,
    csf=0.05,
    structures={
        "visual": 1.15, "lateral occipital": 1.05, "precuneus": 1.12, "posterior cingulate": 1.12,
        "sensorimotor": 1.05, "lateral frontal": 1.05, "inferior parietal": 1.04,
        "anterior cingulate": 0.95, "insula": 0.97, "superior temporal": 0.98,
        "lateral temporal": 0.92, "temporal pole": 0.82, "fusiform": 0.92,
        "parahippocampal": 0.75, "hippocampus": 0.72, "amygdala": 0.70, "basal forebrain": 0.80,
        "putamen": 1.15, "caudate": 1.08, "accumbens": 1.0, "pallidum": 0.70, "thalamus": 1.05,
        "ventral diencephalon": 0.60, "brain stem": 0.52, "cerebellum": 0.82, "vermis": 0.85,
    },
)  # fmt: skip
"""Like fluorodeoxyglucose.

Measured by others: SUV of the cerebrum 9.14 +- 1.83 and of the cerebellum 6.80 +- 1.21 in 22 to
32 year olds ("Normal patterns of regional brain 18F-FDG uptake in normal aging", Hell. J. Nucl.
Med. 2018), which is a spread of 18 %; pons over cerebellum 0.65 +- 0.054 and over occipital lobe
0.51 +- 0.056 (Jansen et al., EJNMMI Research 2014, 4:8), the former being 8.3 %, which two
structures of 6 % each give. Primary visual cortex is highest; anterior cingulate, lateral and
mesial temporal cortex and pons are low (Guo et al., J. Nucl. Med. 2019, abstract 3032); precuneus
and precentral gyrus are high (CMRglc in 21 men of 21 to 83 years, 6.2 mg/100 g/min, against 2.6 in
the centrum semiovale). Grey over white is 7.30 to 3.41 where a scanner of 1980 had blurred it
(Huang et al., Am. J. Physiol. 238, E69). No difference between hemispheres was found by Heiss et
al. (J. Cereb. Blood Flow Metab. 1984). Choices of ours: the exact ratios between these, 0.30 for
white matter before blurring, and the part that both sides share.
"""

RECEPTOR = Tracer(
    "receptor",
    level=1.4,
    white=0.65,
    csf=0.1,
    structures={
        "putamen": 4.3, "caudate": 4.1, "accumbens": 3.0, "pallidum": 2.2, "thalamus": 1.25,
        "ventral diencephalon": 1.0, "brain stem": 0.75, "amygdala": 1.1, "hippocampus": 0.9,
        "cerebellum": 0.70, "vermis": 0.70, "insula": 1.05,
    },
    regional=0.12,
)  # fmt: skip
"""Like a ligand of D2 receptors: high in the striatum, next to nothing elsewhere.

The ratios are rounded to the look of a group's raclopride map; the spreads are choices of ours.
"""

TRACERS: Mapping[str, Tracer] = {"fdg": FDG, "receptor": RECEPTOR}


@dataclass(frozen=True)
class Lesion:
    """A ball in which uptake is multiplied, whatever the tissue; an MRI does not show it.

    Args:
        centre: Voxel at its centre.
        radius: In mm.
        ratio: Below 1: hypometabolism; above: a hot lesion.
    """

    centre: tuple[int, int, int]
    radius: float
    ratio: float


@dataclass(frozen=True)
class Person:
    """How somebody differs from the mean.

    Args:
        scale: Of all uptake.
        factors: Of every part, by its number; 0 is white matter.
        lesions: Where uptake is not what the anatomy says.
    """

    scale: float = 1.0
    factors: tuple[float, ...] = (1.0,) * (2 * len(STRUCTURES) + 1)
    lesions: tuple[Lesion, ...] = ()


def draw_person(tracer: Tracer, rng: torch.Generator) -> Person:
    """Draw somebody; factors are log-normal, so that none is below 0."""
    sigma = math.sqrt(math.log1p(tracer.regional**2))
    both, own = math.sqrt(tracer.shared), math.sqrt(1 - tracer.shared)
    common = torch.randn(len(STRUCTURES), generator=rng).repeat_interleave(2)
    single = torch.randn(2 * len(STRUCTURES), generator=rng)
    logs = torch.cat([torch.randn(1, generator=rng), both * common + own * single])
    spread = math.sqrt(math.log1p(tracer.between**2))
    scale = math.exp(spread * float(torch.randn((), generator=rng)) - spread**2 / 2)
    factors = torch.exp(sigma * logs - sigma**2 / 2)
    return Person(scale, tuple(factors.tolist()))


def uptake(
    tissues: NDArray[np.integer], parts: NDArray[np.uint8], tracer: Tracer,
    person: Person | None = None, *, spacing: Sequence[float] = (1.0, 1.0, 1.0),
) -> NDArray[np.float32]:  # fmt: skip
    """Return the SUV of every voxel, as no scanner would see it.

    Args:
        tissues: 0 outside, 1 fluid, 2 grey, 3 white.
        parts: The structure of every voxel (`pet_regions`). Where it names one and the tissue is
            fluid, as it often is at the rim of the cortex, half of the voxel is taken for grey.
        tracer: Means.
        person: Departures from them; None: the mean person.
        spacing: mm between voxels, for the size of lesions.

    Example:
        >>> tissues, parts = np.array([[[0, 1, 2, 3]]]), np.zeros((1, 1, 4), np.uint8)
        >>> uptake(tissues, parts, Tracer("any", 10.0, white=0.25, csf=0.05))
        array([[[ 0. ,  0.5, 10. ,  2.5]]], dtype=float32)
    """
    if tissues.shape != parts.shape:
        raise UsageError(f"tissues and parts must be one grid, got {tissues.shape}, {parts.shape}")
    person = person or Person()
    ratios, deep = _tables(tracer, person)
    structure = np.where(parts > 0, ratios[parts], 1.0)
    like_grey = (tissues == GREY) | ((tissues == WHITE) & deep[parts])
    other = np.array([0.0, tracer.csf, 1.0, tracer.white * person.factors[0]])
    share = np.where(like_grey, structure, other[np.clip(tissues, 0, WHITE)])
    rim = (tissues == CSF) & (parts > 0)
    share = np.where(rim, (structure + share) / 2, share)
    out: NDArray[np.float32] = (tracer.level * person.scale * share).astype(np.float32)
    for lesion in person.lesions:
        out *= 1 + (lesion.ratio - 1) * inside(lesion, out.shape, spacing)
    return out


def inside(
    lesion: Lesion, shape: Sequence[int], spacing: Sequence[float]
) -> NDArray[np.float32]:  # fmt: skip
    """Return 1 in a lesion and 0 beyond it."""
    lines = [
        ((np.arange(n) - c) * mm) ** 2
        for n, c, mm in zip(shape, lesion.centre, spacing, strict=True)
    ]
    squares = lines[0][:, None, None] + lines[1][:, None] + lines[2]
    ball: NDArray[np.float32] = (squares <= lesion.radius**2).astype(np.float32)
    return ball


def _tables(tracer: Tracer, person: Person) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the uptake of every part over ordinary grey, and whether its label overrules."""
    ratios, deep = np.ones(256), np.zeros(256, bool)
    for name in STRUCTURES:
        for side in (0, 1):
            part = part_of(name, side)
            ratios[part] = tracer.structures.get(name, 1.0) * person.factors[part]
            deep[part] = name in DEEP
    return ratios, deep
