"""Patients of `pet.py`: MRI, tissues, and PETs of several persons; methods without a network."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from medacuity import formats
from medacuity.intensity import Percentile
from medacuity.regrid import onto
from medacuity.training.pet_pairs import Anatomy, anatomy
from medacuity.volume import Volume

Image = NDArray[np.float32]
SEEN_MM = 5.8  # full width of what the scanner passes, smoothing included


@dataclass
class Patient:
    """A test or training patient: the MRI, its tissues and labels, and PETs of several persons."""

    name: str
    mri: Volume
    tissues: Volume
    labels: Volume
    pets: list[Volume]
    persons: list[dict[str, Any]]

    @property
    def grid(self) -> Volume:
        return self.pets[0]

    def seen(self, volume: Volume) -> Image:
        """Return a volume at the voxels of the PET."""
        return onto(volume, self.grid).array

    @cached_property
    def head(self) -> Anatomy:
        return anatomy(self.tissues, self.labels)

    @cached_property
    def mean(self) -> Image:
        """Return the mean PET of its persons."""
        return np.mean([pet.array for pet in self.pets], 0)

    @cached_property
    def brain(self) -> NDArray[np.bool_]:
        """Return where there is brain, on the PET's grid."""
        whole = Volume((self.tissues.array > 0).astype(np.float32), self.mri.affine)
        return self.seen(whole) > 0.5

    @cached_property
    def unit(self) -> Image:
        """Return the T1 over its range, at the PET's voxels."""
        over = Percentile().of(self.mri.array).to_unit(self.mri.array)
        return self.seen(Volume(over, self.mri.affine))

    @cached_property
    def fractions(self) -> Image:
        """Return fluid, grey and white of the segmentation, as blurred as the scanner sees them."""
        sigma = SEEN_MM / 2.3548 / np.array(self.mri.spacing)
        kinds = (gaussian_filter((self.tissues.array == k).astype("f4"), sigma) for k in (1, 2, 3))
        return np.stack([self.seen(Volume(kind, self.mri.affine)) for kind in kinds])

    @cached_property
    def parts(self) -> NDArray[np.int64]:
        """Return the structure of each voxel, both sides alike; -1 is none."""
        here = np.indices(self.grid.shape).reshape(3, -1)
        way = np.linalg.solve(self.mri.affine, self.grid.affine)
        at = way[:3, :3] @ here + way[:3, 3:]
        found = map_coordinates(self.head.parts, at, order=0).reshape(self.grid.shape)
        return (found.astype(np.int64) - 1) // 2


Made = tuple[Image, Image | None]
"""A PET, and half of its interval where a method knows one."""


def patient(subject: Any, pairs: Path) -> Patient:
    """Read a patient and all persons drawn for it."""
    sources = [formats.read(path).volumes[0] for path in (subject.tissues, subject.labels)]
    with (pairs / "pairs.csv").open(newline="", encoding="utf-8") as file:
        names = [row["PET"] for row in csv.DictReader(file) if row["patient"] == subject.patient]
    pets = [replace(formats.read(pairs / name).volumes[0], unit="SUV") for name in names]
    persons = [json.loads((pairs / name.replace(".nii.gz", ".json")).read_text())["person"]
               for name in names]  # fmt: skip
    mri = formats.read(subject.mri).volumes[0]
    return Patient(subject.patient, mri, *sources, pets, persons)


def baselines(train: list[Patient]) -> dict[str, Callable[[Patient], Made]]:
    """Return methods without a network, fitted on the mean persons of patients to learn from."""
    x, y = (np.concatenate([v[p.brain] for p, v in of], dtype=np.float64) for of in (
        [(p, p.unit) for p in train], [(p, p.mean) for p in train]))  # fmt: skip
    levels = np.linspace(0, 1, 257)
    edges = np.quantile(x, levels)
    middle = (edges[1:] + edges[:-1]) / 2
    place = np.clip(np.searchsorted(edges, x) - 1, 0, 255)
    mean = np.bincount(place, y, 256) / np.maximum(np.bincount(place, minlength=256), 1)
    slope, offset = np.polyfit(x, y, 1)
    shares = np.concatenate([p.fractions[:, p.brain].T for p in train])
    weights = np.linalg.lstsq(shares, y, rcond=None)[0]
    return {
        "matched histograms": lambda p: (mapped(p, edges, np.quantile(y, levels)), None),
        "best line": lambda p: (np.where(p.brain, slope * p.unit + offset, 0), None),
        "mean at each brightness": lambda p: (mapped(p, middle, mean), None),
        "tissue means, blurred": lambda p: (np.tensordot(weights, p.fractions, 1), None),
        "template": lambda p: (template(p, train), None),
    }


def mapped(p: Patient, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> Image:
    """Apply a curve to the brain; the air stays air."""
    return np.where(p.brain, np.interp(p.unit, xs, ys), 0).astype(np.float32)


def template(p: Patient, train: list[Patient]) -> Image:
    """Return the mean PET of other people, each brain stretched onto this one's box."""
    total = np.zeros(p.grid.shape)
    for other in train:
        ends = [np.array([(w.min(), w.max()) for w in np.nonzero(q.brain)]).T for q in (p, other)]
        scale = (ends[1][1] - ends[1][0]) / (ends[0][1] - ends[0][0])
        at = (np.indices(p.grid.shape).T - ends[0][0]) * scale + ends[1][0]
        total += map_coordinates(other.mean, at.T, order=1)
    return (total / len(train)).astype(np.float32)
