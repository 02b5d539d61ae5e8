"""What a reconstruction has to say of itself: for the sidecar, and for the person."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from medacuity import __version__
from medacuity.checkpoint import Trained
from medacuity.sinograms import Sinogram

REASONS = {
    "still": "the image stood still",
    "noise": "what is left is noise",
    "steps": "there were no more",
}


def describe(
    sinogram: Sinogram, options: Mapping[str, Any], batches: Sequence[Mapping[str, Any]],
    *, outside: float, trained: Trained | None,
) -> dict[str, Any]:  # fmt: skip
    """Return the findings; all of it JSON, nothing of it tells who the patient is.

    Args:
        sinogram: The input.
        options: What was asked for.
        batches: What was found of the slices.
        outside: Share of the pixels that not every view sees.
        trained: The network, if there was one.
    """
    scan, water, method = sinogram.geometry, sinogram.attenuation, options["method"]
    beam = "parallel" if scan.parallel else "curved fan" if scan.curved else "fan"
    rays = f"from {scan.views} views of {scan.bins} bins ({beam} beam)"
    found: dict[str, Any] = {
        "method": f"reconstruct {method}",
        "method_sha256": "",
        "version": __version__,
        "label": "Reconstructed",
        "description": f"CT reconstruction by {method} {rays}.",
        "options": dict(options),
        "unit": "1/mm" if water is None else "HU",
        "attenuation_per_mm": None if water is None else asdict(water),
        "photons": sinogram.photons,
        "outside_the_scan": round(outside, 4),
        "batches": list(batches),
    }
    if trained is None:
        return found
    name = trained.card.name
    return found | {
        "method": f"reconstruct {name}",
        "method_sha256": trained.sha256,
        "label": "AI-reconstructed",
        "description": f"CT reconstruction by the network {name} {rays}. "
        "Not for primary diagnosis.",
        "licence": trained.card.licence,
    }


def in_words(findings: Mapping[str, Any]) -> list[str]:
    """Return what a user should know of a reconstruction, a line each."""
    lines = [findings["description"]]
    batches = findings["batches"]
    if batches[-1]["stopped"] in REASONS:
        steps = max(batch["steps"] for batch in batches)
        lines.append(f"{steps} steps; stopped because {REASONS[batches[-1]['stopped']]}.")
    left = max(share for batch in batches for share in batch["residual"])
    lines.append(f"Of the measured line integrals at most {100 * left:.2g} % are unexplained.")
    if findings["unit"] == "1/mm":
        lines.append("Values are attenuation per mm; give --mu-water for Hounsfield units.")
    if findings["outside_the_scan"]:
        share = 100 * findings["outside_the_scan"]
        lines.append(f"{share:.2g} % of the pixels lie outside the scanned circle and are empty.")
    return lines
