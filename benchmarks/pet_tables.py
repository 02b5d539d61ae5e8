"""What `pet.py` measures of a PET that was made of an MRI, and the tables it prints."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pet_cases import Image, Made, Patient
from scipy.ndimage import gaussian_filter, label, uniform_filter

from medacuity.evaluate_statistics import signed_rank
from medacuity.metrics.fidelity import mae, psnr, ssim
from medacuity.metrics.spectrum import sharpness, spectral_distance
from medacuity.physics.pet_regions import STRUCTURES
from medacuity.physics.pet_uptake import Lesion, inside
from medacuity.volume import Volume

RANGE = 12.0  # SUV
SMOOTHED = 2.0  # voxels of 2 mm: 9 mm of full width; five people's spread is known to a third
CEILING = "ceiling: the mean person"
UNETS = ("unet-t1-pet", "unet-slab-t1-pet", "unet-3d-t1-pet")
CRITICS = ("pix2pix-t1-pet", "pix2pix-slab-t1-pet", "pix2pix-3d-t1-pet")
NETWORKS = (*UNETS, *CRITICS, "cyclegan-t1-pet", "cyclegan-3d-t1-pet")


class Figures(NamedTuple):
    """What is measured of a method on one person's PET."""

    mae: float
    psnr: float
    ssim: float
    fine: float
    spectrum: float
    suvr: float  # mean absolute error of SUVR, voxel by voxel


def measure(made: Image, pet: Volume, p: Patient) -> Figures:
    """Return the figures of one person's PET."""
    inside = torch.from_numpy(p.brain)[None, None]
    x, y = (torch.from_numpy(np.ascontiguousarray(v * p.brain, np.float32))[None, None]
            for v in (made, pet.array))  # fmt: skip
    planes = [v[0].movedim(-1, 0)[p.brain.any((0, 1))] for v in (x, y)]
    ratio = [v / v[inside].mean() for v in (x, y)]
    return Figures(
        mae=float(mae(x, y, mask=inside)),
        psnr=float(psnr(x, y, data_range=RANGE, mask=inside)),
        ssim=float(ssim(*planes, data_range=RANGE).mean()),
        fine=float(sharpness(*planes).nanmedian()),
        spectrum=float(spectral_distance(*planes).mean()),
        suvr=float(mae(*ratio, mask=inside)),
    )


def table(figures: Mapping[str, list[Figures]]) -> None:
    """Print means over persons."""
    print("| method | MAE, SUV | PSNR | SSIM | MAE of SUVR | fine | spectrum |")
    print("|---|---|---|---|---|---|---|")
    for name, each in figures.items():
        m = Figures(*np.mean(each, 0))
        print(f"| {name} | {m.mae:.3f} | {m.psnr:.2f} | {m.ssim:.4f} | {m.suvr:.4f} | "
              f"{m.fine:.2f} | {m.spectrum:.2f} |", flush=True)  # fmt: skip


def regional(test: list[Patient], made: Mapping[str, Image]) -> NDArray[np.float64]:
    """Return ``(2, persons, structures)``: mean SUV, ours and true; NaN where there is none."""
    rows = []
    for p in test:
        parts = p.parts
        at = [np.nonzero(parts == n) for n in range(len(STRUCTURES))]
        for pet in p.pets:
            rows.append([[v[a].mean() if len(a[0]) > 20 else np.nan for a in at]
                         for v in (made[p.name], pet.array)])  # fmt: skip
    return np.array(rows).transpose(1, 0, 2)


