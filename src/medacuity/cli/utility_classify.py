"""``medacuity utility classify``: pictures of classes, few of them."""

from pathlib import Path
from typing import Annotated

import typer

from medacuity.cli.talk import bars, say, show_json


def classify(
    data: Annotated[Path, typer.Option(
        help="A folder of pictures for each class, or a MedMNIST .npz.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER",
        help="A new folder, or one to go on with.")],
    amounts: Annotated[list[float] | None, typer.Option(
        help="Share of the real pictures; again for more. Default: 0.02, 0.1 and 1.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of each; 3 or more.")] = 5,
    generator: Annotated[str, typer.Option(
        help="flow, gan, lent, or weights: a name or a file.")] = "flow",
    generated: Annotated[Path | None, typer.Option(
        help="Ready-made pictures instead: a folder for each class.")] = None,
    each: Annotated[int, typer.Option(min=2, help="Pictures to generate of each class.")] = 500,
    generator_steps: Annotated[int, typer.Option(min=1, help="Updates of the generator.")] = 1000,
    steps: Annotated[int, typer.Option(
        "--classifier-steps", min=1, help="Updates of each classifier.")] = 250,
    as_is: Annotated[bool, typer.Option(
        "--as-is", help="Classes come as often as they are, not equally often.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json.")] = False,
) -> None:  # fmt: skip
    """Train a classifier on real and on generated pictures, and say what was gained, if it was."""
    from medacuity.utility.classify import Settings
    from medacuity.utility.session import classified

    wish = Settings(
        generator=generator, generated=None if generated is None else str(generated), each=each,
        generator_steps=generator_steps, steps=steps, balanced=not as_is,
    )  # fmt: skip
    with bars() as show:
        found = classified(data, output, wish, amounts=amounts, seeds=seeds, report=show)
    if as_json:
        show_json(found.record)
    else:
        found.print()
    say(f"written to {output}")
