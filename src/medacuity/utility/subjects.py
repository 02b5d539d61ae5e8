"""Scans with their labels, listed in a table, on one grid: what segmentation learns from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medacuity import formats
from medacuity.errors import MalformedInput, StorageError, UsageError
from medacuity.foreground import MARGIN, TISSUE, foreground
from medacuity.intensity import Percentile
from medacuity.regrid import labels_onto, onto, upright
from medacuity.training.cases import Case as Listed
from medacuity.training.cases import check_split
from medacuity.training.cells import read_cells
from medacuity.training.degraded import THICK, read_scan
from medacuity.volume import Volume

COLUMNS = ("path", "labels", "patient", "split")
SIDES = ("train", "test")
MOST = 64  # labels, with 0: more are regions of an atlas, and not a task for a small network
INSIDE = 0.5  # of what is labelled, at the least, must lie within the scan
LARGEST = 512  # pixels along an axis of a slice
BETWEEN = {"train": 3.0, "test": 6.0}  # mm from slice to slice: nearer ones look alike

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Row:
    """A line of the table: a scan, its labels, whose they are, and what they are for."""

    scan: Path
    labels: Path
    patient: str
    split: str
    licence: str = "unknown"


@dataclass(frozen=True)
class Subject:
    """Axial slices of a person, rows towards the right, columns towards the front.

    Shape:
        ``images`` ``(N, 1, H, W)``, the unit range; ``answers`` ``(N, H, W)``, whole numbers.
        ``spacing`` in mm that they were brought to; None: nobody knows.
    """

    patient: str
    images: Tensor
    answers: Tensor
    spacing: float | None = None


def labels_of(subjects: Sequence[Subject]) -> list[int]:
    """Return the labels that subjects have, ascending; 0 is always among them."""
    return sorted({0}.union(*(torch.unique(s.answers).tolist() for s in subjects)))


def numbered(subjects: Sequence[Subject], labels: Sequence[int]) -> list[Subject]:
    """Return subjects whose answers are places in ``labels``, which are ascending."""
    known = torch.tensor(labels)
    return [replace(s, answers=torch.searchsorted(known, s.answers.long())) for s in subjects]


def read_table(table: Path) -> list[Row]:
    """Return the scans that a table lists; paths are below its folder.

    Raises:
        UsageError: A column is missing or a cell empty, a split is neither train nor test, or a
            patient is on both sides.
        StorageError: The table or a file is not there.
        MalformedInput: It is not a CSV table in UTF-8, separated by commas.
    """
    found = read_cells(table)
    missing = [column for column in COLUMNS if not found or column not in found[0][1]]
    if missing:
        raise UsageError(
            f"{table} needs the columns {', '.join(COLUMNS)} and a line for each scan; missing: "
            f"{', '.join(missing)}"
        )
    rows = [_row(table, cells, f"{table.name}, line {n}") for n, cells in found]
    check_split([Listed(row.scan, row.patient, row.split) for row in rows])
    for side in SIDES:
        if not any(row.split == side for row in rows):
            raise UsageError(f"{table} needs scans whose split is {side}")
    return rows


def read_subjects(
    rows: Sequence[Row], *, spacing: float, report: Report = lambda what, done, of: None
) -> dict[str, list[Subject]]:
    """Return the subjects of each split, all on slices of one size.

    Scan and labels are resampled once, onto a grid of ``spacing`` with axes right, front, head;
    across thick slices the scan's own distance is kept. Of slices within 3 mm (to test: 6 mm)
    one is taken.

    Args:
        rows: From `read_table`.
        spacing: mm between voxels.
        report: Told the scans read and to be read.

    Raises:
        MalformedInput: A label map holds something else than labels, or lies elsewhere than its
            scan.
        UsageError: There are too many labels, or the slices are too large.
    """
    parts = []
    for done, row in enumerate(rows, start=1):
        image, labels = _around(*_sliced(row, spacing))
        if not labels.any():
            raise MalformedInput(
                "no label is left in the slices of its scan; give a label map of this scan, or a "
                "smaller --spacing",
                path=row.labels,
            )
        parts.append((image, labels))
        report("reading", done, len(rows))
    size = [max(part[0].shape[axis] for part in parts) for axis in (1, 2)]
    size = [n + -n % 16 for n in size]
    if max(size) > LARGEST:
        raise UsageError(f"slices would have {size[0]} x {size[1]} pixels; name a larger --spacing")
    found: dict[str, list[Subject]] = {side: [] for side in SIDES}
    for row, (image, labels) in zip(rows, parts, strict=True):
        images, answers = (torch.from_numpy(_centred(array, size)) for array in (image, labels))
        found[row.split].append(Subject(row.patient, images[:, None], answers, spacing))
    return found


def _row(table: Path, cells: dict[str, str], place: str) -> Row:
    scan, labels, patient, split = (cells[column] for column in COLUMNS)
    if not (scan and labels and patient):
        raise UsageError(f"{place}: path, labels and patient must be filled in")
    if split not in SIDES:
        raise UsageError(f"{place}: split must be {' or '.join(SIDES)}, got {split!r}")
    paths = [table.parent / name for name in (scan, labels)]
    for path in paths:
        if not path.exists():
            raise StorageError(f"named in {place} but not there", path=path)
    return Row(paths[0], paths[1], patient, split, cells.get("licence") or "unknown")


def read_slices(path: Path, *, spacing: float) -> Tensor:
    """Return the axial slices of a scan as a segmenter sees them, all of them.

    Shape:
        ``(N, 1, H, W)``, the unit range; sizes are multiples of 16.
    """
    scan = read_scan(path)
    image = _unit(scan, _grid(scan, spacing)).transpose(2, 0, 1)
    image = image[foreground(image, above=TISSUE, margin=(0, MARGIN, MARGIN))]
    size = [n + -n % 16 for n in image.shape[1:]]
    return torch.from_numpy(_centred(image, size))[:, None]


def _grid(scan: Volume, spacing: float) -> Volume:
    thick = max(scan.spacing) > THICK * min(scan.spacing)
    return upright(scan, (spacing, spacing, None if thick else spacing))


def _unit(scan: Volume, grid: Volume) -> NDArray[np.float32]:
    return Percentile().of(scan.array).to_unit(onto(scan, grid).array)


def _sliced(row: Row, spacing: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return image and labels as slices ``(N, H, W)``, some millimetres apart."""
    scan, own = read_scan(row.scan), _labels(row.labels)
    _check_place(own, scan, row.labels)
    grid = _grid(scan, spacing)
    image, labels = _unit(scan, grid), labels_onto(own, grid)
    step = max(1, round(BETWEEN[row.split] / grid.spacing[2]))
    return image.transpose(2, 0, 1)[::step], labels.transpose(2, 0, 1)[::step]


