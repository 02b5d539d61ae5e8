"""What a CT scanner would have measured of a volume: low dose, few views, part of a turn."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medacuity import __version__
from medacuity.errors import UnsafeGeometry, UsageError
from medacuity.formats import Source
from medacuity.physics.dose import Attenuation, low_dose
from medacuity.physics.geometry import Geometry, Grid, fan, parallel
from medacuity.physics.radon import Radon
from medacuity.resize import linear, resize
from medacuity.sinograms import Sinogram
from medacuity.volume import Volume, world_order

KINDS = {"ct-low-dose": (1000, 4096.0), "ct-sparse": (60, None)}
"""Views and photons of each kind, unless others are asked for."""

FINE = 2
"""The slice is enlarged before its projection, so that no method finds its own pixels again."""

BATCH = 16
"""Slices that are projected side by side."""

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Scan:
    """A CT scan of the same patient, slice by slice.

    Args:
        kind: ``ct-low-dose`` (1000 views, 4096 photons) or ``ct-sparse`` (60 views, no noise).
        views: Another number of views.
        photons: That reach an open bin; noise follows from it.
        electronic: Standard deviation of the detector's own noise, in photons.
        span_deg: Of the angles; 180 (parallel) or 360 (fan) unless it is a limited-angle scan.
        source: Distance in mm from source to axis, for a fan beam.
        detector: Distance in mm from source to detector, for a fan beam.
        seed: Of the noise.
    """

    kind: str
    views: int | None = None
    photons: float | None = None
    electronic: float = 0.0
    span_deg: float | None = None
    source: float | None = None
    detector: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"no CT scan is called {self.kind!r}; take {', '.join(KINDS)}")
        if self.views is not None and not 1 <= self.views <= 100_000:
            raise UsageError(f"views must lie between 1 and 100000, got {self.views}")
        if self.span_deg is not None and not 0 < self.span_deg <= 360:
            raise UsageError(f"span must lie above 0 and be at most 360, got {self.span_deg:g}")
        if (self.source is None) != (self.detector is None):
            raise UsageError("a fan beam needs both source and detector, in mm")
        if self.electronic and not self.counts:
            raise UsageError("electronic noise needs photons to be added to; give both")

    @property
    def counts(self) -> float | None:
        """Photons of an open bin; None where nothing is counted."""
        return KINDS[self.kind][1] if self.photons is None else self.photons

    def geometry(self, grid: Grid) -> Geometry:
        """Return rays as far apart as the pixels, enough of them to see every corner."""
        views, pixel = self.views or KINDS[self.kind][0], min(grid.spacing)
        if self.source is None or self.detector is None:
            bins = math.ceil(2 * grid.reach / pixel) | 1
            return parallel(views, bins=bins, pitch=pixel, span_deg=self.span_deg or 180.0)
        if not grid.reach < self.source < self.detector:
            raise UsageError(
                f"a fan needs {grid.reach:.4g} mm (the corners of the slice) < source < detector, "
                f"got {self.source:g} and {self.detector:g}"
            )
        pitch = pixel * self.detector / self.source
        edge = self.detector * math.tan(math.asin(grid.reach / self.source))
        return fan(
            views, bins=math.ceil(2 * edge / pitch) | 1, pitch=pitch, source=self.source,
            detector=self.detector, span_deg=self.span_deg or 360.0,
        )  # fmt: skip


def scan_ct(volume: Volume, wanted: Scan, *, report: Report | None = None) -> Sinogram:
    """Return what the scanner would have measured of every slice.

    Slices are those across the body (the array's axis nearest to head-foot), and the scanner's
    axis goes through the middle of the field of view.

    Args:
        volume: In HU; what lies below nothing at all (-1001 HU) counts as nothing.
        wanted: The scan.
        report: Told how far it is.

    Raises:
        UsageError: The volume cannot be in HU: it holds no air.
        UnsafeGeometry: The axes of a slice are not at right angles.
    """
    if volume.unit != "HU" and not float(np.min(volume.array)) < -100:
        raise UsageError(
            "a CT volume in HU has air near -1000, and this one has nothing below -100; "
            "convert its numbers to HU first"
        )
    slices, grid, frame = across_the_body(volume)
    geometry, attenuation = wanted.geometry(grid), Attenuation()
    rng = torch.Generator().manual_seed(wanted.seed)
    parts = []
    for done, y in _projected(slices, geometry, grid, attenuation):
        noisy = y if wanted.counts is None else low_dose(
            y, photons=wanted.counts, rng=rng, electronic=wanted.electronic
        )  # fmt: skip
        parts.append(noisy[:, 0].numpy())
        if report is not None:
            report("scanning", done, len(slices))
    return Sinogram(
        np.concatenate(parts), geometry, grid, frame, attenuation, photons=wanted.counts,
        electronic=wanted.electronic,
    )  # fmt: skip


def across_the_body(volume: Volume) -> tuple[NDArray[Any], Grid, NDArray[np.float64]]:
    """Return the slices ``(slices, I, J)``, their pixels, and their `Sinogram.frame`."""
    axis = world_order(volume.affine)[2]
    first, second = (a for a in range(3) if a != axis)
    spacing = volume.spacing[first], volume.spacing[second]
    frame = np.eye(4)
    frame[:3, :2] = volume.affine[:3, [first, second]] / spacing
    frame[:3, 2] = volume.affine[:3, axis]
    if abs(frame[:3, 0] @ frame[:3, 1]) > 1e-3:
        raise UnsafeGeometry("the axes of a slice must be at right angles; resample the volume")
    middle = (np.array(volume.shape) - 1) / 2
    middle[axis] = 0
    frame[:3, 3] = volume.affine[:3, :3] @ middle + volume.affine[:3, 3]
    slices = np.moveaxis(volume.array, axis, 0)
    return slices, Grid((slices.shape[1], slices.shape[2]), spacing), frame


def _projected(
    slices: NDArray[Any], geometry: Geometry, grid: Grid, attenuation: Attenuation
) -> Iterator[tuple[int, Tensor]]:
    """Yield how many slices are done and the line integrals of some of them."""
    size = (grid.shape[0] * FINE, grid.shape[1] * FINE)
    pixels = Grid(size, (grid.spacing[0] / FINE, grid.spacing[1] / FINE))
    project = Radon(geometry, pixels)
    for start in range(0, len(slices), BATCH):
        hu = torch.from_numpy(np.array(slices[start : start + BATCH], dtype=np.float32))[:, None]
        mu = attenuation.from_hu(hu).clamp(min=0)
        yield start + len(hu), project(resize(mu, size, linear))


def scan_source(
    source: Source, wanted: Scan, *, report: Report | None = None
) -> tuple[Sinogram, dict[str, Any]]:
    """Return the scan of a file's volume, and how it was made, for its sidecar."""
    if len(source.volumes) != 1:
        raise UsageError(f"one volume can be scanned, and the file has {len(source.volumes)}")
    found = scan_ct(source.volumes[0], wanted, report=report)
    beam = "parallel beam" if found.geometry.parallel else "fan beam"
    dose = "no noise" if wanted.counts is None else f"{wanted.counts:g} photons"
    if wanted.electronic:
        dose += f" and {wanted.electronic:g} of the detector's own noise"
    return found, {
        "method": f"degrade {wanted.kind}",
        "method_sha256": "",
        "version": __version__,
        "label": "Simulated",
        "description": f"Simulated CT: {beam}, {found.geometry.views} views of "
        f"{found.geometry.bins} bins, {dose}.",
        "options": asdict(wanted),
    }
