"""What a translation found, as JSON and in words: what was made of what, and what to mind."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from medacuity import __version__
from medacuity.checkpoint import Card, Trained
from medacuity.foreground import TISSUE
from medacuity.viewpoint import Viewpoint, is_picture
from medacuity.volume import Volume

STRIPPED = "OASIS"  # on a card: brains without skull are what it was trained on
LARGEST_BRAIN = 2.2  # litres; those of OASIS take 1.2 to 1.5, heads of other sets 3.4 to 4.7


def in_words(findings: dict[str, Any]) -> list[str]:
    """Return the findings as lines for a person: what was made, on which grid, what to mind."""
    grid = findings["grid"]
    lines = [f"{findings['description']}"]
    if grid["resampled"]:
        scan, network = (" x ".join(f"{mm:g}" for mm in grid[of]) for of in ("scan", "network"))
        lines.append(
            f"resampled from {scan} mm to the {network} mm of its training, and back: no detail "
            "finer than either is in the result"
        )
    if findings["slices_of_air"]:
        lines.append(f"{findings['slices_of_air']} slices show nothing but air, and stay so")
    lines.append(f"{findings['size']} voxels, where they were, in {findings['seconds']:g} s")
    if findings["interval"]:
        lines.append(
            "uncertainty beside it: what 90 % of voxels lie within, by how much people with one "
            "anatomy differ; a lesion that the scan does not show is in neither"
        )
    return lines + [f"warning: {warning}" for warning in findings["warnings"]]


def found(
    volume: Volume, trained: Trained, seen: Viewpoint, warned: Sequence[str]
) -> dict[str, Any]:
    """Return what the sidecar says; all of it JSON, nothing of it tells who the patient is."""
    card = trained.card
    to, origin = card.output.contrast, card.input.contrast
    how = "slice by slice" if card.dims == 2 else "as a volume"
    return {
        "method": card.name,
        "method_sha256": trained.sha256,
        "version": __version__,
        "synthetic": True,
        "label": f"SYNTHETIC {to}",
        "description": f"SYNTHETIC {to}, made of {origin} {how} by the network {card.name}; none "
        "of it was measured. Not for diagnosis.",
        "from": origin,
        "to": to,
        "unit": card.output.unit,
        "interval": _interval(card),
        "size": " x ".join(map(str, volume.shape)),
        "grid": {
            "directions": card.directions,
            "scan": [round(mm, 4) for mm in seen.spacing],
            "network": card.spacing or None,
            "resampled": any(ratio != 1 for ratio in seen.ratios),
        },
        "licence": card.licence,
        "warnings": list(warned),
    }


def of_uncertainty(findings: dict[str, Any]) -> dict[str, Any]:
    """Return what the sidecar of the map of uncertainty says."""
    return findings | {
        "label": f"{findings['label']} uncertainty",
        "description": f"Half the width of the interval in which 90 % of voxels of a SYNTHETIC "
        f"{findings['to']} lie, by the network {findings['method']}. Not for diagnosis.",
    }


def warnings_of(volume: Volume, card: Card) -> list[str]:
    """Return what a person must mind."""
    takes = f"{card.name} was trained on {card.input.contrast} in {card.input.unit}"
    found = []
    if volume.unit not in (card.input.unit, "a.u."):
        found.append(f"the values are in {volume.unit}, and {takes}: the result means nothing")
    if is_picture(volume):
        found.append(f"a picture has no spacing and no place in a patient; {takes}")
    elif card.output.contrast.upper() == "PET" and STRIPPED in card.data:
        litres = _litres(volume, card)
        if litres > LARGEST_BRAIN:
            found.append(
                f"the scan shows {litres:.1f} litres, more than a brain, and {card.name} was "
                "trained on brains without skull and neck: the result means nothing; strip the "
                "skull first"
            )
    return found


def _litres(volume: Volume, card: Card) -> float:
    """Return how much of a volume is not air."""
    seen = card.rule().of(volume.array)
    shown = np.count_nonzero(volume.array > seen.low + TISSUE * (seen.high - seen.low))
    return float(shown * abs(np.linalg.det(volume.affine[:3, :3])) / 1e6)


def _interval(card: Card) -> dict[str, Any] | None:
    """Return what the map of uncertainty holds, where there is one."""
    if not card.interval:
        return None
    return {
        "what": "half width of the interval that holds 90 % of a patient's voxels",
        "unit": card.output.unit,
        "times_expected_error": round(card.interval, 3),
    }
