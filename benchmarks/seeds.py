"""Do the adversarial recipes collapse? Each from several seeds, and how its run ended.

    python benchmarks/seeds.py RUNS
    python benchmarks/seeds.py RUNS --train --data ../shared/data --pairs PAIRS [--seeds 0 1 2]
        [--recipes ...]

RUNS holds a folder for every recipe and seed, ``pix2pix-t1-t2-seed1``; with ``--train`` those that
are missing are trained, and those that stopped go on. Read from each: what the doctor found, how
far samples are apart over how far real images are (0: all alike; for translation and
super-resolution, over how far their truths are), their checkerboard beside that of real images,
the critic's accuracy over the last 500 steps, and the figure the run is watched by.
"""

import argparse
import csv
import json
from pathlib import Path
from statistics import fmean

from medacuity.cli.talk import bars
from medacuity.training.cures import read_cures
from medacuity.training.session import Wish, begin, go_on

TABLES = Path(__file__).parents[1] / "src" / "medacuity" / "training" / "recipes"
SRGAN = [f"srgan-mri-x{n}{end}" for n in (2, 4) for end in ("-light", "", "-heavy")]
CONTRASTS = ["pix2pix-t1-t2", "pix2pix-t1-flair", "pix2pix-3d-t1-t2", "cyclegan-t1-t2"]
TISSUES, PET = ["pix2pix-tissues-t1"], ["pix2pix-t1-pet", "pix2pix-3d-t1-pet"]
CHESTS = ["gan-pneumonia", "cgan-pneumonia"]
CASES = {
    name: f"{table}_cases.csv"
    for names, table in ((SRGAN, "mri"), (CONTRASTS, "contrast"), (TISSUES, "tissue"))
    for name in names
}
WATCHED = ("gain_db", "mae", "diversity")
LAST = 500


def main() -> None:
    """Train what is missing if asked to, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--pairs", type=Path, help="what pet_pairs.py wrote")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--recipes", nargs="+", default=[*CASES, *CHESTS, *PET])
    args = parser.parse_args()
    print("| recipe | seed | steps | the doctor | apart | grid (real) | accuracy | watched |")
    print("|---|---|---|---|---|---|---|---|")
    ill = 0
    for recipe in args.recipes:
        for seed in args.seeds:
            folder = args.runs / f"{recipe}-seed{seed}"
            if args.train:
                train(folder, recipe, seed, *_cases(recipe, args.data, args.pairs))
            if (folder / "run.json").exists():
                ill += row(folder, recipe, seed)
    print(f"\ncollapsed, or cured by the doctor: {ill}")


def _cases(recipe: str, data: Path, pairs: Path) -> tuple[Path, Path | None]:
    """Return where a recipe's cases are, and the table of them."""
    if recipe in CHESTS:
        return data / "travel" / "labelled", None
    if recipe in PET:
        return pairs, pairs / "pairs.csv"
    return data, TABLES / CASES[recipe]


def train(folder: Path, recipe: str, seed: int, where: Path, table: Path | None) -> None:
    """Train a recipe from a seed, or go on with it."""
    with bars() as show:
        if (folder / "run.json").exists():
            go_on(folder, report=show)
        else:
            begin(folder, Wish(recipe, where, table, seed=seed), report=show)


def row(folder: Path, recipe: str, seed: int) -> bool:
    """Print what became of a run; tell whether it was ill."""
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    steps = json.loads((folder / "run.json").read_text())["steps"]
    seen = next((each for each in reversed(rows) if each.get("contrast")), None)
    if seen is None:
        print(f"| {recipe} | {seed} | {rows[-1]['step'] if rows else 0} | not looked at yet |")
        return False
    done = int(rows[-1]["step"])
    sure = fmean(float(each["accuracy"]) for each in rows if int(each["step"]) > done - LAST)
    watched = ", ".join(f"{name} {float(seen[name]):.4g}" for name in WATCHED if seen.get(name))
    cures = read_cures(folder)
    said = "; ".join(cure.finding.kind for cure in cures) or "nothing"
    print(
        f"| {recipe} | {seed} | {done} of {steps} | {said} | {float(seen['distinct']):.2f} | "
        f"{float(seen['ripple']):.3f} ({float(seen['real_ripple']):.3f}) | {sure:.2f} | {watched} |"
    )
    return bool(cures)


if __name__ == "__main__":
    main()
