"""Cases and methods by name: what ``medacuity evaluate`` compares, and on what."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from medacuity import formats
from medacuity.degrade import Acquisition, degrade, per_axis
from medacuity.enhance import Settings, enhance
from medacuity.errors import StorageError, UsageError
from medacuity.evaluate import Case, Method
from medacuity.resize import KERNELS
from medacuity.volume import Volume

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha", ".png", ".tif", ".tiff", ".dcm", ".zip")
AUTOMATIC = "auto"


def cases_in(truth: Path, wanted: Acquisition, inputs: Path | None = None) -> list[Case]:
    """Return a case for every scan in a folder.

    Args:
        truth: Folder of scans (DICOM: a folder per series), or one scan.
        wanted: How each input is made from its truth.
        inputs: Folder with a ready-made input of the same name per truth, instead of that.
    """
    if not truth.exists():
        raise StorageError("there is no such folder or scan", path=truth)
    paths = _scans(truth)
    if not paths:
        raise UsageError(f"no scan lies in {truth}; it takes {', '.join(SUFFIXES)}")
    if inputs is not None:
        return [Case(_stem(path), partial(_pair, path, inputs)) for path in paths]
    return [Case(_stem(path), partial(_made, path, wanted)) for path in paths]


def method_named(name: str, settings: Settings, scale: Sequence[float]) -> Method:
    """Return a method by its name: ``auto``, shipped weights, a weight file, an interpolation."""
    weights = None if name == AUTOMATIC else name
    return partial(_enhanced, settings=replace(settings, weights=weights, scale=scale))


def interpolations(names: Sequence[str]) -> list[str]:
    """Return those names that are interpolations."""
    return [name for name in names if name in KERNELS]


def _enhanced(volume: Volume, *, settings: Settings) -> Volume:
    return enhance(volume, settings).volume


def _scans(truth: Path) -> list[Path]:
    if truth.is_file():
        return [truth]
    files = sorted(p for p in truth.iterdir() if p.name.lower().endswith(SUFFIXES))
    folders = sorted(p for p in truth.iterdir() if p.is_dir() and any(p.glob("*.dcm")))
    series = [truth] if files and all(p.suffix == ".dcm" for p in files) else files
    return series + folders


def _made(path: Path, wanted: Acquisition) -> tuple[Volume, Volume]:
    truth = formats.read(path).volumes[0]
    whole = _whole_blocks(truth, per_axis(truth, wanted.factor))
    return degrade(whole, wanted), whole


def _pair(path: Path, inputs: Path) -> tuple[Volume, Volume]:
    given = formats.read(inputs / path.name)
    return given.volumes[0], formats.read(path).volumes[0]


def _whole_blocks(volume: Volume, factor: Sequence[float]) -> Volume:
    """Cut the far edges off, so that every block is whole."""
    size = [
        n // int(f) * int(f) if f == int(f) else n
        for n, f in zip(volume.shape, factor, strict=True)
    ]
    part = np.ascontiguousarray(volume.array[: size[0], : size[1], : size[2]])
    return Volume(part, volume.affine, volume.unit)


def _stem(path: Path) -> str:
    return path.name.split(".")[0]
