"""Bytes <-> `Volume`: one door in, one door out, for every kind of file.

Arrays are ``(I, J, K)`` = (column, row, slice), as in nibabel, whatever the format. The kind is
told from the name, or from the first bytes where the name says nothing. Reading is suspicious
(header and limits first, then memory; every checksum verified), writing is atomic.
"""

import importlib
import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np

from medacuity.atomic import check_writable
from medacuity.errors import MalformedInput, StorageError, UsageError
from medacuity.formats.limits import storage
from medacuity.formats.listing import scans_in
from medacuity.formats.sidecar import check_sidecar, encode_sidecar, sidecar_path, write_sidecar
from medacuity.formats.source import Provenance, Source
from medacuity.volume import Volume

__all__ = ["Provenance", "Source", "check_output", "output_in", "read", "scans_in", "write"]

READABLE = {
    ".nii": "nifti", ".nii.gz": "nifti", ".hdr": "nifti", ".img": "nifti",
    ".png": "raster", ".jpg": "raster", ".jpeg": "raster", ".tif": "raster", ".tiff": "raster",
    ".nrrd": "itk", ".nhdr": "itk", ".mha": "metaimage", ".mhd": "metaimage",
    ".dcm": "dicom", ".zip": "dicom",
}  # fmt: skip
WRITABLE = {
    ".nii": "nifti", ".nii.gz": "nifti", ".png": "raster", ".tif": "raster", ".tiff": "raster",
    ".nrrd": "itk", ".mha": "metaimage", ".dcm": "dicom", ".zip": "dicom",
}  # fmt: skip
INSTEAD = {
    ".jpg": ".png", ".jpeg": ".png", ".nhdr": ".nrrd", ".mhd": ".mha", ".hdr": ".nii",
    ".img": ".nii",
}  # fmt: skip
MAGIC = {
    b"\x89PNG": "raster", b"\xff\xd8\xff": "raster", b"II*\0": "raster", b"MM\0*": "raster",
    b"II+\0": "raster", b"MM\0+": "raster", b"NRRD": "itk", b"Obje": "metaimage",
    b"NDim": "metaimage", b"\x1f\x8b": "nifti", b"\x5c\x01\0\0": "nifti", b"\0\0\x01\x5c": "nifti",
    b"\x1c\x02\0\0": "nifti", b"\0\0\x02\x1c": "nifti", b"PK\x03\x04": "dicom",
}  # fmt: skip
KINDS = "NIfTI (.nii, .nii.gz), DICOM (folder, .zip, .dcm), NRRD, MHA, PNG, TIFF, JPEG"


def read(path: str | Path) -> Source:
    """Return what a file, folder or archive holds.

    Args:
        path: NIfTI, DICOM (a folder, a zip or a file), NRRD, MHA, PNG, TIFF or JPEG.

    Raises:
        StorageError: Missing, not readable, or not a regular file (exit code 7).
        MalformedInput: Truncated, damaged, or of no kind that is read (3).
        LimitExceeded: Larger than allowed, or a decompression bomb (4).
        UnsafeGeometry: The place in the patient cannot be trusted (5).
    """
    path = Path(path)
    source: Source = _module(_kind_of_input(path)).read(path)
    return source


def write(
    path: str | Path,
    volumes: Sequence[Volume],
    *,
    like: Source,
    provenance: Provenance | None = None,
) -> None:
    """Write ``volumes`` to ``path``, whose name decides the kind, whole or not at all.

    The kind that ``like`` has keeps its header: codes, units, dtype, scaling, colours. Any
    other kind is written from the volumes alone. Values in another unit than those of ``like``
    are written as floats: its whole numbers were steps of its own unit. With ``provenance`` a
    JSON sidecar goes beside it: ``out.nii.gz`` and ``out.json``.

    Args:
        volumes: One per frame, all on one grid.
        like: What the volumes were made from.

    Raises:
        UsageError: The kind cannot hold the volumes, such as many slices in a PNG.
        StorageError: The output is the input, or cannot be written. What was there is left.
        SafetyGate: A value is not finite.
    """
    path = Path(path)
    suffix, kind = _kind_of_output(path, like)
    _check_not_input(path, like)
    made = provenance
    if like.synthetic:  # and so is all that is made from it
        made = {**(provenance or {}), "synthetic": True}
    record = None if provenance is None else encode_sidecar(made or {}, like=like)
    beside = sidecar_path(path, suffix)
    if record is not None:
        check_sidecar(beside)
    if volumes and volumes[0].unit != like.volumes[0].unit:
        _check_unit(kind, volumes[0].unit, like)
        like = _in_floats(like)
    _module(kind).write(path, volumes, like=like, provenance=made)
    if record is not None:
        write_sidecar(beside, record, output=path)


