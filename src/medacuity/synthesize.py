"""One kind of image made of another, such as T2 of T1: made up, in its place, and said to be so."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medacuity import formats
from medacuity.checkpoint import Card, Trained, find_weights, load_weights, read_card, shipped
from medacuity.errors import MalformedInput, SafetyGate, UsageError
from medacuity.fitted import Fitted
from medacuity.foreground import MARGIN, TISSUE, foreground
from medacuity.formats import Source
from medacuity.intensity import Intensity
from medacuity.nd import channels_last, usable_device
from medacuity.synthesize_findings import found, of_uncertainty, warnings_of
from medacuity.synthesize_output import beside, output_for
from medacuity.tiling import run_tiled
from medacuity.viewpoint import Viewpoint, is_picture, slabs, viewpoint
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
        uncertainty: Half the width of the interval that 90 % of voxels lie in, in the same
            unit; None: the network gives none.
    """

    volume: Volume
    findings: dict[str, Any]
    uncertainty: Volume | None = None


def chosen(settings: Settings, *, flat: bool = False) -> Card:
    """Return the card of the weights that were named, or of the shipped ones that fit the wish.

    Args:
        settings: The wish.
        flat: The scan is one slice, which tells a network for volumes nothing.

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
    fit = [card for card in cards if _same(settings.to, card.output.contrast)]
    if settings.origin is not None:
        fit = [card for card in fit if _same(settings.origin, card.input.contrast)]
    else:  # a scan is not taken for a label map unless that is said
        fit = [card for card in fit if not card.classes]
    if not fit:
        asked = f"{settings.origin or 'a scan'} to {settings.to or 'nothing (--to is missing)'}"
        known = ", ".join(dict.fromkeys(card.offer for card in cards)) or "none"
        raise UsageError(f"no shipped network turns {asked}; there are: {known}")
    if len({card.input.contrast for card in fit}) > 1:
        origins = ", ".join(card.input.contrast for card in fit)
        raise UsageError(f"{settings.to} is made of {origins}: say which the scan is, with --from")
    return max([card for card in fit if card.dims == 2 or not flat] or fit, key=_measured)


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
        MalformedInput: All voxels have one value.
        WeightsRefused: The weights are damaged or do not fit.
        SafetyGate: A voxel of the result is not finite; or, if ``strict``, any warning.
        LimitExceeded: It does not fit into the memory allowed.
    """
    began = time.monotonic()
    card = chosen(settings, flat=1 in volume.shape)
    _check(volume, card)
    warned = warnings_of(volume, card)
    if settings.strict and warned:
        raise SafetyGate(warned[0])
    trained = load_weights(settings.weights or card.name)
    seen = viewpoint(volume, card)
    arrays, box = _run(trained, volume, seen, settings, report)
    findings = found(volume, trained, seen, warned)
    findings["slices_of_air"] = len(seen.of(arrays[0])) - len(seen.of(arrays[0])[box[0]])
    findings["seconds"] = round(time.monotonic() - began, 2)
    made, *spread = (Volume(array, volume.affine, card.output.unit) for array in arrays)
    return Synthesized(made, findings, spread[0] if spread else None)


def synthesize_source(
    source: Source, settings: Settings, *, report: Report = lambda what, done, of: None
) -> tuple[list[Volume], list[Volume], dict[str, Any]]:
    """Translate every volume of a file by itself; return them, their uncertainty, and findings.

    There are as many maps of uncertainty as volumes, or none.
    """
    if getattr(source.header, "colour", None) is not None:
        raise UsageError("a colour picture is no scan; save it in grey first", path=source.path)
    done = []
    for n, volume in enumerate(source.volumes, start=1):
        many = f"volume {n} of {len(source.volumes)}: " if len(source.volumes) > 1 else ""
        done.append(synthesize(volume, settings, report=partial(_named, report, many)))
    each = [one.findings for one in done]
    first = each[0] | {
        "seconds": round(sum(one["seconds"] for one in each), 2),
        "warnings": list(dict.fromkeys(w for one in each for w in one["warnings"])),
    }
    spread = [one.uncertainty for one in done if one.uncertainty is not None]
    return [one.volume for one in done], spread, first


def synthesize_file(
    path: Path, output: Path, settings: Settings, *, report: Report = lambda what, done, of: None
) -> tuple[dict[str, Any], list[Path]]:
    """Translate a file, its uncertainty beside it; return findings and the files written.

    ``output`` may be a folder; see `output_for`. Nothing is made before all of it can be written.
    """
    chosen(settings)  # what cannot be had is refused before anything is read
    source = formats.read(path)
    card = chosen(settings, flat=1 in source.volumes[0].shape)
    output = output_for(output, source, card)
    for place in [output, *([beside(output)] if card.interval else [])]:
        formats.check_output(place, source, unit=card.output.unit)
    volumes, spread, findings = synthesize_source(source, settings, report=report)
    made = {output: (volumes, findings)}
    if spread:
        made[beside(output)] = (spread, of_uncertainty(findings))
    for place, (each, told) in made.items():
        formats.write(place, each, like=source, provenance=told)
    return findings, list(made)


