"""``medacuity enhance``: a scan goes in, a better one comes out, in the same place."""

from pathlib import Path
from typing import Annotated

import typer

from medacuity.cli.talk import bars, bytes_of, numbers, say, show_json


def enhance(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Scan: NIfTI, DICOM, NRRD, PNG ...")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="Result.")],
    model: Annotated[str | None, typer.Option(
        help="A name, a file, or an interpolation. Default: by the scan.")] = None,
    scale: Annotated[str | None, typer.Option(help="2 or 1x1x4, per axis as stored.")] = None,
    spacing: Annotated[str | None, typer.Option(help="Wanted mm: 1.0 or 1x1x3.")] = None,
    consistent: Annotated[bool, typer.Option(
        "--consistent", help="Project the result onto what was measured.")] = False,
    memory: Annotated[str, typer.Option(help="Memory that images and features may take.")] = "4G",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    half: Annotated[bool, typer.Option("--half", help="bfloat16: faster, 0.01 dB.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="A warning is an error (10).")] = False,
    report: Annotated[bool, typer.Option("--report", help="Print all findings as JSON.")] = False,
) -> None:  # fmt: skip
    """Enhance a scan: more voxels of the same patient, and what was found on the way."""
    from medacuity.enhance import Settings, enhance_file
    from medacuity.findings import in_words

    settings = Settings(
        scale=numbers(scale, "scale"), spacing=numbers(spacing, "spacing"), weights=model,
        consistent=consistent, memory=bytes_of(memory), device=device, strict=strict,
        half=half, folder=output.parent,
    )  # fmt: skip
    with bars() as show:
        findings = enhance_file(source, output, settings, report=show)
    for line in in_words(findings):
        say(line)
    if report:
        show_json(findings)
