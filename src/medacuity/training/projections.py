"""Scans of slices: what learned reconstruction learns from.

A network of local steps does not need a whole body to learn on. Slices are small pieces of
patients, of random ellipses, and of MR anatomy with the values of CT, each in a small scanner
whose pixels, bins and views lie as densely as those of a large one. Pieces are projected from
pixels half as large as those that are wanted back, so that nothing is inverted by the sums that
made it. What networks start from is the image of least total variation, beside the filtered
back-projection: they learn what classical reconstruction still gets wrong.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, grid_sample

from medacuity.losses import Loss
from medacuity.physics.averages import Averages, interleaved
from medacuity.physics.dose import Attenuation, counted, low_dose, smoothed, unbiased
from medacuity.physics.fbp import fbp
from medacuity.physics.geometry import Geometry, Grid, lodopab, parallel
from medacuity.physics.iterative import noise_level
from medacuity.physics.phantoms import Ellipse, Phantom, random_ellipses
from medacuity.physics.radon import Radon
from medacuity.physics.tv import shortest_edges
from medacuity.training.cases import Case
from medacuity.training.degraded import read_scan
from medacuity.training.pairs import Pairs
from medacuity.volume import Volume

ELLIPSES = Case(Path("ellipses"), "ellipses", "train", "CC0")
"""Not a file: random ellipses, made where they are needed."""

PIECES = 24  # of a case, in each variant
WATER = Attenuation()
AIR = -1000.0
COARSE = 3.5  # mm: of coarser pixels there is nothing to learn
SMOOTH, BLURRED = 4.0, 0.4
"""Up to so many mm lie between what a blurred piece of a scan still tells apart, and the share of
such pieces: scanners differ in sharpness more than patients do."""


class Scan(NamedTuple):
    """What a reconstruction starts from, what it should be, and the rays.

    Images are ``(B, 1, I, J)``, air at 0 and water at 1, but ``(B, 2, I, J)`` to start from: by
    total variation and by filtered back-projection. Rays ``(B, 2, views, bins)``: sums along
    them in cm of water, and the standard deviation of those.
    """

    input: Tensor
    target: Tensor
    rays: Tensor


@dataclass(frozen=True)
class Scanner:
    """A small scanner, as dense as the one that networks are to serve.

    Args:
        views: Of a scan over 180 degrees.
        parts: Into which a network shares them, one for each of its iterations by turns.
        photons: Fewest and most at a bin, drawn for every slice. A pixel gets its noise from all
            views: a scanner of a third of the views needs three times the photons.
        quiet: Share of scans without noise, by a scanner whose photons nobody knows.
        size: Pixels along both sides.
        window: Of the filtered back-projection that a network starts from.
    """

    views: int
    parts: int
    photons: tuple[float, float]
    quiet: float = 0.0
    size: int = 128
    window: str = "hann"

    @property
    def grid(self) -> Grid:
        """The pixels: as large as LoDoPaB-CT's."""
        _, large = lodopab()
        return Grid((self.size, self.size), large.spacing)

    @property
    def geometry(self) -> Geometry:
        """The rays, as close as LoDoPaB-CT's."""
        scan, grid = lodopab()
        bins = round(scan.bins * self.size / grid.shape[0])
        return parallel(self.views, bins=bins, pitch=scan.pitch)

    def operators(self) -> tuple[Averages, ...]:
        """Return what a network is given of it."""
        return interleaved(self.geometry, self.grid, self.parts)


