"""One kind of image made of another, such as T2 of T1: made up, in its place, and said to be so."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medacuity import __version__
from medacuity.checkpoint import Card, Trained, find_weights, load_weights, read_card, shipped
from medacuity.errors import SafetyGate, UsageError
from medacuity.fitted import Fitted
from medacuity.foreground import MARGIN, TISSUE, foreground
from medacuity.formats import Source, output_in
from medacuity.intensity import Intensity
from medacuity.nd import channels_last, usable_device
from medacuity.tiling import run_tiled
from medacuity.viewpoint import Viewpoint, is_picture, viewpoint
from medacuity.volume import Volume

CORNER = 16  # voxels per axis on which memory is measured
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """What to make, of what, and by what.

    Args:
        to: Contrast that is wanted, such as ``"T2"``; None: what the weights give.
        origin: Contrast of the input; needed where there is a network for several.
        weights: Name or file of weights; None: the shipped ones from ``origin`` to ``to``.
        memory: Bytes that images and features may take.
        device: ``"cpu"``, ``"cuda"`` or ``"auto"``.
        strict: Raise `SafetyGate` where there is a warning.
    """

    to: str | None = None
    origin: str | None = None
    weights: str | None = None
    memory: float = 4 * 2**30
    device: str = "auto"
    strict: bool = False


@dataclass(frozen=True)
class Synthesized:
    """A result, and what was found.

    Args:
        volume: On the grid of the input, in the unit of the card.
        findings: What was made of what, on which grid, warnings; all JSON.
    """

    volume: Volume
    findings: dict[str, Any]


def chosen(settings: Settings) -> Card:
    """Return the card of the weights that were named, or of the shipped ones that fit the wish.

    Raises:
        UsageError: The weights are for something else, or make another contrast; no shipped
            ones make it, or of several contrasts.
    """
    if settings.weights is not None:
        card = read_card(find_weights(settings.weights))
        card.expect("synthesize", settings.weights)
        for wish, side in ((settings.to, card.output), (settings.origin, card.input)):
            if wish is not None and not _same(wish, side.contrast):
                raise UsageError(f"{card.name[:80]} is for {card.offer}, and {wish} was asked for")
        return card
    cards = [card for card in map(read_card, shipped().values()) if card.purpose == "synthesize"]
    found = [card for card in cards if _same(settings.to, card.output.contrast)]
    if settings.origin is not None:
        found = [card for card in found if _same(settings.origin, card.input.contrast)]
    if not found:
        asked = f"{settings.origin or 'a scan'} to {settings.to or 'nothing (--to is missing)'}"
        known = ", ".join(dict.fromkeys(card.offer for card in cards)) or "none"
        raise UsageError(f"no shipped network turns {asked}; there are: {known}")
    if len({card.input.contrast for card in found}) > 1:
        origins = ", ".join(card.input.contrast for card in found)
        raise UsageError(f"{settings.to} is made of {origins}: say which the scan is, with --from")
    return max(found, key=_measured)


def synthesize(
    volume: Volume, settings: Settings, *, report: Report = lambda what, done, of: None
) -> Synthesized:
    """Return another kind of image of the same patient, voxel for voxel in the same place.

    Args:
        volume: Any grid, in the contrast and unit that the weights take.
        settings: What is wanted.
        report: Told what is being done, and the voxels done and to do.

    Raises:
        UsageError: The wish cannot be met; see `chosen`.
        WeightsRefused: The weights are damaged or do not fit.
        SafetyGate: A voxel of the result is not finite; or, if ``strict``, any warning.
        LimitExceeded: It does not fit into the memory allowed.
    """
    began = time.monotonic()
    card = chosen(settings)
    _check(volume, card)
    warned = _warnings(volume, card)
    if settings.strict and warned:
        raise SafetyGate(warned[0])
    trained = load_weights(settings.weights or card.name)
    seen = viewpoint(volume, card)
    array, box = _run(trained, volume, seen, settings, report)
    findings = _findings(volume, trained, seen, warned)
    findings["slices_of_air"] = len(seen.of(array)) - len(seen.of(array)[box[0]])
    findings["seconds"] = round(time.monotonic() - began, 2)
    return Synthesized(Volume(array, volume.affine, card.output.unit), findings)


def synthesize_source(
    source: Source, settings: Settings, *, report: Report = lambda what, done, of: None
) -> tuple[list[Volume], dict[str, Any]]:
    """Translate every volume of a file by itself; return them and what was found."""
    if getattr(source.header, "colour", None) is not None:
        raise UsageError("a colour picture is no scan; save it in grey first", path=source.path)
    done = []
    for n, volume in enumerate(source.volumes, start=1):
        many = f"volume {n} of {len(source.volumes)}: " if len(source.volumes) > 1 else ""
        done.append(synthesize(volume, settings, report=partial(_named, report, many)))
    each = [one.findings for one in done]
    first = each[0] | {
        "seconds": round(sum(found["seconds"] for found in each), 2),
        "warnings": list(dict.fromkeys(w for found in each for w in found["warnings"])),
    }
    return [one.volume for one in done], first


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
    return lines + [f"warning: {warning}" for warning in findings["warnings"]]


def _run(
    trained: Trained, volume: Volume, seen: Viewpoint, settings: Settings, report: Report
) -> tuple[NDArray[np.float32], tuple[slice, ...]]:
    """Run the network over slices or volume; return its numbers, and the part that it saw."""
    card, device = trained.card, usable_device(settings.device)
    given = seen.of(volume.array)
    intensity = card.rule().of(given)  # as the network sees it: the same in whatever order
    scale = _scale(card, volume, intensity)
    out = np.full(volume.shape, scale.low, np.float32)  # air
    network: Any = channels_last(trained.model, card.dims).to(device)
    box = _box(given, seen, intensity)
    given, room = given[box], seen.of(out)[box]
    tell = partial(report, card.name)
    fitted = Fitted(
        network, seen.size(given.shape[2:]), patch=card.patch, labels=len(card.classes), report=tell
    )

    def load(part: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(intensity.to_unit(part))).to(device)

    def store(y: torch.Tensor) -> NDArray[np.float32]:
        made = scale.from_unit(y.float().cpu().numpy())
        return np.maximum(made, 0) if scale.low == 0 else made  # a magnitude stays one

    if len(given) > 1:
        means = intensity.to_unit(given.mean((1, 2, 3)))
        fullest = int(np.argmax(means))
        fitted.lean_on(load(given[fullest : fullest + 1]), mean=float(means.mean()))
    corner = load(given[(slice(1), slice(None), *[slice(CORNER)] * card.dims)])
    tile = fitted.tile(corner, given.shape, budget_bytes=settings.memory)
    run_tiled(fitted, given, out=room, tile=tile, load=load, store=store,
              report=tell if card.dims == 2 else None)  # fmt: skip
    if not np.isfinite(out).all():
        raise SafetyGate("the result is not finite; check the input for damaged voxels")
    return out, box


def _box(given: NDArray[Any], seen: Viewpoint, intensity: Intensity) -> tuple[slice, ...]:
    """Return the part of ``(B, 1, *S)`` that is not air: that is what training saw."""
    above = intensity.low + TISSUE * (intensity.high - intensity.low)
    margin = [round(MARGIN * ratio) for ratio in seen.ratios]
    return foreground(given, above=above, margin=[0, 0, *margin])


def _scale(card: Card, volume: Volume, intensity: Intensity) -> Intensity:
    """Return the numbers of the result: in their unit, or, without one, as the input's are."""
    integer = volume.array.dtype.kind in "iu"
    if card.output_intensity and card.output.unit == "a.u." and integer and is_picture(volume):
        return Intensity(0.0, float(np.iinfo(volume.array.dtype).max))  # a picture ends at white
    return card.back(intensity)


