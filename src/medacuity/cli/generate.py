"""``medacuity generate``: images of no patient, out of chance."""

from pathlib import Path
from typing import Annotated

import typer

from medacuity.cli.talk import bars, bytes_of, say, show_json


def generate(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="New folder.")],
    model: Annotated[str, typer.Option(help="A generator: its name, or a file.")],
    count: Annotated[int, typer.Option(min=1, help="Images.")] = 16,
    kind: Annotated[str | None, typer.Option("--class", help="Default: each in turn.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the first; the next has the next.")] = 0,
    form: Annotated[str | None, typer.Option("--as", help="png or nifti.")] = None,
    sheet: Annotated[bool, typer.Option("--sheet", help="Also a contact sheet.")] = False,
    memory: Annotated[str, typer.Option(help="Memory that an image may take.")] = "4G",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print samples.json.")] = False,
) -> None:  # fmt: skip
    """Generate images of no patient. They are SYNTHETIC, and say so."""
    from medacuity.generate import Settings, generate_folder, in_words

    wish = Settings(
        weights=model, count=count, kind=kind, seed=seed, form=form, sheet=sheet,
        memory=bytes_of(memory), device=device,
    )  # fmt: skip
    with bars() as show:
        record = generate_folder(output, wish, report=show)
    for line in in_words(record):
        say(line)
    if as_json:
        show_json(record)
