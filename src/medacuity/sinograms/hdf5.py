"""Our own kind of sinogram file: HDF5 with the geometry inside."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from medacuity.atomic import atomic_write, check_writable
from medacuity.errors import MalformedInput, UsageError
from medacuity.formats.limits import check_ratio, check_size, refusing, storage
from medacuity.formats.sidecar import check_sidecar, encode_sidecar, sidecar_path, write_sidecar
from medacuity.formats.source import Provenance, Source
from medacuity.sinograms.fields import NAMES, fields_of
from medacuity.sinograms.record import Sinogram

FORMAT, VERSION = "medacuity sinogram", 1
ARRAYS = ("sinogram", "angles_deg", "frame")
"""What stands in the file as data sets; all else is an attribute of its root."""


def read_fields(path: Path) -> dict[str, Any]:
    """Return the named numbers of a file; nothing outside of it is ever followed."""
    with storage(path), refusing(path, "HDF5 file"), h5py.File(path, "r") as file:
        if int(file.attrs.get("version", VERSION)) > VERSION:
            raise MalformedInput("a newer medacuity wrote this file; update", path=path)
        found = {name: _array(file, name, path) for name in NAMES if name in file}
        return {n: np.asarray(v) for n, v in file.attrs.items() if n in NAMES} | found


def _array(file: h5py.File, name: str, path: Path) -> Any:
    link = file.get(name, getlink=True)
    data = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual:
        raise MalformedInput(f"{name} must be a plain data set inside the file", path=path)
    check_size(data.shape, data.dtype.itemsize, path)
    check_ratio(data.nbytes, data.id.get_storage_size(), path)
    return data[()]


def check_output(path: Path) -> None:
    """Fail before the work rather than after it: could a sinogram go to ``path``?"""
    if path.suffix.lower() not in (".h5", ".hdf5"):
        raise UsageError("a sinogram is written as HDF5; name the output *.h5", path=path)
    check_writable(path)
    check_sidecar(sidecar_path(path, path.suffix))


def write(path: Path, sinogram: Sinogram, *, like: Source, provenance: Provenance) -> None:
    """Write a sinogram with its geometry, whole or not at all, and its sidecar beside it."""
    check_output(path)
    record = encode_sidecar(provenance, like=like)
    with atomic_write(path) as target, h5py.File(target, "w") as file:
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        file["sinogram"] = sinogram.array
        for name, value in fields_of(sinogram).items():
            if name in ARRAYS:
                file[name] = value
            else:
                file.attrs[name] = value
    write_sidecar(sidecar_path(path, path.suffix), record, output=path)
