"""Make the pairs that T1 to PET is learnt from: OASIS heads, persons drawn, PET simulated.

    python benchmarks/pet_pairs.py --data ../shared/data --output PAIRS [--tracer fdg]

Ten OASIS subjects with manual labels, split by patient: six to train (with several persons each,
so that no network learns one person's deviations by heart), one to validate, three to test.
"""

import argparse
from pathlib import Path

from medacuity.physics.pet_uptake import TRACERS
from medacuity.training.pet_pairs import Subject, write_pairs

SPLIT = {"train": (1008, 1009, 1011, 1012, 1013, 1015), "validate": (1014,),
         "test": (1010, 1017, 1036)}  # fmt: skip
LICENCE = "CC BY-NC 3.0 (OASIS, Neuromorphometrics)"


def subjects(data: Path, persons: dict[str, int]) -> list[Subject]:
    """Return the labelled subjects of OASIS."""
    stem = data / "bulk/mri/oasis_1mm"
    return [
        Subject(f"oasis-{n}", split, LICENCE, (stem / f"{n}_T1.nii.gz").resolve(),
                stem / f"{n}_tissues.nii.gz", stem / f"{n}_labels.nii.gz", persons[split])
        for split, numbers in SPLIT.items() for n in numbers
    ]  # fmt: skip


def main() -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--tracer", default="fdg", choices=list(TRACERS))
    parser.add_argument("--persons", type=int, default=5, help="drawn for each patient")
    args = parser.parse_args()
    # Intervals are read off the one to validate: how people differ takes many of them to tell.
    persons = dict.fromkeys(SPLIT, args.persons) | {"validate": 4 * args.persons}
    chosen = subjects(args.data, persons)
    table = write_pairs(args.output, chosen, tracer=TRACERS[args.tracer],
                        report=lambda done, of: print(f"{done} of {of}", flush=True))  # fmt: skip
    print(table)


if __name__ == "__main__":
    main()
