"""``medacuity doctor``: what this machine can do, and whether the weights are sound."""

from typing import Annotated

import typer

from medacuity.cli.talk import show_json


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Say what this machine can do, what is installed, and test the shipped weights."""
    from medacuity.errors import WeightsRefused
    from medacuity.selftest import examine

    found = examine()
    if as_json:
        show_json([check._asdict() for check in found])
    else:
        for check in found:
            print(f"{'ok  ' if check.passed else 'FAIL'} {check.what}: {check.says}")
    broken = [check.what for check in found if not check.passed]
    if broken:
        raise WeightsRefused(f"failed: {', '.join(broken)}; install medacuity again")
