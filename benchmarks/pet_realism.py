"""Does simulated PET measure like PET? Contrasts and spectra beside real ones.

    python benchmarks/pet_realism.py --pairs PAIRS --data ../shared/data

Real, all of it of groups or of another part of the body, as no real PET of these heads exists:
SPM's brain PET (mean of 12 people, smoothed), a raclopride map (mean of 7), an FDG trunk (DICOM).

- Contrast: the mean of the 160 ml with most grey matter over that of the 2 ml with most white;
  the simulated person's tissues are smoothed by 8 mm first, as those of a group are.
- Width: of the Gaussian whose spectrum falls as the image's does between 0.02 and 0.07 per mm, in
  axial slices; anatomy has a share in it.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pet_pairs import SPLIT, subjects
from scipy.ndimage import gaussian_filter

from medacuity import formats
from medacuity.metrics.spectrum import power_spectrum
from medacuity.physics.pet_regions import part_of
from medacuity.physics.pet_uptake import RECEPTOR, Person
from medacuity.regrid import onto
from medacuity.training.pet_pairs import anatomy, scanned
from medacuity.volume import Volume

PLACES = {"putamen": (27, 3, 3), "caudate": (13, 13, 9), "thalamus": (10, -18, 8),
          "cerebellum": (28, -70, -30)}  # fmt: skip
RADIUS = 4.0  # mm


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True)
    args = parser.parse_args()
    subject = subjects(args.data, dict.fromkeys(SPLIT, 1))[0]
    grid, mean, one = simulated(args.pairs, subject.patient)
    tissues, labels = (formats.read(p).volumes[0] for p in (subject.tissues, subject.labels))
    wide = 8.0 / 2.3548 / np.array(tissues.spacing)
    shares = [onto(Volume(gaussian_filter((tissues.array == k).astype("f4"), wide),
                          tissues.affine), grid).array for k in (2, 3)]  # fmt: skip
    print("| PET | grey over deep white | width, mm |\n|---|---|---|")
    line("simulated FDG, one person", one, *shares, grid.spacing[0])
    for mm in (0.0, 6.0, 8.0):
        smooth = gaussian_filter(mean, mm / 2.3548 / np.array(grid.spacing)) if mm else mean
        line(f"simulated FDG, five people, smoothed by {mm:g} mm", smooth, *shares, grid.spacing[0])
    folder = args.data / "travel/pet/spm_templates"
    pet, grey, white = (formats.read(folder / f"{n}.nii.gz").volumes[0]
                        for n in ("PET", "prior_grey", "prior_white"))  # fmt: skip
    priors = [v.array.astype(float) / v.array.max() for v in (grey, white)]
    line("SPM's template, 12 people", pet.array.astype(float), *priors, pet.spacing[0])
    trunk = formats.read(args.data / "bulk/pet/dicom_fdg_trunk").volumes[0]
    print(f"| FDG trunk, {trunk.unit} | - | {width(trunk.array, trunk.spacing[0]):.1f} |")
    head = anatomy(tissues, labels)
    ours = scanned(head, Person(), tracer=RECEPTOR)
    parts = nearest(head.parts, tissues, ours)
    real = formats.read(
        args.data / "bulk/pet/receptor_maps/D2_raclopride_hc7_alakurtti.nii.gz"
    ).volumes[0]
    print("\n| receptor-like, over the cerebellum | simulated | raclopride, mean of 7 |"
          "\n|---|---|---|")  # fmt: skip
    found = {n: [float(ours.array[parts == part_of(n, 0)].mean()), ball(real, at)]
             for n, at in PLACES.items()}  # fmt: skip
    for name, (a, b) in found.items():
        base = found["cerebellum"]
        print(f"| {name} | {a / base[0]:.2f} | {b / base[1]:.2f} |")


def simulated(pairs: Path, patient: str) -> tuple[Volume, NDArray[np.float64], NDArray[np.float64]]:
    """Return the grid, the mean person and one of them."""
    with (pairs / "pairs.csv").open(newline="", encoding="utf-8") as file:
        names = [row["PET"] for row in csv.DictReader(file) if row["patient"] == patient]
    volumes = [formats.read(pairs / name).volumes[0] for name in names]
    arrays = [v.array.astype(float) for v in volumes]
    return volumes[0], np.mean(arrays, 0), arrays[0]


def line(
    name: str, pet: NDArray[np.float64], grey: NDArray[np.float64], white: NDArray[np.float64],
    mm: float,
) -> None:  # fmt: skip
    """Print a row."""
    means = [pet[share >= np.sort(share, None)[-round(ml * 1000 / mm**3)]].mean()
             for share, ml in ((grey, 160), (white, 2))]  # fmt: skip
    ratio = means[0] / means[1]
    print(f"| {name} | {ratio:.2f} | {width(pet, mm):.1f} |", flush=True)


def width(pet: NDArray[np.float64], mm: float) -> float:
    """Return the full width of the Gaussian whose spectrum falls as steeply."""
    k = pet.shape[2] // 2
    planes = np.moveaxis(pet[:, :, k - 8 : k + 8], 2, 0)[:, None].astype(np.float32)
    power = power_spectrum(torch.from_numpy(np.ascontiguousarray(planes))).mean(0).flatten()
    f = np.linspace(0, 0.5 / mm, len(power))
    used = (f > 0.02) & (f < 0.07)
    slope = np.polyfit(f[used] ** 2, np.log(power.numpy()[used] + 1e-30), 1)[0]
    return float(2.3548 * np.sqrt(max(-slope, 0)) / (2 * np.pi))


def nearest(parts: NDArray[np.uint8], grid: Volume, wanted: Volume) -> NDArray[np.uint8]:
    """Return parts at the voxels of another grid."""
    here = np.indices(wanted.shape).reshape(3, -1)
    way = np.linalg.solve(grid.affine, wanted.affine)
    at = np.rint(way[:3, :3] @ here + way[:3, 3:]).astype(int)
    at = np.clip(at, 0, np.array(parts.shape)[:, None] - 1)
    return parts[tuple(at)].reshape(wanted.shape)


def ball(volume: Volume, place: tuple[int, int, int]) -> float:
    """Return the mean of a map around a place in MNI space, on both sides."""
    here = np.moveaxis(np.indices(volume.shape), 0, -1) @ volume.affine[:3, :3].T
    here = here + volume.affine[:3, 3]
    means = []
    for side in (1, -1):
        off = here - np.array(place) * (side, 1, 1)
        means.append(volume.array[(off**2).sum(-1) < RADIUS**2].mean())
    return float(np.mean(means))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
