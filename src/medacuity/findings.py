"""What an enhancement has to say of itself: for the sidecar, and for the person."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from medacuity import __version__
from medacuity.checkpoint import Card, Trained
from medacuity.choose import NOISY, WATER, Plan
from medacuity.hounsfield import in_hounsfield
from medacuity.intensity import Percentile, Picture
from medacuity.trust.consistency import Residual
from medacuity.volume import Volume

CLEANER = "ct-low-dose"
LOW_DOSE = 40.0  # HU of noise in soft tissue; two CTs of usual dose have 24 and 26


def describe(
    volume: Volume, todo: Plan, used: Sequence[Trained], found: Residual | None, *, plain: str
) -> dict[str, Any]:
    """Return the findings; all of it JSON, nothing of it tells who the patient is.

    Args:
        volume: The input.
        todo: What was planned.
        used: The networks that ran, in order.
        found: Data consistency; None where it does not apply.
        plain: What was done where no network ran.
    """
    names = " + ".join(trained.card.name for trained in used)
    factors = " x ".join(f"{n / o:g}" for n, o in zip(todo.size, volume.shape, strict=True))
    done = "the same voxels" if todo.size == volume.shape else f"{factors} times the voxels"
    verb = f"Enhanced by the networks {names}" if used else f"Resampled ({plain})"
    return {
        "method": names or plain,
        "method_sha256": _joint([trained.sha256 for trained in used]),
        "version": __version__,
        "label": "AI-enhanced" if used else "Resampled",
        "description": f"{verb}: {done}. Not for primary diagnosis.",
        "stages": [
            {"weights": trained.card.name, "sha256": trained.sha256, "axes": list(stage.axes),
             "scale": list(stage.scale), "why": stage.why, "licence": trained.card.licence}
            for stage, trained in zip(todo.stages, used, strict=False)
        ],
        "size": list(todo.size),
        "unit": "HU" if todo.ct else volume.unit,
        "noise": round(todo.noise, 4),
        "consistency": None if found is None else _rounded(asdict(found)),
        "warnings": warnings_of(volume, [trained.card for trained in used]),
    }  # fmt: skip


def together(each: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the findings of all volumes of a file as one: the first, and where others differ."""
    first = dict(each[0])
    if len(each) == 1:
        return first
    chains = list(dict.fromkeys(found["method"] for found in each))
    hashes = list(dict.fromkeys(found["method_sha256"] for found in each))
    return first | {
        "method": " or ".join(chains),
        "method_sha256": _joint(hashes),
        "seconds": round(sum(found["seconds"] for found in each), 2),
        "warnings": list(dict.fromkeys(w for found in each for w in found["warnings"])),
        "volumes": [
            {key: found[key] for key in ("method", "method_sha256", "noise", "consistency")}
            for found in each
        ],
    }


def in_words(findings: dict[str, Any]) -> list[str]:
    """Return the findings as lines for a person: what was chosen, why, and what to mind."""
    lines = [
        f"chose {stage['weights']}: {stage['why']}; {_noise_in_words(findings)}"
        for stage in findings["stages"]
    ] or [f"resampled by {findings['method']}; no network was used"]
    consistency = findings["consistency"]
    if consistency:
        lines.append(
            f"pushed back through a {consistency['scanner']} scanner, the result leaves "
            f"{consistency['relative']:.2%} of the input unexplained (at most "
            f"{consistency['largest']:.2%} of its range at any voxel)"
        )
    size = " x ".join(map(str, findings["size"]))
    lines.append(f"{size} voxels in {findings['seconds']:g} s")
    return lines + [f"warning: {warning}" for warning in findings["warnings"]]


def _noise_in_words(findings: dict[str, Any]) -> str:
    noise = findings["noise"]
    if findings["unit"] != "HU":
        kind = "noisy" if noise > NOISY else "clean"
        return f"{kind} (noise {noise:.1%} of the brightness)"
    hu = noise * WATER
    cleaned = any(stage["weights"] == CLEANER for stage in findings["stages"])
    if hu <= LOW_DOSE or cleaned:
        return f"CT, noise of about {hu:.0f} HU"
    return f"CT, noise of about {hu:.0f} HU, as of low dose: `--model {CLEANER}` takes it out first"


def warnings_of(volume: Volume, used: Sequence[Card]) -> list[str]:
    """Return what a person must mind when the networks of these cards run on this volume."""
    if not used:
        return []
    photographic = [card.name for card in used if isinstance(card.rule(), Picture)]
    ct = in_hounsfield(volume)
    strange = [card.name for card in used if (card.input.unit == "HU") != ct]
    if photographic:
        said = "this is a scan, not a picture, and {} was trained on photographs"
        found = "" if _is_picture(volume) else said.format(photographic[0])
    elif ct:
        found = f"the values are in HU, and {strange[0]} was trained on MRI" if strange else ""
    elif any(card.input.unit == "HU" for card in used):
        found = f"the values are not those of CT in HU, and {strange[0]} was trained on CT"
    elif volume.unit != "a.u.":
        found = f"the values are in {volume.unit}, and {used[0].name} was trained on MRI"
    elif Percentile().of(volume.array).low < 0:
        found = f"the values go well below 0, and {used[0].name} was trained on magnitude MRI"
    else:
        found = ""
    return [f"{found}: judge the result with care, or take --model lanczos"] if found else []


def _is_picture(volume: Volume) -> bool:
    """Tell whether a volume has no place in a patient: one slice, no unit, voxels of 1 mm."""
    return (
        volume.shape[2] == 1 and volume.unit == "a.u." and np.array_equal(volume.affine, np.eye(4))
    )


def _joint(hashes: Sequence[str]) -> str:
    """Return one hash for the networks that ran: that of the only one, or of all together."""
    if len(hashes) == 1:
        return hashes[0]
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest() if hashes else ""


def _rounded(figures: dict[str, Any]) -> dict[str, Any]:
    return {k: v if isinstance(v, str) else float(f"{v:.3g}") for k, v in figures.items()}
