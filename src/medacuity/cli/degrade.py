"""``medacuity degrade``: make the scan that a faster or coarser acquisition would have given."""

from pathlib import Path
from typing import Annotated

import typer

from medacuity.cli.talk import numbers, say


def degrade(
    kind: Annotated[str, typer.Argument(
        help="kspace, block-mean, slice-profile, bicubic or rician.")],
    source: Annotated[Path, typer.Argument(metavar="IN", help="Scan.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="Result.")],
    factor: Annotated[str, typer.Option(help="2 or 1x1x4: voxels per voxel left.")] = "2",
    thickness: Annotated[float, typer.Option(
        help="slice-profile: width over the distance of slices; 0.8 leaves gaps.")] = 1.0,
    magnitude: Annotated[bool, typer.Option(
        "--magnitude", help="kspace: magnitude instead of the real part.")] = False,
    noise: Annotated[float, typer.Option(
        help="Rician sigma over the scan's 99.9th percentile, such as 0.03.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
) -> None:  # fmt: skip
    """Degrade a scan with known physics; the patient stays still."""
    from medacuity import formats
    from medacuity.degrade import Acquisition, degrade_source

    wanted = Acquisition(
        kind, tuple(numbers(factor, "factor") or []), thickness=thickness, magnitude=magnitude,
        noise=noise, seed=seed,
    )  # fmt: skip
    found = formats.read(source)
    formats.check_output(output, found)
    volumes, provenance = degrade_source(found, wanted)
    formats.write(output, volumes, like=found, provenance=provenance)
    say(provenance["description"])
