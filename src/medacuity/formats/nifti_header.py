"""What a NIfTI header says, checked field by field before anybody believes it."""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from medacuity.errors import MalformedInput, UnsafeGeometry
from medacuity.formats.limits import SPACING_RANGE_MM, check_place

CLASSES: dict[int, Any] = {1: Nifti1Header, 2: Nifti2Header}
SIZES = {1: 348, 2: 540}
MAGIC = {1: b"n+1\0", 2: b"n+2\0\r\n\x1a\n"}
PAIRS = (b"ni1", b"ni2")
MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
Order = Literal["<", ">"]
ORDERS: tuple[Order, Order] = ("<", ">")
EXTENSION_LIMIT = 64 * 2**20

DTYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4",
    1024: "i8", 1280: "u8",
}  # fmt: skip
REFUSED = {
    1: "single bits", 32: "complex numbers", 128: "RGB colours", 1536: "128-bit floats",
    1792: "complex numbers", 2048: "complex numbers", 2304: "RGBA colours",
}  # fmt: skip
KEPT = (
    "dim_info", "intent_code", "intent_p1", "intent_p2", "intent_p3", "cal_min", "cal_max",
    "toffset",
)  # fmt: skip
SLICES = ("slice_start", "slice_end", "slice_code", "slice_duration")


@dataclass(frozen=True)
class NiftiHeader:
    """The fields of a NIfTI header that a result may keep.

    Args:
        version: 1 or 2.
        order: ``"<"`` or ``">"``, the byte order of the file.
        dtype: Of the stored voxels, in native byte order.
        slope: Value per stored step; 1 where the file scales nothing.
        inter: Value of a stored 0.
        shape: As stored, ``(I, J, K, T)``.
        has_time: The file has a fourth axis, even if of length one.
        units: ``xyzt_units``; affines here are in these units, not yet in mm.
        codes: qform and sform code.
        qform: Where it is used, else None.
        sform: Where it is used, else None.
        step: ``pixdim[4]`` to ``[7]``.
        offset: Where voxels begin.
        kept: Further numbers, by field name.
        made_by: What the file says of itself; read, and never written again.
    """

    version: int
    order: Order
    dtype: np.dtype[Any]
    slope: float
    inter: float
    shape: tuple[int, int, int, int]
    has_time: bool
    units: int
    codes: tuple[int, int]
    qform: NDArray[np.float64] | None
    sform: NDArray[np.float64] | None
    affine: NDArray[np.float64]
    step: tuple[float, ...]
    offset: int
    kept: dict[str, Any]
    made_by: str = ""


def header_size(start: bytes, path: Path) -> tuple[int, Order]:
    """Return version and byte order, from the first four bytes."""
    for order in ORDERS:
        for version, size in SIZES.items():
            if start[:4] == struct.pack(f"{order}i", size):
                return version, order
    raise MalformedInput(
        "a NIfTI file begins with 348 or 540 and this one does not; it is damaged or of "
        "another kind",
        path=path,
    )


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is refused by name
def parse(block: bytes, version: int, order: Order, path: Path) -> NiftiHeader:
    """Return the header in ``block``, every field checked.

    Raises:
        MalformedInput: A field contradicts the standard, or is of a kind not supported.
        UnsafeGeometry: The affine or the spacing cannot be trusted.
    """
    fields = CLASSES[version](block, endianness=order, check=False)
    _check_magic(bytes(block[344:348]) if version == 1 else bytes(block[4:12]), version, path)
    shape, has_time = _shape(fields, path)
    slope, inter = _scaling(fields, path)
    units = int(fields["xyzt_units"])
    if units & 7 not in MM_PER_UNIT:
        raise MalformedInput(f"xyzt_units {units} names no unit of length", path=path)
    codes = (int(fields["qform_code"]), int(fields["sform_code"]))
    qform, sform, affine = _place(fields, shape, MM_PER_UNIT[units & 7], path)
    return NiftiHeader(
        version=version,
        order=order,
        dtype=_dtype(fields, path),
        slope=slope,
        inter=inter,
        shape=shape,
        has_time=has_time,
        units=units,
        codes=codes,
        qform=qform,
        sform=sform,
        affine=affine,
        step=tuple(_finite(x) for x in fields["pixdim"][4:8]),
        offset=_offset(fields, version, path),
        kept={name: _kept(fields[name]) for name in KEPT + SLICES},
        made_by=bytes(fields["descrip"].item()).decode("ascii", "replace"),
    )


def _place(
    fields: Any, shape: tuple[int, ...], unit: float, path: Path
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, NDArray[np.float64]]:
    """Return qform, sform and the affine that counts: sform, else qform, else the spacing."""
    _check_spacing(fields, unit, path)
    qform = _qform(fields) if fields["qform_code"] > 0 else None
    sform = fields.get_sform() if fields["sform_code"] > 0 else None
    affine = sform if sform is not None else qform
    if affine is None and fields["qform_code"] > 0:
        raise UnsafeGeometry("the qform (quaternion, qfac) is not a rotation", path=path)
    affine = base_affine(shape, fields["pixdim"][1:4]) if affine is None else affine
    check_place(np.diag([unit] * 3 + [1.0]) @ affine, path)
    return qform, sform, affine


