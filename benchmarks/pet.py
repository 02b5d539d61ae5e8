"""T1 to PET on patients no training saw: what anatomy determines, and what it cannot.

    python benchmarks/pet_pairs.py --data ../shared/data --output PAIRS
    python benchmarks/pet.py --pairs PAIRS --data ../shared/data [--output DIR] [--write-cards]

Test patients of `pet_pairs.py`, several persons drawn for each, PET simulated: no real pair comes
with us. Methods see the T1 alone (tissue means also its segmentation, which is the one that PET
was made from). Baselines are fitted on the training patients.

- MAE in SUV inside the head, PSNR (range 12 SUV), SSIM; fine: energy above half the finest
  frequency over the truth's; spectrum: mean difference, dB.
- Regional: the mean SUV of 31 structures; SUVR is over the mean of all of them. r: over
  structures and persons.
- The ceiling: the mean person on the true anatomy, without noise. Nothing that sees only anatomy
  can know more of a person; what is left is how people differ, and counts.
- Lesions are in the PET and not in the MRI. So no method can find one; what is counted is whether
  it draws some where there are none.
"""

import argparse
import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pet_pairs import SPLIT, subjects
from scipy.ndimage import gaussian_filter, label, map_coordinates, uniform_filter

from medacuity import formats
from medacuity.atomic import atomic_write
from medacuity.checkpoint import find_weights, load_weights, read_card, save_weights, shipped
from medacuity.evaluate_statistics import signed_rank
from medacuity.intensity import Percentile
from medacuity.metrics.fidelity import mae, psnr, ssim
from medacuity.metrics.spectrum import sharpness, spectral_distance
from medacuity.physics.pet_regions import STRUCTURES
from medacuity.physics.pet_uptake import Lesion, Person, inside
from medacuity.regrid import onto
from medacuity.synthesize import Settings, synthesize
from medacuity.training.pet_pairs import Anatomy, anatomy, scanned
from medacuity.volume import Volume

RANGE = 12.0  # SUV
CEILING = "ceiling: the mean person"
SEEN_MM = 5.8  # full width of what the scanner passes, smoothing included
NETWORKS = (
    "unet-t1-pet",
    "unet-slab-t1-pet",
    "unet-3d-t1-pet",
    "pix2pix-t1-pet",
    "cyclegan-t1-pet",
)
Image = NDArray[np.float32]


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


class Figures(NamedTuple):
    """What is measured of a method on one person's PET."""

    mae: float
    psnr: float
    ssim: float
    fine: float
    spectrum: float
    suvr: float  # mean absolute error of SUVR, voxel by voxel


Made = tuple[Image, Image | None]
"""A PET, and half of its interval where a method knows one."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--output", type=Path, help="folder for pictures and figures")
    parser.add_argument("--weights", type=Path, help="folder of weight files, not the shipped")
    parser.add_argument("--write-cards", action="store_true")
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="read intervals off the patient to validate, and write them to cards",
    )
    args = parser.parse_args()
    read = {s.patient: s for s in subjects(args.data, dict.fromkeys(SPLIT, 1))}
    train, test = ([patient(read[f"oasis-{n}"], args.pairs) for n in SPLIT[side]]
                   for side in ("train", "test"))  # fmt: skip
    if args.calibrate:
        calibrate(patient(read[f"oasis-{SPLIT['validate'][0]}"], args.pairs), args.weights)
        return
    methods = baselines(train) | networks(args.weights)
    made: dict[str, dict[str, Made]] = {
        p.name: {name: method(p) for name, method in methods.items()}
        | {CEILING: (p.seen(scanned(p.head, Person())), None)}
        for p in test
    }
    figures = {name: [measure(made[p.name][name][0], pet, p) for p in test for pet in p.pets]
               for name in made[test[0].name]}  # fmt: skip
    table(figures)
    regions = {name: regional(test, {p: m[name][0] for p, m in made.items()}) for name in figures}
    told = regional_table(regions)
    covered = coverage(test, made)
    lesions(test, made)
    best = chosen(figures)
    paired(figures, best)
    if {"unet-t1-pet", "pix2pix-t1-pet"} <= figures.keys():
        sharper(figures["pix2pix-t1-pet"], figures["unet-t1-pet"])
    if args.output:
        save(args.output / "pet-maps.png", maps(test[0], made[test[0].name], best))
        save(args.output / "pet-bland-altman.png", bland_altman(regions, best))
    if args.write_cards:
        for name in set(NETWORKS) & set(figures) & set(shipped()):
            note(name, figures[name], told[name], covered.get(name))


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


def networks(folder: Path | None) -> dict[str, Callable[[Patient], Made]]:
    """Return the networks there are."""
    if folder:
        found = {n: str(folder / f"{n}.safetensors") for n in NETWORKS}
        found = {n: path for n, path in found.items() if Path(path).exists()}
    else:
        found = {n: n for n in NETWORKS if n in shipped()}
    return {name: partial(translated, weights=weights) for name, weights in found.items()}


def translated(p: Patient, *, weights: str) -> Made:
    """Run a network as a user would."""
    made = synthesize(p.mri, Settings(weights=weights))
    spread = made.uncertainty
    return p.seen(made.volume), None if spread is None else p.seen(spread)


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
        shares, wide, off, voxels, apart, best = [], [], [], [], [], []
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
                  f"{np.mean(apart):.2f} (the mean person's uptake does with {np.mean(best):.2f})"
                  )  # fmt: skip
    return found


def calibrate(p: Patient, folder: Path | None) -> None:
    """Widen or narrow intervals until they hold 90 % of the voxels of one patient's persons."""
    for name, method in networks(folder).items():
        image, half = method(p)
        if half is not None:
            off = [(np.abs(image - pet.array) / np.maximum(half, 1e-6))[p.brain] for pet in p.pets]
            path = folder / f"{name}.safetensors" if folder else find_weights(name)
            trained = load_weights(path)
            interval = trained.card.interval * float(np.quantile(np.concatenate(off), 0.9))
            print(f"{name}: {trained.card.interval:.3f} -> {interval:.3f}, {len(off)} persons")
            card = replace(trained.card, interval=round(interval, 4))
            save_weights(path, trained.model, card)


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


