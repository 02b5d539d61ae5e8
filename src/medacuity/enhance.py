"""A volume in, a better volume in the same place out, and what was found on the way."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medacuity import formats
from medacuity.atomic import scratch
from medacuity.checkpoint import Trained, load_weights
from medacuity.choose import Plan, Stage, card_of, plan
from medacuity.errors import SafetyGate, UsageError
from medacuity.findings import describe, together, warnings_of
from medacuity.formats import Source
from medacuity.nd import channels_last, usable_device
from medacuity.resize import KERNELS, Kernel, cubic, resize
from medacuity.tiling import run_tiled
from medacuity.trust.consistency import SCANNERS, Residual, Scanner, project, residual
from medacuity.volume import Volume

IN_MEMORY = 0.25  # share of the budget that a result may take before it goes to disk
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """How to enhance; what is left open is decided from the scan.

    Args:
        scale: Result voxels per voxel, one number or one per axis.
        spacing: Wanted mm between voxels, instead of ``scale``.
        weights: Name or file of weights, or the name of an interpolation.
        consistent: Project the result onto what was measured.
        memory: Bytes that images and features may take.
        device: ``"cpu"``, ``"cuda"`` or ``"auto"``.
        folder: Where large results lie while they are made.
        strict: Raise `SafetyGate` where there is a warning.
        half: Convolve in bfloat16: some times faster where the hardware is made for it, and
            within a few hundredths of a decibel; tiles then agree to 1e-3 of the range only.
    """

    scale: Sequence[float] | None = None
    spacing: Sequence[float] | None = None
    weights: str | None = None
    consistent: bool = False
    memory: float = 4 * 2**30
    device: str = "auto"
    folder: Path = Path()
    strict: bool = False
    half: bool = False


@dataclass(frozen=True)
class Enhanced:
    """A result, and what was found.

    Args:
        volume: In the unit of the input, over the same field of view.
        findings: The choice and its reason, noise, data consistency, warnings; all JSON.
    """

    volume: Volume
    findings: dict[str, Any] = field(default_factory=dict)


def enhance(
    volume: Volume, settings: Settings, *, report: Report = lambda what, done, of: None
) -> Enhanced:
    """Return ``volume`` with more voxels of the same patient.

    Args:
        volume: Any grid and unit.
        settings: What is wanted.
        report: Told what is being done, and the voxels done and to do.

    Raises:
        UsageError: The wish cannot be met, such as a scale of 0.
        WeightsRefused: The weights are damaged or do not fit.
        SafetyGate: A voxel of the result is not finite.
        LimitExceeded: It does not fit into the memory allowed.

    Example:
        >>> thin = enhance(Volume(np.ones((16, 16, 4)), np.eye(4)), Settings(scale=[2, 2, 1]))
        >>> thin.volume.shape, thin.volume.spacing
        ((32, 32, 4), (0.5, 0.5, 1.0))
    """
    began = time.monotonic()
    by_hand = settings.weights in KERNELS
    todo = plan(
        volume, scale=settings.scale, spacing=settings.spacing,
        weights=None if by_hand else settings.weights,
    )  # fmt: skip
    _check_size(todo, volume, settings)
    kernel = KERNELS[settings.weights or ""] if by_hand else cubic
    stages = () if by_hand else todo.stages
    warned = warnings_of(volume, [card_of(stage.weights) for stage in stages])
    if settings.strict and warned:
        raise SafetyGate(warned[0])
    array, used = volume.array, []
    for stage in stages:
        used.append(load_weights(stage.weights, scale=stage.scale))
        array = _run(used[-1], stage, array, settings, report)
    if array.shape != todo.size:
        array = _resized(array, todo.size, kernel, settings)
    found = _finish(array, volume, used, settings)
    plain = settings.weights if by_hand else "cubic"
    findings = describe(volume, todo, used, found, plain=plain or "cubic")
    findings["options"] = {"consistent": settings.consistent, "half": settings.half}
    findings["seconds"] = round(time.monotonic() - began, 2)
    return Enhanced(volume.resampled(array), findings)


def enhance_source(
    source: Source, settings: Settings, *, report: Report = lambda what, done, of: None
) -> tuple[list[Volume], dict[str, Any]]:
    """Enhance every volume of a file by itself; return them and what was found.

    Every volume is planned by itself: a diffusion series has quiet and noisy ones.
    """
    done = []
    for n, volume in enumerate(source.volumes, start=1):
        many = f"volume {n} of {len(source.volumes)}: " if len(source.volumes) > 1 else ""
        done.append(enhance(volume, settings, report=partial(_named, report, many)))
    return [each.volume for each in done], together([each.findings for each in done])


def enhance_file(
    path: Path, output: Path, settings: Settings, *, report: Report = lambda what, done, of: None
) -> dict[str, Any]:
    """Enhance a file into another of the same kind; return what was found.

    Nothing is computed before it is known that ``output`` can be written.
    """
    source = formats.read(path)
    formats.check_output(output, source)
    volumes, findings = enhance_source(source, settings, report=report)
    formats.write(output, volumes, like=source, provenance=findings)
    return findings


def _named(report: Report, prefix: str, what: str, done: int, of: int) -> None:
    report(prefix + what, done, of)


def _check_size(todo: Plan, volume: Volume, settings: Settings) -> None:
    """Refuse what would change nothing, and what cannot be consistent with the input."""
    same = todo.size == volume.shape
    cleans = any(set(stage.scale) == {1} for stage in todo.stages) and settings.weights is not None
    if same and not cleans:
        raise UsageError("the result would have the voxels of the input; ask for a scale above 1")
    if settings.consistent and same:
        raise UsageError(
            "with the voxels of the input, the only consistent result is the input; leave out "
            "consistent, or ask for a scale above 1"
        )
    if settings.consistent and _shrinks(todo.size, volume):
        raise UsageError("a result with fewer voxels along an axis cannot be consistent with all")


def _shrinks(size: Sequence[int], volume: Volume) -> bool:
    return any(new < old for new, old in zip(size, volume.shape, strict=True))


def _run(
    trained: Trained, stage: Stage, array: NDArray[Any], settings: Settings, report: Report
) -> NDArray[np.float32]:
    """Run one network over the axes it is meant for."""
    model, card = trained.model, trained.card
    device = usable_device(settings.device)
    intensity = card.rule().of(array)
    scale = [1, 1, 1]
    for axis, s in zip(stage.axes, stage.scale, strict=True):
        scale[axis] = s
    shape = tuple(n * s for n, s in zip(array.shape, scale, strict=True))
    out = _room(shape, settings)
    with torch.autocast(device.type, torch.bfloat16, enabled=settings.half):
        run_tiled(
            channels_last(model, card.arguments["dims"]).to(device),  # type: ignore[arg-type]
            _network_view(array, stage.axes),
            out=_network_view(out, stage.axes),
            budget_bytes=settings.memory * (1 - 2 * IN_MEMORY),
            load=lambda part: torch.from_numpy(intensity.to_unit(np.asarray(part))).to(device),
            store=lambda y: intensity.from_unit(y.float().cpu().numpy()),
            report=lambda done, of: report(card.name, done, of),
        )
    return out


def _network_view(array: NDArray[Any], axes: Sequence[int]) -> NDArray[Any]:
    """Return ``(B, 1, *S)``: the axes in the network's order, the rest as a batch; no copy."""
    rest = [axis for axis in range(3) if axis not in axes]
    view = array.transpose(*rest, *axes)
    return view[:, None] if rest else view[None, None]


