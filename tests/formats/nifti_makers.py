"""NIfTI files made by nibabel, and headers spoiled on purpose."""

import gzip
import struct

import nibabel as nib
import numpy as np

FIELDS_1 = {  # offset and struct code of NIfTI-1 fields
    "sizeof_hdr": (0, "i"), "dim0": (40, "h"), "dim1": (42, "h"), "dim2": (44, "h"),
    "dim3": (46, "h"), "dim4": (48, "h"), "dim5": (50, "h"), "datatype": (70, "h"),
    "bitpix": (72, "h"), "qfac": (76, "f"), "pixdim1": (80, "f"), "pixdim2": (84, "f"),
    "pixdim3": (88, "f"), "pixdim4": (92, "f"), "vox_offset": (108, "f"),
    "scl_slope": (112, "f"), "scl_inter": (116, "f"), "xyzt_units": (123, "B"),
    "qform_code": (252, "h"), "sform_code": (254, "h"), "quatern_b": (256, "f"),
    "quatern_c": (260, "f"), "quatern_d": (264, "f"), "qoffset_x": (268, "f"),
    "srow_x0": (280, "f"), "srow_x1": (284, "f"), "srow_x3": (292, "f"),
    "srow_y0": (296, "f"), "srow_z2": (320, "f"), "magic": (344, "4s"),
}  # fmt: skip
DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


def image(array, affine=None, *, version=1, order="<", dtype=None, qcode=1, scode=1):
    """Return a nibabel image whose voxels are stored as they are."""
    kinds = {1: (nib.Nifti1Image, nib.Nifti1Header), 2: (nib.Nifti2Image, nib.Nifti2Header)}
    image_class, header_class = kinds[version]
    header = header_class(endianness=order)
    header.set_data_dtype(dtype or array.dtype)
    affine = np.diag([2.0, 3, 4, 1]) if affine is None else affine
    header.set_data_shape(array.shape)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)[: array.ndim]
    header.set_zooms([*spacing, *[1.0] * (array.ndim - 3)])
    if qcode:
        header.set_qform(affine, qcode)
    if scode:
        header.set_sform(affine, scode)
    header.set_xyzt_units("mm", "sec")
    return image_class(array, None, header)


def spoiled(data: bytes, order="<", **fields) -> bytes:
    """Return NIfTI-1 bytes with header fields overwritten."""
    data = bytearray(data)
    for name, value in fields.items():
        offset, code = FIELDS_1[name]
        struct.pack_into(order + code, data, offset, value)
    return bytes(data)


def plain(shape=(5, 6, 7), dtype="i2", **kwargs) -> bytes:
    """Return the bytes of a small .nii."""
    rng = np.random.default_rng(0)
    return image(rng.integers(0, 100, shape).astype(dtype), **kwargs).to_bytes()


def zipped(data: bytes) -> bytes:
    """Return gzip bytes."""
    return gzip.compress(data, mtime=0)
