"""``medacuity utility segment``: scans with labels, of few people."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from medacuity.cli.talk import bars, say, show_json


class Source(StrEnum):
    """Where generated images come from."""

    RANDOMISED = "randomised"
    MASKS = "masks"
    BOTH = "both"


class Test(StrEnum):
    """Which test decides."""

    SAME = "same"
    OTHER = "other"


def segment(
    cases: Annotated[Path, typer.Option(
        metavar="TABLE", help="CSV of path, labels, patient, split (train or test).")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER",
        help="A new folder, or one to go on with.")],
    amounts: Annotated[list[int] | None, typer.Option(
        help="Subjects to learn from; again for more. Default: 1, 2, 4 and 8.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of each; 3 or more.")] = 5,
    source: Annotated[Source, typer.Option(
        help="Generated: contrasts drawn at random, images of masks by pix2pix, or both.",
    )] = Source.RANDOMISED,
    generated: Annotated[int, typer.Option(min=2, help="Slices to generate.")] = 600,
    decides: Annotated[Test, typer.Option(
        help="Which test decides: the scans' own contrast, or other ones.")] = Test.SAME,
    spacing: Annotated[float, typer.Option(help="mm that everything is brought to.")] = 1.5,
    segmenter_steps: Annotated[int, typer.Option(min=1, help="Updates of each model.")] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json.")] = False,
) -> None:  # fmt: skip
    """Train a segmenter on real and on generated slices, and say what was gained, if it was."""
    from medacuity.utility.segment import Segmenting
    from medacuity.utility.segment_session import compare_segmentation

    plan = Segmenting(
        steps=segmenter_steps, generated=generated, source=source.value, decides=decides.value
    )
    with bars() as show:
        found = compare_segmentation(
            cases, output, plan, spacing=spacing, amounts=amounts or (), seeds=seeds, report=show,
            say=say,
        )  # fmt: skip
    if as_json:
        show_json(found.record)
    else:
        found.print()
    say(f"written to {output}")