def _resized(
    array: NDArray[Any], size: Sequence[int], kernel: Kernel, settings: Settings
) -> NDArray[Any]:
    """Resample what the networks leave of the way, a slab at a time."""
    # Numbers that float32 cannot hold (32-bit integers, doubles) are not narrowed on the way.
    wide = array.dtype.itemsize > 4 or array.dtype in (np.int32, np.uint32)
    fine = np.float64 if wide else np.float32
    out = _room(size, settings, fine)
    # In-plane axes first, slab by slab along K; then K, slab by slab along I.
    middle = _room((size[0], size[1], array.shape[2]), settings, fine)
    step = max(1, (1 << 24) // (size[0] * size[1]))
    for k in range(0, array.shape[2], step):
        part = torch.from_numpy(np.array(array[:, :, k : k + step], dtype=fine))
        middle[:, :, k : k + step] = resize(part.movedim(2, 0), size[:2], kernel).movedim(0, 2)
    step = max(1, (1 << 24) // (size[1] * max(size[2], array.shape[2])))
    for i in range(0, size[0], step):
        part = torch.from_numpy(np.array(middle[i : i + step]))
        out[i : i + step] = resize(part, size[2:], kernel)
    return out


def _room(
    shape: Sequence[int], settings: Settings, dtype: type[np.floating[Any]] = np.float32
) -> NDArray[Any]:
    """Return an array in memory, or on disk when it would take too much of the budget."""
    if np.dtype(dtype).itemsize * math.prod(shape) > IN_MEMORY * settings.memory:
        return scratch(settings.folder, tuple(shape), dtype)
    return np.empty(tuple(shape), dtype)


def _finish(
    array: NDArray[Any], volume: Volume, used: Sequence[Trained], settings: Settings
) -> Residual | None:
    """Check that the result is finite, and not below 0 where the input never is.

    Then measure, or enforce, its consistency with the input.

    Where an axis got fewer voxels there is nothing to be consistent with, and where all got as
    many, what differs is the noise that was taken out: None.
    """
    magnitude = volume.array.min() >= 0 and not settings.consistent
    for part in array:
        if not np.isfinite(part).all():
            raise SafetyGate("the result is not finite; check the input for damaged voxels")
        if magnitude:  # and stays one: no kernel's undershoot turns it negative
            np.maximum(part, 0, out=part)
    if array.shape == volume.shape or _shrinks(array.shape, volume):
        return None
    scanner = _scanner([trained.card.measured_by for trained in used])
    if settings.consistent:
        project(array, volume.array, scanner)
    return residual(array, volume.array, scanner)


def _scanner(names: Sequence[str]) -> Scanner:
    """Return the one way of measuring all networks agree on; block mean where they do not."""
    return SCANNERS[names[0] if len(set(names)) == 1 else "block mean"]
