"""``medacuity synthesize``: another kind of image made of a scan, and said to be made up."""

from pathlib import Path
from typing import Annotated

import typer

from medacuity.cli.talk import bars, bytes_of, say, show_json


def synthesize(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Scan: NIfTI, DICOM, NRRD, PNG ...")],
    output: Annotated[Path, typer.Option(
        "-o", "--output", metavar="OUT", help="Result, or a folder for it.")],
    to: Annotated[str | None, typer.Option(help="Wanted contrast, such as t2.")] = None,
    origin: Annotated[str | None, typer.Option("--from", help="Contrast of the scan.")] = None,
    model: Annotated[str | None, typer.Option(help="A name or a file, instead.")] = None,
    memory: Annotated[str, typer.Option(help="Memory that images and features may take.")] = "4G",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    strict: Annotated[bool, typer.Option("--strict", help="A warning is an error (10).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all findings as JSON.")] = False,
) -> None:  # fmt: skip
    """Make one contrast of another, such as T2 of T1. The result is SYNTHETIC, and says so."""
    from medacuity.synthesize import Settings, synthesize_file
    from medacuity.synthesize_findings import in_words

    wish = Settings(
        to=to, origin=origin, weights=model, memory=bytes_of(memory), device=device, strict=strict
    )
    with bars() as show:
        findings, written = synthesize_file(source, output, wish, report=show)
    for line in [*in_words(findings), *(f"written: {path}" for path in written)]:
        say(line)
    if as_json:
        show_json(findings)
