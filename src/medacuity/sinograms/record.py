"""What a CT scanner measured of some slices, and where they lie in the patient."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medacuity.errors import UsageError
from medacuity.physics.dose import Attenuation
from medacuity.physics.geometry import Geometry, Grid
from medacuity.volume import Volume

PICTURE = np.diag([-1.0, -1.0, 1.0, 1.0])
"""The frame of something that is no patient: columns to the right and rows down the screen."""


@dataclass(frozen=True)
class Sinogram:
    """Line integrals of slices, with all that is needed to make an image of them.

    Args:
        array: ``(slices, views, bins)``: line integrals ``-ln(N / N0)``, without a unit.
        geometry: The rays of every slice.
        grid: The pixels that an image of it has unless others are asked for.
        frame: ``(4, 4)``: from ``(u mm, v mm, slice, 1)``, with ``u`` and ``v`` from the axis of
            rotation, to mm in the patient (RAS+).
        attenuation: Of water and air, to give HU; None leaves the image in 1/mm.
        photons: That an open bin counted, where that is known: what the noise follows from.
        electronic: Standard deviation of the detector's own noise, in photons.

    Raises:
        UsageError: The array is not ``(slices, views, bins)`` of the geometry, there are
            no photons, or the noise is below 0.
    """

    array: NDArray[np.float32]
    geometry: Geometry
    grid: Grid
    frame: NDArray[np.float64]
    attenuation: Attenuation | None = None
    photons: float | None = None
    electronic: float = 0.0

    def __post_init__(self) -> None:
        wanted = (self.geometry.views, self.geometry.bins)
        if self.array.ndim != 3 or not len(self.array) or self.array.shape[1:] != wanted:
            raise UsageError(
                f"a sinogram of {wanted[0]} angles and {wanted[1]} bins needs the shape "
                f"(slices, {wanted[0]}, {wanted[1]}), got {self.array.shape}"
            )
        if self.photons is not None and not 0 < self.photons < math.inf:
            raise UsageError(f"photons must be finite and above 0, got {self.photons:g}")
        if not 0 <= self.electronic < math.inf:
            raise UsageError(f"electronic must be photons >= 0, got {self.electronic:g}")

    def place(self, array: NDArray[np.floating], grid: Grid) -> Volume:
        """Return slices ``(slices, I, J)`` on ``grid`` as a volume, in 1/mm or HU."""
        u, v = grid.places()
        pixels = np.diag([*grid.spacing, 1.0, 1.0])
        pixels[:2, 3] = u[0], v[0]
        unit = "1/mm" if self.attenuation is None else "HU"
        return Volume(np.moveaxis(array, 0, 2), self.frame @ pixels, unit)
