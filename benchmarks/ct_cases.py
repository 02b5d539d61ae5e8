"""Cases of two CT patients in LoDoPaB's geometry, for the CT benchmarks and for training.

    python benchmarks/ct_cases.py --data ../shared/data

prints what there is. A case is an axial slice: the middle 26 cm of the patient on 362 x 362
pixels of 0.718 mm, in HU. What a scanner measures of it is simulated from pixels half as large,
so that no method finds its own pixels again, with a seed of its own for every slice: a slice is
measured alike whichever others it comes with.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor

from medacuity import formats
from medacuity.degrade_ct import across_the_body
from medacuity.physics.dose import Attenuation, low_dose
from medacuity.physics.geometry import Geometry, Grid, lodopab, parallel
from medacuity.physics.radon import Radon
from medacuity.resize import linear, resize
from medacuity.sinograms import Sinogram

PATIENTS = {
    "chest": "bulk/ct/lidc0314_chest_every10.nii.gz",
    "abdomen": "bulk/ct/totalseg_abdomen_3mm.nii.gz",
}
"""Patient LIDC-IDRI-0314 (0.78 mm), and TotalSegmentator's example (3 mm, made finer)."""

FINE = 2
HIGHEST = 3071.0
PHOTONS = 4096.0
FEW = 60
WATER = Attenuation()
GEOMETRY, GRID = lodopab()
SPARSE = replace(GEOMETRY, angles_deg=parallel(FEW, bins=1, pitch=1.0).angles_deg)


class Task(NamedTuple):
    """What is measured of every slice; None photons: without noise."""

    geometry: Geometry
    photons: float | None


TASKS = {
    "low dose": Task(GEOMETRY, PHOTONS),
    "60 views": Task(SPARSE, None),
    "60 views, low dose": Task(SPARSE, PHOTONS),
}


class Cases(NamedTuple):
    """Slices ``(B, 1, 362, 362)`` of a patient in HU, and their numbers in the file."""

    patient: str
    numbers: tuple[int, ...]
    hu: Tensor


def load(data: Path, patient: str, *, count: int | None = None) -> Cases:
    """Return a patient's slices, or ``count`` of them, evenly spread from end to end."""
    slices, grid, _ = across_the_body(formats.read(data / PATIENTS[patient]).volumes[0])
    total = len(slices)
    step = 1.0 if count is None else total / count
    numbers = tuple(int((n + 0.5) * step) for n in range(total if count is None else count))
    u, v = GRID.places()
    places = np.meshgrid(
        u / grid.spacing[0] + (grid.shape[0] - 1) / 2,
        v / grid.spacing[1] + (grid.shape[1] - 1) / 2, indexing="ij",
    )  # fmt: skip
    found = [
        map_coordinates(slices[n].astype(np.float32), places, order=3, mode="nearest")
        for n in numbers
    ]
    hu = torch.from_numpy(np.stack(found))[:, None]
    return Cases(patient, numbers, hu.clamp(float(WATER.to_hu(np.zeros(1))[0]), HIGHEST))


def projected(hu: Tensor, geometry: Geometry) -> Tensor:
    """Return line integrals ``(B, 1, views, bins)`` without noise, from pixels half as large."""
    size = (GRID.shape[0] * FINE, GRID.shape[1] * FINE)
    pixels = Grid(size, (GRID.spacing[0] / FINE, GRID.spacing[1] / FINE))
    mu = WATER.from_hu(hu).clamp(min=0)
    return Radon(geometry, pixels)(resize(mu, size, linear))


def measured(cases: Cases, task: Task, *, seed: int = 0) -> Sinogram:
    """Return what the scanner would have measured; noise depends on seed, patient and slice."""
    y = projected(cases.hu, task.geometry)
    if task.photons is not None:
        patient = sorted(PATIENTS).index(cases.patient)
        for n, number in enumerate(cases.numbers):
            rng = torch.Generator().manual_seed(10_000 * seed + 1000 * patient + number)
            y[n] = low_dose(y[n], photons=task.photons, rng=rng)
    return Sinogram(y[:, 0].numpy(), task.geometry, GRID, np.eye(4), WATER, task.photons)


def main() -> None:
    """Print what there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    for patient in PATIENTS:
        cases = load(args.data, patient)
        y = projected(cases.hu[:1], SPARSE)
        print(f"{patient}: {len(cases.hu)} slices, {cases.hu.min():.0f} to {cases.hu.max():.0f} HU,"
              f" line integrals of the first up to {y.max():.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
