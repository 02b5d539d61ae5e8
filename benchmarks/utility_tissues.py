"""Do generated slices help to segment tissues? Ten OASIS subjects to learn from, five to test.

    python benchmarks/utility_tissues.py --data ../shared/data --output RUN [--amounts 1 2 4 8]

Fluid, grey and white matter on T1, from 1, 2, 4 or 8 labelled subjects; scored on other subjects,
as they are and in the five other orders of brightness. Prints the tables; RUN can be gone on with.
"""

import argparse
import csv
import dataclasses
from pathlib import Path

from medacuity.training.recipes.tissues import TISSUES
from medacuity.utility.harness import ARMS, Plan
from medacuity.utility.segment import Segmentation, Segmenting
from medacuity.utility.session import compared
from medacuity.utility.subjects import Row, read_subjects

CASES = Path(__file__).parent.parent / "src/medacuity/training/recipes/tissue_cases.csv"
SPACING = 2.0  # mm: a hundred models then take less than an hour of one core


def subjects(data: Path) -> list[Row]:
    """Return the scans of the table; who only tested elsewhere only tests here."""
    with CASES.open(newline="") as file:
        return [
            Row(data / row["T1"], data / row["tissues"], row["patient"],
                "test" if row["split"] == "test" else "train", row["licence"])
            for row in csv.DictReader(file)
        ]  # fmt: skip


def task(data: Path, plan: Segmenting) -> Segmentation:
    """Return the task on OASIS."""
    return Segmentation(read_subjects(subjects(data), spacing=SPACING), plan, names=TISSUES[1:])


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--amounts", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--arms", nargs="+", default=[arm.name for arm in ARMS], help="in quotes")
    for field in dataclasses.fields(Segmenting):
        kind = type(field.default)
        parser.add_argument(f"--{field.name}", type=kind, default=field.default)
    args = parser.parse_args()
    plan = Segmenting(**{f.name: getattr(args, f.name) for f in dataclasses.fields(Segmenting)})
    arms = tuple(arm for arm in ARMS if arm.name in args.arms)
    wanted = Plan(tuple(map(float, args.amounts)), args.seeds, arms)
    compared(
        task(args.data, plan), args.output, wanted,
        report=lambda what, done, of: print(what, done, of, flush=True),
    ).print()  # fmt: skip


if __name__ == "__main__":
    main()
