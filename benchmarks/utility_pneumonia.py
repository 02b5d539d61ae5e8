"""Do generated radiographs make a better classifier? The tables of docs/utility.md.

    python benchmarks/utility_pneumonia.py --data ../shared/data/travel/labelled -o pneumonia

By default a flow is trained anew on every draw of 2 %, 10 % and all of the training pictures;
`--generator gan`, `--generator lent` and the shipped weights (`--generator cgan-pneumonia --amounts 1`) are the
others of the page. An interrupted run goes on; half an hour on one core.
"""

import argparse
from pathlib import Path

import torch

from medacuity.utility.classify import Classification, Settings
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
    wish = parser.parse_args()
    torch.set_num_threads(1)
    found = classified(
        wish.data, wish.output, Settings(generator=wish.generator), amounts=wish.amounts,
        seeds=wish.seeds, report=lambda what, done, of: print(f"{done}/{of} {what}", flush=True),
    )  # fmt: skip
    print(markdown(found.task, found.results, found.plan))


if __name__ == "__main__":
    main()