def _findings(
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


def _warnings(volume: Volume, card: Card) -> list[str]:
    """Return what a person must mind."""
    takes = f"{card.name} was trained on {card.input.contrast} in {card.input.unit}"
    found = []
    if volume.unit not in (card.input.unit, "a.u."):
        found.append(f"the values are in {volume.unit}, and {takes}: the result means nothing")
    if is_picture(volume):
        found.append(f"a picture has no spacing and no place in a patient; {takes}")
    return found


def _check(volume: Volume, card: Card) -> None:
    """Refuse what the network cannot take."""
    labels = len(card.classes)
    counts = (card.arguments.get("channels", 1), card.arguments.get("outputs", 1))
    if counts != (labels or 1, 1):
        raise UsageError(f"{card.name} takes or gives several images at once; take another")
    if card.dims == 3 and 1 in volume.shape:
        raise UsageError(
            f"{card.name} translates volumes, and this is one slice; name a 2D network"
        )
    if labels and not (volume.array.min() >= 0 and volume.array.max() <= labels - 1):
        raise UsageError(f"{card.name} takes label maps with values from 0 to {labels - 1}")


def _same(wish: str | None, contrast: str) -> bool:
    return wish is not None and wish.strip().lower() == contrast.lower()


def _measured(card: Card) -> tuple[float, str]:
    """Return how good a network was on patients that no training saw, by its card."""
    ssim = card.measured.get("ssim", 0.0)
    return (ssim if isinstance(ssim, float) else 0.0, card.name)


def _named(report: Report, prefix: str, what: str, done: int, of: int) -> None:
    report(prefix + what, done, of)


def output_for(output: Path, source: Source, card: Card) -> Path:
    """Return where a result goes: ``output``, or, if that is a folder, a name in it.

    The name says SYNTHETIC. A series of DICOM slices is a folder itself: it fills an empty one.
    """
    fills = source.path.is_dir() and not (output.is_dir() and any(output.iterdir()))
    if fills or not output.is_dir():
        return output
    contrast = "".join(c for c in card.output.contrast.lower() if c.isalnum() or c in "-_")
    return output_in(output, source, f"SYNTHETIC-{contrast or 'image'}")
