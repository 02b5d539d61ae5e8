"""How CT comes: what happened to a scan before it reached us, little dose, and phantoms.

Everything here is in HU. Drawing is apart from applying, as in `variety`.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from medacuity.physics.dose import Attenuation, low_dose
from medacuity.physics.fbp import fbp
from medacuity.physics.geometry import Geometry, Grid, fan, parallel
from medacuity.physics.radon import Radon
from medacuity.physics.sampling import area
from medacuity.resize import cubic, linear, resize
from medacuity.training.variety import Degradation, chance, uniform
from medacuity.volume import Volume

LARGEST = 256  # voxels along an axis of a volume, or of what is made larger, at most
SMALLEST = 96  # voxels that are left along an axis, at least
FIELDS = (260.0, 420.0)  # mm across; LoDoPaB-CT has 260
WINDOWS = ("ramp", "shepp-logan", "cosine", "hamming", "hann")
AIR = -1000.0
TOGETHER = 8  # slices that are projected side by side


def any_ct_history(rng: torch.Generator, *, strength: float = 0.8) -> Degradation:
    """Draw a part of a scan, voxels of another size, and a sharper or softer kernel.

    Unlike in MRI, values keep their meaning: no other contrasts, no other brightness.

    Args:
        rng: Source of randomness.
        strength: Probability of other voxels, and of another kernel by half.
    """
    corner = torch.rand(3, generator=rng).tolist()
    ratio = math.exp(uniform(rng, math.log(0.5), math.log(3.5)))
    kernel = (area, cubic, linear)[int(torch.randint(3, (), generator=rng)) if ratio > 1 else 1]
    ratio = ratio if chance(rng, strength) else 1.0
    soft = uniform(rng, -0.10, 0.20) if chance(rng, strength / 2) else 0.0

    def history(x: Tensor) -> Tensor:
        """Return the scan, a part of it if it is a volume, coarser and softer as drawn."""
        if x.ndim == 5:
            x = _part(x, corner)
        return _softened(resize(x, [_voxels(n, ratio) for n in x.shape[2:]], kernel), soft)

    return history


def _voxels(n: int, ratio: float) -> int:
    return round(min(max(n / ratio, min(n, SMALLEST)), max(n, LARGEST)))


def _part(x: Tensor, corner: Sequence[float]) -> Tensor:
    for axis, place in enumerate(corner, start=2):
        room = max(0, x.shape[axis] - LARGEST)
        x = x.narrow(axis, int(place * room), x.shape[axis] - room)
    return x


def _softened(x: Tensor, share: float) -> Tensor:
    """Mix every voxel with its neighbours; a negative share sharpens."""
    for axis in range(2, x.ndim) if share else ():
        last = x.shape[axis] - 1
        around = torch.arange(-1, last + 2).clamp(0, last)
        wide = x.index_select(axis, around)
        neighbours = wide.narrow(axis, 0, last + 1) + wide.narrow(axis, 2, last + 1)
        x = (1 - 2 * share) * x + share * neighbours
    return x


def little_dose(
    rng: torch.Generator, *, photons: tuple[float, float] = (1e3, 1e5)
) -> Degradation:  # fmt: skip
    """Draw a low-dose scan: slices are projected, counted, and reconstructed again.

    Size of the patient, beam, number of views, the detector's own noise and the filter of the
    reconstruction are drawn, and a dose for every slice; so the noise has the streaks and the
    grain that it has in use.

    Args:
        rng: Source of randomness.
        photons: Range of what reaches an open bin, drawn evenly in its logarithm. LoDoPaB-CT has
            4096.

    Shape:
        ``(N, 1, I, J)`` in HU, of the same size going in and coming out.
    """
    field, views = uniform(rng, *FIELDS), int(uniform(rng, 300, 1000))
    electronic = uniform(rng, 0, 5) if chance(rng, 0.5) else 0.0
    window = WINDOWS[int(torch.randint(len(WINDOWS), (), generator=rng))]
    cutoff, turned = uniform(rng, 0.8, 1.0), chance(rng, 0.5)
    seed = int(torch.randint(2**31, (), generator=rng))

    def scanned(x: Tensor) -> Tensor:
        """Return slices in HU, ``(N, 1, I, J)``, scanned anew, each at its own drawn dose."""
        pixel = field / max(x.shape[2:])
        grid = Grid((x.shape[2], x.shape[3]), (pixel, pixel))
        geometry = _geometry(grid, views, fanned=turned)
        project, attenuation = Radon(geometry, grid), Attenuation()
        noise = torch.Generator().manual_seed(seed)
        parts = []
        for start in range(0, len(x), TOGETHER):
            hu = x[start : start + TOGETHER]
            y = project(attenuation.from_hu(hu).clamp(min=0))
            for n in range(len(y)):
                dose = math.exp(uniform(noise, *map(math.log, photons)))
                y[n] = low_dose(y[n], photons=dose, rng=noise, electronic=electronic)
            parts.append(attenuation.to_hu(fbp(y, geometry, grid, window=window, cutoff=cutoff)))
        return torch.cat(parts)

    return scanned


def _geometry(grid: Grid, views: int, *, fanned: bool) -> Geometry:
    """Return bins as wide as the pixels, enough of them to see every corner."""
    pixel = min(grid.spacing)
    if not fanned:
        return parallel(views, bins=math.ceil(2 * grid.reach / pixel) | 1, pitch=pixel)
    source, detector = 541.0, 949.0
    pitch = pixel * detector / source
    edge = detector * math.tan(math.asin(grid.reach / source))
    bins = math.ceil(2 * edge / pitch) | 1
    return fan(views, bins=bins, pitch=pitch, source=source, detector=detector)


def phantom(rng: torch.Generator, *, size: int = 112, parts: int = 28) -> Volume:
    """Return a body of ellipsoids at random: fat, muscle, lungs, organs, bones, in HU.

    Args:
        rng: Source of randomness.
        size: Voxels along each axis, of 3 mm.
        parts: Ellipsoids within the body.
    """
    line = torch.linspace(-1, 1, size)
    places = torch.stack(torch.meshgrid(line, line, line, indexing="ij"))
    hu = torch.full((size, size, size), AIR)
    body = torch.tensor([uniform(rng, 0.65, 0.95), uniform(rng, 0.6, 0.85), 1.5])
    _fill(hu, places, rng, uniform(rng, -110, -80), body, torch.zeros(3))
    _fill(hu, places, rng, uniform(rng, 35, 65), 0.88 * body, torch.zeros(3))
    for _ in range(parts):
        half = 0.02 + 0.35 * torch.rand(3, generator=rng) ** 2
        centre = 1.5 * (torch.rand(3, generator=rng) - 0.5) * body.clamp(max=1)
        _fill(hu, places, rng, _tissue(rng), half, centre)
    return Volume(hu.numpy().astype(np.float32), np.diag([3.0, 3.0, 3.0, 1.0]))


def _fill(
    hu: Tensor, places: Tensor, rng: torch.Generator, value: float, half: Tensor, centre: Tensor
) -> None:  # fmt: skip
    """Replace what lies in an ellipsoid, turned at random; its edge is as wide as a voxel."""
    turn = torch.linalg.qr(torch.randn(3, 3, generator=rng))[0] if float(half.max()) < 1 else (
        torch.eye(3)
    )  # fmt: skip
    n, most = hu.shape[0], float(half.max()) + 0.1
    box = [slice(max(0, int((float(c) - most + 1) * n / 2)), int((float(c) + most + 1) * n / 2))
           for c in centre]  # fmt: skip
    around = places[:, *box] - centre.reshape(3, 1, 1, 1)
    inside = torch.einsum("ab,b...->a...", turn, around)
    reach = (inside / half.reshape(3, 1, 1, 1)).square().sum(0).sqrt()
    share = ((1 - reach) * float(half.min()) * n / 2 + 0.5).clamp(0, 1)
    hu[*box] += share * (value - hu[*box])


def _tissue(rng: torch.Generator) -> float:
    kinds = ((-120.0, -70.0), (0.0, 80.0), (0.0, 80.0), (80.0, 250.0), (-900.0, -750.0),
             (250.0, 1200.0), (-1000.0, -990.0))  # fmt: skip
    return uniform(rng, *kinds[int(torch.randint(len(kinds), (), generator=rng))])