def suvr(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return structures over their mean."""
    return values / np.nanmean(values, -1, keepdims=True)


def regional_table(regions: Mapping[str, NDArray[np.float64]]) -> dict[str, dict[str, float]]:
    """Print and return bias, limits of agreement and correlation."""
    print("\n| method | regional bias, SUV | limits of agreement | r of SUVR | over the ceiling's |"
          "\n|---|---|---|---|---|")  # fmt: skip
    told = {}
    for name, values in regions.items():
        known = ~np.isnan(values).any(0)
        bias = (values[0] - values[1])[known]
        r = [float(np.corrcoef(*(suvr(v)[:, known] for v in [w]))[0, 1])
             for w in (values, regions[CEILING])]  # fmt: skip
        told[name] = {"bias": float(bias.mean()), "sd": float(bias.std()), "r": r[0],
                      "r_of_ceiling": r[0] / r[1]}  # fmt: skip
        print(f"| {name} | {bias.mean():+.3f} | +-{1.96 * bias.std():.2f} | {r[0]:.4f} | "
              f"{r[0] / r[1]:.3f} |")  # fmt: skip
    return told


def coverage(test: list[Patient], made: Mapping[str, Mapping[str, Made]]) -> dict[str, float]:
    """Print and return the share of voxels within the interval of 90 %."""
    found = {}
    for name in made[test[0].name]:
        shares, wide, off, voxels, apart, best, smooth = [], [], [], [], [], [], []
        for p in test:
            image, half = made[p.name][name]
            if half is None:
                continue
            errors = [np.abs(image - pet.array) for pet in p.pets]
            shares += [float((e <= half)[p.brain].mean()) for e in errors]
            voxels.append(np.corrcoef(half[p.brain], np.mean(errors, 0)[p.brain])[0, 1])
            people = np.std([pet.array for pet in p.pets], 0)[p.brain]
            apart.append(np.corrcoef(half[p.brain], people)[0, 1])
            best.append(np.corrcoef(made[p.name][CEILING][0][p.brain], people)[0, 1])
            both = (
                gaussian_filter(v, SMOOTHED) for v in (half, np.std([q.array for q in p.pets], 0))
            )
            smooth.append(np.corrcoef(*(v[p.brain] for v in both))[0, 1])
            for n in range(len(STRUCTURES)):
                there = p.parts == n
                if there.sum() > 20:
                    wide.append(float(half[there].mean()))
                    off.append(float(np.mean([e[there].mean() for e in errors])))
        if shares:
            found[name] = float(np.mean(shares))
            r = np.corrcoef(wide, off)[0, 1]
            print(f"\n{name}: {100 * found[name]:.1f} % of voxels within the interval of 90 % "
                  f"({100 * min(shares):.0f} to {100 * max(shares):.0f} of {len(shares)} persons); "
                  f"its width follows the error with r = {np.mean(voxels):.2f} over voxels, "
                  f"{r:.2f} over structures, and what persons of one anatomy differ by with r = "
                  f"{np.mean(apart):.2f}, {np.mean(smooth):.2f} if both are smoothed by 9 mm "
                  f"(the mean person's uptake does with {np.mean(best):.2f})"
                  )  # fmt: skip
    return found


def lesions(test: list[Patient], made: Mapping[str, Mapping[str, Made]]) -> None:
    """Print what is drawn where there is no lesion, and what is left of those that there are."""
    print("\n| method | places drawn 40 % too hot | 15 % too cold | contrast of planted lesions "
          "found | of these in the interval |\n|---|---|---|---|---|")  # fmt: skip
    for name in made[test[0].name]:
        hot, cold, outside = [], [], []
        for p in test:
            image, half = made[p.name][name]
            mean = made[p.name][CEILING][0]
            off = ratio(image, mean, p.brain)
            hot.append(label(off > 1.4)[1])
            cold.append(label(off < 0.85)[1])
            for pet, person in zip(p.pets, p.persons, strict=True):
                for lesion in person["lesions"]:
                    there = p.seen(Volume(inside(Lesion(**lesion), p.mri.shape, p.mri.spacing),
                                          p.mri.affine)) > 0.5  # fmt: skip
                    if half is not None:
                        outside.append(float((np.abs(image - pet.array) <= half)[there].mean()))
        kept = f"{100 * np.mean(outside):.0f} %" if outside else "-"
        print(f"| {name} | {np.mean(hot):.1f} | {np.mean(cold):.1f} | 0 (same MRI, same image) | "
              f"{kept} |")  # fmt: skip


def ratio(image: Image, mean: Image, brain: NDArray[np.bool_]) -> Image:
    """Return a PET over what the anatomy says, in cubes of 10 mm, on one scale."""
    a, b = (uniform_filter(np.where(brain, v, 0) / v[brain].mean(), 5) for v in (image, mean))
    filled = uniform_filter(brain.astype(np.float32), 5) > 0.9
    return np.where(filled, a / np.maximum(b, 0.05), 1.0)


def chosen(figures: Mapping[str, list[Figures]]) -> str:
    """Return the network with the least error."""
    there = [name for name in NETWORKS if name in figures]
    return min(there, key=lambda name: float(np.mean([f.mae for f in figures[name]])))


def paired(figures: Mapping[str, list[Figures]], best: str) -> None:
    """Compare the best network with everything else, person by person."""
    print(f"\n{best} against:")
    ours = np.array([f.mae for f in figures[best]])
    for name, each in figures.items():
        if name != best:
            gain = np.array([f.mae for f in each]) - ours
            p, exact = signed_rank(gain)
            print(f"- {name}: MAE lower by {gain.mean():+.3f} SUV, on {(gain > 0).sum()} of "
                  f"{len(gain)} persons (signed rank p = {p:.2g}{', exact' if exact else ''}; "
                  f"persons of a patient share an anatomy)")  # fmt: skip


def sharper(figures: Mapping[str, list[Figures]]) -> None:
    """Say whether a critic makes images sharper, person by person, and what that costs."""
    for critic, plain in zip(CRITICS, UNETS, strict=True):
        if not figures.keys() >= {critic, plain}:
            continue
        a, b = (np.array([(f.fine, f.spectrum, f.mae) for f in figures[name]])
                for name in (critic, plain))  # fmt: skip
        won = [int((a[:, 0] > b[:, 0]).sum()), int((a[:, 1] < b[:, 1]).sum())]
        p = [signed_rank(a[:, k] - b[:, k])[0] for k in (0, 1)]
        fine, spectrum, cost = (a - b).mean(0)
        print(f"\n{critic} against {plain}: more fine detail on {won[0]} of {len(a)} persons "
              f"({fine:+.3f}, signed rank p = {p[0]:.2g}), spectrum nearer to the truth's on "
              f"{won[1]} ({spectrum:+.2f} dB, p = {p[1]:.2g}), MAE {cost:+.3f} SUV")  # fmt: skip
