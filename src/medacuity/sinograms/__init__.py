"""Sinogram files: what a scanner measured, and the geometry it was measured in.

Three kinds are read: HDF5 (``.h5``, ours, and the only one written), ``.npz`` with the same
names, and the ``.mat`` files of the Helsinki Tomography Challenge 2022. ``docs/ct.md`` has the
names.
"""

import hashlib
from pathlib import Path

from medacuity.errors import MalformedInput
from medacuity.formats.limits import storage
from medacuity.formats.source import Source
from medacuity.sinograms import htc, npz
from medacuity.sinograms.fields import Fields, sinogram_of
from medacuity.sinograms.hdf5 import check_output, write
from medacuity.sinograms.hdf5 import read_fields as read_hdf5
from medacuity.sinograms.record import Sinogram
from medacuity.volume import Volume

__all__ = ["Sinogram", "as_source", "check_output", "read", "write"]

READERS = {".h5": read_hdf5, ".hdf5": read_hdf5, ".npz": npz.read_fields, ".mat": htc.read_fields}


def read(path: str | Path) -> Sinogram:
    """Return what a sinogram file holds.

    Raises:
        StorageError: Missing, or not readable (exit code 7).
        MalformedInput: Damaged, of no kind that is read, or a field is missing (3).
        LimitExceeded: Larger than allowed (4).
        UnsafeGeometry: Numbers that describe no scanner (5).
    """
    path = Path(path)
    with storage(path):
        if not path.is_file():
            raise FileNotFoundError("no such file")
        reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise MalformedInput("a sinogram is an .h5, .npz or .mat file", path=path)
    fields: Fields = reader(path)
    return sinogram_of(fields, path)


def as_source(path: str | Path, volume: Volume) -> Source:
    """Return a sinogram file as the source of a volume: what the writers of volumes ask for."""
    path = Path(path)
    with storage(path), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Source(path, (volume,), None, digest)
