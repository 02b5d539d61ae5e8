"""Which slices belong together: one patient, one series, one stack per volume."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from medacuity.errors import MalformedInput, UnsafeGeometry
from medacuity.formats.dicom.frames import CLASSIC, Frame
from medacuity.formats.dicom.geometry import check_parallel, places, plane_of

IDENTITY = {
    "patients": ("PatientID", "PatientName", "PatientBirthDate"),
    "studies": ("StudyInstanceUID",),
    "series": ("SeriesInstanceUID",),
    "frames of reference": ("FrameOfReferenceUID",),
    "kinds of image": ("SOPClassUID",),
    "image sizes": ("Rows", "Columns"),
}

DIMENSIONS: tuple[str, ...] = (
    "StackID",
    "TemporalPositionIndex",
    "TemporalPositionIdentifier",
    "EchoNumbers",
    "EffectiveEchoTime",
    "EchoTime",
    "DiffusionBValue",
    "NominalCardiacTriggerDelayTime",
    "TriggerTime",
    "FrameReferenceTime",
    "AcquisitionNumber",
    "AcquisitionTime",
    "ImageType",
)
"""What may tell two slices at the same place apart, the surest first."""


def check_identity(frames: Sequence[Frame]) -> None:
    """Refuse slices of several patients, studies, series or kinds.

    Raises:
        UnsafeGeometry: They are mixed; the message counts and quotes nothing.
    """
    for what, keywords in IDENTITY.items():
        kinds = [tuple(_plain(frame.header.get(k)) for k in keywords) for frame in frames]
        counts = Counter(kinds)
        if len(counts) > 1:
            usual = counts.most_common(1)[0][0]
            odd = next(k for k, kind in enumerate(kinds) if kind != usual)
            raise UnsafeGeometry(
                f"slices must be of one series, these are of {len(counts)} {what}; "
                "put each series in a folder of its own and name that",
                path=frames[odd].path,
            )
    _check_kinds(frames)


def _check_kinds(frames: Sequence[Frame]) -> None:
    """Refuse what is no plain slice: a scout among slices, a mosaic, a second file of frames."""
    scouts = [frame for frame in frames if "LOCALIZER" in frame.image_type()]
    if scouts and len(scouts) < len(frames):
        raise UnsafeGeometry(
            f"{len(scouts)} of {len(frames)} slices are localizers; move them out of the folder",
            path=scouts[0].path,
        )
    for frame in frames:
        if "MOSAIC" in frame.image_type():
            raise MalformedInput(
                "it is a mosaic of slices; convert it to one image per slice first",
                path=frame.path,
            )
    files = {id(frame.header): frame for frame in frames}
    if len(files) > 1 and str(frames[0].header.SOPClassUID) not in CLASSIC:
        raise UnsafeGeometry(
            f"a folder may hold one multi-frame file, this one holds {len(files)}; name one file",
            path=frames[0].path,
        )
    _check_copies(list(files.values()))


def _check_copies(frames: Sequence[Frame]) -> None:
    seen: dict[str, Frame] = {}
    for frame in frames:
        uid = instance_uid(frame)
        if uid in seen:
            raise UnsafeGeometry(
                f"the same image is there twice, also as {seen[uid].path.name}; remove one",
                path=frame.path,
            )
        seen[uid] = frame


def instance_uid(frame: Frame) -> str:
    """Return the SOP Instance UID.

    Raises:
        MalformedInput: There is none.
    """
    header = frame.header
    uid = header.get("SOPInstanceUID") or header.file_meta.get("MediaStorageSOPInstanceUID")
    if not uid:
        raise MalformedInput("it has no SOPInstanceUID; export it again", path=frame.path)
    return str(uid)


def stacks(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Divide the frames into volumes, and order each from the first slice to the last.

    Slices at the same place go to different volumes if an attribute tells them apart so that
    every volume has each place once: an echo, a time, a b-value.

    Raises:
        UnsafeGeometry: Slices are oriented differently, missing or there twice.
    """
    planes = [plane_of(frame) for frame in frames]
    by_stack = _split(range(len(frames)), lambda n: _plain(frames[n].get("StackID")))
    volumes = []
    for members in by_stack:
        check_parallel([frames[n] for n in members], [planes[n] for n in members])
        where = dict(zip(members, places([planes[n] for n in members]), strict=True))
        for group in _complete(frames, where):
            volumes.append([frames[n] for n in sorted(group, key=where.__getitem__)])
    return volumes


def _complete(frames: Sequence[Frame], where: dict[int, int]) -> list[list[int]]:
    """Divide until every group has each place once, taking only divisions that come out even."""
    groups = [list(where)]
    slots = len(set(where.values()))
    for keyword in DIMENSIONS:
        if all(len(group) == slots for group in groups):
            return groups
        finer = [part for group in groups for part in _split(group, _reader(frames, keyword))]
        if all(_even([where[n] for n in part], slots) for part in finer):
            groups = finer
    if all(len(group) == slots for group in groups):
        return groups
    counts = Counter(where.values())
    crowded = next(n for n in where if counts[where[n]] > 1)
    raise UnsafeGeometry(
        f"{counts[where[crowded]]} slices are at the same place and no echo, time or b-value "
        f"divides all {len(where)} evenly into volumes; remove duplicates or fetch it again",
        path=frames[crowded].path,
    )


def _even(slots: Sequence[int], count: int) -> bool:
    counts = Counter(slots)
    return len(counts) == count and len(set(counts.values())) == 1


def _reader(frames: Sequence[Frame], keyword: str) -> Callable[[int], Any]:
    if keyword == "ImageType":
        return lambda n: frames[n].image_type()
    return lambda n: _plain(frames[n].get(keyword))


def _split(members: Sequence[int] | range, key: Callable[[int], Any]) -> list[list[int]]:
    groups: dict[Any, list[int]] = {}
    for n in members:
        groups.setdefault(key(n), []).append(n)
    return [groups[value] for value in sorted(groups, key=_order)]


def _order(value: Any) -> tuple[float, str]:
    try:
        return (float(value), "")
    except (TypeError, ValueError, OverflowError):
        return (0.0, str(value))


def _plain(value: Any) -> Any:
    """Return a value that can be compared: trailing separators of names are no difference."""
    if isinstance(value, int | float):
        return value
    return "" if value is None else str(value).rstrip(" ^\0").casefold()