def base_affine(shape: tuple[int, ...], spacing: Any) -> NDArray[np.float64]:
    """Return the affine of a file that says nothing (both codes 0).

    As nibabel has it: the centre of the grid is the origin and the first axis points left.
    """
    affine = np.diag([-1.0, 1.0, 1.0, 1.0])
    affine[:3, :3] *= np.asarray(spacing, dtype=np.float64)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape[:3]) - 1) / 2)
    return affine


def _check_magic(magic: bytes, version: int, path: Path) -> None:
    if magic[:3] in PAIRS:
        raise MalformedInput(
            "the voxels lie in a second file (.img), and only single files are read; convert "
            "the pair to one .nii first",
            path=path,
        )
    if magic != MAGIC[version]:
        raise MalformedInput(
            "the NIfTI magic is missing; an Analyze file has no safe orientation, so convert it",
            path=path,
        )


def _shape(fields: Any, path: Path) -> tuple[tuple[int, int, int, int], bool]:
    count = int(fields["dim"][0])
    if not 1 <= count <= 7:
        raise MalformedInput(f"dim[0] must be 1 to 7, got {count}", path=path)
    sizes = [int(n) for n in fields["dim"][1 : count + 1]]
    if min(sizes) < 1:
        raise MalformedInput(f"every axis needs at least one voxel, got {sizes}", path=path)
    if any(n != 1 for n in sizes[4:]):
        raise MalformedInput(
            f"an image has 3 axes, or 4 with time, got {sizes}; split it first", path=path
        )
    i, j, k, t = (sizes + [1] * 4)[:4]
    return (i, j, k, t), count > 3


def _dtype(fields: Any, path: Path) -> np.dtype[Any]:
    code, bits = int(fields["datatype"]), int(fields["bitpix"])
    if code not in DTYPES:
        what = REFUSED.get(code, f"data of the unknown type {code}")
        raise MalformedInput(
            f"voxels must be whole or real numbers of 8 to 64 bits, and these are {what}; "
            "convert them first",
            path=path,
        )
    dtype = np.dtype(DTYPES[code])
    if bits != dtype.itemsize * 8:
        raise MalformedInput(f"{dtype} takes {dtype.itemsize * 8} bits, bitpix says {bits}",
                             path=path)  # fmt: skip
    return dtype


def _scaling(fields: Any, path: Path) -> tuple[float, float]:
    slope, inter = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope == 0 or math.isnan(slope):
        return 1.0, 0.0
    if not (math.isfinite(slope) and math.isfinite(inter)):
        raise MalformedInput(f"the scaling must be finite, got {slope:g} and {inter:g}", path=path)
    return slope, inter


def _check_spacing(fields: Any, unit: float, path: Path) -> None:
    """Refuse voxels without a size; axes that a 2D file does not have count as 1."""
    used = min(int(fields["dim"][0]), 3)
    fields["pixdim"][1 + used : 4] = np.where(
        fields["pixdim"][1 + used : 4] > 0, fields["pixdim"][1 + used : 4], 1
    )
    spacing = fields["pixdim"][1:4].astype(np.float64) * unit
    low, high = SPACING_RANGE_MM
    if not ((low <= spacing) & (spacing <= high)).all():
        text = " x ".join(f"{mm:g}" for mm in spacing)
        raise UnsafeGeometry(
            f"spacing (pixdim) must lie between {low:g} and {high:g} mm, got {text}; correct "
            "the header",
            path=path,
        )


def _qform(fields: Any) -> NDArray[np.float64] | None:
    """Return the qform, or None where it is no rotation and the sform must do."""
    if fields["pixdim"][0] == 0:
        fields["pixdim"][0] = 1  # as the standard says
    try:
        affine: NDArray[np.float64] = fields.get_qform()
    except (ValueError, HeaderDataError):
        return None
    return affine if np.isfinite(affine).all() else None


def _offset(fields: Any, version: int, path: Path) -> int:
    value, least = float(fields["vox_offset"]), SIZES[version] + 4
    if not (value == value // 1 and least <= value <= least + EXTENSION_LIMIT):
        raise MalformedInput(
            f"vox_offset must be a whole number from {least} to {least + EXTENSION_LIMIT}, "
            f"got {value:g}",
            path=path,
        )
    return int(value)


def _finite(value: Any) -> float:
    return float(value) if math.isfinite(value) else 0.0


def _kept(value: Any) -> Any:
    number = value.item()
    return _finite(number) if isinstance(number, float) else number
