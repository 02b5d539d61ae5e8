"""The ``.mat`` files of the Helsinki Tomography Challenge 2022: fan beam, flat detector.

A file holds one struct, ``CtDataFull`` or ``CtDataLimited``, of a ``sinogram`` (views, bins) and
the scanner's ``parameters``. Its angles grow the other way round than ours where rows run down
the screen, as they do in the challenge's images of 512 x 512 pixels: those are the transpose of
what comes out here.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from medacuity.errors import LimitExceeded, MalformedInput
from medacuity.formats.limits import refusing, storage

LARGEST = 64 * 2**20
"""Bytes of a file; the challenge's have at most 4 MB."""

SIDE = 512
MILLIMETRES = {"mm": 1.0, "cm": 10.0, "m": 1000.0}


def read_fields(path: Path) -> dict[str, Any]:
    """Return the named numbers of a challenge file."""
    with storage(path), path.open("rb") as file:
        if path.stat().st_size > LARGEST:
            raise LimitExceeded("a .mat file of the challenge has at most 64 MiB", path=path)
        if file.read(8) != b"MATLAB 5":
            raise MalformedInput(
                "it is no MATLAB 5 file; save it again in MATLAB with -v7", path=path
            )
    with storage(path), refusing(path, "MATLAB file"):
        variables = scipy.io.loadmat(path, simplify_cells=True)
    for value in variables.values():
        if isinstance(value, dict) and {"sinogram", "parameters"} <= value.keys():
            return _fields(value["sinogram"], value["parameters"], path)
    raise MalformedInput(
        "it holds no struct with sinogram and parameters, as the challenge's files do; save "
        "yours as .npz or .h5",
        path=path,
    )


def _fields(sinogram: Any, parameters: Any, path: Path) -> dict[str, Any]:
    try:
        unit = MILLIMETRES[parameters.get("distanceUnit", "mm")]
        if "pixelSizePost" in parameters:
            pitch = _length(parameters, "pixelSizePost")
        else:
            pitch = _length(parameters, "pixelSize") * float(parameters.get("binningPost", 1))
        fields = {
            "sinogram": np.atleast_2d(sinogram),  # of a single view the file has no first axis
            "angles_deg": np.asarray(parameters["angles"], dtype=np.float64),
            "pitch_mm": pitch * unit,
            "source_mm": _length(parameters, "distanceSourceOrigin") * unit,
            "detector_mm": _length(parameters, "distanceSourceDetector") * unit,
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedInput(
            "its parameters need numbers for angles, distanceSourceOrigin, distanceSourceDetector "
            f"and pixelSizePost, and a distanceUnit of mm, cm or m; what failed is {error}",
            path=path,
        ) from error
    return in_our_frame(fields)


def _length(parameters: Any, name: str) -> float:
    value = float(parameters[name])
    if not 0 < value < math.inf:
        raise ValueError(f"{name} = {value:g}")
    return value


def in_our_frame(fields: dict[str, Any]) -> dict[str, Any]:
    """Turn the angles round, and ask for the challenge's pixels."""
    pixel = float(fields["pitch_mm"]) * float(fields["source_mm"]) / float(fields["detector_mm"])
    grid = {"grid_shape": (SIDE, SIDE), "grid_spacing_mm": (pixel, pixel)}
    angles = -np.asarray(fields["angles_deg"], dtype=np.float64)
    return grid | fields | {"angles_deg": angles}
