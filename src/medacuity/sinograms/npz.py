"""Sinograms in numpy's ``.npz``: the names of `fields.NAMES`, one array each."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from medacuity.formats.limits import check_ratio, check_size, refusing, storage
from medacuity.sinograms.htc import in_our_frame

CHALLENGE = {
    "detector_pixel_mm": "pitch_mm",
    "distance_source_origin_mm": "source_mm",
    "distance_source_detector_mm": "detector_mm",
}
"""Other names, after the challenge's ``.mat`` files; all three mean its orientation too."""


def read_fields(path: Path) -> dict[str, Any]:
    """Return the named numbers of a file."""
    with storage(path), refusing(path, "npz file"):
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                check_size((member.file_size,), 1, path)
                check_ratio(member.file_size, member.compress_size, path)
        with np.load(path, allow_pickle=False) as arrays:
            fields = {name: arrays[name] for name in arrays.files}
        turned = set(CHALLENGE) <= set(fields)
        fields = {CHALLENGE.get(name, name): value for name, value in fields.items()}
        return in_our_frame(fields) if turned else fields
