"""Known ways to make a scan worse, for volumes: what a method is given when the truth is known."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medacuity import __version__
from medacuity.errors import UsageError
from medacuity.formats import Source
from medacuity.intensity import Percentile
from medacuity.physics.kspace import kspace_crop
from medacuity.physics.noise import rician
from medacuity.physics.sampling import block_mean, shrunk, slice_profile
from medacuity.resize import cubic, resize
from medacuity.volume import Volume


@dataclass(frozen=True)
class Acquisition:
    """A coarser or noisier acquisition of the same patient.

    Args:
        kind: ``kspace``, ``block-mean``, ``slice-profile``, ``bicubic``, or ``rician`` for
            noise alone.
        factor: Old voxels per new one: one number, which leaves axes of a single voxel alone,
            or one per axis.
        thickness: Of a slice over the distance between slices (``slice-profile``).
        magnitude: Magnitude instead of the real part (``kspace``).
        noise: Rician sigma over the 99.9th percentile of the scan.
        seed: Of the noise.
    """

    kind: str
    factor: tuple[float, ...] = (2.0,)
    thickness: float = 1.0
    magnitude: bool = False
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        self.operator()
        if not 0 <= self.noise < 10:
            raise UsageError(f"noise is a share of the brightness, from 0 to 10, got {self.noise}")
        if not 0 < self.thickness < 10:
            raise UsageError(f"thickness must lie between 0 and 10, got {self.thickness}")
        if self.thickness != 1 and self.kind != "slice-profile":
            raise UsageError(f"thickness goes with slice-profile, not with {self.kind}")
        if self.magnitude and self.kind != "kspace":
            raise UsageError(f"magnitude goes with kspace, not with {self.kind}")
        if self.kind == "rician" and self.noise == 0:
            raise UsageError("noise must be above 0 to add some, such as --noise 0.03")

    def operator(self) -> Callable[[Tensor, Sequence[float]], Tensor]:
        """Return the function of a tensor and a factor per axis."""
        kinds: dict[str, Callable[[Tensor, Sequence[float]], Tensor]] = {
            "kspace": lambda x, f: kspace_crop(x, factor=f, magnitude=self.magnitude),
            "block-mean": lambda x, f: block_mean(x, factor=f),
            "slice-profile": lambda x, f: slice_profile(x, factor=f, thickness=self.thickness),
            "bicubic": lambda x, f: resize(x, shrunk(x.shape[2:], f), cubic),
            "rician": lambda x, f: x,
        }
        if self.kind not in kinds:
            raise UsageError(f"no degradation is called {self.kind!r}; take {', '.join(kinds)}")
        return kinds[self.kind]


def degrade(volume: Volume, wanted: Acquisition) -> Volume:
    """Return what the acquisition would have given, in the same field of view.

    Example:
        >>> coarse = degrade(Volume(np.ones((8, 8, 8)), np.eye(4)), Acquisition("block-mean"))
        >>> coarse.shape, coarse.spacing
        ((4, 4, 4), (2.0, 2.0, 2.0))
    """
    factor = per_axis(volume, wanted.factor)
    x = torch.from_numpy(np.array(volume.array, dtype=np.float32))[None, None]
    y = wanted.operator()(x, factor)
    if wanted.noise > 0:
        brightness = Percentile().of(volume.array)
        rng = torch.Generator().manual_seed(wanted.seed)
        y = rician(y, sigma=wanted.noise * (brightness.high - brightness.low), rng=rng)
    return volume.resampled(y[0, 0].numpy())


def degrade_source(source: Source, wanted: Acquisition) -> tuple[list[Volume], dict[str, Any]]:
    """Return every volume of a file degraded, and how, for its sidecar."""
    # Every volume of a file has noise of its own.
    volumes = [
        degrade(volume, replace(wanted, seed=wanted.seed + n))
        for n, volume in enumerate(source.volumes)
    ]
    factor = "" if wanted.kind == "rician" else f", factor {_times(wanted.factor)}"
    noise = f", Rician noise {wanted.noise:g}" if wanted.noise else ""
    return volumes, {
        "method": f"degrade {wanted.kind}",
        "method_sha256": "",
        "version": __version__,
        "label": "Simulated",
        "description": f"Simulated acquisition: {wanted.kind}{factor}{noise}.",
        "options": asdict(wanted),
    }


def _times(factor: Sequence[float]) -> str:
    return "x".join(f"{f:g}" for f in factor)


def per_axis(volume: Volume, factor: Sequence[float]) -> list[float]:
    """Return the factor of every axis; one number for all leaves single voxels alone."""
    if len(factor) == 1:
        factor = [1.0 if n == 1 else factor[0] for n in volume.shape]
    if len(factor) != 3 or any(not 1 <= f <= 64 for f in factor):
        raise UsageError(f"factor needs 1 or 3 numbers from 1 to 64, got {tuple(factor)}")
    return list(factor)
