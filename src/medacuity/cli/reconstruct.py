"""``medacuity reconstruct``: projections go in, an image in HU comes out."""

from pathlib import Path
from typing import Annotated

import typer

from medacuity.cli.talk import bars, say, show_json


def reconstruct(
    source: Annotated[Path, typer.Argument(
        metavar="IN", help="Sinogram: .h5, .npz, or .mat of the HTC 2022.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="Volume.")],
    method: Annotated[str, typer.Option(
        help="fbp, sirt, cgls, tv, fbpconvnet or primal-dual.")] = "fbp",
    window: Annotated[str, typer.Option(
        "--filter", help="fbp: ramp, shepp-logan, cosine, hamming or hann.")] = "ramp",
    cutoff: Annotated[float, typer.Option(
        help="fbp: highest frequency kept, as a share of the detector's.")] = 1.0,
    steps: Annotated[int | None, typer.Option(help="sirt, cgls, tv: at most so many.")] = None,
    tolerance: Annotated[float, typer.Option(
        help="sirt, cgls, tv: stop when a step changes less than this share.")] = 5e-4,
    strength: Annotated[float, typer.Option(help="tv: more is smoother.")] = 0.7,
    model: Annotated[str | None, typer.Option(
        metavar="NAME|FILE", help="fbpconvnet, primal-dual: weights; else what fits.")] = None,
    consistent: Annotated[bool, typer.Option(
        "--consistent", help="fbpconvnet, primal-dual: on until the data are explained.")] = False,
    spacing: Annotated[float | None, typer.Option(help="Pixel in mm.")] = None,
    size: Annotated[int | None, typer.Option(help="Pixels along both sides.")] = None,
    water: Annotated[float | None, typer.Option(
        "--mu-water", help="Attenuation of water per mm, such as 0.02: gives HU.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    report: Annotated[bool, typer.Option("--report", help="Print all findings as JSON.")] = False,
) -> None:  # fmt: skip
    """Reconstruct CT slices from their projections."""
    from medacuity import formats, sinograms
    from medacuity.reconstruct import Settings, room_for
    from medacuity.reconstruct import reconstruct as solve
    from medacuity.reconstruct_findings import in_words

    settings = Settings(
        method=method, window=window, cutoff=cutoff, steps=steps, tolerance=tolerance,
        strength=strength, model=model, consistent=consistent, spacing=spacing, size=size,
        water=water, device=device,
    )  # fmt: skip
    sinogram = sinograms.read(source)
    like = sinograms.as_source(source, room_for(sinogram, settings))
    formats.check_output(output, like)
    with bars() as show:
        volume, findings = solve(sinogram, settings, report=show)
        formats.write(output, [volume], like=like, provenance=findings)
    for line in in_words(findings):
        say(line)
    if report:
        show_json(findings)
