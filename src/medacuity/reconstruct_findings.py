"""What a reconstruction has to say of itself: for the sidecar, and for the person."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from medacuity import __version__
from medacuity.checkpoint import Trained
from medacuity.physics.geometry import widest_gap
from medacuity.physics.redundancy import sides
from medacuity.sinograms import Sinogram

OPAQUE = 20.0
"""A line integral that two in a billion photons survive."""

MANY = 20
"""Views that nobody takes within six degrees."""

FEWEST, GAP = 10, 30.0
"""Views that a network needs at least to have anything to go by; degrees that it can bridge."""

CUT = 0.1
"""Share of the highest line integrals that the mean of an outermost bin stays below."""

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
        "electronic": sinogram.electronic,
        "outside_the_scan": round(outside, 4),
        "batches": list(batches),
        "doubts": doubts(sinogram),
    }
    if trained is None:
        return found
    found["doubts"] += unlearnt(sinogram)
    name = trained.card.name
    return found | {
        "method": f"reconstruct {name}",
        "method_sha256": trained.sha256,
        "label": "AI-reconstructed",
        "description": f"CT reconstruction by the network {name} {rays}. "
        "Not for primary diagnosis.",
        "licence": trained.card.licence,
    }


def unlearnt(sinogram: Sinogram) -> list[str]:
    """Return what a network can only make up of a sinogram, a sentence each."""
    scan = sinogram.geometry
    gap = widest_gap(scan)
    if scan.views < FEWEST:
        return [
            f"{scan.views} views tell a network next to nothing, and what it shows is made up: "
            f"take {FEWEST} or more, or cgls"
        ]
    if gap >= GAP:
        return [f"no ray comes from {gap:.0f} degrees: edges along these are made up"]
    return []


def in_words(findings: Mapping[str, Any]) -> list[str]:
    """Return what a user should know of a reconstruction, a line each."""
    lines = [findings["description"]]
    batches = findings["batches"]
    if batches[-1]["stopped"] in REASONS:
        steps = max(batch["steps"] for batch in batches)
        lines.append(f"{steps} steps; stopped because {REASONS[batches[-1]['stopped']]}.")
    left = max(share for batch in batches for share in batch["residual"])
    lines.append(f"Of the measured line integrals at most {percent(left)} are unexplained.")
    if findings["unit"] == "1/mm":
        lines.append("Values are attenuation per mm; give --mu-water for Hounsfield units.")
    if findings["outside_the_scan"]:
        share = percent(findings["outside_the_scan"])
        lines.append(f"{share} of the pixels lie outside the scanned circle and are empty.")
    return [*lines, *(f"warning: {doubt}" for doubt in findings["doubts"])]


def percent(share: float) -> str:
    """Return a share in words, two digits of it.

    Example:
        >>> percent(0.0123), percent(1.5)
        ('1.2 %', '150 %')
    """
    return f"{100 * share:.0f} %" if share >= 0.995 else f"{100 * share:.2g} %"


def doubts(sinogram: Sinogram) -> list[str]:
    """Return what speaks against a sinogram being what it is taken for, a sentence each."""
    y, angles = sinogram.array, np.asarray(sinogram.geometry.angles_deg)
    high = float(np.quantile(y[:, ::4], 0.999))
    found = []
    if float(np.median(y[:, ::4])) < -0.05 * abs(high) and float(y.mean()) < 0:
        found.append("most line integrals are below 0; they are -ln(N / N0), so turn their sign")
    if high > OPAQUE:
        found.append(f"line integrals reach {high:.3g}, where no photon comes through; they are "
                     "-ln(N / N0), so divide whatever they were multiplied by")  # fmt: skip
    if len(angles) > MANY and np.ptp(angles) < 6.5:
        found.append(f"{len(angles)} angles lie within {np.ptp(angles):.3g} degrees; angles_deg "
                     "are degrees, not radians")  # fmt: skip
    ends = [n for n in (0, -1) if sides(sinogram.geometry)[n] >= 0.5]  # else it stands aside
    if len(y[0, 0]) > 2 and float(y[:, :, ends].mean(1).max()) > CUT * high > 0:
        found.append(
            "the object reaches beyond the detector; fbp is too bright then, by hundreds of HU at "
            "the rim: take tv or cgls, with a grid that holds all of it"
        )
    return found
