"""Do generated radiographs make a better classifier? The tables of docs/utility.md.

    python benchmarks/utility_pneumonia.py --data ../shared/data/travel/labelled -o pneumonia

By default a flow is trained anew on every draw of 2 %, 10 % and all of the training pictures;
`--generator gan`, `--generator lent` and the shipped weights (`--generator cgan-pneumonia
--amounts 1`) are the others of the page. `--baseline --steps 500` trains classical augmentation
alone, twice as long. An interrupted run goes on; half an hour on one core.
"""

import argparse
from pathlib import Path

import torch

from medacuity.utility.classify import Classification, Settings
from medacuity.utility.harness import ARMS, BASELINE, Plan, run
from medacuity.utility.labelled import read_labelled
from medacuity.utility.report import markdown
from medacuity.utility.session import classified


def main() -> None:
    """Measure what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, default=Path("pneumonia"))
    parser.add_argument("--generator", default="flow")
    parser.add_argument("--amounts", type=float, nargs="+", default=list(Classification.amounts))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=Settings().steps)
    parser.add_argument("--baseline", action="store_true", help="real + classical alone")
    wish = parser.parse_args()
    torch.set_num_threads(1)
    settings = Settings(generator=wish.generator, steps=wish.steps)
    if wish.baseline:
        alone(wish, settings)
        return
    found = classified(
        wish.data, wish.output, settings, amounts=wish.amounts, seeds=wish.seeds, report=told
    )
    print(markdown(found.task, found.results, found.plan))


def alone(wish: argparse.Namespace, settings: Settings) -> None:
    """Print the scores of classical augmentation alone, such as of longer training."""
    task = Classification(read_labelled(wish.data, settings.size), settings)
    arms = tuple(arm for arm in ARMS if arm.name == BASELINE)
    plan = Plan(tuple(wish.amounts), wish.seeds, arms)
    print(markdown(task, run(task, wish.output, plan, report=told), plan))


def told(what: str, done: int, of: int) -> None:
    """Print how far it is."""
    print(f"{done}/{of} {what}", flush=True)


if __name__ == "__main__":
    main()
