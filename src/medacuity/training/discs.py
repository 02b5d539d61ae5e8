"""Discs with holes, seen from one side only: what reconstruction of limited angles learns from.

The phantoms of the Helsinki Tomography Challenge 2022 (Meaney et al.,
https://doi.org/10.5281/zenodo.6984868) are discs of acrylic with holes. Ours are drawn: holes are
rounded cells or blobs, of any number and size. Each is scanned by a scanner like the challenge's
over an arc that begins anywhere, and reconstructed by total variation and by filtered
back-projection; a network learns the disc that made both.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn.functional import avg_pool2d

from medacuity.physics.fbp import fbp
from medacuity.physics.geometry import Grid, fan
from medacuity.physics.iterative import noise_level
from medacuity.physics.radon import Radon
from medacuity.physics.tv import densest, shortest_edges
from medacuity.training.cases import Case

DISCS = [Case(Path("discs"), side, side, "CC0") for side in ("train", "validate")]
"""Not files: drawn where they are needed."""

EACH = 16  # of a case, in each variant
STEPS = 30
FIELD = 75.94  # mm
SCANNER = fan(720, bins=560, pitch=0.2, source=410.66, detector=553.74)
"""Half a degree between views, as the challenge's scanner has it."""

ARCS = (30.0, 30.0, 45.0, 60.0, 60.0, 90.0, 90.0, 138.0, 180.0)  # degrees; short ones more often
RADIUS = (34.0, 35.5)
Places = NDArray[np.float64]


@dataclass(frozen=True)
class Arc:
    """What discs are scanned over, and on how many pixels along both sides."""

    size: int = 256
    arcs: tuple[float, ...] = ARCS

    def grid(self, fine: int = 1) -> Grid:
        """Return the pixels, or some ``fine`` times smaller."""
        return Grid((fine * self.size,) * 2, (FIELD / self.size / fine,) * 2)


def make_discs(arc: Arc, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return what reconstruction makes of discs, and the discs; its densest part has 1.

    Shape:
        ``(N, 2, size, size)``, by total variation and by filtered back-projection, and
        ``(N, 1, size, size)``.
    """
    pairs = [_scanned(arc, np.random.default_rng(_seed(rng))) for _ in range(EACH)]
    given, discs = zip(*pairs, strict=True)
    return torch.cat(given), torch.cat(discs)


def _scanned(arc: Arc, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return one disc as reconstruction sees it, and itself."""
    disc = torch.from_numpy(disc_with_holes(arc.grid(2), rng))[None, None]
    views = int(2 * rng.choice(arc.arcs) * rng.uniform(0.9, 1.1)) + 1
    first = rng.uniform(0, 360)
    scan = replace(SCANNER, angles_deg=tuple(first + 0.5 * n for n in range(views)))
    level = rng.uniform(0.034, 0.046)  # attenuation per mm: noise is felt the more the less it is
    y = Radon(scan, arc.grid(2))(level * disc)
    y = y + rng.uniform(0.003, 0.02) * torch.from_numpy(rng.normal(size=y.shape)).float()
    grid = arc.grid()
    least = shortest_edges(
        y, Radon(scan, grid), weights=(noise_level(y) ** -2).expand_as(y), known=False,
        steps=STEPS, tolerance=1e-6,
    )  # fmt: skip
    dense = densest(least.x)
    given = torch.cat([least.x, fbp(y, scan, grid, window="hann")], 1) / dense
    return given, avg_pool2d(level * disc, 2) / dense


def disc_with_holes(grid: Grid, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a disc near the middle of the field, 1 where there is material, with soft edges.

    Shape:
        ``grid.shape``.
    """
    u, v = grid.places()
    (a, b), radius = rng.uniform(-1.5, 1.5, 2), rng.uniform(*RADIUS)
    x, y = np.meshgrid(u - a, v - b, indexing="ij")
    inside = np.hypot(x, y) < radius
    holes = _cells(x, y, radius, rng) if rng.random() < 0.5 else _blobs(x, y, radius, rng)
    soft = rng.uniform(0.06, 0.18) / grid.spacing[0]  # mm
    return np.asarray(gaussian_filter((inside & ~holes).astype(np.float32), soft))


def _cells(x: Places, y: Places, radius: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return the cells between points, with walls between them and corners rounded."""
    count, centres = int(rng.integers(2, 16)), list[NDArray[np.float64]]()
    for _ in range(50 * count):
        place = rng.uniform(-radius, radius, 2)
        if math.hypot(*place) < radius and all(math.dist(place, p) > 9 for p in centres):
            centres.append(place)
        if len(centres) == count:
            break
    away = np.stack([np.hypot(x - p, y - q) for p, q in centres])
    nearest = np.partition(away, 1, 0) if len(centres) > 1 else np.stack([away[0], away[0] + 99])
    kept = rng.random(len(centres)) < rng.uniform(0.5, 1)
    rim = radius - rng.uniform(3, 7)
    cells = (nearest[1] - nearest[0] > rng.uniform(1.5, 8)) & (np.hypot(x, y) < rim)
    round_by = rng.uniform(0.3, 1.2) / abs(x[1, 0] - x[0, 0])  # mm
    found: NDArray[np.float32] = gaussian_filter(
        (cells & kept[away.argmin(0)]).astype(np.float32), round_by
    )
    return np.asarray(found > 0.5)


def _blobs(x: Places, y: Places, radius: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return ellipses, rounded rectangles and lozenges that do not touch."""
    holes = np.zeros(x.shape, bool)
    for _ in range(int(rng.integers(1, 60))):
        away, towards = rng.uniform(0, 0.9 * radius), rng.uniform(0, 2 * math.pi)
        p, q = away * math.cos(towards), away * math.sin(towards)
        half, turn, power = rng.uniform(1.5, 9, 2), rng.uniform(0, math.pi), rng.choice([1.3, 2, 4])
        along = (x - p) * math.cos(turn) + (y - q) * math.sin(turn)
        across = (y - q) * math.cos(turn) - (x - p) * math.sin(turn)
        wide = half + 1.5  # mm of material are left between two
        clear = np.abs(along / wide[0]) ** power + np.abs(across / wide[1]) ** power < 1
        if away + half.max() < radius - 2 and not (holes & clear).any():
            holes |= np.abs(along / half[0]) ** power + np.abs(across / half[1]) ** power < 1
    return holes


def _seed(rng: torch.Generator) -> int:
    return int(torch.randint(2**62, (), generator=rng))
