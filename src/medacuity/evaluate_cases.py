"""Cases and methods by name: what ``medacuity evaluate`` compares, and on what."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from medacuity import formats
from medacuity.checkpoint import find_weights
from medacuity.degrade import Acquisition, degrade, per_axis
from medacuity.enhance import Settings, enhance
from medacuity.errors import UsageError
from medacuity.evaluate import Case, Method
from medacuity.formats.listing import SUFFIXES, stem
from medacuity.resize import KERNELS
from medacuity.volume import Volume

AUTOMATIC = "auto"


def cases_in(truth: Path, wanted: Acquisition, inputs: Path | None = None) -> list[Case]:
    """Return a case for every scan in a folder.

    Args:
        truth: Folder of scans (DICOM: a folder per series), or one scan.
        wanted: How each input is made from its truth.
        inputs: Folder with a ready-made input of the same name per truth, instead of that.
    """
    paths = formats.scans_in(truth)
    if not paths:
        raise UsageError(f"no scan lies in {truth}; it takes {', '.join(SUFFIXES)} and DICOM")
    names = [stem(path) for path in paths]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UsageError(f"cases need names of their own; several are called {min(twice)}")
    if any(f != int(f) for f in wanted.factor):
        raise UsageError(f"an evaluation needs whole factors, got {wanted.factor}")
    if inputs is not None:
        return [Case(stem(path), partial(_pair, path, inputs)) for path in paths]
    return [Case(stem(path), partial(_made, path, wanted)) for path in paths]


def method_named(name: str, settings: Settings, scale: Sequence[float]) -> Method:
    """Return a method by its name: ``auto``, shipped weights, a weight file, an interpolation."""
    weights = None if name == AUTOMATIC else name
    if weights is not None and weights not in KERNELS:
        find_weights(weights)  # refuse an unknown name now, not case by case
    return partial(_enhanced, settings=replace(settings, weights=weights, scale=scale))


def interpolations(names: Sequence[str]) -> list[str]:
    """Return those names that are interpolations."""
    return [name for name in names if name in KERNELS]


def _enhanced(volume: Volume, *, settings: Settings) -> Volume:
    return enhance(volume, settings).volume


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
