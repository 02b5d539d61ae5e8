"""Pairs of MRI and PET out of anatomy alone: persons are drawn, and scanned by the simulator.

What a table of pairs needs to be trained on lies in one folder afterwards: a PET for every drawn
person, whose sidecar says what no MRI shows, such as lesions, and ``pairs.csv``, which names it
beside the MRI it belongs to. Real pairs are listed the same way.
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from medacuity import formats
from medacuity.atomic import atomic_write
from medacuity.errors import UsageError
from medacuity.physics.pet import scan
from medacuity.physics.pet_regions import parts_of, spread
from medacuity.physics.pet_scanner import Scanner
from medacuity.physics.pet_uptake import (
    FDG,
    GREY,
    Lesion,
    Person,
    Tracer,
    draw_person,
    uptake,
)
from medacuity.volume import Volume

SKULL = 12.0  # mm of scalp, bone and fluid around a brain whose skull was stripped
LESIONS = 0.25  # of persons have one
HYPO, HOT = ((8.0, 16.0), (0.5, 0.7)), ((5.0, 9.0), (1.8, 2.6))  # radius in mm, ratio

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Anatomy:
    """A head, as far as PET cares.

    Args:
        tissues: 0 outside, 1 fluid, 2 grey, 3 white.
        parts: The structure of every voxel.
        head: 1 where photons are weakened.
        grid: Where it is in the patient; its numbers do not matter.
    """

    tissues: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    head: NDArray[np.float32]
    grid: Volume


@dataclass(frozen=True)
class Subject:
    """Files of one patient: the MRI, its tissues and its labels, all on one grid."""

    patient: str
    split: str
    licence: str
    mri: Path
    tissues: Path
    labels: Path
    persons: int = 1


def anatomy(tissues: Volume, labels: Volume) -> Anatomy:
    """Return the anatomy of a tissue map (0 to 3) and a label map of MICCAI 2012.

    Raises:
        UsageError: They are not on one grid, or the tissue map has no brain.
    """
    if tissues.shape != labels.shape or not np.allclose(tissues.affine, labels.affine, atol=1e-3):
        raise UsageError("tissues and labels must lie on one grid")
    classes = np.asarray(tissues.array).round().astype(np.uint8)
    if not (classes == GREY).any() or classes.max() > 3:
        raise UsageError("a tissue map holds 0 outside, 1 fluid, 2 grey and 3 white matter")
    parts = spread(parts_of(np.asarray(labels.array).round().astype(np.int64)), classes == GREY)
    away = distance_transform_edt(classes == 0, sampling=tissues.spacing)
    return Anatomy(classes, parts, (away < SKULL).astype(np.float32), tissues)


def scanned(
    head: Anatomy, person: Person, *, tracer: Tracer = FDG, scanner: Scanner | None = None,
    rng: torch.Generator | None = None,
) -> Volume:  # fmt: skip
    """Return the PET of a person in SUV, on the scanner's own voxels."""
    spacing = head.grid.spacing
    activity = uptake(head.tissues, head.parts, tracer, person, spacing=spacing)
    found = scan(
        torch.from_numpy(activity), torch.from_numpy(head.head), scanner or Scanner(),
        spacing=spacing, rng=rng,
    )  # fmt: skip
    grid = head.grid.resampled(found.numpy())
    return Volume(grid.array, grid.affine, "SUV")


def with_lesion(
    person: Person, head: Anatomy, rng: torch.Generator, *, hot: bool | None = None
) -> Person:  # fmt: skip
    """Give a person a lesion somewhere in the grey matter."""
    grey = np.argwhere((head.tissues == GREY) & (head.parts > 0))
    place = grey[int(torch.randint(len(grey), (), generator=rng))]
    chance = bool(torch.rand((), generator=rng) < 0.5)
    (low, high), (least, most) = HOT if (chance if hot is None else hot) else HYPO
    a, b = torch.rand(2, generator=rng).tolist()
    i, j, k = (int(n) for n in place)
    lesion = Lesion((i, j, k), low + a * (high - low), least + b * (most - least))
    return replace(person, lesions=(*person.lesions, lesion))


def write_pairs(
    folder: Path, subjects: Sequence[Subject], *, tracer: Tracer = FDG,
    scanner: Scanner | None = None, seed: int = 0, lesions: float = LESIONS,
    report: Report = lambda done, of: None,
) -> Path:  # fmt: skip
    """Draw persons, scan them, and return the table of pairs.

    What is there already is kept: a person depends on the seed, the patient and its number alone.

    Args:
        folder: Where PET, table and persons go.
        subjects: Anatomies, and how many persons are drawn for each.
        tracer: What they were given.
        scanner: How they are scanned.
        seed: Decides every draw.
        lesions: Share of persons with a lesion.
        report: Told the scans done and to do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows, done = [], 0
    for number, subject in enumerate(subjects):
        sources = [formats.read(path) for path in (subject.tissues, subject.labels)]
        head = anatomy(*(source.volumes[0] for source in sources))
        for n in range(subject.persons):
            rng = torch.Generator().manual_seed((seed * 1009 + number) * 1009 + n)
            person = draw_person(tracer, rng)
            if float(torch.rand((), generator=rng)) < lesions:
                person = with_lesion(person, head, rng)
            name = f"{subject.patient}_{n}_PET.nii.gz"
            if not (folder / name).exists():
                made = scanned(head, person, tracer=tracer, scanner=scanner, rng=rng)
                found = _found(subject, name, tracer, person)
                formats.write(folder / name, [made], like=sources[0], provenance=found)
            rows.append([subject.patient, subject.split, subject.licence, str(subject.mri), name])
            done += 1
            report(done, sum(s.persons for s in subjects))
    table = io.StringIO()
    csv.writer(table).writerows([["patient", "split", "licence", "T1", "PET"], *rows])
    with atomic_write(folder / "pairs.csv") as file:
        file.write(table.getvalue().encode())
    return folder / "pairs.csv"


def _found(subject: Subject, name: str, tracer: Tracer, person: Person) -> dict[str, Any]:
    """Return what the sidecar of a simulated PET says."""
    return {
        "method": "PET simulator",
        "synthetic": True,
        "label": f"SYNTHETIC {tracer.name} PET",
        "description": f"SYNTHETIC {tracer.name} PET in SUV, simulated from labelled anatomy; no "
        "tracer was ever given. Not for diagnosis.",
        "patient": subject.patient,
        "person": asdict(person),
        "licence": subject.licence,
        "name": name,
    }