def _labels(path: Path) -> Volume:
    """Return a label map; refuse anything else."""
    volume = formats.read(path).volumes[0]
    values = np.unique(volume.array)
    if not (np.isfinite(values).all() and (values == values.round()).all() and values[0] >= 0):
        raise MalformedInput("a label map holds whole numbers from 0", path=path)
    if values[-1] == 0:
        raise MalformedInput("the label map is empty: all 0", path=path)
    if len(values) > MOST:
        raise UsageError(f"a label map may hold {MOST} labels, got {len(values)}; merge them",
                         path=path)  # fmt: skip
    return volume


def _check_place(labels: Volume, scan: Volume, path: Path) -> None:
    """Refuse a label map most of which lies where the scan has no voxels."""
    found = np.flatnonzero(labels.array)
    some = found[:: 1 + len(found) // 100_000]
    at = np.stack([*np.unravel_index(some, labels.shape), np.ones(len(some))])
    places = (np.linalg.solve(scan.affine, labels.affine) @ at)[:3]
    ends = np.array(scan.shape)[:, None]
    inside = ((places > -1) & (places < ends)).all(0).mean()
    if inside < INSIDE:
        raise MalformedInput(
            f"{100 * inside:.0f} % of what is labelled lies within the scan {scan.shape}, and it "
            f"takes {100 * INSIDE:.0f} %; give a label map in the coordinates of this scan",
            path=path,
        )


def _around(
    image: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Leave out the air around."""
    box = foreground(image, above=TISSUE, margin=(0, MARGIN, MARGIN))
    return image[box], labels[box]


def _centred(array: NDArray[np.generic], size: Sequence[int]) -> NDArray[np.generic]:
    """Put slices in the middle of larger ones; beyond is air."""
    pads = [(0, 0)]
    for have, want in zip(array.shape[1:], size, strict=True):
        pads.append(((want - have) // 2, want - have - (want - have) // 2))
    return np.pad(array, pads)