def make_pieces(case: Case, scanner: Scanner, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the rays of pieces of a case, and the pieces with what to start from.

    Shape:
        ``(N, 2, views, bins)``, as `Scan` has rays, and ``(N, 3, size, size)``: the piece, and
        what reconstruction makes of it by total variation and by filtered back-projection.
    """
    size, spacing = scanner.size, scanner.grid.spacing
    fine = Grid((2 * size, 2 * size), (spacing[0] / 2, spacing[1] / 2))
    if case.path == ELLIPSES.path:
        large = torch.stack([_ellipses(fine, rng) for _ in range(PIECES)])[:, None]
    else:
        large = _cut(read_scan(case.path), fine, rng)
    large = large.clamp(min=0)
    lines, pieces = Radon(scanner.geometry, fine)(large), avg_pool2d(large, 2)
    quiet = round(scanner.quiet * len(pieces))
    scans = [
        scanned(lines[some], pieces[some], photons, scanner=scanner, rng=rng)
        for some, photons in (
            (slice(quiet), None), (slice(quiet, None), _photons(scanner, len(pieces) - quiet, rng)),
        )
        if len(pieces[some])
    ]  # fmt: skip
    images = [torch.cat([scan.target, scan.input], 1) for scan in scans]
    return torch.cat([scan.rays for scan in scans]), torch.cat(images)


class Scans(Pairs):
    """Draw batches of scans.

    Args:
        folder: Where `prepare` wrote.
        split: ``"train"`` or ``"validate"``.
        scanner: What they were projected by.
        seed: Decides every draw.
        turned: Whether images are turned and mirrored by chance; their rays are not.
        rank: Number of this process among those that train together.
    """

    def __init__(
        self, folder: Path, split: str, *, scanner: Scanner, seed: int, turned: bool,
        rank: int = 0,
    ) -> None:  # fmt: skip
        scan = scanner.geometry
        patch = (scan.views, scan.bins)
        super().__init__(folder, split, patch=patch, scale=(1, 1), seed=seed, rank=rank)
        self.turned = turned

    def batch(self, step: int, size: int) -> Scan:  # type: ignore[override]
        """Return the batch of one step."""
        rng = np.random.default_rng([self.seed, step, self.rank])
        drawn = []
        for _ in range(size):
            pair = self.arrays[int(rng.integers(len(self.arrays)))]
            item = int(rng.integers(len(pair[0])))
            drawn.append([torch.from_numpy(np.array(side[item])).float() for side in pair])
        rays, images = (torch.stack(side) for side in zip(*drawn, strict=True))
        if self.turned:
            images = torch.rot90(images, int(rng.integers(4)), (2, 3))
            images = images.flip(3) if rng.integers(2) else images
        return Scan(images[:, 1:], images[:, :1], rays)


def scanned(
    clean: Tensor, target: Tensor, photons: Sequence[float] | None, *, scanner: Scanner,
    rng: torch.Generator,
) -> Scan:  # fmt: skip
    """Return scans of slices with the noise of a dose.

    Args:
        clean: Line integrals ``(B, 1, views, bins)`` in mm of water.
        target: ``(B, 1, I, J)``, water at 1.
        photons: At a bin, for every slice; None for no noise.
        scanner: What projected them.
        rng: Source of the noise.
    """
    scan, grid = scanner.geometry, scanner.grid
    (whole,) = interleaved(scan, grid, 1)
    if photons is None:
        y, weights = clean, (noise_level(clean) ** -2).expand_as(clean)
    else:
        noisy = [_noisy(y[None], n, scanner, rng) for y, n in zip(clean, photons, strict=True)]
        y, weights = (torch.cat(side) for side in zip(*noisy, strict=True))
    least = shortest_edges(y, whole.operator, weights=weights, known=photons is not None)
    start = torch.cat([least.x, fbp(y, scan, grid, window=scanner.window)], 1)
    return Scan(start, target, whole.told(y, weights))


def _noisy(
    clean: Tensor, photons: float, scanner: Scanner, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return line integrals of a slice in mm of water as photons tell them, and how surely."""
    beyond = _beyond(scanner, rng)
    y = low_dose(WATER.water * (clean + beyond), photons=photons, rng=rng)
    sure = counted(smoothed(y), photons=photons)
    return unbiased(y, photons=photons) / WATER.water - beyond, sure * WATER.water**2


def _photons(scanner: Scanner, count: int, rng: torch.Generator) -> list[float]:
    low, high = (math.log(n) for n in scanner.photons)
    return [math.exp(_between(rng, low, high)) for _ in range(count)]


def _beyond(scanner: Scanner, rng: torch.Generator) -> Tensor:
    """Return what rays meet before and behind a piece, in mm of water: it lies in a body.

    The body is an ellipse. It decides how many photons arrive, so that noise is streaked along
    its longer axis, as it is in patients.
    """
    a, b = (_between(rng, 80, 200), _between(rng, 70, 170))
    centre = (_between(rng, -0.6, 0.6) * a, _between(rng, -0.6, 0.6) * b)
    body = Phantom([Ellipse(1.0, (a, b), centre, _between(rng, 0, 180))])
    (whole,) = interleaved(scanner.geometry, scanner.grid, 1)
    return (body.sinogram(scanner.geometry).float() - whole.lengths[0, 0]).clamp(min=0)


def unrolled(model: nn.Module, batch: Scan, *, loss: Loss, scanner: Scanner) -> Tensor:
    """Compare the image a network makes of its start and the rays with the truth."""
    prediction = model(batch.input, batch.rays, scanner.operators())
    return loss(prediction.float(), batch.target)


def _cut(volume: Volume, fine: Grid, rng: torch.Generator) -> Tensor:
    """Return pieces of slices ``(N, 1, I, J)``, water at 1, turned and enlarged by chance."""
    planes = _planes(volume, rng)
    pieces = []
    for _ in range(PIECES):
        plane, spacing = planes[int(_between(rng, 0, len(planes) - 1e-6))]
        piece = _sampled(plane, spacing, fine, rng)
        for _ in range(4):  # again, where there is next to nothing but air
            if float((piece > 0.3).float().mean()) > 0.3:
                break
            piece = _sampled(plane, spacing, fine, rng)
        pieces.append(piece)
    return torch.stack(pieces)


def _planes(volume: Volume, rng: torch.Generator) -> list[tuple[Tensor, tuple[float, float]]]:
    """Return slices of a volume with their spacing, across every axis that is fine enough."""
    x = torch.from_numpy(np.ascontiguousarray(volume.array, dtype=np.float32))
    x = (x - AIR) / -AIR if float(x.min()) < AIR / 2 else _as_ct(x, rng)
    planes = []
    for axis in range(3):
        du, dv = (mm for n, mm in enumerate(volume.spacing) if n != axis)
        if max(du, dv) <= COARSE and max(du, dv) < 1.5 * min(du, dv):
            slices = (x.select(axis, n) for n in range(x.shape[axis]))
            planes += [(plane, (du, dv)) for plane in slices if float((plane > 0.3).sum()) > 1000]
    return planes


def _as_ct(x: Tensor, rng: torch.Generator) -> Tensor:
    """Give the brightnesses of an MR scan values of CT, each its own: anatomy, and no scanner."""
    white = float(torch.quantile(x[x > 0][:: max(1, x.numel() // 10**6)], 0.995))
    knots = torch.linspace(0, 1, 6)
    kinds = torch.tensor([[0.05, 0.35], [0.85, 1.15], [0.85, 1.15], [0.9, 1.1], [1.2, 2.2]])
    chosen = kinds[torch.randint(len(kinds), (len(knots),), generator=rng)]
    values = chosen[:, 0] + (chosen[:, 1] - chosen[:, 0]) * torch.rand(len(knots), generator=rng)
    values[0] = 0.0
    level = (x / white).clamp(0, 1) * (len(knots) - 1)
    below = level.long().clamp(max=len(knots) - 2)
    share = level - below
    return values[below] * (1 - share) + values[below + 1] * share


def _sampled(
    plane: Tensor, spacing: tuple[float, float], fine: Grid, rng: torch.Generator
) -> Tensor:  # fmt: skip
    """Return ``(1, I, J)`` of a plane around a place in it, with any turn, mirror and size."""
    # Coarse slices are taken for small ones: what has been enlarged has nothing fine to teach.
    pixel = 2 * fine.spacing[0]
    most = 1.3 * max(pixel, min(spacing))
    if _between(rng, 0, 1) < BLURRED:
        most = max(most, SMOOTH)
    zoom = math.exp(_between(rng, math.log(0.8 * pixel), math.log(most))) / min(spacing)
    turn = _between(rng, 0, 2 * math.pi)
    mirror = 1.0 if _between(rng, 0, 1) < 0.5 else -1.0
    u, v = (torch.from_numpy(place).float() / zoom for place in fine.places())
    u, v = torch.meshgrid(u, mirror * v, indexing="ij")
    size = (n * mm for n, mm in zip(plane.shape, spacing, strict=True))
    centre = [_between(rng, 0.2, 0.8) * mm for mm in size]
    i = (centre[0] + math.cos(turn) * u - math.sin(turn) * v) / spacing[0] / plane.shape[0]
    j = (centre[1] + math.sin(turn) * u + math.cos(turn) * v) / spacing[1] / plane.shape[1]
    places = torch.stack([2 * j - 1, 2 * i - 1], -1)[None]
    found = grid_sample(plane[None, None], places, mode="bicubic", align_corners=False)
    return torch.as_tensor(found[0])


def _ellipses(fine: Grid, rng: torch.Generator) -> Tensor:
    """Return ``(I, J)``: ellipses in the grid, at random, most of them near water."""
    phantom = random_ellipses(fine.reach / math.sqrt(2), rng=rng, mean=25.0)
    x = phantom.image(fine, fine=2).float().clamp(min=0)
    return x * _between(rng, 0.6, 1.2)


def _between(rng: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=rng))