def sharper(critic: list[Figures], plain: list[Figures]) -> None:
    """Say whether a critic makes images sharper, person by person, and what that costs."""
    a, b = (np.array([(f.fine, f.spectrum, f.mae) for f in each]) for each in (critic, plain))
    won = [int((a[:, 0] > b[:, 0]).sum()), int((a[:, 1] < b[:, 1]).sum())]
    p = [signed_rank(a[:, k] - b[:, k])[0] for k in (0, 1)]
    fine, spectrum, cost = (a - b).mean(0)
    print(f"\npix2pix against the U-Net: more fine detail on {won[0]} of {len(a)} persons "
          f"({fine:+.3f}, signed rank p = {p[0]:.2g}), spectrum nearer to the truth's on {won[1]} "
          f"({spectrum:+.2f} dB, p = {p[1]:.2g}), MAE {cost:+.3f} SUV")  # fmt: skip


def note(name: str, each: list[Figures], regions: dict[str, float], covered: float | None) -> None:
    """Write what was measured onto the card of shipped weights."""
    m = Figures(*np.mean(each, 0))
    measured: dict[str, Any] = {
        "by": "benchmarks/pet.py, simulated PET of OASIS patients 1010, 1017, 1036",
        "mae_suv": round(m.mae, 4), "psnr": round(m.psnr, 3), "ssim": round(m.ssim, 4),
        "regional_suvr_r": round(regions["r"], 4),
        "regional_suvr_r_over_ceiling": round(regions["r_of_ceiling"], 4),
    }  # fmt: skip
    if covered is not None:
        measured["covered_by_90_percent_interval"] = round(covered, 4)
    path = find_weights(name)
    card = read_card(path)
    told = "" if "simulated" in card.data else "; their PET is simulated (benchmarks/pet_pairs.py)"
    card = replace(card, measured=measured, data=card.data + told)
    save_weights(path, load_weights(name).model, card)


def save(path: Path, figure: Figure) -> None:
    """Write a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=90)
    with atomic_write(path) as out:
        out.write(file.getvalue())


def maps(p: Patient, made: Mapping[str, Made], best: str) -> Figure:
    """Return an axial slice by every method, and half of the interval."""
    k = p.grid.shape[2] // 2
    shown: dict[str, tuple[Image, float, str]] = {"T1": (p.unit, 0.9, "gray")}
    shown |= {name: (image, 9.0, "gray_r") for name, (image, _) in made.items()}
    shown["true PET, one person"] = (p.pets[0].array, 9.0, "gray_r")
    half = made[best][1]
    if half is not None:
        shown["half of the 90 % interval"] = (half, 5.0, "magma")
    columns = -(-len(shown) // 2)
    figure = Figure(figsize=(2.3 * columns, 6.2), layout="constrained")
    every = figure.subplots(2, columns).flat
    for axes, (name, (array, high, colours)) in zip(every, shown.items(), strict=False):
        axes.imshow(array[:, :, k].T, cmap=colours, vmin=0, vmax=high, origin="lower")
        axes.set_title(name, fontsize=9)
    for axes in figure.axes:
        axes.axis("off")
    figure.suptitle(f"T1 to PET, {p.name} (not trained on); SUV, black is 9")
    return figure


def bland_altman(regions: Mapping[str, NDArray[np.float64]], best: str) -> Figure:
    """Return regional SUVR: ours against the truth, and their difference over their mean."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, colour in ((CEILING, "0.6"), (best, "tab:red")):
        ours, true = (suvr(v) for v in regions[name])
        left.plot(true.ravel(), ours.ravel(), ".", color=colour, markersize=3, label=name)
        mean, off = ((ours + true) / 2).ravel(), (ours - true).ravel()
        right.plot(mean, off, ".", color=colour, markersize=3)
        middle, width = np.nanmean(off), 1.96 * np.nanstd(off)
        for height in (middle - width, middle, middle + width):
            right.axhline(height, color=colour, linewidth=1, linestyle="--")
    left.plot([0.4, 1.5], [0.4, 1.5], color="black", linewidth=0.7)
    left.set(xlabel="true SUVR of a structure", ylabel="made of T1")
    right.set(xlabel="mean of both", ylabel="made - true")
    left.legend(fontsize=8)
    figure.suptitle("Regional SUVR, test patients; dashed: bias and limits of agreement")
    return figure


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
