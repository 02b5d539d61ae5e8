"""Volumes -> one enhanced multi-frame image, its functional groups rewritten frame by frame."""

import io
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from pydicom import Dataset

from medacuity.errors import LimitExceeded
from medacuity.formats.dicom.classic import (
    describe_pixels,
    ds,
    measures,
    nearest,
    orientation,
    set_pixels,
)
from medacuity.formats.dicom.derive import (
    NOT_OF_SYNTHETIC,
    RESAMPLING,
    Derivation,
    derivation_text,
    derived,
    evidence,
    image_type,
    references,
)
from medacuity.formats.dicom.frames import FRAME_TYPES, Frame
from medacuity.formats.dicom.geometry import plane_at
from medacuity.formats.dicom.header import drop, put
from medacuity.formats.dicom.values import Scale, Storage, scale_of
from medacuity.volume import Volume

LONGEST_VALUE = 2**32 - 2  # bytes that one element can hold
REWRITTEN = (
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "DerivationImageSequence",
    "FrameContentSequence",
    "RealWorldValueMappingSequence",
)


def image(
    volumes: Sequence[Volume],
    stacks: Sequence[Sequence[Frame]],
    *,
    grids: Sequence[Volume],
    storage: Storage,
    how: Derivation,
) -> Dataset:
    """Return the derived image; the arguments are those of `classic.images`.

    Raises:
        LimitExceeded: Its pixels are more than one file can hold.
    """
    sources = [frame for stack in stacks for frame in stack]
    header = derived(sources[0], how, instance=1, sources=sources)
    drop(header, "SourceImageSequence", "ReferencedSeriesSequence", "DerivationCodeSequence")
    put(header, "SourceImageEvidenceSequence", [evidence(sources)])
    frames = [
        _frame(volume, stack, grid=grid, k=k, storage=storage, how=how)
        for volume, stack, grid in zip(volumes, stacks, grids, strict=True)
        for k in range(volume.shape[2])
    ]
    put(header, "PerFrameFunctionalGroupsSequence", frames)
    put(header, "SharedFunctionalGroupsSequence", [_shared(sources[0], how)])
    put(header, "NumberOfFrames", len(frames))
    _number_dimensions(header, [k for v in volumes for k in range(v.shape[2])])
    _set_pixels(header, volumes, storage)
    return header


def _frame(
    volume: Volume,
    stack: Sequence[Frame],
    *,
    grid: Volume,
    k: int,
    storage: Storage,
    how: Derivation,
) -> Dataset:
    near, around = nearest(volume, grid, k)
    source = stack[near]
    group: Dataset = deepcopy(source.groups[0])
    plane = plane_at(volume.affine, k)
    old = _item(source, "PixelMeasuresSequence")
    place = {"ImagePositionPatient": [ds(mm) for mm in plane.position]}
    _set_item(group, "PlanePositionSequence", Dataset(), place)
    _set_item(group, "PlaneOrientationSequence", Dataset(), orientation(plane))
    _set_item(group, "PixelMeasuresSequence", old, measures(old, volume, grid))
    _set_scale(group, source, storage)
    content = _item(source, "FrameContentSequence")
    if "InStackPositionNumber" in content:
        put(content, "InStackPositionNumber", k + 1)
    put(group, "FrameContentSequence", [content])
    put(group, "DerivationImageSequence", [_derivation([stack[n] for n in around], how)])
    _derive_types(group, source.header)
    drop(group, *(NOT_OF_SYNTHETIC if how.synthetic else ()))
    return group


def _set_scale(group: Dataset, source: Frame, storage: Storage) -> None:
    transform = _item(source, "PixelValueTransformationSequence")
    if transform or storage.scale != Scale():
        values = {"RescaleSlope": ds(storage.scale.slope)}
        values["RescaleIntercept"] = ds(storage.scale.intercept)
        values["RescaleType"] = str(transform.get("RescaleType") or "US")
        _set_item(group, "PixelValueTransformationSequence", transform, values)
    if scale_of(source) == storage.scale:  # a map from stored values still holds
        mapping = deepcopy(source.get("RealWorldValueMappingSequence"))
        if mapping:
            put(group, "RealWorldValueMappingSequence", mapping)
    else:
        drop(group, "RealWorldValueMappingSequence")


def _item(frame: Frame, keyword: str) -> Dataset:
    """Return a copy of a functional group, wherever it is; an empty one if it is nowhere."""
    for group in frame.groups[:2]:
        items = group.get(keyword)
        if items:
            copy: Dataset = deepcopy(items[0])
            return copy
    return Dataset()


def _set_item(group: Dataset, keyword: str, item: Dataset, values: dict[str, Any]) -> None:
    for name, value in values.items():
        put(item, name, value)
    put(group, keyword, [item])


def _derivation(sources: Sequence[Frame], how: Derivation) -> Dataset:
    item = Dataset()
    put(item, "DerivationDescription", derivation_text(how))
    put(item, "DerivationCodeSequence", [RESAMPLING])
    put(item, "SourceImageSequence", references(sources))
    return item


def _shared(frame: Frame, how: Derivation) -> Dataset:
    """Return the shared groups without those that now differ by frame."""
    shared: Dataset = deepcopy(frame.groups[1])
    drop(shared, *REWRITTEN, *(NOT_OF_SYNTHETIC if how.synthetic else ()))
    _derive_types(shared, frame.header)
    return shared


def _derive_types(group: Dataset, header: Dataset) -> None:
    for macro in FRAME_TYPES:
        for item in group.get(macro) or []:
            put(item, "FrameType", image_type(item.get("FrameType"), header))


def _number_dimensions(header: Dataset, places: Sequence[int]) -> None:
    """Number the frames anew along the dimension that counts slices; keep the others."""
    pointers = [
        item.get("DimensionIndexPointer") for item in header.get("DimensionIndexSequence", [])
    ]
    spatial = [n for n, tag in enumerate(pointers) if tag in SPATIAL]
    for group, k in zip(header.PerFrameFunctionalGroupsSequence, places, strict=True):
        content = group.FrameContentSequence[0]
        value = content.get("DimensionIndexValues")
        values = [value] if isinstance(value, int) else list(value or [])
        if len(values) == len(pointers) and spatial:
            for n in spatial:
                values[n] = k + 1
            put(content, "DimensionIndexValues", values)


SPATIAL = (0x00209057, 0x00200032)  # InStackPositionNumber, ImagePositionPatient


def _set_pixels(header: Dataset, volumes: Sequence[Volume], storage: Storage) -> None:
    size = sum(volume.array.size for volume in volumes) * storage.dtype.itemsize
    if size > LONGEST_VALUE:
        raise LimitExceeded(
            f"a multi-frame file can hold 4 GiB of pixels, the result has {size / 2**30:.1f}; "
            "enlarge less, or part of it"
        )
    buffer = io.BytesIO()
    for volume in volumes:
        for k in range(volume.shape[2]):  # slice by slice: the array may live on disk
            buffer.write(storage.store(volume.array[:, :, k]).T.tobytes())
    buffer.write(b"\0" * (size % 2))
    buffer.seek(0)
    describe_pixels(header, volumes[0], storage)
    set_pixels(header, buffer, storage)
