"""Which scans to learn from, and who they are of: patients are split, never slices."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medacuity.errors import StorageError, UsageError
from medacuity.formats import scans_in
from medacuity.formats.listing import SUFFIXES
from medacuity.training.cells import read_cells

COLUMNS = ("path", "patient", "split", "licence")
SPLITS = ("train", "validate", "test")


@dataclass(frozen=True)
class Case:
    """One scan.

    Args:
        path: The file or DICOM folder.
        patient: Whose it is; all scans of a patient fall on the same side of the split.
        split: ``"train"``, ``"validate"`` or ``"test"``.
        licence: Terms that weights trained on it carry.
        repeat: How many times more often than others it is drawn, to balance rare kinds.
        target: The scan it is to become, where that is another one.
        apart: The target is somebody else's: nothing is known to belong together.
    """

    path: Path
    patient: str
    split: str
    licence: str = "unknown"
    repeat: int = 1
    target: Path | None = None
    apart: bool = False


def find_cases(data: Path, table: Path | None = None) -> list[Case]:
    """Return the cases in ``data``: by its ``cases.csv``, by ``table``, or every scan below it.

    Without a table the patient is the first part of a scan's path below ``data`` (a folder per
    patient, or a file per patient), and one patient in ten, by the hash of that name, is kept
    for validation.
    """
    if not data.is_dir():
        raise StorageError("the folder of training scans does not exist", path=data)
    table = table or (data / "cases.csv" if (data / "cases.csv").is_file() else None)
    cases = _from_table(data, table) if table else _from_names(data)
    if not any(case.split == "train" for case in cases):
        raise UsageError(f"no scan to train on below {data}; it takes {', '.join(SUFFIXES)}")
    check_split(cases)
    return cases


def _from_table(data: Path, table: Path) -> list[Case]:
    rows = read_cells(table)
    missing = [c for c in COLUMNS if rows and c not in rows[0][1]]
    if missing:
        raise UsageError(f"{table} needs the columns {', '.join(COLUMNS)}; missing: {missing}")
    cases = [_from_row(data, row, f"{table}, line {n}") for n, row in rows]
    lost = [case.path for case in cases if not case.path.exists()]
    if lost:
        raise StorageError(f"named in {table.name} but not there", path=lost[0])
    return cases


def _from_row(data: Path, row: dict[str, str], place: str) -> Case:
    path, patient, split, licence = (row[column] for column in COLUMNS)
    repeat = row.get("repeat") or "1"
    if not path or not patient:
        raise UsageError(f"{place}: path and patient must be filled in")
    if split not in SPLITS:
        raise UsageError(f"{place}: split must be {', '.join(SPLITS)}, got {split!r}")
    if not (repeat.isascii() and repeat.isdigit() and int(repeat) >= 1):
        raise UsageError(f"{place}: repeat must be a whole number >= 1, got {repeat!r}")
    return Case(data / path, patient, split, licence or "unknown", int(repeat))


def _from_names(data: Path) -> list[Case]:
    cases = []
    for path in scans_in(data):
        parts = path.relative_to(data).parts or (data.name,)
        patient = parts[0].split(".")[0]
        cases.append(Case(path, patient, split_by_name(patient)))
    return cases


def split_by_name(patient: str) -> str:
    """Return the side of the split a patient falls on: one in ten is there to validate."""
    fold = int(hashlib.sha256(patient.encode()).hexdigest(), 16) % 10
    return "validate" if fold == 0 else "train"


def check_split(cases: Sequence[Case]) -> None:
    """Refuse cases of one patient on both sides of the split."""
    first: dict[str, Case] = {}
    for case in cases:
        other = first.setdefault(case.patient, case)
        if other.split != case.split:
            raise UsageError(
                "all scans of a patient must be on one side of the split: "
                f"{other.path} is there to {other.split}, {case.path} to {case.split}"
            )
