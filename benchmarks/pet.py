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
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pet_cases import Made, Patient, baselines, patient
from pet_pairs import SPLIT, subjects
from pet_pictures import bland_altman, maps, save
from pet_tables import (
    CEILING,
    NETWORKS,
    Figures,
    chosen,
    coverage,
    lesions,
    measure,
    paired,
    regional,
    regional_table,
    sharper,
    table,
)

from medacuity.checkpoint import find_weights, load_weights, read_card, save_weights, shipped
from medacuity.physics.pet_uptake import Person
from medacuity.synthesize import Settings, synthesize
from medacuity.training.pet_pairs import scanned


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
    sharper(figures)
    if args.output:
        save(args.output / "pet-maps.png", maps(test[0], made[test[0].name], best))
        save(args.output / "pet-bland-altman.png", bland_altman(regions, best))
    if args.write_cards:
        for name in set(NETWORKS) & set(figures) & set(shipped()):
            note(name, figures[name], told[name], covered.get(name))


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


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
