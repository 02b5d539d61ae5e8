"""A NIfTI header for a result: made anew, from the numbers of the source and the new grid.

No free text of the source (description, file and database names, extensions) ever reaches a
result.
"""

from typing import Any

import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from medacuity.formats.nifti_header import (
    CLASSES,
    KEPT,
    MM_PER_UNIT,
    SIZES,
    SLICES,
    NiftiHeader,
    base_affine,
)
from medacuity.volume import Volume

LARGEST_DRIFT = 0.005
"""Voxels by which a header in float32 may misplace a corner before NIfTI-2 is written."""


def fresh(volume: Volume, dtype: np.dtype[Any], *, frames: int, placed: bool) -> NiftiHeader:
    """Return a header for a volume that did not come from NIfTI.

    Args:
        placed: The affine is the scanner's (code 1), not made up for a picture (code 2).
    """
    code = 1 if placed else 2
    return NiftiHeader(
        version=1,
        order="<",
        dtype=dtype,
        slope=1.0,
        inter=0.0,
        shape=(*volume.shape, frames),
        has_time=frames > 1,
        units=2,  # mm; nobody knows the step in time
        codes=(code, code),
        qform=volume.affine,
        sform=volume.affine,
        affine=volume.affine,
        step=(1.0, 1.0, 1.0, 1.0),
        offset=0,
        kept={},
    )


def build(
    header: NiftiHeader, volume: Volume, *, frames: int, dtype: np.dtype[Any], description: str
) -> bytes:
    """Return the bytes before the voxels: ``header`` moved onto the grid of ``volume``.

    qform and sform may place the patient in two spaces (scanner, atlas): both follow the
    change of the grid, so both stay true.
    """
    unit = MM_PER_UNIT[header.units & 7]
    affine = volume.affine.copy()
    affine[:3] /= unit
    version = _version(header.version, volume.shape, frames, affine)
    fields = CLASSES[version](endianness=header.order)
    fields.set_data_dtype(dtype)
    extent = (*volume.shape, frames) if header.has_time or frames > 1 else volume.shape
    fields.set_data_shape(extent)
    fields["pixdim"][4:8] = header.step
    fields["vox_offset"] = SIZES[version] + 4
    fields["magic"] = fields.single_magic
    fields["xyzt_units"] = header.units
    scaled = dtype.kind != "f"
    fields["scl_slope"] = header.slope if scaled else 1.0
    fields["scl_inter"] = header.inter if scaled else 0.0
    same_slices = header.shape[:3] == volume.shape
    for name in KEPT + (SLICES if same_slices else ()):
        if name in header.kept:
            fields[name] = header.kept[name]
    _place(fields, header, affine)
    fields["descrip"] = description.encode("ascii", "replace")[:79]
    return bytes(fields.binaryblock) + b"\0" * 4


def _place(fields: Any, header: NiftiHeader, affine: NDArray[np.float64]) -> None:
    """Write the affine under the codes that the source had."""
    fields["pixdim"][0] = 1
    fields["pixdim"][1:4] = np.linalg.norm(affine[:3, :3], axis=0)
    move = np.linalg.solve(header.affine, affine)
    still = np.array_equal(header.affine, affine)
    qcode, scode = header.codes
    if header.qform is not None:
        try:
            fields.set_qform(header.qform if still else header.qform @ move, qcode, False)
        except HeaderDataError:  # a shear: quaternions cannot say it, so the sform must
            fields["qform_code"], qcode, scode = 0, 0, scode or qcode
            fields["pixdim"][1:4] = np.linalg.norm(affine[:3, :3], axis=0)
    if header.sform is not None:
        affine = header.sform if still else header.sform @ move
    base = base_affine(fields.get_data_shape(), fields["pixdim"][1:4])
    if qcode <= 0 and scode <= 0 and not np.allclose(base, affine, rtol=1e-5, atol=1e-4):
        scode = 2  # the grid is no longer centred as a file without codes must be
    if scode > 0:
        fields.set_sform(affine, scode)


def _version(version: int, shape: tuple[int, ...], frames: int, affine: NDArray[np.float64]) -> int:
    """Return 2 where NIfTI-1 cannot hold the size, or holds the place too coarsely."""
    if max(*shape, frames) > np.iinfo(np.int16).max:
        return 2
    corners = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)], float)
    corners[:, :3] *= np.array(shape) - 1
    drift = np.abs(corners @ (affine.astype(np.float32) - affine)[:3].T).max()
    smallest = np.linalg.norm(affine[:3, :3], axis=0).min()
    return 2 if drift > LARGEST_DRIFT * smallest else version
