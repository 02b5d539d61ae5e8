"""``medacuity evaluate``: how much better, measured, on every case."""

from pathlib import Path
from typing import Annotated

import typer

from medacuity.cli.talk import bars, bytes_of, numbers, say, show_json


def evaluate(
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="Folder of scans, or one scan.")],
    output: Annotated[Path | None, typer.Option(
        "-o", "--output", help="Folder for table, per-case CSV and pictures.")] = None,
    method: Annotated[list[str] | None, typer.Option(
        help="auto, weights, a file, an interpolation; again for more.")] = None,
    protocol: Annotated[str, typer.Option(
        help="paper, volume, gaussian3d, head or slices.")] = "head",
    kind: Annotated[str, typer.Option("--degrade", help="How inputs are made.")] = "kspace",
    factor: Annotated[str, typer.Option(help="2 or 2x2x1.")] = "2",
    noise: Annotated[float, typer.Option(help="Rician sigma over brightness.")] = 0.0,
    thickness: Annotated[float, typer.Option(help="slice-profile: width of a slice.")] = 1.0,
    inputs: Annotated[Path | None, typer.Option(help="Folder of ready-made inputs.")] = None,
    memory: Annotated[str, typer.Option(help="Memory that images may take.")] = "4G",
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:  # fmt: skip
    """Compare methods on scans whose truth is known."""
    from medacuity.degrade import Acquisition
    from medacuity.enhance import Settings
    from medacuity.evaluate_session import Comparison, compare

    scale = numbers(factor, "factor") or []
    made = Acquisition(kind, tuple(scale), thickness=thickness, noise=noise)
    wanted = Comparison(
        truth, tuple(method or ()), protocol, made, inputs, tuple(scale),
        Settings(memory=bytes_of(memory)), output,
    )  # fmt: skip
    with bars() as show:
        found = compare(wanted, report=show)
    if as_json:
        show_json(found.as_json())
    else:
        found.print()
    if output:
        say(f"written to {output}")
    found.check_complete()
