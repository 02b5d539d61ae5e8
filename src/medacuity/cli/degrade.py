"""``medacuity degrade``: make the scan that a faster or coarser acquisition would have given."""

from pathlib import Path
from typing import Annotated, Any

import typer

from medacuity.cli.talk import bars, numbers, say
from medacuity.errors import UsageError


def degrade(
    kind: Annotated[str, typer.Argument(
        help="kspace, block-mean, slice-profile, bicubic or rician; ct-low-dose or ct-sparse.")],
    source: Annotated[Path, typer.Argument(metavar="IN", help="Scan.")],
    output: Annotated[Path, typer.Option(
        "-o", "--output", metavar="OUT", help="Result; ct-*: a sinogram, *.h5.")],
    factor: Annotated[str | None, typer.Option(
        help="2 (the default) or 1x1x4: voxels per voxel left.")] = None,
    thickness: Annotated[float | None, typer.Option(
        help="slice-profile: width over the distance of slices; 0.8 leaves gaps.")] = None,
    magnitude: Annotated[bool, typer.Option(
        "--magnitude", help="kspace: magnitude instead of the real part.")] = False,
    noise: Annotated[float | None, typer.Option(
        help="Rician sigma over the scan's 99.9th percentile, such as 0.03.")] = None,
    views: Annotated[int | None, typer.Option(
        help="ct-*: angles; 1000 (low-dose) or 60 (sparse).")] = None,
    span: Annotated[float | None, typer.Option(
        help="ct-*: degrees that the angles cover; 180, or 360 for a fan.")] = None,
    photons: Annotated[float | None, typer.Option(
        help="ct-*: reach an open bin; 4096 (low-dose) or no noise (sparse).")] = None,
    electronic: Annotated[float | None, typer.Option(
        help="ct-*: the detector's own noise, in photons.")] = None,
    fan: Annotated[str | None, typer.Option(
        help="ct-*: mm from source to axis and to detector, such as 541x949.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise.")] = 0,
) -> None:  # fmt: skip
    """Degrade a scan with known physics; the patient stays still."""
    of_ct = {"views": views, "span_deg": span, "photons": photons, "electronic": electronic,
             "fan": fan}  # fmt: skip
    of_others = {"factor": factor, "thickness": thickness, "magnitude": magnitude or None,
                 "noise": noise}  # fmt: skip
    if kind.startswith("ct-"):
        _scan(kind, source, output, _given(kind, of_ct, of_others) | {"seed": seed})
    else:
        _coarsen(kind, source, output, _given(kind, of_others, of_ct) | {"seed": seed})


def _given(kind: str, fitting: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given; one that means nothing here is an error."""
    for name, value in others.items():
        if value is not None:
            raise UsageError(f"--{name.removesuffix('_deg')} does not go with {kind}")
    return {name: value for name, value in fitting.items() if value is not None}


def _coarsen(kind: str, source: Path, output: Path, options: dict[str, Any]) -> None:
    from medacuity import formats
    from medacuity.degrade import Acquisition, degrade_source

    factor = numbers(options.pop("factor", "2"), "factor") or []
    wanted = Acquisition(kind, tuple(factor), **options)
    found = formats.read(source)
    formats.check_output(output, found)
    volumes, provenance = degrade_source(found, wanted)
    formats.write(output, volumes, like=found, provenance=provenance)
    say(provenance["description"])


def _scan(kind: str, source: Path, output: Path, options: dict[str, Any]) -> None:
    from medacuity import formats, sinograms
    from medacuity.degrade_ct import Scan, scan_source

    distances = options.pop("fan", None)
    if distances is not None:
        options["source"], options["detector"] = _distances(distances)
    wanted = Scan(kind, **options)
    sinograms.check_output(output)
    found = formats.read(source)
    with bars() as show:
        sinogram, provenance = scan_source(found, wanted, report=show)
    sinograms.write(output, sinogram, like=found, provenance=provenance)
    say(provenance["description"])


def _distances(text: str) -> tuple[float, float]:
    try:
        source, detector = (float(part) for part in text.lower().split("x"))
    except ValueError:
        raise UsageError(
            f"fan is mm from source to axis and to detector, such as 541x949; got {text!r}"
        ) from None
    return source, detector
