"""Halve the resolution of a scan, bring it back, and see how much was gained.

    python examples/sr_mri.py [SCAN]

Without a scan of yours it takes the MR image of a head that matplotlib ships.
"""

import sys
from pathlib import Path

from medacuity.degrade import Acquisition, degrade
from medacuity.demo import sample_head
from medacuity.enhance import Settings
from medacuity.evaluate import Case, evaluate
from medacuity.evaluate_cases import cases_in, method_named
from medacuity.evaluate_report import markdown
from medacuity.metrics.protocols import protocol

HALF = Acquisition("kspace", factor=(2.0,))  # half the matrix along every axis
PLAIN = ("cubic", "sinc")


def main(arguments: list[str]) -> None:
    """Compare two interpolations with the network that medacuity chooses."""
    cases = cases_in(Path(arguments[0]), HALF) if arguments else [_sample()]
    methods = {name: method_named(name, Settings(), [2.0]) for name in (*PLAIN, "auto")}
    print(markdown(evaluate(methods, cases, protocol("head"), interpolations=PLAIN)))


def _sample() -> Case:
    head = sample_head()
    return Case("head", lambda: (degrade(head, HALF), head))


if __name__ == "__main__":
    main(sys.argv[1:])