def _run(
    trained: Trained, volume: Volume, seen: Viewpoint, settings: Settings, report: Report
) -> tuple[list[NDArray[np.float32]], tuple[slice, ...]]:
    """Run the network over slices or volume; return what it gives, and the part that it saw."""
    card, device = trained.card, usable_device(settings.device)
    given = seen.of(volume.array)
    intensity = card.rule().of(given)  # as the network sees it: the same in whatever order
    scale = _scale(card, volume, intensity)
    outputs = int(card.arguments.get("outputs", 1))
    out = [np.full(volume.shape, low, np.float32) for low in (scale.low, 0.0)[:outputs]]  # air
    network: Any = channels_last(trained.model, card.dims).to(device)
    box = _box(given, seen, intensity)
    rooms = [seen.of(array)[box] for array in out]
    given = slabs(given, card, volume.spacing[seen.axes[0]])[box]
    tell = partial(report, card.name)
    fitted = Fitted(
        network, seen.size(given.shape[2:]), patch=card.patch, labels=len(card.classes), report=tell
    )

    def load(part: NDArray[Any]) -> torch.Tensor:
        """Return a part of the scan in the unit range, on the device."""
        return torch.from_numpy(np.ascontiguousarray(intensity.to_unit(part))).to(device)

    if len(given) > 1:
        means = intensity.to_unit(given.mean((1, 2, 3)))
        fullest = int(np.argmax(means))
        fitted.lean_on(load(given[fullest : fullest + 1]), mean=float(means.mean()))
    corner = load(given[(slice(1), slice(None), *[slice(CORNER)] * card.dims)])
    tile = fitted.tile(corner, given.shape, budget_bytes=settings.memory)
    room = rooms[0] if outputs == 1 else np.empty((len(given), outputs, *given.shape[2:]), "f4")
    run_tiled(fitted, given, out=room, tile=tile, load=load,
              store=partial(_in_numbers, scale=scale, interval=card.interval),
              report=tell if card.dims == 2 else None)  # fmt: skip
    if outputs > 1:
        for n, each in enumerate(rooms):
            each[:] = room[:, n : n + 1]
    if not all(np.isfinite(array).all() for array in out):
        raise SafetyGate("the result is not finite; check the input for damaged voxels")
    return out, box


def _in_numbers(y: torch.Tensor, *, scale: Intensity, interval: float) -> NDArray[np.float32]:
    """Return an image in its numbers and, where there is one, how far off it may be."""
    made: NDArray[np.float32] = y.float().cpu().numpy()
    image = scale.from_unit(made[:, :1])
    if scale.low == 0:
        image = np.maximum(image, 0)  # a magnitude stays one
    if made.shape[1] == 1:
        return image
    span = (scale.high - scale.low) * interval
    return np.concatenate([image, span * np.exp(np.clip(made[:, 1:], -9, 2))], 1)


def _box(given: NDArray[Any], seen: Viewpoint, intensity: Intensity) -> tuple[slice, ...]:
    """Return the part of ``(B, 1, *S)`` that is not air: that is what training saw."""
    above = intensity.low + TISSUE * (intensity.high - intensity.low)
    margin = [round(MARGIN * ratio) for ratio in seen.ratios]
    images, _, *space = foreground(given, above=above, margin=[0, 0, *margin])
    return (images, slice(None), *space)


def _scale(card: Card, volume: Volume, intensity: Intensity) -> Intensity:
    """Return the numbers of the result: in their unit, or, without one, as the input's are."""
    integer = volume.array.dtype.kind in "iu"
    if card.output_intensity and card.output.unit == "a.u." and integer and is_picture(volume):
        return Intensity(0.0, float(np.iinfo(volume.array.dtype).max))  # a picture ends at white
    return card.back(intensity)


def _check(volume: Volume, card: Card) -> None:
    """Refuse what the network cannot take."""
    low, high = float(volume.array.min()), float(volume.array.max())
    if low == high:
        raise MalformedInput(
            f"a scan must show something, and all voxels of this one are {low:g}: nothing can be "
            "made of it; take another"
        )
    labels = len(card.classes)
    channels, outputs = (card.arguments.get(name, 1) for name in ("channels", "outputs"))
    shown = [labels or 1] if labels or card.dims == 3 else [1, 3, 5, 7, 9]  # slices beside it
    if channels not in shown or outputs != (2 if card.interval else 1):
        raise UsageError(f"{card.name} takes or gives several images at once; take another")
    if card.dims == 3 and 1 in volume.shape:
        raise UsageError(
            f"{card.name} translates volumes, and this is one slice; name a 2D network"
        )
    if labels and not (low >= 0 and high <= labels - 1):
        raise UsageError(f"{card.name} takes label maps with values from 0 to {labels - 1}")


def _same(wish: str | None, contrast: str) -> bool:
    return wish is not None and wish.strip().lower() == contrast.lower()


def _measured(card: Card) -> tuple[bool, float, str]:
    """Tell whether it knows its error, and how good it was on patients no training saw."""
    ssim = card.measured.get("ssim", 0.0)
    return (card.interval > 0, ssim if isinstance(ssim, float) else 0.0, card.name)


def _named(report: Report, prefix: str, what: str, done: int, of: int) -> None:
    report(prefix + what, done, of)
