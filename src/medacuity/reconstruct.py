"""From a sinogram to a volume: which method, which pixels, in HU, and what was found."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medacuity.errors import SafetyGate, UsageError
from medacuity.formats.limits import check_size
from medacuity.nd import usable_device
from medacuity.physics.dose import Attenuation, counted, smoothed, unbiased
from medacuity.physics.fbp import fbp
from medacuity.physics.geometry import Geometry, Grid
from medacuity.physics.iterative import Report as StepReport
from medacuity.physics.iterative import Solved, cgls, noise_level, sirt, solve
from medacuity.physics.radon import Radon
from medacuity.physics.redundancy import reach
from medacuity.physics.tv import STEPS, STRENGTH, TOLERANCE, shortest_edges
from medacuity.reconstruct_findings import describe
from medacuity.reconstruct_learned import (
    FAMILIES,
    image_of,
    level_of,
    reconstructor,
    weights_for,
)
from medacuity.sinograms import Sinogram
from medacuity.volume import Volume

BATCH = 16
"""Slices that are worked on side by side."""

TOO_LARGE = "the reconstruction is not finite; the sinogram's numbers are too large"

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """How to reconstruct; what is left out is decided by the sinogram.

    Args:
        method: ``fbp``, ``sirt``, ``cgls``, ``tv``, ``fbpconvnet`` or ``primal-dual``.
        window: Of ``fbp``: ``ramp``, ``shepp-logan``, ``cosine``, ``hamming`` or ``hann``.
        cutoff: Of ``fbp``: highest frequency kept, as a share of the detector's.
        steps: Of ``sirt``, ``cgls`` and ``tv``: at most so many; None for what usually suffices.
        tolerance: Of the same: stop once a step changes the image by less than this share.
        strength: Of ``tv``: more is smoother.
        model: Of networks: weights by name or file; None for what fits the scan.
        consistent: Of networks: go on from their image until it explains the data to the noise.
        spacing: Pixel in mm, on the same field of view.
        size: Pixels along both sides.
        water: Attenuation of water per mm, for HU where the file does not say.
        device: ``auto``, ``cpu`` or ``cuda``.
    """

    method: str = "fbp"
    window: str = "ramp"
    cutoff: float = 1.0
    steps: int | None = None
    tolerance: float = TOLERANCE
    strength: float = STRENGTH
    model: str | None = None
    consistent: bool = False
    spacing: float | None = None
    size: int | None = None
    water: float | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(
                f"no reconstruction is called {self.method!r}; take {', '.join(METHODS)}"
            )
        if self.method not in FAMILIES and (self.model or self.consistent):
            raise UsageError(
                f"{self.method} has no network that a model or consistency could be asked of; "
                f"take {' or '.join(FAMILIES)}"
            )
        if self.size is not None and not 1 <= self.size <= 16384:
            raise UsageError(f"size must lie between 1 and 16384 pixels, got {self.size}")
        if self.spacing is not None and not 0 < self.spacing < math.inf:
            raise UsageError(f"spacing must be finite and above 0 mm, got {self.spacing:g}")


@dataclass(frozen=True)
class Task:
    """Some slices of a sinogram, as a method gets them.

    Args:
        y: Line integrals ``(B, 1, views, bins)``.
        weights: One over their variances: by the photons where those are known, else estimated.
        photons: That an open bin counted; None where nobody knows.
        operator: The projector onto the pixels wanted; it knows the geometry and the grid.
        settings: What was asked for.
        water: Attenuation of water per mm, where it is known.
        report: Told after each step.
    """

    y: Tensor
    weights: Tensor
    photons: float | None
    operator: Radon
    settings: Settings
    water: float | None
    report: StepReport

    def steps(self, usual: int) -> int:
        """Return how many steps may be taken."""
        return usual if self.settings.steps is None else self.settings.steps

    def means(self) -> Tensor:
        """Return the line integrals less what few counts add to their logarithm."""
        return self.y if self.photons is None else unbiased(self.y, photons=self.photons)

    def fbp(self, window: str, cutoff: float = 1.0) -> Tensor:
        """Return the filtered back-projection; pixels that are coarse hold what is coarse."""
        scan, grid = self.operator.geometry, self.operator.grid
        bins = max(grid.spacing) * scan.magnification / scan.pitch  # to a pixel
        if bins > 1.5 and cutoff <= 1:
            cutoff = min(cutoff, 1 / bins)
        return fbp(self.y, scan, grid, window=window, cutoff=cutoff)


Method = Callable[[Task], Solved]


def _fbp(task: Task) -> Solved:
    x = task.fbp(task.settings.window, task.settings.cutoff)
    task.report(1, 1, 0.0)
    return Solved(x, 1, "direct")


def _sirt(task: Task) -> Solved:
    return solve(
        sirt(task.y, task.operator), steps=task.steps(200),
        tolerance=task.settings.tolerance, weights=task.weights, report=task.report,
    )  # fmt: skip


def _cgls(task: Task) -> Solved:
    return solve(
        cgls(task.y, task.operator), steps=task.steps(50),
        tolerance=task.settings.tolerance, weights=task.weights, report=task.report,
    )  # fmt: skip


def _tv(task: Task) -> Solved:
    return shortest_edges(
        task.means(), task.operator, weights=task.weights, known=task.photons is not None,
        strength=task.settings.strength, steps=task.steps(STEPS),
        tolerance=task.settings.tolerance, report=task.report,
    )  # fmt: skip


def _learned(task: Task) -> Solved:
    scan, grid = task.operator.geometry, task.operator.grid
    trained = reconstructor(weights_of(task.settings, scan, grid))
    least = _tv(task)
    water = task.water or level_of(least.x)
    x = image_of(
        task.means(), task.weights, least.x, operator=task.operator, water=water, trained=trained
    )
    x = torch.where(task.y.abs().amax((1, 2, 3), keepdim=True) > 0, x, least.x)  # nothing there
    if not task.settings.consistent:
        return Solved(x, least.steps, least.why)
    return solve(
        cgls(task.y, task.operator, start=x), steps=task.steps(20),
        tolerance=task.settings.tolerance, weights=task.weights, report=task.report,
    )  # fmt: skip


METHODS: Mapping[str, Method] = {
    "fbp": _fbp, "sirt": _sirt, "cgls": _cgls, "tv": _tv, **dict.fromkeys(FAMILIES, _learned),
}  # fmt: skip


def weights_of(settings: Settings, geometry: Geometry, grid: Grid) -> str:
    """Return the weights asked for, or those that fit the scan."""
    return settings.model or weights_for(settings.method, geometry, grid)


def reconstruct(
    sinogram: Sinogram, settings: Settings, *, report: Report | None = None
) -> tuple[Volume, dict[str, Any]]:
    """Return the volume that a sinogram is of, in HU where water is known, and findings.

    Pixels that not every view sees are set to nothing (-1001 HU, or 0 per mm).

    Raises:
        UsageError: Settings that the sinogram cannot meet.
        SafetyGate: The result is not finite.
    """
    if settings.water is not None:
        sinogram = replace(sinogram, attenuation=Attenuation(settings.water, settings.water / 1000))
    grid, device = wanted_grid(sinogram.grid, settings), usable_device(settings.device)
    operator, total = Radon(sinogram.geometry, grid), len(sinogram.array)
    water = None if sinogram.attenuation is None else sinogram.attenuation.water
    parts, found = [], []
    for start in range(0, total, BATCH):
        y = torch.from_numpy(sinogram.array[start : start + BATCH])[:, None].to(device)
        tell = _told(report, start, len(y), total)
        task = Task(y, _weights(y, sinogram), sinogram.photons, operator, settings, water, tell)
        solved = METHODS[settings.method](task)
        tell(1, 1, 0.0)
        parts.append(solved.x[:, 0].cpu().numpy())
        found.append(_unexplained(task, solved))
    mu = np.concatenate(parts)
    if not np.isfinite(mu).all():
        raise SafetyGate(TOO_LARGE)
    seen = _seen(sinogram, grid)
    mu = np.where(seen, mu, np.float32(0))
    if sinogram.attenuation is not None:
        mu = sinogram.attenuation.to_hu(mu)
    trained = None
    if settings.method in FAMILIES:
        trained = reconstructor(weights_of(settings, sinogram.geometry, grid))
    outside = 1 - float(seen.mean())
    findings = describe(sinogram, asdict(settings), found, outside=outside, trained=trained)
    return sinogram.place(mu, grid), findings


def room_for(sinogram: Sinogram, settings: Settings) -> Volume:
    """Return the volume that there will be, with nothing in it and no memory taken."""
    grid = wanted_grid(sinogram.grid, settings)
    shape = (len(sinogram.array), *grid.shape)
    check_size(shape, 4, Path("the result"))
    return sinogram.place(np.broadcast_to(np.float32(0), shape), grid)


def wanted_grid(grid: Grid, settings: Settings) -> Grid:
    """Return the pixels asked for, on the same field of view.

    Example:
        >>> wanted_grid(Grid((100, 100), (1.0, 1.0)), Settings(spacing=0.5)).shape
        (200, 200)
    """
    field = [n * mm for n, mm in zip(grid.shape, grid.spacing, strict=True)]
    if settings.size is not None and settings.spacing is not None:
        mm = settings.spacing
        return Grid((settings.size, settings.size), (mm, mm), grid.centre)
    if settings.size is not None:
        n = settings.size
        return Grid((n, n), (field[0] / n, field[1] / n), grid.centre)
    if settings.spacing is not None:
        i, j = (max(1, round(mm / settings.spacing)) for mm in field)
        return Grid((i, j), (settings.spacing, settings.spacing), grid.centre)
    return grid


def _weights(y: Tensor, sinogram: Sinogram) -> Tensor:
    """Return one over the variance of each line integral."""
    if sinogram.photons is None:
        return (noise_level(y) ** -2).expand_as(y)
    return counted(smoothed(y), photons=sinogram.photons, electronic=sinogram.electronic)


def _told(report: Report | None, start: int, slices: int, total: int) -> StepReport:
    """Return a report of steps that tells how many slices are done."""

    def tell(done: int, steps: int, change: float) -> None:
        """Report how far all slices are, in slices times steps."""
        if report is not None:
            what = f"reconstructing (slices {start + 1} to {start + slices}, change {change:.1e})"
            report(what, start * steps + done * slices, total * steps)

    return tell


def _unexplained(task: Task, solved: Solved) -> dict[str, Any]:
    """Return what the image leaves of the data, each slice by itself, and how it was found."""
    left = (task.y - task.operator(solved.x)).double()
    norms = task.y.double().flatten(1).norm(dim=1)
    norms = torch.where(norms > 0, norms, norms.amax())  # an empty slice beside others
    share = left.flatten(1).norm(dim=1) / torch.where(norms > 0, norms, 1.0)
    noise = (task.weights * left**2).mean((1, 2, 3))
    if not torch.isfinite(torch.cat([share, noise])).all():
        raise SafetyGate(TOO_LARGE)
    return {
        "steps": solved.steps, "stopped": solved.why,
        "residual": [round(float(r), 6) for r in share],
        "residual_over_noise": [round(float(n) ** 0.5, 4) for n in noise],
    }  # fmt: skip


def _seen(sinogram: Sinogram, grid: Grid) -> NDArray[np.bool_]:
    """Return the pixels that lie in the circle that every view sees, or its opposite."""
    u, v = grid.places()
    return np.asarray(np.hypot(u[:, None], v) <= reach(sinogram.geometry) + 1e-6)