def check_output(path: str | Path, like: Source, *, unit: str | None = None) -> None:
    """Fail before the work rather than after it: could a result of ``like`` go to ``path``?

    Args:
        path: As for `write`.
        like: What the result will be made from.
        unit: Of the result's values; None: that of ``like``.

    Raises:
        UsageError: The name says no kind that could hold it.
        StorageError: The output is the input, a file in the way, or a folder not writable.
    """
    path = Path(path)
    suffix, kind = _kind_of_output(path, like)
    _check_unit(kind, unit or like.volumes[0].unit, like)
    _check_not_input(path, like)
    with storage(path):
        if suffix and path.is_dir():
            raise StorageError("it is a folder; name a file", path=path)
        if not suffix and path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise StorageError("it exists and is not an empty folder; name a new one", path=path)
    check_writable(path)
    check_sidecar(sidecar_path(path, suffix))
    if kind == "raster":
        _module(kind).check_picture(suffix, like)
    if suffix == ".dcm":
        _module(kind).check_one_file(path, like)


def _module(kind: str) -> ModuleType:
    """Import a format when it is needed, so that ``--help`` stays quick."""
    return importlib.import_module(f"medacuity.formats.{kind}")


def _suffix(path: Path, known: Sequence[str]) -> str:
    name = path.name.lower()
    return max((s for s in known if name.endswith(s) and name != s), key=len, default="")


def _kind_of_input(path: Path) -> str:
    with storage(path):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return "dicom"
        if not stat.S_ISREG(mode):
            raise StorageError("it is not a regular file; name a file or a folder", path=path)
        suffix = _suffix(path, list(READABLE))
        if suffix:
            return READABLE[suffix]
        with path.open("rb") as file:
            start = file.read(132)
    if start[128:] == b"DICM":
        return "dicom"
    for magic, kind in MAGIC.items():
        if start.startswith(magic):
            return kind
    raise MalformedInput(f"the file is of no kind that is read: {KINDS}", path=path)


def _kind_of_output(path: Path, like: Source) -> tuple[str, str]:
    """Return the suffix (of nothing, for a folder) and the kind to write."""
    suffix, from_dicom = _suffix(path, list(WRITABLE)), _kind_of_source(like) == "dicom"
    wrong = _suffix(path, list(INSTEAD))
    if wrong:
        raise UsageError(f"{wrong} is not written; name the output *{INSTEAD[wrong]}", path=path)
    if WRITABLE.get(suffix, "dicom") == "dicom" and not from_dicom:
        if suffix or not path.suffix:
            raise UsageError(
                "DICOM is only written from DICOM, which knows patient and study; name the "
                "output *.nii.gz",
                path=path,
            )
        raise UsageError(
            f"{path.suffix} is no kind that is written; name the output "
            "*.nii.gz, *.nii, *.nrrd, *.mha, *.tif or *.png",
            path=path,
        )
    kind = WRITABLE.get(suffix, "dicom")
    if kind != "raster" and getattr(like.header, "colour", None) is not None:
        raise UsageError(
            "a colour picture is only written as PNG or TIFF; name the output *.png", path=path
        )
    return suffix, kind


def output_in(folder: Path, source: Source, mark: str) -> Path:
    """Return where in ``folder`` a result of ``source`` goes: its name, ``mark``, and its suffix.

    Example:
        >>> scan = Source(Path("scans/p7_T1.nii.gz"), (), None, "")
        >>> output_in(Path("out"), scan, "SYNTHETIC-t2").as_posix()
        'out/p7_T1_SYNTHETIC-t2.nii.gz'
    """
    name = source.path.name
    suffix = _suffix(source.path, [*WRITABLE, *INSTEAD])
    kept = INSTEAD.get(suffix, suffix)
    return folder / f"{name[: len(name) - len(suffix)]}_{mark}{kept}"


def _check_unit(kind: str, unit: str, like: Source) -> None:
    """Refuse a kind whose header would claim another unit, or that holds no fractions."""
    own = like.volumes[0].unit
    if unit != own and kind in ("dicom", "raster"):
        raise UsageError(
            f"the result is in {unit} and the input in {own}, which {kind} cannot tell; name "
            "the output *.nii.gz"
        )


def _in_floats(like: Source) -> Source:
    """Return what is like ``like`` but for its dtype: float32."""
    empty = [Volume(np.broadcast_to(np.float32(0), v.shape), v.affine) for v in like.volumes]
    header = like.header
    if hasattr(header, "dtype"):
        header = replace(header, dtype=np.dtype(np.float32))
    return replace(like, volumes=tuple(empty), header=header)


def _kind_of_source(like: Source) -> str:
    """Return the format that made the header: the module of its class."""
    name = type(like.header).__module__
    return name.split(".")[2] if name.startswith("medacuity.formats.") else ""


def _check_not_input(path: Path, like: Source) -> None:
    """Refuse to write onto the input, into its folder of slices, or through a link to it."""
    target, origin = Path(os.path.realpath(path)), Path(os.path.realpath(like.path))
    inputs = [origin, *(origin.parent / name for name in getattr(like.header, "files", ()))]
    inside = origin.is_dir() and target.is_relative_to(origin)
    with storage(path):
        same = path.exists() and any(p.exists() and path.samefile(p) for p in inputs)
    if inside or same or target in inputs:
        raise StorageError("the input is never overwritten; name another output", path=path)
